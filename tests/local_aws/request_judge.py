"""Judges the requests of our functions and scripts by the service models that botocore ships.

The local AWS takes much that AWS would refuse. A request is therefore read by the model as a server of AWS would
(moto's parsers), and its parameters are checked against it: the operation exists, required members are there, lengths,
ranges, patterns and enumerations hold. Written out again as botocore would send it, it must say all that it said: what
is missing then is no member of the model, and on AWS it would have no effect or be refused.

Functions are known by their SDK's User-Agent and scripts by that of the AWS CLI. (boto3, which the tests themselves
use, validates before it sends.) Verdicts go to `call_record`; nothing is refused because of one.
"""

from __future__ import annotations

import functools
import json
import logging
import queue
import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlencode
from xml.etree import ElementTree

from ministack import app

from local_aws import call_record, validation

logger = logging.getLogger(__name__)

_requests: queue.SimpleQueue[tuple[str, str, dict, bytes, dict]] = queue.SimpleQueue()

_CALLERS = re.compile(r"\b(aws-sdk-rust|aws-cli)/")

# Signature Version 4 names the service:
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
_SCOPE = re.compile(r"Credential=[^/]+/\d{8}/[^/]+/([a-z0-9-]+)/aws4_request")
_SIGNING_NAMES = {"monitoring": "cloudwatch"}

# Headers of S3 that belong to the signature or to the transfer, not to the operation.
_TRANSFER = re.compile(
    r"x-amz-(date|security-token|content-sha256|user-agent|te|trailer|decoded-content-length|sdk-.*|checksum-.*)$"
)


def problems(
    service: str, method: str, path: str, headers: dict[str, str], body: bytes, query: str
) -> tuple[str, list[str]]:
    """The operation that the request asks for ("" if there is none such) and what the service's model says against it.

    No problem names a value of the request.
    """
    # Not needed but for judging, and slow to import.
    from moto.core.parse import PROTOCOL_PARSERS
    from moto.core.request import Request, determine_request_protocol
    from moto.core.routing import get_service_router
    from moto.core.utils import get_service_model
    from werkzeug.exceptions import NotFound

    request = Request.from_primitives(method, f"http://127.0.0.1{quote(path)}?{query}", headers, body)
    try:
        operation, labels = get_service_router(service).match(request)
    except NotFound:
        return "", ["there is no such operation"]
    if operation.input_shape is None:
        return operation.name, []
    protocol = determine_request_protocol(get_service_model(service), request.content_type)
    given = {
        "method": method,
        "values": request.values,
        "headers": request.headers,
        "body": request.data or body,
        "url_path": request.path,
        "url_params": labels,
    }
    try:
        parameters = PROTOCOL_PARSERS[protocol](operation).parse(given)
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return operation.name, [f"the request can't be read: {type(error).__name__}"]
    found = list(_violations(operation.input_shape, parameters, "input"))
    if not found:
        written = _serializer(service).serialize_to_request(parameters, _model(service).operation_model(operation.name))
        said = _names(protocol, body, query, headers)
        again = _names(protocol, *_written_parts(protocol, written))
        found = [f"unknown to the model: {name}" for name in sorted(said - again)]
    return operation.name, found


@functools.cache
def _model(service: str) -> Any:
    import botocore.session

    return botocore.session.Session().get_service_model(service)


@functools.cache
def _serializer(service: str) -> Any:
    from botocore.serialize import create_serializer

    return create_serializer(_model(service).metadata["protocol"], include_validation=False)


def _violations(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            yield f"{path}: not a structure"
            return
        yield from (f"{path}.{name}: missing" for name in shape.required_members if value.get(name) is None)
        for name, member in shape.members.items():
            if value.get(name) is not None:
                yield from _violations(member, value[name], f"{path}.{name}")
        return
    if shape.type_name == "list" and isinstance(value, list):
        for item in value:
            yield from _violations(shape.member, item, f"{path}[]")
    if shape.type_name == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from _violations(shape.key, key, f"{path}{{key}}")
            yield from _violations(shape.value, item, f"{path}{{}}")
    kinds = {"string": str, "integer": int, "long": int, "boolean": bool, "list": list, "map": dict}
    if (kind := kinds.get(shape.type_name)) is None:
        return
    if type(value) is not kind:
        yield f"{path}: not of the type {shape.type_name}"
    elif kind in (str, int, list):
        size = len(value) if kind in (str, list) else value
        limits = shape.metadata
        if not limits.get("min", size) <= size <= limits.get("max", size):
            yield f"{path}: not within its limits"
        if limits.get("enum") and value not in limits["enum"]:
            yield f"{path}: not one of its values"
        if "pattern" in limits and not validation.matches(limits["pattern"], value):
            yield f"{path}: does not match its pattern"


def _names(protocol: str, body: bytes, query: str, headers: dict[str, str]) -> set[str]:
    """What the request says, by name: parameters, headers, elements of XML and keys of JSON, without their values."""
    if protocol in ("query", "ec2"):
        return parse_qs(body.decode() or query, keep_blank_values=True).keys() - {"Action", "Version"}
    if protocol in ("json", "rest-json"):
        names = set(_keys(json.loads(body or b"{}"), ""))
    else:
        names = {f"<{name}>" for name in _elements(body)}
    if protocol.startswith("rest"):
        names |= {f"?{name}" for name in parse_qs(query, keep_blank_values=True)} - {"?x-id"}
        lower = (name.lower() for name in headers)
        names |= {name for name in lower if name.startswith("x-amz-") and not _TRANSFER.match(name)}
    return names


def _written_parts(protocol: str, written: dict[str, Any]) -> tuple[bytes, str, dict[str, str]]:
    body, query = written["body"], written["query_string"]
    if isinstance(body, dict):  # the form of the query protocol
        body = urlencode(body)
    if isinstance(query, dict):
        query = urlencode(query, doseq=True)
    # Static parts of a REST operation's address, such as ?tagging.
    static = written["url_path"].partition("?")[2]
    body = body.encode() if isinstance(body, str) else body
    return body or b"", "&".join(filter(None, [query, static])), dict(written["headers"])


def _keys(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}.{key}"
            yield from _keys(item, f"{path}.{key}")
    elif isinstance(value, list):
        for item in value:
            yield from _keys(item, f"{path}[]")


def _elements(body: bytes) -> set[str]:
    """The paths of the body's elements; none if it is not XML, as the contents of an object may be."""
    if not body.lstrip().startswith(b"<"):
        return set()
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError:
        return set()
    found: set[str] = set()
    left = [(root, root.tag.rpartition("}")[2])]
    while left:
        element, path = left.pop()
        found.add(path)
        left += [(child, f"{path}/{child.tag.rpartition('}')[2]}") for child in element]
    return found


def _judge(method: str, path: str, headers: dict, body: bytes, query_params: dict) -> None:
    caller = _CALLERS.search(f"{headers.get('user-agent', '')} {headers.get('x-amz-user-agent', '')}")
    scope = _SCOPE.search(headers.get("authorization", ""))
    if not caller or not scope:
        return
    service = _SIGNING_NAMES.get(scope[1], scope[1])
    query = urlencode({name: value for name, value in query_params.items()}, doseq=True)
    try:
        operation, found = problems(service, method, path, headers, body, query)
    except Exception as error:  # the request is served all the same; the tests hear of it
        logger.exception("a request could not be judged")
        operation, found = "", [f"the judge failed: {type(error).__name__}"]
    call_record.request_judged(caller[1], service, operation, found)


def _judge_all() -> None:
    while True:
        _judge(*_requests.get())


def install() -> None:
    """Has each request judged beside being served, where verdicts are kept; functions have deadlines to meet."""
    if not call_record.wanted():
        return
    threading.Thread(target=_judge_all, name="request-judge", daemon=True).start()
    dispatch = app._dispatch_service_request

    async def note_and_dispatch(method, path, headers, body, query_params, request_id):
        _requests.put((method, path, dict(headers), body, dict(query_params)))
        return await dispatch(method, path, headers, body, query_params, request_id)

    app._dispatch_service_request = note_and_dispatch
