"""Every saved query finds in a fleet's files what the fleet says of itself, whatever kind of fleet it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

import arrivals
from deployment import Central, QueryFailed, wait_for
from fleet import Fleet, Node
from fleet.answers import NAMES
from fleet.cases import CASES
from local_aws.server import LocalAws
from organization import HOME_REGION, MEMBER_ACCOUNTS, ORGANIZATION, REGIONS, SYNC_NAME, SYNC_PREFIX
from right_answers import assert_right, now
from saved_queries import PARAMETERS

TAGGED = "QueryComplianceOfTaggedNodes"


class Reticent(Fleet):
    """A fleet whose nodes report nothing that they may leave out, so that some columns occur in no file."""

    def _node(self, index: int) -> Node:
        node = super()._node(index)
        scan = node.scan and replace(
            node.scan,
            early_format=True,
            times="absent",
            patch_group=None,
            last_no_reboot_install=None,
            results=tuple(replace(each, patch=replace(each.patch, cve_ids=())) for each in node.scan.results),
        )
        return replace(
            node,
            scan=scan,
            instance_status=None,
            platform_type=None,
            ip_address=None,
            agent_version=None,
            empty_strings=False,
            earlier=None,
        )


def fleet_of(nodes: int, kind: type[Fleet] = Fleet, silent: list[str] | None = None) -> Fleet:
    """A fleet as it was half a day ago: so are, at any time of day, some ages in midnights others than in full days."""
    return kind(7, MEMBER_ACCOUNTS, REGIONS, nodes, now() - timedelta(hours=12), silent or [])


FLEETS: dict[str, Callable[[], Fleet]] = {
    "nothing at all": lambda: fleet_of(0),
    "one node": lambda: fleet_of(1),
    "every case": lambda: fleet_of(len(CASES)),
    "a silent account": lambda: fleet_of(3 * len(CASES), silent=MEMBER_ACCOUNTS[2:]),
    "few attributes": lambda: fleet_of(len(CASES), Reticent),
}


@pytest.fixture(scope="module", params=FLEETS)
def fleet(request: pytest.FixtureRequest, central: Central) -> Fleet:
    """A fleet of which all files are in the bucket and have been crawled."""
    fleet = FLEETS[request.param]()
    arrive(central, fleet)
    return fleet


def arrive(central: Central, fleet: Fleet) -> None:
    """Puts the fleet's files into the bucket, in place of what was there, and crawls them."""
    arrivals.forget(central)
    arrivals.put(central, arrivals.files(fleet))
    arrivals.crawl(central)


@pytest.mark.parametrize("name", NAMES)
def test_query_finds_what_the_fleet_says(central: Central, fleet: Fleet, name: str) -> None:
    assert_right(central, fleet, [name])


def test_every_query_has_rows_for_a_fleet_with_every_case(central: Central) -> None:
    """Or else the others would prove nothing."""
    fleet = FLEETS["a silent account"]()
    assert [name for name, answer in fleet.answers(at=now()).items() if not answer.rows] == []


def test_few_attributes_means_columns_that_no_file_has() -> None:
    lines = [line for content in arrivals.files(FLEETS["few attributes"]()).values() for line in content.splitlines()]
    for attribute in (
        b"InstanceStatus",
        b"PlatformType",
        b"IpAddress",
        b"CVEIds",
        b"RebootOption",
        b"OperationEndTime",
    ):
        assert not any(b'"' + attribute + b'"' in line for line in lines), attribute


def test_the_tag_is_a_parameter(central: Central) -> None:
    """Key and value are compared as they are written: keys that differ by case are two keys."""
    fleet = FLEETS["every case"]()
    arrive(central, fleet)
    query = central.saved_queries()[TAGGED]
    for key, value in (
        ("environment", "Production"),
        ("担当", "運用チーム 🚀"),
        ("Notes", ""),
        ("Environment", "none"),
    ):
        wanted = [node.id for node in fleet.nodes if (key, value) in node.tags and not node.is_terminated]
        found = central.run_saved_query(query, [f"'{key}'", f"'{value}'"]).rows
        assert sorted(row[2] or "" for row in found) == sorted(wanted), (key, value)
    with pytest.raises(QueryFailed, match="expected 2 but found 1"):
        central.run_saved_query(query, PARAMETERS[TAGGED][:1])


@pytest.mark.parametrize(
    ("name", "last", "condition"),
    [
        ("QueryNonCompliantPatch", "ORDER BY item.accountid", "  AND item.accountid = '{account}'\n"),
        ("QueryNodes", "ORDER BY node.accountid", "WHERE node.accountid = '{account}'\n"),
        ("QueryComplianceByAccountAndRegion", "GROUP BY node.accountid", "WHERE node.accountid = '{account}'\n"),
    ],
)
def test_a_condition_on_the_account_reads_the_files_of_that_account_only(
    central: Central, name: str, last: str, condition: str
) -> None:
    """As docs/queries.md says, in the last SELECT; every table that the query reads is pruned."""
    fleet = FLEETS["a silent account"]()
    arrive(central, fleet)
    account = MEMBER_ACCOUNTS[0]
    sql = central.saved_queries()[name]["QueryString"]
    before, _, after = sql.rpartition(last)
    everything = central.run_query(sql)
    theirs = central.run_query(before + condition.format(account=account) + last + after)
    assert theirs.rows == [row for row in everything.rows if row[0] == account]
    sizes = {key: len(content) for key, content in arrivals.files(fleet).items()}
    own = sum(size for key, size in sizes.items() if f"accountid={account}" in key) / sum(sizes.values())
    assert theirs.bytes_scanned / everything.bytes_scanned == pytest.approx(own, abs=0.1)


def test_a_thousand_nodes() -> None:
    """As the syncs ship them, for one object at a time takes long."""
    fleet = fleet_of(1_000)
    with LocalAws(ORGANIZATION, fleet.arguments()) as server:
        central = Central(server)
        central.deploy()
        destination = {
            "BucketName": central.sync_bucket,
            "Prefix": SYNC_PREFIX,
            "Region": HOME_REGION,
            "SyncFormat": "JsonSerDe",
            "DestinationDataSharing": {"DestinationDataSharingType": "Organization"},
        }
        syncs = [server.client("ssm", account, region) for account in MEMBER_ACCOUNTS for region in REGIONS]
        for ssm in syncs:
            ssm.create_resource_data_sync(SyncName=SYNC_NAME, S3Destination=destination)
        for ssm in syncs:
            wait_for(
                lambda ssm=ssm: all(
                    sync.get("LastStatus") == "Successful"
                    for sync in ssm.list_resource_data_sync()["ResourceDataSyncItems"]
                ),
                120,
                "a sync has not shipped its files",
            )
        arrivals.crawl(central)
        assert_right(central, fleet)


def test_stale_and_silent_is_what_the_parameter_says(central: Central) -> None:
    fleet = FLEETS["a silent account"]()
    arrive(central, fleet)
    central.deploy(StaleAfterDays="150")
    results = assert_right(central, fleet, stale_after_days=150)
    assert results["QuerySilentAccounts"].rows == []
    assert results["QueryStaleScans"].rows
