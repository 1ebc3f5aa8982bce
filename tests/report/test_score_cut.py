import pandas as pd

from scalewise.report import score_cut

GROUPS = ("all", "small")


def table():
    return pd.DataFrame(
        [
            (cut, group, 50 - 20 * cut, 10 + 40 * cut, 5 - 5 * cut, 0.1, 20_000)
            for cut in (0.001, 0.25, 0.5)
            for group in GROUPS
        ],
        columns=list(score_cut.SCORE_CUT_COLUMNS),
    )


def test_it_says_what_the_cut_does_and_where_the_results_end(png, texts):
    figure = score_cut.score_cut(table(), GROUPS, lowest=0.25)
    said = texts(figure)
    assert "from 0.001 to 0.5, AP 50.0 to 40.0, Miss 10.0 to 30.0" in said
    assert "the results end at 0.25" in said
    assert "0.25\n20k" in said
    assert png(figure) == png(score_cut.score_cut(table(), GROUPS, lowest=0.25))


def test_nothing_to_find_and_nothing_known_are_no_trouble(png, texts):
    empty = table().iloc[:0]
    assert "no objects to find" in texts(score_cut.score_cut(empty, GROUPS))
    alone = table().assign(ece=float("nan"))
    assert png(score_cut.score_cut(alone, GROUPS))
