"""QuickSight: its API over REST and JSON, by botocore's model, and what its parts share.

https://docs.aws.amazon.com/quicksight/latest/APIReference/API_Operations.html

The operations are those of `quicksight_accounts`, `quicksight_data` and `quicksight_dashboards`; CloudFormation's types
are in `quicksight_cloudformation`. Every request, a template's too, is held against the model first. An account sees
itself only: a request for another is refused as one for a resource whose policy does not know the caller.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from functools import cache
from urllib.parse import unquote

from botocore.model import OperationModel, ServiceModel
from ministack import app
from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region

from local_aws import quicksight_accounts, quicksight_dashboards, quicksight_data, validation
from local_aws.query_protocol import service_model
from local_aws.quicksight_accounts import Answer, ApiError, Request, arn

_OPERATIONS: dict[str, Callable[[Request], Answer]] = {
    **quicksight_accounts.OPERATIONS,
    **quicksight_data.OPERATIONS,
    **quicksight_dashboards.OPERATIONS,
}

# The members that name what a request is about, from the innermost outwards, and the ARN's part for each:
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonquicksight.html
_SUBJECTS = (
    ("UserName", "user/{Namespace}/{UserName}"),
    ("GroupName", "group/{Namespace}/{GroupName}"),
    ("Namespace", "namespace/{Namespace}"),
    ("ScheduleId", "dataset/{DataSetId}/refresh-schedule/{ScheduleId}"),
    ("DataSourceId", "datasource/{DataSourceId}"),
    ("DataSetId", "dataset/{DataSetId}"),
    ("AnalysisId", "analysis/{AnalysisId}"),
    ("DashboardId", "dashboard/{DashboardId}"),
    ("ThemeId", "theme/{ThemeId}"),
)


def perform(operation: str, request: Request) -> Answer:
    """The answer to a request of the calling account in its Region. Raises `ApiError`."""
    try:
        if violation := validation.violation("quicksight", operation, request):
            raise ApiError("ValidationException", violation)
    except validation.SerializationError as error:
        raise ApiError("SerializationException", str(error)) from error
    if request["AwsAccountId"] != get_account_id():
        text = f"not authorized to perform: quicksight:{operation} because no resource-based policy allows it"
        raise ApiError("AccessDeniedException", f"User of account {get_account_id()} is {text}")
    return _OPERATIONS[operation](request)


# --- requests and answers


@cache
def _routes() -> list[tuple[str, re.Pattern[str], str]]:
    """(method, path, operation), the most specific first."""
    model: ServiceModel = service_model("quicksight")
    found = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        parts = http["requestUri"].partition("?")[0].split("/")
        pattern = "/".join(_part(part) for part in parts)
        literal = sum(not part.startswith("{") for part in parts)
        found.append((literal, http["method"], re.compile(pattern), name))
    return [each[1:] for each in sorted(found, key=lambda each: -each[0])]


def _part(part: str) -> str:
    if not part.startswith("{"):
        return re.escape(part)
    name = part.strip("{}+")
    # The path is decoded, so the name of a user who is a role's session has a slash in it.
    return rf"(?P<{name}>\d+)" if name == "AwsAccountId" else f"(?P<{name}>.+?)"


def _operation(method: str, path: str) -> tuple[OperationModel | None, dict[str, str]]:
    for its_method, pattern, name in _routes():
        if its_method == method and (found := pattern.fullmatch(unquote(path))):
            return service_model("quicksight").operation_model(name), found.groupdict()
    return None, {}


def _read(operation: OperationModel, labels: dict[str, str], query: dict, body: bytes) -> Request:
    request = json.loads(body or b"{}")
    if not isinstance(request, dict):
        raise validation.SerializationError("the request is not a JSON structure")
    members = operation.input_shape.members  # type: ignore[union-attr]
    for name, shape in members.items():
        key = shape.serialization.get("name", name)
        match shape.serialization.get("location"):
            case "uri":
                request[name] = labels[key]
            case "querystring" if key in query:
                value = query[key][0] if isinstance(query[key], list) else query[key]
                request[name] = value
            case _:
                continue
        if shape.type_name in ("integer", "long") and str(request[name]).isdecimal():
            request[name] = int(request[name])
        elif shape.type_name == "boolean":
            request[name] = request[name] == "true"
    return {name: value for name, value in request.items() if value is not None}


def _status(operation: OperationModel, code: str) -> int:
    declared = {shape.error_code: shape.metadata["error"]["httpStatusCode"] for shape in operation.error_shapes}
    return declared.get(code, 400)


async def _handle_request(method: str, path: str, headers: dict, body: bytes, query_params: dict) -> tuple:
    operation, labels = _operation(method, path)
    if operation is None or operation.name not in _OPERATIONS:
        known = operation.name if operation else f"{method} {path}"
        return _error(404, "UnknownOperationException", f"the local AWS does not know {known}")
    try:
        answer = perform(operation.name, _read(operation, labels, query_params, body))
    except (json.JSONDecodeError, validation.SerializationError) as error:
        return _error(400, "SerializationException", str(error))
    except ApiError as error:
        return _error(_status(operation, error.code), error.code, str(error))
    content = {**answer, "RequestId": str(uuid.uuid4())}
    return 200, {"Content-Type": "application/json"}, json.dumps(content).encode()


def _error(status: int, code: str, message: str) -> tuple:
    content = {"Message": message, "RequestId": str(uuid.uuid4())}
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": code}
    return status, headers, json.dumps(content).encode()


# --- rights


def _subject(method: str, path: str, body: bytes) -> str:
    _, labels = _operation(method, path)
    try:
        given = json.loads(body or b"{}")
    except ValueError:
        given = {}
    names = {**(given if isinstance(given, dict) else {}), **labels}
    for member, form in _SUBJECTS:
        if member in names:
            return arn(get_region(), form.format_map({"Namespace": "default", **names}))
    return "*"


def install() -> None:
    """Adds the service to MiniStack, and has its callers judged; MiniStack routes by the name that signs a request."""
    app.SERVICE_HANDLERS["quicksight"] = _handle_request
    iam_actions.SERVICE_TO_IAM_NAMESPACE["quicksight"] = "quicksight"
    iam_actions._BOTOCORE_SERVICE_MAP["quicksight"] = ["quicksight"]
    resource_arn, denied = iam_actions.extract_resource_arn, iam_actions.access_denied_response

    def subject(service, method, path, headers, body, query_params, region, account):
        if service == "quicksight":
            return _subject(method, path, body)
        return resource_arn(service, method, path, headers, body, query_params, region, account)

    def denial(service, action, principal_arn, request_id, **options):
        if service != "quicksight" or options.get("error_code"):
            return denied(service, action, principal_arn, request_id, **options)
        explicit = options.get("explicit_deny", False)
        text = iam_actions.identity_denial_message(action, principal_arn, options.get("resource_arn", "*"), explicit)
        return _error(401, "AccessDeniedException", text)

    iam_actions.extract_resource_arn, iam_actions.access_denied_response = subject, denial
