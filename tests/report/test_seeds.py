from scalewise.evaluation import seeds
from scalewise.report import seeds as picture

RUNS = {
    "base": [{"PCK": 0.5, "px": 3}, {"PCK": 0.6, "px": 4}],
    "wide": [{"PCK": 0.8, "px": 3}, {"PCK": 0.9, "px": 4}],
}


def test_a_panel_a_measure_and_a_row_a_variant():
    figure = picture.side_by_side(seeds.table(RUNS, ["PCK", "px"]), "keypoints")
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["PCK", "px"]
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["base", "wide"]
    assert "n = 2 seeds" in figure.texts[0].get_text()
    figure.canvas.draw()


def test_nothing_is_said_to_be_nothing():
    figure = picture.side_by_side(seeds.table({}, []), "keypoints")
    assert figure.axes[0].texts[0].get_text() == "nothing was run"
