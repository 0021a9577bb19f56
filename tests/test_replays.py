"""Lambda delivers an event at least once: delivered again it changes nothing and is answered as it was the first time.

A server of its own delivers every event of a custom resource twice (see `local_aws.custom_resource.repeat`), while both
templates go through their life. The tests tell one story in order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import stacks
from conftest import FLEET
from deployment import CENTRAL_TEMPLATE, ROOT, Central, Members, object_versions
from local_aws.server import LocalAws
from organization import HOME_REGION, MEMBER_ACCOUNTS, ORGANIZATION, SYNC_NAME, SYNC_PREFIX

MEMBER = MEMBER_ACCOUNTS[0]
SYNC, CLEANUP = "ResourceDataSyncCustomResource", "S3Cleanup"


@pytest.fixture(scope="module")
def central() -> Iterator[Central]:
    """The central stack of a server that repeats events; not deployed yet."""
    with LocalAws(ORGANIZATION, FLEET | {"nodes": 24}, {"LOCAL_AWS_REPEAT_EVENTS": "1"}) as server:
        yield Central(server)


@pytest.fixture(scope="module")
def members(central: Central) -> Members:
    """The one member."""
    return Members(central, accounts=[MEMBER], regions=[HOME_REGION])


@pytest.fixture
def repeated(central: Central) -> Iterator[list[tuple[str, str]]]:
    """To be filled with the type and the logical id of each event that the test causes, in their order."""
    before = len(repetitions(central))
    expected: list[tuple[str, str]] = []
    yield expected
    assert repetitions(central)[before:] == [(*event, "same answer") for event in expected]


def repetitions(central: Central) -> list[tuple[str, str, str]]:
    """The type and the logical id of each repeated event so far, and how the answers compare."""
    return re.findall(
        r"repeated event: (\w+) of (\w+) in arn:\S+: (.*)", central.server.log_path.read_text(errors="replace")
    )


def destinations(members: Members) -> list[tuple[str, str, str | None]]:
    """Name, prefix and key of each sync."""
    syncs = [(sync["SyncName"], sync["S3Destination"]) for _, _, sync in members.syncs()]
    return [(name, destination["Prefix"], destination.get("AWSKMSKeyARN")) for name, destination in syncs]


def test_creating_both_stacks(central: Central, members: Members, repeated: list[tuple[str, str]]) -> None:
    repeated += [("Create", CLEANUP), ("Create", SYNC)]
    central.deploy()
    members.deploy()
    assert destinations(members) == [(SYNC_NAME, SYNC_PREFIX, None)]
    members.wait_for_data()


def test_changing_the_key_of_the_sync(central: Central, members: Members, repeated: list[tuple[str, str]]) -> None:
    repeated += [("Update", SYNC)]
    members.deploy(KMSKeyArn=central.outputs["KMSKeyArn"])
    assert destinations(members) == [(SYNC_NAME, SYNC_PREFIX, central.outputs["KMSKeyArn"])]


def test_renaming_the_sync(members: Members, repeated: list[tuple[str, str]]) -> None:
    repeated += [("Update", SYNC), ("Delete", SYNC)]
    members.deploy(ResourceDataSyncName="renamed")
    assert destinations(members) == [("renamed", SYNC_PREFIX, None)]
    members.wait_for_data()


def test_an_update_that_aws_refuses_and_its_rollback(
    central: Central, members: Members, repeated: list[tuple[str, str]]
) -> None:
    repeated += [("Update", SYNC), ("Update", SYNC)]
    statement = {
        "Effect": "Deny",
        "Action": "ssm:CreateResourceDataSync",
        "Resource": f"arn:aws:ssm:{HOME_REGION}:{MEMBER}:resource-data-sync/refused",
    }
    cloudformation = central.server.client("cloudformation", MEMBER, HOME_REGION)
    role = stacks.resource(cloudformation, members.stack_name, "ResourceDataSyncLambdaRole")
    central.server.client("iam", MEMBER).put_role_policy(
        RoleName=role,
        PolicyName="refuse",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    with pytest.raises(RuntimeError, match=r"renamed.* is restored"):
        members.deploy(ResourceDataSyncName="refused")
    assert destinations(members) == [("renamed", SYNC_PREFIX, None)]
    members.wait_for_data()


def test_updating_the_central_stack(
    central: Central, members: Members, tmp_path: Path, repeated: list[tuple[str, str]]
) -> None:
    repeated += [("Update", CLEANUP)]
    before = object_versions(central.server, central.sync_bucket)
    text = CENTRAL_TEMPLATE.read_text().replace("../target/", f"{ROOT}/target/")
    changed = tmp_path / "template.yaml"
    changed.write_text(text.replace("ServiceTimeout: 3000", "ServiceTimeout: 3001"))
    central.deploy(changed)
    assert object_versions(central.server, central.sync_bucket) == before > 0


def test_deleting_the_member_stack(members: Members, repeated: list[tuple[str, str]]) -> None:
    repeated += [("Delete", SYNC)]
    members.delete()
    assert destinations(members) == []


def test_a_creation_that_fails_leaves_the_sync_that_is_in_the_way(
    central: Central, members: Members, repeated: list[tuple[str, str]]
) -> None:
    repeated += [("Create", SYNC), ("Delete", SYNC)]
    ssm = central.server.client("ssm", MEMBER, HOME_REGION)
    theirs = {"BucketName": central.sync_bucket, "Prefix": SYNC_PREFIX, "SyncFormat": "JsonSerDe"}
    sharing = {"DestinationDataSharing": {"DestinationDataSharingType": "Organization"}}
    ssm.create_resource_data_sync(SyncName="somebody-elses", S3Destination={**theirs, "Region": HOME_REGION, **sharing})
    with pytest.raises(RuntimeError, match="somebody-elses"):
        members.deploy()
    assert destinations(members) == [("somebody-elses", SYNC_PREFIX, None)]


def test_deleting_the_central_stack_with_its_data(central: Central, repeated: list[tuple[str, str]]) -> None:
    repeated += [("Delete", CLEANUP)]
    buckets = [central.sync_bucket, central.results_bucket]
    central.client("s3").put_object(Bucket=central.results_bucket, Key="result.csv", Body=b"1")
    assert min(object_versions(central.server, bucket) for bucket in buckets) > 0
    central.delete()
    assert [object_versions(central.server, bucket) for bucket in buckets] == [-1, -1]
