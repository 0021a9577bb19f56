"""Draws the dashboard's sheets from the definition in cfn/quicksight.yaml and the sample fleet.

`python -m dashboard.picture` writes them to docs. Letters and spacing are not QuickSight's; the visuals, their places,
titles and colours and, of this fleet, their numbers are what it shows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from dashboard import charts, grids
from dashboard.canvas import Canvas
from dashboard.charts import GREY, LINE, SMALL, Area, Look
from dashboard.definition import GRID_COLUMNS, Dashboard, Filter, Place, Sheet, Visual, interpret
from dashboard.deployed import Deployed
from dashboard.evaluate import Figures, Row, Value, figures
from fleet import Fleet, datasets
from fleet.meanings import Asking
from organization import MEMBER_ACCOUNTS, REGIONS
from templates import CFN

DOCS = CFN.parent / "docs"
STALE_AFTER_DAYS = 30

# The fleet of `scripts/demo --nodes 300`, at a time of its own.
SAMPLE = Fleet(1, MEMBER_ACCOUNTS, REGIONS, 300, "2026-01-15T12:00:00Z")

WIDTH = 1600
MARGIN, GUTTER, PADDING = 10, 10, 16
# How high a row of the grid is. QuickSight does not say; so much lets a visual look as it does there.
GRID_ROW = 33
TITLE, TEXT = 17, 15
BAR, TABS, CONTROLS, HEADLINE = 52, 46, 84, 62
HEAD = BAR + TABS + CONTROLS + HEADLINE

# For want of letters in the fonts: what the fleet calls some things, and how that is drawn.
SPELLED = {"\u6771\u4eac": "Tokyo", "\u62c5\u5f53": "Tanto"}

Rows = Callable[[str], Sequence[Row]]


def sample_rows(fleet: Fleet = SAMPLE) -> Rows:
    """The rows that the data sets have of a fleet at its own time, by the data set's name."""
    nodes, asking = list(fleet.nodes), Asking(fleet.now, STALE_AFTER_DAYS)
    return lambda name: [
        {column: _spelled(value) for column, value in row.items()} for row in datasets.rows(nodes, name, asking)
    ]


def _spelled(value: Value) -> Value:
    if isinstance(value, str):
        for text, drawn in SPELLED.items():
            value = value.replace(text, drawn)
    return value


def look(deployed: Deployed, dashboard: Dashboard) -> Look:
    """The theme's colours, and the dashboard's own."""
    (theme,) = deployed.resources("AWS::QuickSight::Theme").values()
    surfaces, data = theme["Configuration"]["UIColorPalette"], theme["Configuration"]["DataColorPalette"]
    return Look(
        surfaces["PrimaryForeground"],
        surfaces["PrimaryBackground"],
        surfaces["SecondaryBackground"],
        surfaces["Accent"],
        data["EmptyFillColor"],
        tuple(data["Colors"]),
        dashboard.colours,
    )


def of_visual(dashboard: Dashboard, visual: Visual, rows: Rows) -> list[Figures]:
    """The figures to draw: a pivot's by one dimension, by two, and so on; of any other visual there is one."""
    depths = range(1, len(visual.dimensions) + 1) if visual.kind == "pivot" else [None]
    return [figures(dashboard, visual, rows(visual.data_set), depth=depth) for depth in depths]


def draw(deployed: Deployed, sheet_id: str, rows: Rows) -> Canvas:
    """The sheet as a reader sees it first, and a pivot's first row opened."""
    dashboard = interpret(deployed)
    sheet = next(each for each in dashboard.sheets if each.id == sheet_id)
    colours = look(deployed, dashboard)
    bottom = max(place.row + place.rows for place in sheet.places)
    canvas = Canvas(WIDTH, HEAD + bottom * GRID_ROW + MARGIN, colours.sheet)
    _head(canvas, dashboard, sheet, colours)
    for place in sheet.places:
        visual = dashboard.visuals[place.element]
        _visual(canvas, card(place), of_visual(dashboard, visual, rows), colours)
    return canvas


def card(place: Place) -> Area:
    """Where a visual's card is in the picture."""
    column = (WIDTH - 2 * MARGIN) / GRID_COLUMNS
    whole = Area(
        MARGIN + place.column * column, HEAD + place.row * GRID_ROW, place.columns * column, place.rows * GRID_ROW
    )
    return whole.shrunk(*[GUTTER / 2] * 4)


def _head(canvas: Canvas, dashboard: Dashboard, sheet: Sheet, colours: Look) -> None:
    """The dashboard's name, a tab for each sheet, the controls, and the sheet's title."""
    canvas.box(0, 0, WIDTH, BAR + TABS + CONTROLS, colours.background)
    x = MARGIN + GUTTER / 2
    canvas.text(x, BAR / 2, dashboard.name, 20, colours.foreground, bold=True, name="name")
    canvas.line([(0, BAR), (WIDTH, BAR)], LINE)
    at = x
    for each in dashboard.sheets:
        chosen = each.id == sheet.id
        width = canvas.text(at, BAR + TABS / 2, each.name, 16, colours.accent if chosen else GREY, bold=chosen)
        if chosen:
            canvas.box(at, BAR + TABS - 4, width, 4, colours.accent)
        at += width + 36
    canvas.line([(0, BAR + TABS), (WIDTH, BAR + TABS)], LINE)
    for at, control in enumerate(sheet.controls):
        _control(canvas, Area(x + at * 262, BAR + TABS + 10, 246, CONTROLS - 20), control, colours)
    y = BAR + TABS + CONTROLS
    canvas.line([(0, y), (WIDTH, y)], LINE)
    y += HEADLINE / 2 + 2
    width = canvas.text(x, y, sheet.title, 26, colours.foreground, bold=True, name="title")
    canvas.text(x + width + 18, y + 3, sheet.description, 16, GREY, name="description")


def _control(canvas: Canvas, area: Area, control: Filter, colours: Look) -> None:
    """A list to choose from, with what is chosen at first."""
    canvas.text(area.x, area.y + 9, control.title or control.column, SMALL, GREY)
    box = area.shrunk(top=24)
    canvas.box(box.x, box.y, box.width, box.height, colours.background, "#AEB8C0", radius=4)
    chosen = "All" if control.values is None else ", ".join(control.values)
    y = box.y + box.height / 2
    canvas.text(box.x + 12, y, chosen, TEXT, colours.foreground, room=box.width - 44, name=f"control.{control.id}")
    canvas.polygon([(box.right - 24, y - 3), (box.right - 12, y - 3), (box.right - 18, y + 4)], GREY)


def _visual(canvas: Canvas, area: Area, shown: list[Figures], colours: Look) -> None:
    """A card with its title, and the visual in it."""
    visual = shown[0].visual
    canvas.box(area.x, area.y, area.width, area.height, colours.background, LINE, radius=3)
    inside = area.shrunk(PADDING, 12, PADDING, 14)
    canvas.text(inside.x, inside.y + 11, visual.title, TITLE, colours.foreground, bold=True, name=f"{visual.id}.title")
    inside = inside.shrunk(top=30)
    if visual.subtitle:
        canvas.text(inside.x, inside.y + 6, visual.subtitle, SMALL, GREY, name=f"{visual.id}.subtitle")
        inside = inside.shrunk(top=20)
    inside = inside.shrunk(top=6)
    if visual.kind == "pivot":
        grids.pivot(canvas, inside, shown, colours)
    else:
        kinds = {
            "donut": charts.donut, "gauge": charts.gauge, "bar": charts.bar, "kpi": charts.kpi, "table": grids.table,
        }  # fmt: skip
        kinds[visual.kind](canvas, inside, shown[0], colours)


def path(sheet: Sheet) -> Path:
    """Where the picture of a sheet is kept."""
    return DOCS / f"quicksight-{sheet.id}.png"


def main() -> None:
    """Writes a picture of each sheet."""
    deployed, rows = Deployed(), sample_rows()
    for sheet in interpret(deployed).sheets:
        path(sheet).write_bytes(draw(deployed, sheet.id, rows).png())
        print(f"{path(sheet).relative_to(DOCS.parent)}: {path(sheet).stat().st_size} bytes")


if __name__ == "__main__":
    main()
