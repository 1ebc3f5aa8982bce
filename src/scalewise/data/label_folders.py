"""Folders of images beside folders of their labels, on the disk or in an archive.

Three layouts, in any one leading folder: CamVid as it is handed on, `train/x.png` with
`train_labels/x_L.png`, and so on for val and test; the masks that came with SegNet, `train/x.png`
with `trainannot/x.png`; and one pair of folders without a split, `images/x.png` with
`labels/x_L.png`, or CamVid's own `701_StillsRaw_full` with `LabeledApproved_full`. `_L` may be
absent or present in each. Hidden files, and those whose name is no image's, are not looked at.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scalewise.data.photographs import SUFFIXES
from scalewise.errors import InputError

SPLITS = ("train", "val", "test")
ASIDE = "__MACOSX"  # what one system adds to its zips
SPLIT_STYLES = ("_labels", "annot")
WHOLE_STYLES = {"labels": "images", "LabeledApproved_full": "701_StillsRaw_full"}
LOSSY = (".jpg", ".jpeg", ".jpe", ".jfif", ".webp")
EXPECTED = (
    "train/ val/ test/ with train_labels/ val_labels/ test_labels/ or trainannot/ valannot/ "
    "testannot/, or images/ with labels/"
)


@dataclass(frozen=True)
class Pair:
    """An image and its label, by their names in the archive; `split` is empty without one."""

    split: str
    image: str
    label: str


@dataclass(frozen=True)
class Layout:
    """What was found.

    Attributes:
        root: the folder that the others lie in, with its slash; empty for none.
        masks: whether the folders are called as those of SegNet's index masks.
        pairs: images with their labels, split by split, in the order of their names.
        alone: labels without an image.
    """

    root: str
    masks: bool
    pairs: tuple[Pair, ...]
    alone: tuple[str, ...]


def layout(names: Iterable[str], where: Path) -> Layout:
    """Find the pairs among the names of files.

    Raises:
        InputError: no such layout or two of them, a split missing, an image without a label, two
            images of one name, a JPEG label; the message names it.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        parts = name.split("/")
        if not any(part.startswith(".") or part == ASIDE for part in parts):
            folders["/".join(parts[:-1])].append(name)
    pictures = {f: [n for n in files if _is_image(n)] for f, files in folders.items()}
    pictures = {folder: files for folder, files in pictures.items() if files}
    root, style = _style(pictures, where)
    splits = {"": WHOLE_STYLES[style]} if style in WHOLE_STYLES else {s: s for s in SPLITS}
    pairs, alone = [], []
    for split, folder in splits.items():
        labels = style if style in WHOLE_STYLES else f"{folder}{style}"
        found, left = _paired(pictures, f"{root}{folder}", f"{root}{labels}", where)
        pairs += [Pair(split, image, label) for image, label in found]
        alone += left
    return Layout(root, style == "annot", tuple(pairs), tuple(alone))


def _is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in SUFFIXES


def _style(pictures: Mapping[str, Sequence[str]], where: Path) -> tuple[str, str]:
    """Where the folders are, and how the label folders are called."""
    found = set()
    for folder in pictures:
        parent, _, last = folder.rpartition("/")
        root = f"{parent}/" if parent else ""
        if last in WHOLE_STYLES and f"{root}{WHOLE_STYLES[last]}" in pictures:
            found.add((root, last))
        for style in SPLIT_STYLES:
            if last in {f"{split}{style}" for split in SPLITS}:
                found.add((root, style))
    if not found:
        shown = ", ".join(f"{folder or '.'}/" for folder in list(pictures)[:8])
        raise InputError(f"{where}: expected {EXPECTED}; images are in: {shown or 'no folder'}")
    if len(found) > 1:
        shown = " and ".join(
            sorted(f"'{root}{style if style in WHOLE_STYLES else 'train' + style}/'"
                   for root, style in found)
        )  # fmt: skip
        raise InputError(f"{where}: several sets of labels, {shown}; expected the path of one")
    return found.pop()


def _paired(
    pictures: Mapping[str, Sequence[str]], images: str, labels: str, where: Path
) -> tuple[list[tuple[str, str]], list[str]]:
    """Each image of a folder with its label, and the labels that are left."""
    for folder in (images, labels):
        if folder not in pictures:
            raise InputError(f"{where}: no images in '{folder}/'; expected {EXPECTED}")
    given, known = _by_stem(pictures[images], where), _by_stem(pictures[labels], where)
    wanted = {
        stem: next((s for s in (f"{stem}_L", stem, stem.removesuffix("_L")) if s in known), "")
        for stem in given
    }
    if lacking := [stem for stem, label in wanted.items() if not label]:
        raise InputError(
            f"{where}: '{given[lacking[0]]}' has no label; expected '{labels}/{lacking[0]}_L.png' "
            f"or '{labels}/{lacking[0]}.png' ({len(lacking):,} such images)"
        )
    used = [known[label] for label in wanted.values()]
    if lossy := [name for name in used if name.lower().endswith(LOSSY)]:
        raise InputError(f"{where}: label '{lossy[0]}' is a JPEG or the like, whose colours change")
    left = sorted(set(pictures[labels]) - set(used))
    return list(zip(given.values(), used, strict=True)), left


def _by_stem(names: Sequence[str], where: Path) -> dict[str, str]:
    stems: dict[str, str] = {}
    for name in names:
        stem = PurePosixPath(name).stem
        if stem in stems:
            raise InputError(f"{where}: '{stems[stem]}' and '{name}' differ in their ending alone")
        stems[stem] = name
    return stems
