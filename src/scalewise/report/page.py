"""One static page that needs nothing beside itself: style and pictures are inside."""

import base64
import io
from functools import cache
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from PIL import Image

from scalewise.files import replacing
from scalewise.report import latex, readings, tables
from scalewise.report.dossier import Dossier, Picture

LARGE = 150_000  # bytes; photographs beyond this are packed more tightly, charts stay below
WEBP_QUALITY = 88
LONG_TABLE = 12  # rows; a longer one is folded


def render(dossier: Dossier) -> str:
    """The page as HTML; the same dossier gives the same text. Names are escaped."""
    return _template().render(
        dossier=dossier,
        readings=readings,
        tables=tables,
        latex=latex,
        image=data_uri,
        size=picture_size,
        long_table=LONG_TABLE,
    )


def write(path: str | Path, dossier: Dossier) -> None:
    """Render the page into a file, whole or not at all."""
    with replacing(path) as scratch:
        scratch.write_text(render(dossier), encoding="utf-8")


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
