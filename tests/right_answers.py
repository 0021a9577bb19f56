"""Holds the saved queries' results against what a fleet says of itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timezone

from deployment import Central, QueryResult
from engines import Outcome
from fleet import Answer, Fleet

ATTEMPTS = 5


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
    left = list(queries if names is None else names)
    results = {}
    for _ in range(ATTEMPTS):
        before = fleet.answers(left, now(), stale_after_days)
        results |= {name: central.run_saved_query(queries[name]) for name in left}
        after = fleet.answers(left, now(), stale_after_days)
        for name in left:
            if before[name] == after[name]:
                assert results[name].columns == after[name].columns, name
                assert comparable(results[name]) == comparable(after[name]), name
        left = [name for name in left if before[name] != after[name]]
        if not left:
            return results
    raise AssertionError(f"at each of {ATTEMPTS} attempts a day became full: {', '.join(left)}")


def comparable(result: QueryResult | Answer | Outcome) -> list[tuple[str | None, ...]]:
    """The rows, with tags spelled the same way: the members of a JSON object have no order."""
    if "tags" not in result.columns:
        return result.rows
    at = result.columns.index("tags")
    return [(*row[:at], _spelled(row[at]), *row[at + 1 :]) for row in result.rows]


def _spelled(value: str | None) -> str | None:
    return value and json.dumps(json.loads(value), ensure_ascii=False, sort_keys=True)
