"""A definition is found fault with where QuickSight would find it, and nowhere else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from local_aws import quicksight_expression
from local_aws.quicksight_definition import (
    COLUMN_MISSING,
    DATA_SET_NOT_FOUND,
    INVALID,
    PARAMETER_NOT_FOUND,
    TYPE_MISMATCH,
    check,
)

Json = dict[str, Any]

NODES = {"Node key": "STRING", "Platform": "STRING", "Patch status": "STRING", "Missing": "INTEGER", "Seen": "DATETIME"}
DATA_SETS = {"Nodes": NODES, "Tags": {"Node key": "STRING", "Platform": "STRING", "Tag": "STRING"}}


def column(name: str, data_set: str = "Nodes") -> Json:
    return {"DataSetIdentifier": data_set, "ColumnName": name}


def donut(visual_id: str, category: Json, value: Json, *actions: Json) -> Json:
    return {
        "PieChartVisual": {
            "VisualId": visual_id,
            "Actions": list(actions),
            "ChartConfiguration": {
                "FieldWells": {"PieChartAggregatedFieldWells": {"Category": [category], "Values": [value]}},
                "SortConfiguration": {"CategorySort": [{"FieldSort": {"FieldId": "count", "Direction": "DESC"}}]},
            },
        }
    }


def by(name: str, data_set: str = "Nodes") -> Json:
    return {"CategoricalDimensionField": {"FieldId": "by", "Column": column(name, data_set)}}


def nodes(data_set: str = "Nodes") -> Json:
    counted = {"FieldId": "count", "Column": column("Node key", data_set), "AggregationFunction": "DISTINCT_COUNT"}
    return {"CategoricalMeasureField": counted}


def place(element_id: str, kind: str, at: int, span: int = 12) -> Json:
    return {
        "ElementId": element_id,
        "ElementType": kind,
        "ColumnIndex": at,
        "ColumnSpan": span,
        "RowIndex": 0,
        "RowSpan": 6,
    }


def only(visual: str) -> Json:
    """A scope of one visual."""
    scope = {"SheetId": "first", "Scope": "SELECTED_VISUALS", "VisualIds": [visual]}
    return {"SelectedSheets": {"SheetVisualScopingConfigurations": [scope]}}


def category_filter(filter_id: str, name: str, **more: Any) -> Json:
    listed = {"FilterListConfiguration": {"MatchOperator": "CONTAINS", "CategoryValues": ["Linux"]}}
    return {"CategoryFilter": {"FilterId": filter_id, "Column": column(name), "Configuration": listed, **more}}


CLICK = {
    "CustomActionId": "drill",
    "Name": "List these nodes",
    "Trigger": "DATA_POINT_CLICK",
    "ActionOperations": [
        {
            "FilterOperation": {
                "SelectedFieldsConfiguration": {"SelectedFields": ["by"]},
                "TargetVisualsConfiguration": {"SameSheetTargetVisualConfiguration": {"TargetVisuals": ["nodes"]}},
            }
        }
    ],
}
RATE = "distinct_countIf({Node key}, {Patch status} = 'Compliant') / distinct_count({Node key})"

GOOD: Json = {
    "DataSetIdentifierDeclarations": [
        {"Identifier": name, "DataSetArn": f"arn:aws:quicksight:us-east-1:111122223333:dataset/{name.lower()}"}
        for name in DATA_SETS
    ],
    "CalculatedFields": [
        {"DataSetIdentifier": "Nodes", "Name": "Rate", "Expression": RATE},
        {"DataSetIdentifier": "Nodes", "Name": "Word", "Expression": "concat({Platform}, ' \\'(', ${Suffix}, ')')"},
    ],
    "ParameterDeclarations": [
        {"StringParameterDeclaration": {"Name": "Suffix", "ParameterValueType": "SINGLE_VALUED"}}
    ],
    "ColumnConfigurations": [{"Column": column("Patch status"), "Role": "DIMENSION"}],
    "FilterGroups": [
        {
            "FilterGroupId": "platforms",
            "CrossDataset": "ALL_DATASETS",
            "ScopeConfiguration": {"AllSheets": {}},
            "Filters": [
                category_filter(
                    "platform",
                    "Platform",
                    DefaultFilterControlConfiguration={
                        "Title": "Platform",
                        "ControlOptions": {"DefaultDropdownOptions": {"Type": "MULTI_SELECT"}},
                    },
                )
            ],
        },
        {
            "FilterGroupId": "statuses",
            "CrossDataset": "SINGLE_DATASET",
            "ScopeConfiguration": only("by-status"),
            "Filters": [category_filter("status", "Patch status")],
        },
    ],
    "Sheets": [
        {
            "SheetId": "first",
            "Visuals": [
                donut("by-status", by("Patch status"), nodes(), CLICK),
                donut("by-tag", by("Tag", "Tags"), nodes("Tags")),
                {
                    "KPIVisual": {
                        "VisualId": "rate",
                        "ChartConfiguration": {
                            "FieldWells": {
                                "Values": [{"NumericalMeasureField": {"FieldId": "r", "Column": column("Rate")}}]
                            }
                        },
                    }
                },
                {
                    "TableVisual": {
                        "VisualId": "nodes",
                        "ChartConfiguration": {
                            "FieldWells": {
                                "TableUnaggregatedFieldWells": {
                                    "Values": [
                                        {"FieldId": "seen", "Column": column("Seen")},
                                        {"FieldId": "word", "Column": column("Word")},
                                    ]
                                }
                            },
                            "FieldOptions": {"Order": ["seen", "word"]},
                        },
                    }
                },
            ],
            "FilterControls": [{"CrossSheet": {"FilterControlId": "pick-platform", "SourceFilterId": "platform"}}],
            "TextBoxes": [{"SheetTextBoxId": "note", "Content": "<text-box>Counts are of nodes.</text-box>"}],
            "Layouts": [
                {
                    "Configuration": {
                        "GridLayout": {
                            "Elements": [
                                place("by-status", "VISUAL", 0, 9),
                                place("by-tag", "VISUAL", 9, 9),
                                place("rate", "VISUAL", 18, 6),
                                place("nodes", "VISUAL", 24, 6),
                                place("note", "TEXT_BOX", 30, 6),
                            ]
                        }
                    }
                }
            ],
            "SheetControlLayouts": [
                {"Configuration": {"GridLayout": {"Elements": [place("pick-platform", "FILTER_CONTROL", 0)]}}}
            ],
        }
    ],
}


def fault(definition: Json) -> list[tuple[str, str]]:
    return [(problem.type, problem.message) for problem in check(definition, DATA_SETS)]


def test_a_good_definition_has_no_problems() -> None:
    assert fault(GOOD) == []


Change = Callable[[Json], object]


def sheet(definition: Json) -> Json:
    return definition["Sheets"][0]


def pie(definition: Json) -> Json:
    return sheet(definition)["Visuals"][0]["PieChartVisual"]


def wells(definition: Json) -> Json:
    return pie(definition)["ChartConfiguration"]["FieldWells"]["PieChartAggregatedFieldWells"]


def rate(definition: Json) -> Json:
    return sheet(definition)["Visuals"][2]["KPIVisual"]["ChartConfiguration"]["FieldWells"]["Values"][0][
        "NumericalMeasureField"
    ]


def grid(definition: Json) -> list[Json]:
    return sheet(definition)["Layouts"][0]["Configuration"]["GridLayout"]["Elements"]


def control(definition: Json) -> Json:
    return sheet(definition)["FilterControls"][0]["CrossSheet"]


def group(definition: Json, number: int = 0) -> Json:
    return definition["FilterGroups"][number]


def click(definition: Json) -> Json:
    return pie(definition)["Actions"][0]["ActionOperations"][0]["FilterOperation"]


FAULTS: dict[str, tuple[Change, str, str]] = {
    "a data set that doesn't exist": (
        lambda d: d["DataSetIdentifierDeclarations"].append({"Identifier": "Gone", "DataSetArn": "arn"}),
        DATA_SET_NOT_FOUND,
        "The data set 'Gone' doesn't exist",
    ),
    "a data set declared twice": (
        lambda d: d["DataSetIdentifierDeclarations"].append(d["DataSetIdentifierDeclarations"][0]),
        INVALID,
        "The data set identifier 'Nodes' is declared twice",
    ),
    "a data set not declared": (
        lambda d: wells(d).update(Category=[by("Patch status", "Others")]),
        INVALID,
        "The data set 'Others' is not declared",
    ),
    "a visual's column": (
        lambda d: wells(d).update(Category=[by("Patch state")]),
        COLUMN_MISSING,
        "Required column 'Patch state' is missing in data set 'Nodes'",
    ),
    "a filter's column": (
        lambda d: group(d, 1)["Filters"][0]["CategoryFilter"].update(Column=column("State")),
        COLUMN_MISSING,
        "Required column 'State' is missing in data set 'Nodes'",
    ),
    "a column sort's column": (
        lambda d: pie(d)["ChartConfiguration"]["SortConfiguration"].update(
            CategorySort=[{"ColumnSort": {"SortBy": column("Order"), "Direction": "ASC"}}]
        ),
        COLUMN_MISSING,
        "Required column 'Order' is missing in data set 'Nodes'",
    ),
    "a column configuration's column": (
        lambda d: d["ColumnConfigurations"][0].update(Column=column("Colour")),
        COLUMN_MISSING,
        "Required column 'Colour' is missing in data set 'Nodes'",
    ),
    "a column configured twice": (
        lambda d: d["ColumnConfigurations"].append(d["ColumnConfigurations"][0]),
        INVALID,
        "The column 'Patch status' is configured twice",
    ),
    "a number as a category": (
        lambda d: wells(d).update(Category=[by("Missing")]),
        TYPE_MISMATCH,
        "The column 'Missing' is INTEGER, a CategoricalDimensionField takes STRING",
    ),
    "a text as a number": (
        lambda d: wells(d).update(
            Values=[{"NumericalMeasureField": {"FieldId": "count", "Column": column("Node key")}}]
        ),
        TYPE_MISMATCH,
        "The column 'Node key' is STRING, a NumericalMeasureField takes INTEGER or DECIMAL or AGGREGATED",
    ),
    "a text as a date": (
        lambda d: wells(d).update(
            Category=[{"DateDimensionField": {"FieldId": "by", "Column": column("Patch status")}}]
        ),
        TYPE_MISMATCH,
        "The column 'Patch status' is STRING, a DateDimensionField takes DATETIME",
    ),
    "a date in a category filter": (
        lambda d: group(d, 1)["Filters"][0]["CategoryFilter"].update(Column=column("Seen")),
        TYPE_MISMATCH,
        "The column 'Seen' is DATETIME, a CategoryFilter takes STRING",
    ),
    "an aggregation as a category": (
        lambda d: wells(d).update(Category=[by("Rate")]),
        TYPE_MISMATCH,
        "The column 'Rate' aggregates, a CategoricalDimensionField takes STRING",
    ),
    "an aggregation aggregated": (
        lambda d: rate(d).update(AggregationFunction={"SimpleNumericalAggregation": "SUM"}),
        INVALID,
        "The calculated field 'Rate' aggregates already, it takes no AggregationFunction",
    ),
    "a calculated field's column": (
        lambda d: d["CalculatedFields"][0].update(Expression="distinct_count({Node})"),
        INVALID,
        "The calculated field 'Rate' reads 'Node', which is not there",
    ),
    "a calculated field of a column's name": (
        lambda d: d["CalculatedFields"][1].update(Name="Platform"),
        INVALID,
        "The calculated field 'Platform' has the name of a column of 'Nodes'",
    ),
    "a calculated field twice": (
        lambda d: d["CalculatedFields"].append(d["CalculatedFields"][0]),
        INVALID,
        "The calculated field 'Rate' of 'Nodes' is there twice",
    ),
    "a calculated field of nobody's data set": (
        lambda d: d["CalculatedFields"][0].update(DataSetIdentifier="Others"),
        INVALID,
        "The data set 'Others' is not declared",
    ),
    "a calculated field's parameter": (
        lambda d: d.pop("ParameterDeclarations"),
        PARAMETER_NOT_FOUND,
        "The calculated field 'Word' reads the parameter 'Suffix', which is not there",
    ),
    "a filter's parameter": (
        lambda d: group(d, 1)["Filters"][0]["CategoryFilter"]["Configuration"].update(
            CustomFilterConfiguration={
                "MatchOperator": "EQUALS",
                "NullOption": "ALL_VALUES",
                "ParameterName": "Status",
            }
        ),
        PARAMETER_NOT_FOUND,
        "The parameter 'Status' is not declared",
    ),
    "a visual of two kinds": (
        lambda d: sheet(d)["Visuals"][0].update(EmptyVisual={"VisualId": "empty", "DataSetIdentifier": "Nodes"}),
        INVALID,
        "A Visual has one member, here are PieChartVisual, EmptyVisual",
    ),
    "a visual of two data sets": (
        lambda d: wells(d).update(Category=[by("Tag", "Tags")]),
        INVALID,
        "The visual draws more than one data set: Nodes, Tags",
    ),
    "a field id twice": (
        lambda d: wells(d)["Category"][0]["CategoricalDimensionField"].update(FieldId="count"),
        INVALID,
        "The field id 'count' is there twice in one visual",
    ),
    "a sort's field": (
        lambda d: pie(d)["ChartConfiguration"]["SortConfiguration"]["CategorySort"][0]["FieldSort"].update(FieldId="x"),
        INVALID,
        "There is no field 'x' in the visual",
    ),
    "an order's field": (
        lambda d: sheet(d)["Visuals"][3]["TableVisual"]["ChartConfiguration"]["FieldOptions"]["Order"].append("by"),
        INVALID,
        "There is no field 'by' in the visual",
    ),
    "an action's field": (
        lambda d: click(d)["SelectedFieldsConfiguration"].update(SelectedFields=["seen"]),
        INVALID,
        "There is no field 'seen' in the visual",
    ),
    "an action's target": (
        lambda d: click(d)["TargetVisualsConfiguration"]["SameSheetTargetVisualConfiguration"].update(
            TargetVisuals=["all"]
        ),
        INVALID,
        "There is no visual 'all' on the sheet",
    ),
    "two actions for a click": (
        lambda d: pie(d)["Actions"].append({**CLICK, "CustomActionId": "again"}),
        INVALID,
        "A visual has one action for a click on a data point",
    ),
    "an action's sheet": (
        lambda d: pie(d)["Actions"][0].update(
            ActionOperations=[{"NavigationOperation": {"LocalNavigationConfiguration": {"TargetSheetId": "second"}}}]
        ),
        INVALID,
        "There is no sheet 'second'",
    ),
    "a visual id twice": (
        lambda d: pie(d).update(VisualId="by-tag"),
        INVALID,
        "The VisualId 'by-tag' is there twice",
    ),
    "a filter id twice": (
        lambda d: group(d, 1)["Filters"][0]["CategoryFilter"].update(FilterId="platform"),
        INVALID,
        "The FilterId 'platform' is there twice",
    ),
    "a filter group id twice": (
        lambda d: group(d, 1).update(FilterGroupId="platforms"),
        INVALID,
        "The FilterGroupId 'platforms' is there twice",
    ),
    "a control id twice": (
        lambda d: sheet(d)["FilterControls"].append(sheet(d)["FilterControls"][0]),
        INVALID,
        "The FilterControlId 'pick-platform' is there twice",
    ),
    "a sheet id twice": (
        lambda d: d["Sheets"].append({"SheetId": "first"}),
        INVALID,
        "The SheetId 'first' is there twice",
    ),
    "a control's filter": (
        lambda d: control(d).update(SourceFilterId="region"),
        INVALID,
        "There is no filter 'region'",
    ),
    "a control without a default": (
        lambda d: group(d)["Filters"][0]["CategoryFilter"].pop("DefaultFilterControlConfiguration"),
        INVALID,
        "The filter 'platform' has no DefaultFilterControlConfiguration",
    ),
    "a control of another sheet's filter": (
        lambda d: group(d).update(
            ScopeConfiguration={
                "SelectedSheets": {"SheetVisualScopingConfigurations": [{"SheetId": "second", "Scope": "ALL_VISUALS"}]}
            }
        ),
        INVALID,
        "The filter 'platform' is not for this sheet",
    ),
    "a scope's sheet": (
        lambda d: group(d, 1)["ScopeConfiguration"]["SelectedSheets"]["SheetVisualScopingConfigurations"][0].update(
            SheetId="second"
        ),
        INVALID,
        "There is no sheet 'second'",
    ),
    "a scope's visual": (
        lambda d: group(d, 1).update(ScopeConfiguration=only("all")),
        INVALID,
        "There is no visual 'all' on the sheet 'first'",
    ),
    "a scope's visual of another data set": (
        lambda d: group(d, 1).update(ScopeConfiguration=only("by-tag")),
        INVALID,
        "The visual 'by-tag' draws no data set that is filtered here",
    ),
    "a scope of selected visuals without any": (
        lambda d: group(d, 1)["ScopeConfiguration"]["SelectedSheets"]["SheetVisualScopingConfigurations"][0].pop(
            "VisualIds"
        ),
        INVALID,
        "VisualIds are for SELECTED_VISUALS, which needs them",
    ),
    "an element of nothing": (
        lambda d: grid(d)[4].update(ElementId="other"),
        INVALID,
        "There is no TEXT_BOX 'other' on the sheet",
    ),
    "an element of another type": (
        lambda d: grid(d)[4].update(ElementType="VISUAL"),
        INVALID,
        "There is no VISUAL 'note' on the sheet",
    ),
    "a control's element": (
        lambda d: sheet(d)["SheetControlLayouts"][0]["Configuration"]["GridLayout"]["Elements"][0].update(
            ElementId="pick"
        ),
        INVALID,
        "There is no FILTER_CONTROL 'pick' on the sheet",
    ),
    "an element twice": (
        lambda d: grid(d).append({**grid(d)[0], "RowIndex": 6}),
        INVALID,
        "The element 'by-status' is there twice in one layout",
    ),
    "a visual without a place": (
        lambda d: grid(d).pop(2),
        INVALID,
        "The visual 'rate' has no place in the layout",
    ),
    "an overlap": (
        lambda d: grid(d)[1].update(ColumnIndex=8),
        INVALID,
        "The elements 'by-status' and 'by-tag' overlap",
    ),
    "an element beyond the grid": (
        lambda d: grid(d)[4].update(ColumnIndex=31),
        INVALID,
        "The element 'note' ends beyond the 36 columns of the grid",
    ),
}


@pytest.mark.parametrize(("change", "kind", "message"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_found(change: Change, kind: str, message: str) -> None:
    definition = copy.deepcopy(GOOD)
    change(definition)
    assert (kind, message) in fault(definition)


def test_a_data_set_that_is_declared_and_unknown_is_found_once() -> None:
    columns = {**DATA_SETS, "Tags": None}
    found = check(GOOD, columns, {"Tags": "arn:aws:quicksight:us-east-1:111122223333:dataset/tags"})
    message = "The data set 'arn:aws:quicksight:us-east-1:111122223333:dataset/tags' doesn't exist"
    assert [(each.type, each.message) for each in found] == [(DATA_SET_NOT_FOUND, message)]


@pytest.mark.parametrize(
    ("text", "aggregates", "problems"),
    [
        ("ifelse({Missing} > 0, 'some', 'none')", False, []),
        ("sum({Missing}) / count({Node key})", True, []),
        ("sum({Missing}) / {Missing}", True, ["reads 'Missing' outside of its aggregation"]),
        ("sum(max({Missing}))", True, ["has the aggregation max inside of another"]),
        ("distinctcount({Node key})", False, ["calls distinctcount, which is no function that is known here"]),
        ("count({Node key}", True, ["lacks a ')'"]),
        ("count({Node key}))", True, ["has a ')' too many"]),
        ("count({Node key}) ; 1", True, ["can't be read from '; 1' on"]),
        ("toLower(Platform) = 'linux' and not isNull(Platform)", False, []),
        ("dateDiff({Seen}, now(), 'DD')", False, []),
        ("", False, ["is empty"]),
    ],
)
def test_expressions_are_read(text: str, aggregates: bool, problems: list[str]) -> None:
    types, found = quicksight_expression.field_types(NODES, {"x": text})
    assert found == [f"The calculated field 'x' {problem}" for problem in problems]
    assert (types["x"] == "AGGREGATED") is aggregates


def test_a_field_of_fields_that_aggregate_aggregates() -> None:
    fields = {
        "missing": "sum({Missing})",
        "all": "count({Node key})",
        "share": "{missing} / {all}",
        "bad": "max({all})",
    }
    types, problems = quicksight_expression.field_types(NODES, fields)
    assert types == dict.fromkeys(fields, "AGGREGATED")
    assert problems == ["The calculated field 'bad' aggregates 'all', which aggregates"]
