from scalewise.report import tide
from scalewise.report.inputs import MAIN_ERRORS

COSTS = {"AP50": 60.0, "Cls": 2.0, "Loc": 5.0, "Both": 0.0, "Dupe": 0.1, "Bkg": 1.0, "Miss": 5.0}


def test_the_largest_is_a_main_error_and_the_first_of_equals():
    assert tide.largest(COSTS | {"FN": 40.0}) == "Loc"
    assert tide.largest({"Cls": 0.0, "FP": 3.0}) is None
    assert tide.largest({}) is None


def test_bars_name_the_group_its_ap_and_n(png, texts):
    groups = {name: COSTS | {"FP": 9.0, "FN": 20.0} for name in ("all", "small", "large")}
    figure = tide.bars(groups, {"all": 1000, "small": 70})
    assert png(figure)
    assert "small: AP50 60.0\nn = 70" in texts(figure)
    assert "n = 1,000 objects" in texts(figure)


def test_intervals_are_drawn_where_they_are_known(png, texts):
    groups = {"all": COSTS, "small": COSTS}
    known = {"tide": {"all": {"Miss": {"low": 3.0, "high": 30.0}}}, "AP": {"low": 0, "high": 1}}
    figure = tide.bars(groups, None, known)
    assert png(figure)
    assert "Line: its interval" in texts(figure)
    assert figure.axes[0].get_xlim()[1] > 30
    assert len(figure.axes[0].lines) == 2 and not figure.axes[1].lines


def test_a_perfect_detector_and_missing_types_are_drawn(png):
    assert png(tide.bars({"all": {"AP50": 100.0, **dict.fromkeys(MAIN_ERRORS, 0.0)}}))
    assert png(tide.bars({"all": {}, "small": {"AP50": 0.0, "Miss": 100.0}}))


def test_no_groups_are_a_picture_that_says_so(png, texts):
    figure = tide.bars({})
    assert png(figure)
    assert "no objects to find" in texts(figure)
