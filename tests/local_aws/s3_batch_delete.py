"""DeleteObjects: at most 1,000 keys, each judged by itself.

A key that the caller may not delete is an AccessDenied error of that key inside a 200 response, and the others go:
https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
MiniStack takes any number of keys, and refuses the whole request for one key.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, ParseError, SubElement, fromstring, tostring

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalResult
from ministack.services import s3

from local_aws import authorization

MAX_KEYS = 1000

_ACTIONS = ("s3:DeleteObject", "s3:DeleteObjectVersion")

# Whether the request being served is a DeleteObjects, whose keys are judged here.
_is_batch: contextvars.ContextVar[bool] = contextvars.ContextVar("batch_delete", default=False)


def delete(original: Callable[..., tuple], bucket: str, body: bytes, headers: dict[str, str] | None = None) -> tuple:
    """Deletes what the caller may delete by MiniStack's own function; the other keys become errors in its answer."""
    try:
        request = fromstring(body)
    except ParseError:
        return original(bucket, body, headers)  # refuses it
    objects = [element for element in request if _name(element) == "Object"]
    if len(objects) > MAX_KEYS:
        return s3._error("MalformedXML", s3._MALFORMED_XML, 400)
    denied = [(element, denial) for element in objects if (denial := _denial(bucket, element))]
    if not denied:
        return original(bucket, body, headers)
    for element, _ in denied:
        request.remove(element)
    status, answer_headers, answer = original(bucket, tostring(request), headers)
    if status != 200:
        return status, answer_headers, answer
    result = fromstring(answer)
    namespace = result.tag.rpartition("}")[0] + "}"
    for element, denial in denied:
        error = SubElement(result, f"{namespace}Error")
        for name in ("Key", "VersionId"):
            if text := _text(element, name):
                SubElement(error, f"{namespace}{name}").text = text
        SubElement(error, f"{namespace}Code").text = "AccessDenied"
        SubElement(error, f"{namespace}Message").text = denial.message
    return status, answer_headers, tostring(result, "utf-8", xml_declaration=True)


def _denial(bucket: str, element: Element) -> authorization.Denial | None:
    caller = authorization.caller()
    if caller is None:
        return None
    action = _ACTIONS[1] if _text(element, "VersionId") else _ACTIONS[0]
    return authorization.principal_may(caller, action, f"arn:aws:s3:::{bucket}/{_text(element, 'Key')}")


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _text(element: Element, name: str) -> str:
    return next((child.text or "" for child in element if _name(child) == name), "")


def install() -> None:
    """Takes the judging of DeleteObjects' keys out of the check of the request and into the deletion."""
    delete_objects = s3._delete_objects
    enforce, pin_caller = iam_evaluator.enforce, iam_evaluator.pin_request_caller

    def pin_request_caller(headers: dict[str, str], query_params: dict[str, Any] | None = None) -> None:
        _is_batch.set("delete" in (query_params or {}))
        pin_caller(headers, query_params)

    def enforce_but_for_keys(access_key_id: str, iam_action: str, *args: Any, **kwargs: Any) -> Any:
        refused = enforce(access_key_id, iam_action, *args, **kwargs)
        # Credentials that do not hold are refused as ever: that is no EvalResult.
        if isinstance(refused, EvalResult) and iam_action in _ACTIONS and _is_batch.get():
            return None
        return refused

    iam_evaluator.pin_request_caller = pin_request_caller
    iam_evaluator.enforce = enforce_but_for_keys
    s3._delete_objects = lambda bucket, body, headers=None: delete(delete_objects, bucket, body, headers)
