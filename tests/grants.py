"""Takes single grants away from policies that are in force, and gives them back."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Policy = dict[str, Any]


def without(policy: Policy, action: str) -> Policy:
    """The policy with the action gone from every statement that allows it. Fails if no statement does."""
    policy = copy.deepcopy(policy)
    kept, removed = [], 0
    for statement in policy["Statement"]:
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        left = [each for each in actions if each != action or statement["Effect"] == "Deny"]
        removed += len(actions) - len(left)
        if left:
            kept.append({**statement, "Action": left})
    assert removed, f"no statement allows {action}"
    return {**policy, "Statement": kept}


@contextmanager
def replaced(policy: Policy, put: Callable[[Policy], Any], action: str) -> Iterator[None]:
    """Takes the action out of a policy for the length of the block."""
    put(without(policy, action))
    try:
        yield
    finally:
        put(policy)


@contextmanager
def role_without(iam: Any, role: str, action: str) -> Iterator[None]:
    """Takes the action out of whichever inline policy of the role allows it."""
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        if action in json.dumps(policy):

            def put(new: Policy, name: str = name) -> None:
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(new))

            with replaced(policy, put, action):
                yield
            return
    raise AssertionError(f"no policy of {role} allows {action}")
