"""The saved queries of the central template, checked without running them: dialect, columns, order, joins and heads.

The text is the one that CloudFormation deploys, with the parameters' defaults and the parts that the queries share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import sqlglot
from botocore.session import get_session
from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from deployment import ROOT
from fleet import Fleet
from fleet.answers import NAMES
from saved_queries import PARAMETERS
from templates import CENTRAL, load, resources, text_as_deployed

DOCUMENT = ROOT / "docs" / "queries.md"

NODE = ("accountid", "region", "resourceid")
PATCH = (*NODE, "id", "title")
# All that tells one installed package from another.
APPLICATION = (*NODE, "name", "version", "architecture", "packageid", "release", "epoch", "installedtime")
# Query -> what it is ordered by first, and the columns of which each row has a combination of its own.
ORDERS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "QueryInstanceList": ((), NODE),
    "QueryActiveInstances": ((), NODE),
    "QueryCompliantPatch": ((), PATCH),
    "QueryNonCompliantPatch": ((), PATCH),
    "QueryNonCompliantPatchByNode": ((), (*NODE, "patchstate")),
    "QueryComplianceSummaryPatch": ((), NODE),
    "QueryPatchSummary": ((), NODE),
    "QueryInstanceApplications": ((), APPLICATION),
    "QuerySSMAgentVersion": ((), APPLICATION),
    "QueryComplianceByAccountAndRegion": ((), ("accountid", "region")),
    "QueryComplianceByDimension": ((), ("dimension", "value")),
    "QueryCoverageByAccountAndRegion": ((), ("accountid", "region")),
    "QueryNodesNeverScanned": ((), NODE),
    "QueryStaleScans": (("scannedat",), NODE),
    "QueryTopMissingPatches": (("nodes DESC", "MAX(rank) DESC"), ("id", "title")),
    "QueryFailedPatches": ((), PATCH),
    "QueryPendingReboot": (("since",), NODE),
    "QueryAgentsBehind": (("comparable",), NODE),
    "QueryComplianceOfTaggedNodes": ((), NODE),
    "QueryNodesGone": (("TRY(FROM_ISO8601_TIMESTAMP(capturetime))",), NODE),
    "QuerySilentAccounts": ((), ("accountid",)),
    "QueryNodes": ((), NODE),
}

# Of the functions of Athena's engine version 3 those that the queries use; another one is looked up before it is added:
# https://docs.aws.amazon.com/athena/latest/ug/functions-env3.html
# https://trino.io/docs/current/functions/list.html
FUNCTIONS = {
    *("array_agg", "array_distinct", "array_join", "array_sort", "at_timezone", "cast", "coalesce", "concat", "count"),
    *("count_if", "date_diff", "date_format", "element_at", "first_value", "flatten", "from_iso8601_timestamp"),
    *("greatest", "grouping", "json_format", "listagg", "lower", "lpad", "map_agg", "max", "max_by", "min", "nullif"),
    *("rank", "replace", "row_number", "split", "split_part", "trim", "try", "try_cast"),
}
# What has a bracket behind it and is no function.
WORDS = {"as", "decimal", "exists", "filter", "from", "group", "in", "over", "sets"}

TAGS = "aws_tag"


def saved_queries() -> dict[str, dict[str, Any]]:
    """The named queries' properties by name."""
    found = resources(CENTRAL, "AWS::Athena::NamedQuery").values()
    return {each["Properties"]["Name"]: each["Properties"] for each in found}


def text_of(name: str) -> str:
    """A query as it is deployed."""
    return text_as_deployed(CENTRAL, saved_queries()[name]["QueryString"])


def parsed(name: str) -> exp.Select:
    """The one statement of a saved query."""
    (statement,) = sqlglot.parse(text_of(name), dialect="athena")
    assert isinstance(statement, exp.Select)
    return statement


def plain(text: str) -> str:
    """SQL without comments and without what stands in quotes."""
    return re.sub(r"'[^']*'", "''", re.sub(r"--.*", "", text))


def test_the_fleet_and_the_document_know_exactly_the_templates_queries() -> None:
    names = list(saved_queries())
    assert len(names) == len(set(names)) == len(resources(CENTRAL, "AWS::Athena::NamedQuery"))
    assert sorted(names) == sorted(NAMES) == sorted(ORDERS)
    assert re.findall(r"^\| `(Query\w+)` \|", DOCUMENT.read_text(), re.MULTILINE) == names


@pytest.mark.parametrize("name", ORDERS)
def test_queries_belong_to_the_database_and_the_workgroup(name: str) -> None:
    query = saved_queries()[name]
    assert (query["Database"], query["WorkGroup"]) == ({"Ref": "GlueDatabase"}, {"Ref": "AthenaWorkGroup"})


@pytest.mark.parametrize("name", ORDERS)
def test_queries_are_no_longer_than_athena_allows(name: str) -> None:
    """botocore: athena, CreateNamedQuery."""
    members = get_session().get_service_model("athena").operation_model("CreateNamedQuery").input_shape.members
    query = saved_queries()[name]
    texts = {"Name": name, "Description": query["Description"], "QueryString": text_of(name)}
    for member, text in texts.items():
        limits = members[member].metadata
        assert limits["min"] <= len(text) <= limits["max"], member


@pytest.mark.parametrize("name", ORDERS)
def test_queries_have_the_columns_of_the_fleets_answer_and_no_limit(name: str) -> None:
    statement = parsed(name)
    assert statement.named_selects == Fleet(1, [], [], 0, "2026-01-15T12:00:00Z").answers([name])[name].columns
    assert statement.find(exp.Limit, exp.Fetch, exp.TableSample) is None


@pytest.mark.parametrize("name", ORDERS)
def test_the_order_of_the_rows_is_always_the_same(name: str) -> None:
    first, key = ORDERS[name]
    terms = parsed(name).args["order"].expressions
    columns = [term.this.name if isinstance(term.this, exp.Column) else "" for term in terms]
    spelled = [re.sub(r"\b\w+\.", "", term.sql(dialect="trino")) for term in terms[: len(first)]]
    assert spelled == list(first)
    assert columns[len(first) :] == list(key)
    assert not any(term.args.get("desc") for term in terms[len(first) :])


@pytest.mark.parametrize("name", ORDERS)
def test_joins_compare_the_whole_identity_of_a_node(name: str) -> None:
    """So that partitions can be pruned, and that no id is taken for another account's or Region's."""
    statement = parsed(name)
    one_row = {cte.alias for cte in statement.find_all(exp.CTE) if is_one_row(cte.this)}
    for join in statement.find_all(exp.Join):
        if join.kind == "CROSS":
            assert join.this.name in one_row, join.sql()
            continue
        assert join.side == "LEFT", join.sql()
        assert compared(join.args["on"]) == set(NODE), join.sql()
        assert not join.args.get("using")
    for condition in statement.find_all(exp.Exists):
        assert compared(condition.this.args["where"].this) == set(NODE), condition.sql()


def is_one_row(query: exp.Expression) -> bool:
    """Whether a SELECT is of aggregates alone."""
    return "group" not in {name for name, value in query.args.items() if value} and all(
        each.find(exp.AggFunc) for each in query.selects
    )


def compared(condition: exp.Expression) -> set[str]:
    """The columns that are the same on both sides, of two tables."""
    found = set()
    for equal in condition.find_all(exp.EQ):
        left, right = equal.left, equal.right
        if isinstance(left, exp.Column) and isinstance(right, exp.Column):
            assert left.name == right.name and left.table and right.table and left.table != right.table, equal.sql()
            found.add(left.name)
    return found


@pytest.mark.parametrize("name", ORDERS)
def test_tags_multiply_no_rows(name: str) -> None:
    root = build_scope(parsed(name))
    assert root
    assert not has_a_row_per_tag(root)


def has_a_row_per_tag(scope: Scope) -> bool:
    """Whether a SELECT's rows are tags: it reads them, and not as a condition (EXISTS) nor to sum them up."""
    if isinstance(scope.expression, exp.SetOperation):
        return any(has_a_row_per_tag(each) for each in scope.set_operation_scopes)
    if scope.expression.args.get("group") or is_one_row(scope.expression):
        return False
    for _, source in scope.selected_sources.values():
        if has_a_row_per_tag(source) if isinstance(source, Scope) else source.name == TAGS:
            return True
    return False


@pytest.mark.parametrize(
    ("sql", "multiplies"),
    [
        ("SELECT * FROM aws_tag", True),
        ("SELECT a.x FROM a JOIN aws_tag t ON t.x = a.x", True),
        ("WITH t AS (SELECT * FROM aws_tag) SELECT a.x FROM a LEFT JOIN t ON t.x = a.x", True),
        ("SELECT x FROM (SELECT x FROM a UNION ALL SELECT x FROM aws_tag)", True),
        ("SELECT x FROM (SELECT x FROM a UNION ALL SELECT x FROM aws_tag) GROUP BY x", False),
        ("WITH t AS (SELECT x, map_agg(k, v) AS m FROM aws_tag GROUP BY x) SELECT * FROM a JOIN t ON t.x = a.x", False),
        ("WITH t AS (SELECT * FROM aws_tag) SELECT x FROM a WHERE EXISTS (SELECT 1 FROM t WHERE t.x = a.x)", False),
        ("SELECT max(k) FROM aws_tag", False),
    ],
)
def test_what_multiplies_rows(sql: str, multiplies: bool) -> None:
    """The measure of the test above."""
    root = build_scope(sqlglot.parse_one(sql, dialect="athena"))
    assert root
    assert has_a_row_per_tag(root) == multiplies


@pytest.mark.parametrize("name", ORDERS)
def test_queries_begin_with_their_question_rows_columns_and_tables(name: str) -> None:
    head = dict(sections(text_of(name)))
    assert list(head) == ["Question: ", "One row per ", "Columns: ", "Scans: "]
    assert all(text.endswith(".") for text in head.values())
    # There are drivers that take one in a comment for a parameter's; Athena's console is not known to be none of them.
    assert not any("?" in text for text in head.values())
    tables = {table.name for table in parsed(name).find_all(exp.Table)}
    names_of_with = {cte.alias for cte in parsed(name).find_all(exp.CTE)}
    assert sorted(head["Scans: "].rstrip(".").split(", ")) == sorted(tables - names_of_with)


def sections(text: str) -> Iterator[tuple[str, str]]:
    """The comment before the statement as (label, text), with its lines joined."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("-- "):
            break
        lines.append(line.removeprefix("-- "))
    starts = re.split(r"(Question: |One row per |Columns: |Scans: )", " ".join(lines))
    assert starts[0] == ""
    yield from ((label, text.strip()) for label, text in zip(starts[1::2], starts[2::2], strict=True))


def test_what_the_queries_share_is_one_text() -> None:
    """A name bound by WITH means the same in every query that has it."""
    meanings: dict[str, dict[str, list[str]]] = {}
    for name in ORDERS:
        for cte in parsed(name).find_all(exp.CTE):
            meanings.setdefault(cte.alias, {}).setdefault(cte.this.sql(dialect="athena"), []).append(name)
    assert {alias: list(texts.values()) for alias, texts in meanings.items() if len(texts) > 1} == {}
    shared = load(CENTRAL)["Mappings"]["Sql"]["Cte"]
    for key, text in shared.items():
        alias = text.partition(" ")[0]
        assert alias == key.lower()
        assert len(next(iter(meanings[alias].values()))) > 1, f"{alias} is of one query only"


@pytest.mark.parametrize("name", ORDERS)
def test_queries_use_only_functions_that_athena_has(name: str) -> None:
    called = {word.lower() for word in re.findall(r"\b(\w+)\s*\(", plain(text_of(name)))}
    assert called - {cte.alias for cte in parsed(name).find_all(exp.CTE)} - WORDS <= FUNCTIONS


def test_no_function_is_listed_in_vain() -> None:
    text = "\n".join(plain(text_of(name)) for name in ORDERS)
    assert {function for function in FUNCTIONS if not re.search(rf"\b{function}\s*\(", text, re.IGNORECASE)} == set()


@pytest.mark.parametrize("name", ORDERS)
def test_parameters_are_as_many_as_are_documented(name: str) -> None:
    values = PARAMETERS.get(name, [])
    assert plain(text_of(name)).count("?") == len(values)
    row = next(line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| `{name}` |"))
    for value in values:
        assert re.fullmatch(r"'[^']+'", value)
        assert f"`{value}`" in row and value in text_of(name), "the document and the query itself give the example"


def test_stale_is_what_the_parameter_says() -> None:
    queries = {name for name in ORDERS if "StaleAfterDays" in str(saved_queries()[name]["QueryString"])}
    assert queries == {"QueryStaleScans", "QuerySilentAccounts", "QueryNodes"}
    for name in queries:
        assert "interval '30' day" in text_of(name)
