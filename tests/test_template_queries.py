"""The saved queries of the central template, checked without running them: their columns, order, joins and heads."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlglot
from sqlglot import exp

from templates import CENTRAL, resources

_NODE = "accountid region resourceid"
_PATCH = (
    f"{_NODE} status patchstate id title classification patchseverity severity executiontype patchbaselineid"
    " capturetime"
)
_APPLICATION = (
    f"{_NODE} name version installedtime applicationtype summary architecture packageid publisher capturetime"
)
_APPLICATION_ORDER = f"{_NODE} name version architecture packageid"

# Name -> (columns, order).
QUERIES = {
    "QueryInstanceList": (
        f"{_NODE} computername ipaddress instancestatus platformtype platformname platformversion agenttype"
        " agentversion capturetime",
        _NODE,
    ),
    "QueryCompliantPatch": (_PATCH, f"{_NODE} id title"),
    "QueryNonCompliantPatch": (_PATCH, f"{_NODE} id title"),
    "QueryComplianceSummaryPatch": (
        f"{_NODE} status executiontype overallseverity compliantcriticalcount noncompliantcriticalcount"
        " noncompliantcount patchbaselineid executiontime capturetime",
        _NODE,
    ),
    "QueryPatchSummary": (
        f"{_NODE} missingcount failedcount installedpendingrebootcount installedrejectedcount criticalnoncompliantcount"
        " securitynoncompliantcount othernoncompliantcount installedcount operationtype operationendtime rebootoption"
        " baselineid capturetime",
        _NODE,
    ),
    "QueryInstanceApplications": (_APPLICATION, _APPLICATION_ORDER),
    "QuerySSMAgentVersion": (_APPLICATION, _APPLICATION_ORDER),
    "QueryComplianceByAccountAndRegion": (
        "accountid region nodes compliant noncompliant neverscanned",
        "accountid region",
    ),
}


def saved_queries() -> dict[str, dict[str, Any]]:
    """The named queries' properties by name."""
    found = resources(CENTRAL, "AWS::Athena::NamedQuery").values()
    return {each["Properties"]["Name"]: each["Properties"] for each in found}


def parsed(name: str) -> exp.Select:
    """The one statement of a saved query."""
    (statement,) = sqlglot.parse(saved_queries()[name]["QueryString"], dialect="athena")
    assert isinstance(statement, exp.Select)
    return statement


def test_there_are_the_recipes_queries_and_ours() -> None:
    assert saved_queries().keys() == QUERIES.keys()


@pytest.mark.parametrize("name", QUERIES)
def test_queries_belong_to_the_database_and_the_workgroup(name: str) -> None:
    query = saved_queries()[name]
    assert (query["Database"], query["WorkGroup"]) == ({"Ref": "GlueDatabase"}, {"Ref": "AthenaWorkGroup"})


@pytest.mark.parametrize("name", QUERIES)
def test_queries_have_their_columns_and_order_and_no_limit(name: str) -> None:
    columns, order = QUERIES[name]
    statement = parsed(name)
    assert statement.named_selects == columns.split()
    assert [(term.this.name, bool(term.args.get("desc"))) for term in statement.args["order"].expressions] == [
        (column, False) for column in order.split()
    ]
    assert statement.find(exp.Limit) is None


@pytest.mark.parametrize("name", QUERIES)
def test_queries_leave_out_blank_lines_and_terminated_nodes_and_join_no_tags(name: str) -> None:
    statement = parsed(name)
    tables = {table.name for table in statement.find_all(exp.Table)}
    assert "aws_instanceinformation" in tables
    assert "aws_tag" not in tables
    text = statement.sql(dialect="athena", comments=False)
    assert re.search(r"COALESCE\((node\.)?instancestatus, ''\) <> 'Terminated'", text)
    assert re.search(r"NOT (\w+\.)?resourceid IS NULL", text)
    for join in statement.find_all(exp.Join):
        assert join.side == "LEFT"
        compared = {equal.this.name for equal in join.args["on"].find_all(exp.EQ)}
        assert compared == {"accountid", "region", "resourceid"}


@pytest.mark.parametrize("name", QUERIES)
def test_queries_begin_with_their_question_rows_and_columns(name: str) -> None:
    text = saved_queries()[name]["QueryString"]
    head = [line.removeprefix("-- ") for line in text.splitlines() if line.startswith("--")]
    assert text.startswith("--")
    assert head[0].endswith("?")
    assert head[1].startswith("One row per ")
    assert head[2].startswith("Columns: ")
