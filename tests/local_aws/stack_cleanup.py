"""The last phase of a stack update: what was replaced or removed is deleted after all else has succeeded.

CloudFormation shows it as UPDATE_COMPLETE_CLEANUP_IN_PROGRESS with an event for each resource, and a function that
serves a custom resource tells by that status that the stack stays:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/view-stack-events.html
MiniStack deletes at the same moment, but under UPDATE_IN_PROGRESS and without events.
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import _stacks, stacks

UPDATE = "UPDATE_IN_PROGRESS"
CLEANUP = "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"


def install() -> None:
    """Wraps the deletion of a resource; one in any other phase is left as it is."""
    delete_resource, add_event = stacks._delete_resource, stacks._add_event

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
            add_event(stack_id, stack_name, stack_name, "AWS::CloudFormation::Stack", CLEANUP, physical_id=stack_id)
        resource = (stack_id, stack_name, logical_id, resource_type)
        add_event(*resource, "DELETE_IN_PROGRESS", physical_id=physical_id)
        delete_resource(resource_type, physical_id, props, stack_name, logical_id)
        add_event(*resource, "DELETE_COMPLETE", physical_id=physical_id)

    stacks._delete_resource = delete
