"""The StackSets part of CloudFormation's API, for stack sets with service-managed permissions.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Operations.html

Requests are refused where StackSets refuses them, see `stack_set_requests`. Sets of the permission model SELF_MANAGED
are refused as unknown here, and so no account but the management account has any: those of delegated administrators are
there too.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudformation
from ministack.services.cloudformation import helpers

from local_aws import query_protocol, validation
from local_aws.organization import organization_of
from local_aws.stack_set_answers import (
    instance_summary,
    operation_results,
    operation_summary,
    parameters,
    stack_set_summary,
    whole_operation,
    whole_stack_set,
)
from local_aws.stack_set_requests import (
    SERVICE,
    ApiError,
    Request,
    administered_organization,
    check_declared,
    check_preferences,
    checked_template,
    given_parameters,
    invalid,
    operated_organization,
    targets,
)
from local_aws.stack_sets import Instance, Operation, Place, StackSet, new_stack_name

MAX_PAGE = 100
NAME = "[a-zA-Z][-a-zA-Z0-9]*"

Answer = dict[str, Any]


_sets: dict[tuple[str, str], StackSet] = {}  # (Region, name) -> set; all live in the management account
_deleted: list[tuple[str, StackSet]] = []


def _set(request: Request) -> StackSet:
    name, _, unique = request["StackSetName"].partition(":")
    found = _sets.get((get_region(), name)) if administered_organization(request) else None
    if found is None or (unique and found.id != request["StackSetName"]):
        raise ApiError("StackSetNotFoundException", f"StackSet {request['StackSetName']} not found")
    return found


def _operated_set(request: Request) -> StackSet:
    found = _set(request)
    operated_organization(request)
    return found


def _arn(stack_set: StackSet, request: Request) -> str:
    organization = administered_organization(request)
    account = organization.management_account if organization else get_account_id()
    return f"arn:aws:cloudformation:{get_region()}:{account}:stackset/{stack_set.id}"


def _begin(
    stack_set: StackSet, action: str, places: list[Place], request: Request, units: dict[str, str] | None = None
) -> Answer:
    """Starts an operation; units are those of the accounts that have no instance yet."""
    check_preferences(request)
    if stack_set.running and not stack_set.managed_execution:
        raise _in_progress(stack_set, request)
    operation = Operation(
        id=request.get("OperationId") or str(uuid.uuid4()),
        action=action,
        places=places,
        preferences=request.get("OperationPreferences", {}),
        retain_stacks=request.get("RetainStacks", False),
        targets=request.get("DeploymentTargets", {}),
        units={account: instance.unit for (account, _), instance in stack_set.instances.items()} | (units or {}),
    )
    if operation.id in stack_set.operations:
        raise ApiError("OperationIdAlreadyExistsException", "The specified operation ID already exists.")
    stack_set.start(operation)
    return {"OperationId": operation.id}


def _in_progress(stack_set: StackSet, request: Request) -> ApiError:
    text = f"Another Operation on StackSet {_arn(stack_set, request)} is in progress"
    return ApiError("OperationInProgressException", text)


def _create_stack_set(request: Request) -> Answer:
    if request.get("PermissionModel") != "SERVICE_MANAGED":
        raise invalid("the local AWS knows stack sets of the model SERVICE_MANAGED only")
    operated_organization(request)
    if "AutoDeployment" not in request:
        raise invalid("AutoDeployment is required for SERVICE_MANAGED stack sets")
    name, key = request["StackSetName"], (get_region(), request["StackSetName"])
    if not re.fullmatch(NAME, name) or len(name) > 128:
        constraint = f"Member must satisfy regular expression pattern: {NAME}"
        if re.fullmatch(NAME, name):
            constraint = "Member must have length less than or equal to 128"
        raise invalid(
            f"1 validation error detected: Value '{name}' at 'stackSetName' failed to satisfy constraint: {constraint}"
        )
    token = request.get("ClientRequestToken", "")
    if key in _sets:
        if token and token == _sets[key].token:  # the same request once more, as a client sends it after a broken line
            return {"StackSetId": _sets[key].id}
        raise ApiError("NameAlreadyExistsException", f"The name {name} is already taken")
    template, values = checked_template(request)
    _sets[key] = StackSet(
        name=name,
        id=f"{name}:{uuid.uuid4()}",
        description=request.get("Description", ""),
        template=template,
        parameters=values,
        capabilities=request.get("Capabilities", []),
        auto_deployment=request["AutoDeployment"],
        managed_execution=request.get("ManagedExecution", {}).get("Active", False),
        tags=request.get("Tags", []),
        token=token,
    )
    return {"StackSetId": _sets[key].id}


def _update_stack_set(request: Request) -> Answer:
    stack_set = _operated_set(request)
    template, values = checked_template(request, stack_set.template, stack_set.parameters)
    with stack_set.lock:
        places = [place for place, instance in stack_set.instances.items() if instance.status != "INOPERABLE"]
        if "DeploymentTargets" in request or "Regions" in request:
            places = _existing(stack_set, request)
        answer = _begin(stack_set, "UPDATE", places, request)
        stack_set.template, stack_set.parameters = template, values
        stack_set.capabilities = request.get("Capabilities", [])
        stack_set.tags = request.get("Tags", stack_set.tags)
        stack_set.description = request.get("Description", stack_set.description)
        stack_set.auto_deployment = request.get("AutoDeployment", stack_set.auto_deployment)
        if "ManagedExecution" in request:
            stack_set.managed_execution = request["ManagedExecution"].get("Active", False)
        # Those that are not worked on are out of date now, too, and show the same:
        # https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/1751
        for instance in stack_set.instances.values():
            if instance.status != "INOPERABLE":
                instance.status, instance.detailed_status, instance.reason = "OUTDATED", "PENDING", ""
    return answer


def _delete_stack_set(request: Request) -> Answer:
    stack_set = _set(request)
    if stack_set.instances:
        raise ApiError("StackSetNotEmptyException", "StackSet is not empty")
    if stack_set.running:
        raise _in_progress(stack_set, request)
    _deleted.append((get_region(), _sets.pop((get_region(), stack_set.name))))
    return {}


def _describe_stack_set(request: Request) -> Answer:
    stack_set = _set(request)
    return {"StackSet": whole_stack_set(stack_set, _arn(stack_set, request))}


def _list_stack_sets(request: Request) -> Answer:
    sets = [("ACTIVE", region, each) for (region, _), each in _sets.items()]
    sets += [("DELETED", region, each) for region, each in _deleted]
    visible = administered_organization(request) is not None
    found = [
        stack_set_summary(each, status)
        for status, region, each in sets
        if visible and region == get_region() and request.get("Status") in (None, status)
    ]
    return _page(found, request)


def _list_auto_deployment_targets(request: Request) -> Answer:
    stack_set = _set(request)
    regions: dict[str, set[str]] = {}
    for instance in list(stack_set.instances.values()):
        regions.setdefault(instance.unit, set()).add(instance.region)
    found = [{"OrganizationalUnitId": unit, "Regions": sorted(names)} for unit, names in sorted(regions.items())]
    return _page(found, request)


def _existing(stack_set: StackSet, request: Request) -> list[Place]:
    """The instances that an update is for; it passes over those that a failed deletion has left inoperable."""
    accounts, regions = targets(request), request.get("Regions", [])
    places = [
        place
        for place, instance in stack_set.instances.items()
        if place[0] in accounts and place[1] in regions and instance.status != "INOPERABLE"
    ]
    if not places:
        raise ApiError("StackInstanceNotFoundException", "The specified stack instance doesn't exist.")
    return places


def _create_stack_instances(request: Request) -> Answer:
    stack_set = _operated_set(request)
    accounts, regions = targets(request, create=True), request["Regions"]
    overrides = given_parameters(request.get("ParameterOverrides", []), {})
    check_declared(stack_set.template, overrides)
    with stack_set.lock:
        # What is there already is left alone: https://github.com/getmoto/moto/issues/10172
        wanted = [(account, region) for region in dict.fromkeys(regions) for account in accounts]
        places = [place for place in wanted if place not in stack_set.instances]
        answer = _begin(stack_set, "CREATE", places, request, accounts)
        for account, region in places:
            instance = Instance(account, region, accounts[account], new_stack_name(stack_set.name))
            instance.overrides = overrides
            stack_set.instances[account, region] = instance
    return answer


def _update_stack_instances(request: Request) -> Answer:
    stack_set = _operated_set(request)
    with stack_set.lock:
        places = _existing(stack_set, request)
        answer = None
        for place in places:
            instance = stack_set.instances[place]
            if "ParameterOverrides" in request:
                overrides = given_parameters(request["ParameterOverrides"], instance.overrides)
                check_declared(stack_set.template, overrides)
            answer = answer or _begin(stack_set, "UPDATE", places, request)
            if "ParameterOverrides" in request:
                instance.overrides = overrides
            instance.status, instance.detailed_status, instance.reason = "OUTDATED", "PENDING", ""
    return answer or {}


def _delete_stack_instances(request: Request) -> Answer:
    stack_set = _operated_set(request)
    accounts, regions = targets(request), request["Regions"]
    with stack_set.lock:
        places = [place for place in stack_set.instances if place[0] in accounts and place[1] in regions]
        return _begin(stack_set, "DELETE", places, request)


def _list_stack_instances(request: Request) -> Answer:
    stack_set = _set(request)
    wanted = {each["Name"]: each["Values"] for each in request.get("Filters", [])}
    with stack_set.lock:
        found = [
            instance_summary(stack_set, each)
            for each in stack_set.instances.values()
            if request.get("StackInstanceAccount") in (None, each.account)
            and request.get("StackInstanceRegion") in (None, each.region)
            and wanted.get("DETAILED_STATUS") in (None, each.detailed_status)
            and wanted.get("LAST_OPERATION_ID") in (None, each.operation_id)
            and wanted.get("DRIFT_STATUS") in (None, "NOT_CHECKED")
        ]
    return _page(found, request)


def _describe_stack_instance(request: Request) -> Answer:
    stack_set = _set(request)
    found = stack_set.instances.get((request["StackInstanceAccount"], request["StackInstanceRegion"]))
    if found is None:
        place = f"{request['StackInstanceAccount']}/{request['StackInstanceRegion']}"
        raise ApiError("StackInstanceNotFoundException", f"Stack instance {place} not found")
    overrides = {"ParameterOverrides": parameters(found.overrides)}
    return {"StackInstance": instance_summary(stack_set, found) | overrides}


def _operation(request: Request) -> tuple[StackSet, Operation]:
    stack_set = _set(request)
    operation = stack_set.operations.get(request["OperationId"])
    if operation is None:
        raise ApiError("OperationNotFoundException", f"Operation {request['OperationId']} not found")
    return stack_set, operation


def _describe_operation(request: Request) -> Answer:
    stack_set, operation = _operation(request)
    return {"StackSetOperation": whole_operation(stack_set, operation)}


def _list_operations(request: Request) -> Answer:
    stack_set = _set(request)
    return _page([operation_summary(each) for each in reversed(stack_set.operations.values())], request)


def _list_results(request: Request) -> Answer:
    stack_set, operation = _operation(request)
    wanted = {each["Name"]: each["Values"] for each in request.get("Filters", [])}
    with stack_set.lock:
        found = [
            each
            for each in operation_results(operation)
            if wanted.get("OPERATION_RESULT_STATUS") in (None, each["Status"])
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
    administered_organization(request)
    organization = organization_of(get_account_id())
    if organization is None:
        raise ApiError("InvalidOperationException", "Your account is not a member of an organization.")
    return {"Status": "ENABLED" if organization.works_in(SERVICE) else "DISABLED"}


def _activate_access(request: Request) -> Answer:
    organization = organization_of(get_account_id())
    if organization is None or organization.management_account != get_account_id():
        raise ApiError("InvalidOperationException", "Only the management account can activate organizations access.")
    organization.trusted_services.add(SERVICE)
    organization.activated_services.add(SERVICE)
    return {}


def _page(found: list[Answer], request: Request) -> Answer:
    token, size = request.get("NextToken", "0"), request.get("MaxResults", MAX_PAGE)
    if not token.isdecimal():
        raise invalid("The specified NextToken is invalid")
    start = int(token)
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
    "ListStackSetAutoDeploymentTargets": _list_auto_deployment_targets,
    "ListStackSetOperationResults": _list_results,
    "ListStackSetOperations": _list_operations,
    "ListStackSets": _list_stack_sets,
    "StopStackSetOperation": _stop_operation,
    "UpdateStackInstances": _update_stack_instances,
    "UpdateStackSet": _update_stack_set,
}


def _handler(name: str, serve: Callable[[Request], Answer]) -> Callable[[dict], tuple]:
    operation = query_protocol.service_model("cloudformation").operation_model(name)

    statuses = {shape.error_code: shape.metadata["error"]["httpStatusCode"] for shape in operation.error_shapes}

    def handle(form: dict) -> tuple:
        try:
            request = query_protocol.decode(operation, form)
            if violation := validation.violation("cloudformation", name, request):
                raise invalid(violation)
            content = query_protocol.encode(operation, serve(request))
        except validation.SerializationError as error:
            return helpers._error("MalformedInput", str(error))
        except ApiError as error:
            return helpers._error(error.code, str(error), statuses.get(error.code, 400))
        return helpers._xml(200, f"{name}Response", content)

    return handle


def install() -> None:
    """Adds the operations to MiniStack's CloudFormation."""
    handlers = cloudformation._ACTION_HANDLERS
    handlers.update({name: _handler(name, serve) for name, serve in _OPERATIONS.items()})
