import numpy as np
import pytest

from scalewise.diagnosis import (
    average_precision,
    bootstrap,
    calibration,
    resampled_curves,
    tide,
)
from scalewise.diagnosis.matching import match
from scalewise.errors import InputError
from scalewise.scales import Scales

TIDE, CALIBRATION = tide.Parameters(), calibration.Parameters()


def prepared(case) -> bootstrap.Prepared:
    ious = bootstrap.needed_ious(TIDE, CALIBRATION)
    return bootstrap.prepare(match(case.truth, case.results, Scales(), ious), TIDE, CALIBRATION)


def repeated(case, times: list[int]):
    """The case with each image as many times as it was drawn, as new images."""
    truth, found, images = [], [], []
    for image, n in zip(case.truth_document["images"], times, strict=True):
        for copy in range(n):
            new = {"image_id": image["id"] * 100 + copy}
            images.append(image | {"id": new["image_id"]})
            own = [r for r in case.truth_document["annotations"] if r["image_id"] == image["id"]]
            truth += [r | new for r in own]
            found += [r | new for r in case.results_document if r["image_id"] == image["id"]]
    numbered = [record | {"id": n} for n, record in enumerate(truth)]
    document = case.truth_document | {"images": images, "annotations": numbered}
    return type(case).of(document, found)


def point(case) -> dict[str, float]:
    """Every statistic by the modules that know nothing of resampling."""
    ious = bootstrap.needed_ious(TIDE, CALIBRATION)
    found = match(case.truth, case.results, Scales(), ious)
    values = average_precision.statistics(average_precision.from_matching(found))
    costs, calibrated = tide.metrics(found, TIDE), calibration.metrics(found, CALIBRATION)
    for group in costs:
        values |= {f"tide.{group}.{name}": value for name, value in costs[group].items()}
    for name in ("ece", "gap"):
        values |= {f"{name}.{group}": value for group, value in calibrated[name].items()}
    return values


@pytest.mark.parametrize("seed", range(12))
def test_a_weight_is_as_good_as_a_copy_of_the_image(cases, seed):
    case = cases(seed, images=15, ties=False)
    times = np.random.default_rng(seed).multinomial(15, np.full(15, 1 / 15))
    drawn = times[:, None].astype(np.float32)
    found = bootstrap.samples(prepared(case), drawn).iloc[0].dropna().to_dict()
    expected = point(repeated(case, times.tolist()))
    assert found == pytest.approx({name: expected[name] for name in found}, abs=1e-4)
    assert len(found) > 40


@pytest.mark.parametrize("seed", range(5))
def test_the_first_sample_is_the_data_themselves(cases, seed):
    case = cases(seed, images=20)
    drawn = bootstrap.weights(20, bootstrap.Parameters(resamples=2))
    found = bootstrap.samples(prepared(case), drawn).iloc[0].to_dict()
    expected = point(case)
    assert found == pytest.approx({name: expected[name] for name in found}, abs=1e-4)


def test_each_resample_draws_as_many_images_as_there_are():
    drawn = bootstrap.weights(50, bootstrap.Parameters(resamples=2000))
    assert drawn.shape == (50, 2001)
    assert (drawn[:, 0] == 1).all()
    assert (drawn.sum(axis=0) == 50).all()
    assert drawn[:, 1:].mean(axis=1) == pytest.approx(np.ones(50), abs=0.15)


def test_a_seed_draws_the_same_again():
    one, same, other = (
        bootstrap.weights(9, bootstrap.Parameters(resamples=7, seed=s)) for s in (1, 1, 2)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_more_resamples_begin_with_the_same_ones():
    few, more = (bootstrap.weights(9, bootstrap.Parameters(resamples=n)) for n in (3, 8))
    assert np.array_equal(few, more[:, :4])


def test_blocks_do_not_change_the_numbers(cases, monkeypatch):
    ready = prepared(cases(0))
    drawn = bootstrap.weights(12, bootstrap.Parameters(resamples=20))
    whole = bootstrap.samples(ready, drawn)
    monkeypatch.setattr(bootstrap, "BLOCK", 3)
    np.testing.assert_allclose(bootstrap.samples(ready, drawn), whole, rtol=1e-6)


def test_an_interval_covers_the_true_gap_as_often_as_it_says():
    # Each image has one detection of score .7 that is right with probability .6: gap .1. Of
    # 300 intervals at 90%, 270 should hold it; three standard deviations of that are 16.
    rng = np.random.default_rng(0)
    parameters = bootstrap.Parameters(resamples=400, level=0.9)
    held = 0
    for seed in range(300):
        wrongness = (rng.random(200) < 0.6) - 0.7
        place = np.zeros(200, int)
        sums = resampled_curves.counts(place, np.arange(200), (1, 200), wrongness)
        counts = resampled_curves.counts(place, np.arange(200), (1, 200))
        ready = bootstrap.Prepared({}, {}, {"all": sums}, {"all": counts})
        drawn = bootstrap.weights(200, parameters.model_copy(update={"seed": seed}))
        edges = bootstrap.intervals(bootstrap.samples(ready, drawn), parameters.level)["gap.all"]
        held += edges["low"] <= 0.1 <= edges["high"]
    assert held == pytest.approx(270, abs=16)


def detections(rng: np.random.Generator, images: int) -> bootstrap.Prepared:
    """An object an image and a detection of score u in [0, 1], right with probability .4 + .2 u."""
    from scipy.sparse import csr_array

    score = rng.random(images)
    hit = rng.random(images) < 0.4 + 0.2 * score
    order = np.argsort(-score)
    order = order[: np.flatnonzero(hit[order])[-1] + 1]
    run = np.cumsum(hit[order]) - hit[order]  # a run a hit, for simplicity
    shape = (int(hit.sum()), images)
    runs = resampled_curves.Runs(
        hits=resampled_curves.counts(run[hit[order]], order[hit[order]], shape),
        seen=resampled_curves.counts(run, order, shape),
        category=np.zeros(shape[0], int),
        turns=np.arange(shape[0] + 1),
        wanted=csr_array(np.ones((1, images), np.float32)),
        rows=csr_array(np.ones((1, images), np.float32)),
    )
    return bootstrap.Prepared({"all": [runs] * 10}, {}, {}, {})


def test_an_interval_covers_a_true_ap_where_the_percentile_interval_does_not():
    # Of the detections above t, a share of 1 - t, .5 + .1 t are right: that is the precision at
    # recall r = (1 - t) (.5 + .1 t), so p(r) = .3 + .1 sqrt(9 - 10 r) up to r = .5, 0 beyond.
    # The AP of 300 images is too high on average, and that of their resamples more so. Of 200
    # intervals at 90% 180 should hold the truth; three standard deviations are 13.
    r = np.arange(51) / 100
    true_ap = np.sum(0.3 + 0.1 * np.sqrt(9 - 10 * r)) / 101
    rng = np.random.default_rng(0)
    held = by_percentiles = 0
    for seed in range(200):
        drawn = bootstrap.weights(300, bootstrap.Parameters(resamples=200, seed=seed))
        found = bootstrap.samples(detections(rng, 300), drawn)[["AP"]]
        edges = bootstrap.intervals(found, 0.9)["AP"]
        held += edges["low"] <= true_ap <= edges["high"]
        low, high = found["AP"].iloc[1:].quantile([0.05, 0.95])
        by_percentiles += low <= true_ap <= high
    assert held == pytest.approx(180, abs=13)
    assert by_percentiles < held - 10


def test_intervals_are_cut_off_where_the_statistic_ends():
    import pandas as pd

    # 2 * .1 - .9 is below 0; a gap may be.
    columns = {name: [0.1, 0.9, 0.9] for name in ("AP", "tide.all.Bkg", "ece.all", "gap.all")}
    found = bootstrap.intervals(pd.DataFrame(columns), 0.95)
    assert [found[name]["low"] for name in columns] == pytest.approx([0, 0, 0, -0.7])


def test_the_same_draws_make_the_same_samples(cases):
    drawn = bootstrap.weights(12, bootstrap.Parameters(resamples=50))
    one, other = (bootstrap.samples(prepared(cases(0)), drawn) for _ in range(2))
    assert one.equals(other), "so a detector against itself differs by 0 in every draw"


def test_no_detections_have_ap_0_in_every_resample(simple):
    case = simple([(0, 0, (100, 100, 40, 40))], [])
    found = bootstrap.samples(prepared(case), np.ones((1, 4), np.float32))
    assert (found["AP"] == 0).all()
    assert (found["tide.all.Miss"] == 100).all(), "without the object nothing is left to be wrong"
    assert "ece.all" not in found


def test_metrics_are_nested_by_the_parts_of_their_names(cases):
    case = cases(0, images=20)
    found = match(case.truth, case.results, Scales(), bootstrap.needed_ious(TIDE, CALIBRATION))
    parameters = bootstrap.Parameters(resamples=30)
    values = bootstrap.metrics(found, parameters, TIDE, CALIBRATION)
    assert values["AP"].keys() == values["tide"]["small"]["Loc"].keys() == {"low", "high"}
    assert values["tide"].keys() == {"all", "small", "medium", "large"}
    assert (values["images"], values["resamples"], values["seed"]) == (20, 30, 0)


def test_scores_outside_0_and_1_are_refused(simple):
    case = simple([(0, 0, (100, 100, 40, 40))], [(0, 0, (100, 100, 40, 40), 7.0)])
    with pytest.raises(InputError, match=r"scores in \[0, 1\]"):
        prepared(case)


def test_real_pair_lies_inside_its_intervals(real):
    ious = bootstrap.needed_ious(TIDE, CALIBRATION)
    found = match(*real, Scales(), ious)
    drawn = bootstrap.weights(len(real[0].image_ids), bootstrap.Parameters(resamples=100))
    resampled = bootstrap.samples(bootstrap.prepare(found, TIDE, CALIBRATION), drawn)
    edges = bootstrap.intervals(resampled, 0.95)
    known = {"AP": 0.4805, "AP50": 0.6161, "tide.all.Miss": 21.64, "ece.all": 0.0752}
    for name, value in known.items():
        assert edges[name]["low"] < value < edges[name]["high"]
    expected = average_precision.statistics(average_precision.from_matching(found))
    first = resampled.iloc[0]
    for name in ("AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large"):
        assert first[name] == pytest.approx(expected[name], abs=1e-6)
