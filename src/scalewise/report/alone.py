"""One detector's diagnosis as a folder: metrics, tables, pictures and the page."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scalewise import files
from scalewise.coco import Results, Truth
from scalewise.data.store import Store
from scalewise.diagnosis import average_precision, calibration, tide_costs
from scalewise.diagnosis.whole import Measured, Rules
from scalewise.errors import InputError
from scalewise.progress import Step, silent
from scalewise.report import dossier, page, pictures, style
from scalewise.report.inputs import MAIN_ERRORS, ends, object_counts, settings
from scalewise.report.tables import ABSENT, Cell, Table, statistic_names

if TYPE_CHECKING:
    import pandas as pd

STEPS = 3  # that `write` tells of
NAMED_ERRORS = 2  # of each scale, in the terminal
LOW_SCORE = 0.05  # results of MANY detections that do not go below have been cut by a threshold
MANY = 100


def write(
    folder: Path,
    name: str,
    measured: Measured,
    store: Store | None = None,
    warnings: Sequence[str] = (),
    step: Step = silent,
) -> None:
    """Write all that is known of a detector into an empty folder.

    average_precision.json, tide.json, calibration.json, intervals.json, settings.json;
    precision_recall.csv, reliability.csv, tide_errors.csv, classes.csv; a PNG a picture;
    index.html, which needs none of the others.

    Args:
        folder: where to.
        name: the detector's.
        measured: its numbers.
        store: the images, for the pictures that show them.
        warnings: what to say above all.
        step: is told what begins.
    """
    matching = measured.matching
    facts = facts_of(matching.truth, {"results": matching.results}, measured.rules)
    step("tables")
    write_metrics(folder, measured)
    files.write_json(folder / "settings.json", {**facts, "warnings": list(warnings)})
    write_tables(folder, measured)
    step("pictures")
    write_pictures(folder, name, measured, store)
    step("page")
    page.write(folder / "index.html", _dossier(folder, name, measured, facts, warnings))


def write_metrics(folder: Path, measured: Measured) -> None:
    """Write the four metrics files of the pipeline."""
    rules = measured.rules.bootstrap
    images = len(measured.matching.truth.image_ids)
    intervals = {**measured.intervals(), **rules.model_dump(), "images": images}
    files.write_metrics(folder / "average_precision.json", measured.average_precision)
    files.write_metrics(folder / "tide.json", measured.tide)
    files.write_metrics(folder / "calibration.json", measured.calibration)
    files.write_metrics(folder / "intervals.json", intervals)


def write_tables(folder: Path, measured: Measured) -> None:
    """Write the four tables: curves, reliability, every error with its cost, every class."""
    rules, matching = measured.rules, measured.matching
    curves = average_precision.precision_recall(measured.accumulated)
    files.write_table(folder / "precision_recall.csv", curves)
    diagram = calibration.reliability(matching, rules.calibration)
    files.write_table(folder / "reliability.csv", diagram)
    errors = with_ids(tide_costs.table(matching, rules.tide), matching.truth)
    files.write_table(folder / "tide_errors.csv", errors)
    files.write_table(folder / "classes.csv", classes(measured))


def with_ids(errors: "pd.DataFrame", truth: Truth) -> "pd.DataFrame":
    """The errors with `image_id`, `file_name` and `annotation_id` (empty without an object)."""
    import pandas as pd

    image, item = errors["image"].to_numpy(), errors["truth"].to_numpy()
    ids = pd.array([truth.ids[n] if n >= 0 else None for n in item], "Int64")
    names = [truth.file_names[n] for n in image]
    return errors.assign(image_id=truth.image_ids[image], file_name=names, annotation_id=ids)


def classes(measured: Measured) -> "pd.DataFrame":
    """A row a class with objects or detections: AP, AP50 (0 to 1), ece, gap, n, objects."""
    import pandas as pd

    found, calibrated = measured.average_precision["class"], measured.calibration["class"]
    truth, positives = measured.matching.truth, measured.matching.positives(0)
    rows: list[dict[str, Any]] = [
        {"class": name, "objects": int(count), **found.get(name, {}), **calibrated.get(name, {})}
        for name, count in zip(truth.category_names, positives, strict=True)
        if name in found or name in calibrated
    ]
    return pd.DataFrame(rows, columns=["class", "objects", "AP", "AP50", "ece", "gap", "n"])


def write_pictures(folder: Path, name: str, measured: Measured, store: Store | None) -> None:
    """Draw from the files in the folder into it."""
    matching = measured.matching
    sources = pictures.Sources(
        name,
        folder,
        folder,
        store,
        matching.truth,
        matching.results,
        matching.scales,
        measured.intervals(),
    )
    for picture, figure in pictures.draw(sources):
        style.save(figure, folder / f"{picture}.png")


def images_of(truth: Truth, path: str | Path) -> Store:
    """The truth's images in a folder or a tar.

    Raises:
        InputError: no such place, the truth names no files, or some of them are not there.
    """
    if unnamed := sum(not name for name in truth.file_names):
        raise InputError(
            f"{truth.source}: {unnamed:,} of {len(truth.file_names):,} images have no "
            "'file_name', so that none can be shown; leave --images away, or name them"
        )
    store = Store.over(path)
    if missing := store.missing(truth.file_names):
        raise InputError(
            f"{path}: {len(missing):,} of the {len(truth.file_names):,} images of "
            f"{truth.source} are not there, e.g. '{missing[0]}'"
        )
    return store


def facts_of(truth: Truth, results: Mapping[str, Results], rules: Rules) -> dict[str, str]:
    """What the numbers were made from and how, in words."""
    counts = object_counts(truth, rules.scales)
    parts = [f"{counts[name]:,} {name}" for name in rules.scales.names]
    if left_out := int(truth.ignore.sum()):
        parts.append(f"and {left_out:,} ignored")
    drawn = rules.bootstrap
    return {
        "truth": _named(truth.source),
        "images": f"{len(truth.image_ids):,}",
        "objects": f"{counts['all']:,}: {', '.join(parts)}",
        **{name: _told(found) for name, found in results.items()},
        "TIDE": f"IoU {rules.tide.iou:g}, background up to {rules.tide.background_iou:g}",
        "calibration": settings(rules.calibration.model_dump()),
        "intervals": f"{drawn.level:.0%} from {drawn.resamples:,} resamples of the images, "
        f"seed {drawn.seed}",
    }


def _named(source: str) -> str:
    """A file as given, without the folders of an absolute path: a page is shown to others."""
    return Path(source).name if Path(source).is_absolute() else source


def _told(results: Results) -> str:
    name = _named(results.source)
    if not len(results):
        return f"{name}: no detections"
    low, high = results.scores.min(), results.scores.max()
    told = f"{name}: {len(results):,} detections, scores {low:.3g} to {high:.3g}"
    if low < LOW_SCORE or len(results) < MANY:
        return told
    return f"{told} (cut at {low:.2g}: what was below counts as missed and lowers AP)"


def detector(
    name: str, measured: Measured, shown: Sequence[dossier.Picture] = ()
) -> dossier.Detector:
    """What the page tells of a detector."""
    matching = measured.matching
    return dossier.Detector(
        name=name,
        average_precision=measured.average_precision,
        tide=measured.tide,
        calibration=measured.calibration,
        intervals=measured.intervals(),
        objects=object_counts(matching.truth, matching.scales),
        pictures=shown,
    )


def _dossier(
    folder: Path, name: str, measured: Measured, facts: Mapping[str, str], warnings: Sequence[str]
) -> dossier.Dossier:
    return dossier.Dossier(
        title=f"{name}: what is wrong at which scale",
        scales=measured.rules.scales,
        detectors=[detector(name, measured, dossier.pictures(folder))],
        warnings=warnings,
        facts=facts,
    )


def summary(measured: Measured) -> Table:
    """A row a scale for the terminal: objects, AP and ECE with intervals, what costs most."""
    counts = object_counts(measured.matching.truth, measured.rules.scales)
    intervals = measured.intervals()
    rows = [
        _summary_row(measured, group, counts[group], intervals)
        for group in measured.rules.scales.groups
        if group in measured.tide
    ]
    head = ("scale", "objects", "AP", "interval", "AP50", "costs most", "ECE", "interval", "gap")
    return Table("", head, tuple(rows))


def _summary_row(
    measured: Measured, group: str, count: int, intervals: Mapping[str, Any]
) -> tuple[Cell, ...]:
    names, values, costs = statistic_names(group), measured.values(), measured.tide[group]
    calibrated = names["ECE"] in values
    texts = (
        group,
        f"{count:,}",
        f"{100 * values[names['AP']]:.1f}",
        _span(intervals, names["AP"], 100, ".1f"),
        f"{costs['AP50']:.1f}",
        _costliest(costs),
        f"{values[names['ECE']]:.3f}" if calibrated else ABSENT,
        _span(intervals, names["ECE"], 1, ".3f"),
        f"{values[names['gap']]:+.3f}" if calibrated else ABSENT,
    )
    return tuple(map(Cell, texts))


def _costliest(costs: Mapping[str, float]) -> str:
    worst = sorted(MAIN_ERRORS, key=lambda kind: -costs[kind])[:NAMED_ERRORS]
    return ", ".join(f"{kind} {costs[kind]:.1f}" for kind in worst if costs[kind] > 0) or "nothing"


def _span(intervals: Mapping[str, Any], name: str, factor: float, form: str) -> str:
    span = ends(intervals, name)
    return " to ".join(f"{factor * end:{form}}" for end in span) if span else ABSENT
