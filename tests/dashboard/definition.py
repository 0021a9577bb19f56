"""What the dashboard shows, as data: its data sets, and the visuals, filters and places of its sheets.

All of it is read from the Definition in cfn/quicksight.yaml. What this module does not know raises ValueError, for a
number could depend on it.
https://docs.aws.amazon.com/quicksight/latest/APIReference/API_DashboardVersionDefinition.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboard.deployed import QUICKSIGHT, Deployed

DASHBOARD = "ManagedNodeDashboard"
ANALYSIS = "ManagedNodeAnalysis"

# How many columns a sheet's grid has:
# https://docs.aws.amazon.com/quicksight/latest/APIReference/API_GridLayoutElement.html
GRID_COLUMNS = 36


@dataclass(frozen=True)
class Column:
    """A column of a data set: its name for people, its name in the SQL, and QuickSight's type of it."""

    name: str
    source: str
    type: str


@dataclass(frozen=True)
class DataSet:
    """A data set under the name by which the definition calls it. `table` is the name of its custom SQL."""

    identifier: str
    logical_id: str
    table: str
    sql: str
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column:
        """The column with that name for people; raises KeyError."""
        found = [column for column in self.columns if column.name == name]
        if len(found) != 1:
            raise KeyError(f"{self.identifier} has {len(found)} columns {name!r}")
        return found[0]


@dataclass(frozen=True)
class CalculatedField:
    """A named expression over a data set's columns, in QuickSight's language."""

    data_set: str
    name: str
    expression: str


@dataclass(frozen=True)
class Dimension:
    """A column by which a visual groups. `role`: category, colour, rows, columns; of a table, value.

    `kind` is the field's: categorical, numerical or date; None for a table's, which has no kinds.
    `date_format` is how a time is spelled, None for QuickSight's own way.
    """

    field_id: str
    role: str
    column: str
    kind: str | None
    date_format: str | None = None


@dataclass(frozen=True)
class Measure:
    """What a visual shows of each group. `role`: value or target (a gauge's).

    `aggregation`: COUNT, DISTINCT_COUNT or SUM of the column; None: the column is a calculated field's name, which
    aggregates by itself. `percent_decimals`: the value is a share, shown in percent with so many decimals.
    """

    field_id: str
    role: str
    column: str
    aggregation: str | None
    percent_decimals: int | None = None


@dataclass(frozen=True)
class Sort:
    """That a dimension or a table's rows are in the order of another field of the visual."""

    field_id: str
    by: str
    descending: bool


@dataclass(frozen=True)
class Limit:
    """How many values of a role's dimension are shown; the rest is one more, 'Other', or left out."""

    role: str
    items: int
    others_shown: bool


@dataclass(frozen=True)
class Filter:
    """That only those rows are shown whose column has one of the values; None: any value.

    `data_set` None: it is for the columns of that name in every data set, and a control sets it under `title`.
    """

    id: str
    data_set: str | None
    column: str
    values: tuple[str, ...] | None
    title: str | None = None


@dataclass(frozen=True)
class Action:
    """What a click on a part of a visual does: other visuals of the sheet show that part only."""

    id: str
    name: str
    targets: tuple[str, ...]


@dataclass(frozen=True)
class Visual:
    """A visual. `kind`: donut, pie, gauge, bar, kpi, pivot or table. `collapsed` are ids of a pivot's closed fields.

    `filters` are the visual's own, beside those that the sheet's controls set. `labels`: names for people of roles
    (category, colour, value) or, of a pivot, of fields.
    """

    id: str
    kind: str
    sheet: str
    title: str
    subtitle: str | None
    data_set: str
    dimensions: tuple[Dimension, ...]
    measures: tuple[Measure, ...]
    sorts: tuple[Sort, ...] = ()
    limits: tuple[Limit, ...] = ()
    filters: tuple[Filter, ...] = ()
    actions: tuple[Action, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    collapsed: tuple[str, ...] = ()
    horizontal: bool = False
    stacked: bool = False

    @property
    def fields(self) -> tuple[Dimension | Measure, ...]:
        """The dimensions and the measures, in the order of a row of figures."""
        return (*self.dimensions, *self.measures)


@dataclass(frozen=True)
class Place:
    """Where an element is on its sheet's grid, in columns and rows of it."""

    element: str
    column: int
    columns: int
    row: int
    rows: int


@dataclass(frozen=True)
class Sheet:
    """A sheet: its visuals in the order of the definition, its controls' filters from left to right, its grid."""

    id: str
    name: str
    title: str
    description: str
    visuals: tuple[Visual, ...]
    controls: tuple[Filter, ...]
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Dashboard:
    """The whole of it. `colours`: (data set, column) -> value -> colour; `palette` is the theme's, for all others."""

    name: str
    data_sets: dict[str, DataSet]
    calculated_fields: tuple[CalculatedField, ...]
    controls: tuple[Filter, ...]
    sheets: tuple[Sheet, ...]
    colours: dict[tuple[str, str], dict[str, str]]
    palette: tuple[str, ...]

    @property
    def visuals(self) -> dict[str, Visual]:
        """Every visual by its id, in the order of the sheets."""
        return {visual.id: visual for sheet in self.sheets for visual in sheet.visuals}

    def calculated_field(self, data_set: str, name: str) -> CalculatedField | None:
        """The data set's calculated field of that name."""
        wanted = (each for each in self.calculated_fields if (each.data_set, each.name) == (data_set, name))
        return next(wanted, None)


def read(resource: str = DASHBOARD, path: Path = QUICKSIGHT, **parameters: str) -> Dashboard:
    """The dashboard, or the analysis, as it is deployed with these parameters."""
    return interpret(Deployed(parameters, path), resource)


def interpret(deployed: Deployed, resource: str = DASHBOARD) -> Dashboard:
    """The same of a template that is read already."""
    properties = deployed.properties(resource)
    definition = Members(properties["Definition"])
    arns = {
        each["DataSetArn"]: each["Identifier"]
        for each in map(_exactly("Identifier", "DataSetArn"), definition.take("DataSetIdentifierDeclarations"))
    }
    data_sets = {}
    for logical_id, each in deployed.resources("AWS::QuickSight::DataSet").items():
        if identifier := arns.get(deployed.arn(logical_id)):
            data_sets[identifier] = _data_set(identifier, logical_id, each)
    if missing := set(arns.values()) - data_sets.keys():
        raise ValueError(f"no data sets of the template: {', '.join(sorted(missing))}")
    calculated = tuple(
        CalculatedField(each["DataSetIdentifier"], each["Name"], each["Expression"])
        for each in map(_exactly("DataSetIdentifier", "Name", "Expression"), definition.take("CalculatedFields", []))
    )
    colours = dict(_colours(each) for each in definition.take("ColumnConfigurations", []))
    controls, own = _filters(definition.take("FilterGroups", []))
    sheets = tuple(_sheet(each, controls, own) for each in definition.take("Sheets"))
    definition.take("AnalysisDefaults", None)
    definition.end()
    themes = deployed.resources("AWS::QuickSight::Theme")
    palette = [theme["Configuration"]["DataColorPalette"]["Colors"] for theme in themes.values()]
    return Dashboard(
        properties["Name"], data_sets, calculated, controls, sheets, colours, tuple(palette[0] if palette else ())
    )


class Members:
    """The members of an object of the API, taken one by one: `end` raises ValueError if any are left."""

    def __init__(self, value: dict[str, Any]) -> None:
        self._left = dict(value)

    def take(self, name: str, *default: Any) -> Any:
        """The member; without it the default, or ValueError."""
        if name not in self._left and not default:
            raise ValueError(f"no {name} in {self._left}")
        return self._left.pop(name, *default)

    def ignore(self, *names: str) -> None:
        """Looks only: no number depends on these."""
        for name in names:
            self._left.pop(name, None)

    def end(self) -> None:
        """Raises ValueError for members that nobody has taken."""
        if self._left:
            raise ValueError(f"not known here: {self._left}")


def _exactly(*names: str) -> Any:
    """Checks that an object has these members and no others, and returns it."""

    def check(value: dict[str, Any]) -> dict[str, Any]:
        if set(value) != set(names):
            raise ValueError(f"not {', '.join(names)}: {value}")
        return value

    return check


def _only(value: dict[str, Any], name: str) -> Any:
    """The one member of a union."""
    return _exactly(name)(value)[name]


def _one(values: list[Any]) -> Any:
    if len(values) != 1:
        raise ValueError(f"not one but {len(values)}: {values}")
    return values[0]


def _union(value: dict[str, Any]) -> tuple[str, Any]:
    """A union's member that is set, and its value."""
    return _one(list(value.items()))


# ----------------------------------------------------------------------------------------------------------------------
# Data sets
# ----------------------------------------------------------------------------------------------------------------------


def _data_set(identifier: str, logical_id: str, properties: dict[str, Any]) -> DataSet:
    physical_id, physical = _one(list(properties["PhysicalTableMap"].items()))
    sql = _exactly("DataSourceArn", "Name", "SqlQuery", "Columns")(_only(physical, "CustomSql"))
    logical = _exactly("Alias", "Source", "DataTransforms")(_one(list(properties["LogicalTableMap"].values())))
    if logical["Source"] != {"PhysicalTableId": physical_id}:
        raise ValueError(f"{logical_id}: its logical table is not of its physical one: {logical['Source']}")
    names: dict[str, str] = {}
    for transform in logical["DataTransforms"]:
        renaming = _exactly("ColumnName", "NewColumnName")(_only(transform, "RenameColumnOperation"))
        if renaming["ColumnName"] in names:
            raise ValueError(f"{logical_id}: {renaming['ColumnName']} is renamed twice")
        names[renaming["ColumnName"]] = renaming["NewColumnName"]
    columns = tuple(
        Column(names.pop(column["Name"], column["Name"]), column["Name"], column["Type"])
        for column in map(_exactly("Name", "Type"), sql["Columns"])
    )
    if names:
        raise ValueError(f"{logical_id} renames what is no column: {', '.join(names)}")
    return DataSet(identifier, logical_id, sql["Name"], sql["SqlQuery"], columns)


def _colours(configuration: dict[str, Any]) -> tuple[tuple[str, str], dict[str, str]]:
    _exactly("Column", "ColorsConfiguration")(configuration)
    custom = _only(configuration["ColorsConfiguration"], "CustomColors")
    return _column(configuration["Column"]), {
        each["FieldValue"]: each["Color"] for each in map(_exactly("FieldValue", "Color"), custom)
    }


def _column(identifier: dict[str, Any]) -> tuple[str, str]:
    _exactly("DataSetIdentifier", "ColumnName")(identifier)
    return identifier["DataSetIdentifier"], identifier["ColumnName"]


# ----------------------------------------------------------------------------------------------------------------------
# Filters
# ----------------------------------------------------------------------------------------------------------------------


def _filters(groups: list[dict[str, Any]]) -> tuple[tuple[Filter, ...], dict[tuple[str, str], tuple[Filter, ...]]]:
    """The filters that have a control, and the others by (sheet, visual)."""
    controls: list[Filter] = []
    own: dict[tuple[str, str], tuple[Filter, ...]] = {}
    for group in groups:
        _exactly("FilterGroupId", "CrossDataset", "Status", "ScopeConfiguration", "Filters")(group)
        if group["Status"] != "ENABLED":
            raise ValueError(f"{group['FilterGroupId']} is {group['Status']}")
        scope = group["ScopeConfiguration"]
        # Several filters of a group are alternatives.
        found = _filter(_only(_one(group["Filters"]), "CategoryFilter"), group["CrossDataset"])
        if scope == {"AllSheets": {}} and found.data_set is None and found.title is not None:
            controls.append(found)
            continue
        if found.data_set is None or found.title is not None:
            raise ValueError(f"neither a control for all sheets nor a visual's own filter: {group}")
        for each in _only(_only(scope, "SelectedSheets"), "SheetVisualScopingConfigurations"):
            _exactly("SheetId", "Scope", "VisualIds")(each)
            if each["Scope"] != "SELECTED_VISUALS":
                raise ValueError(f"not known here: {each}")
            for visual in each["VisualIds"]:
                own[each["SheetId"], visual] = (*own.get((each["SheetId"], visual), ()), found)
    return tuple(controls), own


def _filter(value: dict[str, Any], cross_dataset: str) -> Filter:
    members = Members(value)
    data_set, column = _column(members.take("Column"))
    configuration = Members(_only(members.take("Configuration"), "FilterListConfiguration"))
    if configuration.take("MatchOperator") != "CONTAINS":
        raise ValueError(f"not known here: {value}")
    values = configuration.take("CategoryValues", None)
    everything = configuration.take("SelectAllOptions", None) == "FILTER_ALL_VALUES"
    configuration.end()
    if everything != (values is None):
        raise ValueError(f"neither some values nor all: {value}")
    title = None
    if control := members.take("DefaultFilterControlConfiguration", None):
        title = control["Title"]
        if _exactly("Title", "ControlOptions")(control)["ControlOptions"] != {
            "DefaultDropdownOptions": {"Type": "MULTI_SELECT"}
        }:
            raise ValueError(f"not a list to choose from: {control}")
    found = Filter(
        members.take("FilterId"),
        {"ALL_DATASETS": None, "SINGLE_DATASET": data_set}[cross_dataset],
        column,
        None if values is None else tuple(values),
        title,
    )
    members.end()
    return found


# ----------------------------------------------------------------------------------------------------------------------
# Sheets and visuals
# ----------------------------------------------------------------------------------------------------------------------


def _sheet(
    value: dict[str, Any], controls: tuple[Filter, ...], own: dict[tuple[str, str], tuple[Filter, ...]]
) -> Sheet:
    members = Members(value)
    sheet_id = members.take("SheetId")
    by_id = {each.id: each for each in controls}
    sources = [_only(each, "CrossSheet") for each in members.take("FilterControls", [])]
    visuals = tuple(_visual(each, sheet_id, own) for each in members.take("Visuals"))
    strangers = {visual for sheet, visual in own if sheet == sheet_id} - {visual.id for visual in visuals}
    if strangers:
        raise ValueError(f"filters of visuals that {sheet_id} has not: {', '.join(sorted(strangers))}")
    grid = Members(_only(_only(_one(members.take("Layouts")), "Configuration"), "GridLayout"))
    grid.ignore("CanvasSizeOptions")
    places = tuple(map(_place, grid.take("Elements")))
    grid.end()
    sheet = Sheet(
        sheet_id,
        members.take("Name"),
        members.take("Title"),
        members.take("Description"),
        visuals,
        tuple(by_id[each["SourceFilterId"]] for each in map(_exactly("FilterControlId", "SourceFilterId"), sources)),
        places,
    )
    members.ignore("SheetControlLayouts", "ContentType")
    members.end()
    return sheet


def _place(element: dict[str, Any]) -> Place:
    _exactly("ElementId", "ElementType", "ColumnIndex", "ColumnSpan", "RowIndex", "RowSpan")(element)
    if element["ElementType"] != "VISUAL":
        raise ValueError(f"not known here: {element}")
    names = ("ColumnIndex", "ColumnSpan", "RowIndex", "RowSpan")
    return Place(element["ElementId"], *(int(element[name]) for name in names))


# The fields of each kind of visual: how the API calls their well, its roles, and which of those are measures.
WELLS: dict[str, tuple[str | None, dict[str, str], dict[str, str]]] = {
    "PieChartVisual": ("PieChartAggregatedFieldWells", {"Category": "category"}, {"Values": "value"}),
    "BarChartVisual": (
        "BarChartAggregatedFieldWells",
        {"Category": "category", "Colors": "colour"},
        {"Values": "value"},
    ),
    "PivotTableVisual": ("PivotTableAggregatedFieldWells", {"Rows": "rows", "Columns": "columns"}, {"Values": "value"}),
    "GaugeChartVisual": (None, {}, {"Values": "value", "TargetValues": "target"}),
    "KPIVisual": (None, {}, {"Values": "value"}),
    "TableVisual": ("TableUnaggregatedFieldWells", {"Values": "value"}, {}),
}
LIMITS = {"CategoryItemsLimit": "category", "ColorItemsLimit": "colour"}
LABELS = {"CategoryLabelOptions": "category", "ColorLabelOptions": "colour", "ValueLabelOptions": "value"}
# No number depends on them.
LOOKS = ("DataLabels", "GaugeChartOptions", "Legend", "Tooltip")


def _visual(value: dict[str, Any], sheet: str, own: dict[tuple[str, str], tuple[Filter, ...]]) -> Visual:
    union, content = _union(value)
    if union not in WELLS:
        raise ValueError(f"not known here: {union}")
    members = Members(content)
    visual_id = members.take("VisualId")
    chart = Members(members.take("ChartConfiguration"))
    well, dimension_roles, measure_roles = WELLS[union]
    wells = chart.take("FieldWells")
    fields = Members(wells if well is None else _only(wells, well))
    data_sets: set[str] = set()
    dimensions, measures = [], []
    for name, role in dimension_roles.items():
        for each in fields.take(name, []):
            data_set, dimension = _cell(each, role) if union == "TableVisual" else _dimension(each, role)
            data_sets.add(data_set)
            dimensions.append(dimension)
    for name, role in measure_roles.items():
        for each in fields.take(name, []):
            data_set, measure = _measure(each, role)
            data_sets.add(data_set)
            measures.append(measure)
    fields.end()
    sorting = Members(chart.take("SortConfiguration", {}))
    sorts = tuple(_sorts(sorting, dimensions))
    limits = tuple(_limit(LIMITS[name], limit) for name in LIMITS if (limit := sorting.take(name, None)) is not None)
    sorting.end()
    collapsed, field_labels = _field_options(chart.take("FieldOptions", {}))
    chart.ignore(*LOOKS)
    visual = Visual(
        visual_id,
        _kind(union, chart),
        sheet,
        _text(members.take("Title")),
        _text(members.take("Subtitle")) if "Subtitle" in content else None,
        _one(sorted(data_sets)),
        tuple(dimensions),
        tuple(measures),
        sorts,
        limits,
        own.get((sheet, visual_id), ()),
        tuple(map(_action, members.take("Actions", []))),
        tuple(_labels(chart, dimensions, measures)) + field_labels,
        collapsed,
        chart.take("Orientation", "VERTICAL") == "HORIZONTAL",
        chart.take("BarsArrangement", "CLUSTERED") == "STACKED",
    )
    chart.end()
    members.end()
    return visual


def _kind(union: str, chart: Members) -> str:
    if union == "PieChartVisual":
        options = chart.take("DonutOptions", {"ArcOptions": {"ArcThickness": "WHOLE"}})
        return "pie" if options["ArcOptions"]["ArcThickness"] == "WHOLE" else "donut"
    kinds = {"BarChartVisual": "bar", "PivotTableVisual": "pivot", "GaugeChartVisual": "gauge", "KPIVisual": "kpi"}
    return kinds.get(union, "table")


def _text(title: dict[str, Any]) -> str:
    return _only(_only(title, "FormatText"), "PlainText")


def _dimension(value: dict[str, Any], role: str) -> tuple[str, Dimension]:
    union, content = _union(value)
    kinds = {
        "CategoricalDimensionField": "categorical",
        "NumericalDimensionField": "numerical",
    }
    if union not in kinds:
        raise ValueError(f"not known here: {union}")
    _exactly("FieldId", "Column")(content)
    data_set, column = _column(content["Column"])
    return data_set, Dimension(content["FieldId"], role, column, kinds[union])


def _cell(value: dict[str, Any], role: str) -> tuple[str, Dimension]:
    """A column of an unaggregated table."""
    members = Members(value)
    data_set, column = _column(members.take("Column"))
    date_format = None
    if configuration := members.take("FormatConfiguration", None):
        date_format = _only(_only(configuration, "DateTimeFormatConfiguration"), "DateTimeFormat")
    cell = Dimension(members.take("FieldId"), role, column, None, date_format)
    members.end()
    return data_set, cell


def _measure(value: dict[str, Any], role: str) -> tuple[str, Measure]:
    union, content = _union(value)
    members = Members(content)
    data_set, column = _column(members.take("Column"))
    aggregation = members.take("AggregationFunction", None)
    if union == "CategoricalMeasureField":
        if aggregation not in ("COUNT", "DISTINCT_COUNT"):
            raise ValueError(f"not known here: {value}")
    elif union == "NumericalMeasureField":
        if aggregation is not None:
            aggregation = _only(aggregation, "SimpleNumericalAggregation")
            if aggregation not in ("COUNT", "DISTINCT_COUNT", "SUM"):
                raise ValueError(f"not known here: {value}")
    else:
        raise ValueError(f"not known here: {union}")
    percent_decimals = None
    if configuration := members.take("FormatConfiguration", None):
        percentage = _only(_only(configuration, "FormatConfiguration"), "PercentageDisplayFormatConfiguration")
        percent_decimals = int(_only(_only(percentage, "DecimalPlacesConfiguration"), "DecimalPlaces"))
    measure = Measure(members.take("FieldId"), role, column, aggregation, percent_decimals)
    members.end()
    return data_set, measure


def _sorts(sorting: Members, dimensions: list[Dimension]) -> Iterator[Sort]:
    for each in sorting.take("CategorySort", []):
        field = _exactly("FieldId", "Direction")(_only(each, "FieldSort"))
        (category,) = [dimension.field_id for dimension in dimensions if dimension.role == "category"]
        yield Sort(category, field["FieldId"], field["Direction"] == "DESC")
    for each in sorting.take("RowSort", []):
        field = _exactly("FieldId", "Direction")(_only(each, "FieldSort"))
        yield Sort("", field["FieldId"], field["Direction"] == "DESC")
    for each in sorting.take("FieldSortOptions", []):
        _exactly("FieldId", "SortBy")(each)
        field = _exactly("FieldId", "Direction")(_only(each["SortBy"], "Field"))
        yield Sort(each["FieldId"], field["FieldId"], field["Direction"] == "DESC")


def _limit(role: str, value: dict[str, Any]) -> Limit:
    _exactly("ItemsLimit", "OtherCategories")(value)
    return Limit(role, int(value["ItemsLimit"]), {"INCLUDE": True, "EXCLUDE": False}[value["OtherCategories"]])


def _field_options(value: dict[str, Any]) -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    """A pivot's collapsed fields, and its fields' labels."""
    options = Members(value)
    labels = tuple(
        (each["FieldId"], each["CustomLabel"])
        for each in map(_exactly("FieldId", "CustomLabel"), options.take("SelectedFieldOptions", []))
    )
    collapsed = []
    for each in map(_exactly("Target", "State"), options.take("CollapseStateOptions", [])):
        if each["State"] == "COLLAPSED":
            collapsed.append(_only(each["Target"], "FieldId"))
    options.end()
    return tuple(collapsed), labels


def _labels(chart: Members, dimensions: list[Dimension], measures: list[Measure]) -> Iterator[tuple[str, str]]:
    """Names for roles; the API wants each to say of which field it is, which has to be the role's own."""
    fields = {each.field_id: each for each in (*dimensions, *measures)}
    for name, role in LABELS.items():
        if options := chart.take(name, None):
            label = _exactly("CustomLabel", "ApplyTo")(_one(_only(options, "AxisLabelOptions")))
            target = _exactly("FieldId", "Column")(label["ApplyTo"])
            field = fields.get(target["FieldId"])
            if field is None or (field.role, field.column) != (role, _column(target["Column"])[1]):
                raise ValueError(f"{name} is of another field: {target}")
            yield role, label["CustomLabel"]


def _action(value: dict[str, Any]) -> Action:
    _exactly("CustomActionId", "Name", "Status", "Trigger", "ActionOperations")(value)
    operation = _exactly("SelectedFieldsConfiguration", "TargetVisualsConfiguration")(
        _only(_one(value["ActionOperations"]), "FilterOperation")
    )
    if (value["Status"], value["Trigger"], operation["SelectedFieldsConfiguration"]) != (
        "ENABLED",
        "DATA_POINT_CLICK",
        {"SelectedFieldOptions": "ALL_FIELDS"},
    ):
        raise ValueError(f"not known here: {value}")
    targets = _only(
        _only(operation["TargetVisualsConfiguration"], "SameSheetTargetVisualConfiguration"), "TargetVisuals"
    )
    return Action(value["CustomActionId"], value["Name"], tuple(targets))
