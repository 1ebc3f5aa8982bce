import json

from scalewise.report import appendix
from scalewise.scales import Scales

NUMBERS = {"ece": {"all": 0.25, "small": 0.5}, "AP": 0.5}
METRICS = {"before": NUMBERS, "iou": 0.5, "target": "hit",
           "platt": {"all": {"ece": {"all": 0.125}, "AP": 0.5}, "scale": NUMBERS}}  # fmt: skip


def test_recalibration_is_one_row_a_map():
    table = appendix.recalibrated(METRICS, Scales())
    rows = [[cell.text for cell in row] for row in table.rows]
    assert table.head == ("scores", "ECE all", "ECE small", "ECE medium", "ECE large", "AP")
    absent = appendix.ABSENT
    assert rows == [
        ["as trained", "0.250", "0.500", absent, absent, "50.0"],
        ["platt, one map", "0.125", absent, absent, absent, "50.0"],
        ["platt, a map for each scale", "0.250", "0.500", absent, absent, "50.0"],
    ]


def test_what_taught_the_maps_is_told():
    on_val = appendix.recalibrated({**METRICS, "fitted_on": "val"}, Scales()).caption
    assert "fitted on val. One rising map" in on_val
    folded = appendix.recalibrated({**METRICS, "fitted_on": "5 folds of test"}, Scales()).caption
    assert "fitted on 5 folds of test, each fold under" in folded and "val" not in folded


def test_the_gain_is_told_in_a_sentence():
    told = "ECE on test is 0.250 as trained and 0.125 after platt, one map."
    assert appendix.gain(METRICS) == [told]
    assert appendix.gain({"before": {"AP": 0.5}}) == []


def test_only_what_is_there_has_a_section(tmp_path):
    assert appendix.gather(tmp_path, ["a", "b"], Scales()) == []
    folder = tmp_path / "metrics" / "b"
    folder.mkdir(parents=True)
    (folder / "recalibration.json").write_text(json.dumps(METRICS))
    (tmp_path / "metrics" / "theory.json").write_text("{}")
    sections = appendix.gather(tmp_path, ["a", "b"], Scales())
    assert [section.title for section in sections] == ["Recalibration of b"]
    assert len(sections[0].sentences) == 1
