"""Holds the saved queries' results against what a fleet says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timezone

from deployment import Central, QueryResult
from fleet import Answer, Fleet


def now() -> datetime:
    return datetime.now(timezone.utc)


def assert_right(
    central: Central, fleet: Fleet, names: Iterable[str] | None = None, stale_after_days: int = 30
) -> dict[str, QueryResult]:
    """Runs the named saved queries, all of them by default, and asserts that they find what the fleet says.

    A query tells ages by its own clock. So the fleet is asked before and after: where it says the same, that is right,
    and where a day has just become full in between, the query is run again.
    """
    queries = central.saved_queries()
    results = {}
    for name in queries if names is None else names:
        for _ in range(5):
            before = right(fleet, name, stale_after_days)
            results[name] = central.run_saved_query(queries[name])
            if before == right(fleet, name, stale_after_days):
                break
        else:
            raise AssertionError(f"{name}: the right answer does not stay the same for as long as the query takes")
        assert results[name].columns == before.columns, name
        assert comparable(results[name]) == comparable(before), name
    return results


def right(fleet: Fleet, name: str, stale_after_days: int = 30) -> Answer:
    """The right answer to a saved query at this moment."""
    return fleet.answers([name], now(), stale_after_days)[name]


def comparable(result: QueryResult | Answer) -> list[tuple[str | None, ...]]:
    """The rows, with tags spelled the same way: the members of a JSON object have no order."""
    if "tags" not in result.columns:
        return result.rows
    at = result.columns.index("tags")
    return [(*row[:at], _spelled(row[at]), *row[at + 1 :]) for row in result.rows]


def _spelled(value: str | None) -> str | None:
    return value and json.dumps(json.loads(value), ensure_ascii=False, sort_keys=True)
