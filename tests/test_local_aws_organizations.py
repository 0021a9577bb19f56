"""The local Organizations API tells of the one organization, and tells everyone as much as AWS would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

import moto_server
from botocore_shapes import call, members
from local_aws.server import LocalAws
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

STRANGER = "666666666666"
ROOT = "r-a1b2"

READING: list[tuple[str, dict[str, str]]] = [
    ("ListAccounts", {}),
    ("DescribeAccount", {"AccountId": MEMBER_ACCOUNTS[0]}),
    ("ListRoots", {}),
    ("ListOrganizationalUnitsForParent", {"ParentId": ROOT}),
    ("ListAccountsForParent", {"ParentId": PRODUCTION}),
    ("DescribeOrganizationalUnit", {"OrganizationalUnitId": WORKLOADS}),
    ("ListParents", {"ChildId": MEMBER_ACCOUNTS[0]}),
    ("ListChildren", {"ParentId": WORKLOADS, "ChildType": "ORGANIZATIONAL_UNIT"}),
    ("ListDelegatedServicesForAccount", {"AccountId": MEMBER_ACCOUNTS[2]}),
    ("ListAWSServiceAccessForOrganization", {}),
    ("ListDelegatedAdministrators", {"ServicePrincipal": STACK_SETS_SERVICE}),
]


@pytest.fixture
def management(local_aws: LocalAws) -> Any:
    """Organizations for the management account."""
    return local_aws.client("organizations", MANAGEMENT_ACCOUNT)


@pytest.fixture
def delegate(local_aws: LocalAws, management: Any) -> Iterator[Any]:
    """Organizations for a delegated administrator of StackSets, which its account is for the length of the test."""
    registration = {"AccountId": MEMBER_ACCOUNTS[2], "ServicePrincipal": STACK_SETS_SERVICE}
    call(management, "RegisterDelegatedAdministrator", **registration)
    yield local_aws.client("organizations", MEMBER_ACCOUNTS[2])
    call(management, "DeregisterDelegatedAdministrator", **registration)


def test_every_member_may_see_the_organization(local_aws: LocalAws) -> None:
    for account in ORGANIZATION["Accounts"]:
        found = call(local_aws.client("organizations", account), "DescribeOrganization")["Organization"]
        assert (found["Id"], found["MasterAccountId"]) == (ORGANIZATION["Id"], MANAGEMENT_ACCOUNT)


@pytest.mark.parametrize(("operation", "request_"), READING, ids=[name for name, _ in READING])
def test_the_rest_is_for_the_management_account_and_delegated_administrators(
    local_aws: LocalAws, management: Any, delegate: Any, operation: str, request_: dict[str, str]
) -> None:
    assert call(management, operation, **request_) == call(delegate, operation, **request_)
    with pytest.raises(ClientError, match="AccessDeniedException"):
        call(local_aws.client("organizations", MEMBER_ACCOUNTS[0]), operation, **request_)


def test_only_the_management_account_changes_anything(delegate: Any) -> None:
    with pytest.raises(ClientError, match="AccessDeniedException"):
        call(delegate, "EnableAWSServiceAccess", ServicePrincipal="config.amazonaws.com")


def test_an_account_outside_of_it_is_in_none(local_aws: LocalAws) -> None:
    for operation in ("DescribeOrganization", "ListAccounts"):
        with pytest.raises(ClientError, match="AWSOrganizationsNotInUseException"):
            call(local_aws.client("organizations", STRANGER), operation)


def test_the_tree(management: Any) -> None:
    def units(parent: str) -> list[str]:
        found = call(management, "ListOrganizationalUnitsForParent", ParentId=parent)
        return [each["Id"] for each in found["OrganizationalUnits"]]

    def accounts(parent: str) -> list[str]:
        found = call(management, "ListAccountsForParent", ParentId=parent)
        return [each["Id"] for each in found["Accounts"]]

    assert [root["Id"] for root in call(management, "ListRoots")["Roots"]] == [ROOT]
    assert (units(ROOT), units(WORKLOADS)) == ([WORKLOADS], [PRODUCTION, DEVELOPMENT])
    assert accounts(ROOT) == sorted([MANAGEMENT_ACCOUNT, CENTRAL_ACCOUNT])
    assert (accounts(PRODUCTION), accounts(DEVELOPMENT)) == (MEMBER_ACCOUNTS[:2], MEMBER_ACCOUNTS[2:])
    assert call(management, "ListParents", ChildId=DEVELOPMENT)["Parents"][0]["Id"] == WORKLOADS
    with pytest.raises(ClientError, match="ParentNotFoundException"):
        accounts("ou-a1b2-99999999")
    for kind, children in (("ACCOUNT", MEMBER_ACCOUNTS[:2]), ("ORGANIZATIONAL_UNIT", [])):
        found = call(management, "ListChildren", ParentId=PRODUCTION, ChildType=kind)["Children"]
        assert found == [{"Id": child, "Type": kind} for child in children]
    path = f"{ORGANIZATION['Id']}/{ROOT}/{WORKLOADS}/{PRODUCTION}"
    account = call(management, "DescribeAccount", AccountId=MEMBER_ACCOUNTS[0])["Account"]
    assert account["Paths"] == [f"{path}/{MEMBER_ACCOUNTS[0]}/"]
    unit = call(management, "DescribeOrganizationalUnit", OrganizationalUnitId=PRODUCTION)["OrganizationalUnit"]
    assert unit["Path"] == f"{path}/"


def test_delegated_administrators_come_and_go(management: Any) -> None:
    account = {"AccountId": MEMBER_ACCOUNTS[1]}
    registration = {**account, "ServicePrincipal": STACK_SETS_SERVICE}
    with pytest.raises(ClientError, match="AccountNotRegisteredException"):
        call(management, "ListDelegatedServicesForAccount", **account)
    call(management, "RegisterDelegatedAdministrator", **registration)
    (service,) = call(management, "ListDelegatedServicesForAccount", **account)["DelegatedServices"]
    assert service["ServicePrincipal"] == STACK_SETS_SERVICE
    with pytest.raises(ClientError, match="AccountAlreadyRegisteredException"):
        call(management, "RegisterDelegatedAdministrator", **registration)
    call(management, "DeregisterDelegatedAdministrator", **registration)
    with pytest.raises(ClientError, match="AccountNotRegisteredException"):
        call(management, "DeregisterDelegatedAdministrator", **registration)


@pytest.mark.parametrize(
    ("operation", "request_", "code", "reason"),
    [
        ("ListAccounts", {"NextToken": "none of ours"}, "InvalidInputException", "INVALID_NEXT_TOKEN"),
        ("ListAccountsForParent", {"ParentId": "Production"}, "InvalidInputException", "INVALID_PATTERN"),
        ("DescribeAccount", {"AccountId": STRANGER}, "AccountNotFoundException", None),
        (
            "RegisterDelegatedAdministrator",
            {"AccountId": MANAGEMENT_ACCOUNT, "ServicePrincipal": STACK_SETS_SERVICE},
            "ConstraintViolationException",
            "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR",
        ),
        (
            "RegisterDelegatedAdministrator",
            {"AccountId": CENTRAL_ACCOUNT, "ServicePrincipal": "config.amazonaws.com"},
            "ConstraintViolationException",
            "SERVICE_ACCESS_NOT_ENABLED",
        ),
    ],
    ids=["token", "pattern", "stranger", "management account", "service without access"],
)
def test_refusals(management: Any, operation: str, request_: dict[str, str], code: str, reason: str | None) -> None:
    with pytest.raises(ClientError) as refused:
        call(management, operation, **request_)
    assert (refused.value.response["Error"]["Code"], refused.value.response.get("Reason")) == (code, reason)


def test_moto_knows_no_member_that_we_lack(management: Any) -> None:
    """Of an organization that moto makes at our request; what it answers, and refuses, is so here too."""
    with moto_server.running() as endpoint:
        theirs = moto_server.client(endpoint, "organizations")
        theirs.create_organization(FeatureSet="ALL")
        root = theirs.list_roots()["Roots"][0]["Id"]
        unit = theirs.create_organizational_unit(ParentId=root, Name="Unit")["OrganizationalUnit"]["Id"]
        account = theirs.create_account(Email="a@example.com", AccountName="a")["CreateAccountStatus"]["AccountId"]
        theirs.move_account(AccountId=account, SourceParentId=root, DestinationParentId=unit)
        theirs.enable_aws_service_access(ServicePrincipal="ssm.amazonaws.com")
        theirs.register_delegated_administrator(AccountId=account, ServicePrincipal="ssm.amazonaws.com")
        call(management, "EnableAWSServiceAccess", ServicePrincipal="ssm.amazonaws.com")
        registration = {"AccountId": MEMBER_ACCOUNTS[0], "ServicePrincipal": "ssm.amazonaws.com"}
        call(management, "RegisterDelegatedAdministrator", **registration)
        try:
            for operation, own, request in (
                ("DescribeOrganization", {}, {}),
                ("ListAccounts", {}, {}),
                ("DescribeAccount", {"AccountId": MEMBER_ACCOUNTS[0]}, {"AccountId": account}),
                ("ListRoots", {}, {}),
                ("ListOrganizationalUnitsForParent", {"ParentId": ROOT}, {"ParentId": root}),
                ("DescribeOrganizationalUnit", {"OrganizationalUnitId": WORKLOADS}, {"OrganizationalUnitId": unit}),
                ("ListAccountsForParent", {"ParentId": PRODUCTION}, {"ParentId": unit}),
                ("ListParents", {"ChildId": MEMBER_ACCOUNTS[0]}, {"ChildId": account}),
                (
                    "ListChildren",
                    {"ParentId": PRODUCTION, "ChildType": "ACCOUNT"},
                    {"ParentId": unit, "ChildType": "ACCOUNT"},
                ),
                ("ListAWSServiceAccessForOrganization", {}, {}),
                ("ListDelegatedAdministrators", {}, {}),
                ("ListDelegatedServicesForAccount", {"AccountId": MEMBER_ACCOUNTS[0]}, {"AccountId": account}),
            ):
                lacking = members(call(theirs, operation, **request)) - members(call(management, operation, **own))
                assert lacking == set(), operation
            for client in (theirs, management):
                with pytest.raises(client.exceptions.ParentNotFoundException):
                    client.list_accounts_for_parent(ParentId="ou-a1b2-99999999")
        finally:
            call(management, "DeregisterDelegatedAdministrator", **registration)
            call(management, "DisableAWSServiceAccess", ServicePrincipal="ssm.amazonaws.com")


def test_pages(management: Any) -> None:
    first = call(management, "ListAccounts", MaxResults=3)
    assert len(first["Accounts"]) == 3
    rest = call(management, "ListAccounts", MaxResults=3, NextToken=first["NextToken"])
    assert "NextToken" not in rest
    found = [account["Id"] for page in (first, rest) for account in page["Accounts"]]
    assert found == sorted(ORGANIZATION["Accounts"])
