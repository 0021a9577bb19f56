"""How a pivot and a table look: as many of their rows as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.canvas import Canvas, text_width
from dashboard.charts import GREY, LINE, Area, Look, scrollbar, written
from dashboard.definition import Visual
from dashboard.evaluate import Figures, Value

TEXT = 14
ROW, PADDING, MARK = 26, 8, 20
HEAD = 2 * TEXT + 14
# How wide a column stays while there is no room for all of them, and how much room there is for the bars that
# show that not all is seen.
WIDEST, BAR = 156, 14


@dataclass(frozen=True)
class Cell:
    """A text of a grid. `mark`: whether what is below it is open (True), closed (False) or not there (None)."""

    text: str
    mark: bool | None = None


@dataclass(frozen=True)
class Heading:
    """A column's name; numbers stand at the right."""

    text: str
    number: bool


def table(canvas: Canvas, area: Area, shown: Figures, look: Look) -> None:
    """A row for each row."""
    dimensions = shown.visual.dimensions
    headings = [
        Heading(each.column, any(isinstance(row[at], int) for row in shown.rows)) for at, each in enumerate(dimensions)
    ]
    rows = [
        [Cell(written(value, date_format=each.date_format)) for value, each in zip(row, dimensions, strict=True)]
        for row in shown.rows
    ]
    _draw(canvas, area, shown.visual.id, headings, rows, look)


def pivot(canvas: Canvas, area: Area, depths: Sequence[Figures], look: Look) -> None:
    """The groups, all closed but the first and what is first in it, as a reader opens them.

    depths: the figures by one dimension, by two, and so on.
    """
    visual = depths[-1].visual
    headings = [
        *(Heading(_column(visual, each.field_id, each.column), False) for each in visual.dimensions),
        *(Heading(_column(visual, each.field_id, each.column), True) for each in visual.measures),
    ]
    _draw(canvas, area, visual.id, headings, _opened(depths, ()), look)


def _column(visual: Visual, field_id: str, otherwise: str) -> str:
    return dict(visual.labels).get(field_id) or otherwise


def _opened(depths: Sequence[Figures], path: tuple[Value, ...]) -> list[list[Cell]]:
    """The rows below a path. The first of them is in line with that which it is below of."""
    depth = len(path)
    figures, last = depths[depth], depth + 1 == len(depths)
    lines: list[list[Cell]] = []
    for at, row in enumerate(row for row in figures.rows if row[:depth] == path):
        value, measures = row[depth], row[depth + 1 :]
        opens = at == 0 and not last
        cell = Cell(written(value), None if last else opens)
        if opens:
            first, *others = _opened(depths, (*path, value))
            lines += [[cell, *first], *([Cell(""), *each] for each in others)]
        else:
            pairs = zip(measures, figures.visual.measures, strict=True)
            numbers = [Cell(written(number, measure)) for number, measure in pairs]
            lines.append([cell, *[Cell("")] * (len(depths) - depth - 1), *numbers])
    return lines


def _draw(
    canvas: Canvas, area: Area, name: str, headings: Sequence[Heading], rows: Sequence[Sequence[Cell]], look: Look
) -> None:
    """The headings and cells for which there is room, and bars that show it if these are not all."""
    titles = [_two_lines(each.text) for each in headings]
    inner = area.shrunk(right=BAR, bottom=BAR)
    fitting = int((inner.height - HEAD) // ROW)
    widths = _widths(inner.width, titles, rows[:fitting])
    if len(rows) > fitting:
        scrollbar(canvas, Area(area.right - 6, area.y, 6, inner.height), fitting / len(rows))
    if len(widths) < len(headings):
        scrollbar(canvas, Area(area.x, area.bottom - 6, inner.width, 6), len(widths) / len(headings))
    area, shown = inner, [row[: len(widths)] for row in rows[:fitting]]
    headings, titles = headings[: len(widths)], titles[: len(widths)]
    pitch = (area.height - HEAD) / fitting
    top = area.y + HEAD
    canvas.box(area.x, area.y, area.width, HEAD, look.sheet)
    x = area.x
    for heading, lines, width in zip(headings, titles, widths, strict=True):
        at, align = _at(x, width, heading.number)
        for i, line in enumerate(lines):
            y = (area.y + top) / 2 + (i - (len(lines) - 1) / 2) * (TEXT + 4)
            canvas.text(at, y, line, TEXT, look.foreground, bold=True, align=align, room=width - 2 * PADDING)
        x += width
    for i, row in enumerate(shown):
        y = top + (i + 0.5) * pitch
        canvas.line([(area.x, y + pitch / 2), (area.right, y + pitch / 2)], LINE)
        x = area.x
        for column, (cell, heading, width) in enumerate(zip(row, headings, widths, strict=True)):
            at, align = _at(x, width, heading.number)
            room = width - 2 * PADDING
            if cell.mark is not None:
                _mark(canvas, at, y, opened=cell.mark)
                at, room = at + MARK, room - MARK
            colour = GREY if cell.text == "null" else look.foreground
            canvas.text(at, y, cell.text, TEXT, colour, align=align, room=room, name=f"{name}.{i}.{column}")
            x += width


def _at(x: float, width: float, number: bool) -> tuple[float, str]:
    return (x + width - PADDING, "right") if number else (x + PADDING, "left")


def _mark(canvas: Canvas, x: float, y: float, *, opened: bool) -> None:
    """A small box with a minus, or a plus for what is closed."""
    canvas.box(x, y - 6, 12, 12, "#FFFFFF", "#8A96A0", radius=2)
    canvas.line([(x + 3, y), (x + 9, y)], GREY, 1.3)
    if not opened:
        canvas.line([(x + 6, y - 3), (x + 6, y + 3)], GREY, 1.3)


def _two_lines(text: str) -> list[str]:
    """A heading of several words in two lines, as even as can be."""
    words = text.split()
    ways = [[" ".join(words[:at]), " ".join(words[at:])] for at in range(1, len(words))]
    return min(ways, key=lambda lines: max(len(line) for line in lines), default=[text])


def _widths(room: float, titles: Sequence[Sequence[str]], rows: Sequence[Sequence[Cell]]) -> list[float]:
    """The widths of the columns for which there is room, from the first one on.

    The widest are made less wide before one does not fit; what is left goes to all of them alike.
    """
    least, wanted = [], []
    for at, lines in enumerate(titles):
        cells = [text_width(row[at].text, TEXT) + (0 if row[at].mark is None else MARK) for row in rows]
        least.append(max(text_width(line, TEXT, True) for line in lines) + 2 * PADDING + 2)
        wanted.append(max(least[-1], max(cells, default=0) + 2 * PADDING + 2))
    widths, widest = wanted, max(wanted)
    while sum(widths) > room and widest > WIDEST:
        widest -= 1
        widths = [max(narrow, min(wide, widest)) for narrow, wide in zip(least, wanted, strict=True)]
    while sum(widths) > room:
        widths.pop()
    spare = (room - sum(widths)) / len(widths)
    return [each + spare for each in widths]
