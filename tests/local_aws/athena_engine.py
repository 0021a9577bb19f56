"""DuckDB as Athena's engine: runs translated queries and answers with Athena's types, spellings and errors."""

from __future__ import annotations

import re
import threading

import duckdb

from local_aws import athena_sql
from local_aws.athena_errors import QueryError
from local_aws.athena_loading import LoadedTables

# Values as Athena returns them: text, or None for NULL.
Row = tuple[str | None, ...]

# DuckDB's types -> Athena's, where the names differ by more than case.
_TYPES = {
    "HUGEINT": "bigint",
    "UBIGINT": "bigint",
    "UINTEGER": "bigint",
    "STRUCT": "row",
    '"NULL"': "unknown",
}


class Engine:
    """DuckDB with Trino's functions, and the tables loaded into it. Queries take turns, as each uses all cores."""

    def __init__(self) -> None:
        # Held from loading a query's tables until its rows are there.
        self.lock = threading.Lock()
        self._connection = duckdb.connect(":memory:")
        self._connection.execute("SET TimeZone = 'UTC'")
        for macro in athena_sql.MACROS:
            self._connection.execute(macro)
        self.tables = LoadedTables(self._connection)

    def run(self, sql: str) -> tuple[list[str], list[Row]]:
        """The types and the rows of a query in DuckDB's dialect. Raises QueryError."""
        try:
            kinds = [row[1] for row in self._connection.execute(f"DESCRIBE {sql}").fetchall()]
            names = [f"c{number}" for number in range(len(kinds))]
            spelled = ", ".join(_spelling(name, kind) for name, kind in zip(names, kinds, strict=True))
            rows = self._connection.execute(f"SELECT {spelled} FROM ({sql}) result({', '.join(names)})").fetchall()
        except duckdb.Error as error:
            raise _query_error(str(error)) from error
        return [_athena_type(kind) for kind in kinds], rows


def _spelling(column: str, kind: str) -> str:
    if kind == "TIMESTAMP":
        return f"strftime({column}, '%Y-%m-%d %H:%M:%S.%g')"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column}, '%Y-%m-%d %H:%M:%S.%g') || ' UTC'"
    return f"CAST({column} AS VARCHAR)"


def _athena_type(kind: str) -> str:
    if kind.endswith("[]"):
        return "array"
    base = kind.partition("(")[0]
    return _TYPES.get(base, base.lower())


def _query_error(text: str) -> QueryError:
    """Trino's error for one of DuckDB's."""
    if cast := re.search(r"Could not convert string '(.*)' to (INT|BIGINT|DOUBLE|FLOAT|BOOL)", text):
        return QueryError("INVALID_CAST_ARGUMENT", f"Cannot cast '{cast[1]}' to {cast[2]}")
    if column := re.search(r'column "?(\w+)"? must appear in the GROUP BY', text):
        return QueryError(
            "EXPRESSION_NOT_AGGREGATE",
            f"'{column[1]}' must be an aggregate expression or appear in GROUP BY clause",
        )
    if function := re.search(r"Function with name (\w+) does not exist", text):
        return QueryError("FUNCTION_NOT_FOUND", f"Function '{function[1]}' not registered")
    return QueryError("GENERIC_INTERNAL_ERROR", text.partition("\n")[0])
