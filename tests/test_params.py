import pytest
from pydantic import Field, ValidationError, model_validator

from scalewise import params
from scalewise.errors import InputError
from scalewise.params import Record, parse, read


class Inner(Record):
    """A section within a section."""

    rate: float = 0.1
    """A rate."""


class Outer(Record):
    """A section."""

    steps: int = Field(ge=1)
    """Required."""
    name: str = "x"
    """A text."""
    sides: tuple[int, ...] = (1, 2)
    """Rising."""
    scales: str | tuple[tuple[float, ...], ...] = "small"
    """A preset or lists."""
    inner: Inner = Inner()
    """More."""

    @model_validator(mode="after")
    def _rising(self) -> "Outer":
        if list(self.sides) != sorted(self.sides):
            raise ValueError(f"sides must be rising, got {list(self.sides)}")
        return self


@pytest.fixture
def reading(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "known_sections", lambda: {"outer", "otter", "other"})

    def read_text(text, section="outer"):
        path = tmp_path / "params.yaml"
        path.write_text(text)
        return read(section, Outer if section == "outer" else Inner, path)

    return read_text


def test_section_becomes_a_frozen_record(reading):
    record = reading("outer: {steps: 3, sides: [4, 5], inner: {rate: 2}}\nother: {a: 1}\n")
    assert record == Outer(steps=3, sides=(4, 5), inner=Inner(rate=2.0))
    with pytest.raises(ValidationError, match="frozen"):
        record.steps = 4


def test_dot_descends(reading):
    assert reading("outer: {steps: 3, inner: {rate: 0.5}}", "outer.inner").rate == 0.5


def test_preset_and_nested_list_are_both_accepted(reading):
    assert reading("outer: {steps: 1, scales: large}").scales == "large"
    nested = reading("outer: {steps: 1, scales: [[16, 24], [48]]}")
    assert nested.scales == ((16, 24), (48,))


def test_exponent_is_a_number_as_in_yaml_1_2(reading):
    assert reading("outer: {steps: 1, inner: {rate: 1e-3}}").inner.rate == 0.001


BAD = {
    "unknown key": ("{steps: 1, nmae: y}", r"outer\.nmae: unknown key; did you mean 'name'\?"),
    "unknown inner key": ("{steps: 1, inner: {rte: 1}}", r"outer\.inner\.rte.*choices: rate"),
    "missing": ("{name: y}", r"outer\.steps: missing"),
    "text for a number": ("{steps: '3'}", r"outer\.steps: .*integer, got '3'"),
    "fraction": ("{steps: 1.5}", r"outer\.steps: .*integer, got 1.5"),
    "number for a text": ("{steps: 1, name: 3}", r"outer\.name: .*string, got 3"),
    "true for a number": ("{steps: true}", r"outer\.steps: .*integer, got True"),
    "one of a list": ("{steps: 1, sides: [1, x]}", r"outer\.sides\.1: .*integer, got 'x'"),
    "no list": ("{steps: 1, sides: 3}", r"outer\.sides: .*got 3"),
    "too small": ("{steps: 0}", r"outer\.steps: .*greater than or equal to 1, got 0"),
    "combination": ("{steps: 1, sides: [3, 2]}", r"outer: sides must be rising, got \[3, 2\]"),
    "no mapping": ("3", "outer: expected a mapping with the keys steps, name, sides"),
    "null": ("", "outer: expected a mapping .* got None"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_section_is_one_error_naming_the_key(case, reading):
    text, message = BAD[case]
    with pytest.raises(InputError, match=message) as error:
        reading(f"outer: {text}")
    assert "params.yaml: outer" in str(error.value)


def test_every_bad_key_is_told_at_once(reading):
    with pytest.raises(InputError, match=r"(?s)steps.*name.*rat3"):
        reading("outer: {steps: x, name: 1, inner: {rat3: 1}}")


def test_bad_member_of_a_union_is_named_as_the_user_wrote_it(reading):
    with pytest.raises(InputError, match=r"outer\.scales\.0\.0: ") as error:
        reading("outer: {steps: 1, scales: [[x]]}")
    assert "tuple" not in str(error.value).split(": ")[1]


def test_missing_section_names_the_choices(reading):
    with pytest.raises(InputError, match=r"'outer' is missing; did you mean 'otter'\?.*other"):
        reading("otter: {}\nother: {}")


def test_section_that_no_module_reads_is_told(reading):
    message = r"params\.yaml: unknown section 'othr'.*did you mean 'other'\?"
    with pytest.raises(InputError, match=message):
        reading("outer: {steps: 1}\nothr: {a: 1}")
    with pytest.raises(InputError, match=r"no module has this name$"):
        reading("outer: {steps: 1}\nxyzzy: {a: 1}")


def test_sections_are_the_modules():
    assert params.known_sections() > {"shapes", "scales", "anchors", "detectors"}


def test_missing_section_within_a_section(reading):
    with pytest.raises(InputError, match=r"'outer\.inner' is missing"):
        reading("outer: {steps: 1}", "outer.inner")
    with pytest.raises(InputError, match=r"'outer\.inner' is missing"):
        reading("outer: 3", "outer.inner")


def test_what_is_not_yaml_and_no_file_are_told(reading, tmp_path):
    with pytest.raises(InputError, match=r"params\.yaml: not YAML"):
        reading("outer: {steps: [")
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read"):
        read("outer", Outer, tmp_path / "none.yaml")


def test_infinite_and_absent_numbers_are_refused():
    with pytest.raises(InputError, match=r"here\.rate: "):
        parse(Inner, {"rate": float("nan")}, "here")


@pytest.mark.parametrize("text", ["scales: {bounds: [2020-01-01]}", "scales: {? [1, 2] : 3}"])
def test_values_that_no_parameter_has_are_one_plain_error(tmp_path, text):
    from scalewise.scales import Scales

    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="scales"):
        params.read("scales", Scales, path)


@pytest.mark.parametrize("text", ["", "[1, 2]", "detectors: multiscale", "detectors: [a, a]"])
def test_detectors_must_be_a_list_of_names(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match="detectors: expected a list of names"):
        params.detectors(path)
