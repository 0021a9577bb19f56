"""From an empty bucket on, whatever arrives in whatever order, every saved query runs, and its rows are right.

AWS does not document whether a crawler goes on with a table that somebody else has made at its folder, or makes a
second one there. Each test runs on a local AWS of either kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

import arrivals
from arrivals import Files, bare, files
from deployment import Central
from fleet import Fleet
from fleet.cases import CASES
from grants import role_without
from local_aws.server import LocalAws
from organization import MEMBER_ACCOUNTS, ORGANIZATION, REGIONS
from right_answers import assert_right

# The tables that the saved queries and the data sets read.
KNOWN = {
    "aws_application",
    "aws_complianceitem",
    "aws_compliancesummary",
    "aws_instancedetailedinformation",
    "aws_instanceinformation",
    "aws_patchsummary",
    "aws_tag",
}
# What the crawler counts anew at each crawl, and what tells who made a table.
_COUNTED = {"objectCount", "sizeKey", "recordCount", "averageRecordSize"}
_OURS = "MADE_BY_FUNCTION"


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    """A fleet with every case that there is."""
    return Fleet(1, MEMBER_ACCOUNTS, REGIONS, len(CASES), "2026-01-15T12:00:00Z")


@pytest.fixture(scope="module", params=[True, False], ids=["adopts", "makes a second"])
def adopts(request: pytest.FixtureRequest) -> bool:
    """Whether the crawler goes on with a table that it finds."""
    return request.param


@pytest.fixture(scope="module")
def deployed(adopts: bool) -> Iterator[Central]:
    """The central stack on a local AWS with such a crawler."""
    settings = {"LOCAL_AWS_CRAWLER_ADOPTS_TABLES": str(int(adopts))}
    with LocalAws(ORGANIZATION, extra_env=settings) as server:
        central = Central(server)
        central.deploy()
        yield central


@pytest.fixture
def central(deployed: Central) -> Central:
    """The stack as it is after its creation: no file, no table."""
    arrivals.forget(deployed)
    return deployed


def types_one_by_one(fleet: Fleet) -> Iterator[Files]:
    """The types that no query reads, then one type after the other; the nodes, which most queries join, last."""
    read = {"AWS:Application", "AWS:ComplianceItem", "AWS:ComplianceSummary", "AWS:InstanceDetailedInformation"}
    read |= {"AWS:PatchSummary", "AWS:Tag", "AWS:InstanceInformation"}
    yield files(fleet, lambda kind, account: kind not in read)
    for kind in [*sorted(read - {"AWS:InstanceInformation"}), "AWS:InstanceInformation"]:
        yield files(fleet, lambda it, account, kind=kind: it == kind)


def accounts_one_by_one(fleet: Fleet) -> Iterator[Files]:
    """One account after the other, each with all that it has."""
    for account in fleet.accounts:
        yield files(fleet, lambda kind, it, account=account: it == account)


def attributes_last(fleet: Fleet) -> Iterator[Files]:
    """Every file without its type's attributes, then one account's files as they are, then all."""
    yield bare(files(fleet))
    yield files(fleet, lambda kind, account: account == fleet.accounts[0])
    yield files(fleet)


def half_of_the_types_of_one_account(fleet: Fleet) -> Iterator[Files]:
    """Some types of an account, then the others of another, then all."""
    early = {"AWS:ComplianceItem", "AWS:InstanceInformation", "AWS:Network"}
    yield files(fleet, lambda kind, account: kind in early and account == fleet.accounts[0])
    yield files(fleet, lambda kind, account: kind not in early and account == fleet.accounts[1])
    yield files(fleet)


ORDERS = {
    "all at once": lambda fleet: [files(fleet)],
    "types": types_one_by_one,
    "accounts": accounts_one_by_one,
    "attributes": attributes_last,
    "types and accounts": half_of_the_types_of_one_account,
}


def test_after_a_crawl_of_nothing_every_saved_query_runs_and_finds_nothing(central: Central) -> None:
    assert all("TABLE_NOT_FOUND" in reason for reason in arrivals.failures(central).values())
    arrivals.crawl(central)
    assert arrivals.tables(central).keys() == KNOWN
    queries = central.saved_queries()
    assert queries
    for name, query in queries.items():
        assert central.run_saved_query(query).rows == [], name


@pytest.mark.parametrize(
    ("order", "from_nothing"),
    [*((order, True) for order in ORDERS), ("types", False), ("attributes", False)],
    ids=lambda value: {True: "after a crawl of nothing", False: "from the first crawl on"}.get(value, value),
)
def test_every_saved_query_runs_after_each_crawl_and_is_right_in_the_end(
    central: Central, fleet: Fleet, order: str, from_nothing: bool
) -> None:
    if from_nothing:
        arrivals.crawl(central)
    for arrived in ORDERS[order](fleet):
        arrivals.put(central, arrived)
        arrivals.crawl(central)
        assert arrivals.failures(central) == {}
    for name, result in assert_right(central, fleet).items():
        assert result.rows, f"{name} has no rows, which proves nothing"


def test_where_the_crawler_makes_a_second_table_both_have_the_partitions(
    central: Central, fleet: Fleet, adopts: bool
) -> None:
    arrivals.crawl(central)
    arrivals.put(central, files(fleet))
    arrivals.crawl(central)
    found = arrivals.tables(central)
    seconds = {name for name in found if re.fullmatch(r"aws_\w+_[0-9a-f]{32}", name)}
    assert len(seconds) == (0 if adopts else len(KNOWN))
    for name in seconds:
        assert places(central, name) == places(central, name.rpartition("_")[0]) != set()
    before = versions(central), [places(central, name) for name in KNOWN]
    arrivals.crawl(central)
    assert (versions(central), [places(central, name) for name in KNOWN]) == before, "there is nothing left to do"


def test_a_table_of_ours_is_one_of_the_crawlers(central: Central, fleet: Fleet) -> None:
    """Apart from the note, the columns' order and what this fleet does not have, nobody can tell them apart."""
    arrivals.crawl(central)
    ours = arrivals.tables(central)
    arrivals.forget(central)
    arrivals.put(central, files(fleet))
    arrivals.crawl(central)
    theirs = arrivals.tables(central)
    for name in KNOWN:
        assert ours[name]["Parameters"][_OURS] == "glue-column-deleter"
        assert _OURS not in theirs[name]["Parameters"]
        assert comparable(ours[name]) == comparable(theirs[name])
        assert column_types(ours[name]) == column_types(theirs[name])


@pytest.mark.parametrize("adopts", [False], indirect=True, ids=["makes a second"])
@pytest.mark.parametrize("action", ["glue:GetPartitions", "glue:BatchCreatePartition"])
def test_the_function_needs_the_grants_to_share_partitions(central: Central, fleet: Fleet, action: str) -> None:
    arrivals.crawl(central)
    arrivals.put(central, files(fleet))
    with role_without(central.client("iam"), role(central), action):
        arrivals.crawl_in_vain(central)
        assert places(central, "aws_tag") == set()
    assert f"perform: {action}" in "\n".join(arrivals.log(central))
    arrivals.crawl(central)
    assert places(central, "aws_tag") != set()


def role(central: Central) -> str:
    """The function's role."""
    return central.resource("DeleteGlueTableColumnFunctionRole")


def places(central: Central, table: str) -> set[tuple[str, ...]]:
    """The values and the location of each partition of a table."""
    return {(*each["Values"], each["StorageDescriptor"]["Location"]) for each in central.partitions(table)}


def versions(central: Central) -> dict[str, str]:
    return {name: table["VersionId"] for name, table in arrivals.tables(central).items()}


def column_types(table: dict[str, Any]) -> dict[str, str]:
    return {column["Name"]: column["Type"] for column in table["StorageDescriptor"]["Columns"]}


def comparable(table: dict[str, Any]) -> dict[str, Any]:
    """What a crawler decides about a table, without what it counts and the columns."""

    def settled(parameters: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in parameters.items() if name not in _COUNTED | {_OURS}}

    # The SDK of the function sends no member that is false, which is what Glue takes an absent one for.
    storage = {name: value for name, value in table["StorageDescriptor"].items() if value is not False}
    del storage["Columns"]
    serde = storage.pop("SerdeInfo")
    return {
        "TableType": table["TableType"],
        "Owner": table["Owner"],
        "Retention": table["Retention"],
        "PartitionKeys": table["PartitionKeys"],
        "Parameters": settled(table["Parameters"]),
        "StorageDescriptor": storage | {"Parameters": settled(storage["Parameters"])},
        "SerializationLibrary": serde["SerializationLibrary"],
        "SerDeParameters": set(serde["Parameters"]),
    }
