"""Results that exist already, another team's model, taken over for the diagnosis."""

from pathlib import Path
from typing import Any

from scalewise import coco, files
from scalewise.models.pretrained import Parameters


def write(parameters: Parameters, out: Path) -> None:
    """Check COCO results against their truth and put both where a detector's are.

    Boxes and scores keep their digits; masks are left out.

    Args:
        parameters: an entry of library `results`.
        out: gets `test.json` and `test_truth.json`.

    Raises:
        InputError: a file that is missing, no COCO, or results of another truth.
    """
    folder = Path("data") / parameters.dataset
    source = parameters.truth or str(folder / "test.json")
    document = files.read_json(source)
    truth = coco.parse_truth(document, source)
    found = files.read_json(parameters.results)
    coco.parse_results(found, truth, parameters.results)
    images = parameters.images or ("" if parameters.truth else str(folder))
    files.write_json(out / "test.json", [_without_mask(record) for record in found])
    files.write_json(out / "test_truth.json", _with_images(document, images))


def _with_images(document: dict[str, Any], images: str) -> dict[str, Any]:
    objects = [_without_mask(record) for record in document["annotations"]]
    return {**document, "info": {"images": images}, "annotations": objects}


def _without_mask(record: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != "segmentation"}
