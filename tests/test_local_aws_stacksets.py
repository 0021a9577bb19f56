"""Stacks in many accounts and Regions without a StackSet: each its own result, in StackSets' wording."""

from __future__ import annotations

import json
from typing import Any

from local_aws import stacksets
from local_aws.server import LocalAws

ACCOUNTS = ["300000000011", "300000000012", "300000000013"]
REGIONS = ["us-east-1", "eu-west-1"]


def template(**properties: Any) -> str:
    """A stack whose queue is named by a parameter, so that a bad name fails."""
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Ref": "Name"}, **properties}}
    return json.dumps({"Parameters": {"Name": {"Type": "String"}}, "Resources": {"Queue": queue}})


def queues(server: LocalAws, account: str, region: str) -> dict[str, str]:
    """The visibility timeout of each queue by name."""
    sqs = server.client("sqs", account, region)
    urls = sqs.list_queues().get("QueueUrls", [])
    return {
        url.rsplit("/", 1)[1]: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"][
            "VisibilityTimeout"
        ]
        for url in urls
    }


def test_create_update_and_delete_everywhere(local_aws: LocalAws) -> None:
    places = [(account, region) for account in ACCOUNTS for region in REGIONS]
    reported: list[tuple[str, str]] = []

    def progress(instance: stacksets.Instance) -> None:
        reported.append((instance.account, instance.region))

    def parameters(account: str, region: str) -> dict[str, str]:
        return {"Name": f"q-{account}-{region}"}

    made = stacksets.deploy(
        local_aws, template(), parameters, ACCOUNTS, REGIONS, stack_name="everywhere", progress=progress, concurrency=3
    )
    assert [(instance.account, instance.region) for instance in made] == places
    assert [(instance.status, instance.status_reason) for instance in made] == [("SUCCEEDED", "")] * 6
    assert all(instance.duration > 0 for instance in made)
    assert sorted(reported) == sorted(places)

    changed = template(VisibilityTimeout=77)
    updated = stacksets.deploy(local_aws, changed, parameters, ACCOUNTS, REGIONS, stack_name="everywhere")
    assert all(instance.succeeded for instance in updated)
    for account, region in places:
        assert queues(local_aws, account, region) == {f"q-{account}-{region}": "77"}
    unchanged = stacksets.deploy(local_aws, changed, parameters, ACCOUNTS, REGIONS, stack_name="everywhere")
    assert all(instance.succeeded for instance in unchanged)

    for _ in range(2):  # the second time there is nothing to delete
        gone = stacksets.delete(local_aws, ACCOUNTS, REGIONS, stack_name="everywhere")
        assert all(instance.succeeded for instance in gone)
    assert [queues(local_aws, account, region) for account, region in places] == [{}] * 6


def test_one_failed_instance_names_its_reason_and_does_not_stop_the_others(local_aws: LocalAws) -> None:
    bad = (ACCOUNTS[1], REGIONS[1])
    bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": {"Ref": "Name"}, "Unknown": "x"}}
    condition = {"Fn::Equals": [{"Ref": "Name"}, "stacksets-bad"]}
    body = json.dumps(
        {
            "Parameters": {"Name": {"Type": "String"}},
            "Conditions": {"IsBad": condition},
            "Resources": {
                "Queue": {"Type": "AWS::SQS::Queue"},
                "Bucket": {**bucket, "Condition": "IsBad", "DependsOn": "Queue"},
            },
        }
    )

    def parameters(account: str, region: str) -> dict[str, str]:
        return {"Name": "stacksets-bad" if (account, region) == bad else "good"}

    instances = stacksets.deploy(local_aws, body, parameters, ACCOUNTS, REGIONS, stack_name="one-bad")
    failed = [instance for instance in instances if not instance.succeeded]
    assert [(instance.account, instance.region, instance.status) for instance in failed] == [(*bad, "FAILED")]
    assert failed[0].status_reason.startswith(
        "ResourceLogicalId:Bucket, ResourceType:AWS::S3::Bucket, ResourceStatusReason:"
    )
    assert "Unknown" in failed[0].status_reason

    # The failed stack is in the way of an update, so it is made again.
    again = stacksets.deploy(local_aws, body, {"Name": "good"}, ACCOUNTS, REGIONS, stack_name="one-bad")
    assert all(instance.succeeded for instance in again)
    assert all(instance.succeeded for instance in stacksets.delete(local_aws, ACCOUNTS, REGIONS, stack_name="one-bad"))
