"""COCO val2017, fetched and packed: `test.json`, on request `val.json`, and their images.

Lin et al. 2014, https://arxiv.org/abs/1405.0312. The annotations are CC BY 4.0; each image has
the terms of its photographer. Nothing is fetched unless a detector asks for it (`wanted`). Other
COCO detection sets go the same way, from archives or folders.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from tqdm import tqdm

from scalewise import coco, params
from scalewise.data import archives, store
from scalewise.data.fetching import sources
from scalewise.errors import InputError
from scalewise.files import read_json, replacing, write_json
from scalewise.params import Record

Positions = NDArray[np.int64]

NAME = "coco"
LARGEST_IMAGE = 1 << 28  # bytes
LARGEST_ANNOTATIONS = 1 << 30  # bytes; those of train2017 have half of it
PLACEHOLDER = """\
COCO is not here: no detector in `detectors` of params.yaml is diagnosed on it.
To have 1.1 GB fetched and a pretrained detector diagnosed on it, name one of `pretrained`:

    dvc exp run -S 'detectors=[multiscale,yolov8n]'
"""


class Parameters(Record):
    """Section `coco` of params.yaml."""

    # Plain http, as COCO's own page links it: the hashes vouch for what comes.
    images: sources.Source = sources.Source(
        url="http://images.cocodataset.org/zips/val2017.zip",
        size=815_585_330,
        sha256="4f7e2ccb2866ec5041993c9cf2a952bbed69647b115d0f74da7ce8f4bef82f05",
    )
    """Zip, tar or folder of images, anywhere in it: a name's last parts tell."""
    annotations: sources.Source = sources.Source(
        url="http://images.cocodataset.org/annotations/annotations_trainval2017.zip",
        size=252_907_541,
        sha256="113a836d90195ee1f884e704da6304dfaaecff1f023f49b6ca93c4aaae470268",
    )
    """Zip, tar or folder that has `member`; or the JSON itself: a .json or .json.gz."""
    member: str = Field("annotations/instances_val2017.json", min_length=1)
    """The JSON among the annotations."""
    subset: int | tuple[int, ...] | None = None
    """How many images, spread evenly over the ids; or a list of ids; null for all."""
    val: float = Field(0.0, ge=0, lt=1)
    """Share of them that becomes val.json, spread evenly over the ids; the rest is test.json."""
    missing: Literal["error", "skip"] = "error"
    """An image that is listed and not there: an error, or left out before `subset` is chosen."""

    @model_validator(mode="after")
    def _checked(self) -> "Parameters":
        ids = self.subset if isinstance(self.subset, tuple) else ()
        count = self.subset if isinstance(self.subset, int) else len(ids)
        if self.subset is not None and count < 1:
            raise ValueError(f"subset must be null or at least one image, got {self.subset!r}")
        if len(set(ids)) < len(ids):
            raise ValueError("subset must name each id once")
        return self


def make(parameters: Parameters, folder: str | Path) -> None:
    """Write images.tar and test.json into `folder`; only a README.txt where nobody asks for it.

    Images are stored by their listed names, in sorted order, byte for byte. Annotations keep
    what they have except `segmentation`, which is most of the size and read by nothing here.

    Raises:
        InputError: see `pack` and `sources.obtain`.
    """
    if wanted():
        pack(parameters, folder)
        return
    with replacing(Path(folder) / "README.txt") as scratch:
        scratch.write_text(PLACEHOLDER)


def wanted(path: str | Path = params.PARAMS) -> bool:
    """Whether one of `detectors` is, by the section `pretrained`, diagnosed on this dataset.

    Results that bring a truth of their own do not ask for it.
    """
    detectors, pretrained = params.detectors(path), params.plain("pretrained", path)
    entries = map(pretrained.get, detectors) if isinstance(pretrained, dict) else ()
    return any(
        isinstance(entry, dict) and entry.get("dataset") == NAME and not entry.get("truth")
        for entry in entries
    )


def pack(parameters: Parameters, folder: str | Path) -> None:
    """Fetch what is not on the disk, and write the dataset in the common form.

    Raises:
        InputError: something cannot be fetched or read, is no COCO truth, or lists images that
            are not there; `subset` asks for more images than there are, or for unknown ones.
    """
    folder = Path(folder)
    annotations = sources.obtain(parameters.annotations)
    document, where = _document(annotations, parameters.member)
    truth = coco.parse_truth(document, where)
    with archives.opened(sources.obtain(parameters.images), LARGEST_IMAGE) as archive:
        member_of = archive.located(truth.file_names)
        chosen = _chosen(parameters, truth, member_of, archive.path)
        splits = _splits(chosen, truth.image_ids, parameters.val)
        names = sorted(truth.file_names[n] for n in chosen)
        store.pack(folder / "images.tar", _members(archive, names, member_of))
    for name in ("README.txt", "val.json"):  # of an earlier run with other parameters
        (folder / name).unlink(missing_ok=True)
    for name, positions in splits.items():
        write_json(folder / f"{name}.json", _part(document, truth, positions))
        print(f"{NAME}: {len(positions):,} images in {name}.json", file=sys.stderr)


def _document(path: Path, member: str) -> tuple[dict[str, Any], str]:
    """The annotations, and where they are from for messages."""
    if path.name.endswith((".json", ".json.gz")):
        return read_json(path), str(path)
    with archives.opened(path, LARGEST_ANNOTATIONS) as archive:
        there = archive.located([member]).get(member, member)
        where, data = f"{path}: {there}", archive.read(there)
    try:
        return json.loads(data), where
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: expected JSON, but {error}") from None


def _chosen(
    parameters: Parameters, truth: coco.Truth, member_of: Mapping[str, str], images: Path
) -> Positions:
    """Positions of the images to keep, in the file's order; each is there and has its own name."""
    there = np.array([name in member_of for name in truth.file_names], bool)
    listed = np.arange(len(there)) if parameters.missing == "error" else np.flatnonzero(there)
    chosen = _subset(parameters.subset, truth, listed)
    if not there[chosen].any():
        raise InputError(f"{images}: none of the {len(there):,} images of {truth.source} is there")
    absent = chosen[~there[chosen]]
    if len(absent):
        first = truth.file_names[absent[0]] or f"id {truth.image_ids[absent[0]]}, without file_name"
        raise InputError(
            f"{images}: {len(absent):,} of the {len(chosen):,} images of {truth.source} are not "
            f"there ({first} for one); coco.missing: skip leaves them out"
        )
    names, counts = np.unique([truth.file_names[n] for n in chosen], return_counts=True)
    if (counts > 1).any():
        raise InputError(f"{truth.source}: two images have the file_name '{names[counts > 1][0]}'")
    return chosen


def _subset(
    subset: int | tuple[int, ...] | None, truth: coco.Truth, listed: Positions
) -> Positions:
    ids = truth.image_ids[listed]
    if subset is None:
        return listed
    if isinstance(subset, int):
        if subset > len(ids):
            raise InputError(f"coco.subset: {subset:,} images, but there are {len(ids):,}")
        return np.sort(listed[np.argsort(ids)[spread(len(ids), subset)]])
    if unknown := set(subset) - set(truth.image_ids.tolist()):
        raise InputError(f"coco.subset: {truth.source} has no image with the id {min(unknown)}")
    return listed[np.isin(ids, subset)]


def spread(count: int, some: int) -> Positions:
    """`some` of the positions 0..count-1, spread evenly: the middles of as many equal spans."""
    return (2 * np.arange(some) + 1) * count // (2 * max(some, 1))


def _splits(chosen: Positions, ids: NDArray[np.int64], val: float) -> dict[str, Positions]:
    """Positions of the images of each split, in the file's order."""
    if val == 0:
        return {"test": chosen}
    some = round(val * len(chosen))
    if not 0 < some < len(chosen):
        raise InputError(f"coco.val: {val:g} of {len(chosen):,} images leaves val or test empty")
    order = chosen[np.argsort(ids[chosen])]
    aside = np.isin(chosen, order[spread(len(order), some)])
    return {"val": chosen[aside], "test": chosen[~aside]}


def _members(
    archive: archives.Archive, names: list[str], member_of: Mapping[str, str]
) -> Iterator[tuple[str, bytes]]:
    for name in tqdm(names, NAME, unit="image", disable=not sys.stderr.isatty()):
        yield name, archive.read(member_of[name])


def _part(document: dict[str, Any], truth: coco.Truth, positions: Positions) -> dict[str, Any]:
    """The document of some images, given by position, without segmentations."""
    records = document["annotations"]
    mine = np.flatnonzero(np.isin(truth.image, positions))
    about = {key: document[key] for key in ("info", "licenses") if key in document}
    return about | {
        "images": [document["images"][n] for n in positions],
        "categories": document["categories"],
        "annotations": [
            {key: value for key, value in records[n].items() if key != "segmentation"} for n in mine
        ],
    }
