"""The last phase of a stack update, or of its rollback: what is not needed any more is deleted after all else is done.

CloudFormation shows it as UPDATE_COMPLETE_CLEANUP_IN_PROGRESS, or UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS, with an
event for each resource, and a function that serves a custom resource tells by that status that the stack stays:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
A rollback is an update like any other to a custom resource: if it answers with another physical id than it had, the
former one is deleted:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html

MiniStack deletes at the same moment, but in an update under UPDATE_IN_PROGRESS and without events, and in a rollback it
forgets a physical id that has changed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ministack.core.concurrency import run_reentrant
from ministack.services.cloudformation import _stack_events, _stacks, handlers, stacks

UPDATE = "UPDATE_IN_PROGRESS"
CLEANUP = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"
ROLLED_BACK = "UPDATE_ROLLBACK_COMPLETE"
ROLLBACK_CLEANUP = "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS"

STACK_TYPE = "AWS::CloudFormation::Stack"

# Stack id -> the logical ids, types, physical ids and properties of what the rollback under way has replaced.
_replaced: defaultdict[str, list[tuple[str, str, str, dict[str, Any]]]] = defaultdict(list)


def install() -> None:
    """Wraps the deletion of a resource, and both steps of a rollback."""
    delete_resource, add_event = stacks._delete_resource, stacks._add_event
    revert_update, roll_back = stacks._revert_update, stacks._roll_back_operation

    def delete(
        resource_type: str, physical_id: str, props: dict[str, Any], stack_name: str = "", logical_id: str = ""
    ) -> None:
        stack = _stacks.get(stack_name, {})
        if stack.get("StackStatus") not in (UPDATE, CLEANUP):
            delete_resource(resource_type, physical_id, props, stack_name, logical_id)
            return
        stack_id = stack["StackId"]
        if stack["StackStatus"] == UPDATE:
            stack["StackStatus"] = CLEANUP
            add_event(stack_id, stack_name, stack_name, STACK_TYPE, CLEANUP, physical_id=stack_id)
        resource = (stack_id, stack_name, logical_id, resource_type)
        add_event(*resource, "DELETE_IN_PROGRESS", physical_id=physical_id)
        delete_resource(resource_type, physical_id, props, stack_name, logical_id)
        add_event(*resource, "DELETE_COMPLETE", physical_id=physical_id)

    async def revert(
        stack_id: str,
        stack_name: str,
        logical_id: str,
        resource_type: str,
        physical_id: str,
        applied: dict[str, Any],
        previous: dict[str, Any],
        attributes: Any,
        record: dict[str, Any] | None = None,
    ) -> None:
        await revert_update(
            stack_id, stack_name, logical_id, resource_type, physical_id, applied, previous, attributes, record
        )
        if record is not None and record["PhysicalResourceId"] != physical_id:
            _replaced[stack_id].append((logical_id, resource_type, physical_id, applied))

    async def roll_back_and_clean_up(
        stack_name: str, stack_id: str, stack: dict[str, Any], operation: dict[str, Any], reason_override: str = ""
    ) -> None:
        await roll_back(stack_name, stack_id, stack, operation, reason_override)
        replaced = _replaced.pop(stack_id, [])
        if not replaced or stack["StackStatus"] != ROLLED_BACK:
            return
        # Nobody has seen the end of the rollback yet, since nothing else ran after it.
        stack["StackStatus"] = ROLLBACK_CLEANUP
        _stack_events[stack_id].pop()
        for logical_id, resource_type, physical_id, props in reversed(replaced):
            resource = (stack_id, stack_name, logical_id, resource_type)
            add_event(*resource, "DELETE_IN_PROGRESS", physical_id=physical_id)
            try:
                await run_reentrant(delete_resource, resource_type, physical_id, props, stack_name, logical_id)
                add_event(*resource, "DELETE_COMPLETE", physical_id=physical_id)
            except Exception as error:
                add_event(*resource, "DELETE_FAILED", str(error), physical_id)
        stack["StackStatus"] = ROLLED_BACK
        add_event(stack_id, stack_name, stack_name, STACK_TYPE, ROLLED_BACK, physical_id=stack_id)

    stacks._delete_resource = delete
    stacks._revert_update = revert
    stacks._roll_back_operation = handlers._roll_back_operation = roll_back_and_clean_up
