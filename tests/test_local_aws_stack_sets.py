"""The local StackSets deploy for real, stop where AWS would stop, and speak the shapes of its API."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from botocore.exceptions import ClientError

import moto_server
from botocore_shapes import call, members
from deployment import wait_for
from local_aws.server import LocalAws
from local_aws.stack_set_limits import Gate, limits
from organization import (
    CENTRAL_ACCOUNT,
    DEVELOPMENT,
    MANAGEMENT_ACCOUNT,
    MEMBER_ACCOUNTS,
    ORGANIZATION,
    PRODUCTION,
    STACK_SETS_SERVICE,
    WORKLOADS,
)

REGIONS = ["us-east-1", "eu-west-1"]
EVERYWHERE = {"OrganizationalUnitIds": [WORKLOADS]}
ALL_AT_ONCE = {"MaxConcurrentPercentage": 100, "FailureTolerancePercentage": 100, "RegionConcurrencyType": "PARALLEL"}

# A queue whose name is a parameter, and a bucket that can't be made, which only the unlucky account is to have.
TEMPLATE = {
    "Parameters": {
        "Name": {"Type": "String"},
        "Retention": {"Type": "String", "Default": "60"},
        "Unlucky": {"Type": "String", "Default": "nobody"},
    },
    "Conditions": {"IsUnlucky": {"Fn::Equals": [{"Ref": "AWS::AccountId"}, {"Ref": "Unlucky"}]}},
    "Resources": {
        "Queue": {
            "Type": "AWS::SQS::Queue",
            "Properties": {
                "QueueName": {"Ref": "Name"},
                "MessageRetentionPeriod": {"Ref": "Retention"},
            },
        },
        "Bad": {
            "Type": "AWS::S3::Bucket",
            "Condition": "IsUnlucky",
            "DependsOn": "Queue",
            "Properties": {"Unknown": "property"},
        },
    },
}


@dataclass
class Set:
    """A stack set under a name of its own, as seen by the management account or a delegated administrator."""

    server: LocalAws
    account: str = MANAGEMENT_ACCOUNT
    caller: dict[str, str] = field(default_factory=dict)
    name: str = field(default_factory=lambda: f"set-{uuid.uuid4().hex[:8]}")

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """An operation on the set."""
        client = self.server.client("cloudformation", self.account)
        return call(client, operation, StackSetName=self.name, **self.caller, **request)

    def create(self, managed: bool = True, template: Any = TEMPLATE, **parameters: str) -> None:
        """Makes the set, without an instance."""
        self.call(
            "CreateStackSet",
            TemplateBody=json.dumps(template),
            PermissionModel="SERVICE_MANAGED",
            AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": False},
            ManagedExecution={"Active": managed},
            Parameters=values(**({"Name": self.name} | parameters)),
        )

    def operate(self, operation: str, **request: Any) -> dict[str, Any]:
        """Begins an operation on instances and waits for its end; returns it."""
        begun = self.call(operation, **({"OperationPreferences": ALL_AT_ONCE} | request))
        return self.wait(begun["OperationId"])

    def wait(self, operation_id: str) -> dict[str, Any]:
        """The operation when it has come to its end."""

        def ended() -> dict[str, Any] | None:
            found = self.call("DescribeStackSetOperation", OperationId=operation_id)["StackSetOperation"]
            return found if found["Status"] in ("SUCCEEDED", "FAILED", "STOPPED") else None

        return wait_for(ended, 60, "the operation is still running", every=0.05)

    def instances(self) -> dict[tuple[str, str], tuple[str, str]]:
        """Status and detailed status of each instance."""
        return {
            (each["Account"], each["Region"]): (each["Status"], each["StackInstanceStatus"]["DetailedStatus"])
            for each in self.call("ListStackInstances")["Summaries"]
        }

    def queues(self) -> dict[tuple[str, str], str]:
        """The retention of the set's queue in each account and Region that has it."""
        found = {}
        for account in [MANAGEMENT_ACCOUNT, *MEMBER_ACCOUNTS]:
            for region in REGIONS:
                sqs = self.server.client("sqs", account, region)
                with contextlib.suppress(sqs.exceptions.QueueDoesNotExist):
                    url = sqs.get_queue_url(QueueName=self.name)["QueueUrl"]
                    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
                    found[account, region] = attributes["MessageRetentionPeriod"]
        return found


def values(**parameters: str) -> list[dict[str, str]]:
    """Parameters as the API takes them."""
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]


@pytest.fixture
def stack_set(local_aws: LocalAws) -> Set:
    """A set that is not made yet, for the management account."""
    return Set(local_aws)


def test_stacks_come_change_and_go_in_every_account_of_the_units_and_no_other(stack_set: Set) -> None:
    stack_set.create()
    places = {(account, region) for account in MEMBER_ACCOUNTS for region in REGIONS}
    done = stack_set.operate("CreateStackInstances", DeploymentTargets=EVERYWHERE, Regions=REGIONS)
    assert (done["Status"], done["Action"]) == ("SUCCEEDED", "CREATE")
    assert stack_set.instances() == dict.fromkeys(places, ("CURRENT", "SUCCEEDED"))
    assert stack_set.queues() == dict.fromkeys(places, "60")

    template = json.dumps(TEMPLATE)
    changed = [{"ParameterKey": "Name", "UsePreviousValue": True}, *values(Retention="90")]
    assert stack_set.operate("UpdateStackSet", TemplateBody=template, Parameters=changed)["Status"] == "SUCCEEDED"
    assert stack_set.queues() == dict.fromkeys(places, "90")

    with pytest.raises(ClientError, match="StackSetNotEmptyException"):
        stack_set.call("DeleteStackSet")
    gone = {"DeploymentTargets": {"OrganizationalUnitIds": [DEVELOPMENT]}, "Regions": REGIONS, "RetainStacks": True}
    stack_set.operate("DeleteStackInstances", **gone)
    assert {account for account, _ in stack_set.instances()} == set(MEMBER_ACCOUNTS[:2])
    assert stack_set.queues().keys() == places  # what is retained stays
    stack_set.operate("DeleteStackInstances", DeploymentTargets=EVERYWHERE, Regions=REGIONS, RetainStacks=False)
    assert {account for account, _ in stack_set.queues()} == set(MEMBER_ACCOUNTS[2:])
    stack_set.call("DeleteStackSet")
    with pytest.raises(ClientError, match="StackSetNotFoundException"):
        stack_set.call("DescribeStackSet")


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        ({"OrganizationalUnitIds": [PRODUCTION]}, MEMBER_ACCOUNTS[:2]),
        ({"OrganizationalUnitIds": ["r-a1b2"]}, [CENTRAL_ACCOUNT, *MEMBER_ACCOUNTS]),  # never the management account
        (
            {
                "OrganizationalUnitIds": [WORKLOADS],
                "AccountFilterType": "INTERSECTION",
                "Accounts": MEMBER_ACCOUNTS[:1],
            },
            MEMBER_ACCOUNTS[:1],
        ),
        (
            {"OrganizationalUnitIds": [WORKLOADS], "AccountFilterType": "DIFFERENCE", "Accounts": MEMBER_ACCOUNTS[:1]},
            MEMBER_ACCOUNTS[1:],
        ),
    ],
    ids=["a unit", "the root", "intersection", "difference"],
)
def test_targets(stack_set: Set, targets: dict[str, Any], expected: list[str]) -> None:
    stack_set.create()
    stack_set.operate("CreateStackInstances", DeploymentTargets=targets, Regions=REGIONS[:1])
    assert sorted(account for account, _ in stack_set.instances()) == sorted(expected)
    stack_set.operate("DeleteStackInstances", DeploymentTargets=targets, Regions=REGIONS[:1], RetainStacks=False)


def test_an_account_that_fails_is_named_and_keeps_no_other_from_being_served(stack_set: Set) -> None:
    stack_set.create(Unlucky=MEMBER_ACCOUNTS[0])
    done = stack_set.operate("CreateStackInstances", DeploymentTargets=EVERYWHERE, Regions=REGIONS)
    assert (done["Status"], done["StatusDetails"]["FailedStackInstancesCount"]) == ("SUCCEEDED", 2)
    results = stack_set.call("ListStackSetOperationResults", OperationId=done["OperationId"])["Summaries"]
    failed = {each["Account"]: each["StatusReason"] for each in results if each["Status"] == "FAILED"}
    assert failed.keys() == {MEMBER_ACCOUNTS[0]}
    reason = "ResourceLogicalId:Bad, ResourceType:AWS::S3::Bucket, ResourceStatusReason:"
    assert failed[MEMBER_ACCOUNTS[0]].startswith(reason)
    assert stack_set.instances()[MEMBER_ACCOUNTS[0], REGIONS[0]] == ("OUTDATED", "FAILED")

    # Mended, the next operation makes the stack whose creation had failed.
    lucky = [{"ParameterKey": "Name", "UsePreviousValue": True}, *values(Unlucky="nobody")]
    stack_set.operate("UpdateStackSet", UsePreviousTemplate=True, Parameters=lucky)
    assert set(stack_set.instances().values()) == {("CURRENT", "SUCCEEDED")}
    assert len(stack_set.queues()) == 6


def test_without_a_tolerance_the_first_failure_stops_the_rest(stack_set: Set) -> None:
    stack_set.create(Unlucky=MEMBER_ACCOUNTS[0])
    done = stack_set.operate(
        "CreateStackInstances", DeploymentTargets=EVERYWHERE, Regions=REGIONS, OperationPreferences={}
    )
    assert done["Status"] == "FAILED"
    # Accounts come one after the other in the order of their ids, and Regions too.
    assert sorted(stack_set.instances().values()) == [("OUTDATED", "CANCELLED")] * 5 + [("OUTDATED", "FAILED")]
    assert stack_set.queues() == {}


def test_operations_queue_up_under_managed_execution_and_are_refused_without(local_aws: LocalAws) -> None:
    for managed in (True, False):
        stack_set = Set(local_aws)
        stack_set.create(managed=managed)
        first = stack_set.call(
            "CreateStackInstances", DeploymentTargets=EVERYWHERE, Regions=REGIONS, OperationPreferences=ALL_AT_ONCE
        )
        second = {"DeploymentTargets": EVERYWHERE, "Regions": REGIONS, "RetainStacks": False}
        if managed:
            stack_set.operate("DeleteStackInstances", **second)
            assert stack_set.queues() == {}
        else:
            arn = stack_set.call("DescribeStackSet")["StackSet"]["StackSetARN"]
            with pytest.raises(ClientError, match=f"Another Operation on StackSet {arn} is in progress") as refused:
                stack_set.call("DeleteStackInstances", **second)
            assert refused.value.response["Error"]["Code"] == "OperationInProgressException"
            assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409
            stack_set.wait(first["OperationId"])


def retention(stack_set: Set, account: str, region: str = REGIONS[0]) -> list[dict[str, Any]]:
    """The parameters that an instance has for itself."""
    place = {"StackInstanceAccount": account, "StackInstanceRegion": region}
    return stack_set.call("DescribeStackInstance", **place)["StackInstance"]["ParameterOverrides"]


def test_an_instance_keeps_what_it_has_for_itself(stack_set: Set) -> None:
    only = {"DeploymentTargets": {"OrganizationalUnitIds": [DEVELOPMENT]}, "Regions": REGIONS[:1]}
    place = (MEMBER_ACCOUNTS[2], REGIONS[0])
    stack_set.create()
    stack_set.operate("CreateStackInstances", ParameterOverrides=values(Retention="120"), **only)
    assert (stack_set.queues()[place], retention(stack_set, place[0])) == ("120", values(Retention="120"))
    same = [{"ParameterKey": "Name", "UsePreviousValue": True}, *values(Retention="90")]
    stack_set.operate("UpdateStackSet", UsePreviousTemplate=True, Parameters=same)
    assert stack_set.queues()[place] == "120"
    with pytest.raises(ClientError, match=r"Parameters: \[More\] do not exist in the template"):
        stack_set.call("UpdateStackInstances", ParameterOverrides=values(More="1"), **only)
    stack_set.operate("UpdateStackInstances", ParameterOverrides=[], **only)
    assert (stack_set.queues()[place], retention(stack_set, place[0])) == ("90", [])


def test_only_instances_that_are_there_are_updated_and_only_others_are_made(stack_set: Set) -> None:
    production = {"DeploymentTargets": {"OrganizationalUnitIds": [PRODUCTION]}, "Regions": REGIONS[:1]}
    everywhere = {"DeploymentTargets": EVERYWHERE, "Regions": REGIONS[:1]}
    stack_set.create()
    for operation in ("UpdateStackInstances", "UpdateStackSet"):
        request = {"UsePreviousTemplate": True, "Parameters": values(Name="x")} if operation == "UpdateStackSet" else {}
        with pytest.raises(ClientError, match="StackInstanceNotFoundException") as refused:
            stack_set.call(operation, **everywhere, **request)
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    stack_set.operate("CreateStackInstances", **production)
    made = stack_set.operate("CreateStackInstances", **everywhere)
    results = stack_set.call("ListStackSetOperationResults", OperationId=made["OperationId"])["Summaries"]
    assert [(each["Account"], each["OrganizationalUnitId"]) for each in results] == [(MEMBER_ACCOUNTS[2], WORKLOADS)]

    # An update of some leaves the others behind, and says that they are to come.
    stack_set.operate(
        "UpdateStackSet", UsePreviousTemplate=True, Parameters=values(Name=stack_set.name, Retention="90"), **production
    )
    assert sorted(stack_set.queues().values()) == ["60", "90", "90"]
    assert stack_set.instances()[MEMBER_ACCOUNTS[2], REGIONS[0]] == ("OUTDATED", "PENDING")
    pending = [{"Name": "DETAILED_STATUS", "Values": "PENDING"}]
    assert len(stack_set.call("ListStackInstances", Filters=pending)["Summaries"]) == 1
    targets = stack_set.call("ListStackSetAutoDeploymentTargets")["Summaries"]
    assert targets == [
        {"OrganizationalUnitId": WORKLOADS, "Regions": REGIONS[:1]},
        {"OrganizationalUnitId": PRODUCTION, "Regions": REGIONS[:1]},
    ]


def test_what_could_not_be_deleted_is_inoperable_until_it_can_be(local_aws: LocalAws, stack_set: Set) -> None:
    bucket = f"{stack_set.name}-bucket"
    template = {"Resources": {"Bucket": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": bucket}}}}
    only = {"DeploymentTargets": {"OrganizationalUnitIds": [DEVELOPMENT]}, "Regions": REGIONS[:1]}
    place = (MEMBER_ACCOUNTS[2], REGIONS[0])
    s3 = local_aws.client("s3", MEMBER_ACCOUNTS[2])
    stack_set.call(
        "CreateStackSet",
        TemplateBody=json.dumps(template),
        PermissionModel="SERVICE_MANAGED",
        AutoDeployment={"Enabled": False},
    )
    stack_set.operate("CreateStackInstances", **only)
    s3.put_object(Bucket=bucket, Key="in the way")
    assert stack_set.operate("DeleteStackInstances", RetainStacks=False, **(only | {"OperationPreferences": {}}))[
        "Status"
    ] == ("FAILED")
    (instance,) = stack_set.call("ListStackInstances")["Summaries"]
    assert instance["StatusReason"].startswith("ResourceLogicalId:Bucket, ResourceType:AWS::S3::Bucket, ResourceStatus")
    assert instance["StatusReason"].endswith(".")
    assert stack_set.instances() == {place: ("INOPERABLE", "INOPERABLE")}
    assert stack_set.operate("UpdateStackSet", UsePreviousTemplate=True)["Status"] == "SUCCEEDED"
    assert stack_set.instances() == {place: ("INOPERABLE", "INOPERABLE")}
    with pytest.raises(ClientError, match="StackInstanceNotFoundException"):
        stack_set.call("UpdateStackInstances", **only)
    s3.delete_object(Bucket=bucket, Key="in the way")
    stack_set.operate("DeleteStackInstances", RetainStacks=False, **only)
    assert stack_set.instances() == {}
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket=bucket)
    stack_set.call("DeleteStackSet")
    deleted = call(local_aws.client("cloudformation", MANAGEMENT_ACCOUNT), "ListStackSets", Status="DELETED")
    assert stack_set.name in [each["StackSetName"] for each in deleted["Summaries"]]


def test_a_stopped_operation_leaves_the_rest_undone(stack_set: Set) -> None:
    stack_set.create()
    request = {"DeploymentTargets": EVERYWHERE, "Regions": REGIONS}
    first = stack_set.call("CreateStackInstances", OperationPreferences=ALL_AT_ONCE, **request)
    second = stack_set.call("UpdateStackInstances", **request)
    stack_set.call("StopStackSetOperation", OperationId=second["OperationId"])
    assert stack_set.wait(second["OperationId"])["Status"] == "STOPPED"
    assert stack_set.wait(first["OperationId"])["Status"] == "SUCCEEDED"
    results = stack_set.call("ListStackSetOperationResults", **second)["Summaries"]
    assert [each["Status"] for each in results] == ["CANCELLED"] * 6
    with pytest.raises(ClientError, match="InvalidOperationException"):
        stack_set.call("StopStackSetOperation", **second)
    with pytest.raises(ClientError, match="OperationNotFoundException"):
        stack_set.call("DescribeStackSetOperation", OperationId="no-such-operation")


def test_operations_on_other_instances_do_not_wait(stack_set: Set) -> None:
    stack_set.create()
    operations = [
        stack_set.call("CreateStackInstances", DeploymentTargets={"OrganizationalUnitIds": [unit]}, Regions=REGIONS)
        for unit in (PRODUCTION, DEVELOPMENT, DEVELOPMENT)
    ]
    statuses = [stack_set.call("DescribeStackSetOperation", **each) for each in operations]
    # The third has nothing left to make.
    assert "QUEUED" not in [each["StackSetOperation"]["Status"] for each in statuses]
    assert [stack_set.wait(each["OperationId"])["Status"] for each in operations] == ["SUCCEEDED"] * 3
    again = {"DeploymentTargets": EVERYWHERE, "Regions": REGIONS}
    first = stack_set.call("UpdateStackInstances", **again)
    second = stack_set.call("UpdateStackInstances", **again)
    assert stack_set.call("DescribeStackSetOperation", **second)["StackSetOperation"]["Status"] == "QUEUED"
    assert [stack_set.wait(each["OperationId"])["Status"] for each in (first, second)] == ["SUCCEEDED"] * 2


def test_the_role_in_an_account_is_for_stack_sets_only(local_aws: LocalAws, stack_set: Set) -> None:
    stack_set.create()
    only = {"DeploymentTargets": {"OrganizationalUnitIds": [DEVELOPMENT]}, "Regions": REGIONS[:1]}
    stack_set.operate("CreateStackInstances", **only)
    roles = local_aws.client("iam", MEMBER_ACCOUNTS[2]).list_roles()["Roles"]
    (role,) = [each for each in roles if each["RoleName"].startswith("stacksets-exec-")]
    with pytest.raises(ClientError, match="AccessDenied"):
        local_aws.client("sts", MEMBER_ACCOUNTS[2]).assume_role(RoleArn=role["Arn"], RoleSessionName="me")


@pytest.mark.parametrize(
    ("preferences", "accounts", "expected"),
    [
        ({}, 10, (0, 1)),
        ({"FailureToleranceCount": 2, "MaxConcurrentCount": 8}, 10, (2, 3)),
        ({"FailureTolerancePercentage": 25, "MaxConcurrentPercentage": 99}, 10, (2, 3)),
        ({"FailureTolerancePercentage": 9, "MaxConcurrentPercentage": 9}, 10, (0, 1)),
        ({"MaxConcurrentCount": 8, "ConcurrencyMode": "SOFT_FAILURE_TOLERANCE"}, 10, (0, 8)),
    ],
    ids=["by default", "counts", "percentages", "rounded down to less than one", "soft"],
)
def test_limits(preferences: dict[str, Any], accounts: int, expected: tuple[int, int]) -> None:
    """Accounts fail until no more may, and as many at once as may be at work at once."""
    gate = Gate(preferences, accounts, lambda: False)
    assert (limits(preferences, accounts)[0], gate.concurrency) == expected
    at_work, failures = 0, 0
    while not gate.exceeded:
        while at_work < gate.room:
            assert gate.enter()
            at_work += 1
        gate.leave(failed=True)
        at_work, failures = at_work - 1, failures + 1
    assert not gate.enter()
    strict = preferences.get("ConcurrencyMode") != "SOFT_FAILURE_TOLERANCE"
    assert failures + at_work == (expected[0] + 1 if strict else expected[0] + expected[1])


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"Transform": "AWS::Serverless-2016-10-31"}, "Transform is not supported in SERVICE_MANAGED"),
        (
            {"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {}}}},
            r"Requires capabilities : \[CAPABILITY_IAM",
        ),
        ({"Parameters": {}, "Conditions": {}}, r"Parameters: \[Name\] do not exist in the template"),
        ({"Parameters": {"Name": {"Type": "String"}, "More": {"Type": "String"}}}, r"\[More\] must have values"),
    ],
    ids=["transform", "capabilities", "unknown parameter", "missing parameter"],
)
def test_templates_are_refused(stack_set: Set, change: dict[str, Any], error: str) -> None:
    with pytest.raises(ClientError, match=error):
        stack_set.create(template={**TEMPLATE, **change})


ONLY_UNITS = "StackSets with SERVICE_MANAGED permission model can only have OrganizationalUnit as target"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"DeploymentTargets": {"Accounts": MEMBER_ACCOUNTS}}, ONLY_UNITS),
        ({"Accounts": MEMBER_ACCOUNTS}, ONLY_UNITS),
        ({"DeploymentTargets": {"OrganizationalUnitIds": ["ou-a1b2-99999999"]}}, "ou-a1b2-99999999 not found"),
        ({"DeploymentTargets": {"OrganizationalUnitIds": ["Workloads"]}}, "Member must satisfy regular expression"),
        ({"DeploymentTargets": {**EVERYWHERE, "Accounts": MEMBER_ACCOUNTS}}, "UNION is not supported"),
        ({"ParameterOverrides": values(More="1")}, r"\[More\] do not exist in the template"),
        ({"OperationPreferences": {"MaxConcurrentCount": 1, "MaxConcurrentPercentage": 1}}, "but not both"),
        ({"OperationPreferences": {"FailureTolerancePercentage": 101}}, "Member must have value less than or equal to"),
    ],
    ids=["accounts", "accounts of a self-managed set", "no unit", "no id", "union", "override", "two limits", "limit"],
)
def test_instances_are_refused(stack_set: Set, change: dict[str, Any], error: str) -> None:
    """The management account's request, with one thing wrong."""
    stack_set.create()
    with pytest.raises(ClientError, match=error):
        stack_set.call("CreateStackInstances", **{"DeploymentTargets": EVERYWHERE, "Regions": REGIONS, **change})
    assert stack_set.call("ListStackSetOperations")["Summaries"] == []


def test_only_the_management_account_and_delegated_administrators(local_aws: LocalAws) -> None:
    refusal = "You must be the management account or delegated admin account"
    with pytest.raises(ClientError, match=refusal):
        Set(local_aws, CENTRAL_ACCOUNT).create()
    delegate = Set(local_aws, MEMBER_ACCOUNTS[0], {"CallAs": "DELEGATED_ADMIN"})
    with pytest.raises(ClientError, match="Account used is not a delegated administrator"):
        delegate.create()
    organizations = local_aws.client("organizations", MANAGEMENT_ACCOUNT)
    registration = {"AccountId": MEMBER_ACCOUNTS[0], "ServicePrincipal": STACK_SETS_SERVICE}
    organizations.register_delegated_administrator(**registration)
    delegate.create()
    # Who does not say in which capacity it calls has stack sets of its own, and none of them.
    with pytest.raises(ClientError, match="StackSetNotFoundException"):
        Set(local_aws, MEMBER_ACCOUNTS[0], name=delegate.name).call("DescribeStackSet")
    assert call(local_aws.client("cloudformation", MEMBER_ACCOUNTS[0]), "ListStackSets") == {"Summaries": []}
    # It lives in the management account.
    assert Set(local_aws, name=delegate.name).call("DescribeStackSet")["StackSet"]["StackSetARN"].split(":")[4] == (
        MANAGEMENT_ACCOUNT
    )
    organizations.deregister_delegated_administrator(**registration)


def test_nothing_works_without_trusted_access(local_aws: LocalAws, stack_set: Set) -> None:
    organizations = local_aws.client("organizations", MANAGEMENT_ACCOUNT)
    cloudformation = local_aws.client("cloudformation", MANAGEMENT_ACCOUNT)
    organizations.disable_aws_service_access(ServicePrincipal=STACK_SETS_SERVICE)
    try:
        assert call(cloudformation, "DescribeOrganizationsAccess") == {"Status": "DISABLED"}
        with pytest.raises(ClientError, match="You must enable organizations access"):
            stack_set.create()
    finally:
        call(cloudformation, "ActivateOrganizationsAccess")
    assert call(cloudformation, "DescribeOrganizationsAccess") == {"Status": "ENABLED"}


def test_where_stack_sets_was_never_activated_organizations_alone_does_not_do_it() -> None:
    with LocalAws({**ORGANIZATION, "TrustedServices": []}) as server:
        cloudformation = server.client("cloudformation", MANAGEMENT_ACCOUNT)
        organizations = server.client("organizations", MANAGEMENT_ACCOUNT)
        organizations.enable_aws_service_access(ServicePrincipal=STACK_SETS_SERVICE)
        assert call(cloudformation, "DescribeOrganizationsAccess") == {"Status": "DISABLED"}
        with pytest.raises(ClientError, match="You must enable organizations access"):
            Set(server).create()
        with pytest.raises(ClientError, match="InvalidOperationException"):
            call(server.client("cloudformation", CENTRAL_ACCOUNT), "ActivateOrganizationsAccess")
        call(cloudformation, "ActivateOrganizationsAccess")
        Set(server).create()


# --- moto as the second judge


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The endpoint of moto's server."""
    with moto_server.running() as endpoint:
        yield endpoint


def test_moto_takes_the_same_requests_and_knows_no_member_that_we_lack(moto: str, local_aws: LocalAws) -> None:
    """moto has no organization here, so its set is self-managed; what it answers is in our answers too."""
    theirs = moto_server.client(moto, "cloudformation")
    ours = Set(local_aws)
    ours.create()
    body = {"TemplateBody": json.dumps(TEMPLATE), "Parameters": values(Name=ours.name)}
    theirs.create_stack_set(StackSetName="managed", PermissionModel="SERVICE_MANAGED", **body)
    with pytest.raises(ClientError, match=ONLY_UNITS):
        theirs.create_stack_instances(StackSetName="managed", Accounts=["123456789012"], Regions=["us-east-1"])
    theirs.create_stack_set(StackSetName=ours.name, **body)
    theirs.create_stack_instances(StackSetName=ours.name, Accounts=["123456789012"], Regions=["us-east-1"])
    target = {"DeploymentTargets": {"OrganizationalUnitIds": [DEVELOPMENT]}, "Regions": ["us-east-1"]}
    operation = ours.operate("CreateStackInstances", **target)["OperationId"]
    their_operation = theirs.list_stack_set_operations(StackSetName=ours.name)["Summaries"][0]["OperationId"]

    place = {"StackInstanceAccount": MEMBER_ACCOUNTS[2], "StackInstanceRegion": "us-east-1"}
    their_place = {"StackInstanceAccount": "123456789012", "StackInstanceRegion": "us-east-1"}
    for name, our_request, their_request in (
        ("DescribeStackSet", {}, {}),
        ("ListStackInstances", {}, {}),
        ("DescribeStackInstance", place, their_place),
        ("ListStackSetOperations", {}, {}),
        ("DescribeStackSetOperation", {"OperationId": operation}, {"OperationId": their_operation}),
        ("ListStackSetOperationResults", {"OperationId": operation}, {"OperationId": their_operation}),
    ):
        method = next(python for python, api in theirs.meta.method_to_api_mapping.items() if api == name)
        answer = getattr(theirs, method)(StackSetName=ours.name, **their_request)
        answer.pop("ResponseMetadata")
        lacking = members(answer) - members(ours.call(name, **our_request))
        lacking = {path for path in lacking if not any(part in path for part in SELF_MANAGED_ONLY)}
        assert lacking == set(), name

    for client in (theirs, local_aws.client("cloudformation", MANAGEMENT_ACCOUNT)):
        with pytest.raises(client.exceptions.StackSetNotFoundException):
            client.describe_stack_set(StackSetName="no-such-set")
    with pytest.raises(theirs.exceptions.StackSetNotEmptyException):
        theirs.delete_stack_set(StackSetName=ours.name)
    with pytest.raises(ClientError, match="StackSetNotEmptyException"):
        ours.call("DeleteStackSet")


# moto counts in each set what it never counts: the instances that have drifted.
SELF_MANAGED_ONLY = ("AdministrationRoleARN", "ExecutionRoleName", "DriftDetectionDetails")
