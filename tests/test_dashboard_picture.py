"""The pictures of the dashboard in docs are what the template and the sample fleet make of it now.

Where this fails after a change that is meant, `python -m dashboard.picture` in tests draws them again.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from dashboard import picture
from dashboard.canvas import ELLIPSIS, Canvas
from dashboard.definition import Sheet, Visual, interpret
from dashboard.deployed import QUICKSIGHT, Deployed
from dashboard.evaluate import Row
from fleet.dashboard import Choice, answer
from fleet.meanings import Asking

DASHBOARD = interpret(Deployed())
SHEETS = {sheet.id: sheet for sheet in DASHBOARD.sheets}

# By how much of 255 a colour may differ, for the files have 256 colours only, and how many pixels of a card may differ
# by more: edges where another processor rounds otherwise. A digit that becomes another is more than that.
TOLERANCE, FEW = 32, 5

# A letter that the fonts have not is drawn as a box, with a warning.
pytestmark = pytest.mark.filterwarnings("error:Glyph")


@pytest.fixture(scope="module")
def rows() -> Mapping[str, Sequence[Row]]:
    """The rows of every data set of the sample fleet."""
    of = picture.sample_rows()
    return {name: of(name) for name in DASHBOARD.data_sets}


@pytest.fixture(scope="module")
def canvases(rows: Mapping[str, Sequence[Row]]) -> dict[str, Canvas]:
    """Both sheets, drawn anew."""
    return {sheet: picture.draw(Deployed(), sheet, rows.__getitem__) for sheet in SHEETS}


def committed(sheet: Sheet) -> Image.Image:
    """The picture in docs."""
    return Image.open(io.BytesIO(picture.path(sheet).read_bytes())).convert("RGB")


def changed(sheet: Sheet, drawn: Canvas) -> list[str]:
    """Which parts of the committed picture differ from what is drawn: visuals, or what is above of them all."""
    before, now = committed(sheet), drawn.image()
    if before.size != now.size:
        return [f"size {before.size}, now {now.size}"]
    difference = reduce(ImageChops.lighter, ImageChops.difference(before, now).split())
    parts = {"head": (0, 0, picture.WIDTH, picture.HEAD)}
    for place in sheet.places:
        card = picture.card(place)
        parts[place.element] = (int(card.x), int(card.y), round(card.right), round(card.bottom))
    return [name for name, box in parts.items() if sum(difference.crop(box).histogram()[TOLERANCE:]) > FEW]


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_the_picture_is_the_one_that_is_drawn_now(sheet: Sheet, canvases: dict[str, Canvas]) -> None:
    assert changed(sheet, canvases[sheet.id]) == [], "draw it again: python -m dashboard.picture"


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_the_picture_is_as_wide_as_the_dashboard_and_quick_to_load(sheet: Sheet) -> None:
    assert committed(sheet).width == 1600
    assert picture.path(sheet).stat().st_size < 250_000


def spoken(visual: Visual) -> dict[str, str]:
    """What the fleet itself says that a visual's texts must be, by their names."""
    fleet = picture.SAMPLE
    total = answer(list(fleet.nodes), visual.id, Choice(), Asking(fleet.now, picture.STALE_AFTER_DAYS)).total
    said = {f"{visual.id}.title": visual.title}
    if visual.subtitle:
        said[f"{visual.id}.subtitle"] = visual.subtitle
    if visual.kind == "kpi":
        said[f"{visual.id}.value"] = f"{100 * total[0]:.1f}%" if visual.id == "compliance-rate" else str(total[0])
    if visual.kind == "donut":
        said[f"{visual.id}.total"] = str(total[0])
    if visual.kind == "gauge":
        value, target = total
        said[f"{visual.id}.target"] = str(target)
        said[f"{visual.id}.share"] = f"{100 * value / target:.1f}%"
    return said


@pytest.mark.parametrize("visual", DASHBOARD.visuals.values(), ids=DASHBOARD.visuals)
def test_a_visual_says_its_title_and_the_fleets_numbers(visual: Visual, canvases: dict[str, Canvas]) -> None:
    drawn = canvases[visual.sheet].texts
    said = spoken(visual)
    assert {name: drawn[name] for name in said} == said


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_the_controls_show_what_is_chosen_at_first(sheet: Sheet, canvases: dict[str, Canvas]) -> None:
    drawn = canvases[sheet.id].texts
    chosen = {name.removeprefix("control."): text for name, text in drawn.items() if name.startswith("control.")}
    assert chosen == {"instance-status": "Active, Unknown", "account": "All", "region": "All", "platform": "All"}


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_no_text_is_upon_another_or_beyond_its_card(sheet: Sheet, canvases: dict[str, Canvas]) -> None:
    cards = [picture.card(place) for place in sheet.places]
    boxes = canvases[sheet.id].text_boxes()
    for text, (left, top, right, bottom) in boxes:
        head = bottom < picture.HEAD and left >= 0 and right <= picture.WIDTH
        inside = [c.x < left and c.y < top and right < c.right and bottom < c.bottom for c in cards]
        assert head or any(inside), text
    for (text, one), (other, two) in itertools.combinations(boxes, 2):
        apart = one[2] <= two[0] or two[2] <= one[0] or one[3] <= two[1] or two[3] <= one[1]
        assert apart, (text, other)


@pytest.mark.parametrize("sheet", SHEETS.values(), ids=SHEETS)
def test_only_cells_of_tables_and_pivots_are_cut(sheet: Sheet, canvases: dict[str, Canvas]) -> None:
    grids = {visual.id for visual in sheet.visuals if visual.kind in ("table", "pivot")}
    cut = [text for text, _ in canvases[sheet.id].text_boxes() if text.endswith(ELLIPSIS)]
    cells = {text for name, text in canvases[sheet.id].texts.items() if name.split(".")[0] in grids}
    assert set(cut) <= cells


# That the comparison sees what it is for.


def test_another_title_is_seen(tmp_path: Path, rows: Mapping[str, Sequence[Row]]) -> None:
    template = tmp_path / "quicksight.yaml"
    template.write_text(
        QUICKSIGHT.read_text().replace("{PlainText: Nodes by platform}", "{PlainText: Nodes by platforn}")
    )
    sheet = SHEETS["instance-information"]
    drawn = picture.draw(Deployed(path=template), sheet.id, rows.__getitem__)
    assert changed(sheet, drawn) == ["nodes-by-platform"]


def test_another_number_is_seen(rows: Mapping[str, Sequence[Row]]) -> None:
    """One node more waits for a reboot, which one number of the sheet tells."""
    nodes = [dict(row) for row in rows["Nodes"]]
    next(row for row in nodes if row["Pending reboot"] == "No" and row["Instance status"] == "Active").update(
        {"Pending reboot": "Yes"}
    )
    sheet = SHEETS["patch-compliance"]
    drawn = picture.draw(Deployed(), sheet.id, lambda name: nodes if name == "Nodes" else rows[name])
    assert changed(sheet, drawn) == ["nodes-pending-reboot"]
