"""A JSON document's lists of records, read column by column with errors that name the record."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from scalewise.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Truth = TypeVar("Truth")  # one of the four kinds, a dataclass with what `images` gives

LARGEST = 1e9  # pixels: beyond, areas and right edges lose their digits
LIMIT = 2**63  # whole numbers are kept in 64 bits


def images(document: Mapping[str, Any], source: str) -> dict[str, Any]:
    """What every kind of truth says of its I images, as its dataclass takes it.

    `source`, `image_ids` [I], `file_names` (I texts, empty where absent), `sizes` [I, 2] width and
    height in pixels (0 where absent), `images` (the folder that `info.images` names, or empty).

    Raises:
        InputError: no list of images, ids twice, or values of a wrong type.
    """
    table = Table(document, "images", source)
    info = document.get("info")
    folder = info.get("images", "") if isinstance(info, dict) else ""
    return {
        "source": source,
        "image_ids": table.ids(),
        "file_names": tuple(table.texts("file_name", "")),
        "sizes": np.stack([table.integers("width", 0), table.integers("height", 0)], axis=1),
        "images": folder if isinstance(folder, str) else "",
    }


def image_records(image_ids: Ints, file_names: Sequence[str], sizes: Ints) -> list[dict[str, Any]]:
    """The `images` of a document: what `images` reads."""
    return [
        {"id": int(i), "file_name": name, "width": int(width), "height": int(height)}
        for i, name, (width, height) in zip(image_ids, file_names, sizes, strict=True)
    ]


def check_file_names(images: "Table", names: Sequence[str]) -> None:
    """Raise an InputError that names the record unless every image has a name of its own."""
    seen: dict[str, int] = {}
    for n, name in enumerate(names):
        if not name:
            raise images.error(n, "'file_name' is missing or empty")
        if name in seen:
            raise images.error(n, f"file '{name}' is there twice, first in images[{seen[name]}]")
        seen[name] = n


def as_object(document: Any, source: str, lists: str) -> dict[str, Any]:
    """The document, if it is an object; `lists` names what it should hold."""
    if not isinstance(document, dict):
        raise InputError(f"{source}: expected a COCO object with {lists}, got {kind(document)}")
    return document


def selected(
    truth: Truth,
    images: Sequence[int] | Ints,
    of_image: Sequence[str] = (),
    of_object: Sequence[str] = (),
) -> Truth:
    """The truth of some images, given by position, in that order.

    Args:
        truth: of I images.
        images: positions in it; none give a truth without images.
        of_image: its attributes of I entries, beside `image_ids`, `file_names` and `sizes`.
        of_object: its attributes of an entry an object; among them `image`, the position of the
            object's image.
    """
    images = np.asarray(images, np.int64)
    parts: dict[str, Any] = {}
    for name in ("image_ids", "file_names", "sizes", *of_image):
        values: Any = getattr(truth, name)
        is_array = isinstance(values, np.ndarray)
        parts[name] = values[images] if is_array else tuple(values[n] for n in images)
    if of_object:
        place = np.full(len(truth.image_ids), -1)
        place[images] = np.arange(len(images))
        kept = place[truth.image] >= 0
        parts |= {name: getattr(truth, name)[kept] for name in of_object}
        parts["image"] = place[parts["image"]]
    return replace(truth, **parts)


def check_same(
    what: str, names: Sequence[str], source: str, expected: Sequence[str], of: str
) -> None:
    """Raise an InputError unless two sources name the same things in the same order.

    Args:
        what: they are, in the plural.
        names: in the source.
        source: it, which starts the message.
        expected: names.
        of: the source of these.
    """
    if tuple(names) != tuple(expected):
        raise InputError(
            f"{source}: its {what} are {', '.join(names)}; those of {of} are {', '.join(expected)}"
        )


class Table:
    """One list of records of a COCO file, read column by column."""

    def __init__(self, document: Mapping[str, Any], name: str, source: str) -> None:
        if name not in document:
            raise InputError(f"{source}: '{name}' is missing; found: {', '.join(document)}")
        records = document[name]
        if not isinstance(records, list):
            raise InputError(f"{source}: '{name}' is {kind(records)}, expected a list")
        self.records: Sequence[dict[str, Any]] = records
        self.where = f"{source}: {name}"
        for n, record in enumerate(records):
            if not isinstance(record, dict):
                raise self.error(n, f"expected an object, got {kind(record)}")

    def error(self, n: int, problem: str) -> InputError:
        """An error that names record `n` by its position and, where it has them, its ids."""
        record = self.records[n]
        keys = [key for key in ("id", "image_id") if isinstance(record, dict) and key in record]
        named = ", ".join(f"{key} {record[key]!r}" for key in keys)
        return InputError(f"{self.where}[{n}]{f' ({named})' if named else ''}: {problem}")

    def column(self, key: str, default: Any) -> list[Any]:
        """Every record's `key`; `default` None makes it required."""
        if default is not None:
            return [record.get(key, default) for record in self.records]
        try:
            return [record[key] for record in self.records]
        except KeyError:
            n = next(n for n, record in enumerate(self.records) if key not in record)
            raise self.error(n, f"'{key}' is missing") from None

    def _check(self, key: str, values: list[Any], valid: Callable[[Any], bool], kind: str) -> None:
        for n, value in enumerate(values):
            if not valid(value):
                raise self.error(n, f"'{key}' is {value!r}, expected {kind}")

    def integers(self, key: str, default: int | None) -> Ints:
        """[N] whole numbers."""
        values = self.column(key, default)
        kind = "a whole number below 2^63"
        if set(map(type, values)) - {int}:
            self._check(key, values, _is_whole, kind)
        try:
            return np.array(values, np.int64).reshape(-1)
        except OverflowError:
            self._check(key, values, _is_whole, kind)
            raise

    def floats(self, key: str, default: float | None) -> Floats:
        """[N] numbers; NaN only where it is the default."""
        values = self.column(key, default)
        if set(map(type, values)) - {int, float}:
            self._check(key, values, _is_number, "a number")
        try:
            array = np.array(values, np.float64).reshape(-1)
        except OverflowError:
            self._check(key, values, _is_number, "a number")
            raise
        if not np.isfinite(array).all():
            self._check(key, values, lambda v: v is default or np.isfinite(v), "a finite number")
        return array

    def texts(self, key: str, default: str | None) -> list[str]:
        """N strings."""
        values = self.column(key, default)
        self._check(key, values, lambda value: isinstance(value, str), "a text")
        return values

    def names(self) -> tuple[str, ...]:
        """N names, each once: metrics are told by name."""
        names = self.texts("name", None)
        for n, name in enumerate(names):
            if name in names[:n]:
                raise self.error(n, f"name '{name}' is there twice")
        return tuple(names)

    def ids(self) -> Ints:
        """[N] ids, each once."""
        ids = self.integers("id", None)
        _, first = np.unique(ids, return_index=True)
        if len(first) < len(ids):
            again = np.setdiff1d(np.arange(len(ids)), first)[0]
            raise self.error(int(again), f"id {ids[again]} is there twice")
        return ids

    def positions(self, key: str, known: Ints, where: str) -> Ints:
        """[N] positions of the records' `key` in `known`."""
        ids = self.integers(key, None)
        if not len(ids):
            return ids
        order = np.argsort(known)
        spot = np.searchsorted(known, ids, sorter=order).clip(max=max(len(known) - 1, 0))
        found = known[order[spot]] == ids if len(known) else np.zeros(len(ids), bool)
        if not found.all():
            n = int(np.flatnonzero(~found)[0])
            count = int((~found).sum())
            raise self.error(
                n,
                f"{key} {ids[n]} is not among the {where} ({count:,} of "
                f"{len(ids):,} records; known: {_some(known)})",
            )
        return order[spot]

    def boxes(self) -> Floats:
        """[N, 4] of xywh with finite corners and sides that are not negative."""
        values = self.column("bbox", None)
        try:
            array = np.array(values)
            if values and (array.shape != (len(values), 4) or array.dtype.kind not in "biuf"):
                raise ValueError("not a table of numbers")
            array = array.astype(np.float64).reshape(-1, 4)
        except ValueError:
            self._check("bbox", values, _is_box, "four numbers x, y, width, height")
            raise
        bad = ~(np.abs(array) < LARGEST).all(axis=1) | (array[:, 2:] < 0).any(axis=1)
        if bad.any():
            n = int(np.flatnonzero(bad)[0])
            raise self.error(
                n,
                f"bbox {values[n]} is not x, y, width, height with finite numbers "
                f"and sides of at least 0 ({int(bad.sum()):,} such boxes)",
            )
        return array

    def shared_extra(self, standard: Collection[str]) -> dict[str, NDArray[Any]]:
        """Scalar keys beside the `standard` ones that every record has, each [N]."""
        if not self.records:
            return {}
        extra = {}
        for key in self.records[0].keys() - standard:
            values = [record.get(key) for record in self.records]
            if all(isinstance(value, int | float | str) for value in values):
                extra[key] = np.array(values)
        return dict(sorted(extra.items()))


def _is_whole(value: Any) -> bool:
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return whole and abs(value) < LIMIT


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < LIMIT)


def _is_box(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 4 and all(map(_is_number, value))


def kind(value: Any) -> str:
    """What a JSON value is, in words."""
    names = {list: "a list", dict: "an object", str: "a text", type(None): "null"}
    return names.get(type(value), repr(value))


def _some(ids: Ints, most: int = 8) -> str:
    shown = ", ".join(map(str, ids[:most]))
    return f"{shown}, ... ({len(ids):,})" if len(ids) > most else shown or "none"
