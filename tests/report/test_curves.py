import numpy as np
import pandas as pd
import pytest

from scalewise.report import curves

GROUPS = ("all", "small", "medium", "large")
RECALLS = np.linspace(0, 1, 101)


def history(val, **terms):
    epochs = np.arange(1, len(val) + 1)
    columns = {"epoch": epochs, "learning_rate": 0.1, "train_total": val, "val_total": val}
    return pd.DataFrame(columns | terms)


def curve(group, iou=0.5, precision=0.7):
    return pd.DataFrame({"group": group, "iou": iou, "recall": RECALLS, "precision": precision})


@pytest.mark.parametrize(
    ("val", "best"),
    [([3, 1, 2], 2), ([1, 1, 1], 1), ([np.nan, np.inf, 5], 3), ([np.nan], None), ([], None)],
)
def test_the_best_epoch_is_the_first_with_the_lowest_total_on_val(val, best):
    assert curves.best_epoch(history(np.array(val, float))) == best


def test_terms_are_those_of_training_without_the_total():
    table = history([1.0, 2.0], train_box=1.0, val_box=1.0, train_objectness=2.0)
    assert curves.loss_terms(table.columns) == ["box", "objectness"]


@pytest.mark.parametrize("val", [[3.0, 1.0, 2.0], [1.0], [500.0, 0.5], [], [np.nan], [0.0, 0.0]])
def test_losses_are_drawn_for_any_history(val, png, texts):
    val = np.array(val, float)
    figure = curves.loss_curves(history(val, train_box=val, val_box=val))
    assert png(figure)
    assert "box" in texts(figure)


def test_the_title_says_the_best_epoch_and_how_many_there_were(texts):
    assert "n = 3 epochs: best on val at epoch 2 (1.000)" in texts(
        curves.loss_curves(history([3.0, 1.0, 2.0]))
    )


def test_curves_by_scale_and_iou_name_their_ap_and_n(png, texts):
    table = pd.concat([curve(g) for g in GROUPS] + [curve("all", 0.75, 0.4)])
    figure = curves.precision_recall(table, GROUPS, {"all": 1234, "small": 56})
    assert png(figure)
    assert "n = 1,234 objects" in texts(figure)
    assert "small  AP50 70.0, n = 56" in texts(figure)
    assert "IoU 0.75  AP 40.0" in texts(figure)
    assert len(figure.axes) == 2


@pytest.mark.parametrize("number", [1, 7, 80])
def test_any_number_of_classes_is_drawn(number, png, texts):
    table = pd.concat([curve("all")] + [curve(f"class ${n}") for n in range(number)])
    figure = curves.precision_recall(table, GROUPS)
    assert png(figure)
    assert ("classes" in texts(figure)) == (number == 80)


def test_no_curves_are_a_picture_that_says_so(png, texts):
    empty = curve("all").iloc[:0]
    figure = curves.precision_recall(empty, GROUPS, {})
    assert png(figure)
    assert "no objects to find" in texts(figure)
