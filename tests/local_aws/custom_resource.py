"""Custom resources as CloudFormation runs them.

A request goes to the function as an asynchronous invocation, so Lambda's own retries apply. The answer is an object
that the function PUTs to a presigned S3 URL; the first one counts, and it is checked as CloudFormation checks it:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
A resource whose Create failed is part of the rollback: it gets a Delete with the physical id of the FAILED answer.
An update can't give a resource another ServiceToken; it fails before anybody is asked:
https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/802

Lambda delivers an event at least once. With LOCAL_AWS_REPEAT_EVENTS=1 each event is delivered again, see `repeat`:
https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html

MiniStack waits for the function, ignores its retries, checks nothing of the answer, sends no such Delete, and lets the
ServiceToken change.
"""

from __future__ import annotations

import hmac
import json
import logging
import os
import queue
import secrets
import string
import time
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from ministack import app
from ministack.core.responses import get_region, now_iso
from ministack.services import lambda_svc
from ministack.services.cloudformation import _stacks, custom_resource, handlers, provisioners, stacks

from local_aws import authorization

BUCKET_PREFIX = "cloudformation-custom-resource-response-"

# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html
MAX_ANSWER_BYTES = 4096
MAX_PHYSICAL_ID_BYTES = 1024

# https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html
DEFAULT_SERVICE_TIMEOUT_SECONDS = 3600

# As seen in the events that CloudFormation sends.
URL_VALID_SECONDS = 7200

# How long a repeated event's answer is waited for.
REPEATED_ANSWER_SECONDS = 10

logger = logging.getLogger(__name__)

# CloudFormation's own access key, made up for each process.
_SIGNER = Credentials(
    "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16)), secrets.token_urlsafe(30)
)


class Failed(Exception):
    """The resource failed; the text is the reason that the stack event shows."""


@dataclass
class _Pending:
    """A response URL that was given out, and the answers that came to it, of which the first counts."""

    query: dict[str, str]
    expires: float
    answers: queue.Queue[bytes] = field(default_factory=queue.Queue)


_pending: dict[str, _Pending] = {}  # by the path of the URL, decoded


def invoke(
    request_type: str,
    logical_id: str,
    props: dict[str, Any],
    stack_name: str,
    stack_id: str,
    resource_type: str,
    physical_id: str | None = None,
    old_props: dict[str, Any] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Sends one request and waits for its answer; returns the physical id and `Data`.

    Called in a thread of its own, with the arguments of MiniStack's function that it replaces. Raises `Failed`.
    """
    if old_props is not None and _changes_token(old_props, props):
        raise Failed("Modifying service token is not allowed.")
    # Until an answer says otherwise a new resource goes by an id of CloudFormation's making.
    suffix = "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(12))
    created_id = f"{stack_name}-{logical_id}-{suffix}"
    timeout = _service_timeout(props)
    request_id = str(uuid.uuid4())
    response_url, pending = _new_response_url(stack_id, logical_id)
    event = {
        "RequestType": request_type,
        "ServiceToken": props.get("ServiceToken"),
        "ResponseURL": response_url,
        "StackId": stack_id,
        "RequestId": request_id,
        "LogicalResourceId": logical_id,
        **({} if physical_id is None else {"PhysicalResourceId": physical_id}),
        "ResourceType": resource_type,
        "ResourceProperties": as_strings(props),
        **({} if old_props is None else {"OldResourceProperties": as_strings(old_props)}),
    }
    _invoke_function(str(props.get("ServiceToken", "")), event)
    try:
        try:
            body = pending.answers.get(timeout=timeout)
        except queue.Empty:
            raise Failed(
                "CloudFormation did not receive a response from your Custom Resource. Please check your logs for "
                f"requestId [{request_id}]. If you are using the Python cfn-response module, you may need to update "
                "your Lambda function code so that CloudFormation can attach the updated version."
            ) from None
        if os.environ.get("LOCAL_AWS_REPEAT_EVENTS") == "1":
            repeat(event, body, pending.answers)
        answer = read_answer(body, event)
        created_id = answer["PhysicalResourceId"]
        if answer["Status"] == "FAILED":
            raise Failed(
                f"Received response status [FAILED] from custom resource. Message returned: "
                f"{answer.get('Reason', '')} (RequestId: {request_id})"
            )
    except Failed:
        if request_type == "Create":
            _keep_failed_create(stack_name, stack_id, logical_id, resource_type, created_id, props)
        raise
    return answer["PhysicalResourceId"], answer.get("Data") or {}


def repeat(event: dict[str, Any], first: bytes, answers: queue.Queue[bytes]) -> None:
    """Delivers an answered event again, and logs in one line whether its answer is the first one's again.

    What must be the same is the status, the physical id and `Data`. The stack goes on with the first answer.
    """
    _invoke_function(event["ServiceToken"], event)
    request = f"{event['RequestType']} of {event['LogicalResourceId']} in {event['StackId']}"
    try:
        second = answers.get(timeout=REPEATED_ANSWER_SECONDS)
    except queue.Empty:
        logger.warning("repeated event: %s: no answer", request)
        return
    if _essence(first) == _essence(second):
        logger.info("repeated event: %s: same answer", request)
    else:
        logger.warning("repeated event: %s: other answer: first %r, then %r", request, first, second)


def _essence(body: bytes) -> Any:
    try:
        answer = json.loads(body)
        return answer["Status"], answer["PhysicalResourceId"], answer.get("Data")
    except (ValueError, KeyError, TypeError):
        return body


def read_answer(body: bytes, request: dict[str, Any]) -> dict[str, Any]:
    """The answer as an object that is complete and belongs to the request; raises `Failed`.

    The wording is CloudFormation's where it is known from stack events in the field; an identifier that is not the
    request's is documented as an error without a wording.
    """
    if len(body) > MAX_ANSWER_BYTES:
        raise Failed("Response object is too long.")
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Failed("Invalid Response object: Response is not a JSON object")
    for name in ("Status", "StackId", "RequestId", "LogicalResourceId"):
        if not isinstance(answer.get(name), str):
            raise Failed(f"Invalid Response object: Value of property {name} must be of type String")
    for name in ("StackId", "RequestId", "LogicalResourceId"):
        if answer[name] != request[name]:
            raise Failed(f"Invalid Response object: Value of property {name} does not match the request")
    if answer["Status"] not in ("SUCCESS", "FAILED"):
        raise Failed("Invalid Response object: Value of property Status must be SUCCESS or FAILED")
    physical_id = answer.get("PhysicalResourceId")
    if physical_id is not None and not isinstance(physical_id, str):
        raise Failed("Invalid Response object: Value of property PhysicalResourceId must be of type String")
    if not physical_id or len(physical_id.encode()) > MAX_PHYSICAL_ID_BYTES:
        # This hides the Reason of a FAILED answer, which is why an answer always has to carry an id.
        raise Failed("Invalid PhysicalResourceId")
    if not isinstance(answer.get("Data") or {}, dict):
        raise Failed("Invalid Response object: Value of property Data must be an object")
    return answer


def as_strings(value: Any) -> Any:
    """Property values as CloudFormation sends them: numbers and booleans are strings at any depth."""
    if isinstance(value, dict):
        return {key: as_strings(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_strings(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None or isinstance(value, str) else str(value)


def put_answer(path: str, headers: dict[str, str], query: dict[str, list[str]], body: bytes) -> tuple:
    """S3's side of a response URL: an HTTP status, headers and a body."""
    pending = _pending.get(path)
    given = {name: values[0] for name, values in query.items() if values}
    if "X-Amz-Signature" not in given:
        return _refused("AccessDenied", "Access Denied")
    # The signature covers an empty Content-Type, see "ResponseURL" on the page of the request objects.
    if pending is None or not _same(pending.query, given) or headers.get("content-type"):
        return _refused(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your key and signing method.",
        )
    if time.time() > pending.expires:
        return _refused("AccessDenied", "Request has expired")
    pending.answers.put(body)
    return 200, {"x-amz-request-id": uuid.uuid4().hex[:16].upper()}, b""


def _service_timeout(props: dict[str, Any]) -> int:
    given = props.get("ServiceTimeout", DEFAULT_SERVICE_TIMEOUT_SECONDS)
    seconds = int(given) if str(given).isdigit() else 0
    if not 1 <= seconds <= DEFAULT_SERVICE_TIMEOUT_SECONDS:
        raise Failed(f"ServiceTimeout must be between 1 and {DEFAULT_SERVICE_TIMEOUT_SECONDS}, not {given}")
    return seconds


def _new_response_url(stack_id: str, logical_id: str) -> tuple[str, _Pending]:
    """A presigned URL in the form that CloudFormation sends, and what will come to it."""
    region = get_region()
    path = f"/{BUCKET_PREFIX}{region.replace('-', '')}/{stack_id}|{logical_id}|{uuid.uuid4()}"
    request = AWSRequest("PUT", os.environ["AWS_ENDPOINT_URL"] + quote(path))
    S3SigV4QueryAuth(_SIGNER, "s3", region, expires=URL_VALID_SECONDS).add_auth(request)
    query = dict(parse_qsl(urlsplit(request.url).query))
    _pending[path] = _Pending(query, time.time() + URL_VALID_SECONDS)
    return request.url, _pending[path]


def _same(expected: dict[str, str], given: dict[str, str]) -> bool:
    signature = "X-Amz-Signature"
    rest = {name: value for name, value in given.items() if name != signature}
    return hmac.compare_digest(expected[signature].encode(), given[signature].encode()) and rest == {
        name: value for name, value in expected.items() if name != signature
    }


def _refused(code: str, message: str) -> tuple[int, dict[str, str], bytes]:
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return 403, {"Content-Type": "application/xml"}, body.encode()


def _invoke_function(service_token: str, event: dict[str, Any]) -> None:
    function, config, _ = lambda_svc._get_func_record_for_ref(service_token)
    if function is None or config is None or service_token.split(":")[3:4] != [get_region()]:
        # The call goes to Lambda in the stack's Region.
        raise Failed(f"Function not found: {service_token} (Service: Lambda, Status Code: 404)")
    # CloudFormation invokes in the name of whoever works on the stack, so the function's policy needs no statement.
    caller = authorization.caller()
    if caller and (denial := authorization.principal_may(caller, "lambda:InvokeFunction", service_token)):
        raise Failed(f"{denial.message} (Service: Lambda, Status Code: 403)")
    lambda_svc.invoke_async_with_retry(lambda_svc._execution_record_for_config(function, config), event)


def _changes_token(old_props: dict[str, Any], props: dict[str, Any]) -> bool:
    return old_props.get("ServiceToken") != props.get("ServiceToken")


def _keep_failed_create(
    stack_name: str, stack_id: str, logical_id: str, resource_type: str, physical_id: str, props: dict[str, Any]
) -> None:
    """Makes the resource part of the stack, so that its rollback, or a later deletion, sends a Delete."""
    stack = _stacks.get(stack_name)
    if stack is None or stack.get("StackId") != stack_id:
        return
    stack.setdefault("_resources", {})[logical_id] = {
        "PhysicalResourceId": physical_id,
        "ResourceType": resource_type,
        "ResourceStatus": "CREATE_FAILED",
        "LogicalResourceId": logical_id,
        "Properties": props,
        "Attributes": {},
        "Timestamp": now_iso(),
    }


def _delete(
    physical_id: str,
    props: dict[str, Any],
    stack_name: str = "",
    logical_id: str | None = None,
    resource_type: str = "AWS::CloudFormation::CustomResource",
) -> None:
    """MiniStack's counterpart swallows the Delete of one vendor's marker; CloudFormation knows no marker."""
    stack_id = provisioners._cr_stack_id(stack_name)
    invoke("Delete", logical_id or physical_id, props, stack_name, stack_id, resource_type, physical_id)


def install() -> None:
    """Replaces MiniStack's invocation, takes the answers, and makes a failed Create part of the rollback."""
    custom_resource.invoke_custom_resource = invoke
    provisioners._custom_resource_delete = _delete

    take_shortcut = app._handle_post_body_shortcuts
    roll_back = stacks._roll_back_operation

    async def shortcut(
        method: str, path: str, headers: dict, body: bytes, query_params: dict, request_id: str
    ) -> tuple | None:
        if method == "PUT" and path.startswith("/" + BUCKET_PREFIX):
            return put_answer(path, headers, query_params, body)
        return await take_shortcut(method, path, headers, body, query_params, request_id)

    async def roll_back_failed_create_too(
        stack_name: str, stack_id: str, stack: dict, operation: dict, reason_override: str = ""
    ) -> None:
        failed_id = operation.get("failed_logical_id")
        record = stack.get("_resources", {}).get(failed_id, {})
        if record.get("ResourceStatus") == "CREATE_FAILED" and failed_id not in operation["created"]:
            operation = {**operation, "created": [*operation["created"], failed_id]}
        if failed_update := operation.get("failed_update"):
            logical_id, resource_type, physical_id, applied, previous, _ = failed_update
            if applied is not None and _changes_token(previous, applied):
                # The function was not asked to update, so there is nothing to take back.
                operation = {**operation, "failed_update": [logical_id, resource_type, physical_id, None, None, None]}
        await roll_back(stack_name, stack_id, stack, operation, reason_override)

    app._handle_post_body_shortcuts = shortcut
    stacks._roll_back_operation = handlers._roll_back_operation = roll_back_failed_create_too
