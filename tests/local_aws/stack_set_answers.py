"""What StackSets tells of its sets, instances and operations, in the members of its API.

https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_Types.html
"""

from __future__ import annotations

from typing import Any

from local_aws.stack_sets import Instance, Operation, StackSet

# How StackSets says that nobody has made a function by which an account could refuse:
# https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-account-gating.html
NO_GATE = "Function not found: arn:aws:lambda:{}:{}:function:AWSCloudFormationStackSetAccountGate"

Answer = dict[str, Any]


def parameters(values: dict[str, str]) -> list[Answer]:
    """Parameters as the API writes them."""
    return [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]


def stack_set_summary(stack_set: StackSet, status: str) -> Answer:
    """A StackSetSummary."""
    return {
        "StackSetName": stack_set.name,
        "StackSetId": stack_set.id,
        "Description": stack_set.description or None,
        "Status": status,
        "AutoDeployment": stack_set.auto_deployment,
        "PermissionModel": "SERVICE_MANAGED",
        "DriftStatus": "NOT_CHECKED",
        "ManagedExecution": {"Active": stack_set.managed_execution},
    }


def whole_stack_set(stack_set: StackSet, arn: str) -> Answer:
    """A StackSet."""
    described = stack_set_summary(stack_set, "ACTIVE")
    del described["DriftStatus"]
    return {
        **described,
        "TemplateBody": stack_set.template,
        "Parameters": parameters(stack_set.parameters),
        "Capabilities": stack_set.capabilities,
        "Tags": stack_set.tags,
        "StackSetARN": arn,
        "StackSetDriftDetectionDetails": {"DriftStatus": "NOT_CHECKED"},
        "OrganizationalUnitIds": sorted({instance.unit for instance in stack_set.instances.values()}),
        "Regions": sorted({region for _, region in stack_set.instances}),
    }


def instance_summary(stack_set: StackSet, instance: Instance) -> Answer:
    """A StackInstanceSummary."""
    return {
        "StackSetId": stack_set.id,
        "Region": instance.region,
        "Account": instance.account,
        "StackId": instance.stack_id or None,
        "Status": instance.status,
        "StatusReason": instance.reason or None,
        "StackInstanceStatus": {"DetailedStatus": instance.detailed_status},
        "OrganizationalUnitId": instance.unit,
        "DriftStatus": "NOT_CHECKED",
        "LastOperationId": instance.operation_id or None,
    }


def operation_summary(operation: Operation) -> Answer:
    """A StackSetOperationSummary."""
    return {
        "OperationId": operation.id,
        "Action": operation.action,
        "Status": operation.status,
        "CreationTimestamp": operation.created,
        "EndTimestamp": operation.ended,
        "OperationPreferences": operation.preferences,
        "StatusDetails": {"FailedStackInstancesCount": operation.failed},
    }


def whole_operation(stack_set: StackSet, operation: Operation) -> Answer:
    """A StackSetOperation."""
    return {
        **operation_summary(operation),
        "StackSetId": stack_set.id,
        "DeploymentTargets": operation.targets or None,
        "RetainStacks": operation.retain_stacks if operation.action == "DELETE" else None,
    }


def operation_results(operation: Operation) -> list[Answer]:
    """A StackSetOperationResultSummary for each instance that the operation is for."""
    return [
        {
            "Account": account,
            "Region": region,
            "Status": status,
            "StatusReason": reason or None,
            "AccountGateResult": {"Status": "SKIPPED", "StatusReason": NO_GATE.format(region, account)},
            "OrganizationalUnitId": operation.units.get(account),
        }
        for (account, region), (status, reason) in operation.results.items()
    ]
