"""detect@<name>: a detector that came with its weights, or results that exist already."""

from pathlib import Path

from scalewise import files, params
from scalewise.errors import run
from scalewise.models.pretrained import Parameters

NOT_ASKED = """{0} is not in `detectors` of params.yaml, so nothing was predicted. Ask for it with
dvc exp run -S 'detectors=[{1}]'
"""


def main(name: str) -> None:
    """Write predictions/<name>/: detections and truth, or how to ask for them."""
    parameters = params.read(f"pretrained.{name}", Parameters)
    out, asked = Path("predictions") / name, params.detectors()
    if name not in asked:
        with files.replacing(out / "README.txt") as scratch:
            scratch.write_text(NOT_ASKED.format(name, ",".join([*asked, name])))
        print(f"{name}: not asked for")
        return
    if parameters.library == "results":
        from scalewise.prediction import adopted

        adopted.write(parameters, out)
    else:
        from scalewise.prediction import pretrained

        pretrained.write(name, parameters, out)
    print(f"{name}: {', '.join(sorted(path.name for path in out.glob('*.json')))}")


if __name__ == "__main__":
    run(main)
