from dataclasses import replace

import numpy as np
import pytest

from scalewise import coco
from scalewise.diagnosis import average_precision, calibration, recalibration, score_maps
from scalewise.diagnosis.matching import match
from scalewise.errors import InputError
from scalewise.params import parse
from scalewise.scales import Scales

METHODS = ("temperature", "platt", "isotonic")
DEFAULT, RULES, SCALES = recalibration.Parameters(), calibration.Parameters(), Scales()
A, B, NOTHING = (100, 100, 40, 40), (500, 500, 40, 40), (900, 900, 40, 40)
EDGE = score_maps.EDGE


def matched(case, rules=RULES):
    return match(case.truth, case.results, SCALES, recalibration.needed_ious(rules))


def studied(val, test, parameters=DEFAULT, rules=RULES) -> dict:
    outcomes = recalibration.study(matched(val, rules), matched(test, rules), parameters, rules)
    return recalibration.metrics(outcomes, SCALES, parameters, rules)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("method", METHODS)
def test_one_map_for_all_keeps_every_bit_of_ap(cases, seed, method):
    val, test = cases(seed, images=20), cases(seed + 100, images=20)
    maps = recalibration.fit_maps(matched(val), RULES, method, "all", "hit")
    moved = recalibration.recalibrated(test.results, maps, SCALES)
    assert not np.array_equal(moved.scores, test.results.scores)
    one, other = (
        average_precision.from_matching(match(test.truth, results, SCALES))
        for results in (test.results, moved)
    )
    np.testing.assert_array_equal(one.precision, other.precision)
    np.testing.assert_array_equal(one.recall, other.recall)


def test_scores_survive_being_written(cases, tmp_path):
    test = cases(0, images=20)
    maps = {"all": score_maps.Steps(np.array([0.0, 1.0]), np.array([0.5, 0.5]))}
    moved = recalibration.recalibrated(test.results, maps, SCALES)
    coco.write_results(tmp_path / "moved.json", test.truth, moved)
    read = coco.read_results(tmp_path / "moved.json", test.truth)
    assert np.array_equal(np.argsort(read.scores), np.argsort(moved.scores))
    assert len(np.unique(read.scores)) == len(np.unique(test.results.scores))


def many(right: dict[int, list[float]], simple):
    """Ten images: in image n, an object of each side and whether it is found; else a wrong one."""
    objects, found = [], []
    for image in range(10):
        for n, (side, chances) in enumerate(right.items()):
            box = (10 + 300 * n, 10, side, side)
            objects.append((image, 0, box))
            score, share = chances
            shifted = (10 + 300 * n, 500, side, side)
            found.append((image, 0, box if image < 10 * share else shifted, score))
    return simple(objects, found, images=10)


def test_a_map_a_scale_mends_what_one_map_cannot(simple):
    # Small ones of score .6 are right in 2 of 10 cases, medium ones of .6 in 8: together the
    # score is only .1 too high, and one map gives both .5.
    case = many({20: [0.6, 0.2], 50: [0.6, 0.8]}, simple)
    found = studied(case, case)
    assert found["before"]["ece"] == pytest.approx({"all": 0.1, "small": 0.4, "medium": 0.2})
    assert found["isotonic"]["all"]["ece"]["all"] == pytest.approx(0, abs=1e-5)
    assert found["isotonic"]["all"]["ece"]["small"] == pytest.approx(0.3, abs=1e-5)
    by_scale = found["isotonic"]["scale"]["ece"]
    assert by_scale == pytest.approx({"all": 0, "small": 0, "medium": 0}, abs=1e-5)
    assert found["platt"]["scale"]["ece"]["small"] < 0.06  # Platt's targets: 3 / 12, 9 / 12


def test_a_map_a_scale_may_change_ap(simple):
    case = many({20: [0.6, 0.2], 50: [0.5, 0.8]}, simple)
    found = studied(case, case)
    assert found["isotonic"]["all"]["AP50"] == found["before"]["AP50"]
    assert found["isotonic"]["scale"]["AP50"] > found["before"]["AP50"]


def test_the_scale_of_a_map_is_that_of_the_detection_itself():
    # 33 x 31 is 1,023 (small), 33 x 32 is medium, whatever object lies there.
    results = coco.Results(
        "x",
        *np.zeros((2, 2), int),
        boxes=np.array([[0, 0, 33, 31], [0, 0, 33, 32.0]]),
        areas=np.array([1023.0, 1056.0]),
        scores=np.array([0.5, 0.5]),
    )
    flat = np.array([0.0, 1.0])
    maps = {
        "small": score_maps.Steps(flat, np.array([0.1, 0.1])),
        "medium": score_maps.Steps(flat, np.array([0.9, 0.9])),
    }
    moved = recalibration.recalibrated(results, maps, SCALES)
    assert moved.scores.tolist() == pytest.approx([0.1, 0.9])
    assert results.scores.tolist() == [0.5, 0.5], "the input stays"


def test_a_scale_that_val_lacks_takes_the_map_of_all(simple):
    val = many({20: [0.6, 0.2]}, simple)
    maps = recalibration.fit_maps(matched(val), RULES, "platt", "scale", "hit")
    whole = recalibration.fit_maps(matched(val), RULES, "platt", "all", "hit")["all"]
    assert maps == {"small": whole, "medium": whole, "large": whole}


def test_before_is_what_calibration_says(cases):
    case = cases(3, images=20)
    expected = calibration.metrics(
        match(case.truth, case.results, SCALES, calibration.thresholds(RULES)), RULES
    )
    found = studied(case, case)["before"]
    for name in ("ece", "gap", "n"):
        assert found[name] == pytest.approx(expected[name])


def test_the_floor_is_one_on_the_old_scores(cases):
    case, rules = cases(3, images=20), calibration.Parameters(floor=0.45)
    found = studied(case, case, rules=rules)
    kept = found["before"]["n"]["all"]
    assert kept < studied(case, case)["before"]["n"]["all"]
    assert {found[m]["all"]["n"]["all"] for m in METHODS} == {kept}
    assert found["floor"] == 0.45


def test_iou_as_the_target_is_what_scores_come_to_tell(simple):
    # Ten hits of IoU .75 at score .9.
    objects = [(n, 0, A) for n in range(10)]
    case = simple(objects, [(n, 0, (100, 100, 40, 30), 0.9) for n in range(10)], images=10)
    parameters = recalibration.Parameters(target="iou")
    found = studied(case, case, parameters)
    assert found["before"]["ece"]["all"] == pytest.approx(0.9 - 0.75)
    assert found["isotonic"]["all"]["ece"]["all"] == pytest.approx(0, abs=1e-6)
    assert found["target"] == "iou"


@pytest.mark.parametrize("empty", ["val", "test"])
def test_no_detections_on_one_split_are_no_trouble(simple, empty):
    nothing, some = simple([(0, 0, A)], []), simple([(0, 0, A)], [(0, 0, A, 0.9)])
    found = studied(*((nothing, some) if empty == "val" else (some, nothing)))
    if empty == "test":
        assert found["before"]["ece"] == found["platt"]["scale"]["ece"] == {}
        assert found["before"]["n"]["all"] == 0
    else:
        assert found["platt"]["scale"]["ece"] == pytest.approx(found["before"]["ece"])
        assert found["temperature"]["all"]["temperature"]["all"] == 1


def test_tables_have_a_row_a_bin_and_a_row_a_score(cases):
    case = cases(3, images=20)
    outcomes = recalibration.study(matched(case), matched(case), DEFAULT, RULES)
    diagrams = recalibration.reliability(outcomes, SCALES, RULES.bins)
    assert len(diagrams) == (1 + 3 * 2) * 4 * 10
    first = diagrams[(diagrams["method"] == "none") & (diagrams["group"] == "all")]
    plain = calibration.reliability(matched(case), RULES)
    assert first["precision"].tolist() == pytest.approx(
        plain[plain["group"] == "all"]["precision"].tolist(), nan_ok=True
    )
    maps = recalibration.maps_table(outcomes)
    assert len(maps) == 3 * (1 + 3) * 101
    assert maps["recalibrated"].between(EDGE, 1 - EDGE).all()


def test_inputs_stay_as_they_are(cases):
    case = cases(3, images=20)
    ready = matched(case)
    before = case.results.scores.copy()
    recalibration.study(ready, ready, DEFAULT, RULES)
    assert np.array_equal(case.results.scores, before)


def test_a_name_twice_or_unknown_is_refused():
    with pytest.raises(InputError, match="each name once"):
        parse(recalibration.Parameters, {"methods": ["platt", "platt"]}, "x")
    with pytest.raises(InputError, match="isotonic"):
        parse(recalibration.Parameters, {"methods": ["plat"]}, "x")
    with pytest.raises(InputError, match="at least 1"):
        parse(recalibration.Parameters, {"by": []}, "x")


@pytest.mark.parametrize("by", ["all", "scale"])
@pytest.mark.parametrize("method", METHODS)
def test_without_val_each_fold_is_mapped_by_what_the_others_teach(cases, method, by):
    case = cases(3, images=20)
    parameters = recalibration.Parameters(folds=3)
    made = recalibration.across_folds(matched(case), RULES, method, by, parameters)
    for fold in range(3):
        others = [n for n in range(20) if n % 3 != fold]
        # The oracle: a truth and a file of the other folds alone, fitted as val is.
        ids = set(case.truth.image_ids[others].tolist())
        left = [r for r in case.results_document if r["image_id"] in ids]
        truth = coco.select(case.truth, others)
        val = match(truth, coco.parse_results(left, truth, "left"), SCALES, [RULES.iou])
        maps = recalibration.fit_maps(val, RULES, method, by, "hit")
        own = case.results.image % 3 == fold
        expected = recalibration.recalibrated(case.results, maps, SCALES).scores[own]
        np.testing.assert_allclose(made.scores[own], expected, atol=1e-9)
    assert np.array_equal(made.boxes, case.results.boxes)


def test_what_the_maps_were_fitted_on_is_said(cases):
    val, test = cases(4, images=20), cases(5, images=20)
    assert studied(val, test)["fitted_on"] == "val"
    outcomes = recalibration.study(None, matched(test), DEFAULT, RULES)
    found = recalibration.metrics(outcomes, SCALES, DEFAULT, RULES)
    assert found["fitted_on"] == "5 folds of test"
    assert found["before"] == studied(val, test)["before"]
    # Maps of all folds together are what is given to be used.
    whole = recalibration.fit_maps(matched(test), RULES, "platt", "all", "hit")
    (platt,) = (o for o in outcomes if (o.method, o.by) == ("platt", "all"))
    assert platt.maps == whole


def test_folds_hold_what_no_image_of_their_own_taught(simple):
    # Ten images, one detection each of score .9, right in the first five: a fold's map says how
    # often the other folds are right. Of five folds (n modulo 5) each has one of each kind, so
    # every map says 4 of 8: .5, the truth.
    case = simple(
        [(n, 0, A) for n in range(10)],
        [(n, 0, A if n < 5 else B, 0.9) for n in range(10)],
        images=10,
    )
    made = recalibration.across_folds(matched(case), RULES, "isotonic", "all", DEFAULT)
    assert made.scores.tolist() == pytest.approx([0.5] * 10)
    # Of two folds, even and odd: three of five even ones are right, two of five odd ones.
    parameters = recalibration.Parameters(folds=2)
    made = recalibration.across_folds(matched(case), RULES, "isotonic", "all", parameters)
    assert made.scores.tolist() == pytest.approx([0.4, 0.6] * 5)


def test_one_image_has_nobody_to_learn_from_and_keeps_its_scores(simple):
    case = simple([(0, 0, A)], [(0, 0, A, 0.7), (0, 0, B, 0.2)])
    made = recalibration.across_folds(matched(case), RULES, "platt", "scale", DEFAULT)
    assert made.scores.tolist() == pytest.approx([0.7, 0.2])


def test_real_pair_across_folds_is_mended(real):
    ready = match(*real, SCALES, recalibration.needed_ious(RULES))
    parameters = recalibration.Parameters(methods=("platt",), by=("all",))
    outcomes = recalibration.study(None, ready, parameters, RULES)
    found = recalibration.metrics(outcomes, SCALES, parameters, RULES)
    assert found["before"]["ece"]["all"] == pytest.approx(0.0752, abs=1e-4)
    assert found["platt"]["all"]["ece"]["all"] < 0.01
    assert found["platt"]["all"]["AP"] == pytest.approx(found["before"]["AP"], abs=1e-3)


def test_real_pair_recalibrated_on_one_half_is_mended_on_the_other(real):
    truth, results = real
    halves = []
    for part in (0, 1):
        images = np.arange(part, len(truth.image_ids), 2)
        own = results.image % 2 == part
        columns = ("image", "category", "boxes", "areas", "scores")
        found = replace(results, **{name: getattr(results, name)[own] for name in columns})
        found = replace(found, image=found.image // 2, extra={})
        halves.append(
            match(coco.select(truth, images), found, SCALES, recalibration.needed_ious(RULES))
        )
    parameters = recalibration.Parameters(methods=("platt",))
    outcomes = recalibration.study(*halves, parameters, RULES)
    found = recalibration.metrics(outcomes, SCALES, parameters, RULES)
    assert found["before"]["ece"]["all"] == pytest.approx(0.075, abs=0.01)
    assert found["platt"]["all"]["ece"]["all"] < 0.02
    assert found["platt"]["all"]["AP"] == found["before"]["AP"]
    assert found["platt"]["scale"]["ece"]["small"] < found["platt"]["all"]["ece"]["small"]
