"""What differs between two detectors, and which differences are noise: table, picture, words."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from scalewise import files
from scalewise.diagnosis.comparison import Difference, document, verdict
from scalewise.diagnosis.whole import Measured
from scalewise.report import alone, page, style
from scalewise.report.dossier import Dossier, Picture, Section
from scalewise.report.tables import Cell, Table, statistic_names
from scalewise.scales import Scales

Differences = Mapping[str, Difference]

NAMED = 4  # changes that are named in words
TITLE_LENGTH = 40
HOW_TO_READ = (
    "Differences are in points (0 to 100), ECE and gap too. All detectors are resampled with the "
    "same draws of images, and each draw's difference is reflected at the one found (the basic "
    "bootstrap). 'real' is the share of draws in which that is above 0 minus the share in which it "
    "is below, without its sign (1 - p of the two-sided test that the difference is 0): 0 says "
    "nothing, and beyond {level:.3g} the {level:.0%} interval leaves 0 out. What does not reach "
    "that is called noise: these images cannot tell it from none. Better: AP up, costs and ECE "
    "down; a signed gap only moves."
)


def write(
    folder: Path,
    measured: Mapping[str, Measured],
    compared: Mapping[str, Differences],
    warnings: Sequence[str] = (),
) -> None:
    """Write comparison.json, a PNG for each detector compared, and index.html.

    Args:
        folder: an empty folder.
        measured: every detector's numbers by name, the baseline first.
        compared: the differences of the others against the baseline.
        warnings: what to say above all.
    """
    base = next(iter(measured))
    rules = measured[base].rules
    truth = measured[base].matching.truth
    found = {name: one.matching.results for name, one in measured.items()}
    facts = alone.facts_of(truth, found, rules)
    record = {"baseline": base, "facts": facts, "warnings": list(warnings)}
    files.write_json(folder / "comparison.json", {**record, "differences": document(compared)})
    sections = []
    for n, (name, of_detector) in enumerate(compared.items(), start=1):
        path = folder / f"differences_{n}.png"
        style.save(forest(of_detector, rules.scales, f"{name} against {base}"), path)
        sections.append(_section((base, name), of_detector, rules.scales, path.read_bytes(), n))
    told = Dossier(
        title=_title(list(measured)),
        scales=rules.scales,
        detectors=[alone.detector(name, one) for name, one in measured.items()],
        sections=sections,
        warnings=warnings,
        facts=facts,
    )
    page.write(folder / "index.html", told)


def _title(names: Sequence[str]) -> str:
    if len(names) == 2:
        return f"{names[1]} against {names[0]}"
    return f"{len(names)} detectors: which differences are real"


def _section(
    names: tuple[str, str], found: Differences, scales: Scales, png: bytes, place: int
) -> Section:
    base, name = names
    level = next(iter(found.values())).level
    return Section(
        title=f"{name} against {base}",
        sentences=sentences(found, scales),
        pictures=[Picture("Every difference with its interval", "", png)],
        tables=[table(base, name, found, scales)],
        note=HOW_TO_READ.format(level=level) if place == 1 else "",
    )


def rows(found: Differences, scales: Scales) -> Iterator[tuple[str, str, str]]:
    """Group, label and name of each statistic that was compared, in order of report."""
    for group in scales.groups:
        for label, name in statistic_names(group).items():
            if name in found:
                yield group, label, name


def table(base: str, other: str, found: Differences, scales: Scales) -> Table:
    """A row a statistic: both values, change, interval, how likely it is real, the verdict."""
    lines = []
    for group, label, name in rows(found, scales):
        one, factor = found[name], _factor(name)
        told = verdict(name, one)
        lines.append(
            (
                Cell(f"{group} {label}"),
                Cell(f"{one.before * factor:.2f}"),
                Cell(f"{one.after * factor:.2f}"),
                Cell(_signed(one.change * factor), strong=told != "noise"),
                Cell(f"{_signed(one.low * factor)} to {_signed(one.high * factor)}"),
                Cell(f"{one.real:.3f}"),
                Cell(told, strong=told != "noise"),
            )
        )
    head = ("", base, other, "change", "interval", "real", "verdict")
    return Table("In points (0 to 100). Bold: not noise.", head, tuple(lines))


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:+.2f}"  # no -0.00


def _factor(name: str) -> float:
    return 1.0 if name.startswith("tide.") else 100.0


def sentences(found: Differences, scales: Scales) -> list[str]:
    """What happened to AP, how much stands out of the noise, and the largest of it."""
    listed = list(rows(found, scales))
    stand_out = [row for row in listed if not found[row[2]].is_noise]
    told = [_of_ap(found["AP"])] if "AP" in found else []
    if not stand_out:
        return [*told, f"None of {len(listed)} differences stands out of the noise."]
    by_chance = (1 - found[listed[0][2]].level) * len(listed)
    told.append(
        f"{len(stand_out)} of {len(listed)} differences stand out of the noise; between equals "
        f"about {by_chance:.0f} would by chance."
    )
    largest = sorted(stand_out, key=lambda row: -_size(found, row[2]))[:NAMED]
    parts = [
        f"{group} {label} {found[name].change * _factor(name):+.1f} ({verdict(name, found[name])})"
        for group, label, name in largest
    ]
    return [*told, f"The largest of them: {', '.join(parts)}."]


def _size(found: Differences, name: str) -> float:
    return abs(found[name].change) * _factor(name)


def _of_ap(ap: Difference) -> str:
    ends = f"{ap.level:.0%} interval {100 * ap.low:+.1f} to {100 * ap.high:+.1f}"
    end = f"; it may be noise (real: {ap.real:.3f})" if ap.is_noise else f", real: {ap.real:.3f}"
    return (
        f"AP {100 * ap.before:.1f} to {100 * ap.after:.1f}: {100 * ap.change:+.1f} ({ends}){end}."
    )


@style.drawn
def forest(found: Differences, scales: Scales, title: str) -> Figure:
    """Each difference as a point with its interval, one panel a group; what is noise is grey.

    Args:
        found: differences by statistic.
        scales: the groups.
        title: who against whom.
    """
    listed = list(rows(found, scales))
    labels = list(dict.fromkeys(label for _, label, _ in listed))
    groups = [group for group in scales.groups if any(row[0] == group for row in listed)]
    figure = style.figure(1.5 + 0.3 * len(labels))
    style.headline(
        figure,
        style.plain(style.shorten(title, 2 * TITLE_LENGTH)),
        "Change in points with its interval. Blue: better. Orange: worse. Black: moved. "
        "Grey: may be noise",
    )
    panels = figure.subplots(1, len(groups), sharex=True, sharey=True, squeeze=False)[0]
    for axes, group in zip(panels, groups, strict=True):
        axes.axvline(0, color=style.INK, lw=1)
        axes.set_title(style.plain(group))
        axes.set_xlabel("change in points")
        for _, label, name in [row for row in listed if row[0] == group]:
            _draw(axes, labels.index(label), name, found[name])
    panels[0].set_yticks(range(len(labels)), labels, color=style.INK)
    panels[0].invert_yaxis()
    return figure


def _draw(axes: Axes, place: int, name: str, found: Difference) -> None:
    factor, told = _factor(name), verdict(name, found)
    colour = style.VERDICT_COLOURS[told]
    axes.plot([found.low * factor, found.high * factor], [place] * 2, color=colour, lw=2)
    # A hollow point for who cannot tell the colours.
    fill = "white" if told == "noise" else colour
    axes.plot(found.change * factor, place, "o", ms=6, color=colour, mfc=fill, zorder=3)
