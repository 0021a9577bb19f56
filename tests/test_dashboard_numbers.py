"""Each number of the QuickSight dashboard is what the fleet says of itself.

The data sets' SQL runs on the local AWS's Athena, in the form in which QuickSight sends it; its rows are the fleet's,
and so are the numbers that each visual makes of them, whatever the controls are set to.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import fields

import pytest

import arrivals
from dashboard import queries
from dashboard.definition import Dashboard, DataSet, read
from dashboard.evaluate import Figures, figures
from dashboard.lakes import (
    CHOICES,
    Lake,
    assert_figures_right,
    assert_rows_right,
    edited,
    files_of,
    gather,
    in_any_order,
    odd_files,
)
from deployment import Central
from engines import AthenaEngine, Outcome
from fleet import Fleet, Node, dashboard, datasets
from fleet.answers import answer
from fleet.dashboard import Choice
from fleet.meanings import Asking, is_known
from organization import REGIONS
from right_answers import now
from test_saved_queries import FLEETS, arrive

DASHBOARD = read()

INSTANCES = "aws_instanceinformation"


def run(central: Central, data_set: DataSet) -> Outcome:
    """The outcome of a data set's query. QuickSight knows of no database, so the query's is one without the tables."""
    athena = AthenaEngine(central.client("athena"), central.outputs["AthenaWorkGroupName"])
    return athena.run(queries.as_sent(data_set), "default")


def deployed(central: Central, **parameters: str) -> Dashboard:
    return read(GlueDatabaseName=central.outputs["GlueDatabaseName"], **parameters)


def gathered(central: Central, fleet: Fleet, stale_after_days: int = 30) -> Lake:
    dashboard = deployed(central, StaleAfterDays=str(stale_after_days))
    return gather(dashboard, functools.partial(run, central), fleet, stale_after_days)


@pytest.fixture(scope="module", params=FLEETS)
def lake(request: pytest.FixtureRequest, central: Central) -> Lake:
    """A fleet of some kind, all of it in the bucket and crawled."""
    fleet = FLEETS[request.param]()
    arrive(central, fleet)
    return gathered(central, fleet)


@pytest.mark.parametrize("name", DASHBOARD.data_sets)
def test_a_data_set_has_the_rows_that_the_fleet_says(lake: Lake, name: str) -> None:
    """With names and types of columns as QuickSight is told, and times and numbers that it can read."""
    assert_rows_right(lake, name)


@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("name", DASHBOARD.visuals)
def test_a_visual_shows_what_the_fleet_says(lake: Lake, name: str, choice: str) -> None:
    assert_figures_right(DASHBOARD, lake, name, CHOICES[choice])


@pytest.mark.parametrize("name", DASHBOARD.data_sets)
def test_no_row_is_without_what_it_is_counted_and_chosen_by(lake: Lake, name: str) -> None:
    """Nothing would count a row without a key, and no choice would ever show one without a value to choose."""
    for column in ("Node key", *(each.column for each in DASHBOARD.controls)):
        assert not {row[column] for row in lake.rows[name]} & {None, ""}, column


def test_nodes_are_counted_once_however_many_rows_there_are(lake: Lake) -> None:
    for name in ("Nodes", "Compliance summary", "Instance details", "Instance information", "Patch summary"):
        keys = [row["Node key"] for row in lake.rows[name]]
        assert len(keys) == len(set(keys)), name


def test_the_numbers_are_those_of_the_saved_queries(lake: Lake) -> None:
    """Which leave out the terminated nodes only; docs/dashboard.md says so."""
    names = ("ComplianceByAccountAndRegion", "NodesNeverScanned", "StaleScans", "TopMissingPatches")
    found = {name: answer(lake.nodes, [f"Query{name}"], lake.asking)[f"Query{name}"].rows for name in names}
    statuses = {str(row["Instance status"]) for row in lake.rows["Nodes"]} - {"Terminated"}

    def shown(visual: str, depth: int | None = None) -> Figures:
        it = DASHBOARD.visuals[visual]
        return figures(DASHBOARD, it, lake.rows[it.data_set], {"instance-status": sorted(statuses)}, depth)

    places = found["ComplianceByAccountAndRegion"]
    words = ("Compliant", "Non-compliant", "Not scanned")
    sums = [sum(int(row[at] or 0) for row in places) for at in range(2, 6)]
    assert shown("nodes-by-patch-status").total == (sums[0],)
    assert dict(shown("nodes-by-patch-status").rows) == {
        word: number for word, number in zip(words, sums[1:], strict=True) if number
    }
    by_account = Counter({row[0]: 0 for row in places})
    for row in places:
        by_account[row[0]] += int(row[2] or 0)
    assert dict(shown("nodes-by-account").rows) == by_account
    assert shown("nodes-never-scanned").total == (len(found["NodesNeverScanned"]),)
    assert shown("nodes-with-a-stale-scan").total == (len(found["StaleScans"]),)
    # The chart counts by a patch's id, which on Linux is a package of whatever version; the query tells titles apart.
    assert {row[:2]: row[2] for row in shown("missing-patches", 2).rows} == {
        row[:2]: int(row[5] or 0) for row in found["TopMissingPatches"]
    }


# Whether the tests above prove what they seem to prove.


def test_the_fleet_knows_exactly_the_dashboards_visuals_and_data_sets() -> None:
    assert dashboard.VISUALS.keys() == DASHBOARD.visuals.keys()
    assert datasets.DATA_SETS.keys() == DASHBOARD.data_sets.keys()


def test_the_controls_are_the_ones_that_choices_are_made_by() -> None:
    assert {each.id: each.values for each in DASHBOARD.controls} == {
        each.name.replace("_", "-"): each.default for each in fields(Choice)
    }


@functools.cache
def shown_of_many(name: str, choice: str) -> dashboard.Shown:
    return dashboard.answer(FLEETS["a silent account"]().nodes, name, CHOICES[choice], Asking(now()))


@pytest.mark.parametrize("name", DASHBOARD.visuals)
def test_every_visual_has_something_to_show(name: str) -> None:
    shown = shown_of_many(name, "at first")
    assert shown.rows and all(shown.total)
    assert shown_of_many(name, "nothing").rows != shown.rows


@pytest.mark.parametrize("name", DASHBOARD.visuals)
def test_every_choice_changes_what_a_visual_shows(name: str) -> None:
    for choice in ("terminated", "one account", "one Region", "Windows"):
        assert shown_of_many(name, choice) != shown_of_many(name, "at first"), choice


def test_some_values_are_beyond_what_a_chart_shows() -> None:
    rows = shown_of_many("nodes-by-tag", "every state").rows
    assert any(dashboard.OTHER in row for row in rows)
    assert len(shown_of_many("top-missing-patches", "every state").rows) == dashboard.TOP


# What real buckets hold beside one good file of each type a node.


@pytest.fixture(scope="module")
def everything(central: Central) -> tuple[Central, Fleet]:
    """The stack with a fleet that has every case."""
    fleet = FLEETS["every case"]()
    arrive(central, fleet)
    return central, fleet


@pytest.fixture
def changed(everything: tuple[Central, Fleet]) -> Iterator[tuple[Central, Fleet]]:
    """The same for a test that puts more files there, which are gone when it is done."""
    yield everything
    arrive(*everything)


@pytest.fixture
def spoiled(everything: tuple[Central, Fleet]) -> Iterator[tuple[Central, Fleet]]:
    """The same for a test that changes what is in the files, and not which there are."""
    yield everything
    arrivals.put(everything[0], arrivals.files(everything[1]))


def node_of(fleet: Fleet, case: str) -> Node:
    return next(node for node in fleet.nodes if node.case == case)


def of_a_second_type(files: arrivals.Files) -> arrivals.Files:
    """The same files in the partition of another resource type."""
    return {key.replace("=ManagedInstanceInventory", "=ManagedInstance"): files[key] for key in files}


def test_stale_is_what_the_parameter_says(everything: tuple[Central, Fleet]) -> None:
    central, fleet = everything
    for days in (1, 30):
        lake = gathered(central, fleet, days)
        assert_figures_right(DASHBOARD, lake, "nodes-with-a-stale-scan", Choice())
    (soon,) = dashboard.answer(fleet.nodes, "nodes-with-a-stale-scan", Choice(), Asking(now(), 1)).total
    (later,) = dashboard.answer(fleet.nodes, "nodes-with-a-stale-scan", Choice(), Asking(now(), 30)).total
    assert soon > later > 0


def test_a_second_name_multiplies_no_node(changed: tuple[Central, Fleet]) -> None:
    """Two files of a node's tags, as old as each other, with two names."""
    central, fleet = changed
    node = node_of(fleet, "ten tags")
    ((key, content),) = ((key, each) for key, each in files_of(fleet, node).items() if key.startswith("AWS:Tag/"))
    name = next(line for line in content.splitlines() if b'"Name"' in line)
    arrivals.put(central, of_a_second_type({key: edited(name, {"Value": "zzz-second-name"})}))
    arrivals.crawl(central)
    lake = gathered(central, fleet)
    expected = datasets.rows(lake.nodes, "Nodes", lake.asking)
    (row,) = (row for row in expected if row["Node"] == node.id)
    row["Name"] = "zzz-second-name"
    assert in_any_order(lake.rows["Nodes"]) == in_any_order(expected)
    names = [row["Tag value"] for row in lake.rows["Tags"] if (row["Node"], row["Tag key"]) == (node.id, "Name")]
    assert sorted(names) == sorted([dict(node.tags)["Name"], "zzz-second-name"])


def test_the_same_id_in_another_region_is_another_node(changed: tuple[Central, Fleet]) -> None:
    central, fleet = changed
    node = node_of(fleet, "missing patches")
    region = next(region for region in REGIONS if region != node.region)
    files = files_of(fleet, node)
    arrivals.put(central, {key.replace(f"={node.region}", f"={region}"): content for key, content in files.items()})
    arrivals.crawl(central)
    lake = gathered(central, fleet)
    for name in DASHBOARD.data_sets:
        assert {row["Region"] for row in lake.rows[name] if row["Node"] == node.id} == {node.region, region}, name
    for name in ("nodes-by-patch-status", "nodes-by-platform", "cloudwatch-agent"):
        visual = DASHBOARD.visuals[name]
        before = dashboard.answer(lake.nodes, name, Choice(), lake.asking).total[-1]
        assert figures(DASHBOARD, visual, lake.rows[visual.data_set]).total[-1] == before + 1


def test_a_nodes_files_twice_multiply_nothing(changed: tuple[Central, Fleet]) -> None:
    """But a tag is two rows then, which makes no node two."""
    central, fleet = changed
    arrivals.put(central, of_a_second_type(files_of(fleet, node_of(fleet, "states as in the API"))))
    arrivals.crawl(central)
    lake = gathered(central, fleet)
    for name in DASHBOARD.data_sets:
        if name != "Tags":
            assert_rows_right(lake, name)
    for name in DASHBOARD.visuals:
        assert_figures_right(DASHBOARD, lake, name, Choice())


def test_no_value_whatever_makes_a_query_fail(spoiled: tuple[Central, Fleet]) -> None:
    central, fleet = spoiled
    arrivals.put(central, odd_files(fleet))
    for name, data_set in deployed(central).data_sets.items():
        rows = queries.read(data_set, run(central, data_set))
        assert rows, name
        keys = [row["Node key"] for row in rows]
        if name in ("Nodes", "Applications"):
            assert set(keys) == {datasets.key(node) for node in fleet.nodes if is_known(node)}
        if name == "Nodes":
            assert len(keys) == len(set(keys))
        for visual in DASHBOARD.visuals.values():
            if visual.data_set == name:
                figures(DASHBOARD, visual, rows, dict.fromkeys(each.id for each in DASHBOARD.controls))


# https://docs.aws.amazon.com/quicksight/latest/user/data-source-limits.html
SPICE_CHARACTERS = 2047


@pytest.mark.parametrize(("ids", "shown"), [(127, 127), (128, 128), (129, 127), (500, 127)])
def test_spice_takes_the_cve_ids_of_any_patch(spoiled: tuple[Central, Fleet], ids: int, shown: int) -> None:
    """As many as go in, each of them whole; of more than that the rest is dots."""
    central, fleet = spoiled
    node = node_of(fleet, "missing patches")
    ((key, content),) = (each for each in files_of(fleet, node).items() if each[0].startswith("AWS:ComplianceItem/"))
    all_ids = [f"CVE-2026-{number:06}" for number in range(ids)]
    arrivals.put(central, {key: edited(content, {"CVEIds": ",".join(all_ids)})})
    data_set = deployed(central).data_sets["Compliance items"]
    rows = queries.read(data_set, run(central, data_set))
    (text,) = {str(row["CVE ids"]) for row in rows if row["Node"] == node.id}
    assert len(text) <= SPICE_CHARACTERS
    assert text.split(",") == all_ids[:shown] + ["..."] * (ids > shown)


def tables_of(data_set: DataSet) -> set[str]:
    return set(re.findall(r"\baws_\w+", data_set.sql))


@pytest.mark.parametrize("table", sorted(set().union(*map(tables_of, DASHBOARD.data_sets.values()))))
def test_a_type_of_which_nothing_is_left_makes_no_query_fail(spoiled: tuple[Central, Fleet], table: str) -> None:
    """As when a type is no longer gathered: the table is there, and its files hold nothing."""
    central, fleet = spoiled
    kinds = {key.partition("/")[0] for key in arrivals.files(fleet)}
    (kind,) = (each for each in kinds if each.lower().replace(":", "_") == table)
    arrivals.put(central, dict.fromkeys(arrivals.files(fleet, lambda it, account: it == kind), b""))
    for name, data_set in deployed(central).data_sets.items():
        tables = tables_of(data_set)
        if table in tables:
            rows = queries.read(data_set, run(central, data_set))
            assert bool(rows) == ((tables - {INSTANCES} or tables) != {table}), name
