"""Classification truth and scores: read, check, write.

Truth is COCO-like JSON in which each image has exactly one annotation, without a box; `frame`
names what several crops were cut from. Scores are a CSV with one row an image: its file name,
the true class's name, and the probability of each class. Inside, classes are positions 0..C-1.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scalewise import records
from scalewise.errors import InputError
from scalewise.files import read_json, replacing, write_json
from scalewise.records import Bools, Floats, Ints, Table

TOLERANCE = 1e-3  # how far a row's probabilities may sum from 1: four digits a class are enough
FIRST = ["image", "label"]  # columns before the classes


@dataclass(frozen=True)
class Truth:
    """Labelled images: I images, C classes, in the file's order.

    Attributes:
        source: where it came from, for messages.
        image_ids: [I], the file's ids.
        file_names: I names, each once.
        sizes: [I, 2] width and height in pixels; 0 where the file does not say.
        category_names: C names.
        label: [I], position of the image's class.
        frames: I names of what each image was cut from; empty where the file does not say.
        images: folder of the encoded images, where the file names one (`info.images`).
    """

    source: str
    image_ids: Ints
    file_names: tuple[str, ...]
    sizes: Ints
    category_names: tuple[str, ...]
    label: Ints
    frames: tuple[str, ...]
    images: str = ""

    def __len__(self) -> int:
        return len(self.label)


@dataclass(frozen=True)
class Scores:
    """Probabilities of C classes for N images, in the file's order.

    Attributes:
        source: where they came from, for messages.
        file_names: N names, each once.
        category_names: C names.
        label: [N], position of the true class.
        scores: [N, C] in [0, 1]; each row sums to 1.
    """

    source: str
    file_names: tuple[str, ...]
    category_names: tuple[str, ...]
    label: Ints
    scores: Floats

    def __len__(self) -> int:
        return len(self.label)


def read_truth(path: str | Path) -> Truth:
    """Read and check a classification truth, plain or gzip.

    `width`, `height` and `frame` may be absent. A file without images is a truth of none.

    Raises:
        InputError: ids or file names twice, an image without a name, an image with no annotation
            or several, an unknown image or category; the message names file and record.
    """
    return parse_truth(read_json(path), str(path))


def parse_truth(document: Any, source: str) -> Truth:
    """Check a classification truth that is in memory; see `read_truth`."""
    document = records.as_object(document, source, "images, annotations and categories")
    head = records.images(document, source)
    images = Table(document, "images", source)
    categories = Table(document, "categories", source)
    labels = Table(document, "annotations", source)
    records.check_file_names(images, head["file_names"])
    labels.ids()
    category_ids = categories.ids()
    image = labels.positions("image_id", head["image_ids"], "images")
    category = labels.positions("category_id", category_ids, "categories")
    _check_one_each(images, image, head["file_names"])
    label = np.empty(len(image), np.int64)
    label[image] = category
    return Truth(
        **head,
        category_names=categories.names(),
        label=label,
        frames=tuple(images.texts("frame", "")),
    )


def _check_one_each(images: Table, image: Ints, names: Sequence[str]) -> None:
    counts = np.bincount(image, minlength=len(names))
    if (counts != 1).any():
        n = int(np.argmax(counts != 1))
        raise images.error(
            n,
            f"'{names[n]}' has {counts[n]} annotations, expected exactly one "
            f"({int((counts != 1).sum()):,} such images)",
        )


def select(truth: Truth, images: Sequence[int] | Ints) -> Truth:
    """The truth of some images, given by position, in that order."""
    return records.selected(truth, images, ("label", "frames"))


def shares_frame(truth: Truth, others: Sequence[Truth]) -> Bools:
    """[I] whether an image was cut from what an image of other splits was cut from too.

    Such an image tells less of what a model knows; one whose frame is unknown counts as no such.
    """
    known = {frame for other in others for frame in other.frames} - {""}
    return np.array([frame in known for frame in truth.frames], bool)


def read_splits(paths: Sequence[str | Path]) -> list[Truth]:
    """Read the splits of one dataset, which must agree on their classes."""
    splits = [read_truth(path) for path in paths]
    for split in splits[1:]:
        check_categories(split, splits[0].category_names, splits[0].source)
    return splits


def check_categories(given: Truth | Scores, names: Sequence[str], source: str) -> None:
    """Raise an InputError unless a truth or scores have just these classes, in this order."""
    records.check_same("classes", given.category_names, given.source, names, source)


def truth_document(truth: Truth) -> dict[str, Any]:
    """The document of a truth: what `parse_truth` reads."""
    images = records.image_records(truth.image_ids, truth.file_names, truth.sizes)
    for record, frame in zip(images, truth.frames, strict=True):
        record["frame"] = frame
    pairs = zip(truth.image_ids.tolist(), truth.label.tolist(), strict=True)
    return {
        "info": {"images": truth.images},
        "images": images,
        "categories": [{"id": 1 + n, "name": name} for n, name in enumerate(truth.category_names)],
        "annotations": [
            {"id": image, "image_id": image, "category_id": 1 + label} for image, label in pairs
        ],
    }


def write_truth(path: str | Path, truth: Truth, images: str | Path) -> None:
    """Write a truth as JSON that names the folder of its images."""
    write_json(path, truth_document(replace(truth, images=str(images))))


def read_scores(path: str | Path) -> Scores:
    """Read and check a CSV `image,label,<class 1>,...,<class C>`.

    The header alone is scores of no images.

    Raises:
        InputError: no such header, a class or an image twice, an unknown label, a row too short or
            too long, a probability that is no number in [0, 1], or a row that does not sum to 1
            within `TOLERANCE`; the message names file and line.
    """
    header, lines, rows = _read_rows(path)
    names = _classes(header, path)
    for line, row in zip(lines, rows, strict=True):
        if len(row) != len(header):
            raise InputError(f"{path}: line {line}: {len(row)} values, expected {len(header)}")
    files = [row[0] for row in rows]
    _check_files(files, lines, path)
    return Scores(
        source=str(path),
        file_names=tuple(files),
        category_names=names,
        label=_labels([row[1] for row in rows], names, lines, path),
        scores=_probabilities([row[2:] for row in rows], names, lines, path),
    )


def _read_rows(path: str | Path) -> tuple[list[str], list[int], list[list[str]]]:
    """Header, line number of each row, rows; empty lines are left out."""
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            found = [(reader.line_num, row) for row in reader if row]
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error})") from None
    if not found:
        raise InputError(f"{path}: expected a header image,label,<class>,..., got an empty file")
    lines, rows = zip(*found, strict=True)
    return rows[0], list(lines[1:]), list(rows[1:])


def _classes(header: list[str], path: str | Path) -> tuple[str, ...]:
    names = header[2:]
    if header[:2] != FIRST or not names:
        raise InputError(
            f"{path}: expected a header image,label,<class>,..., got {','.join(header)}"
        )
    for n, name in enumerate(names):
        if not name or name in names[:n]:
            problem = f"class '{name}' is there twice" if name else "a class has no name"
            raise InputError(f"{path}: line 1: {problem}")
    return tuple(names)


def _check_files(files: Sequence[str], lines: Sequence[int], path: str | Path) -> None:
    seen: dict[str, int] = {}
    for line, name in zip(lines, files, strict=True):
        if not name:
            raise InputError(f"{path}: line {line}: an image has no name")
        if name in seen:
            raise InputError(
                f"{path}: line {line}: image '{name}' is there twice, first in line {seen[name]}"
            )
        seen[name] = line


def _labels(
    labels: Sequence[str], names: tuple[str, ...], lines: Sequence[int], path: str | Path
) -> Ints:
    place = {name: n for n, name in enumerate(names)}
    for line, label in zip(lines, labels, strict=True):
        if label not in place:
            raise InputError(
                f"{path}: line {line}: unknown class '{label}' (choices: {', '.join(names)})"
            )
    return np.array([place[label] for label in labels], np.int64)


def _probabilities(
    texts: Sequence[Sequence[str]], names: tuple[str, ...], lines: Sequence[int], path: str | Path
) -> Floats:
    values = np.array([[_number(text) for text in row] for row in texts], np.float64)
    values = values.reshape(-1, len(names))
    wrong = ~((values >= 0) & (values <= 1))  # NaN too
    if wrong.any():
        n, c = map(int, np.argwhere(wrong)[0])
        raise InputError(
            f"{path}: line {lines[n]}: the score of '{names[c]}' is {texts[n][c]!r}, "
            "expected a number from 0 to 1"
        )
    off = np.abs(values.sum(axis=1) - 1) > TOLERANCE
    if off.any():
        n = int(np.argmax(off))
        raise InputError(
            f"{path}: line {lines[n]}: the scores sum to {values[n].sum():.6g}, expected 1 "
            f"within {TOLERANCE:g} ({int(off.sum()):,} such rows)"
        )
    return values


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def select_scores(scores: Scores, images: Sequence[int] | Ints) -> Scores:
    """The scores of some images, given by position, in that order."""
    images = np.asarray(images, np.int64)
    return replace(
        scores,
        file_names=tuple(scores.file_names[n] for n in images),
        label=scores.label[images],
        scores=scores.scores[images],
    )


def aligned(scores: Scores, truth: Truth) -> Scores:
    """The scores in the order of a truth's images.

    Raises:
        InputError: other classes, an image that has no scores or is not in the truth, or a label
            that is not the truth's.
    """
    check_categories(scores, truth.category_names, truth.source)
    row = {name: n for n, name in enumerate(scores.file_names)}
    _check_same(truth.file_names, row, scores.source, truth.source)
    _check_same(scores.file_names, dict.fromkeys(truth.file_names), truth.source, scores.source)
    order = np.array([row[name] for name in truth.file_names], np.int64)
    label = scores.label[order]
    if (label != truth.label).any():
        n = int(np.argmax(label != truth.label))
        came, expected = (truth.category_names[part[n]] for part in (label, truth.label))
        raise InputError(
            f"{scores.source}: image '{truth.file_names[n]}' is labelled '{came}', "
            f"but {truth.source} says '{expected}'"
        )
    return select_scores(scores, order)


def _check_same(names: Sequence[str], known: dict[str, Any], where: str, source: str) -> None:
    if absent := [name for name in names if name not in known]:
        raise InputError(
            f"{where}: image '{absent[0]}' of {source} is missing "
            f"({len(absent):,} of {len(names):,} are)"
        )


def write_scores(path: str | Path, scores: Scores) -> None:
    """Write scores as CSV, in nine digits: 32-bit probabilities come back as they were."""
    with replacing(path) as scratch, scratch.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*FIRST, *scores.category_names])
        for name, label, row in zip(
            scores.file_names, scores.label.tolist(), scores.scores.tolist(), strict=True
        ):
            digits = [f"{value:.9g}" for value in row]
            writer.writerow([name, scores.category_names[label], *digits])
