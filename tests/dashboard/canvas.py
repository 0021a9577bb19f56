"""A picture to draw on, in pixels from the upper left corner, that is the same on every machine.

Matplotlib does the drawing, with its own backend and its own fonts, whatever a machine has and is set to.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, Patch, Polygon, Rectangle, Wedge
from PIL import Image

# Whatever this machine's matplotlibrc says.
matplotlib.rcdefaults()

DPI = 100
FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")
# Of the height of a font, how far below the middle of its capital letters and digits they stand.
BASELINE = 0.365
ELLIPSIS = "…"
# How many colours a file has just as they are: those of faces and of letters.
PLAIN = 32


class Canvas:
    """A drawing of some size; what is drawn later lies on top.

    A text that is given a name can be asked for by it: `texts`.
    """

    def __init__(self, width: int, height: int, background: str) -> None:
        self._figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor=background)
        self._agg = FigureCanvasAgg(self._figure)
        self._axes = self._figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self._axes.set_axis_off()
        self._drawn = 0

    def box(
        self, x: float, y: float, width: float, height: float, fill: str, edge: str | None = None, radius: float = 0
    ) -> None:
        """A rectangle, with round corners if they have a radius."""
        looks: dict[str, Any] = {"facecolor": fill, "edgecolor": edge or "none", "linewidth": 0.72}
        if radius:
            style = f"round,pad=0,rounding_size={radius}"
            self._add(FancyBboxPatch((x, y), width, height, boxstyle=style, **looks))
        else:
            self._add(Rectangle((x, y), width, height, **looks))

    def line(self, points: list[tuple[float, float]], colour: str, width: float = 1) -> None:
        """A line from point to point, its width in pixels."""
        xs, ys = zip(*points, strict=True)
        self._axes.add_line(Line2D(xs, ys, color=colour, linewidth=width * 72 / DPI, zorder=self._next()))

    def polygon(self, points: list[tuple[float, float]], fill: str) -> None:
        """A filled polygon without an edge."""
        self._add(Polygon(points, facecolor=fill, edgecolor="none"))

    def arc(
        self, x: float, y: float, radius: float, thickness: float, start: float, end: float, fill: str, edge: str
    ) -> None:
        """A part of a ring around a point, clockwise between two shares of the whole ring, which starts at its top."""
        # The axis of y points down, so degrees go clockwise, from the right.
        degrees = (360 * start - 90, 360 * end - 90)
        self._add(Wedge((x, y), radius, *degrees, width=thickness, facecolor=fill, edgecolor=edge, linewidth=1))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        *,
        bold: bool = False,
        align: str = "left",
        room: float | None = None,
        name: str | None = None,
    ) -> float:
        """A line of text of so many pixels in height, `y` its middle; returns its width.

        room: what is wider is cut, and ends in an ellipsis.
        """
        shown = text if room is None else clipped(text, room, size, bold)
        self._axes.text(
            x, y + BASELINE * size, shown,
            fontproperties=_font(size, bold), color=colour, ha=align, va="baseline",
            parse_math=False, gid=name, zorder=self._next(),
        )  # fmt: skip
        return text_width(shown, size, bold)

    @property
    def texts(self) -> dict[str, str]:
        """The texts that have a name."""
        return {str(each.get_gid()): each.get_text() for each in self._axes.texts if each.get_gid()}

    def text_boxes(self) -> list[tuple[str, tuple[float, float, float, float]]]:
        """Every text with the place of its ink: left, top, right, bottom."""
        height = self._figure.bbox.height
        boxes = [(each.get_text(), each.get_window_extent(self._agg.get_renderer())) for each in self._axes.texts]
        return [(text, (box.x0, height - box.y1, box.x1, height - box.y0)) for text, box in boxes]

    def image(self) -> Image.Image:
        """The picture in all of its colours."""
        self._agg.draw()
        return Image.frombytes("RGBA", self._agg.get_width_height(), bytes(self._agg.buffer_rgba())).convert("RGB")

    def png(self) -> bytes:
        """The picture as a file, in 256 colours, which makes it a third of the size: its commonest, and near ones."""
        image, file = self.image(), io.BytesIO()
        near = image.quantize(256 - PLAIN, Image.Quantize.MAXCOVERAGE)
        palette = (near.getpalette() or [])[: 3 * (256 - PLAIN)]
        pixels, indices = np.asarray(image), np.array(near)
        by_count = sorted(image.getcolors(image.width * image.height) or [], reverse=True)
        for _, colour in by_count[:PLAIN]:
            indices[(pixels == colour).all(axis=2)] = len(palette) // 3
            palette += colour
        reduced = Image.fromarray(indices)
        reduced.putpalette(palette)
        reduced.save(file, "PNG", optimize=True)
        return file.getvalue()

    def _add(self, patch: Patch) -> None:
        patch.set_zorder(self._next())
        self._axes.add_patch(patch)

    def _next(self) -> int:
        self._drawn += 1
        return self._drawn


@cache
def text_width(text: str, size: float, bold: bool = False) -> float:
    """The width of a line of text in pixels."""
    renderer = FigureCanvasAgg(Figure(figsize=(1, 1), dpi=DPI)).get_renderer()
    return renderer.get_text_width_height_descent(text, _font(size, bold), ismath=False)[0]


def clipped(text: str, room: float, size: float, bold: bool = False) -> str:
    """As much of the beginning of a text as there is room for, with an ellipsis unless that is all."""
    if text_width(text, size, bold) <= room:
        return text
    end = len(text)
    while end and text_width(text[:end].rstrip() + ELLIPSIS, size, bold) > room:
        end -= 1
    return text[:end].rstrip() + ELLIPSIS


@cache
def _font(size: float, bold: bool) -> FontProperties:
    return FontProperties(fname=FONTS / f"DejaVuSans{'-Bold' if bold else ''}.ttf", size=size * 72 / DPI)
