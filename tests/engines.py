"""The two engines that judge a query: the local AWS's Athena, and real Trino on the same Data Catalog and S3.

Both answer in Athena's spelling, so that their answers can be compared as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import trino.exceptions

from deployment import wait_for
from trino_server import Trino

Row = tuple[str | None, ...]


@dataclass(frozen=True)
class Outcome:
    """What became of a query: names of columns and rows of text, or the error as ``NAME: text``.

    `types` are the columns' types in the engine's own spelling, which differs from one engine to the other.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    error: str | None = None
    types: list[str] = field(default_factory=list, compare=False)

    @property
    def error_name(self) -> str | None:
        """Trino's name of the error; None if the query succeeded."""
        return self.error.partition(":")[0] if self.error else None


@dataclass(frozen=True)
class AthenaEngine:
    """The local AWS's Athena; `client` is boto3's, `workgroup` says where results go."""

    client: Any
    workgroup: str

    def run(self, sql: str, database: str, parameters: Sequence[str] = ()) -> Outcome:
        """Runs a query; the parameters are SQL literals for its question marks."""
        query = self.client.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": database},
            WorkGroup=self.workgroup,
            **({"ExecutionParameters": list(parameters)} if parameters else {}),
        )["QueryExecutionId"]

        def ended() -> dict[str, Any] | None:
            status = self.client.get_query_execution(QueryExecutionId=query)["QueryExecution"]["Status"]
            return None if status["State"] in ("QUEUED", "RUNNING") else status

        status = wait_for(ended, 300, f"query {query} is still running", every=0.02)
        if status["State"] != "SUCCEEDED":
            return Outcome(error=status["StateChangeReason"])
        columns: list[str] = []
        types: list[str] = []
        rows: list[Row] = []
        for page in self.client.get_paginator("get_query_results").paginate(QueryExecutionId=query):
            described = page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
            columns, types = [column["Name"] for column in described], [column["Type"] for column in described]
            rows += [tuple(datum.get("VarCharValue") for datum in row["Data"]) for row in page["ResultSet"]["Rows"]]
        return Outcome(columns, rows[1:], types=types)  # the first row repeats the columns' names


@dataclass(frozen=True)
class TrinoEngine:
    """Real Trino."""

    server: Trino

    def run(self, sql: str, database: str, parameters: Sequence[str] = ()) -> Outcome:
        """Runs a query; the parameters are SQL literals for its question marks."""
        statement = sql
        if parameters:
            quoted = sql.replace("'", "''")
            statement = f"EXECUTE IMMEDIATE '{quoted}' USING {', '.join(parameters)}"
        with self.server.connect(database) as connection:
            cursor = connection.cursor()
            try:
                cursor.execute(statement)
                rows = [tuple(_text(value) for value in row) for row in cursor.fetchall()]
            except trino.exceptions.TrinoQueryError as error:
                return Outcome(error=f"{error.error_name}: {error.message}")
            described = cursor.description
            types = [str(column.type_code) for column in described]
            return Outcome([column.name for column in described], rows, types=types)


def _text(value: Any) -> str | None:
    """A value as Athena spells it; times and decimals are text already. Raises for what no saved query has."""
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, (bool, int, float)):
        raise TypeError(f"the spelling of such a value is not known here: {value!r}")
    if isinstance(value, bool):
        return "true" if value else "false"
    # Outside of these bounds Java, and so Athena, writes a number with an exponent.
    if isinstance(value, int) or value == 0 or 1e-3 <= abs(value) < 1e7:
        return str(value)
    raise ValueError(f"the spelling of such a value is not known here: {value!r}")
