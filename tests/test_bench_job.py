"""The benchmark of the whole job: what grows with the nodes does not grow faster, and the tables say what was seen."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from bench import job
from deployment import ROOT

FEW, MANY = 60, 240

# How often these are asked for depends on how long something takes, and so on the machine.
POLLS = {
    "athena:BatchGetQueryExecution",
    "athena:GetQueryExecution",
    "cloudformation:DescribeStackEvents",
    "cloudformation:DescribeStacks",
    "cloudformation:DescribeChangeSet",
    "cloudformation:DescribeStackSetOperation",
    "cloudformation:ListStackInstances",
    "cloudformation:ListStackSetOperationResults",
    "glue:GetCrawler",
    "glue:GetTable",
    "ssm:ListResourceDataSync",
}

# Each of them as often as there are pages, of 1,000 keys or rows; all others do not depend on the nodes.
PAGES = {"athena:GetQueryResults", "s3:ListBucket", "s3:ListBucketVersions", "s3:DeleteObject"}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """The whole job at two sizes of the fleet, as JSON keeps it."""
    folder = tmp_path_factory.mktemp("job")
    told: list[str] = []
    found = {nodes: job.run_demo(nodes, told.append, folder / f"{nodes}.txt") for nodes in (FEW, MANY)}
    assert len(told) == sum(len(run["steps"]) for run in found.values())
    for nodes in found:
        assert "Patch compliance of the organization" in Path(folder, f"{nodes}.txt").read_text()
    return {nodes: json.loads(json.dumps(run)) for nodes, run in found.items()}


def asked(run: dict[str, Any]) -> Counter[tuple[str, str]]:
    """How often each SDK asked for what does not depend on the machine."""
    callers = {caller for step in run["steps"] for caller in step["requests"]}
    return Counter(
        {
            (caller, action): count
            for caller in callers
            for action, count in job.requests(run, caller).items()
            if action not in POLLS
        }
    )


def test_only_pages_become_more_with_the_nodes(runs: dict[int, dict[str, Any]]) -> None:
    few, many = asked(runs[FEW]), asked(runs[MANY])
    assert {caller for caller, _ in few} >= {"aws-sdk-rust", "aws-cli", "Boto3"}
    changed = {action for _, action in {name for name in few | many if few[name] != many[name]}}
    assert changed <= PAGES


def test_pages_grow_no_faster_than_the_nodes(runs: dict[int, dict[str, Any]]) -> None:
    few, many = asked(runs[FEW]), asked(runs[MANY])
    listed = {name for name in many if name[1] in PAGES}
    assert {action for _, action in listed} == PAGES
    assert {name: many[name] / few[name] for name in listed if many[name] / few[name] > MANY / FEW} == {}


def test_each_function_is_seen_with_its_time_and_memory(runs: dict[int, dict[str, Any]]) -> None:
    for run in runs.values():
        found = [invocation for step in run["steps"] for invocation in step["invocations"]]
        # A sync for each of 3 accounts and 2 Regions, made and deleted; one repair; the cleanup made and deleted.
        assert Counter(each["function"] for each in found) == {
            "org-resource-data-sync": 12,
            "glue-column-deleter": 1,
            "s3-cleanup": 2,
        }
        assert all(each["outcome"] == "response" and each["cpu_seconds"] > 0 < each["seconds"] for each in found)
        assert all(each["peak_rss_bytes"] > 2**20 for each in found)


def test_the_functions_memory_does_not_grow_with_the_nodes(runs: dict[int, dict[str, Any]]) -> None:
    for function in job.FUNCTIONS:
        few, many = (
            max(each["peak_rss_bytes"] for step in runs[nodes]["steps"] for each in step["invocations"]
                if each["function"] == function)
            for nodes in (FEW, MANY)
        )  # fmt: skip
        assert many / few < 2, function


def test_whose_time_it_is_adds_up(runs: dict[int, dict[str, Any]]) -> None:
    for run in runs.values():
        for step in run["steps"]:
            assert all(seconds >= 0 for seconds in step["cpu_seconds"].values())
        total = Counter[str]()
        for step in run["steps"]:
            total.update(step["cpu_seconds"])
        assert total["functions"] < total["local AWS"]
        assert total["functions"] < total["scripts"]


def test_the_tables_tell_of_each_step_and_function(runs: dict[int, dict[str, Any]]) -> None:
    tables = job.tables({"runs": [runs[FEW], runs[MANY]]})
    for table in tables:
        assert table.title.startswith("The whole job: ")
        assert all(len(row) == len(table.columns) for row in table.rows)
    names = [step["name"] for step in runs[FEW]["steps"]]
    assert len(set(names)) == len(names)
    assert [row[0] for row in tables[0].rows] == [*names, "all"]
    assert [row[0] for row in tables[1].rows] == names


@pytest.mark.parametrize(
    ("before", "after", "exponent"),
    [
        pytest.param((100, 5.0), (1_000, 5.0), 0, id="none"),
        pytest.param((100, 5.0), (1_000, 50.0), 1, id="as the nodes"),
        pytest.param((100, 5.0), (1_000, 500.0), 2, id="as their square"),
        pytest.param((60, 4.0), (240, 2.0), -0.5, id="less"),
    ],
)
def test_the_exponent_of_a_growth(before: tuple[int, float], after: tuple[int, float], exponent: float) -> None:
    assert job.growth(before, after) == pytest.approx(exponent)


def test_files_that_come_early_are_judged_with_the_step_in_which_they_come() -> None:
    seconds = {200: {"members": 20.0, "files": 1.0}, 2_000: {"members": 20.0, "files": 40.0}}
    runs = [
        {"nodes": nodes, "seconds": 0.1, "steps": [{"name": name, "seconds": each} for name, each in steps.items()]}
        for nodes, steps in seconds.items()
    ]
    files = job._times(runs).rows[1]
    assert files == ["files", "1.0", "40.0", "21.67", "0.46", "yes"]


@pytest.mark.parametrize(("seconds", "holds"), [(99.0, "yes"), (101.0, "no")])
def test_what_grows_faster_than_the_nodes_is_told(seconds: float, holds: str) -> None:
    runs = [
        {"nodes": nodes, "seconds": of_all, "steps": [{"name": "queries", "seconds": of_all}]}
        for nodes, of_all in ((200, 10.0), (2_000, seconds))
    ]
    assert [row[-1] for row in job._times(runs).rows] == [holds, holds]


def test_a_function_that_is_not_ours_is_no_function_of_the_job() -> None:
    with pytest.raises(ValueError, match="no package of ours"):
        job._function("AAAA")
    assert {path.name for path in (ROOT / "target" / "lambda").iterdir() if path.is_dir()} >= set(job.FUNCTIONS)
