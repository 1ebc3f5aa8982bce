import json
import runpy
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from scalewise import coco, files
from scalewise.diagnosis import average_precision, calibration, levels, tide, tide_costs
from scalewise.diagnosis.matching import COCO_IOUS, match
from scalewise.errors import InputError
from scalewise.report import latex, page, readings, tables
from scalewise.report.dossier import Detector, Dossier, Picture, Section, gather, pictures
from scalewise.scales import Scales
from whole_html import read

STAGES = Path(__file__).parents[2] / "stages"

AVERAGE_PRECISION = {
    "AP": 0.604,
    "AP50": 0.893,
    "AP_small": 0.402,
    "AP_large": 0.743,
    "AR_100": 0.7,
    "class": {"<b>cat</b>": {"AP": 0.2, "AP50": 0.6}, "dog & co": {"AP": 0.1, "AP50": 0.9}},
    "ceiling": {"AP50": 0.951},
}
COSTS = {"AP50": 60.0, "Cls": 2.0, "Loc": 11.125, "Both": 0.5, "Dupe": 0.0, "Bkg": 1.0, "Miss": 9.5}
TIDE = {
    "all": COSTS,
    "small": COSTS,
    "large": dict.fromkeys(COSTS, 0.0),
    "share": {"small": COSTS, "large": {}},
    "tidecv": COSTS | {"Cls": 2.01},
}
CALIBRATION = {
    "ece": {"all": 0.1234, "small": 0.2},
    "gap": {"all": -0.005, "small": 0.15},
    "n": {"all": 1836, "small": 700},
    "class": {"dog & co": {"ece": 0.25, "gap": -0.25, "n": 12}},
    "floor": 0.05,
}
LEVELS = {"share": {"small": {"0": 0.8, "1": 0.2}, "large": {"1": 1.0}}}


@pytest.fixture
def detector(picture):
    return Detector(
        "net <1>",
        AVERAGE_PRECISION,
        TIDE,
        CALIBRATION,
        LEVELS,
        {"all": 1786, "small": 912},
        [picture],
        {"seconds": 241.3, "device": "some <device>"},
    )


@pytest.fixture
def picture():
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "white").save(buffer, "PNG")
    return Picture("A <title>", "How to read it.", buffer.getvalue())


def dossier(*detectors, **more):
    return Dossier("What is wrong", Scales(), detectors, **more)


def test_the_page_is_whole_and_says_the_numbers(detector):
    reader = read(page.render(dossier(detector)))
    text = " ".join(" ".join(reader.text).split())
    for number in ("60.4", "89.3", "40.2", "11.12", "0.123", "-0.005", "1,836", "912", "241.3"):
        assert number in text
    assert "Perfect boxes would reach an AP50 of 95.1" in text
    assert "weakest on small objects (40.2), best on large (74.3)" in text
    assert "score floor 0.05" in text


def test_names_are_escaped_and_nothing_is_fetched(detector):
    html = page.render(dossier(detector))
    assert "<b>cat" not in html
    assert "&lt;b&gt;cat&lt;/b&gt;" in html
    assert "<device>" not in html
    reader = read(html)
    sources = [attributes["src"] for tag, attributes in reader.tags if "src" in attributes]
    assert sources
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "iframe"}


def test_the_same_dossier_gives_the_same_page(detector, tmp_path):
    page.write(tmp_path / "report" / "index.html", dossier(detector))
    written = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert written == page.render(dossier(detector))


def test_what_is_absent_is_left_out():
    html = page.render(dossier(Detector("bare", {})))
    text = " ".join(read(html).text)
    assert "There was nothing to find." in text
    for absent in ("By scale", "Classes", "Levels", "tidecv", "hardware", "Side by side"):
        assert absent not in text


def test_several_detectors_stand_side_by_side_with_the_best_in_bold(detector):
    other = Detector("other", {"AP": 0.7, "AP50": 0.8})
    table = tables.comparison([detector, other], Scales())
    strong = [[cell.strong for cell in row[1:3]] for row in table.rows]
    assert strong == [[False, True], [True, False]]
    text = " ".join(read(page.render(dossier(detector, other))).text)
    assert "Side by side" in text


def test_large_pictures_are_packed_and_small_ones_are_kept(picture, tmp_path):
    import numpy as np
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")
    large = pictures(tmp_path)[0]
    assert len(large.png) > page.LARGE
    assert page.data_uri(large).startswith("data:image/webp")
    assert page.data_uri(picture).startswith("data:image/png")
    assert page.picture_size(large) == (300, 300)


def test_pictures_come_in_our_order_and_others_by_name(tmp_path, picture):
    for name in ("zebra", "a_new_one", "tide", "loss"):
        (tmp_path / f"{name}.png").write_bytes(picture.png)
    titles = [found.title for found in pictures(tmp_path)]
    assert titles == ["Losses", "What each error costs", "A new one", "Zebra"]


def test_pictures_of_one_name_are_read_by_their_folder(tmp_path, picture):
    for name in ("classification", "net"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "reliability.png").write_bytes(picture.png)
    readings = [pictures(tmp_path / name)[0].reading for name in ("classification", "net")]
    assert readings[0] != readings[1]
    assert all(readings)


def test_the_scale_table_marks_the_costliest_main_error(detector):
    table = tables.by_scale(detector, Scales())
    assert sum(width for _, width in table.spans) == len(table.head)
    rows = {row[0].text: dict(zip(table.head, row, strict=True)) for row in table.rows}
    assert [name for name, cell in rows["small"].items() if cell.strong] == ["Loc"]
    assert not any(cell.strong for cell in rows["large"].values())
    assert rows["medium"]["Cls"].text == tables.ABSENT
    assert rows["all"]["n"].text == "1,836"


def test_the_part_of_each_scale_in_the_whole_loss_is_told_where_known(detector):
    table = tables.by_share(detector, Scales())
    assert [[cell.text for cell in row[:3]] for row in table.rows] == [["small", "2.00", "11.12"]]
    assert tables.by_share(Detector("x", {}), Scales()) is None


def test_score_cuts_stand_by_their_score_with_every_group_that_is_known(detector):
    numbers = {"AP": 48.04, "Miss": 21.6, "FP": 5.1, "ece": 0.0751, "n": 33038}
    cuts = {"0.25": {"all": numbers | {"n": 12}}, "0.001": {"all": numbers, "small": {"AP": 1.0}}}
    cut = replace(detector, score_cut=cuts | {"lowest": 0.0104})
    table = tables.by_cut(cut, Scales())
    assert table.head == ("cut", "n", *(4 * ("all", "small")))
    assert sum(width for _, width in table.spans) == len(table.head)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["0.001", "33,038", "48.0", "1.0", "21.6", "-", "5.1", "-", "0.075", "-"],
        ["0.25", "12", "48.0", "-", "21.6", "-", "5.1", "-", "0.075", "-"],
    ]
    assert "lowest score is 0.0104" in table.caption
    assert "What a score cut does" in page.render(dossier(cut))
    assert tables.by_cut(detector, Scales()) is None
    assert tables.by_cut(replace(detector, score_cut={"lowest": 0.1}), Scales()) is None


def test_numbers_in_names_sort_by_value():
    names = ["stride 16", "stride 4", "all", "10", "9"]
    assert sorted(names, key=tables.natural) == ["9", "10", "all", "stride 4", "stride 16"]


def test_latex_escapes_and_sets_strong_cells_in_bold():
    table = tables.Table(
        "", ("a_b", "50%"), ((tables.Cell("x & y"), tables.Cell("1", strong=True)),), (("", 2),)
    )
    assert latex.render(table).splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"\multicolumn{2}{c}{} \\",
        r"a\_b & 50\% \\",
        r"\midrule",
        r"x \& y & \textbf{1} \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_metrics_by_scale_are_found_however_deep():
    anchors = {"recall": {"all": 0.95, "small": 0.9}, "level": {"0": {"small": 0.5}}, "count": 3}
    table = tables.by_group(anchors | {"n": {"all": 12345, "small": 7}}, Scales(), "")
    assert table.head == ("", "all", "small")
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["level, 0", "-", "0.500"],
        ["n", "12,345", "7"],
        ["recall", "0.950", "0.900"],
    ]
    assert tables.by_group({"count": 3}, Scales(), "") is None


def test_classes_stand_worst_first_with_their_calibration(detector):
    table = tables.by_class(detector)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["dog & co", "10.0", "90.0", "0.250", "-0.250", "12"],
        ["<b>cat</b>", "20.0", "60.0", "-", "-", "-"],
    ]


def test_the_summary_names_the_largest_error_of_each_scale_and_those_near_it(detector):
    _, small, large = readings.summary(detector, Scales())
    assert small == (
        "Small: most is lost to boxes of the right class that lie badly (11.1 points of AP50) "
        "and objects that are not found at all (9.5 points of AP50); "
        "their scores are 0.15 too high on average."
    )
    assert large == "Large: no error costs anything."


def test_levels_are_told_by_scale(detector):
    told = readings.of_levels(detector, Scales())
    assert told == "Found mostly: small objects by level 0 (80%), large objects by level 1 (100%)."
    assert readings.of_levels(Detector("x", {}), Scales()) == ""


def test_scales_are_told_with_their_bounds():
    assert tables.scale_words(Scales()) == (
        "small below 32² pixels of area, medium 32² to 96², large from 96²"
    )
    two = Scales(names=("tiny", "big"), bounds=(20,))
    assert tables.scale_words(two) == "tiny below 20² pixels of area, big from 20²"


def diagnose(root, truth, results, image_folder):
    """Write what the stages before the pictures write, for a detector called net."""
    found = root / "predictions" / "net"
    coco.write_truth(found / "test_truth.json", truth, image_folder)
    coco.write_results(found / "test.json", truth, results)
    (root / "params.yaml").write_text("detectors: [net]\nscales: {}\n")
    plots, metrics = root / "plots" / "net", root / "metrics" / "net"
    settings = calibration.Parameters()
    accumulated = average_precision.from_matching(match(truth, results, Scales(), COCO_IOUS))
    matching = match(truth, results, Scales(), calibration.thresholds(settings))
    for name, table in {
        "precision_recall": average_precision.precision_recall(accumulated),
        "tide_errors": tide_costs.table(matching, tide.Parameters()),
        "reliability": calibration.reliability(matching, settings),
        "levels": levels.table(matching),
        "history": pd.DataFrame({"epoch": [1], "train_total": [2.0], "val_total": [2.5]}),
    }.items():
        files.write_table(plots / f"{name}.csv", table)
    for name, values in {
        "average_precision": average_precision.statistics(accumulated),
        "tide": {
            **tide.metrics(matching, tide.Parameters()),
            "share": tide.shares(matching, tide.Parameters()),
        },
        "calibration": calibration.metrics(matching, settings),
        "levels": levels.metrics(matching),
    }.items():
        files.write_metrics(metrics / f"{name}.json", values)


@pytest.fixture
def pipeline(tmp_path, truth, results, image_folder, monkeypatch):
    """A pipeline's folder after the diagnosis of a tiny detector."""
    diagnose(tmp_path, truth, results, image_folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(stage, *arguments):
    before = sys.argv
    sys.argv = [stage, *arguments]
    try:
        runpy.run_path(str(STAGES / f"{stage}.py"), run_name="__main__")
    finally:
        sys.argv = before


def test_the_stages_draw_and_tell_what_the_diagnosis_wrote(pipeline, capsys):
    run("gallery", "net")
    names = {file.stem for file in (pipeline / "plots" / "net").glob("*.png")}
    told = "loss, precision_recall, reliability, tide, levels, detections, errors"
    assert names == set(told.split(", "))
    assert told in capsys.readouterr().out
    run("report")
    text = " ".join(read((pipeline / "report" / "index.html").read_text()).text)
    ap = json.loads((pipeline / "metrics/net/average_precision.json").read_text())["AP"]
    assert f"{100 * ap:.1f}" in text


def test_pictures_without_training_or_levels_are_left_out(pipeline):
    (pipeline / "plots/net/history.csv").unlink()
    (pipeline / "plots/net/levels.csv").unlink()
    run("gallery", "net")
    assert not (pipeline / "plots/net/loss.png").exists()
    assert (pipeline / "plots/net/tide.png").exists()


def test_a_detector_that_found_nothing_gets_pictures_and_a_page(
    pipeline, truth, results_of, image_folder
):
    diagnose(pipeline, truth, results_of([], truth), image_folder)
    run("gallery", "net")
    run("report")
    text = " ".join(read((pipeline / "report" / "index.html").read_text()).text)
    assert "objects that are not found at all (100.0 points of AP50)" in text


@pytest.mark.parametrize("name", ["average_precision", "tide", "calibration"])
def test_missing_metrics_name_the_command_that_makes_them(pipeline, name):
    (pipeline / "metrics" / "net" / f"{name}.json").unlink()
    command = f"dvc repro {name.replace('_', '-')}@net"
    with pytest.raises(InputError, match=rf"{name}.json: no such file; make it with: {command}"):
        gather(pipeline, ["net"], Scales())


def test_bad_inputs_are_one_line_and_leave_no_page(pipeline):
    with pytest.raises(InputError, match=r"expected the name of a detector"):
        gather(pipeline, [], Scales())
    (pipeline / "metrics/net/tide.json").write_text("[1]")
    with pytest.raises(SystemExit, match=r"tide.json: expected an object of metrics, got list"):
        run("report")
    (pipeline / "plots/net/reliability.csv").write_text("group,count\nall,1\n")
    with pytest.raises(SystemExit, match=r"reliability.csv: column bin_low, .* is missing"):
        run("gallery", "net")
    assert not (pipeline / "report").exists()


def test_warnings_facts_sections_and_intervals_are_shown(detector, picture):
    part = Section(
        "More <here>", ["A finding."], [picture], [tables.statistics(detector)], "A note."
    )
    known = {"AP": {"low": 0.55, "high": 0.65}, "tide": {"small": {"Miss": {"low": 8, "high": 12}}}}
    html = page.render(
        dossier(
            replace(detector, intervals=known),
            sections=[part],
            warnings=["<beware>"],
            facts={"truth": "a&b.json"},
        )
    )
    text = " ".join(read(html).text)
    for expected in ("More <here>", "A finding.", "A note.", "<beware>", "a&b.json", "55.0 to 65.0",
                     "9.5 (8.0 to 12.0)"):  # fmt: skip
        assert expected in text
