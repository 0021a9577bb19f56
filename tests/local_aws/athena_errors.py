"""Why a query fails, in the form in which Athena tells: ``NAME: text``."""

from __future__ import annotations


class QueryError(Exception):
    """A query that fails while it runs: Trino's name of the error, if it has one, and its text."""

    def __init__(self, name: str | None, message: str) -> None:
        super().__init__(f"{name}: {message}" if name else message)


class MalformedQueryError(Exception):
    """A text that Athena refuses to start: InvalidRequestException with the AthenaErrorCode MALFORMED_QUERY."""


def position(sql: str, offset: int) -> str:
    """Trino's way to point at a character of a query: line and column, both from 1."""
    before = sql[:offset]
    return f"line {before.count(chr(10)) + 1}:{offset - before.rfind(chr(10))}"
