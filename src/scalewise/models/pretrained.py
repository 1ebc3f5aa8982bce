"""Detectors that come with their weights, and results that exist already.

Section `pretrained` of params.yaml maps a name to an entry; `detectors` says which of them run.
"""

from typing import Literal

from pydantic import Field, model_validator

from scalewise.params import Record

Library = Literal["ultralytics", "torchvision", "results"]

COMMON = frozenset({"library", "dataset"})
OF_A_NET = COMMON | {
    "weights", "score_floor", "max_detections", "nms_iou", "image_size", "batch_size", "half"
}  # fmt: skip
KEYS = {
    "ultralytics": OF_A_NET | {"multi_label"},
    "torchvision": OF_A_NET | {"model"},
    "results": COMMON | {"results", "truth", "images"},
}
NEEDED = {"ultralytics": "weights", "torchvision": "weights", "results": "results"}


class Parameters(Record):
    """One entry of section `pretrained` of params.yaml."""

    library: Library
    """What finds the objects: ultralytics, torchvision, or nothing any more (results)."""
    dataset: str = Field(min_length=1)
    """Folder under data/; its test.json is predicted, and its val.json where there is one."""
    weights: str = ""
    """Of a net: a name that the library downloads, or a file."""
    model: str = ""
    """Of torchvision: the builder; without one the entry's name."""
    score_floor: float = Field(0.001, ge=0, lt=1)
    """Detections must score more. A cut at .25, YOLO's own for pictures, looks like missed objects
    in every metric."""
    max_detections: int = Field(100, gt=0)
    """Most detections of an image, the best ones, as COCO counts them."""
    nms_iou: float | None = Field(None, gt=0, le=1)
    """Of two boxes of a class above this IoU the lower-scored goes; null is the library's."""
    multi_label: bool = False
    """Of ultralytics: one box may be of several classes, as in the library's own validation."""
    image_size: int | None = Field(None, gt=0)
    """The longer side that the net sees, in pixels; null is the library's."""
    batch_size: int = Field(16, gt=0)
    """Images at a time."""
    half: bool | Literal["auto"] = "auto"
    """Half precision. Auto: of ultralytics on a GPU; never of torchvision, whose own inference has
    single precision, and whose anchors half precision rounds to whole pixels."""
    results: str = ""
    """COCO results, JSON or gzip: another team's model."""
    truth: str | None = None
    """COCO truth of the results, JSON or gzip; null is the dataset's test.json."""
    images: str | None = None
    """Folder or tar of the truth's images, for the pictures; null shows none."""

    @model_validator(mode="after")
    def _of_its_library(self) -> "Parameters":
        allowed = KEYS[self.library]
        fields = type(self).model_fields
        given = {n for n in self.model_fields_set if getattr(self, n) != fields[n].default}
        if wrong := sorted(given - allowed):
            choices = ", ".join(name for name in fields if name in allowed)
            raise ValueError(f"{wrong[0]} is not for library {self.library} (choices: {choices})")
        if not getattr(self, needed := NEEDED[self.library]):
            raise ValueError(f"library {self.library} needs {needed}")
        return self
