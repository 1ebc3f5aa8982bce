"""adopt@<name>: bring a dataset that lies somewhere into the common form, with its splits."""

from importlib import import_module
from pathlib import Path

from scalewise import params
from scalewise.errors import InputError, run

ADOPTED = ("camvid", "wildlife")


def main(name: str) -> None:
    """Let the module of scalewise.data called `name` read its source and write data/<name>/."""
    if name not in ADOPTED:
        raise InputError(f"adopt: no dataset '{name}' (choices: {', '.join(ADOPTED)})")
    module = import_module(f"scalewise.data.{name}")
    module.make(params.read(name, module.Parameters), Path("data") / name)


if __name__ == "__main__":
    run(main)
