"""What a QuickSight definition must say to be of use: it names what there is, in places that take it.

A definition is that of an analysis or a dashboard, in the API's spelling
(https://docs.aws.amazon.com/quicksight/latest/APIReference/API_AnalysisDefinition.html). `check` needs no server. It
presumes the model's constraints (`validation`), and finds:

- data sets that are not there, and columns that they lack: DATA_SET_NOT_FOUND and COLUMN_REPLACEMENT_MISSING, the
  latter in QuickSight's words (https://github.com/awslabs/aws-well-architected-labs/issues/294);
- fields of another type than their well takes, which is COLUMN_TYPE_MISMATCH: categorical ones are text, numerical ones
  numbers, dates are dates, as the descriptions of the shapes say; a calculated field that aggregates is a number, is no
  dimension, and is not aggregated once more;
- parameters that nobody declares, which is PARAMETER_NOT_FOUND;
- and what the API reference demands of ids, structures of which one member may be there, scopes, controls, actions and
  the grid. QuickSight has no type for these, and nobody tells its words; they are INVALID here.

A visual draws one data set (https://docs.aws.amazon.com/quicksight/latest/user/creating-a-visual.html), and its sorts
and options name fields of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from local_aws import quicksight_expression
from local_aws.query_protocol import service_model

Json = dict[str, Any]

DATA_SET_NOT_FOUND = "DATA_SET_NOT_FOUND"
COLUMN_MISSING = "COLUMN_REPLACEMENT_MISSING"
TYPE_MISMATCH = "COLUMN_TYPE_MISMATCH"
PARAMETER_NOT_FOUND = "PARAMETER_NOT_FOUND"
INVALID = "INVALID"

GRID_COLUMNS = 36  # https://docs.aws.amazon.com/quicksight/latest/APIReference/API_GridLayoutElement.html

_NUMBERS, _TEXT, _DATES = ("INTEGER", "DECIMAL"), ("STRING",), ("DATETIME",)
_DIMENSIONS = {
    "CategoricalDimensionField": _TEXT,
    "NumericalDimensionField": _NUMBERS,
    "DateDimensionField": _DATES,
    "UnaggregatedField": (*_TEXT, *_NUMBERS, *_DATES),
}
_MEASURES = {
    "CategoricalMeasureField": _TEXT,
    "NumericalMeasureField": (*_NUMBERS, "AGGREGATED"),
    "DateMeasureField": _DATES,
}
_FILTERS = {
    "CategoryFilter": _TEXT,
    "NumericEqualityFilter": (*_NUMBERS, "AGGREGATED"),
    "NumericRangeFilter": (*_NUMBERS, "AGGREGATED"),
    "TimeEqualityFilter": _DATES,
    "TimeRangeFilter": _DATES,
    "RelativeDatesFilter": _DATES,
}
_TYPED = {**_DIMENSIONS, **_MEASURES, **_FILTERS}
_FIELDS = {*_DIMENSIONS, *_MEASURES, "CalculatedMeasureField"}

# Members that name something, and shapes whose member of that name says what it is instead.
_PARAMETERS = {"ParameterName", "SourceParameterName", "DestinationParameterName"}
# The names that QuickSight has for the elements of a layout, and where a sheet has them.
_ELEMENTS = {
    "VISUAL": "Visuals",
    "FILTER_CONTROL": "FilterControls",
    "PARAMETER_CONTROL": "ParameterControls",
    "TEXT_BOX": "TextBoxes",
    "IMAGE": "Images",
}
_ELEMENT_IDS = ("VisualId", "FilterControlId", "ParameterControlId", "SheetTextBoxId", "SheetImageId")


@dataclass(frozen=True)
class Problem:
    """What is wrong: the type of error that QuickSight has for it, where it is, and a sentence."""

    type: str
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.message} ({self.path})"


def check(
    definition: Json, data_sets: Mapping[str, Mapping[str, str] | None], names: Mapping[str, str] | None = None
) -> list[Problem]:
    """All that is wrong with a definition.

    ``data_sets`` has the columns of each identifier that the definition declares, with their types (STRING, INTEGER,
    DECIMAL, DATETIME), and None for a data set that does not exist. ``names`` says how messages call a data set, by its
    identifier if not otherwise.
    """
    return list(_Check(definition, data_sets, names or {}).problems())


@dataclass
class _Check:
    definition: Json
    data_sets: Mapping[str, Mapping[str, str] | None]
    names: Mapping[str, str]
    columns: dict[str, dict[str, str]] = field(default_factory=dict)  # with the calculated fields

    def problems(self) -> Iterator[Problem]:
        shape = service_model("quicksight").shape_for("AnalysisDefinition")
        nodes = list(_walk(shape, self.definition, "Definition"))
        yield from self._declarations()
        yield from self._calculated_fields()
        for node in nodes:
            yield from self._columns(node)
            yield from self._parameters(node)
            yield from _one_member(node)
        yield from _unique_ids(nodes)
        sheets = list(enumerate(self.definition.get("Sheets", [])))
        for number, sheet in sheets:
            path = f"Definition.Sheets[{number}]"
            for visual_number, visual in enumerate(sheet.get("Visuals", [])):
                yield from self._visual(visual, f"{path}.Visuals[{visual_number}]", sheet)
            yield from _layouts(sheet, path)
            yield from self._controls(sheet, path)
        yield from self._scopes()

    # --- data sets and columns

    def _declarations(self) -> Iterator[Problem]:
        declared = [each["Identifier"] for each in self.definition.get("DataSetIdentifierDeclarations", [])]
        path = "Definition.DataSetIdentifierDeclarations"
        for identifier in _repeated(declared):
            yield Problem(INVALID, path, f"The data set identifier '{identifier}' is declared twice")
        for number, identifier in enumerate(declared):
            columns = self.data_sets.get(identifier)
            if columns is None:
                name = self.names.get(identifier, identifier)
                yield Problem(DATA_SET_NOT_FOUND, f"{path}[{number}]", f"The data set '{name}' doesn't exist")
            else:
                self.columns[identifier] = dict(columns)

    def _calculated_fields(self) -> Iterator[Problem]:
        path = "Definition.CalculatedFields"
        given = self.definition.get("CalculatedFields", [])
        keys = [(each.get("DataSetIdentifier"), each["Name"]) for each in given]
        for identifier, name in _repeated(keys):
            yield Problem(INVALID, path, f"The calculated field '{name}' of '{identifier}' is there twice")
        for identifier in {each.get("DataSetIdentifier") for each in given}:
            if identifier not in self.columns:
                if identifier not in self.data_sets:
                    yield Problem(INVALID, path, f"The data set '{identifier}' is not declared")
                continue
            own = {each["Name"]: each["Expression"] for each in given if each.get("DataSetIdentifier") == identifier}
            for name in own.keys() & self.columns[identifier].keys():
                yield Problem(
                    INVALID, path, f"The calculated field '{name}' has the name of a column of '{identifier}'"
                )
            types, problems = quicksight_expression.field_types(self.columns[identifier], own)
            yield from (Problem(INVALID, path, problem) for problem in problems)
            self.columns[identifier] |= types
            for name, text in own.items():
                for parameter in quicksight_expression.read(text).parameters:
                    if parameter not in self._declared_parameters():
                        message = f"The calculated field '{name}' reads the parameter '{parameter}', which is not there"
                        yield Problem(PARAMETER_NOT_FOUND, path, message)

    def _type(self, column: Json) -> str | None:
        """A column's type, "" if that is not known; None if there is no such column, which is found elsewhere."""
        return self.columns.get(column["DataSetIdentifier"], {}).get(column["ColumnName"])

    def _columns(self, node: _Node) -> Iterator[Problem]:
        identifier = node.value.get("DataSetIdentifier")
        if node.shape.name == "CalculatedField" or identifier is None:
            pass
        elif identifier not in self.columns:
            declared = [each["Identifier"] for each in self.definition.get("DataSetIdentifierDeclarations", [])]
            if identifier not in declared:
                yield Problem(INVALID, node.path, f"The data set '{identifier}' is not declared")
        elif node.shape.name == "ColumnIdentifier" and self._type(node.value) is None:
            name = self.names.get(identifier, identifier)
            message = f"Required column '{node.value['ColumnName']}' is missing in data set '{name}'"
            yield Problem(COLUMN_MISSING, node.path, message)
        if node.shape.name in _TYPED and "Column" in node.value:
            yield from self._field_type(node)
        if node.shape.name == "CalculatedMeasureField":
            yield from self._own_expression(node)

    def _field_type(self, node: _Node) -> Iterator[Problem]:
        kind, name = self._type(node.value["Column"]), node.value["Column"]["ColumnName"]
        if not kind:
            return
        taken = _TYPED[node.shape.name]
        if kind not in taken:
            words = "aggregates" if kind == "AGGREGATED" else f"is {kind}"
            message = f"The column '{name}' {words}, a {node.shape.name} takes {' or '.join(taken)}"
            yield Problem(TYPE_MISMATCH, node.path, message)
        elif kind == "AGGREGATED" and node.shape.name in _MEASURES and "AggregationFunction" in node.value:
            message = f"The calculated field '{name}' aggregates already, it takes no AggregationFunction"
            yield Problem(INVALID, node.path, message)

    def _own_expression(self, node: _Node) -> Iterator[Problem]:
        expression = quicksight_expression.read(node.value["Expression"])
        yield from (Problem(INVALID, node.path, f"The expression {problem}") for problem in expression.problems)
        known = {name for columns in self.columns.values() for name in columns}
        for name in expression.columns:
            if name not in known:
                yield Problem(COLUMN_MISSING, node.path, f"The expression reads '{name}', which is not there")

    # --- parameters

    def _declared_parameters(self) -> list[str]:
        declarations = self.definition.get("ParameterDeclarations", [])
        return [inner["Name"] for each in declarations for inner in each.values()]

    def _parameters(self, node: _Node) -> Iterator[Problem]:
        for member in _PARAMETERS & node.value.keys():
            if node.value[member] not in self._declared_parameters():
                message = f"The parameter '{node.value[member]}' is not declared"
                yield Problem(PARAMETER_NOT_FOUND, f"{node.path}.{member}", message)

    # --- visuals

    def _visual(self, visual: Json, path: str, sheet: Json) -> Iterator[Problem]:
        shape = service_model("quicksight").shape_for("Visual")
        nodes = list(_walk(shape, visual, path))
        fields = [node.value["FieldId"] for node in nodes if node.shape.name in _FIELDS]
        for repeated in _repeated(fields):
            yield Problem(INVALID, path, f"The field id '{repeated}' is there twice in one visual")
        for node in nodes:
            yield from _references(node, fields)
        used = {node.value["DataSetIdentifier"] for node in nodes if node.shape.name == "ColumnIdentifier"}
        if len(used) > 1:
            yield Problem(INVALID, path, f"The visual draws more than one data set: {', '.join(sorted(used))}")
        yield from self._actions(nodes, path, sheet)

    def _actions(self, nodes: list[_Node], path: str, sheet: Json) -> Iterator[Problem]:
        actions = [node.value for node in nodes if node.shape.name == "VisualCustomAction"]
        if sum(each["Trigger"] == "DATA_POINT_CLICK" for each in actions) > 1:
            yield Problem(INVALID, path, "A visual has one action for a click on a data point")
        sheets = [each["SheetId"] for each in self.definition.get("Sheets", [])]
        for node in nodes:
            for target in node.value.get("TargetVisuals", []):
                if target not in _visual_ids(sheet):
                    yield Problem(INVALID, node.path, f"There is no visual '{target}' on the sheet")
            if (target := node.value.get("TargetSheetId")) is not None and target not in sheets:
                yield Problem(INVALID, node.path, f"There is no sheet '{target}'")

    # --- filters

    def _filters(self) -> Iterator[tuple[Json, Json]]:
        """Every filter group with each of its filters."""
        for group in self.definition.get("FilterGroups", []):
            for each in group["Filters"]:
                yield from ((group, inner) for inner in each.values())

    def _scopes(self) -> Iterator[Problem]:
        sheets = {each["SheetId"]: each for each in self.definition.get("Sheets", [])}
        for number, group in enumerate(self.definition.get("FilterGroups", [])):
            path = f"Definition.FilterGroups[{number}]"
            scopes = group["ScopeConfiguration"].get("SelectedSheets", {}).get("SheetVisualScopingConfigurations", [])
            for scope in scopes:
                if scope["SheetId"] not in sheets:
                    yield Problem(INVALID, path, f"There is no sheet '{scope['SheetId']}'")
                    continue
                yield from self._selected_visuals(group, scope, sheets[scope["SheetId"]], path)

    def _selected_visuals(self, group: Json, scope: Json, sheet: Json, path: str) -> Iterator[Problem]:
        selected = scope.get("VisualIds", [])
        if (scope["Scope"] == "SELECTED_VISUALS") != bool(selected):
            yield Problem(INVALID, path, "VisualIds are for SELECTED_VISUALS, which needs them")
        filtered = {
            inner["Column"]["DataSetIdentifier"]
            for each in group["Filters"]
            for inner in each.values()
            if "Column" in inner
        }
        for visual_id in selected:
            visual = _visual_ids(sheet).get(visual_id)
            if visual is None:
                yield Problem(INVALID, path, f"There is no visual '{visual_id}' on the sheet '{sheet['SheetId']}'")
            elif group["CrossDataset"] == "SINGLE_DATASET" and not filtered & _data_sets_of(visual):
                yield Problem(INVALID, path, f"The visual '{visual_id}' draws no data set that is filtered here")

    def _controls(self, sheet: Json, path: str) -> Iterator[Problem]:
        filters = {inner["FilterId"]: (group, inner) for group, inner in self._filters()}
        for number, control in enumerate(sheet.get("FilterControls", [])):
            where = f"{path}.FilterControls[{number}]"
            for kind, inner in control.items():
                found = filters.get(inner["SourceFilterId"])
                if found is None:
                    yield Problem(INVALID, where, f"There is no filter '{inner['SourceFilterId']}'")
                    continue
                group, source = found
                if not _reaches(group, sheet):
                    yield Problem(INVALID, where, f"The filter '{source['FilterId']}' is not for this sheet")
                if kind == "CrossSheet" and "DefaultFilterControlConfiguration" not in source:
                    message = f"The filter '{source['FilterId']}' has no DefaultFilterControlConfiguration"
                    yield Problem(INVALID, where, message)


# --- the structures of a definition


@dataclass(frozen=True)
class _Node:
    """A structure with its shape and its place."""

    shape: Shape
    value: Json
    path: str


def _walk(shape: Shape, value: Any, path: str) -> Iterator[_Node]:
    """All structures within a value; what the model does not know is passed over."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        yield _Node(shape, value, path)
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _walk(member, value[name], f"{path}.{name}")
    elif isinstance(shape, ListShape):
        for number, item in enumerate(value):
            yield from _walk(shape.member, item, f"{path}[{number}]")
    elif isinstance(shape, MapShape):
        for key, item in value.items():
            yield from _walk(shape.value, item, f"{path}.{key}")


def _repeated(values: list[Any]) -> list[Any]:
    return [value for value, count in Counter(values).items() if count > 1]


def one_of(shape: Shape) -> bool:
    """Whether the API reference says of a structure that exactly one of its members is there."""
    if not isinstance(shape, StructureShape) or not shape.members:
        return False
    # As a member of another, the shape has the member's description.
    own = service_model("quicksight").shape_for(shape.name)
    return "only one of the attributes can be" in own.documentation


def _one_member(node: _Node) -> Iterator[Problem]:
    given = [name for name, value in node.value.items() if value is not None]
    if one_of(node.shape) and len(given) != 1:
        yield Problem(INVALID, node.path, f"A {node.shape.name} has one member, here are {', '.join(given) or 'none'}")


# The ids that are unique in a whole definition; where the API reference does not say so of one, it calls it unique.
_UNIQUE = ("VisualId", "FilterGroupId", "FilterId", "FilterControlId", "ParameterControlId", "CustomActionId")


def _unique_ids(nodes: list[_Node]) -> Iterator[Problem]:
    for member in _UNIQUE:
        for repeated in _repeated([node.value[member] for node in nodes if member in node.value]):
            yield Problem(INVALID, "Definition", f"The {member} '{repeated}' is there twice")
    sheets = [node.value["SheetId"] for node in nodes if node.shape.name == "SheetDefinition"]
    for repeated in _repeated(sheets):
        yield Problem(INVALID, "Definition", f"The SheetId '{repeated}' is there twice")
    columns = [tuple(node.value["Column"].values()) for node in nodes if node.shape.name == "ColumnConfiguration"]
    for _, repeated in _repeated(columns):
        yield Problem(INVALID, "Definition", f"The column '{repeated}' is configured twice")


def _references(node: _Node, fields: list[str]) -> Iterator[Problem]:
    """The fields of a visual that its sorts, options, tooltips and colours name."""
    named = []
    if "FieldId" in node.value and node.shape.name not in _FIELDS:
        named.append(node.value["FieldId"])
    if "MeasureFieldId" in node.value:
        named.append(node.value["MeasureFieldId"])
    for member in ("Order", "PinnedLeftFields", "SelectedFields"):
        if isinstance(node.shape, StructureShape) and isinstance(node.shape.members.get(member), ListShape):
            named += [each for each in node.value.get(member, []) if isinstance(each, str)]
    for name in named:
        if name not in fields:
            yield Problem(INVALID, node.path, f"There is no field '{name}' in the visual")


def _visual_ids(sheet: Json) -> dict[str, Json]:
    return {inner["VisualId"]: visual for visual in sheet.get("Visuals", []) for inner in visual.values()}


def _data_sets_of(visual: Json) -> set[str]:
    nodes = _walk(service_model("quicksight").shape_for("Visual"), visual, "")
    return {node.value["DataSetIdentifier"] for node in nodes if "DataSetIdentifier" in node.value}


def _reaches(group: Json, sheet: Json) -> bool:
    scope = group["ScopeConfiguration"]
    if "AllSheets" in scope:
        return True
    selected = scope.get("SelectedSheets", {}).get("SheetVisualScopingConfigurations", [])
    return sheet["SheetId"] in [each["SheetId"] for each in selected]


# --- layouts


def _layouts(sheet: Json, path: str) -> Iterator[Problem]:
    layouts = [(f"{path}.Layouts[{number}]", each) for number, each in enumerate(sheet.get("Layouts", []))]
    for where, layout in layouts:
        yield from _layout(layout, where, sheet)
    placed = {element["ElementId"] for _, layout in layouts for element in _elements(layout)}
    # A sheet without a layout is arranged by QuickSight.
    for missing in sorted(_visual_ids(sheet).keys() - placed) if layouts else []:
        yield Problem(INVALID, path, f"The visual '{missing}' has no place in the layout")
    for number, layout in enumerate(sheet.get("SheetControlLayouts", [])):
        yield from _layout(layout, f"{path}.SheetControlLayouts[{number}]", sheet)


def _elements(layout: Json) -> list[Json]:
    """The elements of a grid or of a free form; sections are not looked into."""
    return [element for each in layout["Configuration"].values() for element in each.get("Elements", [])]


def _layout(layout: Json, path: str, sheet: Json) -> Iterator[Problem]:
    for repeated in _repeated([element["ElementId"] for element in _elements(layout)]):
        yield Problem(INVALID, path, f"The element '{repeated}' is there twice in one layout")
    for element in _elements(layout):
        found = [inner for each in sheet.get(_ELEMENTS[element["ElementType"]], []) for inner in _flat(each)]
        if element["ElementId"] not in [inner.get(member) for inner in found for member in _ELEMENT_IDS]:
            message = f"There is no {element['ElementType']} '{element['ElementId']}' on the sheet"
            yield Problem(INVALID, path, message)
    yield from _grid(layout["Configuration"].get("GridLayout", {}).get("Elements", []), path)


def _flat(part: Json) -> list[Json]:
    """A text box or an image as it is; a visual or a control out of the structure that has one member."""
    return [part, *(inner for inner in part.values() if isinstance(inner, dict))]


def _grid(elements: list[Json], path: str) -> Iterator[Problem]:
    """Elements that have a place lie within the grid and beside each other; QuickSight places the others."""
    taken: dict[tuple[int, int], str] = {}
    for element in elements:
        name, column, row = element["ElementId"], element.get("ColumnIndex"), element.get("RowIndex")
        if column is not None and column + element["ColumnSpan"] > GRID_COLUMNS:
            yield Problem(INVALID, path, f"The element '{name}' ends beyond the {GRID_COLUMNS} columns of the grid")
        if column is None or row is None:
            continue
        cells = [
            (each_row, each_column)
            for each_row in range(row, row + element["RowSpan"])
            for each_column in range(column, column + element["ColumnSpan"])
        ]
        for other in sorted({taken[cell] for cell in cells if cell in taken}):
            yield Problem(INVALID, path, f"The elements '{other}' and '{name}' overlap")
        taken.update(dict.fromkeys(cells, name))
