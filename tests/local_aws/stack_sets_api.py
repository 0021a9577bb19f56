"""The StackSets part of CloudFormation's API, for stack sets with service-managed permissions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Operations.html

Requests are refused where StackSets refuses them: by a caller who is neither the management account (CallAs SELF) nor a
delegated administrator (CallAs DELEGATED_ADMIN), without trusted access, for a template with a transform or without the
capabilities that it needs, for accounts without an organizational unit. The management account is never a target. Sets
of the permission model SELF_MANAGED are refused as unknown here.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudformation
from ministack.services.cloudformation import engine, helpers

from local_aws import query_protocol
from local_aws.organization import Organization, organization_of
from local_aws.stack_sets import Instance, Operation, Place, StackSet, new_stack_name

SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"
MAX_PAGE = 100

Request = dict[str, Any]
Answer = dict[str, Any]


class ApiError(Exception):
    """An error of the API: its code and its text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


_sets: dict[tuple[str, str], StackSet] = {}  # (Region, name) -> set; all live in the management account


def _organization(request: Request) -> Organization:
    account = get_account_id()
    organization = organization_of(account)
    as_delegate = request.get("CallAs", "SELF") == "DELEGATED_ADMIN"
    allowed = organization and (
        account in organization.delegated_administrators.get(SERVICE, [])
        if as_delegate
        else account == organization.management_account
    )
    if not organization or not allowed:
        raise ApiError(
            "ValidationError",
            "You must be the management account or delegated admin account of an organization before operating a "
            "SERVICE_MANAGED stack set",
        )
    if SERVICE not in organization.trusted_services:
        raise ApiError("ValidationError", "You must enable organizations access to operate a service managed stack set")
    return organization


def _set(request: Request) -> StackSet:
    _organization(request)
    found = _sets.get((get_region(), request["StackSetName"].partition(":")[0]))
    if found is None:
        raise ApiError("StackSetNotFoundException", f"StackSet {request['StackSetName']} not found")
    return found


def _checked_template(request: Request, previous: StackSet | None = None) -> tuple[str, dict[str, str]]:
    """The template and the parameters' values, as the request and what was there before give them."""
    template = previous.template if previous and request.get("UsePreviousTemplate") else request.get("TemplateBody")
    if not template:
        raise ApiError("ValidationError", "Either Template URL or Template Body must be specified.")
    try:
        parsed = engine._parse_template(template)
    except Exception as error:
        raise ApiError("ValidationError", f"Template format error: {error}") from error
    if parsed.get("Transform"):
        raise ApiError(
            "ValidationError",
            "Stack sets with service-managed permissions can't be created or updated from templates with macros",
        )
    declared = parsed.get("Parameters") or {}
    values: dict[str, str] = {}
    for given in request.get("Parameters", []):
        key = given["ParameterKey"]
        values[key] = (
            previous.parameters[key] if previous and given.get("UsePreviousValue") else given["ParameterValue"]
        )
    if unknown := sorted(values.keys() - declared.keys()):
        raise ApiError("ValidationError", f"Parameters: [{', '.join(unknown)}] do not exist in the template")
    missing = sorted(name for name, each in declared.items() if "Default" not in each and name not in values)
    if missing:
        raise ApiError("ValidationError", f"Parameters: [{', '.join(missing)}] must have values")
    types = {each["Type"] for each in parsed["Resources"].values()}
    if any(each.startswith("AWS::IAM::") for each in types) and not request.get("Capabilities"):
        raise ApiError("InsufficientCapabilitiesException", "Requires capabilities : [CAPABILITY_IAM]")
    return template, values


def _targets(request: Request) -> dict[str, str]:
    """The accounts that the request means, each with the unit by which it is meant."""
    organization = _organization(request)
    targets = request.get("DeploymentTargets") or {}
    units = targets.get("OrganizationalUnitIds", [])
    if not units:
        raise ApiError(
            "ValidationError",
            "StackSets with SERVICE_MANAGED permission model can only have OrganizationalUnit as target",
        )
    found: dict[str, str] = {}
    for unit in units:
        if unit != organization.root and unit not in organization.units:
            raise ApiError("ValidationError", f"Organizational unit {unit} not found")
        for account in organization.accounts_below(unit):
            found.setdefault(account, unit)
    accounts = targets.get("Accounts", [])
    kind = targets.get("AccountFilterType", "NONE")
    if bool(accounts) != (kind != "NONE"):
        raise ApiError("ValidationError", "Accounts and AccountFilterType go together")
    if kind == "INTERSECTION":
        found = {account: unit for account, unit in found.items() if account in accounts}
    elif kind == "DIFFERENCE":
        found = {account: unit for account, unit in found.items() if account not in accounts}
    elif kind == "UNION":
        found |= {account: organization.parent_of(account) for account in accounts}
    found.pop(organization.management_account, None)
    return found


def _begin(stack_set: StackSet, action: str, places: list[Place], request: Request) -> Answer:
    if stack_set.running and not stack_set.managed_execution:
        raise ApiError("OperationInProgressException", "Another Operation on StackSet is in progress")
    operation = Operation(
        id=request.get("OperationId") or str(uuid.uuid4()),
        action=action,
        places=places,
        preferences=request.get("OperationPreferences", {}),
        retain_stacks=request.get("RetainStacks", False),
    )
    if operation.id in stack_set.operations:
        raise ApiError("OperationIdAlreadyExistsException", "The specified operation ID already exists.")
    stack_set.start(operation)
    return {"OperationId": operation.id}


def _create_stack_set(request: Request) -> Answer:
    _organization(request)
    if request.get("PermissionModel") != "SERVICE_MANAGED":
        raise ApiError("ValidationError", "the local AWS knows stack sets of the model SERVICE_MANAGED only")
    if "AutoDeployment" not in request:
        raise ApiError("ValidationError", "AutoDeployment is required for SERVICE_MANAGED stack sets")
    name, key = request["StackSetName"], (get_region(), request["StackSetName"])
    if not re.fullmatch(r"[a-zA-Z][-a-zA-Z0-9]{0,127}", name):
        raise ApiError("ValidationError", f"1 validation error detected: Value '{name}' at 'stackSetName' is not valid")
    if key in _sets:
        raise ApiError("NameAlreadyExistsException", f"The name {name} is already taken")
    template, values = _checked_template(request)
    _sets[key] = StackSet(
        name=name,
        id=f"{name}:{uuid.uuid4()}",
        description=request.get("Description", ""),
        template=template,
        parameters=values,
        capabilities=request.get("Capabilities", []),
        auto_deployment=request["AutoDeployment"],
        managed_execution=request.get("ManagedExecution", {}).get("Active", False),
    )
    return {"StackSetId": _sets[key].id}


def _update_stack_set(request: Request) -> Answer:
    stack_set = _set(request)
    template, values = _checked_template(request, stack_set)
    with stack_set.lock:
        places = list(stack_set.instances)
        if "DeploymentTargets" in request or "Regions" in request:
            accounts, regions = _targets(request), request.get("Regions", [])
            places = [place for place in places if place[0] in accounts and place[1] in regions]
        answer = _begin(stack_set, "UPDATE", places, request)
        stack_set.template, stack_set.parameters = template, values
        stack_set.capabilities = request.get("Capabilities", [])
        stack_set.description = request.get("Description", stack_set.description)
        stack_set.auto_deployment = request.get("AutoDeployment", stack_set.auto_deployment)
        if "ManagedExecution" in request:
            stack_set.managed_execution = request["ManagedExecution"].get("Active", False)
        for place, instance in stack_set.instances.items():
            instance.status = "OUTDATED"
            if place in places:
                instance.detailed_status = "PENDING"
    return answer


def _delete_stack_set(request: Request) -> Answer:
    stack_set = _set(request)
    if stack_set.instances:
        raise ApiError("StackSetNotEmptyException", "StackSet is not empty")
    if stack_set.running:
        raise ApiError("OperationInProgressException", "Another Operation on StackSet is in progress")
    del _sets[get_region(), stack_set.name]
    return {}


def _describe_stack_set(request: Request) -> Answer:
    stack_set = _set(request)
    management = _organization(request).management_account
    return {
        "StackSet": {
            "StackSetName": stack_set.name,
            "StackSetId": stack_set.id,
            "Description": stack_set.description or None,
            "Status": "ACTIVE",
            "TemplateBody": stack_set.template,
            "Parameters": [
                {"ParameterKey": key, "ParameterValue": value} for key, value in stack_set.parameters.items()
            ],
            "Capabilities": stack_set.capabilities,
            "StackSetARN": f"arn:aws:cloudformation:{get_region()}:{management}:stackset/{stack_set.id}",
            "AutoDeployment": stack_set.auto_deployment,
            "PermissionModel": "SERVICE_MANAGED",
            "OrganizationalUnitIds": sorted(stack_set.units),
            "ManagedExecution": {"Active": stack_set.managed_execution},
            "Regions": sorted({region for _, region in stack_set.instances}),
        }
    }


def _list_stack_sets(request: Request) -> Answer:
    _organization(request)
    found = [
        {"StackSetName": each.name, "StackSetId": each.id, "Status": "ACTIVE", "PermissionModel": "SERVICE_MANAGED"}
        for (region, _), each in _sets.items()
        if region == get_region() and request.get("Status", "ACTIVE") == "ACTIVE"
    ]
    return _page(found, request)


def _create_stack_instances(request: Request) -> Answer:
    stack_set = _set(request)
    accounts, regions = _targets(request), request["Regions"]
    places = [(account, region) for region in regions for account in accounts]
    with stack_set.lock:
        answer = _begin(stack_set, "CREATE", places, request)
        stack_set.units.update(request["DeploymentTargets"]["OrganizationalUnitIds"])
        for account, region in places:
            instance = Instance(account, region, accounts[account], new_stack_name(stack_set.name))
            stack_set.instances.setdefault((account, region), instance)
    return answer


def _delete_stack_instances(request: Request) -> Answer:
    stack_set = _set(request)
    accounts, regions = _targets(request), request["Regions"]
    with stack_set.lock:
        places = [place for place in stack_set.instances if place[0] in accounts and place[1] in regions]
        return _begin(stack_set, "DELETE", places, request)


def _summary(stack_set: StackSet, instance: Instance) -> Answer:
    return {
        "StackSetId": stack_set.id,
        "Region": instance.region,
        "Account": instance.account,
        "StackId": instance.stack_id or None,
        "Status": instance.status,
        "StatusReason": instance.reason or None,
        "StackInstanceStatus": {"DetailedStatus": instance.detailed_status},
        "OrganizationalUnitId": instance.unit,
        "DriftStatus": "NOT_CHECKED",
        "LastOperationId": instance.operation_id or None,
    }


def _list_stack_instances(request: Request) -> Answer:
    stack_set = _set(request)
    wanted = {each["Name"]: each["Values"] for each in request.get("Filters", [])}
    with stack_set.lock:
        found = [
            _summary(stack_set, each)
            for each in stack_set.instances.values()
            if request.get("StackInstanceAccount") in (None, each.account)
            and request.get("StackInstanceRegion") in (None, each.region)
            and wanted.get("DETAILED_STATUS") in (None, each.detailed_status)
        ]
    return _page(found, request)


def _describe_stack_instance(request: Request) -> Answer:
    stack_set = _set(request)
    found = stack_set.instances.get((request["StackInstanceAccount"], request["StackInstanceRegion"]))
    if found is None:
        place = f"{request['StackInstanceAccount']}/{request['StackInstanceRegion']}"
        raise ApiError("StackInstanceNotFoundException", f"Stack instance {place} not found")
    return {"StackInstance": _summary(stack_set, found) | {"ParameterOverrides": []}}


def _operation(request: Request) -> tuple[StackSet, Operation]:
    stack_set = _set(request)
    operation = stack_set.operations.get(request["OperationId"])
    if operation is None:
        raise ApiError("OperationNotFoundException", f"Operation {request['OperationId']} not found")
    return stack_set, operation


def _operation_summary(operation: Operation) -> Answer:
    return {
        "OperationId": operation.id,
        "Action": operation.action,
        "Status": operation.status,
        "CreationTimestamp": operation.created,
        "EndTimestamp": operation.ended,
        "OperationPreferences": operation.preferences,
        "StatusDetails": {"FailedStackInstancesCount": operation.failed},
    }


def _describe_operation(request: Request) -> Answer:
    stack_set, operation = _operation(request)
    return {"StackSetOperation": {**_operation_summary(operation), "StackSetId": stack_set.id}}


def _list_operations(request: Request) -> Answer:
    stack_set = _set(request)
    return _page([_operation_summary(each) for each in reversed(stack_set.operations.values())], request)


def _list_results(request: Request) -> Answer:
    stack_set, operation = _operation(request)
    with stack_set.lock:
        found = [
            {"Account": account, "Region": region, "Status": status, "StatusReason": reason or None}
            for (account, region), (status, reason) in operation.results.items()
        ]
    return _page(found, request)


def _stop_operation(request: Request) -> Answer:
    stack_set, operation = _operation(request)
    with stack_set.lock:
        if operation.status not in ("RUNNING", "QUEUED"):
            raise ApiError("InvalidOperationException", f"Operation {operation.id} is in {operation.status} state")
        operation.status = "STOPPING"
    return {}


def _describe_access(request: Request) -> Answer:
    organization = organization_of(get_account_id())
    if organization is None:
        raise ApiError("InvalidOperationException", "Your account is not a member of an organization.")
    return {"Status": "ENABLED" if SERVICE in organization.trusted_services else "DISABLED"}


def _activate_access(request: Request) -> Answer:
    organization = organization_of(get_account_id())
    if organization is None or organization.management_account != get_account_id():
        raise ApiError("InvalidOperationException", "Only the management account can activate organizations access.")
    organization.trusted_services.add(SERVICE)
    return {}


def _page(found: list[Answer], request: Request) -> Answer:
    start, size = int(request.get("NextToken") or 0), min(request.get("MaxResults") or MAX_PAGE, MAX_PAGE)
    page: Answer = {"Summaries": found[start : start + size]}
    if start + size < len(found):
        page["NextToken"] = str(start + size)
    return page


_OPERATIONS: dict[str, Callable[[Request], Answer]] = {
    "ActivateOrganizationsAccess": _activate_access,
    "CreateStackInstances": _create_stack_instances,
    "CreateStackSet": _create_stack_set,
    "DeleteStackInstances": _delete_stack_instances,
    "DeleteStackSet": _delete_stack_set,
    "DescribeOrganizationsAccess": _describe_access,
    "DescribeStackInstance": _describe_stack_instance,
    "DescribeStackSet": _describe_stack_set,
    "DescribeStackSetOperation": _describe_operation,
    "ListStackInstances": _list_stack_instances,
    "ListStackSetOperationResults": _list_results,
    "ListStackSetOperations": _list_operations,
    "ListStackSets": _list_stack_sets,
    "StopStackSetOperation": _stop_operation,
    "UpdateStackSet": _update_stack_set,
}


def _handler(name: str, serve: Callable[[Request], Answer]) -> Callable[[dict], tuple]:
    operation = query_protocol.service_model("cloudformation").operation_model(name)

    def handle(form: dict) -> tuple:
        try:
            content = query_protocol.encode(operation, serve(query_protocol.decode(operation, form)))
        except ApiError as error:
            return helpers._error(error.code, str(error))
        return helpers._xml(200, f"{name}Response", content)

    return handle


def install() -> None:
    """Adds the operations to MiniStack's CloudFormation."""
    handlers = cloudformation._ACTION_HANDLERS
    handlers.update({name: _handler(name, serve) for name, serve in _OPERATIONS.items()})
