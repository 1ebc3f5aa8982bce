import json
import re

import pytest

from scalewise.errors import InputError
from scalewise.report import (
    appendix,
    classification_section,
    keypoint_section,
    page,
    segmentation_section,
)
from scalewise.report.dossier import Detector, Dossier, Section
from scalewise.report.task import Task
from scalewise.report.task_readings import lead, spanned, weakest
from scalewise.report.task_tables import Line, differences, side_by_side
from scalewise.scales import Scales
from task_cases import write_all, write_keypoints, write_segmentation
from whole_html import read

TASKS = ["Keypoints", "Classification", "Segmentation"]


@pytest.fixture
def project(tmp_path):
    write_all(tmp_path)
    return tmp_path


def texts(table):
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def by_title(section):
    return {table.title: table for table in section.tables}


def rendered(sections):
    return page.render(Dossier("All", Scales(), [Detector("net", {})], appendix=sections))


def change(path, edit):
    values = json.loads(path.read_text())
    edit(values)
    path.write_text(json.dumps(values))


def test_every_task_has_its_section_with_sentences_tables_and_pictures(project):
    sections = appendix.gather(project, [], Scales())
    assert [section.title for section in sections] == TASKS
    for section in sections:
        assert len(section.sentences) >= 2
        assert list(by_title(section))[:2] == [
            "The models side by side",
            "Which differences are real",
        ]
        assert section.parts[0].title == "All models"
        shown = [picture for part in section.parts for picture in part.pictures]
        assert shown
        assert all(picture.reading for picture in shown), "each picture says how to read it"
    models = [[part.title for part in section.parts[1:]] for section in sections]
    assert models == [["heatmap", "regression"], ["convnet", "resnet18"], ["segnet", "deeplabv3"]]


def test_the_page_of_all_tasks_is_whole_escaped_and_alone(project):
    html = rendered(appendix.gather(project, [], Scales()))
    reader = read(html)
    assert not {tag for tag, _ in reader.tags} & {"script", "link", "iframe"}
    assert all(a["src"].startswith("data:") for _, a in reader.tags if "src" in a)
    assert "http" not in html.lower().replace("http-equiv", "")
    for name in ("<b>bear", "<i>sky", "<device>", "car & van"):
        assert name not in html
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    links = [a["href"] for tag, a in reader.tags if tag == "a"]
    assert len(set(ids)) == len(ids)
    assert {link.removeprefix("#") for link in links} == set(ids)
    assert {"keypoints", "segmentation-deeplabv3", "classification-all-models"} <= set(ids)


def test_the_contents_say_what_was_found(project):
    told = Dossier("x", Scales(), [Detector("net", {})],
                   appendix=appendix.gather(project, [], Scales()))  # fmt: skip
    entries = page.contents(told)
    assert [entry.title for entry in entries] == ["Detection: net", *TASKS]
    assert entries[0].finding == "There was nothing to find."
    assert entries[1].finding.startswith("heatmap is best with PCK_05 ")
    assert [inner.title for inner in entries[3].parts] == ["All models", "segnet", "deeplabv3"]


def test_a_page_of_one_part_has_no_contents():
    assert "<nav" not in rendered([])
    assert page.anchor("A <b> & ü", "C") == "c-a-b-ü"
    assert page.anchor("&") == "section"


@pytest.mark.parametrize("gone", ["keypoints", "classification", "segmentation"])
def test_a_task_that_was_not_run_is_left_out(project, gone):
    for path in project.glob(f"metrics/*/{gone}.json"):
        path.unlink()
    titles = [section.title for section in appendix.gather(project, [], Scales())]
    assert titles == [title for title in TASKS if title.lower() != gone]


def test_without_comparison_logs_and_pictures_the_numbers_stay(project):
    for task in TASKS:
        (project / "metrics" / f"{task.lower()}.json").unlink()
    for path in [*project.glob("logs/*/*.json"), *project.glob("plots/*/*.png")]:
        path.unlink()
    sections = appendix.gather(project, [], Scales())
    for section in sections:
        titles = list(by_title(section))
        assert "The models side by side" in titles
        assert "Which differences are real" not in titles
        assert section.parts == []
    read(rendered(sections))


@pytest.mark.parametrize("task", ["keypoints", "classification", "segmentation"])
def test_empty_metrics_are_nothing_to_measure(tmp_path, task):
    folder = tmp_path / "metrics" / "net"
    folder.mkdir(parents=True)
    (folder / f"{task}.json").write_text("{}")
    (tmp_path / "metrics" / f"{task}.json").write_text("{}")
    (section,) = appendix.gather(tmp_path, [], Scales())
    assert section.sentences == ["There was nothing to measure."]
    read(rendered([section]))


@pytest.mark.parametrize("task", ["keypoints", "classification", "segmentation"])
def test_any_value_may_be_absent(project, task):
    """Each entry of a model's and of the comparison's metrics is taken away in turn."""
    gather = {section.NAME: section for section in appendix.TASKS}[task].section
    for path in project.glob(f"metrics/**/{task}.json"):
        whole = path.read_text()
        for key in json.loads(whole):
            change(path, lambda values, key=key: values.pop(key))
            assert gather(project).sentences
            path.write_text(whole)


def test_one_model_alone_is_told_without_comparison(project):
    for name in ("regression/keypoints", "convnet/classification", "segnet/segmentation"):
        (project / "metrics" / f"{name}.json").unlink()
    for task in TASKS:  # as the galleries write it for one model
        (project / "metrics" / f"{task.lower()}.json").write_text("{}")
    firsts = [section.sentences[0] for section in appendix.gather(project, [], Scales())]
    assert [first.split(" reaches ")[0] for first in firsts] == ["heatmap", "resnet18", "deeplabv3"]


def test_a_file_that_is_no_object_is_one_line(project):
    (project / "metrics/segnet/segmentation.json").write_text("[1]")
    with pytest.raises(InputError, match=r"segmentation.json: expected an object of metrics"):
        appendix.gather(project, [], Scales())


def test_keypoints_stand_beside_their_ceiling(project):
    section = keypoint_section.section(project)
    table = by_title(section)["The models side by side"]
    assert table.head == ("", "heatmap", "regression", "ceiling")
    rows = texts(table)
    assert re.fullmatch(r"\d\.\d{3} \(\d\.\d{3} to \d\.\d{3}\)", rows["PCK_05"][0])
    assert re.fullmatch(r"\d\.\d{3}", rows["PCK_05"][2])
    assert rows["n, keypoints"] == ["150", "150", ""]
    assert rows["training, seconds"] == ["41", "41", ""]
    assert "Trained on some <device>, 2 threads, bf16-mixed." in table.caption
    assert any("is above it by more than chance: look for a leak" in s for s in section.sentences)
    assert texts(by_title(section)["Each keypoint"])["head"][0] == "30"


def test_a_task_that_can_be_solved_has_no_ceiling(tmp_path):
    write_keypoints(tmp_path, ambiguous=False)
    section = keypoint_section.section(tmp_path)
    assert "ceiling" not in by_title(section)["The models side by side"].head
    assert not any("look alike" in sentence for sentence in section.sentences)


def test_thresholds_stand_by_their_size():
    task = Task({"a": {"PCK_20": 1, "PCK_2.5": 1, "PCK_05": 1, "n": 3}})
    assert keypoint_section.thresholds(task) == ["PCK_2.5", "PCK_05", "PCK_20"]


def test_classifiers_are_compared_by_both_tests(project):
    section = classification_section.section(project)
    table = by_title(section)["Which differences are real"]
    assert table.head == ("", "resnet18 - convnet")
    assert texts(table)["accuracy"][0].endswith(" better")
    metrics = json.loads((project / "metrics/classification.json").read_text())
    test = metrics["against"]["resnet18"]["convnet"]["mcnemar"]
    alone = f"{test['only_after']} against {test['only_before']}"
    assert texts(table)["images right alone"] == [alone]
    assert "of 5 differences between equals about 0.3 would be" in table.caption
    assert section.sentences[0].startswith("resnet18 is best with accuracy 0.")
    classes = by_title(section)["Each class"]
    scores = [float(row[3].text) for row in classes.rows]  # F1 of resnet18, the better one
    assert scores == sorted(scores)
    assert sum(width for _, width in classes.spans) == len(classes.head)


def test_what_a_random_split_owes_is_told(project):
    section = classification_section.section(project)
    found = json.loads((project / "metrics/resnet18/classification.json").read_text())["leakage"]
    assert (found["seen"]["n"], found["unseen"]["n"]) == (60, 30)
    told = section.sentences[-1]
    assert told.startswith(
        "60 of 90 test images share a frame with train or val: resnet18 has accuracy "
        f"{found['seen']['accuracy']:.3f} ("
    )
    assert told.endswith(" on the other 30; a hint only, for the images differ.")
    rows = texts(by_title(section)["The models side by side"])
    assert len(rows) <= page.LONG_TABLE, "the main table is never folded"
    assert rows["accuracy, frame in test alone"][1].startswith(
        f"{found['unseen']['accuracy']:.3f} ("
    )
    none = "No test image shares a stretch of a sequence with train or val."
    assert none in segmentation_section.section(project).sentences


@pytest.mark.parametrize(
    ("leakage", "told"),
    [
        ({"seen": {"n": 9, "accuracy": 0.5}, "unseen": {"n": 0}},
         ["9 of 9 test images share a frame with train or val: nothing tells what resnet18 makes "
          "of others."]),
        ({"seen": {"n": 4}, "unseen": {"n": 5, "accuracy": 0.5}},
         ["4 of 9 test images share a frame with train or val."]),
        (None, []),
    ],
    ids=["all seen", "not measured", "unknown"],
)  # fmt: skip
def test_what_is_not_known_of_the_split_is_not_claimed(project, leakage, told):
    def put(values):
        values.pop("leakage")
        values["interval"].pop("leakage")
        values |= {"leakage": leakage} if leakage else {}

    change(project / "metrics/resnet18/classification.json", put)
    sentences = classification_section.section(project).sentences
    assert [sentence for sentence in sentences if "share" in sentence] == told


def test_the_baseline_of_segmentation_stands_first_and_absent_classes_are_left_out(project):
    section = segmentation_section.section(project)
    table = by_title(section)["The models side by side"]
    assert table.head == ("", "segnet", "deeplabv3")
    assert texts(table)["classes absent"] == ["1", "1"]
    assert "The intervals rest on 6 sequences and are too narrow." in section.sentences
    assert "Of 3 classes it is better than segnet in 3, worse in 0; in 0 that may be noise." in (
        section.sentences
    )
    assert "tram" not in texts(by_title(section)["Each class"])
    assert list(texts(by_title(section)["Which differences are real"])) == [
        "mIoU", "pixel accuracy", "road", "<i>sky</i>", "car & van"
    ]  # fmt: skip


def test_many_classes_are_folded(tmp_path):
    write_segmentation(tmp_path)

    def more(values):
        values["class"] |= {f"c{n}": {"IoU": 0.5, "pixels": n} for n in range(12)}

    change(tmp_path / "metrics/segnet/segmentation.json", more)
    html = rendered([segmentation_section.section(tmp_path)])
    assert "<summary>Each class: 15 rows</summary>" in html


def task_of(values, verdicts=None, **more):
    models = {name: {"score": value} for name, value in values.items()}
    pairs = {pair: {"score": found} for pair, found in (verdicts or {}).items()}
    return Task(models, pairs, **more)


NOISE = {"change": -0.01, "low": -0.04, "high": 0.02, "verdict": "noise"}
WORSE = {"change": -0.25, "low": -0.5, "high": -0.125, "verdict": "worse"}


def test_the_finding_says_what_is_noise():
    told = lead(task_of({"a": 0.5, "b": 0.25}, {("a", "b"): WORSE}), "AP", "score")
    assert told == "a is best with AP 0.500: 0.250 above b (0.125 to 0.500)."
    told = lead(task_of({"a": 0.5, "b": 0.49}, {("a", "b"): NOISE}), "AP", "score")
    assert told == "No difference in AP to the best stands out of the noise: a 0.500, b 0.490."
    three = task_of({"a": 0.5, "b": 0.49, "c": 0.25}, {("a", "b"): NOISE, ("a", "c"): WORSE})
    assert lead(three, "AP", "score") == (
        "a is best with AP 0.500: its lead of 0.010 on b may be noise (-0.020 to +0.040); "
        "0.250 above c (0.125 to 0.500)."
    )
    apart = task_of({"a": 0.5, "b": 0.25})
    assert lead(apart, "AP", "score") == "a is best with AP 0.500: 0.250 above b."
    assert lead(task_of({"a": 0.5}), "AP", "score") == "a reaches AP 0.500."
    assert lead(Task({"a": {}}), "AP", "score") == "There was nothing to measure."


def test_a_difference_can_be_turned():
    task = task_of({"a": 0.5, "b": 0.25}, {("a", "b"): WORSE})
    assert task.between("b", "a", "score") == WORSE
    turned = {"change": 0.25, "low": 0.125, "high": 0.5, "verdict": "better"}
    assert task.between("a", "b", "score") == turned
    assert task.between("a", "c", "score") == {}
    alone = Task({}, {("a", "b"): {"score": {"change": 1.0, "verdict": "noise"}}})
    assert alone.between("a", "b", "score") == {"change": -1.0, "verdict": "noise"}


def test_the_best_of_each_row_is_bold():
    task = Task(
        {"a": {"up": 1, "down": 1, "n": 3}, "b": {"up": 0.5, "down": 0.25, "n": 3}, "c": {}}
    )
    lines = [Line("up", ("up",), best="high"), Line("down", ("down",), best="low"),
             Line("n", ("n",), ",d"), Line("absent", ("absent",), best="low")]  # fmt: skip
    table = side_by_side(task, lines, "")
    strong = {row[0].text: [cell.strong for cell in row[1:]] for row in table.rows}
    assert strong == {
        "up": [True, False, False], "down": [False, True, False], "n": [False, False, False]
    }  # fmt: skip
    assert texts(table)["n"] == ["3", "3", "-"]


def test_machines_are_told_once_where_they_are_the_same():
    logs = {"a": {"device": "one"}, "b": {"device": "two", "processes": 2}}
    task = task_of({"a": 1.0, "b": 1.0}, logs=logs)
    assert "Trained on: a one; b two, 2 processes." in side_by_side(task, [], "").caption
    assert "Trained" not in side_by_side(task_of({"a": 1.0}), [], "").caption


def test_a_pair_that_lacks_a_number_has_a_dash():
    task = Task({"a": {}, "b": {}, "c": {}}, {("a", "b"): {"x": NOISE}, ("a", "c"): {}})
    table = differences(task, [Line("x", ("x",)), Line("y", ("y",))], {"z": {("a", "c"): "1"}})
    assert texts(table) == {"x": ["-0.010 (-0.040 to +0.020) noise", "-"], "z": ["-", "1"]}
    assert differences(Task({"a": {}}), [], {}) is None


def test_numbers_in_words():
    assert weakest({"b": 0.25, "a": 0.25, "c": 0.5}, {"a": 1200, "b": 1}, "image", 2) == (
        "a 0.250 (1,200 images), b 0.250 (1 image)"
    )
    assert weakest({"a": 0.5}, {}, "image") == "a 0.500"
    assert weakest({}, {}, "image") == ""
    assert spanned(None, (0, 1)) == ""
    assert spanned(1.5, (1, 2), ".1f") == "1.5 (1.0 to 2.0)"


def test_sections_within_a_section_have_their_own_place():
    html = rendered([Section("One", parts=[Section("Two")])])
    assert '<section id="one-two">' in html
