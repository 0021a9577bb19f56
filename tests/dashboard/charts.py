"""How each kind of visual looks: donut, gauge, bars and key figure. Pivots and tables are in `grids`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from dashboard.canvas import Canvas, text_width
from dashboard.definition import Measure, Visual
from dashboard.evaluate import Figures, Value

# Heights of letters, in pixels.
LARGE, BODY, SMALL = 44, 15, 14

GREY, LINE = "#5B6770", "#D5DADF"
# What a palette's colour becomes when it comes again: so much of it, the rest white.
ROUNDS = (1.0, 0.6, 0.35)
LEADER = 14
# How near to each other bars may be.
BAR_PITCH = 24


@dataclass(frozen=True)
class Area:
    """A rectangle of the picture."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    def shrunk(self, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> Area:
        """The area without what is to be left free at its sides."""
        return Area(self.x + left, self.y + top, self.width - left - right, self.height - top - bottom)


@dataclass(frozen=True)
class Look:
    """The colours of the theme, and those that the dashboard gives to a column's values."""

    foreground: str
    background: str
    sheet: str
    accent: str
    empty: str
    palette: tuple[str, ...]
    colours: Mapping[tuple[str, str], Mapping[str, str]]

    def of(self, data_set: str, column: str, values: Sequence[Value]) -> dict[Value, str]:
        """A colour for each value: the one that it is given, or else the next of the palette."""
        given = self.colours.get((data_set, column), {})
        found: dict[Value, str] = {}
        for value in dict.fromkeys(values):
            at = sum(each not in given for each in found)
            round_, place = divmod(at, len(self.palette))
            fresh = lighter(self.palette[place], ROUNDS[min(round_, len(ROUNDS) - 1)])
            found[value] = given.get(str(value), fresh)
        return found


def lighter(colour: str, share: float) -> str:
    """So much of a colour, the rest white."""
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 - share * (255 - part)):02X}" for part in parts)


def readable_on(colour: str) -> str:
    """Black or white, whichever is told better from a colour."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#FFFFFF" if 0.299 * red + 0.587 * green + 0.114 * blue < 150 else "#1B2733"


def written(value: Value, measure: Measure | None = None, date_format: str | None = None) -> str:
    """A value as QuickSight writes it."""
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return value.strftime(_strftime(date_format or "yyyy-MM-dd HH:mm"))
    if measure and measure.percent_decimals is not None and not isinstance(value, str):
        return f"{100 * value:.{measure.percent_decimals}f}%"
    if measure and isinstance(value, int):
        return f"{value:,}"
    return str(value)


def _strftime(pattern: str) -> str:
    """Java's letters for the parts of a time as Python's."""
    for java, python in (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S")):
        pattern = pattern.replace(java, python)
    return pattern


def label(visual: Visual, role: str) -> str:
    """What people call the values of a role."""
    named = dict(visual.labels)
    return named.get(role) or next((each.column for each in visual.dimensions if each.role == role), "")


# ----------------------------------------------------------------------------------------------------------------------
# Key figure and gauge
# ----------------------------------------------------------------------------------------------------------------------


def kpi(canvas: Canvas, area: Area, shown: Figures, look: Look) -> None:
    """One large number."""
    number = written(shown.total[0], shown.visual.measures[0])
    y = area.y + area.height / 2
    canvas.text(area.x, y, number, LARGE, look.foreground, name=f"{shown.visual.id}.value")


def gauge(canvas: Canvas, area: Area, shown: Figures, look: Look) -> None:
    """Half a ring, filled by the value's share of the target."""
    value, target = map(_count, shown.total)
    share = value / target if target else 0
    name = shown.visual.id
    radius = min(area.width / 2 - 40, area.height - 30)
    x, y = area.x + area.width / 2, area.y + (area.height - 26 + radius) / 2
    thickness = 0.32 * radius
    canvas.arc(x, y, radius, thickness, -0.25, 0.25, look.empty, look.background)
    canvas.arc(x, y, radius, thickness, -0.25, -0.25 + min(share, 1) / 2, look.palette[0], look.background)
    canvas.text(
        x, y - 0.12 * radius, f"{100 * share:.1f}%", LARGE, look.foreground, align="center", name=f"{name}.share"
    )
    for end, text in ((-1, "0"), (1, f"{target:,}")):
        middle = x + end * (radius - thickness / 2)
        canvas.text(middle, y + 15, text, SMALL, GREY, align="center", name=f"{name}.target" if end > 0 else None)


# ----------------------------------------------------------------------------------------------------------------------
# Donut
# ----------------------------------------------------------------------------------------------------------------------


@dataclass
class _Label:
    """What stands beside a slice. `middle`: the slice's, as a share of the ring; `y` is where there is room for it."""

    name: str
    number: str
    count: int
    middle: float
    y: float = 0

    @property
    def side(self) -> int:
        """1 for the right, -1 for the left."""
        return 1 if self.middle <= 0.5 else -1


def donut(canvas: Canvas, area: Area, shown: Figures, look: Look) -> None:
    """A ring of the groups, the total in its middle, and around it what each is and how many."""
    visual = shown.visual
    groups = [(row[0], _count(row[-1])) for row in shown.rows]
    whole = sum(count for _, count in groups)
    colours = look.of(visual.data_set, visual.dimensions[0].column, [value for value, _ in groups])
    labels, slices, begun = [], [], 0
    for value, count in groups:
        start, end = begun / whole, (begun + count) / whole
        slices.append((start, end, colours[value]))
        number = f"{count:,} ({100 * count / whole:.0f}%)"
        labels.append(_Label(written(value), number, count, (start + end) / 2))
        begun += count
    widest = max((text_width(text, SMALL) for each in labels for text in (each.name, each.number)), default=0)
    beside = widest + LEADER + 12
    radius = min(area.height / 2 - 10, max(area.width / 2 - beside, area.width * 0.15))
    ring = Area(area.x + area.width / 2 - radius, area.y + area.height / 2 - radius, 2 * radius, 2 * radius)
    x, y = ring.x + radius, ring.y + radius
    for start, end, colour in slices:
        canvas.arc(x, y, radius, 0.36 * radius, start, end, colour, look.background)
    total = written(shown.total[0], visual.measures[0])
    canvas.text(x, y - 8, total, 34, look.foreground, align="center", name=f"{visual.id}.total")
    canvas.text(x, y + 19, label(visual, "value"), SMALL, GREY, align="center", room=1.2 * radius)
    for side in (1, -1):
        for each in _spread([each for each in labels if each.side == side], area, ring):
            _outside(canvas, area, ring, each, look)


def _spread(labels: list[_Label], area: Area, ring: Area) -> list[_Label]:
    """The labels of one side from the top down, moved apart; without room for all, those of the smallest slices go."""
    height = 2 * SMALL + 9
    kept = sorted(labels, key=lambda each: -each.count)[: int(area.height // height)]
    radius = ring.height / 2
    for each in kept:
        each.y = ring.y + radius - (radius + 4) * math.cos(2 * math.pi * each.middle)
    kept.sort(key=lambda each: each.y)
    lowest = area.y + height / 2
    for each in kept:
        each.y = max(each.y, lowest)
        lowest = each.y + height
    highest = area.bottom - height / 2
    for each in reversed(kept):
        each.y = min(each.y, highest)
        highest = each.y - height
    return kept


def _outside(canvas: Canvas, area: Area, ring: Area, each: _Label, look: Look) -> None:
    """A label beside the ring, and the line that leads to it from its slice."""
    radius, angle = ring.width / 2, 2 * math.pi * each.middle
    x, y = ring.x + radius, ring.y + radius
    near, far = ((x + r * math.sin(angle), y - r * math.cos(angle)) for r in (radius - 2, radius + 7))
    edge = x + each.side * (radius + LEADER)
    canvas.line([near, far, (edge, each.y), (edge + each.side * 6, each.y)], "#9AA5AD")
    at = edge + each.side * 11
    room = area.right - at if each.side > 0 else at - area.x
    align = "left" if each.side > 0 else "right"
    canvas.text(at, each.y - 9, each.name, SMALL, look.foreground, align=align, room=room)
    canvas.text(at, each.y + 9, each.number, SMALL, GREY, align=align, room=room)


def _count(value: Value) -> int:
    """A measure that counts."""
    if not isinstance(value, int):
        raise TypeError(f"not a count: {value!r}")
    return value


# ----------------------------------------------------------------------------------------------------------------------
# Bars
# ----------------------------------------------------------------------------------------------------------------------


def bar(canvas: Canvas, area: Area, shown: Figures, look: Look) -> None:
    """Horizontal bars, stacked by colour if there is one, with a legend of the colours."""
    visual = shown.visual
    if not visual.horizontal:
        raise ValueError(f"{visual.id}: only bars that lie are drawn here")
    bars: dict[Value, list[tuple[Value, int]]] = {}
    for row in shown.rows:
        bars.setdefault(row[0], []).append((row[1] if len(row) > 2 else None, _count(row[-1])))
    most = max((sum(count for _, count in parts) for parts in bars.values()), default=0)
    stacked = len(visual.dimensions) > 1
    if stacked:
        values = sorted({value for parts in bars.values() for value, _ in parts}, key=lambda v: (v == "Other", str(v)))
        colours = look.of(visual.data_set, visual.dimensions[1].column, values)
        area = _legend(canvas, area, label(visual, "colour"), colours, look)
    else:
        colours = {None: look.palette[0]}
    names = max((text_width(written(value), SMALL) for value in bars), default=0)
    canvas.text(area.x, area.y + 8, label(visual, "category"), SMALL, GREY)
    plot = area.shrunk(left=min(names, area.width * 0.35) + 10, top=24, right=36, bottom=40)
    _axis(canvas, plot, most, label(visual, "value"))
    fitting = min(int(plot.height // BAR_PITCH), len(bars))
    if fitting < len(bars):
        scrollbar(canvas, Area(plot.right + 24, plot.y, 6, plot.height), fitting / len(bars))
    pitch = plot.height / max(fitting, 1)
    thick = min(0.68 * pitch, 34)
    for at, (value, parts) in enumerate(list(bars.items())[:fitting]):
        y, x = plot.y + (at + 0.5) * pitch, plot.x
        canvas.text(plot.x - 8, y, written(value), SMALL, look.foreground, align="right", room=plot.x - 8 - area.x)
        for colour, count in parts:
            width = plot.width * count / _end(most)
            canvas.box(x, y - thick / 2, width, thick, colours[colour], look.background if stacked else None)
            text = f"{count:,}"
            if not stacked:
                canvas.text(x + width + 6, y, text, SMALL, look.foreground)
            elif text_width(text, SMALL) + 6 <= width and thick > SMALL:
                canvas.text(x + width / 2, y, text, SMALL, readable_on(colours[colour]), align="center")
            x += width


def _step(most: float) -> int:
    """The distance of an axis's ticks: 1, 2 or 5, or ten times that, and so on."""
    exponent = 0
    while True:
        for base in (1, 2, 5):
            step = base * 10**exponent
            if most <= 6 * step:
                return step
        exponent += 1


def _end(most: int) -> int:
    """Where an axis ends: at the first tick that is beyond all."""
    return max(math.ceil(most / _step(most)) * _step(most), 1)


def _axis(canvas: Canvas, plot: Area, most: int, title: str) -> None:
    for tick in range(0, _end(most) + 1, _step(most)):
        x = plot.x + plot.width * tick / _end(most)
        canvas.line([(x, plot.y), (x, plot.bottom)], LINE)
        canvas.text(x, plot.bottom + 13, f"{tick:,}", SMALL, GREY, align="center")
    canvas.text(plot.x + plot.width / 2, plot.bottom + 33, title, SMALL, GREY, align="center")


def _legend(canvas: Canvas, area: Area, title: str, colours: Mapping[Value, str], look: Look) -> Area:
    """The legend of a chart at its right; returns what it leaves of the area."""
    width = min(max(text_width(written(value), SMALL) for value in (title, *colours)) + 34, 0.25 * area.width)
    x, pitch = area.right - width, 22
    canvas.text(x, area.y + 8, title, SMALL, GREY, room=width)
    top = area.y + 32
    fitting = int((area.bottom - top + pitch / 2) // pitch)
    scrolled = len(colours) > fitting
    for at, (value, colour) in enumerate(list(colours.items())[:fitting]):
        y = top + at * pitch
        canvas.box(x, y - 6, 12, 12, colour)
        canvas.text(x + 19, y, written(value), SMALL, look.foreground, room=width - 19 - (14 if scrolled else 0))
    if scrolled:
        scrollbar(canvas, Area(area.right - 6, top - 8, 6, area.bottom - top + 8), fitting / len(colours))
    return area.shrunk(right=width + 18)


def scrollbar(canvas: Canvas, area: Area, share: float) -> None:
    """What shows that there is more than fits, and how much: below it if it is wide, beside it if it is high."""
    canvas.box(area.x, area.y, area.width, area.height, "#EEF1F3", radius=3)
    wide = area.width > area.height
    width, height = (share * area.width, area.height) if wide else (area.width, max(share * area.height, 20))
    canvas.box(area.x, area.y, width, height, "#B4BEC6", radius=3)
