"""The numbers of a visual, worked out from the rows of its data set as QuickSight works them out.

A row is a dict from the columns' names for people to str, int, datetime or None. What QuickSight leaves open is settled
here: values of a dimension that are equal in what they are ordered by come in the order of their names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.definition import Dashboard, Dimension, Measure, Sort, Visual

Value = str | int | float | datetime | None
Row = Mapping[str, Value]

# What QuickSight calls the values that are beyond a limit, together.
OTHER = "Other"


@dataclass(frozen=True)
class Figures:
    """What a visual shows. A row holds the dimensions' values and then the measures', in the order of `visual.fields`.

    `total` are the measures over all that is shown and all that the limits leave out. No value is None, and so is a
    share of nothing. A visual without dimensions has one row. A table's rows have no measures, and its total is empty.
    """

    visual: Visual
    rows: tuple[tuple[Value, ...], ...]
    total: tuple[Value, ...]


def figures(
    dashboard: Dashboard,
    visual: Visual,
    rows: Iterable[Row],
    controls: Mapping[str, Sequence[str] | None] | None = None,
    depth: int | None = None,
) -> Figures:
    """The visual's figures from all rows of its data set.

    controls: filter id -> the chosen values, None for all; a control that is not named has the definition's default.
    depth: by how many of the dimensions to group, all by default; 1 is what a pivot with collapsed rows shows.
    Raises KeyError for a column that the rows have not or a control that there is not.
    """
    if strangers := set(controls or ()) - {each.id for each in dashboard.controls}:
        raise KeyError(f"no controls: {', '.join(sorted(strangers))}")
    chosen = dict(controls or {})
    shown = list(rows)
    for each in (*dashboard.controls, *visual.filters):
        values = chosen.get(each.id, each.values)
        if values is not None:
            shown = [row for row in shown if row[each.column] in values]
    dimensions = visual.dimensions[:depth]
    if visual.kind == "table":
        return Figures(visual, _ordered(visual, _cells(shown, dimensions)), ())
    measure = _measuring(dashboard, visual)
    if not dimensions:
        return Figures(visual, (measure(shown),), measure(shown))
    named = [_limited(visual, dimension, shown, measure) for dimension in dimensions]
    groups: dict[tuple[Value, ...], list[Row]] = {}
    for row in shown:
        key = tuple(name(row[dimension.column]) for name, dimension in zip(named, dimensions, strict=True))
        if _LEFT_OUT not in key:
            groups.setdefault(key, []).append(row)
    return Figures(visual, _grouped(visual, dimensions, groups, measure), measure(shown))


def _cells(rows: Iterable[Row], dimensions: Sequence[Dimension]) -> Iterable[tuple[Value, ...]]:
    return (tuple(row[dimension.column] for dimension in dimensions) for row in rows)


def _by_value(value: Value) -> tuple[Any, ...]:
    """Ascending, what is 'Other' behind all else, and no value behind that."""
    return (value is None, value == OTHER, value if value is not None else 0)


def _ordered(visual: Visual, cells: Iterable[tuple[Value, ...]]) -> tuple[tuple[Value, ...], ...]:
    """A table's rows in its order, and equal ones by their first cells; no value is the least, as QuickSight has it."""
    ordered = sorted(cells, key=lambda row: [(value is not None, value) for value in row])
    for sort in reversed(visual.sorts):
        at = [dimension.field_id for dimension in visual.dimensions].index(sort.by)
        present = [row for row in ordered if row[at] is not None]
        absent = [row for row in ordered if row[at] is None]
        present.sort(key=lambda row: row[at], reverse=sort.descending)
        ordered = present + absent if sort.descending else absent + present
    return tuple(ordered)


# ----------------------------------------------------------------------------------------------------------------------
# Groups
# ----------------------------------------------------------------------------------------------------------------------

_LEFT_OUT = object()
Measuring = Callable[[Sequence[Row]], tuple[Value, ...]]


def _limited(visual: Visual, dimension: Dimension, rows: Sequence[Row], measure: Measuring) -> Callable[[Value], Any]:
    """Under what name a value of the dimension is shown: its own, Other, or not at all.

    Of a dimension with an order those values are shown by themselves that are first in it, and of one without an order
    those of which the measure is greatest.
    """
    limit = next((each for each in visual.limits if each.role == dimension.role), None)
    if limit is None:
        return lambda value: value
    groups: dict[Value, list[Row]] = {}
    for row in rows:
        groups.setdefault(row[dimension.column], []).append(row)
    if OTHER in groups and limit.others_shown:
        raise ValueError(f"{visual.id}: one of the values of {dimension.column} is called {OTHER}")
    measured = {value: measure(each) for value, each in groups.items()}
    sort = _sort_of(visual, dimension) or Sort(dimension.field_id, visual.measures[0].field_id, descending=True)
    first = _sorted(visual, sort, measured)[: limit.items]
    rest = OTHER if limit.others_shown else _LEFT_OUT
    return lambda value: value if value in first else rest


def _sort_of(visual: Visual, dimension: Dimension) -> Sort | None:
    return next((each for each in visual.sorts if each.field_id == dimension.field_id), None)


def _sorted(visual: Visual, sort: Sort | None, measured: Mapping[Value, tuple[Value, ...]]) -> list[Value]:
    """A dimension's values in an order, without any in that of the values themselves."""
    values = sorted(measured, key=_by_value)
    if sort is None:
        return values
    if sort.by == sort.field_id:
        return sorted(values, key=_by_value, reverse=sort.descending)
    at = [each.field_id for each in visual.measures].index(sort.by)

    def place(value: Value) -> tuple[bool, Any]:
        number: Any = measured[value][at] or 0
        # All others together are the last, however many they may be.
        return (value == OTHER, -number if sort.descending else number)

    return sorted(values, key=place)


def _grouped(
    visual: Visual,
    dimensions: Sequence[Dimension],
    groups: Mapping[tuple[Value, ...], list[Row]],
    measure: Measuring,
) -> tuple[tuple[Value, ...], ...]:
    """The rows, each dimension's values in their order within those of the dimension before."""
    if not dimensions:
        return tuple(measure(rows) for rows in groups.values())
    first, *rest = dimensions
    inner: dict[Value, dict[tuple[Value, ...], list[Row]]] = {}
    for key, rows in groups.items():
        inner.setdefault(key[0], {})[key[1:]] = rows
    measured = {value: measure([row for rows in each.values() for row in rows]) for value, each in inner.items()}
    return tuple(
        (value, *row)
        for value in _sorted(visual, _sort_of(visual, first), measured)
        for row in _grouped(visual, rest, inner[value], measure)
    )


# ----------------------------------------------------------------------------------------------------------------------
# Measures
# ----------------------------------------------------------------------------------------------------------------------


def _measuring(dashboard: Dashboard, visual: Visual) -> Measuring:
    """Computes the visual's measures over some rows."""
    each = [_aggregate(dashboard, visual, measure) for measure in visual.measures]
    return lambda rows: tuple(compute(rows) for compute in each)


def _aggregate(dashboard: Dashboard, visual: Visual, measure: Measure) -> Callable[[Sequence[Row]], Value]:
    if measure.aggregation is None:
        field = dashboard.calculated_field(visual.data_set, measure.column)
        if field is None:
            raise KeyError(f"{visual.id}: {visual.data_set} has no calculated field {measure.column!r}")
        return Expression(field.expression).compute
    column = measure.column

    def values(rows: Sequence[Row]) -> list[Any]:
        return [row[column] for row in rows if row[column] is not None]

    if measure.aggregation == "COUNT":
        return lambda rows: len(values(rows))
    if measure.aggregation == "DISTINCT_COUNT":
        return lambda rows: len(set(values(rows)))
    if measure.aggregation == "SUM":
        return lambda rows: sum(values(rows)) if values(rows) else None
    raise ValueError(f"{visual.id}: not known here: {measure.aggregation}")


_TOKEN = re.compile(r"\s*(?:(\{[^{}]+\})|('[^']*')|([A-Za-z_]+)|([(),=/]))")


class Expression:
    """A calculated field of these forms; any other raises ValueError.

    distinct_count({column}), distinct_countIf({column}, {column} = 'text'), and one of these by the other.
    https://docs.aws.amazon.com/quicksight/latest/user/calculated-field-reference.html
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._left = self._tokens()
        self.columns: list[str] = []
        self.compute: Callable[[Sequence[Row]], Value] = self._quotient()
        if self._left:
            raise ValueError(f"not known here: {self._left} in {text}")

    def _tokens(self) -> list[str]:
        found, at = [], 0
        while self._text[at:].strip():
            match = _TOKEN.match(self._text, at)
            if not match:
                raise ValueError(f"not known here: {self._text[at:]}")
            found.append(match[match.lastindex or 0])
            at = match.end()
        return found

    def _next(self, wanted: str = "") -> str:
        if not self._left or (wanted and self._left[0] != wanted):
            raise ValueError(f"not known here: {self._left} in {self._text}, for want of {wanted or 'more'}")
        return self._left.pop(0)

    def _column(self) -> str:
        token = self._next()
        if not token.startswith("{"):
            raise ValueError(f"not a column: {token} in {self._text}")
        self.columns.append(token[1:-1])
        return token[1:-1]

    def _quotient(self) -> Callable[[Sequence[Row]], Value]:
        dividend = self._call()
        if self._left[:1] != ["/"]:
            return dividend
        self._next("/")
        divisor = self._call()
        # QuickSight has no value for a division by nothing.
        return lambda rows: dividend(rows) / divisor(rows) if divisor(rows) else None

    def _call(self) -> Callable[[Sequence[Row]], Any]:
        name = self._next()
        self._next("(")
        counted = self._column()
        if name == "distinct_count":
            self._next(")")
            return lambda rows: len({row[counted] for row in rows} - {None})
        if name != "distinct_countIf":
            raise ValueError(f"not known here: {name} in {self._text}")
        self._next(",")
        compared = self._column()
        self._next("=")
        literal = self._next()
        if not literal.startswith("'"):
            raise ValueError(f"not a text: {literal} in {self._text}")
        self._next(")")
        return lambda rows: len({row[counted] for row in rows if row[compared] == literal[1:-1]} - {None})
