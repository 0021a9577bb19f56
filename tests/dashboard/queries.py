"""Runs a data set's SQL as QuickSight does, and reads what comes back as QuickSight does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from dashboard.definition import DataSet
from dashboard.evaluate import Value
from engines import Outcome

# What QuickSight makes of those types of Athena that there is a use for. It can't read an array, a map, a row or an
# interval, and a time with a zone is no time to it:
# https://docs.aws.amazon.com/quicksight/latest/user/supported-data-types-and-values.html
TYPES = {
    **dict.fromkeys(("varchar", "char"), "STRING"),
    **dict.fromkeys(("tinyint", "smallint", "integer", "bigint"), "INTEGER"),
    **dict.fromkeys(("real", "float", "double", "decimal"), "DECIMAL"),
    **dict.fromkeys(("date", "timestamp"), "DATETIME"),
}


def _time(text: str) -> datetime | None:
    """A time; one of a year with another number of digits than four is none to QuickSight either."""
    return datetime.fromisoformat(text) if re.match(r"\d{4}-", text) else None


READERS: dict[str, Callable[[str], Value]] = {
    "STRING": str,
    "INTEGER": int,
    "DECIMAL": float,
    "DATETIME": _time,
}


class Unreadable(Exception):
    """What a query gave is nothing that QuickSight can make the data set's columns of."""


def as_sent(data_set: DataSet) -> str:
    """The query that QuickSight sends for all of the data set's columns: its SQL is a table of that."""
    columns = ", ".join(f'"{column.source}"' for column in data_set.columns)
    return f'SELECT {columns} FROM ({data_set.sql}) AS "{data_set.table}"'


def quicksight_type(engine_type: str) -> str | None:
    """The type that QuickSight has for an engine's type, as varchar(20) or timestamp(3) with time zone; None: none."""
    plain = re.sub(r"\(\d+(, *\d+)?\)", "", engine_type)
    return TYPES.get(plain)


def read(data_set: DataSet, outcome: Outcome) -> list[dict[str, Value]]:
    """The rows, by the columns' names for people.

    Raises Unreadable for a query that failed, and unless names and types of what it gave are the data set's.
    """
    if outcome.error:
        raise Unreadable(f"{data_set.identifier}: {outcome.error}")
    found = [(name, quicksight_type(kind) or kind) for name, kind in zip(outcome.columns, outcome.types, strict=True)]
    declared = [(column.source, column.type) for column in data_set.columns]
    if found != declared:
        raise Unreadable(f"{data_set.identifier}: {sorted(set(found) ^ set(declared))}")
    return [dict(_values(data_set, row)) for row in outcome.rows]


def _values(data_set: DataSet, row: tuple[Any, ...]) -> Iterator[tuple[str, Value]]:
    for column, text in zip(data_set.columns, row, strict=True):
        yield column.name, None if text is None else READERS[column.type](text)
