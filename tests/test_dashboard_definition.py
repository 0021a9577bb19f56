"""The definition of the QuickSight dashboard, checked without QuickSight and without a server.

What is checked is what CloudFormation would send: the template with its parameters, conditions and mappings worked out.
"""

from __future__ import annotations

import copy
import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import botocore.session
import pytest
import sqlglot
from botocore.validate import ParamValidator
from sqlglot import exp

from dashboard.definition import ANALYSIS, DASHBOARD, DataSet, interpret, read
from dashboard.deployed import ENVIRONMENT, NAMES, PARAMETERS, QUICKSIGHT, Deployed
from dashboard.evaluate import Expression
from fleet.datasets import STATES, STATUSES
from local_aws import quicksight_definition, quicksight_permissions
from local_aws.validation import violation
from templates import CENTRAL, load, walk
from test_template_queries import FUNCTIONS, NODE, WORDS, compared, plain

READ = read()
DATA_SETS = READ.data_sets
VISUALS = READ.visuals

# With the parameters' defaults, and with all that they can add.
GIVEN: dict[str, dict[str, str]] = {
    "defaults": {},
    "everything": {
        "ImportMode": "SPICE",
        "QuickSightOwnerType": "group",
        "QuickSightOwner": "admins",
        "QuickSightViewersType": "user",
        "QuickSightViewers": "Reader/joe@example.com",
        "QuickSightNamespace": "people",
        "QuickSightIdentityRegion": "eu-central-1",
    },
}
# Tells CloudFormation what to wait for:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-quicksight-dataset.html
CLOUDFORMATIONS_OWN = {"IngestionWaitPolicy"}
KINDS = [name.rpartition("::")[2] for name in NAMES]

# Of the functions of Athena's engine version 3 those that the saved queries have no use for:
# https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html
MORE_FUNCTIONS = {"length", "regexp_replace", "substr"}

STATUS_COLOURS = {"Compliant": "#2E7D32", "Non-compliant": "#C62828", "Not scanned": "#757575"}


def made(kind: str, given: str = "defaults") -> dict[str, dict[str, Any]]:
    """The requests that CloudFormation makes of the resources of a type, with these parameters."""
    found = Deployed(GIVEN[given]).resources(f"AWS::QuickSight::{kind}")
    return {name: {key: each[key] for key in each if key not in CLOUDFORMATIONS_OWN} for name, each in found.items()}


def definition() -> dict[str, Any]:
    return Deployed().properties(DASHBOARD)["Definition"]


# What the API asks for.


def test_the_analysis_and_the_dashboard_have_one_definition() -> None:
    resources = load(QUICKSIGHT)["Resources"]
    assert resources[ANALYSIS]["Properties"]["Definition"] == resources[DASHBOARD]["Properties"]["Definition"]
    assert read(ANALYSIS) == READ


def faults(operation: str, request: dict[str, Any]) -> list[str]:
    """What the API's model has against a request: members that it knows nothing of, and all of its constraints."""
    shape = botocore.session.get_session().get_service_model("quicksight").operation_model(operation).input_shape
    report = ParamValidator().validate(request, shape)
    if report.has_errors():
        return [report.generate_report()]
    return [found] if (found := violation("quicksight", operation, request)) else []


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("kind", KINDS)
def test_every_resource_is_a_valid_request(kind: str, given: str) -> None:
    """botocore: quicksight, whose model has the patterns, the lengths of ids and names, and how many there may be."""
    requests = made(kind, given)
    assert requests
    for logical_id, request in requests.items():
        assert faults(f"Create{kind}", request) == [], logical_id


def test_every_schedule_is_a_valid_request_and_each_data_set_has_one() -> None:
    requests = made("RefreshSchedule", "everything")
    for logical_id, request in requests.items():
        frequency = request["Schedule"]["ScheduleFrequency"]
        # The API spells it otherwise.
        frequency["Timezone"] = frequency.pop("TimeZone")
        assert faults("CreateRefreshSchedule", request) == [], logical_id
    assert {logical_id: each["DataSetId"] for logical_id, each in requests.items()} == {
        f"{logical_id}Refresh": each["DataSetId"] for logical_id, each in made("DataSet").items()
    }
    for logical_id in requests:
        assert load(QUICKSIGHT)["Resources"][logical_id]["DependsOn"] == logical_id.removesuffix("Refresh")
    assert made("RefreshSchedule") == {}


@pytest.mark.parametrize(
    "spoil",
    [
        lambda request: request.update(AnalysisId="with space"),
        lambda request: request.update(Unknown="member"),
        lambda request: request["Definition"]["FilterGroups"][0].update(CrossDataset="SOME_DATASETS"),
        lambda request: request["Permissions"][0].update(Actions=["quicksight:DescribeAnalysis"] * 21),
        lambda request: request["Definition"].pop("DataSetIdentifierDeclarations"),
        lambda request: request["Definition"]["Sheets"][0].update(SheetId="x" * 513),
    ],
    ids=["pattern", "unknown member", "enum", "21 actions", "required member", "length of an id"],
)
def test_an_invalid_request_is_found(spoil: Callable[[dict[str, Any]], Any]) -> None:
    """The measure of the tests above."""
    request = copy.deepcopy(Deployed().properties(ANALYSIS))
    spoil(request)
    assert faults("CreateAnalysis", request) != []


def test_ids_fit_with_the_longest_name_of_a_stack() -> None:
    """A stack's name is of 128 characters at most (botocore: cloudformation)."""
    longest = "a" * 128
    for kind in KINDS:
        member, _ = NAMES[f"AWS::QuickSight::{kind}"]
        for request in made(kind).values():
            request[member] = request[member].replace(ENVIRONMENT["AWS::StackName"], longest)
            assert len(request[member]) > 128
            assert faults(f"Create{kind}", request) == []


@pytest.mark.parametrize("given", GIVEN)
@pytest.mark.parametrize("kind", KINDS)
def test_permissions_are_whole_groups_of_actions_for_owner_and_viewers(kind: str, given: str) -> None:
    parameters = PARAMETERS | GIVEN[given]
    account = (
        f"{parameters.get('QuickSightIdentityRegion', ENVIRONMENT['AWS::Region'])}:{ENVIRONMENT['AWS::AccountId']}"
    )
    namespace = parameters.get("QuickSightNamespace", "default")
    owner_type, viewers_type = parameters.get("QuickSightOwnerType", "user"), parameters.get("QuickSightViewersType")
    owner = f"arn:aws:quicksight:{account}:{owner_type}/{namespace}/{parameters['QuickSightOwner']}"
    viewers = f"arn:aws:quicksight:{account}:{viewers_type}/{namespace}/{parameters.get('QuickSightViewers')}"
    seen_by_viewers = kind in ("Dashboard", "Theme") and given == "everything"
    for logical_id, request in made(kind, given).items():
        quicksight_permissions.check(kind, request["Permissions"], Everybody())
        actions = {each["Principal"]: each["Actions"] for each in request["Permissions"]}
        assert list(actions) == [owner, viewers][: 1 + seen_by_viewers], logical_id
        assert f"quicksight:Update{kind}Permissions" in actions[owner]
        for action in actions[viewers] if seen_by_viewers else ():
            assert re.match("quicksight:(Describe|List|Query)", action), "a viewer changes nothing"


class Everybody:
    """An account that has whoever is asked for."""

    def has(self, principal: str) -> bool:
        return True


# What a definition refers to.


def problems(of: dict[str, Any]) -> list[str]:
    types = {name: {each.name: each.type for each in it.columns} for name, it in DATA_SETS.items()}
    return [str(problem) for problem in quicksight_definition.check(of, types)]


def test_all_that_the_definition_names_is_there_and_of_a_type_that_its_place_takes() -> None:
    """Columns of fields, filters, sorts and calculated fields; ids; filters of controls; the grid's elements."""
    assert problems(definition()) == []


def first_visual(of: dict[str, Any]) -> dict[str, Any]:
    return of["Sheets"][0]["Visuals"][0]["PieChartVisual"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda it: it["CalculatedFields"][0].update(Expression="distinct_count({Node keys})"),
            "Node keys",
        ),
        (
            lambda it: it["FilterGroups"][0]["Filters"][0]["CategoryFilter"]["Column"].update(ColumnName="Last scan"),
            "is DATETIME",
        ),
        (
            lambda it: first_visual(it)["ChartConfiguration"]["SortConfiguration"]["CategorySort"][0][
                "FieldSort"
            ].update(FieldId="another"),
            "no field 'another'",
        ),
        (lambda it: first_visual(it).update(VisualId="nodes-by-account"), "is there twice"),
        (lambda it: it["Sheets"][0]["Layouts"][0]["Configuration"]["GridLayout"]["Elements"].pop(), "has no place"),
        (
            lambda it: it["Sheets"][0]["Layouts"][0]["Configuration"]["GridLayout"]["Elements"][1].update(
                ColumnIndex=11
            ),
            "overlap",
        ),
        (
            lambda it: it["Sheets"][1]["FilterControls"][0]["CrossSheet"].update(SourceFilterId="another"),
            "no filter 'another'",
        ),
    ],
)
def test_what_is_not_there_is_found(spoil: Callable[[dict[str, Any]], Any], message: str) -> None:
    """The measure of the test above."""
    spoiled = copy.deepcopy(definition())
    spoil(spoiled)
    assert any(message in problem for problem in problems(spoiled)), problems(spoiled)


def test_every_data_set_of_the_template_is_declared() -> None:
    assert {each.logical_id for each in DATA_SETS.values()} == set(made("DataSet"))


def test_the_grid_is_full() -> None:
    """Sheets have no gaps: the elements lie within 36 columns and beside each other, so the sum of areas tells."""
    for sheet in READ.sheets:
        height = max(place.row + place.rows for place in sheet.places)
        assert sum(place.columns * place.rows for place in sheet.places) == 36 * height, sheet.id


# What a definition means.


def test_every_number_is_one_of_distinct_nodes() -> None:
    """Rows of some data sets are patches, tags or applications."""
    for visual in VISUALS.values():
        assert bool(visual.measures) == (visual.kind != "table"), visual.id
        for measure in visual.measures:
            if field := READ.calculated_field(visual.data_set, measure.column):
                assert "distinct_count" in field.expression and measure.aggregation is None
                counted = re.findall(r"distinct_count(?:If)?\(\{([^}]+)\}", field.expression)
                assert set(counted) == {"Node key"}, field.name
            else:
                assert (measure.column, measure.aggregation) == ("Node key", "DISTINCT_COUNT"), visual.id


def test_calculated_fields_are_all_used_and_of_the_forms_that_are_evaluated() -> None:
    used = {(visual.data_set, measure.column) for visual in VISUALS.values() for measure in visual.measures}
    for field in READ.calculated_fields:
        assert set(Expression(field.expression).columns) <= {each.name for each in DATA_SETS[field.data_set].columns}
        assert (field.data_set, field.name) in used, field.name


def test_controls_are_one_set_on_both_sheets_and_for_every_data_set() -> None:
    titles = ["Instance status", "Account", "Region", "Platform"]
    for sheet in READ.sheets:
        assert [each.title for each in sheet.controls] == titles, sheet.id
        assert sheet.controls == READ.controls
    for control in READ.controls:
        assert control.column == control.title
        types = {data_set.column(control.column).type for data_set in DATA_SETS.values()}
        assert types == {"STRING"}, control.id


def test_every_control_has_its_place_on_its_sheet() -> None:
    for sheet in definition()["Sheets"]:
        controls = [control["CrossSheet"]["FilterControlId"] for control in sheet["FilterControls"]]
        (layout,) = sheet["SheetControlLayouts"]
        placed = [element["ElementId"] for element in layout["Configuration"]["GridLayout"]["Elements"]]
        assert placed == controls


def test_a_visuals_own_filters_are_for_its_own_data_set_and_for_values_that_there_are() -> None:
    values = {"Patch status": STATUSES.values(), "Patch state": STATES.values()}
    filtered = [(visual, each) for visual in VISUALS.values() for each in visual.filters]
    assert len(filtered) == 4
    for visual, each in filtered:
        assert each.data_set == visual.data_set, visual.id
        assert each.values and set(each.values) <= set(values[each.column]), visual.id


def test_a_click_shows_the_same_nodes_in_another_visual_of_the_sheet() -> None:
    """All fields of what is clicked on filter the other visual, which therefore is one of the same data set."""
    targets = {}
    for visual in VISUALS.values():
        for action in visual.actions:
            assert {VISUALS[target].data_set for target in action.targets} == {visual.data_set}
            assert {VISUALS[target].sheet for target in action.targets} == {visual.sheet}
            targets[visual.id] = action.targets
    by_status = ("nodes-by-patch-status", "execution-type-by-status")
    assert targets == dict.fromkeys(by_status, ("nodes",)) | {"top-missing-patches": ("missing-patches",)}


def test_a_status_has_its_colour_everywhere() -> None:
    """No visual has a palette of its own, every status column is configured, and nothing else has these colours."""
    assert set(STATUS_COLOURS) == set(STATUSES.values())
    for each in (definition(), made("Theme")):
        named = {key for value in walk(each) if isinstance(value, dict) for key in value}
        assert not named & {"VisualPalette", "ColorMap", "ColorConfiguration", "CategoricalColors"}
    shown = {
        (visual.data_set, dimension.column)
        for visual in VISUALS.values()
        for dimension in visual.dimensions
        if dimension.column in ("Patch status", "Compliance") and visual.kind != "table"
    }
    assert shown == {("Nodes", "Patch status")}
    for column in shown:
        assert READ.colours[column] == STATUS_COLOURS
    others = [colour for column, by in READ.colours.items() if column not in shown for colour in by.values()]
    assert not {colour.upper() for colour in (*READ.palette, *others)} & set(STATUS_COLOURS.values())


def test_a_value_with_a_colour_is_one_that_there_is() -> None:
    assert READ.colours.keys() == {("Nodes", "Patch status"), ("Nodes", "Platform")}
    assert set(READ.colours["Nodes", "Platform"]) == {"Linux", "Windows", "MacOS", "Unknown"}


def test_columns_have_names_for_people() -> None:
    """None is left as the SQL has it, and a name means one thing and one type in every data set."""
    types: dict[str, set[str]] = {}
    for data_set in DATA_SETS.values():
        assert len({each.name for each in data_set.columns}) == len(data_set.columns)
        for column in data_set.columns:
            assert re.match(r"[A-Z]", column.name) and column.name != column.source, (data_set.identifier, column)
            # https://docs.aws.amazon.com/quicksight/latest/user/data-source-limits.html
            assert len(column.name) <= 127
            types.setdefault(column.name, set()).add(column.type)
    assert {name: found for name, found in types.items() if len(found) > 1} == {}


# The SQL.


def parsed(data_set: DataSet) -> exp.Select:
    (statement,) = sqlglot.parse(data_set.sql, dialect="athena")
    assert isinstance(statement, exp.Select)
    return statement


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_sql_gives_the_declared_columns_and_no_others(name: str) -> None:
    assert parsed(DATA_SETS[name]).named_selects == [column.source for column in DATA_SETS[name].columns]


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_sql_stands_as_a_table_within_another_query(name: str) -> None:
    """QuickSight puts it into brackets, so it has neither an end of its own nor comments, and an order is lost."""
    sql = DATA_SETS[name].sql
    assert not any(sign in plain(sql) for sign in ("--", "/*", ";", "?")) and "--" not in sql
    assert parsed(DATA_SETS[name]).args.get("order") is None and parsed(DATA_SETS[name]).args.get("limit") is None


@pytest.mark.parametrize("name", DATA_SETS)
def test_every_table_is_qualified_once_and_read(name: str) -> None:
    """QuickSight knows of no database."""
    tables = list(parsed(DATA_SETS[name]).find_all(exp.Table))
    qualified = Counter(table.name for table in tables if table.db)
    assert {table.db for table in tables if table.db} == {PARAMETERS["GlueDatabaseName"]}
    read_from = {table.name for table in tables if not table.db and table.name.startswith("aws_")}
    assert qualified == dict.fromkeys(read_from, 1)
    clauses = {clause.alias: clause.this for clause in parsed(DATA_SETS[name]).find_all(exp.CTE)}
    for table in qualified:
        assert clauses[table].sql() == f'SELECT * FROM "{PARAMETERS["GlueDatabaseName"]}".{table}'
    named = {table.name for table in tables if not table.db}
    assert named == set(clauses), "no part is there in vain"


@pytest.mark.parametrize("name", DATA_SETS)
def test_joins_compare_the_whole_identity_of_a_node(name: str) -> None:
    for join in parsed(DATA_SETS[name]).find_all(exp.Join):
        assert join.side == "LEFT", join.sql()
        assert compared(join.args["on"]) == set(NODE), join.sql()


@pytest.mark.parametrize("name", DATA_SETS)
def test_the_sql_uses_only_functions_that_athena_has(name: str) -> None:
    called = {word.lower() for word in re.findall(r"\b(\w+)\s*\(", plain(DATA_SETS[name].sql))}
    assert (
        called - {clause.alias for clause in parsed(DATA_SETS[name]).find_all(exp.CTE)} - WORDS
        <= FUNCTIONS | MORE_FUNCTIONS
    )


def without_comments(sql: str) -> str:
    return "".join(line for line in sql.splitlines(keepends=True) if not line.strip().startswith("--"))


def test_parts_are_those_of_the_saved_queries() -> None:
    """Word for word, but for their comments; and Node has the terminated nodes, too."""
    saved = {name: without_comments(text) for name, text in load(CENTRAL)["Mappings"]["Sql"]["Cte"].items()}
    own = dict(load(QUICKSIGHT)["Mappings"]["Sql"]["Part"])
    who = own.pop("Who")
    assert own.keys() == saved.keys()
    alive = "  WHERE coalesce(instance.instancestatus, '') <> 'Terminated'\n"
    assert saved["Node"].count(alive) == 1
    saved["Node"] = saved["Node"].replace(alive, "")
    assert own == saved
    assert [column.source for column in next(iter(DATA_SETS.values())).columns][:7] == re.findall(
        r"(\w+),?$", who, re.M
    )


def test_every_part_is_used() -> None:
    texts = [each["PhysicalTableMap"] for each in made("DataSet").values()]
    for name, part in load(QUICKSIGHT)["Mappings"]["Sql"]["Part"].items():
        assert any(part in str(value) for text in texts for value in walk(text)), name


# What reading raises.


@pytest.mark.parametrize(
    "spoil",
    [
        lambda it: it["Sheets"][0]["Visuals"].append({"WordCloudVisual": {"VisualId": "words"}}),
        lambda it: it["FilterGroups"][0].update(Status="DISABLED"),
        lambda it: it["FilterGroups"][0]["Filters"].append(it["FilterGroups"][1]["Filters"][0]),
        lambda it: it["FilterGroups"][0]["Filters"][0]["CategoryFilter"]["Configuration"][
            "FilterListConfiguration"
        ].update(MatchOperator="DOES_NOT_CONTAIN"),
        lambda it: it["Sheets"][0]["Visuals"][0]["PieChartVisual"]["ChartConfiguration"].update(New={}),
        lambda it: it.update(ParameterDeclarations=[]),
    ],
    ids=["a visual", "a filter that is off", "alternatives", "all but", "a setting", "parameters"],
)
def test_what_could_change_a_number_and_is_not_known_is_refused(spoil: Callable[[dict[str, Any]], Any]) -> None:
    class Spoiled(Deployed):
        def properties(self, logical_id: str) -> dict[str, Any]:
            properties = copy.deepcopy(super().properties(logical_id))
            spoil(properties["Definition"])
            return properties

    with pytest.raises(ValueError, match=r"not known here|not one but|is DISABLED"):
        interpret(Spoiled())
