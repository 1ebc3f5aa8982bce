"""One static page that needs nothing beside itself: style and pictures are inside."""

import base64
import io
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from scalewise.files import replacing
from scalewise.report import latex, readings, tables
from scalewise.report.dossier import Dossier, Picture, Section

LARGE = 250_000  # bytes; photographs beyond this are packed more tightly, charts stay below
WEBP_QUALITY = 88
LONG_TABLE = 12  # rows; a longer one is folded
WIDE_TABLE = 14  # columns; a wider one is set smaller


@dataclass(frozen=True)
class Entry:
    """A line of the contents.

    Attributes:
        anchor: the id of what it leads to.
        title: what that is called.
        finding: what is to be learnt there; may be empty.
        parts: entries within it.
    """

    anchor: str
    title: str
    finding: str = ""
    parts: tuple["Entry", ...] = ()


def render(dossier: Dossier) -> str:
    """The page as HTML; the same dossier gives the same text. Names are escaped."""
    return _template().render(
        dossier=dossier,
        readings=readings,
        tables=tables,
        latex=latex,
        contents=contents(dossier),
        anchor=anchor,
        image=data_uri,
        size=picture_size,
        long_table=LONG_TABLE,
        wide_table=WIDE_TABLE,
    )


def write(path: str | Path, dossier: Dossier) -> None:
    """Render the page into a file, whole or not at all."""
    with replacing(path) as scratch:
        scratch.write_text(render(dossier), encoding="utf-8")


def contents(dossier: Dossier) -> list[Entry]:
    """What the page has, in its order, each with its first sentence."""
    detectors = [
        Entry(f"detector-{n}", f"Detection: {one.name}", readings.summary(one, dossier.scales)[0])
        for n, one in enumerate(dossier.detectors, start=1)
    ]
    compared = [Entry("side-by-side", "Side by side")] if len(detectors) > 1 else []
    before = [Entry("before", "Before any training")] if has_anchors(dossier) else []
    sections, appendix = (map(_entry, part) for part in (dossier.sections, dossier.appendix))
    return [*compared, *sections, *detectors, *before, *appendix]


def has_anchors(dossier: Dossier) -> bool:
    """Whether there is anything to say of what comes before the training."""
    return bool(dossier.pictures or tables.by_group(dossier.anchors, dossier.scales, ""))


def anchor(title: str, within: str = "") -> str:
    """The id of a section by its title, and by that of the section it is within."""
    words = re.findall(r"\w+", f"{within} {title}".lower())
    return "-".join(words) or "section"


def _entry(section: Section) -> Entry:
    inner = (Entry(anchor(part.title, section.title), part.title) for part in section.parts)
    first = next(iter(section.sentences), "")
    return Entry(anchor(section.title), section.title, first, tuple(inner))


def data_uri(picture: Picture) -> str:
    """The picture as text for an `src`: PNG as it is, or WebP where that saves much."""
    kind, data = "png", picture.png
    if len(data) > LARGE:
        kind, data = "webp", _webp(data)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def picture_size(picture: Picture) -> tuple[int, int]:
    """Width and height in pixels."""
    with Image.open(io.BytesIO(picture.png)) as image:
        return image.size


def _webp(png: bytes) -> bytes:
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        image.convert("RGB").save(buffer, "WEBP", quality=WEBP_QUALITY, method=4)
    return buffer.getvalue()


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("scalewise.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja")
