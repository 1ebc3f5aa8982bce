import numpy as np
import pandas as pd
import pytest

from scalewise.report import fields, theory, theory_tables

STACKS = pd.DataFrame(
    {
        "layers": [1, 2, 3],
        "dilation": [1, 2, 4],
        "formula": [3, 7, 15],
        "measured": [3, 7, 15],
        "mistaken": [3, 7, 23],
        "multiply_adds": [9e6, 9e6, 9e6],
        "by_hand": [9e6, 9e6, 9e6],
    }
)
LOSSES = pd.DataFrame(
    {
        "smoothing": [0, 0, 0.1, 0.1],
        "gap": [0.0, 5.0, 0.0, 5.0],
        "loss": [2.3, 0.1, 2.3, 0.6],
        "optimal": [np.nan, np.nan, 4.5, 4.5],
        "least": [0, 0, 0.5, 0.5],
    }
)
GAPS = pd.DataFrame({"classes": [2, 2], "smoothing": [0.1, 1], "gap": [2.9, 0]})
COSTS = pd.DataFrame(
    {
        "varied": ["mean"] * 2 + ["deviation"] * 2,
        "value": [-1, 1, 1, 2],
        "cross_entropy": [2.0, 2.0, 1.9, 1.8],
        "entropy": 1.42,
        "divergence": [0.58, 0.58, 0.48, 0.38],
        "integrated": [2.0, 2.0, 1.9, 1.8],
        "sampled": [2.1, 1.9, 1.9, 1.8],
        "error": 0.1,
    }
)
TABLES = {
    "smoothed_losses": LOSSES,
    "optimal_gaps": GAPS,
    "gaussian_costs": COSTS,
    "dilated_stacks": STACKS,
}


def test_every_picture_of_the_identities_is_drawn(png):
    names = [(name, png(figure)) for name, figure in theory.draw(TABLES)]
    assert [name for name, _ in names] == ["label_smoothing", "gaussian", "dilation"]
    assert all(data for _, data in names)


def test_the_counter_example_is_in_numbers(texts):
    written = texts(theory.dilation(STACKS))
    assert "3 layers with dilations up to 4 see 15 pixels, not 23" in written
    assert "measured: 15" in written and "dilations multiplied: 23" in written


def level(name="level $0", largest=20.0, effective=30.0):
    moved = np.ones((64, 48))
    sizes = {"theoretical": 41}
    sizes |= {f"{kind}_{net}": effective / (2 if kind == "half" else 1)
              for kind in ("effective", "half") for net in fields.NETS}  # fmt: skip
    return fields.LevelField(
        name=name,
        anchors=(10.0, largest),
        place=(34.0, 26.0),
        box=np.array([4.0, 12, 45, 53]),
        moved=dict.fromkeys(fields.NETS, moved),
        sizes=sizes,
        centres=dict.fromkeys(fields.NETS, (32.0, 24.0)),
    )


@pytest.mark.parametrize("count", [1, 3, 5])
def test_any_number_of_levels_is_drawn(count, png):
    assert png(fields.against_anchors([level(f"level {n}") for n in range(count)], 0.9545))


def test_the_title_names_the_levels_that_feel_too_little(texts):
    enough = texts(fields.against_anchors([level()], 0.9545))
    assert "Every level feels a wider square than its largest anchor" in enough
    short = texts(fields.against_anchors([level(), level("level 10", 60.0)], 0.9545))
    assert "Level 10 feels 30 px of the 60 it is asked to find" in short


METRICS = {
    "cost": {"b": {"parameters": 1200, "multiply_adds": 5_000_000},
             "a": {"parameters": 3400, "multiply_adds": 7_100_000}},
    "field": {"a": {
        "level_10": {"anchor_smallest": 80, "anchor_largest": 160, "theoretical": 183,
                      "effective_trained": 143.4, "half_trained": 70.1},
        "level_0": {"anchor_smallest": 10, "anchor_largest": 20, "theoretical": 167,
                     "effective_trained": 118.5, "half_trained": 30.5},
    }},
}  # fmt: skip


def test_costs_as_a_table():
    rows = [[cell.text for cell in row] for row in theory_tables.by_cost(METRICS).rows]
    assert rows == [["b", "1,200", "5.0"], ["a", "3,400", "7.1"]]


def test_fields_as_a_table_in_the_order_of_the_levels():
    table = theory_tables.by_field(METRICS, "a")
    assert [row[0].text for row in table.rows] == ["level 0", "level 10"]
    assert [row[1].text for row in table.rows] == ["10 to 20", "80 to 160"]
    assert [row[1].strong for row in table.rows] == [False, True]
    assert all(len(row) == len(table.head) for row in table.rows)


def test_a_sentence_says_what_the_levels_feel():
    (sentence,) = theory_tables.sentences(METRICS)
    assert sentence == (
        "a: half of what moves the answers of level 0, level 10 lies within 30, 70 pixels, nearly "
        "all within 118, 143; their largest anchors have 20, 160."
    )


def test_without_metrics_there_is_no_table():
    assert theory_tables.by_cost({}) is None and theory_tables.sentences({}) == []
    assert theory_tables.by_field(METRICS, "b") is None
