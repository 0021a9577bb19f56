"""What the central template's parameters do to a stack that is deployed, each seen from outside.

Stacks of an account in which no other test leaves anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployment import CENTRAL_TEMPLATE, ROOT, Central, Members, delete_stack, object_versions, wait_for
from grants import role_without
from local_aws.server import LocalAws
from organization import HOME_REGION, MEMBER_ACCOUNTS, SYNC_PREFIX

ACCOUNT = "777777777777"
MEMBER = MEMBER_ACCOUNTS[0]


@pytest.fixture
def central(local_aws: LocalAws) -> Iterator[Central]:
    """A central stack that is not deployed yet; whatever it leaves behind is removed after the test."""
    central = Central(local_aws, account=ACCOUNT)
    yield central
    if stacks_of(central):
        central.deploy(EmptyBucketsOnDelete="true")
        central.delete()


def stacks_of(central: Central) -> list[str]:
    """The names of the account's stacks that are there."""
    found = central.client("cloudformation").describe_stacks()["Stacks"]
    return [stack["StackName"] for stack in found if stack["StackName"] == central.stack_name]


def ship(central: Central, stack_name: str) -> Members:
    """Lets one member ship to the central stack; returns when its data is there."""
    members = Members(central, accounts=[MEMBER], regions=[HOME_REGION], stack_name=stack_name)
    members.deploy()
    members.wait_for_data()
    return members


def key_state(central: Central, key: str) -> str:
    """The state of a key, as KMS spells it."""
    return central.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"]


def enabled_keys(central: Central) -> list[str]:
    """The ids of the account's keys that are not about to be deleted."""
    found = [key["KeyId"] for key in central.client("kms").list_keys()["Keys"]]
    return [key for key in found if key_state(central, key) == "Enabled"]


def test_without_the_deletion_of_data_buckets_and_key_outlive_the_stack(central: Central) -> None:
    central.deploy(EmptyBucketsOnDelete="false")
    members = ship(central, "kept")
    members.delete()
    central.crawl()
    central.wait_for_repair()
    assert central.run_query("SELECT count(*) FROM aws_instanceinformation").rows
    buckets = [central.sync_bucket, central.results_bucket]
    key = central.outputs["KMSKeyArn"]
    before = [object_versions(central.server, bucket, ACCOUNT) for bucket in buckets]
    assert min(before) > 0

    central.delete()

    assert stacks_of(central) == []
    assert [object_versions(central.server, bucket, ACCOUNT) for bucket in buckets] == before
    assert key_state(central, key) == "Enabled"
    s3 = central.client("s3")
    (first,) = s3.list_objects_v2(Bucket=buckets[0], MaxKeys=1)["Contents"]
    found = s3.get_object(Bucket=buckets[0], Key=first["Key"])
    assert (found["SSEKMSKeyId"], bool(found["Body"].read())) == (key, True)
    # Nobody may write any more: what let SSM in went with the stack.
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket=buckets[0])

    for bucket in buckets:
        remove_bucket(s3, bucket)


def test_the_choice_can_be_made_by_an_update_either_way(central: Central) -> None:
    central.deploy(EmptyBucketsOnDelete="false")
    ship(central, "chosen").delete()
    key = central.outputs["KMSKeyArn"]
    central.deploy(EmptyBucketsOnDelete="true")
    central.delete()
    assert object_versions(central.server, central.sync_bucket, ACCOUNT) == -1
    assert key_state(central, key) == "PendingDeletion"


def test_a_creation_that_fails_leaves_nothing_behind_even_so(central: Central, tmp_path: Path) -> None:
    text = CENTRAL_TEMPLATE.read_text().replace("../target/", f"{ROOT}/target/")
    broken = tmp_path / "broken.yaml"
    # The policy of a bucket that there is not, made when nearly all else is there.
    late = "\n  Late:\n    Type: AWS::S3::BucketPolicy\n    DependsOn: AthenaWorkGroup\n    Properties:\n"
    late += "      Bucket: no-such-bucket\n      PolicyDocument: {Version: '2012-10-17', Statement: []}\n\nOutputs:"
    broken.write_text(text.replace("\nOutputs:", late))
    keys = enabled_keys(central)
    with pytest.raises(RuntimeError, match="ROLLBACK_COMPLETE"):
        central.deploy(template=broken, EmptyBucketsOnDelete="false")
    for bucket in ("ssm-resource-sync", "ssm-res-sync-athena-query-results"):
        assert object_versions(central.server, f"{bucket}-{HOME_REGION}-{ACCOUNT}", ACCOUNT) == -1
    assert enabled_keys(central) == keys
    cloudformation = central.client("cloudformation")
    delete_stack(cloudformation, central.stack_name)


def test_two_stacks_live_in_one_account_and_region(central: Central) -> None:
    central.deploy()
    second = Central(central.server, account=ACCOUNT, stack_name="second")
    second.deploy(NamePrefix="second")
    assert not set(central.outputs.values()) & (set(second.outputs.values()) - {SYNC_PREFIX})
    members = ship(second, "second-member")
    second.crawl()
    second.wait_for_repair()
    for name, query in second.saved_queries().items():
        assert query["Database"] == "second_ssm_global_resource_sync", name
        second.run_saved_query(query)
    assert second.run_query("SELECT count(*) FROM aws_instanceinformation").rows != [("0",)]
    assert object_versions(central.server, central.sync_bucket, ACCOUNT) == 0
    members.delete()
    second.delete()
    assert central.client("glue").get_crawler(Name=central.outputs["GlueCrawlerName"])["Crawler"]["State"] == "READY"


@pytest.mark.parametrize("bound", ["true", "false"])
def test_the_key_serves_the_organizations_syncs_and_no_strangers(central: Central, bound: str) -> None:
    central.deploy(BindKeyToOrganization=bound)
    ship(central, f"bound-{bound}").delete()
    # A customer of AWS who is not of the organization names our key for a bucket of their own.
    stranger = "666666666666"
    s3 = central.server.client("s3", stranger)
    s3.create_bucket(Bucket=f"strangers-{bound}")
    open_to_ssm = {"Effect": "Allow", "Principal": {"Service": "ssm.amazonaws.com"}, "Action": "s3:*"}
    resources = [f"arn:aws:s3:::strangers-{bound}", f"arn:aws:s3:::strangers-{bound}/*"]
    document = {"Version": "2012-10-17", "Statement": [{**open_to_ssm, "Resource": resources}]}
    s3.put_bucket_policy(Bucket=f"strangers-{bound}", Policy=json.dumps(document))
    ssm = central.server.client("ssm", stranger)
    with pytest.raises(ssm.exceptions.ResourceDataSyncInvalidConfigurationException, match="S3 write failed"):
        ssm.create_resource_data_sync(
            SyncName="strangers",
            S3Destination={
                "BucketName": f"strangers-{bound}",
                "SyncFormat": "JsonSerDe",
                "Region": HOME_REGION,
                "AWSKMSKeyARN": central.outputs["KMSKeyArn"],
            },
        )


def test_numbers_of_days_and_bytes_and_0_for_never(central: Central) -> None:
    central.deploy()
    assert expirations(central, central.sync_bucket) == {"expire-replaced-versions": 30}
    assert expirations(central, central.results_bucket) == {"expire-query-results": 30}
    assert cutoff(central) == 100 * 1024**3
    central.deploy(
        NoncurrentVersionExpirationDays="0",
        NodeFileExpirationDays="400",
        QueryResultExpirationDays="0",
        BytesScannedCutoffPerQuery="0",
        LogRetentionDays="7",
    )
    assert expirations(central, central.sync_bucket) == {"expire-node-files": 400}
    assert expirations(central, central.results_bucket) == {}
    assert cutoff(central) is None
    groups = central.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{central.stack_name}-")
    assert [group["retentionInDays"] for group in groups["logGroups"]] == [7, 7]


def expirations(central: Central, bucket: str) -> dict[str, int]:
    """The days of each expiring rule of the bucket, by its id."""
    rules = central.client("s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    days = {
        rule["ID"]: rule.get("NoncurrentVersionExpiration", {}).get("NoncurrentDays")
        or rule.get("Expiration", {}).get("Days")
        for rule in rules
    }
    return {name: number for name, number in days.items() if number}


def cutoff(central: Central) -> int | None:
    """The bytes after which the workgroup cancels a query, if any."""
    group = central.client("athena").get_work_group(WorkGroup=central.outputs["AthenaWorkGroupName"])["WorkGroup"]
    return group["Configuration"].get("BytesScannedCutoffPerQuery")


def test_the_alarm_topic_hears_of_a_failed_crawl(central: Central) -> None:
    sns, sqs = central.client("sns"), central.client("sqs")
    topic = sns.create_topic(Name="patch-alarms")["TopicArn"]
    queue = sqs.create_queue(QueueName="pager")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    policy = {"Version": "2012-10-17", "Statement": [{**allow, "Resource": arn}]}
    sqs.set_queue_attributes(QueueUrl=queue, Attributes={"Policy": json.dumps(policy)})
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    central.deploy(AlarmTopicArn=topic)
    alarms = central.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert [alarm["AlarmActions"] for alarm in alarms] == [[topic]] * 2
    ship(central, "alarming").delete()
    role = central.resource("GlueCrawlerRole")
    with role_without(central.client("iam"), role, "s3:GetObject"), pytest.raises(RuntimeError, match="FAILED"):
        central.crawl()
    (message,) = wait_for(
        lambda: sqs.receive_message(QueueUrl=queue).get("Messages"), 20, "nothing was sent to the topic"
    )
    text = json.loads(message["Body"])["Message"]
    assert f"The Glue crawler SSM-GlueCrawler in account {ACCOUNT}, {HOME_REGION}, failed: " in text
    assert "s3:GetObject" in text or "Access" in text


def test_an_event_that_the_column_deleter_can_never_serve_is_kept(central: Central) -> None:
    central.deploy()
    ship(central, "dead-letter").delete()
    role = central.resource("DeleteGlueTableColumnFunctionRole")
    with role_without(central.client("iam"), role, "glue:GetTables"):
        central.crawl()
        letter = central.dead_letter()
    assert letter["detail"]["crawlerName"] == "SSM-GlueCrawler"
    # The alarm watches this very queue.
    (alarm,) = [
        each
        for each in central.client("cloudwatch").describe_alarms()["MetricAlarms"]
        if each["Namespace"] == "AWS/SQS"
    ]
    assert central.resource("DeadLetterQueue").endswith(f"/{alarm['Dimensions'][0]['Value']}")


def remove_bucket(s3: Any, bucket: str) -> None:
    """Deletes a bucket with all that it holds."""
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]:
            s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    s3.delete_bucket(Bucket=bucket)
