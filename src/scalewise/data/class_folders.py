"""Folders of class folders: `<class>/<image>`, on the disk or in an archive.

One leading folder that holds all the others is passed over. Hidden files, and those whose name
is no image's, are not looked at.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scalewise.data import archives
from scalewise.data.photographs import SUFFIXES
from scalewise.errors import InputError

ASIDE = "__MACOSX"  # what one system adds to its zips


@dataclass(frozen=True)
class ClassFolders:
    """The images of a folder or archive.

    Attributes:
        archive: to read them from.
        images: name in the archive of every image, by its class, both in order.
        others: files that are no images by their names.
    """

    archive: archives.Archive
    images: dict[str, tuple[str, ...]]
    others: tuple[str, ...]


@contextmanager
def opened(path: str | Path) -> Iterator[ClassFolders]:
    """Open a folder, zip or tar of class folders, or a folder that holds it as images.tar.

    Raises:
        InputError: there is nothing, or no image, an image beside or below the class folders, or
            a class folder without images; the message names it.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: expected a folder, .tar or .zip of class folders, found nothing")
    inner = path / "images.tar"
    with archives.opened(inner if inner.is_file() else path) as archive:
        names = [name for name in sorted(archive.sizes) if not _hidden(name)]
        pictures = [name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES]
        if not pictures:
            raise InputError(f"{archive.path}: expected <class>/<image>, found no images")
        others = tuple(sorted(set(names) - set(pictures)))
        yield ClassFolders(archive, _by_class(archive, pictures), others)


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == ASIDE for part in name.split("/"))


def _by_class(archive: archives.Archive, names: list[str]) -> dict[str, tuple[str, ...]]:
    root = _root(names)
    classes: dict[str, list[str]] = {name: [] for name in _folders(archive, root)}
    for name in names:
        folder, *rest = name.removeprefix(root).split("/")
        if len(rest) != 1:
            where = "below a class folder" if rest else "beside the class folders"
            raise InputError(f"{archive.path}: '{name}' lies {where}, expected <class>/<image>")
        classes.setdefault(folder, []).append(name)
    for folder, inside in classes.items():
        if not inside:
            raise InputError(f"{archive.path}: class folder '{root}{folder}' holds no image")
    return {folder: tuple(classes[folder]) for folder in sorted(classes)}


def _root(names: list[str]) -> str:
    """The folder that all class folders lie in, with its slash; empty for none."""
    root = ""
    while True:
        inner = [name.removeprefix(root) for name in names]
        first = inner[0].split("/")[0]
        if any(name.split("/")[0] != first or name.count("/") < 2 for name in inner):
            return root
        root += f"{first}/"


def _folders(archive: archives.Archive, root: str) -> list[str]:
    """The folders right below the root that are there by themselves, and so may be empty."""
    inside = [name.removeprefix(root) for name in archive.folders if name.startswith(root)]
    return [name for name in inside if "/" not in name and not _hidden(name)]
