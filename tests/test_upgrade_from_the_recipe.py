"""Stacks made from AWS's recipe are updated to our templates in place, and nothing that they hold is lost.

The tests of this module tell one story in order: the recipe's stacks with data, the upgrade of each, use, deletion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

import recipe
import stacks
from deployment import Central, Members, object_versions, wait_for
from local_aws.server import LocalAws
from organization import MEMBER_ACCOUNTS, ORGANIZATION, REGIONS, SYNC_NAME, SYNC_PREFIX

# Accounts and Region in which no other test leaves anything.
ACCOUNT = "888888888888"
MEMBER, REGION = MEMBER_ACCOUNTS[-1], REGIONS[-1]


@dataclass
class Upgraded:
    """Both stacks, of the recipe at first."""

    central: Central
    members: Members

    @property
    def central_stacks(self) -> Any:
        """CloudFormation in the central account."""
        return self.central.client("cloudformation")

    @property
    def member_stacks(self) -> Any:
        """CloudFormation in the member account."""
        return self.central.server.client("cloudformation", MEMBER, REGION)

    def held(self) -> list[int]:
        """How many versions each bucket of the central stack holds; -1 if it is gone."""
        buckets = [self.central.resource(name) for name in ("ResourceDataSyncBucket", "AthenaQueryResultsBucket")]
        return [object_versions(self.central.server, bucket, ACCOUNT) for bucket in buckets]

    def syncs(self) -> list[dict[str, Any]]:
        """The member's syncs."""
        return [sync for _, _, sync in self.members.syncs()]


@pytest.fixture(scope="module")
def upgraded(local_aws: LocalAws) -> Upgraded:
    """The recipe's stacks, with data that its sync has shipped and a result of a query."""
    central = Central(local_aws, account=ACCOUNT, stack_name="recipe-central")
    members = Members(central, accounts=[MEMBER], regions=[REGION], stack_name="recipe-member")
    made = Upgraded(central, members)
    status = stacks.create(
        made.central_stacks,
        central.stack_name,
        recipe.central_template(),
        Parameters=parameters(OrganizationId=ORGANIZATION["Id"]),
    )
    assert status == "CREATE_COMPLETE"
    destination = parameters(
        ResourceDataSyncName=SYNC_NAME,
        S3BucketName=central.resource("ResourceDataSyncBucket"),
        S3BucketPrefix=SYNC_PREFIX,
        S3BucketRegion=central.region,
    )
    status = stacks.create(made.member_stacks, members.stack_name, recipe.member_template(), Parameters=destination)
    assert status == "CREATE_COMPLETE"
    members.wait_for_data()
    central.client("s3").put_object(Bucket=central.resource("AthenaQueryResultsBucket"), Key="old.csv", Body=b"1")
    assert min(made.held()) > 0
    return made


def parameters(**values: str) -> list[dict[str, str]]:
    """Parameters in CloudFormation's form."""
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in values.items()]


def deletions(cloudformation: Any, name: str, logical_id: str) -> list[str]:
    """How each deletion of the resource ended, in the stack's events."""
    return [
        status
        for found, status, _ in stacks.events(cloudformation, name)
        if found == logical_id and status in ("DELETE_COMPLETE", "DELETE_FAILED")
    ]


def test_the_upgrade_of_the_central_stack_keeps_every_object_and_the_physical_id(upgraded: Upgraded) -> None:
    central = upgraded.central
    before, cleanup, function = upgraded.held(), central.resource("S3Cleanup"), central.resource("S3BucketCleanup")
    assert cleanup.startswith("2026/01/15/[$LATEST]")
    central.deploy()
    assert central.resource("S3BucketCleanup") == function, "CloudFormation would not let the ServiceToken change"
    assert central.resource("S3Cleanup") == cleanup
    assert deletions(upgraded.central_stacks, central.stack_name, "S3Cleanup") == []
    assert upgraded.held() == before


def test_the_upgrade_of_the_member_stack_keeps_the_sync_that_the_recipe_made(upgraded: Upgraded) -> None:
    name = upgraded.members.stack_name
    [before] = upgraded.syncs()
    held = upgraded.held()
    assert stacks.resource(upgraded.member_stacks, name, "ResourceDataSyncCustomResource") == (
        f"ResourceDataSync-{SYNC_NAME}"
    )
    upgraded.members.deploy()
    assert stacks.resource(upgraded.member_stacks, name, "ResourceDataSyncCustomResource") == SYNC_NAME
    [after] = upgraded.syncs()
    assert (after["SyncName"], after["SyncCreatedTime"]) == (before["SyncName"], before["SyncCreatedTime"])
    assert after["LastStatus"] == "Successful"
    assert upgraded.held() == held


def test_the_deletion_of_the_recipes_physical_id_succeeds(upgraded: Upgraded) -> None:
    # The new physical id made CloudFormation delete the old one.
    found = deletions(upgraded.member_stacks, upgraded.members.stack_name, "ResourceDataSyncCustomResource")
    assert found == ["DELETE_COMPLETE"]


def test_the_upgraded_stacks_ship_and_answer(upgraded: Upgraded) -> None:
    before, _ = upgraded.held()
    upgraded.members.deploy(KMSKeyArn=upgraded.central.outputs["KMSKeyArn"])
    upgraded.members.wait_for_data()
    wait_for(lambda: upgraded.held()[0] > before, 30, "the sync shipped nothing")
    upgraded.central.crawl()
    upgraded.central.wait_for_repair()
    query = upgraded.central.saved_queries()["QueryInstanceList"]
    assert upgraded.central.run_saved_query(query).rows


def test_the_upgraded_stacks_are_deleted_like_any_other(upgraded: Upgraded) -> None:
    buckets = [upgraded.central.sync_bucket, upgraded.central.results_bucket]
    upgraded.members.delete()
    assert upgraded.syncs() == []
    upgraded.central.delete()
    assert [object_versions(upgraded.central.server, bucket, ACCOUNT) for bucket in buckets] == [-1, -1]
