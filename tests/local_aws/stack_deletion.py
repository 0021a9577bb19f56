"""The deletion of a stack: what a resource that could not be deleted depends on stays, too.

CloudFormation deletes a resource only after all that depend on it are gone. So when a custom resource fails to delete,
its function and the function's role are still there for the next try:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/troubleshooting.html#troubleshooting-errors-delete-stack-fails
MiniStack goes on to delete them.
"""

from __future__ import annotations

from typing import Any

from ministack.services.cloudformation import _stacks, handlers, stacks

FAILED = "DELETE_FAILED"


class _Deletable(dict[str, dict[str, Any]]):
    """A stack's resources by logical id, in which a deletion does not find those that must stay."""

    def __init__(self, resources: dict[str, dict[str, Any]], definitions: dict[str, Any]) -> None:
        super().__init__(resources)
        self._definitions = definitions

    def get(self, logical_id: str, default: Any = None) -> Any:
        failed = {name for name, resource in self.items() if resource.get("ResourceStatus") == FAILED}
        needed = stacks._with_dependencies(failed, self._definitions, set(self))
        return default if logical_id in needed - failed else super().get(logical_id, default)


def install() -> None:
    """Wraps the deletion of a stack; a forced one has its own rule and is left as it is."""
    delete_stack = stacks._delete_stack_async

    async def delete(stack_name: str, stack_id: str, retain_resources: Any = (), force: bool = False) -> None:
        stack = _stacks.get(stack_name)
        if stack is None or force:
            await delete_stack(stack_name, stack_id, retain_resources, force=force)
            return
        resources = stack.get("_resources", {})
        for resource in resources.values():
            if resource.get("ResourceStatus") == FAILED:  # in an earlier deletion; this one tries again
                resource["ResourceStatus"] = "CREATE_COMPLETE"
        definitions = (stack.get("_template") or {}).get("Resources", {})
        stack["_resources"] = _Deletable(resources, definitions)
        try:
            await delete_stack(stack_name, stack_id, retain_resources)
        finally:
            stack["_resources"] = dict(stack["_resources"])

    stacks._delete_stack_async = delete
    handlers._delete_stack_async = delete
