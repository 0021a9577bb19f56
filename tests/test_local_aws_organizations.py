"""The local Organizations API tells of the one organization, and tells everyone as much as AWS would."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from botocore_shapes import call
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


def test_pages(management: Any) -> None:
    first = call(management, "ListAccounts", MaxResults=3)
    assert len(first["Accounts"]) == 3
    rest = call(management, "ListAccounts", MaxResults=3, NextToken=first["NextToken"])
    assert "NextToken" not in rest
    found = [account["Id"] for page in (first, rest) for account in page["Accounts"]]
    assert found == sorted(ORGANIZATION["Accounts"])
