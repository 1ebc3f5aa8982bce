"""Make or fetch a dataset and bring it into the common form: `prepare.py <name>`."""

from importlib import import_module
from pathlib import Path

from scalewise import data, params
from scalewise.errors import InputError, run


def main(name: str) -> None:
    """Let the module of scalewise.data called `name` write data/<name>/."""
    choices = sorted(filter(makes, Path(data.__path__[0]).glob("*.py")))
    if name not in [file.stem for file in choices]:
        names = ", ".join(file.stem for file in choices)
        raise InputError(f"prepare: no dataset '{name}' (choices: {names})")
    module = import_module(f"scalewise.data.{name}")
    module.make(params.read(name, module.Parameters), Path("data") / name)


def makes(file: Path) -> bool:
    """Whether a module is a dataset; told without importing it, for some take seconds."""
    return "\ndef make(" in file.read_text()


if __name__ == "__main__":
    run(main)
