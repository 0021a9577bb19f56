"""A visual's numbers are what QuickSight makes of its rows: groups, distinct counts, filters, limits, calculations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dashboard.definition import (
    CalculatedField,
    Column,
    Dashboard,
    DataSet,
    Dimension,
    Filter,
    Limit,
    Measure,
    Sheet,
    Sort,
    Visual,
)
from dashboard.evaluate import Expression, Row, Value, figures

CATEGORY = Dimension("by", "category", "Patch", "categorical")
COLOUR = Dimension("colour", "colour", "Account", "categorical")
NODES = Measure("nodes", "value", "Node key", "DISTINCT_COUNT")
ROWS = Measure("rows", "value", "Node key", "COUNT")
SIZES = Measure("sizes", "value", "Size", "SUM")
MOST_FIRST = Sort("by", "nodes", descending=True)

TABLE: list[tuple[Value, ...]] = [
    ("n1", "a", "1", "Active", 3),
    ("n1", "a", "1", "Active", 4),
    ("n2", "a", "2", "Active", None),
    ("n2", "b", "2", "Active", 1),
    ("n3", "c", "1", "Unknown", 2),
    ("n3", None, "1", "Unknown", 1),
    ("n4", "d", "2", "Terminated", 5),
    (None, "a", "2", "Active", 6),
]
COLUMNS = ("Node key", "Patch", "Account", "Status", "Size")
DATA = [dict(zip(COLUMNS, row, strict=True)) for row in TABLE]


def visual(*dimensions: Dimension, **more: Any) -> Visual:
    given = {"kind": "bar", "measures": (NODES,), "sorts": (MOST_FIRST,) if dimensions else ()} | more
    return Visual("visual", sheet="sheet", title="", subtitle=None, data_set="Items", dimensions=dimensions, **given)


def dashboard(*controls: Filter, **fields: str) -> Dashboard:
    columns = tuple(Column(name, name.lower(), "STRING") for name in COLUMNS)
    calculated = tuple(CalculatedField("Items", name, expression) for name, expression in fields.items())
    sheet = Sheet("sheet", "", "", "", (), controls, ())
    return Dashboard(
        "", {"Items": DataSet("Items", "Items", "items", "", columns)}, calculated, controls, (sheet,), {}, ()
    )


STATUS = Filter("status", None, "Status", ("Active", "Unknown"), "Status")


def rows(of: Visual, *controls: Filter, data: list[Row] | list[dict[str, Value]] = DATA, **chosen: Any) -> Any:
    return list(figures(dashboard(*controls), of, data, chosen).rows)


def test_nodes_are_counted_once_and_what_has_no_key_is_not() -> None:
    assert rows(visual(CATEGORY)) == [("a", 2), ("b", 1), ("c", 1), ("d", 1), (None, 1)]
    assert rows(visual(CATEGORY, measures=(NODES, ROWS, SIZES)))[0] == ("a", 2, 3, 13)
    assert rows(visual(measures=(NODES, ROWS, SIZES))) == [(4, 7, 22)]
    assert rows(visual(measures=(NODES, SIZES)), data=[]) == [(0, None)]


def test_the_total_is_of_nodes_too() -> None:
    shown = figures(dashboard(), visual(CATEGORY), DATA)
    assert shown.total == (4,) and sum(row[1] for row in shown.rows) == 6  # type: ignore[misc]


def test_controls_have_their_defaults_until_they_are_set() -> None:
    assert rows(visual(CATEGORY), STATUS) == [("a", 2), ("b", 1), ("c", 1), (None, 1)]
    assert rows(visual(CATEGORY), STATUS, status=["Terminated"]) == [("d", 1)]
    assert len(rows(visual(CATEGORY), STATUS, status=None)) == 5
    assert rows(visual(CATEGORY), STATUS, status=[]) == []


def test_a_control_that_there_is_not_is_refused_and_so_is_a_column() -> None:
    with pytest.raises(KeyError, match="no controls: region"):
        rows(visual(CATEGORY), STATUS, region=["x"])
    with pytest.raises(KeyError, match="Region"):
        rows(visual(CATEGORY), replace(STATUS, column="Region"))


def test_a_visuals_own_filter_holds_beside_the_controls() -> None:
    own = Filter("own", "Items", "Patch", ("a", "d"))
    assert rows(visual(CATEGORY, filters=(own,)), STATUS) == [("a", 2)]
    assert rows(visual(CATEGORY, filters=(own,)), STATUS, status=None) == [("a", 2), ("d", 1)]


@pytest.mark.parametrize(
    ("others_shown", "expected"), [(True, [("a", 2), ("b", 1), ("Other", 2)]), (False, [("a", 2), ("b", 1)])]
)
def test_beyond_a_limit_is_one_more_value_or_none(others_shown: bool, expected: list[tuple[str, int]]) -> None:
    """Nodes of several values beyond it are counted once there."""
    limited = visual(CATEGORY, limits=(Limit("category", 2, others_shown),))
    assert rows(limited) == expected
    assert figures(dashboard(), limited, DATA).total == (4,)


def test_a_limit_without_an_order_keeps_the_greatest() -> None:
    coloured = visual(COLOUR, CATEGORY, sorts=(), limits=(Limit("category", 1, True),))
    assert rows(coloured) == [("1", "a", 1), ("1", "Other", 1), ("2", "a", 1), ("2", "Other", 2)]


def test_a_value_that_is_called_as_the_rest_is_refused() -> None:
    with pytest.raises(ValueError, match="is called Other"):
        rows(visual(CATEGORY, limits=(Limit("category", 1, True),)), data=[*DATA, DATA[0] | {"Patch": "Other"}])


def test_an_order_by_the_values_themselves() -> None:
    numbers = Dimension("by", "category", "Size", "numerical")
    assert [row[0] for row in rows(visual(numbers, sorts=(Sort("by", "by", descending=False),)))] == [
        *(1, 2, 3, 4, 5, 6),
        None,
    ]


def test_a_pivot_is_open_as_deep_as_is_asked() -> None:
    pivot = visual(replace(CATEGORY, role="rows"), replace(COLOUR, role="rows"), kind="pivot")
    assert list(figures(dashboard(), pivot, DATA, depth=1).rows)[:2] == [("a", 2), ("b", 1)]
    assert list(figures(dashboard(), pivot, DATA).rows)[:3] == [("a", "1", 1), ("a", "2", 1), ("b", "2", 1)]


def test_a_table_has_its_rows_in_order() -> None:
    size = Dimension("size", "value", "Size", None)
    table = visual(replace(CATEGORY, role="value"), size, kind="table", measures=(), sorts=(Sort("", "size", True),))
    assert rows(table) == [("a", 6), ("d", 5), ("a", 4), ("a", 3), ("c", 2), (None, 1), ("b", 1), ("a", None)]


RATE = "distinct_countIf({Node key}, {Status} = 'Active') / distinct_count({Node key})"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("distinct_count({Node key})", 4),
        ("distinct_countIf({Node key},{Status}='Active')", 2),
        (" distinct_countIf( {Node key} , {Status} = 'none, (of) them' ) ", 0),
        (RATE, 0.5),
    ],
)
def test_a_calculated_field(expression: str, value: float) -> None:
    field = Measure("field", "value", "Field", None)
    shown = figures(dashboard(Field=expression), visual(measures=(field,)), DATA)
    assert shown.rows == ((value,),) == (shown.total,)


def test_a_share_of_nothing_is_no_value() -> None:
    assert Expression(RATE).compute([]) is None
    assert Expression(RATE).columns == ["Node key", "Status", "Node key"]


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "count({Node key})",
        "distinct_count(Node)",
        "distinct_count({Node key}) + 1",
        "distinct_count({Node key}) distinct_count({Node key})",
        "distinct_count({Node key}, [{Account}])",
        "distinct_countIf({Node key}, {Status} <> 'Active')",
        "distinct_countIf({Node key}, {Status} = {Account})",
        "distinct_countIf({Node key}, {Status} = 'Active' AND {Account} = '1')",
        "distinct_countIf({Node key})",
        "distinct_count({Node key}) / 2",
        "ifelse({Size} > 1, 1, 0)",
    ],
)
def test_another_form_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"not known here|not a (column|text)"):
        Expression(expression)
