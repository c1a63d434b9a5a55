"""A page of numbers and pictures: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from training.errors import OutputError
from training.report.pictures.canvas import keep


@dataclass(frozen=True)
class Picture:
    """name: of its PNG. caption: what is shown, of which data, and how many of them."""

    name: str
    caption: str
    drawn: Figure


@dataclass(frozen=True)
class Grid:
    """A table of text. words: how many columns, from the left, aren't numbers."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int
    caption: str


@dataclass(frozen=True)
class Text:
    """Something to unfold, as it lies in its file."""

    title: str
    body: str


@dataclass(frozen=True)
class Section:
    title: str
    tables: Sequence[Grid] = ()
    pictures: Sequence[Picture] = ()
    texts: Sequence[Text] = ()


def write_page(folder: Path, *, title: str, lead: str, sections: Sequence[Section]) -> Path:
    """FOLDER/index.html with all pictures inside, and each as FOLDER/NAME.png as well.

    Text is escaped, wherever it comes from. Raises OutputError where something can't be written.
    """
    shown = [
        {
            "title": section.title,
            "tables": section.tables,
            "pictures": [_embedded(picture, folder) for picture in section.pictures],
            "texts": section.texts,
        }
        for section in sections
        if section.tables or section.pictures or section.texts
    ]
    templates = Environment(
        loader=PackageLoader("training.report", "pictures"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    text = templates.get_template("page.html").render(title=title, lead=lead, sections=shown)
    path = folder / "index.html"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} can't be written ({error.strerror}).") from error
    return path


def _embedded(picture: Picture, folder: Path) -> dict[str, str]:
    path = folder / f"{picture.name}.png"
    keep(picture.drawn, path)
    width_px = round(picture.drawn.get_figwidth() * 96)  # CSS has 96 px an inch
    return {
        "caption": picture.caption,
        "width": str(width_px),
        "base64": base64.b64encode(path.read_bytes()).decode("ascii"),
    }
