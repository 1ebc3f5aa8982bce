import numpy as np
import pandas as pd
import pytest

from scalewise.diagnosis import calibration as diagnosis
from scalewise.diagnosis.matching import match
from scalewise.report import calibration
from scalewise.scales import Scales


def bins(rows, group="all"):
    """Rows of confidence, precision, count."""
    width = 1 / max(len(rows), 1)
    return pd.DataFrame(
        [
            (group, n * width, (n + 1) * width, c, p, p, p, count)
            for n, (c, p, count) in enumerate(rows)
        ],
        columns=list(calibration.RELIABILITY_COLUMNS),
    )


def test_ece_and_gap_weigh_bins_by_count():
    # off by -.1 for 30 and +.3 for 10: ECE (3 + 3) / 40 = .15, gap (-3 + 3) / 40 = 0
    found = calibration.summarise(bins([(0.2, 0.3, 30), (0.8, 0.5, 10), (np.nan, np.nan, 0)]))
    assert found == (pytest.approx(0.15), pytest.approx(0), 40)


def test_without_detections_there_is_no_ece():
    found = calibration.summarise(bins([(np.nan, np.nan, 0)]))
    assert np.isnan(found.ece)
    assert found.n == 0


def test_the_diagrams_numbers_are_those_of_the_metrics(truth, results):
    parameters = diagnosis.Parameters()
    matching = match(truth, results, Scales(), diagnosis.thresholds(parameters))
    table = diagnosis.reliability(matching, parameters)
    metrics = diagnosis.metrics(matching, parameters)
    for group in ("all", "small", "medium", "large"):
        shown = calibration.summarise(table[table["group"] == group])
        assert shown.n == metrics["n"][group]
        assert shown.ece == pytest.approx(metrics["ece"][group])
        assert shown.gap == pytest.approx(metrics["gap"][group])


@pytest.mark.parametrize("groups", [1, 4, 6])
def test_any_number_of_groups_is_drawn(groups, png, texts):
    table = pd.concat(
        [bins([(0.2, 0.3, 30), (0.8, 1.0, 1)], f"g{n}") for n in range(groups)]
        + [bins([(np.nan, np.nan, 0)], "empty")]
    )
    figure = calibration.reliability(table, "IoU 0.5")
    assert png(figure)
    assert "g0: ECE 0.103, gap -0.103\nn = 31" in texts(figure)
    assert "empty: no detections" in texts(figure)


def test_no_groups_are_a_picture_that_says_so(png, texts):
    figure = calibration.reliability(bins([]))
    assert png(figure)
    assert "no detections" in texts(figure)
