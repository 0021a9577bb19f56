"""Real Trino, the engine that Athena is made of, judges the saved queries and the repair of the duplicate column.

The tests of this module tell one story in order, on the central stack with the real column deleter: the first crawl
breaks every query on a table, the function repairs it, and every saved query then gives, in the very text that the
template holds, what the fleet's own answers and the local AWS's Athena give.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

import arrivals
from conftest import TRINO_ACCOUNT
from deployment import Central
from engines import AthenaEngine, Outcome, TrinoEngine
from fleet import Fleet
from fleet.cases import CASES
from local_aws.server import LocalAws
from organization import MEMBER_ACCOUNTS, REGIONS
from right_answers import ATTEMPTS, comparable, now
from saved_queries import PARAMETERS
from templates import CENTRAL, resources, text_as_deployed
from trino_server import Trino

SAVED_QUERIES = {
    each["Properties"]["Name"]: text_as_deployed(CENTRAL, each["Properties"]["QueryString"])
    for each in resources(CENTRAL, "AWS::Athena::NamedQuery").values()
}
COLLIDING = "aws_instanceinformation"
DUPLICATE = (
    f"HIVE_INVALID_METADATA: Hive metadata for table {COLLIDING} is invalid: "
    "Table descriptor contains duplicate columns"
)


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """A fleet with every case, as it was half a day ago, and with an account that has fallen silent."""
    earlier = now() - timedelta(hours=12)
    return Fleet(7, MEMBER_ACCOUNTS, REGIONS, 2 * len(CASES), earlier, MEMBER_ACCOUNTS[2:])


@pytest.fixture(scope="module")
def central(local_aws: LocalAws, trino: Trino, fleet: Fleet) -> Iterator[Central]:
    """The central stack with the fleet's files, crawled once with the repair switched off."""
    central = Central(local_aws, account=TRINO_ACCOUNT)
    central.deploy()
    arrivals.put(central, arrivals.files(fleet))
    central.set_repair(enabled=False)
    central.crawl()
    yield central
    central.delete()


@pytest.fixture(scope="module")
def repaired(central: Central) -> Central:
    """The same stack after a crawl that the column deleter followed."""
    central.set_repair(enabled=True)
    arrivals.crawl(central)
    return central


def on_trino(trino: Trino, central: Central, sql: str, parameters: list[str] | None = None) -> Outcome:
    """Runs a query on the stack's database."""
    return TrinoEngine(trino).run(sql, central.outputs["GlueDatabaseName"], parameters or [])


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) FROM {COLLIDING}",
        f"SELECT resourceid FROM {COLLIDING} LIMIT 1",
        f"SELECT resourcetype FROM {COLLIDING}",
        f"SELECT 1 FROM {COLLIDING} WHERE accountid = '210987654321'",
        f"SELECT 1 FROM aws_tag LEFT JOIN {COLLIDING} ON true",
    ],
)
def test_before_the_repair_every_query_on_the_table_fails(trino: Trino, central: Central, sql: str) -> None:
    assert "resourcetype" in central.columns(COLLIDING)
    assert on_trino(trino, central, sql).error == DUPLICATE


@pytest.mark.parametrize("name", [name for name, sql in SAVED_QUERIES.items() if COLLIDING in sql])
def test_before_the_repair_every_saved_query_on_the_table_fails(trino: Trino, central: Central, name: str) -> None:
    assert on_trino(trino, central, SAVED_QUERIES[name], PARAMETERS.get(name)).error == DUPLICATE


def test_before_the_repair_other_tables_are_read(trino: Trino, central: Central) -> None:
    assert on_trino(trino, central, "SELECT resourceid FROM aws_complianceitem LIMIT 1").rows


def test_the_function_repairs_the_table_and_the_old_partitions_read_right(
    trino: Trino, repaired: Central, fleet: Fleet
) -> None:
    for partition in repaired.partitions(COLLIDING):
        described = [column["Name"] for column in partition["StorageDescriptor"]["Columns"]]
        assert "resourcetype" in described, "the partition's descriptor is the crawler's still"
    found = on_trino(
        trino,
        repaired,
        f"SELECT accountid, region, resourcetype, resourceid, platformname FROM {COLLIDING}",
    )
    assert found.error is None
    newest = {row[3]: row for row in found.rows if row[2] == "ManagedInstanceInventory" and row[3]}
    assert newest == {
        node.id: (node.account, node.region, "ManagedInstanceInventory", node.id, node.system.platform_name)
        for node in fleet.nodes
        if node.registered
    }


def test_the_workgroup_holds_the_templates_queries_to_the_letter(repaired: Central) -> None:
    held = {name: query["QueryString"] for name, query in repaired.saved_queries().items()}
    assert held == SAVED_QUERIES


@pytest.mark.parametrize("name", SAVED_QUERIES)
def test_both_engines_give_the_answer_that_the_fleet_itself_gives(
    trino: Trino, repaired: Central, fleet: Fleet, name: str
) -> None:
    """Between two runs a day of some age may become full: then both are run again.

    Tags are compared as JSON: Trino writes a character beyond the first plane as two escapes.
    """
    sql, parameters = SAVED_QUERIES[name], PARAMETERS.get(name, [])
    athena = AthenaEngine(repaired.client("athena"), repaired.outputs["AthenaWorkGroupName"])
    for _ in range(ATTEMPTS):
        before = fleet.answers([name], now())[name]
        on_both = [
            on_trino(trino, repaired, sql, parameters),
            athena.run(sql, repaired.outputs["GlueDatabaseName"], parameters),
        ]
        if before == fleet.answers([name], now())[name]:
            break
    assert before.rows, "a query without rows proves nothing"
    for outcome in on_both:
        assert (outcome.error, outcome.columns) == (None, before.columns)
        assert comparable(outcome) == comparable(before)


def test_parameters_are_for_queries_that_there_are() -> None:
    assert PARAMETERS.keys() <= SAVED_QUERIES.keys()
