"""Models on the same images: which differences of IoU and accuracy are more than noise.

Every model is resampled with the same draws of sequences or images, so differences are taken draw
by draw (`paired`): what is hard for all of them in a street cancels. A difference is `noise` where
its interval holds 0, or where there is none, as for a class that a single unit has. Of twenty
differences between equals one, at level .95, stands out by chance; `by_chance` says how many to
expect among those listed.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from scalewise import bootstrap
from scalewise.errors import InputError
from scalewise.evaluation.paired import difference
from scalewise.evaluation.segmentation import Measured
from scalewise.evaluation.segmentation_measures import Counts, means, measures
from scalewise.records import Floats

COMPARED = ("mIoU", "pixel_accuracy")


def compare(
    models: Mapping[str, Measured], rules: bootstrap.Parameters, baseline: str | None = None
) -> dict[str, Any]:
    """Every model against the baseline.

    Args:
        models: measured on the same images in the same order, by name.
        rules: resamples, level and seed.
        baseline: its name; the first one without.

    Returns:
        `baseline`; `models.<name>` with `mIoU`, `pixel_accuracy` and `class.<class>.IoU`, each
        `before`, `after`, `change`, `low`, `high` (of the change), `real` and `verdict`
        (`better`, `worse`, `noise`), then how many are `better`, `worse`, `noise` and expected
        `by_chance`; `n`, `unit`, `units` and the rules. Classes that are absent from the truth are
        left out.

    Raises:
        InputError: fewer than two models, no such baseline, other classes, images or truth.
    """
    base = _checked(models, baseline)
    reference = models[base]
    others = [name for name in models if name != base]
    return {
        "baseline": base,
        "models": {name: _against(reference, models[name], rules) for name in others},
        "n": reference.n,
        "unit": reference.together.unit,
        "units": reference.together.count,
        **rules.model_dump(),
    }


def _checked(models: Mapping[str, Measured], baseline: str | None) -> str:
    """The baseline's name, if the models can be paired."""
    if len(models) < 2:
        raise InputError(f"expected two models or more to compare, got {', '.join(models)}")
    base = next(iter(models)) if baseline is None else baseline
    if base not in models:
        raise InputError(f"baseline '{base}' is none of the models ({', '.join(models)})")
    reference = models[base]
    for one in models.values():
        if one.names != reference.names:
            raise InputError(f"{one.source} and {reference.source} have other classes")
        if not _same_images(one, reference):
            raise InputError(
                f"{one.source} ({one.n:,} images) and {reference.source} ({reference.n:,}) were "
                "not measured on the same images in the same order: nothing to compare"
            )
    return base


def _same_images(one: Measured, reference: Measured) -> bool:
    pairs = (
        (one.images.truth, reference.images.truth),
        (one.together.of, reference.together.of),
    )
    return all(np.array_equal(*pair) for pair in pairs)


def _against(before: Measured, after: Measured, rules: bootstrap.Parameters) -> dict[str, Any]:
    first, second = _resampled(before, rules), _resampled(after, rules)
    found = {
        name: difference(first[name], second[name], rules.level)
        for name in first
        if not np.isnan(first[name][0])
    }
    listed = {name: asdict(one) | {"change": one.change} for name, one in found.items()}
    classes = {name.removeprefix("class."): v for name, v in listed.items() if name not in COMPARED}
    verdicts = [one.verdict for one in found.values()]
    return {
        **{name: listed[name] for name in COMPARED if name in listed},
        "class": {name: {"IoU": one} for name, one in classes.items()},
        **{verdict: verdicts.count(verdict) for verdict in ("better", "worse", "noise")},
        "by_chance": (1 - rules.level) * len(listed),
    }


def _resampled(model: Measured, rules: bootstrap.Parameters) -> dict[str, Floats]:
    """[1 + R] of each statistic: on the data, then in each draw; NaN where it is not defined."""
    found = _by_name(model, model.images.total())
    drawn = _by_name(model, model.resampled(rules))
    for name, varies in zip(model.names, model.resampleable, strict=True):
        if not varies:
            drawn[f"class.{name}"] = np.full(rules.resamples, np.nan)
    return {name: np.append(found[name], drawn[name]) for name in found}


def _by_name(model: Measured, found: Counts) -> dict[str, Floats]:
    """Every statistic of counts [..., C], each [...]."""
    of_all, ious = means(found), measures(found)["IoU"]
    by_class = {f"class.{name}": ious[..., n] for n, name in enumerate(model.names)}
    return {name: of_all[name] for name in COMPARED} | by_class
