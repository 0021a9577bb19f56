"""CloudFormation's types of QuickSight: their properties as requests of QuickSight's operations, and back.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/AWS_QuickSight.html

A type's properties are the members of its Create operation, so they are held against the same model. Beside that, as
CloudFormation does it, numbers and booleans may be written as text, and a property that the type lacks is refused as an
extraneous key. A resource is in order once QuickSight says so: of one whose creation fails, the errors are the reason
of the failure, and it is deleted again. Which words CloudFormation finds for these is not documented.

An update of the id, or of a data source's type, is a replacement. One of a dashboard publishes its new version, for
which the type's schema asks the right (UpdateDashboardPublishedVersion). Ref is the primary identifier of the schema.
Whether the type deletes an analysis with force is not documented. Here it does not, which is the harder case: the
analysis can be restored, and its id stays taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from ministack.core.responses import get_account_id, get_region
from ministack.services.cloudformation import provisioners

from local_aws.query_protocol import service_model
from local_aws.quicksight import perform
from local_aws.quicksight_accounts import Answer, ApiError, Request
from local_aws.quicksight_definition import one_of
from local_aws.resource_handler import Created, Handler, Props, handler_error, is_true

# https://docs.aws.amazon.com/cloudformation-cli/latest/userguide/resource-type-test-contract-errors.html
_HANDLER_CODES = {
    "AccessDeniedException": "AccessDenied",
    "ResourceExistsException": "AlreadyExists",
    "ResourceNotFoundException": "NotFound",
    "LimitExceededException": "ServiceLimitExceeded",
}


@dataclass(frozen=True)
class _Type:
    """A resource type that has an id, an ARN and, for all but a schedule, permissions of its own."""

    name: str
    id_member: str
    part: str
    # Properties without a counterpart in the Create operation.
    own_properties: frozenset[str] = frozenset()
    replaced_by: tuple[str, ...] = ()
    # Whether Ref has the id before the account, as the type's primary identifier is put together.
    id_first: bool = False


_TYPES = (
    _Type(
        "DataSource",
        "DataSourceId",
        "datasource",
        frozenset({"AlternateDataSourceParameters", "ErrorInfo"}),
        replaced_by=("Type",),
    ),
    _Type("DataSet", "DataSetId", "dataset", frozenset({"IngestionWaitPolicy", "DataSetRefreshProperties"})),
    _Type("Theme", "ThemeId", "theme", id_first=True),
    _Type("Analysis", "AnalysisId", "analysis", frozenset({"Status", "Sheets", "Errors"}), id_first=True),
    _Type("Dashboard", "DashboardId", "dashboard"),
)


def _request(operation: str, props: Props, ignored: frozenset[str] = frozenset()) -> Request:
    """The request of an operation that properties are, without those that the operation has no member for."""
    shape = service_model("quicksight").operation_model(operation).input_shape
    given = {name: value for name, value in props.items() if name not in ignored}
    if extraneous := list(_extraneous(shape, given, "#")):
        raise ValueError(f"Model validation failed ({'; '.join(extraneous)})")
    request = _typed(shape, given)
    if several := list(_several(shape, request, "")):
        raise handler_error("; ".join(several), "InvalidRequest")
    return request


def _extraneous(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for name in sorted(value.keys() - shape.members.keys()):
            yield f"{path}: extraneous key [{name}] is not permitted"
        for name in value.keys() & shape.members.keys():
            yield from _extraneous(shape.members[name], value[name], f"{path}/{name}")
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _extraneous(shape.member, item, f"{path}/{number}")
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for key, item in value.items():
            yield from _extraneous(shape.value, item, f"{path}/{key}")


def _several(shape: Shape, value: Any, path: str) -> Iterator[str]:
    """Structures that have more or fewer members than the one that they may have."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        if one_of(shape) and len(value) != 1:
            yield f"{path or shape.name}: only one of the attributes of {shape.name} can be non-null"
        for name, inner in value.items():
            # What is within a definition is for the definition's check, which makes Errors of it.
            if name != "Definition":
                yield from _several(shape.members[name], inner, f"{path}.{name}".lstrip("."))
    elif isinstance(shape, ListShape) and isinstance(value, list):
        for item in value:
            yield from _several(shape.member, item, f"{path}[]")
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for key, item in value.items():
            yield from _several(shape.value, item, f"{path}.{key}")


def _typed(shape: Shape, value: Any) -> Any:
    """The value with the types of the model, where text stands for them."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {name: _typed(shape.members[name], inner) for name, inner in value.items() if inner is not None}
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_typed(shape.member, item) for item in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _typed(shape.value, item) for key, item in value.items()}
    try:
        match shape.type_name:
            case "boolean" if isinstance(value, str) and value.lower() in ("true", "false"):
                return is_true(value)
            case "integer" | "long" if isinstance(value, str):
                return int(value)
            case "double" if isinstance(value, str):
                return float(value)
            case "string" if isinstance(value, (int, float)):  # booleans are ints to Python
                return str(value).lower() if isinstance(value, bool) else str(value)
            case "timestamp" if isinstance(value, str):
                return datetime.fromisoformat(value.replace("Z", "+00:00")).replace(tzinfo=timezone.utc).timestamp()
    except ValueError as error:
        raise handler_error(f"{value} is not of the type {shape.type_name}", "InvalidRequest") from error
    return value


def _performed(operation: str, request: Request) -> Answer:
    try:
        return perform(operation, request)
    except ApiError as error:
        code = _HANDLER_CODES.get(error.code, "InvalidRequest")
        raise handler_error(f"{error} (Service: QuickSight, Error Code: {error.code})", code) from error


def _handler(kind: _Type) -> Handler:
    create_operation, update_operation = f"Create{kind.name}", f"Update{kind.name}"
    update_members = service_model("quicksight").operation_model(update_operation).input_shape.members

    def about(props: Props) -> Request:
        return {"AwsAccountId": props["AwsAccountId"], kind.id_member: props[kind.id_member]}

    def create(logical_id: str, props: Props, stack_name: str) -> Created:
        request = _request(create_operation, props, kind.own_properties)
        _performed(create_operation, request)
        try:
            _settled(kind, about(props))
        except ValueError:
            delete("", props)
            raise
        return _identity(kind, props)

    def update(physical_id: str, old: Props, new: Props, stack_name: str) -> Created:
        replacing = ("AwsAccountId", kind.id_member, *kind.replaced_by)
        if any(old.get(name) != new.get(name) for name in replacing):
            return create("", new, stack_name)
        request = _request(create_operation, new, kind.own_properties)
        answer = _performed(update_operation, {name: each for name, each in request.items() if name in update_members})
        _settled(kind, about(new), answer.get("VersionArn", "").rpartition("/")[2])
        _update_permissions(kind, about(new), request)
        return _identity(kind, new)

    def delete(physical_id: str, props: Props) -> None:
        try:
            perform(f"Delete{kind.name}", about(props))
        except ApiError as error:
            if error.code not in ("ResourceNotFoundException", "UnsupportedUserEditionException"):
                raise handler_error(str(error), "InvalidRequest") from error

    return {"create": create, "update": update, "delete": delete}


def _identity(kind: _Type, props: Props) -> Created:
    """What Ref and Fn::GetAtt give: the account and the id, and the attributes of the type's page."""
    account, own_id = props["AwsAccountId"], props[kind.id_member]
    attributes: dict[str, Any] = {"Arn": f"arn:aws:quicksight:{get_region()}:{account}:{kind.part}/{own_id}"}
    about = {"AwsAccountId": account, kind.id_member: own_id}
    described = _performed(f"Describe{kind.name}", about)[kind.name]
    for name in ("Status", "CreatedTime", "LastUpdatedTime"):
        if name in described:
            attributes[name] = described[name]
    identifier = (own_id, account) if kind.id_first else (account, own_id)
    return "|".join(identifier), attributes


def _settled(kind: _Type, about: Request, version: str = "") -> None:
    """Waits, so to speak, for the status, and fails with the errors if that is a failure. Publishes a new version."""
    number = {"VersionNumber": int(version)} if version and kind.name == "Dashboard" else {}
    described = _performed(f"Describe{kind.name}", {**about, **number})[kind.name]
    state = described.get("Version", described)
    if state.get("Status", "").endswith("_FAILED"):
        errors = state.get("Errors", [state["ErrorInfo"]] if "ErrorInfo" in state else [])
        reasons = "; ".join(f"{error['Type']}: {error['Message']}" for error in errors)
        raise handler_error(f"{kind.name} {about[kind.id_member]} is {state['Status']}: {reasons}", "NotStabilized")
    if number:
        _performed("UpdateDashboardPublishedVersion", {**about, **number})


def _update_permissions(kind: _Type, about: Request, request: Request) -> None:
    """Grants what the properties say and revokes the rest."""
    current = _performed(f"Describe{kind.name}Permissions", about).get("Permissions", [])
    wanted = request.get("Permissions", [])
    kept = {each["Principal"] for each in wanted}
    gone = [each for each in current if each["Principal"] not in kept]
    changes = {"GrantPermissions": wanted, "RevokePermissions": gone}
    if any(changes.values()):
        given = {name: each for name, each in changes.items() if each}
        _performed(f"Update{kind.name}Permissions", {**about, **given})
    if kind.name == "Dashboard" and "LinkEntities" in request:
        _performed("UpdateDashboardLinks", {**about, "LinkEntities": request["LinkEntities"]})


# --- AWS::QuickSight::RefreshSchedule


def _schedule_request(operation: str, props: Props) -> Request:
    """The type says TimeZone where the operation says Timezone."""
    schedule = dict(props.get("Schedule") or {})
    frequency = dict(schedule.get("ScheduleFrequency") or {})
    if "TimeZone" in frequency:
        frequency["Timezone"] = frequency.pop("TimeZone")
    return _request(operation, {**props, "Schedule": {**schedule, "ScheduleFrequency": frequency}})


def _schedule_identity(props: Props) -> Created:
    account, data_set, schedule = props["AwsAccountId"], props["DataSetId"], props["Schedule"]["ScheduleId"]
    arn = f"arn:aws:quicksight:{get_region()}:{account}:dataset/{data_set}/refresh-schedule/{schedule}"
    return f"{account}|{data_set}|{schedule}", {"Arn": arn}


def _create_schedule(logical_id: str, props: Props, stack_name: str) -> Created:
    _performed("CreateRefreshSchedule", _schedule_request("CreateRefreshSchedule", props))
    return _schedule_identity(props)


def _update_schedule(physical_id: str, old: Props, new: Props, stack_name: str) -> Created:
    if _schedule_identity(old) != _schedule_identity(new):
        return _create_schedule("", new, stack_name)
    _performed("UpdateRefreshSchedule", _schedule_request("UpdateRefreshSchedule", new))
    return _schedule_identity(new)


def _delete_schedule(physical_id: str, props: Props) -> None:
    own_id = props["Schedule"]["ScheduleId"]
    about = {"AwsAccountId": get_account_id(), "DataSetId": props["DataSetId"], "ScheduleId": own_id}
    try:
        perform("DeleteRefreshSchedule", about)
    except ApiError as error:
        if error.code != "ResourceNotFoundException":
            raise handler_error(str(error), "InvalidRequest") from error


def install() -> None:
    """Adds the types to MiniStack's CloudFormation."""
    types: dict[str, Handler] = provisioners._RESOURCE_HANDLERS
    for kind in _TYPES:
        types[f"AWS::QuickSight::{kind.name}"] = _handler(kind)
    types["AWS::QuickSight::RefreshSchedule"] = {
        "create": _create_schedule,
        "update": _update_schedule,
        "delete": _delete_schedule,
    }
