"""Real Trino, the engine that Athena is made of, judges the SQL of the QuickSight dashboard's data sets.

In the very text that the template deploys, sent in the form in which QuickSight sends it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import timedelta

import pytest

import arrivals
from conftest import TRINO_ACCOUNT
from dashboard import queries
from dashboard.definition import DataSet, read
from dashboard.evaluate import figures
from dashboard.lakes import CHOICES, Lake, assert_figures_right, assert_rows_right, gather, odd_files
from deployment import Central
from engines import Outcome, TrinoEngine
from fleet import Fleet, datasets
from fleet.cases import CASES
from fleet.meanings import is_known
from local_aws.server import LocalAws
from organization import MEMBER_ACCOUNTS, REGIONS
from right_answers import now
from trino_server import Trino

DASHBOARD = read()


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """A fleet with every case, as it was half a day ago, and with an account that has fallen silent."""
    earlier = now() - timedelta(hours=12)
    return Fleet(7, MEMBER_ACCOUNTS, REGIONS, 2 * len(CASES), earlier, MEMBER_ACCOUNTS[2:])


@pytest.fixture(scope="module")
def central(local_aws: LocalAws, trino: Trino, fleet: Fleet) -> Iterator[Central]:
    """The central stack with the fleet's files, crawled."""
    central = Central(local_aws, account=TRINO_ACCOUNT)
    central.deploy()
    arrivals.put(central, arrivals.files(fleet))
    arrivals.crawl(central)
    yield central
    central.delete()


@pytest.fixture(scope="module")
def data_sets(central: Central) -> dict[str, DataSet]:
    return read(GlueDatabaseName=central.outputs["GlueDatabaseName"]).data_sets


def run(trino: Trino, data_set: DataSet) -> Outcome:
    """QuickSight knows of no database, so the query's is one without the tables."""
    return TrinoEngine(trino).run(queries.as_sent(data_set), "default")


@pytest.fixture(scope="module")
def lake(trino: Trino, central: Central, fleet: Fleet) -> Lake:
    dashboard = read(GlueDatabaseName=central.outputs["GlueDatabaseName"])
    return gather(dashboard, functools.partial(run, trino), fleet)


@pytest.mark.parametrize("name", DASHBOARD.data_sets)
def test_a_data_set_has_the_rows_that_the_fleet_says(lake: Lake, name: str) -> None:
    assert_rows_right(lake, name)


@pytest.mark.parametrize("name", DASHBOARD.visuals)
def test_a_visual_shows_what_the_fleet_says(lake: Lake, name: str) -> None:
    for choice in CHOICES.values():
        assert_figures_right(DASHBOARD, lake, name, choice)


def test_no_value_whatever_makes_a_query_fail(
    trino: Trino, central: Central, fleet: Fleet, data_sets: dict[str, DataSet]
) -> None:
    """The last of this module's tests, for the files are odd from here on."""
    arrivals.put(central, odd_files(fleet))
    for name, data_set in data_sets.items():
        rows = queries.read(data_set, run(trino, data_set))
        if name in ("Nodes", "Applications"):
            assert {row["Node key"] for row in rows} == {datasets.key(node) for node in fleet.nodes if is_known(node)}
        if name == "Compliance items":
            # As many as SPICE takes of a text.
            assert 2000 < max(len(str(row["CVE ids"])) for row in rows) <= 2047
        for visual in DASHBOARD.visuals.values():
            if visual.data_set == name:
                figures(DASHBOARD, visual, rows, dict.fromkeys(each.id for each in DASHBOARD.controls))
