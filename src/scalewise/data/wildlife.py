"""Wildlife: class folders brought into the common form, with splits that can be trusted.

The Russian Wildlife set and its stand-in (`creatures`) hold several crops of one photograph, told
by their names: `0224_p_crop00_...`, `0224_p_crop01_...`. Split `by: image`, as usual, such crops
end on both sides and flatter; split `by: frame` they stay together. Images of equal bytes always
stay together.

Section `wildlife` of params.yaml.
"""

import hashlib
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from scalewise import class_labels
from scalewise.data import class_folders, photographs, splits, store, streaming
from scalewise.data.class_folders import ClassFolders
from scalewise.data.fetching import sources
from scalewise.data.fetching.sources import Source
from scalewise.data.species import CLASSES
from scalewise.errors import InputError
from scalewise.files import write_json
from scalewise.params import Record

Ints = NDArray[np.int64]

SPLITS = ("train", "val", "test")
ENDINGS = {"jpg": {".jpg", ".jpeg"}, "png": {".png"}}
CROP = re.compile(r"^(.+?)_crop\d+")


class Parameters(Record):
    """Section `wildlife` of params.yaml."""

    source: Literal["creatures", "russian_wildlife", "folder"] = "creatures"
    """The first two have just the ten classes; folder: any class folders."""
    path: str = Field("data/creatures", min_length=1)
    """A folder, .tar or .zip of class folders, the URL of such a .tar or .zip, or a folder that
    holds them as images.tar."""
    image_size: int | None = Field(None, ge=8, le=16384)
    """Longer side to which larger images are shrunk, px; null: stored as they are."""
    test_share: float = Field(0.2, gt=0, lt=1)
    """Share of every class to report on."""
    val_share: float = Field(0.15, gt=0, lt=1)
    """Share of every class's other images to select and tune on."""
    by: Literal["image", "frame"] = "image"
    """What the splits share out: images, or frames with all of their crops."""
    unreadable: Literal["error", "skip"] = "error"
    """What to do with images that cannot be decoded: stop, or leave them out and say so."""
    seed: int = Field(0, ge=0)
    """Of the splits."""


@dataclass
class Images:
    """What was read, image by image; filled as the archive is written."""

    names: list[str] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    digests: list[bytes] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def make(parameters: Parameters, folder: str | Path) -> None:
    """Write images.tar, train.json, val.json and test.json into `folder`.

    What was left out, kept together or shared between splits is counted on stderr.

    Raises:
        InputError: the path holds no such class folders, or its URL cannot be fetched; a class too
            many or too few, or too small to be split; an unreadable image; two images of equal
            bytes in two classes.
    """
    folder, path = Path(folder), sources.obtain(Source(url=parameters.path))
    with class_folders.opened(path) as given, photographs.reading():
        classes = _classes(given, parameters)
        images = Images()
        store.pack(folder / "images.tar", _members(given, classes, parameters, images))
    _report(given, images)
    truth = _truth(images, classes, parameters.path)
    parts = _split(truth, images.digests, parameters)
    for name, part in zip(SPLITS, parts, strict=True):
        write_json(folder / f"{name}.json", class_labels.truth_document(part))
    _report_splits(parts)


def _classes(given: ClassFolders, parameters: Parameters) -> tuple[str, ...]:
    found, where = tuple(given.images), given.archive.path
    if parameters.source == "folder":
        if len(found) < 2:
            raise InputError(f"{where}: expected two class folders or more, found '{found[0]}'")
        return found
    if odd := [name for name in found if name not in CLASSES]:
        raise InputError(
            f"{where}: class folder '{odd[0]}' is none of {parameters.source} "
            f"(choices: {', '.join(CLASSES)}; wildlife.source: folder takes any)"
        )
    if absent := [name for name in CLASSES if name not in found]:
        raise InputError(f"{where}: class folder '{absent[0]}' is missing or holds no image")
    return CLASSES


def _members(
    given: ClassFolders, classes: Sequence[str], parameters: Parameters, images: Images
) -> Iterator[tuple[str, bytes]]:
    """Each image's name and bytes for the archive; fills `images`.

    Reading goes on past unreadable images, so that one message counts them all.
    """
    listed = [(label, name) for label, kind in enumerate(classes) for name in given.images[kind]]

    def jobs() -> Iterator[tuple[bytes | str, int | None]]:
        for _, name in listed:
            yield _content(given, name), parameters.image_size

    results = streaming.mapped(_developed, jobs(), len(listed), "wildlife")
    for (label, name), (result, digest) in zip(listed, results, strict=True):
        if isinstance(result, str):
            images.problems.append(f"'{name}' cannot be read ({result})")
            continue
        stored = _stored(classes[label], name, result.kind)
        images.names.append(stored)
        images.labels.append(label)
        images.sizes.append(result.size)
        images.digests.append(digest)
        yield stored, result.data
    _check(images, classes, parameters, given)


def _content(given: ClassFolders, name: str) -> bytes | str:
    """An image's bytes, or what is wrong with the archive there."""
    try:
        return given.archive.read(name)
    except (InputError, OSError) as error:
        return str(error)


def _developed(
    job: tuple[bytes | str, int | None],
) -> tuple[photographs.Photograph | str, bytes]:
    """The photograph, or why there is none; and a digest of the bytes it came in."""
    data, largest = job
    if isinstance(data, str):
        return data, b""
    try:
        return photographs.developed(data, largest), hashlib.sha256(data).digest()
    except photographs.Unreadable as error:
        return str(error), b""


def _stored(kind: str, name: str, encoded: str) -> str:
    """The name in the archive: the given one, with another ending where that would lie."""
    file = PurePosixPath(name)
    fits = not encoded or file.suffix.lower() in ENDINGS[encoded]
    return f"{kind}/{file.name}" if fits else f"{kind}/{file.name}.{encoded}"


def _check(
    images: Images, classes: Sequence[str], parameters: Parameters, given: ClassFolders
) -> None:
    where = given.archive.path
    if images.problems and parameters.unreadable == "error":
        raise InputError(
            f"{where}: image {images.problems[0]}; {len(images.problems):,} in all; "
            "wildlife.unreadable: skip leaves them out"
        )
    first: dict[bytes, int] = {}
    for n, digest in enumerate(images.digests):
        twin = first.setdefault(digest, n)
        if images.labels[twin] != images.labels[n]:
            raise InputError(
                f"{where}: '{images.names[twin]}' and '{images.names[n]}' have the same bytes, "
                "but lie in two classes"
            )
    counts = np.bincount(images.labels, minlength=len(classes))
    if counts.min() < len(SPLITS):
        raise InputError(
            f"{where}: class '{classes[int(counts.argmin())]}' has {counts.min()} readable images, "
            f"expected {len(SPLITS)} or more: one for each split"
        )


def _truth(images: Images, classes: Sequence[str], source: str) -> class_labels.Truth:
    return class_labels.Truth(
        source=source,
        image_ids=1 + np.arange(len(images.names)),
        file_names=tuple(images.names),
        sizes=np.array(images.sizes, np.int64).reshape(-1, 2),
        category_names=tuple(classes),
        label=np.array(images.labels, np.int64),
        frames=tuple(map(frame_of, images.names)),
    )


def frame_of(name: str) -> str:
    """What an image was cut from, by its name: what comes before `_crop<number>`, or nothing.

    The class does not count: two of them may have been cut from one photograph.
    """
    found = CROP.match(PurePosixPath(name).name)
    return found[1] if found else ""


def _split(
    truth: class_labels.Truth, digests: Sequence[bytes], parameters: Parameters
) -> list[class_labels.Truth]:
    """The three parts, each in the archive's order."""
    groups = _numbered(digests)
    if parameters.by == "frame":
        groups = splits.joined(groups, _frames(truth))
    test = splits.taken(truth.label, groups, parameters.test_share, parameters.seed)
    rest = np.flatnonzero(~test)
    val = splits.taken(truth.label[rest], groups[rest], parameters.val_share, parameters.seed)
    parts = [
        class_labels.select(truth, chosen)
        for chosen in (rest[~val], rest[val], np.flatnonzero(test))
    ]
    for name, part in zip(SPLITS, parts, strict=True):
        counts = np.bincount(part.label, minlength=len(truth.category_names))
        if not counts.all():
            lacking = truth.category_names[int(counts.argmin())]
            raise InputError(
                f"{truth.source}: class '{lacking}' has too few {parameters.by}s to give one "
                f"to {name}; expected more of them, or other shares"
            )
    return parts


def _numbered(keys: Sequence[bytes] | Sequence[str]) -> Ints:
    """[N] a number for each key, equal for equal ones."""
    place: dict[bytes | str, int] = {}
    return np.array([place.setdefault(key, len(place)) for key in keys], np.int64)


def _frames(truth: class_labels.Truth) -> Ints:
    """[N] each image's frame as a number; one without a frame is its own."""
    if not any(truth.frames):
        raise InputError(
            f"{truth.source}: wildlife.by: frame expects names like 0224_p_crop00_x.jpg, "
            f"got '{truth.file_names[0]}' and none with _crop<number>"
        )
    return _numbered([frame or f"/{n}" for n, frame in enumerate(truth.frames)])


def _report(given: ClassFolders, images: Images) -> None:
    if given.others:
        _say(f"{len(given.others):,} files that are no images left out ('{given.others[0]}')")
    if images.problems:
        _say(f"{len(images.problems):,} unreadable images left out ({images.problems[0]})")
    twins = defaultdict(list)
    for name, digest in zip(images.names, images.digests, strict=True):
        twins[digest].append(name)
    if again := [names for names in twins.values() if len(names) > 1]:
        count = sum(map(len, again)) - len(again)
        _say(
            f"{count:,} images have the bytes of another and share its split "
            f"('{again[0][0]}' and '{again[0][1]}')"
        )


def _report_splits(parts: Sequence[class_labels.Truth]) -> None:
    train, val, test = parts
    sizes = ", ".join(f"{name} {len(part):,}" for name, part in zip(SPLITS, parts, strict=True))
    shared = int(class_labels.shares_frame(test, [train, val]).sum())
    _say(f"{sizes}; {shared:,} test images share a frame with train or val")


def _say(text: str) -> None:
    print(f"wildlife: {text}", file=sys.stderr)
