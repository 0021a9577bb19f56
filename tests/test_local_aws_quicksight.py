"""The local QuickSight refuses what QuickSight refuses, and tells as much: accounts, users, resources, stacks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from botocore.exceptions import ClientError

from botocore_shapes import call
from local_aws.server import LocalAws

HOME, ELSEWHERE = "us-east-1", "eu-west-1"

# A test's account is its own.
_numbers = itertools.count(770000000001)


@pytest.fixture
def account() -> str:
    """An account that nobody has signed up."""
    return str(next(_numbers))


def sign_up(client: Any, account: str) -> None:
    """Subscribes the account, in the client's Region."""
    call(
        client,
        "CreateAccountSubscription",
        AwsAccountId=account,
        AccountName=f"patches-{account}",
        Edition="ENTERPRISE",
        AuthenticationMethod="IAM_AND_QUICKSIGHT",
        NotificationEmail="bi@example.com",
    )


@pytest.fixture
def quicksight(local_aws: LocalAws, account: str) -> Any:
    """QuickSight in the identity Region of an account that is signed up."""
    client = local_aws.client("quicksight", account, HOME)
    sign_up(client, account)
    return client


@pytest.fixture
def elsewhere(local_aws: LocalAws, quicksight: Any, account: str) -> Any:
    """QuickSight in another Region of the same account."""
    return local_aws.client("quicksight", account, ELSEWHERE)


def refused(client: Any, operation: str, **request: Any) -> tuple[str, int, str]:
    """The code, the HTTP status and the text that the operation is refused with."""
    with pytest.raises(ClientError) as refusal:
        call(client, operation, **request)
    answer = refusal.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Message"]


def register(client: Any, account: str, **request: Any) -> dict[str, Any]:
    """The user that RegisterUser makes, an IAM user unless the request says otherwise."""
    given = {"IdentityType": "IAM", "Namespace": "default", "IamArn": f"arn:aws:iam::{account}:user/ops/jane"}
    about = {"AwsAccountId": account, "Email": "jane@example.com", "UserRole": "AUTHOR"}
    return call(client, "RegisterUser", **{**about, **given, **request})["User"]


# --- accounts, namespaces, users and groups


def test_an_account_without_a_subscription_is_told_so(local_aws: LocalAws, account: str) -> None:
    client = local_aws.client("quicksight", account)
    nobody = ("ResourceNotFoundException", 404)
    text = f"Account information for account {account} is not found."
    assert refused(client, "DescribeAccountSubscription", AwsAccountId=account) == (*nobody, text)
    text = f"Account {account} is not signed up with QuickSight with namespace default"
    about = {"AwsAccountId": account, "Namespace": "default"}
    assert refused(client, "DescribeUser", **about, UserName="jane") == (*nobody, text)
    assert refused(client, "CreateGroup", **about, GroupName="analysts") == (*nobody, text)


def test_a_subscription_is_seen_in_every_region(quicksight: Any, elsewhere: Any, account: str) -> None:
    for client in (quicksight, elsewhere):
        info = call(client, "DescribeAccountSubscription", AwsAccountId=account)["AccountInfo"]
        assert (info["Edition"], info["AccountSubscriptionStatus"]) == ("ENTERPRISE", "ACCOUNT_CREATED")
        found = call(client, "ListNamespaces", AwsAccountId=account)["Namespaces"]
        assert [(each["Name"], each["CapacityRegion"]) for each in found] == [("default", HOME)]
        one = call(client, "DescribeNamespace", AwsAccountId=account, Namespace="default")["Namespace"]
        assert one["Arn"] == f"arn:aws:quicksight:{HOME}:{account}:namespace/default"
    code, status, _ = refused(
        quicksight,
        "CreateAccountSubscription",
        AwsAccountId=account,
        AccountName="again",
        AuthenticationMethod="IAM_ONLY",
        NotificationEmail="bi@example.com",
    )
    assert (code, status) == ("ResourceExistsException", 409)


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("DescribeAccountSettings", {}),
        ("CreateNamespace", {"Namespace": "other", "IdentityStore": "QUICKSIGHT"}),
        ("DescribeUser", {"Namespace": "default", "UserName": "jane"}),
        ("ListUsers", {"Namespace": "default"}),
        ("DescribeGroup", {"Namespace": "default", "GroupName": "analysts"}),
        ("ListGroups", {"Namespace": "default"}),
        ("CreateGroup", {"Namespace": "default", "GroupName": "analysts"}),
    ],
)
def test_who_is_in_an_account_is_known_in_its_identity_region(
    elsewhere: Any, account: str, operation: str, request_: dict[str, Any]
) -> None:
    text = (
        "Operation is being called from endpoint eu-west-1, but your identity region is us-east-1. "
        "Please use the us-east-1 endpoint."
    )
    found = refused(elsewhere, operation, AwsAccountId=account, **request_)
    assert found == ("AccessDeniedException", 401, text)


def test_users_have_the_names_that_their_identity_gives(quicksight: Any, account: str) -> None:
    role = f"arn:aws:iam::{account}:role/team/analysts"
    assert register(quicksight, account)["UserName"] == "jane"
    session = register(quicksight, account, IamArn=role, SessionName="joe")
    assert session["Arn"] == f"arn:aws:quicksight:{HOME}:{account}:user/default/analysts/joe"
    invited = register(quicksight, account, IdentityType="QUICKSIGHT", IamArn="", UserName="pat@example.com")
    assert not invited["Active"]
    about = {"AwsAccountId": account, "Namespace": "default"}
    assert call(quicksight, "DescribeUser", **about, UserName="analysts/joe")["User"] == session
    listed = call(quicksight, "ListUsers", **about, MaxResults=2)
    assert [each["UserName"] for each in listed["UserList"]] == ["jane", "analysts/joe"]
    rest = call(quicksight, "ListUsers", **about, NextToken=listed["NextToken"])
    assert [each["UserName"] for each in rest["UserList"]] == ["pat@example.com"]

    with pytest.raises(ClientError, match="ResourceExistsException"):
        register(quicksight, account)
    with pytest.raises(ClientError, match="SessionName is required"):
        register(quicksight, account, IamArn=role)
    code, status, text = refused(quicksight, "DescribeUser", **about, UserName="nobody")
    assert (code, status, text) == ("ResourceNotFoundException", 404, "User nobody not found")


def test_groups_belong_to_a_namespace(quicksight: Any, account: str) -> None:
    made = call(quicksight, "CreateNamespace", AwsAccountId=account, Namespace="other", IdentityStore="QUICKSIGHT")
    assert made["CapacityRegion"] == HOME
    about = {"AwsAccountId": account, "GroupName": "the analysts"}
    group = call(quicksight, "CreateGroup", **about, Namespace="other")["Group"]
    assert group["Arn"] == f"arn:aws:quicksight:{HOME}:{account}:group/other/the analysts"
    assert call(quicksight, "DescribeGroup", **about, Namespace="other")["Group"] == group
    assert call(quicksight, "ListGroups", AwsAccountId=account, Namespace="other")["GroupList"] == [group]
    nobody = ("ResourceNotFoundException", 404)
    assert refused(quicksight, "DescribeGroup", **about, Namespace="default")[:2] == nobody
    text = f"Namespace third not found in account {account}"
    assert refused(quicksight, "DescribeGroup", **about, Namespace="third") == (*nobody, text)


def test_a_request_is_held_against_the_model(quicksight: Any, account: str) -> None:
    code, status, text = refused(quicksight, "DescribeNamespace", AwsAccountId=account, Namespace="no such*")
    assert (code, status) == ("ValidationException", 400)
    assert text.startswith("1 validation error detected: Value 'no such*' at 'namespace' failed to satisfy")


def test_an_account_sees_no_other(local_aws: LocalAws, quicksight: Any, account: str) -> None:
    stranger = local_aws.client("quicksight", "660000000066")
    assert refused(stranger, "ListNamespaces", AwsAccountId=account)[:2] == ("AccessDeniedException", 401)


def test_callers_need_the_right_to_the_operation_and_its_subject(
    local_aws: LocalAws, quicksight: Any, account: str
) -> None:
    iam = local_aws.client("iam", account)
    iam.create_user(UserName="reader")
    iam.put_user_policy(
        UserName="reader",
        PolicyName="own",
        PolicyDocument=(
            '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "quicksight:Describe*", '
            f'"Resource": "arn:aws:quicksight:{HOME}:{account}:group/default/*"}}]}}'
        ),
    )
    key = iam.create_access_key(UserName="reader")["AccessKey"]
    reader = local_aws.client_for("quicksight", key, HOME)
    about = {"AwsAccountId": account, "GroupName": "analysts"}
    call(quicksight, "CreateGroup", **about, Namespace="default")
    call(reader, "DescribeGroup", **about, Namespace="default")
    code, status, text = refused(reader, "DescribeGroup", **about, Namespace="other")
    assert (code, status) == ("AccessDeniedException", 401)
    assert text == (
        f"User: arn:aws:iam::{account}:user/reader is not authorized to perform: quicksight:DescribeGroup on resource: "
        f"arn:aws:quicksight:{HOME}:{account}:group/other/analysts because no identity-based policy allows the "
        "quicksight:DescribeGroup action"
    )
