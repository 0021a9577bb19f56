"""Keeps what the tests' last modules judge: which rights roles used, and whether requests keep to AWS's service models.

TEST_LOGS names a directory. Each server appends to the files `rights-<pid>.jsonl` and `requests-<pid>.jsonl` in it, one
line of JSON for each thing that it has not yet written: no bodies, no names of objects, no credentials. Without
TEST_LOGS nothing is kept.
"""

from __future__ import annotations

import json
import os
import re
import threading
from pathlib import Path
from typing import Any

from ministack.core.iam_evaluator import PrincipalInfo, _role_name_from_assumed_arn
from ministack.services import iam

_lock = threading.Lock()
_written: set[str] = set()


def wanted() -> bool:
    """Whether anything is kept."""
    return bool(os.environ.get("TEST_LOGS"))


def right_used(principal: PrincipalInfo, action: str, resource: str, allowed: bool) -> None:
    """Keeps a call that a role's session made, or that a service made under the role, and how it was decided.

    A role is known by its Description, which tells the templates' roles apart whatever their stacks are called.
    """
    if not wanted() or principal.type != "AssumedRole":
        return
    name = _role_name_from_assumed_arn(principal.arn)
    role = iam._roles.get_scoped(principal.account, None, name)
    if role is None:
        return
    # An object is told by its bucket and its first folder, a log stream by its group: the tests make very many.
    resource = re.sub(r":log-stream:.*$", ":log-stream:…", resource)
    resource = re.sub(r"^(arn:[^:]+:s3:::[^/]+/(?:[^/]+/)?).*$", r"\1…", resource)
    _append("rights", role=role.get("Description", ""), action=action, resource=resource, allowed=allowed)


def request_judged(caller: str, service: str, operation: str, problems: list[str]) -> None:
    """Keeps a request's verdict."""
    _append("requests", caller=caller, service=service, operation=operation, problems=problems)


def _append(kind: str, **record: Any) -> None:
    line = json.dumps(record, ensure_ascii=False)
    with _lock:
        if (key := f"{kind} {line}") in _written:
            return
        _written.add(key)
        with Path(os.environ["TEST_LOGS"], f"{kind}-{os.getpid()}.jsonl").open("a") as file:
            file.write(f"{line}\n")
