"""What StackSets checks of a request before anything happens: the caller, the template, its parameters, the targets.

Refusals are in AWS's words where these are known from its users' reports: the transform
(https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/839), the target
(https://github.com/aws/aws-cli/issues/8248), trusted access (https://github.com/pepperize/cdk-organizations/issues/1718)
and the caller (https://github.com/hashicorp/terraform-provider-aws/issues/32536 and
https://github.com/cdklabs/cdk-stacksets/issues/265).
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import get_account_id
from ministack.services.cloudformation import engine, handlers

from local_aws.organization import Organization, organization_of

SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"

Request = dict[str, Any]


class ApiError(Exception):
    """An error of the API: its code and its text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def invalid(message: str) -> ApiError:
    """The error that most refusals are."""
    return ApiError("ValidationError", message)


def administered_organization(request: Request) -> Organization | None:
    """The organization whose stack sets the caller may see, as CallAs says; None for an account that calls as SELF.

    Such an account has stack sets of its own, with self-managed permissions, which the local AWS does not make.
    """
    account = get_account_id()
    organization = organization_of(account)
    if request.get("CallAs", "SELF") == "DELEGATED_ADMIN":
        if organization is None or account not in organization.delegated_administrators.get(SERVICE, []):
            raise invalid("Account used is not a delegated administrator")
        return organization
    return organization if organization and account == organization.management_account else None


def operated_organization(request: Request) -> Organization:
    """The organization in whose accounts the caller may have StackSets work."""
    organization = administered_organization(request)
    if organization is None:
        raise invalid(
            "You must be the management account or delegated admin account of an organization before operating a "
            "SERVICE_MANAGED stack set"
        )
    if not organization.works_in(SERVICE):
        raise invalid("You must enable organizations access to operate a service managed stack set")
    return organization


def checked_template(
    request: Request, template: str | None = None, parameters: dict[str, str] | None = None
) -> tuple[str, dict[str, str]]:
    """The template and the parameters' values, as the request and what the set had before give them."""
    body = template if template and request.get("UsePreviousTemplate") else request.get("TemplateBody")
    if not body:
        raise invalid("Either Template URL or Template Body must be specified.")
    try:
        parsed = engine._parse_template(body)
    except Exception as error:  # whatever a parser of JSON or YAML raises
        raise invalid(f"Template format error: {error}") from error
    if handlers._uses_macro(parsed):
        raise invalid("Transform is not supported in SERVICE_MANAGED permission model")
    values = given_parameters(request.get("Parameters", []), parameters or {})
    check_declared(body, values)
    declared = parsed.get("Parameters") or {}
    missing = sorted(name for name, each in declared.items() if "Default" not in each and name not in values)
    if missing:
        raise invalid(f"Parameters: [{', '.join(missing)}] must have values")
    required = handlers._required_iam_capabilities(parsed)
    if lacking := handlers._missing_capabilities(set(request.get("Capabilities", [])), required):
        text = handlers._insufficient_capabilities_message(lacking)
        raise ApiError("InsufficientCapabilitiesException", text)
    return body, values


def given_parameters(given: list[dict[str, Any]], previous: dict[str, str]) -> dict[str, str]:
    """The values by name, with those that are to stay as they were."""
    values: dict[str, str] = {}
    for each in given:
        key = each.get("ParameterKey", "")
        if not each.get("UsePreviousValue"):
            values[key] = each.get("ParameterValue", "")
        elif key in previous:
            values[key] = previous[key]
    return values


def check_declared(template: str, values: dict[str, str]) -> None:
    """Refuses values of parameters that the template does not have."""
    declared = engine._parse_template(template).get("Parameters") or {}
    if unknown := sorted(values.keys() - declared.keys()):
        raise invalid(f"Parameters: [{', '.join(unknown)}] do not exist in the template")


def targets(request: Request, *, create: bool = False) -> dict[str, str]:
    """The accounts that the request means, each with the unit by which it is meant; never the management account.

    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DeploymentTargets.html
    """
    organization = operated_organization(request)
    given = request.get("DeploymentTargets") or {}
    units = given.get("OrganizationalUnitIds", [])
    if not units or request.get("Accounts"):
        raise invalid("StackSets with SERVICE_MANAGED permission model can only have OrganizationalUnit as target")
    found: dict[str, str] = {}
    for unit in units:
        if unit != organization.root and unit not in organization.units:
            raise invalid(f"Organizational unit {unit} not found")
        for account in organization.accounts_below(unit):
            found.setdefault(account, unit)
    accounts = given.get("Accounts", [])
    kind = given.get("AccountFilterType", "UNION" if accounts else "NONE")
    if bool(accounts) != (kind != "NONE"):
        raise invalid("Accounts and AccountFilterType go together")
    if kind == "UNION" and create:
        raise invalid("AccountFilterType UNION is not supported for CreateStackInstances operations")
    if kind == "INTERSECTION":
        found = {account: unit for account, unit in found.items() if account in accounts}
    elif kind == "DIFFERENCE":
        found = {account: unit for account, unit in found.items() if account not in accounts}
    elif kind == "UNION":
        found |= {account: organization.parent_of(account) for account in accounts if account not in found}
    found.pop(organization.management_account, None)
    return found


def check_preferences(request: Request) -> None:
    """Refuses a limit that is given both as a number and as a percentage."""
    preferences = request.get("OperationPreferences", {})
    for limit in ("FailureTolerance", "MaxConcurrent"):
        if f"{limit}Count" in preferences and f"{limit}Percentage" in preferences:
            raise invalid(f"You can specify either {limit}Count or {limit}Percentage, but not both")
