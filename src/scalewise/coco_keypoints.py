"""COCO keypoint truth and results: read, check, write.

One category, whose record names the keypoints. Inside, places are continuous pixels (x, y): pixel
(column, row) covers [column, column + 1] x [row, row + 1], its centre is half a pixel further.
Format: https://cocodataset.org/#format-data, keypoint detection.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from scalewise import boxes as box_ops
from scalewise import records
from scalewise.errors import InputError
from scalewise.files import read_json, write_json
from scalewise.records import LARGEST, LIMIT, Bools, Floats, Ints, Table, kind

ABSENT, HIDDEN, SEEN = 0, 1, 2  # COCO's v: not labelled, labelled but not visible, visible
MIRRORED = {"left_": "right_", "right_": "left_"}


@dataclass(frozen=True)
class Truth:
    """Annotated images: I images, K keypoints a figure, T figures, in the file's order.

    Attributes:
        source: where it came from, for messages.
        image_ids: [I], the file's ids.
        file_names: I names; empty strings where the file has none.
        sizes: [I, 2] width and height in pixels; 0 where the file does not say.
        names: K names of the keypoints.
        skeleton: pairs of keypoints, by position, that a line joins in pictures.
        swaps: [K], position of each keypoint's partner: `right_x` for `left_x` and the reverse,
            itself where there is none.
        category_id: the category's id in the file.
        category_name: what a figure is called.
        ids: [T], the annotations' ids.
        image: [T], position of the figure's image.
        boxes: [T, 4] xyxy pixels, the annotation's `bbox`; not the box of the keypoints.
        keypoints: [T, K, 2] xy pixels; 0, 0 where absent.
        visibility: [T, K], `ABSENT`, `HIDDEN` (labelled, but covered) or `SEEN`.
        areas: [T], the annotation's `area`; box area where the file has none.
        images: folder of the encoded images, where the file names one (`info.images`).
        ambiguous: pairs of keypoints, by position, that no pixel tells apart
            (`info.ambiguous`, pairs of names); a keypoint is in one pair at most.
    """

    source: str
    image_ids: Ints
    file_names: tuple[str, ...]
    sizes: Ints
    names: tuple[str, ...]
    skeleton: tuple[tuple[int, int], ...]
    swaps: Ints
    category_id: int
    category_name: str
    ids: Ints
    image: Ints
    boxes: Floats
    keypoints: Floats
    visibility: Ints
    areas: Floats
    images: str = ""
    ambiguous: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Results:
    """D predicted figures on a truth's images, in the file's order.

    Attributes:
        source: where they came from, for messages.
        image: [D], position of the image in the truth.
        keypoints: [D, K, 2] xy pixels; they may lie outside the image.
        scores: [D, K], confidence of each keypoint.
        score: [D], confidence of the figure.
    """

    source: str
    image: Ints
    keypoints: Floats
    scores: Floats
    score: Floats

    def __len__(self) -> int:
        return len(self.score)


def read_truth(path: str | Path) -> Truth:
    """Read and check a COCO keypoint truth, plain or gzip.

    `skeleton`, `segmentation`, `iscrowd`, `num_keypoints`, `area`, `file_name`, `width`, `height`
    and `info` may be absent. A file without annotations is a truth of no figures, and a figure may
    have no keypoint that is seen. A visible keypoint may lie on its image's border.

    Raises:
        InputError: not COCO, ids twice, other than one category, keypoints without names or twice,
            ambiguous ones that are no pairs of them, an unknown image or category, a wrong count of
            keypoints, one that is NaN, that has no known visibility, or that is visible outside its
            image; the message names file, record and keypoint.
    """
    return parse_truth(read_json(path), str(path))


def parse_truth(document: Any, source: str) -> Truth:
    """Check a COCO keypoint truth that is in memory; see `read_truth`."""
    document = records.as_object(document, source, "images, annotations and categories")
    images = records.images(document, source)
    categories = Table(document, "categories", source)
    figures = Table(document, "annotations", source)
    category_id, category_name = _category(categories)
    names = _names(categories)
    figures.positions("category_id", np.array([category_id]), "categories")
    image = figures.positions("image_id", images["image_ids"], "images")
    xywh = figures.boxes()
    keypoints, visibility = _labelled(figures, names)
    _check_inside(keypoints, visibility == SEEN, image, images, figures, names)
    return Truth(
        **images,
        names=names,
        skeleton=_skeleton(categories, len(names)),
        swaps=swaps(names),
        category_id=category_id,
        category_name=category_name,
        ids=figures.ids(),
        image=image,
        boxes=box_ops.xywh_to_xyxy(xywh),
        keypoints=keypoints,
        visibility=visibility,
        areas=_areas(figures, xywh),
        ambiguous=_ambiguous(document.get("info"), names, source),
    )


def swaps(names: Sequence[str]) -> Ints:
    """[K], position of each keypoint's partner: `right_x` for `left_x`, itself without one."""
    place = {name: n for n, name in enumerate(names)}
    partners = list(names)
    for prefix, other in MIRRORED.items():
        for n, name in enumerate(names):
            if name.startswith(prefix):
                partners[n] = other + name.removeprefix(prefix)
    return np.array([place.get(partner, n) for n, partner in enumerate(partners)], np.int64)


def _category(categories: Table) -> tuple[int, str]:
    ids, names = categories.ids(), categories.texts("name", None)
    if len(ids) != 1:
        found = ", ".join(names) or "none"
        raise InputError(f"{categories.where}: expected one category with keypoints, got {found}")
    return int(ids[0]), names[0]


def _names(categories: Table) -> tuple[str, ...]:
    """Each once: metrics are told by name."""
    (names,) = categories.column("keypoints", None)
    if not isinstance(names, list) or not names or not all(isinstance(n, str) and n for n in names):
        raise categories.error(0, f"'keypoints' is {names!r}, expected a list of names")
    for n, name in enumerate(names):
        if name in names[:n]:
            raise categories.error(0, f"keypoint '{name}' is there twice")
    return tuple(names)


def _skeleton(categories: Table, count: int) -> tuple[tuple[int, int], ...]:
    (pairs,) = categories.column("skeleton", [])
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        if not _is_pair(pair, count):
            raise categories.error(
                0, f"'skeleton' has {pair!r}, expected pairs of keypoints from 1 to {count}"
            )
    return tuple((a - 1, b - 1) for a, b in pairs)


def _is_pair(pair: Any, count: int) -> bool:
    if not isinstance(pair, list) or len(pair) != 2:
        return False
    return all(type(n) is int and 1 <= n <= count for n in pair)


def _ambiguous(info: Any, names: tuple[str, ...], source: str) -> tuple[tuple[int, int], ...]:
    pairs = info.get("ambiguous", []) if isinstance(info, dict) else []
    taken: list[Any] = []
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        if not isinstance(pair, list) or len(pair) != 2 or not all(n in names for n in pair):
            raise InputError(
                f"{source}: info: 'ambiguous' has {pair!r}, expected pairs of {', '.join(names)}"
            )
        taken += pair
    if len(set(taken)) < len(taken):
        raise InputError(
            f"{source}: info: 'ambiguous' is {pairs!r}, expected each keypoint in one pair at most"
        )
    return tuple((names.index(one), names.index(other)) for one, other in pairs)


def _labelled(figures: Table, names: tuple[str, ...]) -> tuple[Floats, Ints]:
    """Places [T, K, 2], 0 where absent, and visibilities [T, K]."""
    triples = _triples(figures, names, "visibility")
    flags = triples[..., 2]
    known = np.isin(flags, (ABSENT, HIDDEN, SEEN))
    if not known.all():
        n, k = map(int, np.argwhere(~known)[0])
        raise figures.error(
            n,
            f"visibility of keypoint {names[k]} is {flags[n, k]:g}, expected {ABSENT} (absent), "
            f"{HIDDEN} (hidden) or {SEEN} (seen)",
        )
    return np.where(flags[..., None] == ABSENT, 0, triples[..., :2]), flags.astype(np.int64)


def _triples(table: Table, names: tuple[str, ...], third: str) -> Floats:
    """[N, K, 3] of every record's x, y and a third number, all finite."""
    values = table.column("keypoints", None)
    width = 3 * len(names)
    try:
        array = np.array(values)
        if values and (array.shape != (len(values), width) or array.dtype.kind not in "biuf"):
            raise ValueError("not a table of numbers")
        triples = array.astype(np.float64).reshape(-1, len(names), 3)
    except (ValueError, OverflowError):
        _check_counts(table, values, names, third)
        raise
    wild = ~(np.abs(triples) < LARGEST).all(axis=2)
    if wild.any():
        n, k = map(int, np.argwhere(wild)[0])
        came = values[n][3 * k : 3 * k + 3]
        raise table.error(n, f"keypoint {names[k]} is {came}, expected three finite numbers")
    return triples


def _check_counts(table: Table, values: list[Any], names: tuple[str, ...], third: str) -> None:
    for n, value in enumerate(values):
        if not isinstance(value, list):
            raise table.error(n, f"'keypoints' is {kind(value)}, expected a list of numbers")
        if len(value) != 3 * len(names):
            raise table.error(
                n,
                f"'keypoints' has {len(value)} numbers, expected {3 * len(names)}: x, y and "
                f"{third} of {', '.join(names)}",
            )
        for k, number in enumerate(value):
            if not isinstance(number, int | float) or abs(number) >= LIMIT:
                raise table.error(n, f"keypoint {names[k // 3]} has {number!r}, expected a number")


def _check_inside(
    keypoints: Floats,
    seen: Bools,
    image: Ints,
    images: dict[str, Any],
    figures: Table,
    names: tuple[str, ...],
) -> None:
    sizes = images["sizes"][image][:, None]
    outside = ((keypoints < 0) | (keypoints > sizes)).any(axis=2)
    outside &= seen & (sizes > 0).all(axis=2)
    if outside.any():
        n, k = map(int, np.argwhere(outside)[0])
        (x, y), (width, height) = keypoints[n, k], sizes[n, 0]
        raise figures.error(
            n,
            f"keypoint {names[k]} at {x:g}, {y:g} lies outside its image "
            f"'{images['file_names'][image[n]]}' of {width}x{height} pixels "
            f"({int(outside.sum()):,} such keypoints)",
        )


def _areas(figures: Table, xywh: Floats) -> Floats:
    areas = figures.floats("area", np.nan)
    if (areas < 0).any():
        n = int(np.argmax(areas < 0))
        raise figures.error(n, f"'area' is {areas[n]:g}, expected at least 0")
    return np.where(np.isnan(areas), xywh[:, 2] * xywh[:, 3], areas)


def select(truth: Truth, images: Sequence[int] | Ints) -> Truth:
    """The truth of some images, given by position, in that order."""
    of_figure = ("ids", "image", "boxes", "keypoints", "visibility", "areas")
    return records.selected(truth, images, of_object=of_figure)


def read_splits(paths: Sequence[str | Path]) -> list[Truth]:
    """Read the splits of one dataset, which must agree on their keypoints."""
    splits = [read_truth(path) for path in paths]
    for split in splits[1:]:
        check_names(split, splits[0].names, splits[0].source)
    return splits


def check_names(truth: Truth, names: Sequence[str], source: str) -> None:
    """Raise an InputError unless the truth has just these keypoints, in this order."""
    records.check_same("keypoints", truth.names, truth.source, names, source)


def read_results(path: str | Path, truth: Truth) -> Results:
    """Read and check COCO keypoint results, plain or gzip, against their truth.

    An empty list is a model that found nothing. What COCO calls the third number of a keypoint
    differs between tools; here it is the keypoint's confidence.

    Raises:
        InputError: not a results list, an unknown image or category, a wrong count of keypoints,
            or a number that is NaN or none; the message names file and record.
    """
    return parse_results(read_json(path), truth, str(path))


def parse_results(document: Any, truth: Truth, source: str) -> Results:
    """Check a COCO keypoint results list that is in memory; see `read_results`."""
    if not isinstance(document, list):
        raise InputError(
            f"{source}: expected a list of figures with image_id, category_id, "
            f"keypoints and score, got {kind(document)}"
        )
    table = Table({"results": document}, "results", source)
    table.positions("category_id", np.array([truth.category_id]), f"categories of {truth.source}")
    triples = _triples(table, truth.names, "score")
    return Results(
        source=source,
        image=table.positions("image_id", truth.image_ids, f"images of {truth.source}"),
        keypoints=triples[..., :2],
        scores=triples[..., 2],
        score=table.floats("score", None),
    )


def truth_document(truth: Truth) -> dict[str, Any]:
    """The COCO document of a truth: what `parse_truth` reads."""
    triples = np.concatenate([truth.keypoints, truth.visibility[..., None]], axis=2)
    columns = {
        "id": truth.ids.tolist(),
        "image_id": truth.image_ids[truth.image].tolist(),
        "category_id": [truth.category_id] * len(truth),
        "bbox": box_ops.xyxy_to_xywh(truth.boxes).tolist(),
        "area": truth.areas.tolist(),
        "iscrowd": [0] * len(truth),
        "keypoints": [[_plain(x) for x in row] for row in _flat(triples)],
        "num_keypoints": (truth.visibility != ABSENT).sum(axis=1).tolist(),
    }
    category = {
        "id": truth.category_id,
        "name": truth.category_name,
        "keypoints": list(truth.names),
        "skeleton": [[a + 1, b + 1] for a, b in truth.skeleton],
    }
    info: dict[str, Any] = {"images": truth.images}
    if truth.ambiguous:
        info["ambiguous"] = [[truth.names[k] for k in pair] for pair in truth.ambiguous]
    return {
        "info": info,
        "images": records.image_records(truth.image_ids, truth.file_names, truth.sizes),
        "categories": [category],
        "annotations": _rows(columns),
    }


def results_document(truth: Truth, results: Results) -> list[dict[str, Any]]:
    """The COCO results list of predicted figures: what `parse_results` reads."""
    triples = np.concatenate([results.keypoints, results.scores[..., None]], axis=2)
    columns = {
        "image_id": truth.image_ids[results.image].tolist(),
        "category_id": [truth.category_id] * len(results),
        "keypoints": _flat(triples),
        "score": results.score.tolist(),
    }
    return _rows(columns)


def _rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _flat(triples: Floats) -> list[list[float]]:
    return triples.reshape(len(triples), 3 * triples.shape[1]).tolist()


def _plain(number: float) -> float | int:
    """Whole numbers without a point: a visibility is 2, not 2.0."""
    return int(number) if number.is_integer() else number


def write_truth(path: str | Path, truth: Truth, images: str | Path) -> None:
    """Write a truth as COCO keypoint JSON that names the folder of its images."""
    write_json(path, truth_document(replace(truth, images=str(images))))


def write_results(path: str | Path, truth: Truth, results: Results) -> None:
    """Write predicted figures as a COCO keypoint results JSON."""
    write_json(path, results_document(truth, results))
