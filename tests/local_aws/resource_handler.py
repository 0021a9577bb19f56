"""What the handlers of CloudFormation's resource types share.

MiniStack calls "create" with (logical id, properties, stack name), "update" with (physical id, old properties, new
properties, stack name) and "delete" with (physical id, properties); the first two return (physical id, attributes). A
handler raises ValueError with the reason that the stack event shows. A new physical id from "update" means a
replacement, whose predecessor is deleted when the whole update has succeeded.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

Props = dict[str, Any]
Created = tuple[str, dict[str, Any]]
Handler = dict[str, Callable[..., Any]]


def handler_error(message: str, code: str) -> ValueError:
    """The form in which CloudFormation reports a failure of a type's handler."""
    token = uuid.uuid4()
    return ValueError(
        f'Resource handler returned message: "{message}" (RequestToken: {token}, HandlerErrorCode: {code})'
    )


def checked(answer: tuple) -> dict[str, Any]:
    """The members of a MiniStack service's JSON answer; raises ValueError with the text of an error."""
    status, _, body = answer
    if status < 400:
        return json.loads(body) if body and body[:1] in (b"{", b"[") else {}
    try:
        text = json.loads(body)["message"]
    except ValueError:
        text = body.decode(errors="replace").partition("<Message>")[2].partition("</Message>")[0]
    raise handler_error(text, "InvalidRequest")


def is_true(value: Any) -> bool:
    """A boolean property, which a template may write as a string."""
    return str(value).lower() == "true"
