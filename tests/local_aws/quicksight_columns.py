"""The columns that a QuickSight data set has, from the tables and transforms that it is made of.

https://docs.aws.amazon.com/quicksight/latest/APIReference/API_CreateDataSet.html, the data preparation with physical
and logical tables. The names of columns are unique in a data set, and a transform names columns that there are by then;
what QuickSight says otherwise is not known, the texts are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from local_aws import quicksight_expression
from local_aws.quicksight_accounts import invalid

Json = dict[str, Any]
Columns = dict[str, str]

# The types that a column has in an analysis: https://docs.aws.amazon.com/quicksight/latest/APIReference/API_OutputColumn.html
# How QuickSight maps the others of a table's types is told for its user interface only.
_OUTPUT_TYPES = {"BIT": "INTEGER", "BOOLEAN": "INTEGER", "JSON": "STRING", "SEMISTRUCT": "STRING"}


def output_columns(request: Json, data_set: Callable[[str], Mapping[str, str]]) -> Columns:
    """The columns of a data set with their types.

    ``data_set`` gives the columns of another data set by its ARN. Raises `ApiError` if tables or columns don't fit.
    """
    physical = {name: _physical(name, table) for name, table in request["PhysicalTableMap"].items()}
    logical = request.get("LogicalTableMap")
    if not logical:
        if len(physical) > 1:
            raise invalid("A data set of more than one physical table needs a LogicalTableMap.")
        columns = next(iter(physical.values()), {})
    else:
        columns = _logical(_root(logical), logical, physical, data_set)
    for folder, content in request.get("FieldFolders", {}).items():
        _need(columns, content.get("columns", []), f"field folder {folder}")
    for group in request.get("ColumnGroups", []):
        for inner in group.values():
            _need(columns, inner["Columns"], f"column group {inner['Name']}")
    for rule in request.get("ColumnLevelPermissionRules", []):
        _need(columns, rule.get("ColumnNames", []), "column level permission rule")
    return columns


def _physical(name: str, table: Json) -> Columns:
    (source,) = table.values()
    columns: Columns = {}
    given = source.get("Columns", source.get("InputColumns", []))
    if not given:
        raise invalid(f"The physical table {name} has no columns.")
    for column in given:
        _add(columns, column["Name"], _OUTPUT_TYPES.get(column["Type"], column["Type"]))
    return columns


def _root(logical: Json) -> str:
    """The table that is no part of a join."""
    joins = [table["Source"]["JoinInstruction"] for table in logical.values() if "JoinInstruction" in table["Source"]]
    parts = {join[side] for join in joins for side in ("LeftOperand", "RightOperand")}
    roots = [name for name in logical if name not in parts]
    if len(roots) != 1:
        raise invalid("A LogicalTableMap has one table that no other joins.")
    return roots[0]


def _logical(
    name: str, logical: Json, physical: Mapping[str, Columns], data_set: Callable[[str], Mapping[str, str]]
) -> Columns:
    if name not in logical:
        raise invalid(f"There is no logical table {name}.")
    match logical[name]["Source"]:
        case {"PhysicalTableId": table}:
            if table not in physical:
                raise invalid(f"There is no physical table {table}.")
            columns = dict(physical[table])
        case {"DataSetArn": other}:
            columns = dict(data_set(other))
        case {"JoinInstruction": join}:
            columns = {}
            for side in ("LeftOperand", "RightOperand"):
                for column, kind in _logical(join[side], logical, physical, data_set).items():
                    _add(columns, column, kind)
            _need(columns, quicksight_expression.read(join["OnClause"]).columns, "join")
    for transform in logical[name].get("DataTransforms", []):
        ((kind, operation),) = transform.items()
        columns = _transformed(columns, kind, operation)
    return columns


def _transformed(columns: Columns, kind: str, operation: Json) -> Columns:
    match kind:
        case "ProjectOperation":
            _need(columns, operation["ProjectedColumns"], kind)
            return {name: columns[name] for name in operation["ProjectedColumns"]}
        case "RenameColumnOperation":
            old, new = operation["ColumnName"], operation["NewColumnName"]
            _need(columns, [old], kind)
            # The column keeps its place.
            renamed: Columns = {}
            for name, column_type in columns.items():
                _add(renamed, new if name == old else name, column_type)
            return renamed
        case "CastColumnTypeOperation":
            _need(columns, [operation["ColumnName"]], kind)
            return {**columns, operation["ColumnName"]: operation["NewColumnType"]}
        case "CreateColumnsOperation":
            created = dict(columns)
            for column in operation["Columns"]:
                _need(created, quicksight_expression.read(column["Expression"]).columns, kind)
                _add(created, column["ColumnName"], "")
            return created
        case "TagColumnOperation" | "UntagColumnOperation":
            _need(columns, [operation["ColumnName"]], kind)
        case "FilterOperation" if "ConditionExpression" in operation:
            _need(columns, quicksight_expression.read(operation["ConditionExpression"]).columns, kind)
    return columns


def _add(columns: Columns, name: str, kind: str) -> None:
    if name in columns:
        raise invalid(f"The column name {name} is there twice.")
    columns[name] = kind


def _need(columns: Mapping[str, str], names: list[str], where: str) -> None:
    for name in names:
        if name not in columns:
            raise invalid(f"The column {name} that a {where} names is not there.")
