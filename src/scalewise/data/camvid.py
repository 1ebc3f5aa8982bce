"""CamVid: images with labels of any kind brought into the common form of segmentation.

Reads the layouts of label_folders.py, from a folder, tar or zip, with labels in colours or indices.
Where the folders have no split, or another is wanted, frames are dealt out one by one or as whole
sequences; what comes before the last `_` of a name (`0001TP_006690`) names its sequence.

Section `camvid` of params.yaml.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from scalewise import label_maps, palettes
from scalewise.data import (
    archives,
    label_folders,
    label_images,
    photographs,
    splits,
    store,
    streaming,
)
from scalewise.data.camvid_classes import CAMVID, SEGNET, VOID
from scalewise.data.label_folders import SPLITS, Layout, Pair
from scalewise.errors import InputError
from scalewise.files import write_json
from scalewise.palettes import Palette
from scalewise.params import Record

MADE = "data/streets"
CLASS_DICT = "class_dict.csv"


class Parameters(Record):
    """Section `camvid` of params.yaml."""

    source: Literal["streets", "camvid", "folder"] = "streets"
    """The first has made scenes; camvid knows CamVid's classes by itself; folder: any other."""
    path: str = Field(MADE, min_length=1)
    """A folder, .tar or .zip of images and labels, or a folder that holds it as images.tar."""
    classes: str = ""
    """Path of a class_dict.csv, or of a text with one name a line; empty: the one that is there."""
    labels: Literal["auto", "colours", "indices"] = "auto"
    """What the labels' values are; auto: each file's own kind says, and all must say the same."""
    void: str = VOID
    """Name of the class that unlisted colours become."""
    unknown_share: float = Field(0.01, ge=0, le=1)
    """Largest share of all pixels that may have an unlisted colour."""
    by: Literal["folder", "sequence", "image"] = "folder"
    """What decides the split: the folders, or else shares of sequences; sequences; images."""
    test_share: float = Field(0.3, gt=0, lt=1)
    """Share of all frames to report on, where the folders do not decide."""
    val_share: float = Field(0.2, gt=0, lt=1)
    """Share of the other frames to select and tune on, where the folders do not decide."""
    seed: int = Field(0, ge=0)
    """Of the split."""

    @model_validator(mode="after")
    def _checked(self) -> "Parameters":
        if self.source != "streets" and self.path == MADE:
            raise ValueError(f"path is still {MADE}, expected where source {self.source} is")
        return self


@dataclass
class Found:
    """What the labels turned out to be; filled as the archive is written.

    Attributes:
        sizes: width and height of each image, px.
        kinds: the first label of each meaning.
        palettes: how many labels are palette images.
        pixels: of all labels.
        unlisted: pixels of each colour that no class has.
        worst: the label with most of them, and how many it has.
    """

    sizes: list[tuple[int, int]] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    palettes: int = 0
    pixels: int = 0
    unlisted: Counter[tuple[int, int, int]] = field(default_factory=Counter)
    worst: tuple[int, str] = (0, "")


@dataclass(frozen=True)
class Job:
    """One image and its label to bring into the common form; see `_developed`."""

    image: bytes
    label: bytes
    pair: Pair
    classes: Palette
    meaning: label_images.Meaning | None
    where: str


def make(parameters: Parameters, folder: str | Path) -> None:
    """Write images.tar, train.json, val.json and test.json into `folder`.

    What the labels are, which colours became void and how near the splits are to each other is told
    on stderr. Memory does not grow with the number of images.

    Raises:
        InputError: no such layout, no classes, an image without its label or of another size, a
            lossy label, an index beyond the classes, unlisted colours in too many pixels, too few
            sequences; the message names file and value.
    """
    folder, path = Path(folder), _local(parameters.path)
    with archives.opened(path) as given, photographs.reading():
        layout = label_folders.layout(given.sizes, path)
        classes = _classes(given, layout, parameters)
        pairs = _split(layout, parameters, path)
        found = Found()
        store.pack(folder / "images.tar", _members(given, pairs, classes, parameters, found))
    _report(found, classes, layout, path)
    parts = [_truth(classes, pairs, found.sizes, split, str(path)) for split in SPLITS]
    for part, split in zip(parts, SPLITS, strict=True):
        write_json(folder / f"{split}.json", label_maps.truth_document(part))
    _report_splits(parts)


def _local(path: str) -> Path:
    if "://" in path:
        raise InputError(
            f"camvid.path: {path} is a URL and has to be fetched first; "
            "expected a folder, .tar or .zip on the disk"
        )
    there = Path(path).expanduser()
    inner = there / "images.tar"
    return inner if inner.is_file() else there


def _classes(given: archives.Archive, layout: Layout, parameters: Parameters) -> Palette:
    """The classes: those asked for, those that lie there, or CamVid's."""
    void, inside = parameters.void, f"{layout.root}{CLASS_DICT}"
    if parameters.classes:
        path = Path(parameters.classes).expanduser()
        try:
            classes = palettes.parse(path.read_text(encoding="utf-8"), str(path), void)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"camvid.classes: {path} cannot be read ({error})") from None
    elif name := next((name for name in (inside, CLASS_DICT) if name in given.sizes), ""):
        text = given.read(name).decode("utf-8", "replace")
        classes = palettes.parse(text, f"{given.path}: {name}", void)
    elif parameters.source == "folder":
        raise InputError(f"{given.path}: no {inside}; expected it there or camvid.classes")
    else:
        classes = SEGNET if layout.masks else CAMVID
    if void not in {"", VOID, *classes.names}:
        raise InputError(
            f"camvid.void: '{void}' is no class of {classes.source} "
            f"(choices: {', '.join(classes.names)})"
        )
    return replace(classes, void=classes.names.index(void) if void in classes.names else None)


def _split(layout: Layout, parameters: Parameters, path: Path) -> list[Pair]:
    """The pairs with the split they go to, split by split."""
    pairs = layout.pairs
    if parameters.by == "folder" and pairs[0].split:
        return list(pairs)
    stems = Counter(_stem(pair) for pair in pairs)
    if (again := stems.most_common(1)[0])[1] > 1:
        raise InputError(f"{path}: '{again[0]}' is there in two splits; expected each image once")
    by = "image" if parameters.by == "image" else "sequence"
    groups = np.arange(len(pairs)) if by == "image" else _sequences(pairs, path)
    same = np.zeros(len(pairs), np.int64)
    test = splits.taken(same, groups, parameters.test_share, parameters.seed)
    rest = np.flatnonzero(~test)
    val = splits.taken(same[rest], groups[rest], parameters.val_share, parameters.seed)
    dealt = (rest[~val], rest[val], np.flatnonzero(test))
    for split, chosen in zip(SPLITS, dealt, strict=True):
        if not len(chosen):
            raise InputError(
                f"{path}: {len(pairs)} frames of {len(set(groups.tolist()))} {by}s give none to "
                f"{split}; expected more of them, other shares or camvid.by: image"
            )
    return [
        replace(pairs[n], split=split)
        for split, chosen in zip(SPLITS, dealt, strict=True)
        for n in chosen.tolist()
    ]


def _sequences(pairs: Sequence[Pair], path: Path) -> NDArray[np.int64]:
    """[N] each frame's sequence as a number."""
    names = [sequence_of(pair.image) for pair in pairs]
    if "" in names:
        raise InputError(
            f"{path}: '{pairs[names.index('')].image}' names no sequence; expected names like "
            "0001TP_006690.png or camvid.by: image"
        )
    return np.unique(names, return_inverse=True)[1].astype(np.int64)


def sequence_of(name: str) -> str:
    """The recording a frame is of, by its name: what comes before the last `_`, or nothing."""
    return PurePosixPath(name).stem.rpartition("_")[0]


def _stem(pair: Pair) -> str:
    return PurePosixPath(pair.image).stem


def _members(
    given: archives.Archive,
    pairs: Sequence[Pair],
    classes: Palette,
    parameters: Parameters,
    found: Found,
) -> Iterator[tuple[str, bytes]]:
    """Each image and its mask for the archive; fills `found`."""
    meaning = None if parameters.labels == "auto" else parameters.labels

    def jobs() -> Iterator[Job]:
        for pair in pairs:
            image, label = given.read(pair.image), given.read(pair.label)
            yield Job(image, label, pair, classes, meaning, str(given.path))

    results = streaming.mapped(_developed, jobs(), len(pairs), "camvid")
    for pair, (photograph, mask, label) in zip(pairs, results, strict=True):
        _note(found, pair, photograph.size, label, given.path)
        yield _image_name(pair), photograph.data
        yield _mask_name(pair), mask
    _check_unlisted(found, classes, parameters, str(given.path))


def _image_name(pair: Pair) -> str:
    return f"{pair.split}/{PurePosixPath(pair.image).name}"


def _mask_name(pair: Pair) -> str:
    return f"labels/{pair.split}/{_stem(pair)}.png"


def _developed(job: Job) -> tuple[photographs.Photograph, bytes, label_images.Label]:
    """The image as it is kept, its mask as PNG, and what its label was."""
    try:
        image = photographs.developed(job.image, None)
    except photographs.Unreadable as error:
        raise InputError(f"{job.where}: image '{job.pair.image}': {error}") from None
    where = f"{job.where}: label '{job.pair.label}'"
    label = label_images.read(job.label, job.classes, job.meaning, where)
    mask = label_maps.checked(label.classes, image.size, job.classes.names, where)
    return image, store.encode_png(mask), replace(label, classes=mask[:0])


def _note(
    found: Found, pair: Pair, size: tuple[int, int], label: label_images.Label, path: Path
) -> None:
    found.sizes.append(size)
    found.kinds.setdefault(label.meaning, pair.label)
    if len(found.kinds) > 1:
        one, other = (found.kinds[kind] for kind in ("colours", "indices"))
        raise InputError(
            f"{path}: label '{one}' holds colours, '{other}' indices; expected one kind, or "
            "camvid.labels: colours or indices"
        )
    found.palettes += label.palette
    found.pixels += size[0] * size[1]
    found.unlisted.update(label.unlisted)
    found.worst = max(found.worst, (sum(label.unlisted.values()), pair.label))


def _check_unlisted(found: Found, classes: Palette, parameters: Parameters, where: str) -> None:
    if found.unlisted.total() > parameters.unknown_share * found.pixels:
        count, name = found.worst
        raise InputError(
            f"{where}: {_unlisted(found)} have a colour that is no class's in {classes.source}, "
            f"most of them in '{name}' ({count:,}): {_shown(found.unlisted)}; expected at most "
            f"{parameters.unknown_share:.2%} (camvid.unknown_share)"
        )


def _unlisted(found: Found) -> str:
    total = found.unlisted.total()
    return f"{total:,} of {found.pixels:,} pixels ({total / found.pixels:.2%})"


def _shown(unlisted: Mapping[tuple[int, int, int], int]) -> str:
    most = Counter(unlisted).most_common(3)
    more = ", ..." if len(unlisted) > len(most) else ""
    return "; ".join(f"{','.join(map(str, c))} {n:,} times" for c, n in most) + more


def _truth(
    classes: Palette,
    pairs: Sequence[Pair],
    sizes: Sequence[tuple[int, int]],
    split: str,
    source: str,
) -> label_maps.Truth:
    mine = [n for n, pair in enumerate(pairs) if pair.split == split]
    return label_maps.Truth(
        source=source,
        image_ids=1 + np.array(mine, np.int64),
        file_names=tuple(_image_name(pairs[n]) for n in mine),
        sizes=np.array([sizes[n] for n in mine], np.int64).reshape(-1, 2),
        category_names=classes.names,
        colours=classes.colours,
        void=classes.void,
        label_names=tuple(_mask_name(pairs[n]) for n in mine),
        sequences=tuple(sequence_of(pairs[n].image) for n in mine),
    )


def _report(found: Found, classes: Palette, layout: Layout, path: Path) -> None:
    kind = next(iter(found.kinds))
    through = f", {found.palettes:,} of them by way of a palette" if found.palettes else ""
    _say(f"{path}: labels hold {kind}{through}; classes: {classes.source}")
    if found.unlisted:
        void = classes.names[classes.void or 0]
        _say(f"{_unlisted(found)} of unlisted colours became {void}: {_shown(found.unlisted)}")
    if layout.alone:
        _say(f"{len(layout.alone):,} labels without an image left out ('{layout.alone[0]}')")


def _report_splits(parts: Sequence[label_maps.Truth]) -> None:
    train, val, test = parts
    sizes = ", ".join(f"{name} {len(part):,}" for name, part in zip(SPLITS, parts, strict=True))
    close = int((label_maps.near(test, train) | label_maps.near(test, val)).sum())
    _say(
        f"{sizes}; {close:,} test frames have a train or val frame of their sequence within "
        f"{label_maps.NEARBY} frames"
    )


def _say(text: str) -> None:
    print(f"camvid: {text}", file=sys.stderr)
