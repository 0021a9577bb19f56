"""The Organizations API of the one organization that `organization` reads, for reading it.

MiniStack gives each account that asks an organization of its own. Here everyone sees the same, and as much of it as on
AWS: DescribeOrganization is for every member, the rest for the management account and the delegated administrators of
any service.
https://docs.aws.amazon.com/organizations/latest/APIReference/API_Operations.html
Besides reading there is EnableAWSServiceAccess, and RegisterDelegatedAdministrator with its opposite.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import organizations

from local_aws import validation
from local_aws.organization import Organization, Unit, organization_of

Payload = dict[str, Any]

JOINED = 1735689600.0  # 2025-01-01T00:00:00Z
DEFAULT_PAGE = 20  # the most that AWS gives in one page


class ApiError(Exception):
    """An error of the API: its code, its text, and the reason that some exceptions have."""

    def __init__(self, code: str, message: str, reason: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason


def _arn(organization: Organization, kind: str, own: str) -> str:
    return f"arn:aws:organizations::{organization.management_account}:{kind}/{organization.id}/{own}"


def _account(organization: Organization, account: str) -> Payload:
    if account not in organization.accounts:
        raise ApiError("AccountNotFoundException", "You specified an account that doesn't exist.")
    state = "SUSPENDED" if account in organization.suspended_accounts else "ACTIVE"
    return {
        "Id": account,
        "Arn": _arn(organization, "account", account),
        "Email": f"{account}@example.com",
        "Name": f"account-{account}",
        "Status": state,
        "State": state,
        "Paths": [organization.path_of(account)],
        "JoinedMethod": "CREATED",
        "JoinedTimestamp": JOINED,
    }


def _unit(organization: Organization, unit: Unit) -> Payload:
    return {
        "Id": unit.id,
        "Arn": _arn(organization, "ou", unit.id),
        "Name": unit.name,
        "Path": organization.path_of(unit.id),
    }


def _checked_parent(organization: Organization, parent: str) -> str:
    if parent != organization.root and parent not in organization.units:
        raise ApiError("ParentNotFoundException", "You specified parent that doesn't exist.")
    return parent


def _page(items: list[Any], name: str, payload: Payload) -> Payload:
    token, size = payload.get("NextToken") or "0", payload.get("MaxResults") or DEFAULT_PAGE
    if not token.isdecimal():
        raise ApiError("InvalidInputException", "The provided NextToken is invalid.", "INVALID_NEXT_TOKEN")
    start = int(token)
    page: Payload = {name: items[start : start + size]}
    if start + size < len(items):
        page["NextToken"] = str(start + size)
    return page


def _describe_organization(organization: Organization, payload: Payload) -> Payload:
    management = organization.management_account
    return {
        "Organization": {
            "Id": organization.id,
            "Arn": f"arn:aws:organizations::{management}:organization/{organization.id}",
            "FeatureSet": "ALL",
            "MasterAccountArn": _arn(organization, "account", management),
            "MasterAccountId": management,
            "MasterAccountEmail": f"{management}@example.com",
            "AvailablePolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}],
        }
    }


def _describe_account(organization: Organization, payload: Payload) -> Payload:
    return {"Account": _account(organization, payload["AccountId"])}


def _list_accounts(organization: Organization, payload: Payload) -> Payload:
    accounts = [_account(organization, account) for account in sorted(organization.accounts)]
    return _page(accounts, "Accounts", payload)


def _list_accounts_for_parent(organization: Organization, payload: Payload) -> Payload:
    parent = _checked_parent(organization, payload["ParentId"])
    found = [account for account in sorted(organization.accounts) if organization.parent_of(account) == parent]
    return _page([_account(organization, account) for account in found], "Accounts", payload)


def _list_roots(organization: Organization, payload: Payload) -> Payload:
    root = {"Id": organization.root, "Arn": _arn(organization, "root", organization.root), "Name": "Root"}
    return _page([{**root, "PolicyTypes": []}], "Roots", payload)


def _list_units_for_parent(organization: Organization, payload: Payload) -> Payload:
    parent = _checked_parent(organization, payload["ParentId"])
    found = [_unit(organization, unit) for unit in organization.units.values() if unit.parent == parent]
    return _page(found, "OrganizationalUnits", payload)


def _list_children(organization: Organization, payload: Payload) -> Payload:
    parent, kind = _checked_parent(organization, payload["ParentId"]), payload["ChildType"]
    if kind == "ACCOUNT":
        found = [each for each in sorted(organization.accounts) if organization.parent_of(each) == parent]
    else:
        found = [unit.id for unit in organization.units.values() if unit.parent == parent]
    return _page([{"Id": child, "Type": kind} for child in found], "Children", payload)


def _describe_unit(organization: Organization, payload: Payload) -> Payload:
    unit = organization.units.get(payload["OrganizationalUnitId"])
    if unit is None:
        raise ApiError(
            "OrganizationalUnitNotFoundException", "You specified an organizational unit that doesn't exist."
        )
    return {"OrganizationalUnit": _unit(organization, unit)}


def _list_parents(organization: Organization, payload: Payload) -> Payload:
    child = payload["ChildId"]
    if child in organization.units:
        parent = organization.units[child].parent
    elif child in organization.accounts:
        parent = organization.parent_of(child)
    else:
        raise ApiError("ChildNotFoundException", "You specified child that doesn't exist.")
    kind = "ROOT" if parent == organization.root else "ORGANIZATIONAL_UNIT"
    return _page([{"Id": parent, "Type": kind}], "Parents", payload)


def _list_service_access(organization: Organization, payload: Payload) -> Payload:
    found = [{"ServicePrincipal": name, "DateEnabled": JOINED} for name in sorted(organization.trusted_services)]
    return _page(found, "EnabledServicePrincipals", payload)


def _enable_service_access(organization: Organization, payload: Payload) -> Payload:
    organization.trusted_services.add(payload["ServicePrincipal"])
    return {}


def _disable_service_access(organization: Organization, payload: Payload) -> Payload:
    organization.trusted_services.discard(payload["ServicePrincipal"])
    return {}


def _register(organization: Organization, payload: Payload) -> Payload:
    account, service = _account(organization, payload["AccountId"])["Id"], payload["ServicePrincipal"]
    if account == organization.management_account:
        message = "You cannot register master account/yourself as delegated administrator for your organization."
        reason = "CANNOT_REGISTER_MASTER_AS_DELEGATED_ADMINISTRATOR"
        raise ApiError("ConstraintViolationException", message, reason)
    if service not in organization.trusted_services:
        message = f"You must enable service access for {service} first."
        raise ApiError("ConstraintViolationException", message, "SERVICE_ACCESS_NOT_ENABLED")
    registered = organization.delegated_administrators.setdefault(service, [])
    if account in registered:
        message = "The specified account is already a delegated administrator for this AWS service."
        raise ApiError("AccountAlreadyRegisteredException", message)
    registered.append(account)
    return {}


def _deregister(organization: Organization, payload: Payload) -> Payload:
    registered = organization.delegated_administrators.get(payload["ServicePrincipal"], [])
    if payload["AccountId"] not in registered:
        message = "The specified account is not a delegated administrator for this AWS service."
        raise ApiError("AccountNotRegisteredException", message)
    registered.remove(payload["AccountId"])
    return {}


def _list_delegated_administrators(organization: Organization, payload: Payload) -> Payload:
    wanted = payload.get("ServicePrincipal")
    found = {
        account
        for service, accounts in organization.delegated_administrators.items()
        for account in accounts
        if wanted in (None, service)
    }
    administrators = [{**_account(organization, account), "DelegationEnabledDate": JOINED} for account in sorted(found)]
    for administrator in administrators:
        del administrator["Paths"]
    return _page(administrators, "DelegatedAdministrators", payload)


def _list_delegated_services(organization: Organization, payload: Payload) -> Payload:
    account = _account(organization, payload["AccountId"])["Id"]
    found = [
        {"ServicePrincipal": service, "DelegationEnabledDate": JOINED}
        for service, accounts in sorted(organization.delegated_administrators.items())
        if account in accounts
    ]
    if not found:
        message = "The specified account is not a delegated administrator for this AWS service."
        raise ApiError("AccountNotRegisteredException", message)
    return _page(found, "DelegatedServices", payload)


_OPERATIONS: dict[str, Callable[[Organization, Payload], Payload]] = {
    "DeregisterDelegatedAdministrator": _deregister,
    "DescribeAccount": _describe_account,
    "DescribeOrganization": _describe_organization,
    "DescribeOrganizationalUnit": _describe_unit,
    "DisableAWSServiceAccess": _disable_service_access,
    "EnableAWSServiceAccess": _enable_service_access,
    "ListAWSServiceAccessForOrganization": _list_service_access,
    "ListAccounts": _list_accounts,
    "ListAccountsForParent": _list_accounts_for_parent,
    "ListChildren": _list_children,
    "ListDelegatedAdministrators": _list_delegated_administrators,
    "ListDelegatedServicesForAccount": _list_delegated_services,
    "ListOrganizationalUnitsForParent": _list_units_for_parent,
    "ListParents": _list_parents,
    "ListRoots": _list_roots,
    "RegisterDelegatedAdministrator": _register,
}

_FOR_EVERY_MEMBER = {"DescribeOrganization"}
_FOR_DELEGATED_ADMINISTRATORS = {name for name in _OPERATIONS if name.startswith(("Describe", "List"))}


def answer(operation: str, payload: Payload, account: str) -> Payload:
    """What the API answers a caller of the account. Raises `ApiError`."""
    organization = organization_of(account)
    if organization is None:
        raise ApiError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    serve = _OPERATIONS.get(operation)
    if serve is None:
        raise ApiError("InvalidAction", f"the local AWS does not know {operation}")
    delegated = {each for accounts in organization.delegated_administrators.values() for each in accounts}
    allowed = (
        operation in _FOR_EVERY_MEMBER
        or account == organization.management_account
        or (account in delegated and operation in _FOR_DELEGATED_ADMINISTRATORS)
    )
    if not allowed:
        raise ApiError("AccessDeniedException", "You don't have permissions to access this resource.")
    # DescribeOrganization has no request.
    if operation not in _FOR_EVERY_MEMBER and (violation := validation.violation("organizations", operation, payload)):
        raise ApiError("InvalidInputException", violation, "INVALID_PATTERN")
    return serve(organization, payload)


async def _handle_request(method: str, path: str, headers: dict, body: bytes, query_params: dict) -> tuple:
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    try:
        status, content = 200, answer(operation, json.loads(body or b"{}"), get_account_id())
    except ApiError as error:
        status, content = 400, {"__type": error.code, "Message": str(error)}
        if error.reason:
            content["Reason"] = error.reason
    return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(content).encode()


def install() -> None:
    """Replaces MiniStack's service as a whole."""
    organizations.handle_request = _handle_request
