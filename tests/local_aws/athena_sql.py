"""Queries in Athena's dialect, made ready for DuckDB.

A query is analysed as Trino does before it runs: tables and columns are resolved, an alias is no column of its own
SELECT, and values of different kinds are not compared. What fails does so with Trino's error and position:
https://docs.aws.amazon.com/athena/latest/ug/engine-versions-reference-0003.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.pushdown_projections import pushdown_projections
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope
from sqlglot.schema import MappingSchema
from sqlglot.tokens import TokenType

from local_aws import athena_pruning
from local_aws.athena_errors import MalformedQueryError, QueryError, position
from local_aws.athena_pruning import Read, TableName

_DIALECT = "athena"
_CATALOG = "awsdatacatalog"

# Trino functions that neither DuckDB has nor sqlglot translates, as macros over DuckDB's.
MACROS = (
    # Of several values of a key Trino keeps one, DuckDB would refuse. As JSON Trino writes a map by its keys' order.
    """CREATE MACRO map_agg(k, v) AS map_from_entries(list_sort(list_filter(list(row(k, v)), lambda entry, number:
       entry[1] IS NOT NULL AND list_position(list(k), entry[1]) = number)))""",
    "CREATE MACRO at_timezone(moment, zone) AS timezone(zone, moment)",
    "CREATE MACRO every(condition) AS bool_and(condition)",
)

_UNNAMED = "unnamed column "

_COMPARISONS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE)
_COMPARISON_SIGNS = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}

# Kinds of types between which Trino converts nothing by itself, with Trino's name of each type in them.
_KINDS = {
    "text": {exp.DataType.Type.VARCHAR: "varchar", exp.DataType.Type.TEXT: "varchar", exp.DataType.Type.CHAR: "char"},
    "number": {
        exp.DataType.Type.TINYINT: "tinyint",
        exp.DataType.Type.SMALLINT: "smallint",
        exp.DataType.Type.INT: "integer",
        exp.DataType.Type.BIGINT: "bigint",
        exp.DataType.Type.FLOAT: "real",
        exp.DataType.Type.DOUBLE: "double",
        exp.DataType.Type.DECIMAL: "decimal",
    },
    "time": {
        exp.DataType.Type.DATE: "date",
        exp.DataType.Type.TIMESTAMP: "timestamp(3)",
        exp.DataType.Type.TIMESTAMPTZ: "timestamp(3) with time zone",
    },
    "truth": {exp.DataType.Type.BOOLEAN: "boolean"},
}


# The columns of a table by name with DuckDB's types, the hidden ones among them; raises QueryError.
ColumnsOf = Callable[[TableName], dict[str, str]]

# What every table has besides its own columns, and no ``*`` shows: which object a row comes from, and when that was
# written. https://trino.io/docs/current/connector/hive.html#special-columns
HIDDEN_COLUMNS = {"$path": "VARCHAR", "$file_modified_time": "TIMESTAMPTZ"}


@dataclass(frozen=True)
class Query:
    """A SELECT that has been analysed."""

    tree: exp.Expression
    columns: list[str]
    reads: list[Read]
    schema: MappingSchema

    def for_duckdb(self, relation_of: Callable[[TableName], str]) -> str:
        """The query over DuckDB's relations."""
        tree = self.tree.copy()
        for scope in traverse_scope(tree):
            for table in _tables(scope):
                relation = exp.to_identifier(relation_of(_name(table)), quoted=True)
                table.set("this", relation)
                table.set("db", None)
                table.set("catalog", None)
        for difference in list(tree.find_all(exp.DateDiff)):
            # Trino counts whole days, DuckDB midnights; what counts as Trino does is called date_sub there.
            unit = exp.Literal.string(difference.text("unit").lower() or "day")
            whole = exp.Anonymous(this="date_sub", expressions=[unit, difference.expression, difference.this])
            difference.replace(whole)
        return tree.sql("duckdb")

    def asks_for_files(self, table: TableName) -> bool:
        """Whether the query names a hidden column of the table."""
        named = any(column.name in HIDDEN_COLUMNS for column in self.tree.find_all(exp.Column))
        return named and not HIDDEN_COLUMNS.keys().isdisjoint(self.columns_read(table))

    def columns_read(self, table: TableName) -> set[str]:
        """The columns of a table that the query needs for its answer; none of them for ``count(*)``."""
        tree = pushdown_projections(self.tree.copy())
        return {
            column.name
            for scope in traverse_scope(tree)
            for alias, (_, source) in scope.selected_sources.items()
            if isinstance(source, exp.Table) and _name(source) == table
            for column in scope.source_columns(alias)
        }


def parse(sql: str, parameters: list[str]) -> exp.Expression:
    """The one statement of the text, with the execution parameters in place of its question marks.

    Raises MalformedQueryError, or QueryError if the number of parameters is not that of the question marks.
    """
    try:
        bound = _bind(sql, parameters)
        statements = [statement for statement in sqlglot.parse(bound, dialect=_DIALECT) if statement is not None]
    except SqlglotError as error:
        raise MalformedQueryError(_parse_message(error)) from error
    if len(statements) != 1:
        raise MalformedQueryError(f"Only one sql statement is allowed. Got: {sql}")
    return statements[0]


def analyse(sql: str, tree: exp.Expression, database: str, columns_of: ColumnsOf) -> Query:
    """Resolve a SELECT's tables and columns as Trino would. Raises QueryError."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for scope in traverse_scope(tree):
        for table in _tables(scope):
            _set_database(sql, table, database)
            try:
                columns = columns_of(_name(table))
            except KeyError as error:
                raise _missing(sql, table, error.args[0]) from None
            found.setdefault(table.db, {})[table.name] = columns
    for column in tree.find_all(exp.Column):
        # The database is told by the table; DuckDB knows neither.
        column.set("catalog", None)
    original = tree.copy()
    _mark_unnamed(tree)
    schema = _schema(found)
    try:
        tree = qualify(tree, schema=schema, dialect=_DIALECT, expand_alias_refs=False, quote_identifiers=True)
    except OptimizeError as error:
        raise _unresolved(sql, original, found, str(error)) from error
    tree = annotate_types(tree, schema=schema, dialect=_DIALECT)
    _check_comparisons(sql, tree)
    names = _name_columns(tree)
    return Query(tree, names, athena_pruning.reads(tree), schema)


def _schema(found: dict[str, dict[str, dict[str, str]]]) -> MappingSchema:
    shown = {
        database: {table: [name for name in columns if name not in HIDDEN_COLUMNS] for table, columns in tables.items()}
        for database, tables in found.items()
    }
    return MappingSchema(found, visible=shown, dialect=_DIALECT)


def _bind(sql: str, parameters: list[str]) -> str:
    marks = [token for token in sqlglot.tokenize(sql, dialect=_DIALECT) if token.token_type == TokenType.PLACEHOLDER]
    if len(marks) != len(parameters):
        raise QueryError(
            "INVALID_PARAMETER_USAGE",
            f"line 1:1: Incorrect number of parameters: expected {len(marks)} but found {len(parameters)}",
        )
    for token, value in reversed(list(zip(marks, parameters, strict=True))):
        sql = sql[: token.start] + value + sql[token.end + 1 :]
    return sql


def _parse_message(error: SqlglotError) -> str:
    detail = (getattr(error, "errors", None) or [{}])[0]
    if not detail.get("line"):
        return f"line 1:1: {error}"
    found = detail.get("highlight") or "<EOF>"
    start = max(detail["col"] - len(found) + 1, 1)
    return f"line {detail['line']}:{start}: mismatched input '{found}'"


def _tables(scope: Scope) -> Iterator[exp.Table]:
    """The tables of the catalog that a scope reads, in order; names bound by WITH are none."""
    return (source for source in scope.sources.values() if isinstance(source, exp.Table))


def _name(table: exp.Table) -> TableName:
    return TableName(table.db, table.name)


def _set_database(sql: str, table: exp.Table, database: str) -> None:
    """Make the table's name complete and lower-case, as Athena's catalog has it."""
    if table.catalog and table.catalog.lower() != _CATALOG:
        raise QueryError("CATALOG_NOT_FOUND", f"{_at(sql, table)}: Catalog '{table.catalog}' not found")
    if not table.alias:
        exp.alias_(table, table.name, table=True, copy=False)
    table.set("catalog", None)
    for part, name in (("db", table.db or database), ("this", table.name)):
        identifier = table.args.get(part) or exp.to_identifier(name)
        identifier.set("this", name.lower())
        table.set(part, identifier)


def _missing(sql: str, table: exp.Table, what: str) -> QueryError:
    if what == "database":
        return QueryError("SCHEMA_NOT_FOUND", f"{_at(sql, table)}: Schema '{table.db}' does not exist")
    name = f"{_CATALOG}.{table.db}.{table.name}"
    return QueryError("TABLE_NOT_FOUND", f"{_at(sql, table)}: Table '{name}' does not exist")


def _at(sql: str, node: exp.Expression) -> str:
    starts = [part.meta["start"] for part in node.find_all(exp.Identifier) if "start" in part.meta]
    return position(sql, min(starts, default=0))


def _mark_unnamed(tree: exp.Expression) -> None:
    """Alias what Trino names ``_col0``, … by its place, which is known when every ``*`` is expanded."""
    for number, projection in enumerate(tree.selects if isinstance(tree, exp.Query) else []):
        if not isinstance(projection, (exp.Alias, exp.Column, exp.Star)):
            projection.replace(exp.alias_(projection.copy(), f"{_UNNAMED}{number}", quoted=True))


def _name_columns(tree: exp.Expression) -> list[str]:
    names = [projection.alias_or_name for projection in tree.selects]
    return [f"_col{place}" if name.startswith(_UNNAMED) else name for place, name in enumerate(names)]


def _unresolved(
    sql: str, tree: exp.Expression, schema: dict[str, dict[str, dict[str, str]]], message: str
) -> QueryError:
    """Trino's words for a column that could not be resolved, from sqlglot's."""
    found = re.search(r"Column '(.+?)' could not be resolved|Unknown column: (\S+)", message)
    if not found:
        return QueryError("SYNTAX_ERROR", message.splitlines()[0])
    name = found[1] or found[2]
    where = re.search(r"Line: (\d+), Col: (\d+)", message)
    candidates = [column for column in tree.find_all(exp.Column) if column.name.lower() == name.lower()]
    if where:
        place = (int(where[1]), int(where[2]))
        candidates = [each for each in candidates if (each.this.meta.get("line"), each.this.meta.get("col")) == place]
    elif found[2]:
        candidates = [each for each in candidates if each.table]
    if not candidates:
        return QueryError("COLUMN_NOT_FOUND", f"line 1:1: Column '{name}' cannot be resolved")
    column = candidates[0]
    read = [schema.get(table.db, {}).get(table.name, {}) for table in tree.find_all(exp.Table)]
    if sum(name.lower() in columns for columns in read) > 1 and not column.table:
        return QueryError("AMBIGUOUS_NAME", f"{_at(sql, column)}: Column '{name}' is ambiguous")
    full = f"{column.table}.{name}" if column.table else name
    return QueryError("COLUMN_NOT_FOUND", f"{_at(sql, column)}: Column '{full}' cannot be resolved")


def _check_comparisons(sql: str, tree: exp.Expression) -> None:
    """Refuse what Trino refuses: `'10' > 5`, or a text compared with a date."""
    for comparison in tree.find_all(*_COMPARISONS):
        left, right = _kind(comparison.left), _kind(comparison.right)
        if left and right and left[0] != right[0]:
            sign = _COMPARISON_SIGNS[type(comparison)]
            raise QueryError(
                "TYPE_MISMATCH",
                f"{_at(sql, comparison)}: Cannot apply operator: {left[1]} {sign} {right[1]}",
            )


def _kind(node: exp.Expression) -> tuple[str, str] | None:
    if node.type is None:
        return None
    return next(((kind, names[node.type.this]) for kind, names in _KINDS.items() if node.type.this in names), None)
