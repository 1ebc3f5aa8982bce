"""Segmentation truth: images, each with a mask that gives every pixel its class.

JSON as COCO's panoptic form (https://cocodataset.org/#format-data): categories have a colour and
may be void, and each image has one annotation, which names its mask. A mask is a single-channel
8-bit PNG beside the images; its values are the positions of the classes, 0..C-1.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scalewise import palettes, records
from scalewise.errors import InputError
from scalewise.files import read_json, write_json
from scalewise.palettes import Labels, Palette, Pixels
from scalewise.records import Bools, Ints, Table

LISTS = "images, annotations and categories"
NEARBY = 60  # frames: two seconds of CamVid's


@dataclass(frozen=True)
class Truth:
    """Labelled images: I images, C classes, in the file's order.

    Attributes:
        source: where it came from, for messages.
        image_ids: [I], the file's ids.
        file_names: I names, each once.
        sizes: [I, 2] width and height in pixels; 0 where the file does not say.
        category_names: C names.
        colours: [C, 3] uint8 RGB.
        void: position of the class that stands for what has no class; None if none does.
        label_names: I names of the masks, in the same store as the images.
        sequences: I names of the recordings the images are frames of; empty where unknown.
        images: folder of the encoded images, where the file names one (`info.images`).
    """

    source: str
    image_ids: Ints
    file_names: tuple[str, ...]
    sizes: Ints
    category_names: tuple[str, ...]
    colours: Pixels
    void: int | None
    label_names: tuple[str, ...]
    sequences: tuple[str, ...]
    images: str = ""

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def palette(self) -> Palette:
        """The classes and their colours."""
        return Palette(self.source, self.category_names, self.colours, self.void)


def read_truth(path: str | Path) -> Truth:
    """Read and check a segmentation truth, plain or gzip.

    `width`, `height` and `sequence` of images and `void` of categories may be absent. A file
    without images is a truth of none.

    Raises:
        InputError: ids or file names twice, an image without a name, with no mask or several,
            categories that are not 0..C-1 in this order, two with one colour, two void ones; the
            message names file and record.
    """
    return parse_truth(read_json(path), str(path))


def parse_truth(document: Any, source: str) -> Truth:
    """Check a segmentation truth that is in memory; see `read_truth`."""
    document = records.as_object(document, source, LISTS)
    head = records.images(document, source)
    images = Table(document, "images", source)
    masks = Table(document, "annotations", source)
    records.check_file_names(images, head["file_names"])
    palette = _palette(Table(document, "categories", source), source)
    masks.ids()
    image = masks.positions("image_id", head["image_ids"], "images")
    return Truth(
        **head,
        category_names=palette.names,
        colours=palette.colours,
        void=palette.void,
        label_names=_one_each(images, image, masks.texts("file_name", None)),
        sequences=tuple(images.texts("sequence", "")),
    )


def _palette(categories: Table, source: str) -> Palette:
    ids = categories.ids()
    if (ids != np.arange(len(ids))).any():
        n = int(np.argmax(ids != np.arange(len(ids))))
        raise categories.error(n, f"id {ids[n]}, expected {n}: ids are the values in the masks")
    names = categories.names()
    void = np.flatnonzero(categories.integers("void", 0))
    if len(void) > 1:
        raise categories.error(
            int(void[1]), f"void, as '{names[void[0]]}' is; expected one at most"
        )
    colours = categories.column("color", None)
    for n, colour in enumerate(colours):
        if not isinstance(colour, list):
            raise categories.error(n, f"'color' is {colour!r}, expected a list [r, g, b]")
    where = f"{source}: categories"
    return palettes.build(where, names, colours, names[void[0]] if len(void) else "")


def _one_each(images: Table, image: Ints, masks: Sequence[str]) -> tuple[str, ...]:
    """The name of each image's mask."""
    counts = np.bincount(image, minlength=len(images.records))
    if (counts != 1).any():
        n = int(np.argmax(counts != 1))
        raise images.error(n, f"it has {counts[n]} annotations, expected one, which names its mask")
    return tuple(masks[n] for n in np.argsort(image))


def truth_document(truth: Truth) -> dict[str, Any]:
    """The document of a truth: what `parse_truth` reads."""
    images = records.image_records(truth.image_ids, truth.file_names, truth.sizes)
    for record, sequence in zip(images, truth.sequences, strict=True):
        record["sequence"] = sequence
    classes = zip(truth.category_names, truth.colours.tolist(), strict=True)
    masks = zip(truth.image_ids.tolist(), truth.label_names, strict=True)
    return {
        "info": {"images": truth.images},
        "images": images,
        "categories": [
            {"id": n, "name": name, "color": colour, "void": int(n == truth.void)}
            for n, (name, colour) in enumerate(classes)
        ],
        "annotations": [{"id": i, "image_id": i, "file_name": name} for i, name in masks],
    }


def write_truth(path: str | Path, truth: Truth, images: str | Path) -> None:
    """Write a truth as JSON that names the folder of its images."""
    write_json(path, truth_document(replace(truth, images=str(images))))


def select(truth: Truth, images: Sequence[int] | Ints) -> Truth:
    """The truth of some images, given by position, in that order."""
    return records.selected(truth, images, ("label_names", "sequences"))


def read_splits(paths: Sequence[str | Path]) -> list[Truth]:
    """Read the splits of one dataset, which must agree on their classes."""
    splits = [read_truth(path) for path in paths]
    for split in splits[1:]:
        check_categories(split, splits[0].category_names, splits[0].source)
    return splits


def check_categories(truth: Truth, names: Sequence[str], source: str) -> None:
    """Raise an InputError unless the truth has just these classes, in this order."""
    records.check_same("classes", truth.category_names, truth.source, names, source)


def checked(mask: NDArray[Any], size: Sequence[int], names: Sequence[str], where: str) -> Labels:
    """A decoded mask as [H, W] uint8, if it fits its image and its classes.

    Args:
        mask: [H, W] whole numbers.
        size: width and height of the image, px.
        names: the classes, C.
        where: file and name of the mask, which starts each message.

    Raises:
        InputError: another size, or a value of C or more.
    """
    height, width = mask.shape
    if (width, height) != tuple(size):
        raise InputError(f"{where}: {width}x{height} px, but its image has {size[0]}x{size[1]}")
    if mask.size and not 0 <= mask.min() <= mask.max() < len(names):
        worst = int(mask.max() if mask.max() >= len(names) else mask.min())
        raise InputError(
            f"{where}: index {worst} in {int((mask == worst).sum()):,} pixels is none of the "
            f"{len(names)} classes (0 {names[0]} to {len(names) - 1} {names[-1]})"
        )
    return mask.astype(np.uint8)


def frame_numbers(truth: Truth) -> Ints:
    """[I] the number at the end of each file name, before its suffix; -1 where there is none."""
    found = [re.search(r"(\d{1,18})$", PurePosixPath(name).stem) for name in truth.file_names]
    return np.array([int(match[1]) if match else -1 for match in found], np.int64)


def near(truth: Truth, other: Truth, frames: int = NEARBY) -> Bools:
    """[I] whether an image has one of the same sequence in `other` at most `frames` frames away.

    What a score on `truth` owes to having seen its neighbours in `other`. Images without sequence
    or number have none.
    """
    found = np.zeros(len(truth), bool)
    mine, theirs = frame_numbers(truth), frame_numbers(other)
    sequences, others = np.array(truth.sequences, str), np.array(other.sequences, str)
    for name in set(truth.sequences) & set(other.sequences) - {""}:
        at = np.flatnonzero((sequences == name) & (mine >= 0))
        known = np.sort(theirs[(others == name) & (theirs >= 0)])
        if len(known):
            right = np.searchsorted(known, mine[at]).clip(max=len(known) - 1)
            gaps = [np.abs(known[spot] - mine[at]) for spot in (right, (right - 1).clip(min=0))]
            found[at] = np.minimum(*gaps) <= frames
    return found
