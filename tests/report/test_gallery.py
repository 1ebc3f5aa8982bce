import numpy as np
import pandas as pd
import pytest

from scalewise.diagnosis import tide, tide_costs
from scalewise.diagnosis.matching import match
from scalewise.report import gallery
from scalewise.scales import Scales

SCALES = ("small", "medium", "large")


def errors(rows):
    return pd.DataFrame(rows, columns=list(gallery.ERROR_COLUMNS))


@pytest.fixture
def found(truth, results):
    parameters = tide.Parameters()
    matching = match(truth, results, Scales(), [parameters.iou], parameters.background_iou)
    return tide_costs.table(matching, parameters)


def test_the_costliest_of_each_type_and_scale_come_first_and_ties_by_place():
    rows = [
        ("Cls", "small", 5, 1, 1, 0.6, 0.5, 1.0),
        ("Cls", "small", 2, 2, 1, 0.6, 0.5, 3.0),
        ("Cls", "small", 1, 3, 1, 0.6, 0.5, 3.0),
        ("Miss", "small", 0, -1, 2, np.nan, np.nan, 2.0),
        ("Miss", "all", 0, -1, 2, np.nan, np.nan, 9.0),
        ("Bkg", "large", 0, 7, 4, 0.05, 0.5, 0.0),
    ]
    chosen = gallery.costliest(errors(rows), SCALES, most=2)
    assert chosen["detection"].tolist() == [3, 2, -1, 7]
    assert chosen["truth"].tolist() == [1, 1, 2, -1]  # a background error has no object


def test_captions_say_what_was_said_and_what_is_there(truth, results):
    rows = [
        ("Cls", "medium", 0, 1, 1, 0.92, 0.8, 1.25),
        ("Miss", "small", 2, -1, 3, np.nan, np.nan, 2.0),
        ("Bkg", "small", 3, 4, -1, 0.0, 0.5, 0.5),
    ]
    captions = [gallery.caption(row, truth, results) for row in errors(rows).itertuples()]
    assert captions == [
        "says cat 0.80\nis dog, IoU 0.92\ncost 1.250, id 10",
        "not found\nis dog\ncost 2.000, id 12",
        "says dog 0.50\nnothing there\ncost 0.500, id 13",
    ]


def test_the_errors_of_the_diagnosis_are_drawn_the_same_twice(
    store, truth, results, found, png, texts
):
    figure = gallery.costliest_errors(store, truth, results, found, SCALES)
    assert "says cat 0.80\nis dog" in texts(figure)
    assert "none" in texts(figure)
    assert png(figure) == png(gallery.costliest_errors(store, truth, results, found, SCALES))


def test_no_errors_are_drawn(store, truth, results, found, png, texts):
    figure = gallery.costliest_errors(store, truth, results, found.iloc[:0], SCALES)
    assert png(figure)
    assert "n = 0" in texts(figure)


def test_one_scale_is_drawn(store, truth, results, found, png):
    assert png(gallery.costliest_errors(store, truth, results, found, ["large"]))
