"""Resource types as CloudFormation handles them, where MiniStack lacks the type or drops what a template sets.

- AWS::Athena::NamedQuery and AWS::IAM::RolePolicy; those of QuickSight, see `quicksight_cloudformation`.
- AWS::S3::Bucket and AWS::S3::BucketPolicy, see `bucket_resources`.
- AWS::Lambda::Function keeps its dead-letter queue and its reserved concurrency.
- AWS::Athena::WorkGroup has a number where its template has one as text, as parameters' values are. It is deleted only
  when it is empty or RecursiveDeleteOption is set:
  https://docs.aws.amazon.com/athena/latest/APIReference/API_DeleteWorkGroup.html
- AWS::Glue::Crawler keeps the schedule that an update leaves out; an empty expression takes it away:
  https://github.com/aws-cloudformation/cloudformation-coverage-roadmap/issues/2247
- AWS::LanguageExtensions makes a literal of a DeletionPolicy, and an update without a template keeps the literals:
  https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/transform-aws-languageextensions.html
- Conditions know the pseudo parameters of the account, the Region and the partition.
- A generated name belongs to one stack: stacks of one name in two Regions of an account have an IAM role each.
  MiniStack derives the name from the stack's name alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import athena, cloudformation, glue, lambda_svc
from ministack.services.cloudformation import _stacks, engine, handlers, helpers, language_extensions, provisioners

from local_aws.bucket_resources import bucket_handler, bucket_policy_handler
from local_aws.resource_handler import Created, Handler, Props, checked, handler_error, is_true

SUFFIX_LENGTH = 13  # of a generated name, as MiniStack makes it


# --- AWS::Athena::NamedQuery, AWS::Athena::WorkGroup


def _create_named_query(logical_id: str, props: Props, stack_name: str) -> Created:
    work_group = props.get("WorkGroup", "primary")
    if work_group not in athena._workgroups:
        raise handler_error(f"WorkGroup {work_group} is not found.", "InvalidRequest")
    query_id = checked(athena._create_named_query({"Name": logical_id, **props}))["NamedQueryId"]
    return query_id, {"NamedQueryId": query_id}


def _replace_named_query(physical_id: str, old: Props, new: Props, stack_name: str) -> Created:
    return _create_named_query(new.get("Name", ""), new, stack_name)


def _delete_named_query(physical_id: str, props: Props) -> None:
    checked(athena._delete_named_query({"NamedQueryId": physical_id}))


def _work_group_handler(original: Handler) -> Handler:
    def with_numbers(props: Props) -> Props:
        configuration = dict(props.get("WorkGroupConfiguration") or {})
        if cutoff := configuration.pop("BytesScannedCutoffPerQuery", None):
            configuration["BytesScannedCutoffPerQuery"] = int(cutoff)
        return {**props, "WorkGroupConfiguration": configuration}

    def create(logical_id: str, props: Props, stack_name: str) -> Created:
        return original["create"](logical_id, with_numbers(props), stack_name)

    def update(physical_id: str, old: Props, new: Props, stack_name: str, logical_id: str | None = None) -> Created:
        return original["update"](physical_id, with_numbers(old), with_numbers(new), stack_name, logical_id)

    return {"create": create, "update": update, "delete": _delete_work_group}


def _delete_work_group(physical_id: str, props: Props) -> None:
    """Athena keeps a workgroup that has named queries or query executions, unless it is told to delete these too."""
    queries = [query_id for query_id, query in athena._named_queries.items() if query["WorkGroup"] == physical_id]
    executed = any(execution["WorkGroup"] == physical_id for execution in athena._executions.values())
    if (queries or executed) and not is_true(props.get("RecursiveDeleteOption")):
        raise handler_error(f"WorkGroup {physical_id} is not empty", "InvalidRequest")
    for query_id in queries:
        checked(athena._delete_named_query({"NamedQueryId": query_id}))
    checked(athena._delete_workgroup({"WorkGroup": physical_id}))


# --- AWS::IAM::RolePolicy


def _role_policy_handler(policy: Handler) -> Handler:
    """An inline policy of one role, by way of AWS::IAM::Policy, which takes several; both names are create-only."""

    def convert(props: Props) -> Props:
        document = props.get("PolicyDocument") or {}
        return {"PolicyName": props["PolicyName"], "PolicyDocument": document, "Roles": [props["RoleName"]]}

    def create(logical_id: str, props: Props, stack_name: str) -> Created:
        policy["create"](logical_id, convert(props), stack_name)
        return f"{props['PolicyName']}|{props['RoleName']}", {}

    return {
        "create": create,
        "update": lambda physical_id, old, new, stack_name: create(physical_id, new, stack_name),
        "delete": lambda physical_id, props: policy["delete"](physical_id, convert(props)),
    }


# --- AWS::Lambda::Function


def _function_handler(original: Handler) -> Handler:
    def keep(name: str, props: Props) -> None:
        function = lambda_svc._functions[name]
        function["config"]["DeadLetterConfig"] = props.get("DeadLetterConfig") or {}
        reserved = props.get("ReservedConcurrentExecutions")
        function["concurrency"] = None if reserved is None else int(reserved)

    def create(logical_id: str, props: Props, stack_name: str) -> Created:
        name, attributes = original["create"](logical_id, props, stack_name)
        keep(name, props)
        return name, attributes

    def update(physical_id: str, old: Props, new: Props, stack_name: str, logical_id: str | None = None) -> Created:
        name, attributes = original["update"](physical_id, old, new, stack_name, logical_id)
        keep(name, new)
        return name, attributes

    return {**original, "create": create, "update": update}


# --- AWS::Glue::Crawler


def _crawler_handler(original: Handler) -> Handler:
    def update(physical_id: str, old: Props, new: Props, stack_name: str, logical_id: str | None = None) -> Created:
        if "Schedule" not in new:
            crawler = glue._crawlers.get(physical_id) or {}
            new = {**new, "Schedule": crawler.get("Schedule") or {}}
        return original["update"](physical_id, old, new, stack_name, logical_id)

    return {**original, "update": update}


# --- AWS::LanguageExtensions

_POLICIES = ("DeletionPolicy", "UpdateReplacePolicy")

# (logical id, attribute) -> literal, of the stack whose update brings no template.
_previous_policies: ContextVar[dict[tuple[str, str], str]] = ContextVar("previous_policies")


def _with_literal_policies(apply: Callable[[Props, Props], Props]) -> Callable[[Props, Props], Props]:
    """The transform, which decides each conditional policy once and for all."""

    def applied(template: Props, parameters: Props) -> Props:
        processed = apply(template, parameters)
        values = {name: {"Value": value} for name, value in parameters.items()}
        conditions = engine._evaluate_conditions(processed, values)
        previous = _previous_policies.get({})
        for logical_id, definition in processed.get("Resources", {}).items():
            for attribute in _POLICIES:
                match definition.get(attribute):
                    case {"Fn::If": [condition, then, otherwise]}:
                        literal = then if conditions[condition] else otherwise
                        definition[attribute] = previous.get((logical_id, attribute), literal)
        return processed

    return applied


def _keeping_policies(update_stack: Callable[[Props], Any]) -> Callable[[Props], Any]:
    def update(params: Props) -> Any:
        previous: dict[tuple[str, str], str] = {}
        if helpers._p(params, "UsePreviousTemplate").lower() == "true":
            stack = handlers._resolve_stack(helpers._p(params, "StackName")) or {}
            for logical_id, definition in stack.get("_template", {}).get("Resources", {}).items():
                for attribute in _POLICIES:
                    if isinstance(literal := definition.get(attribute), str):
                        previous[logical_id, attribute] = literal
        token = _previous_policies.set(previous)
        try:
            return update_stack(params)
        finally:
            _previous_policies.reset(token)

    return update


# --- generated names


def _unique(physical_name: Callable[..., str]) -> Callable[..., str]:
    """MiniStack's names with another suffix of the same length, from the stack's id: an update finds them again."""

    def name(stack_name: str, logical_id: str, *, lowercase: bool = False, **options: Any) -> str:
        derived = physical_name(stack_name, logical_id, lowercase=lowercase, **options)
        stack_id = _stacks.get(stack_name, {}).get("StackId", "")
        suffix = hashlib.sha256(f"{stack_id} {derived}".encode()).hexdigest()[:SUFFIX_LENGTH]
        return derived[:-SUFFIX_LENGTH] + (suffix if lowercase else suffix.upper())

    return name


# --- conditions


def _with_pseudo_parameters(evaluate: Callable[[Props, Props], dict[str, bool]]) -> Callable[..., dict[str, bool]]:
    """MiniStack takes `Ref: AWS::AccountId` in a condition for the text itself."""

    def conditions(template: Props, parameters: Props) -> dict[str, bool]:
        pseudo = {
            "AWS::AccountId": get_account_id(),
            "AWS::Partition": "aws",
            "AWS::Region": get_region(),
            "AWS::URLSuffix": "amazonaws.com",
        }
        return evaluate(template, {**parameters, **{name: {"Value": value} for name, value in pseudo.items()}})

    return conditions


def install() -> None:
    """Adds and replaces MiniStack's handlers."""
    conditions = _with_pseudo_parameters(engine._evaluate_conditions)
    for module in (engine, *(each for each in vars(cloudformation).values() if hasattr(each, "_evaluate_conditions"))):
        module._evaluate_conditions = conditions
    provisioners._physical_name = _unique(provisioners._physical_name)
    language_extensions.apply = _with_literal_policies(language_extensions.apply)
    actions = cloudformation._ACTION_HANDLERS
    actions["UpdateStack"] = _keeping_policies(actions["UpdateStack"])
    types: dict[str, Handler] = provisioners._RESOURCE_HANDLERS
    types["AWS::Athena::NamedQuery"] = {
        "create": _create_named_query,
        "update": _replace_named_query,
        "delete": _delete_named_query,
    }
    types["AWS::IAM::RolePolicy"] = _role_policy_handler(types["AWS::IAM::Policy"])
    for resource_type, wrap in (
        ("AWS::Athena::WorkGroup", _work_group_handler),
        ("AWS::Glue::Crawler", _crawler_handler),
        ("AWS::S3::Bucket", bucket_handler),
        ("AWS::S3::BucketPolicy", bucket_policy_handler),
        ("AWS::Lambda::Function", _function_handler),
    ):
        types[resource_type] = wrap(types[resource_type])
    provisioners._STACK_TAG_PROPERTY["AWS::S3::Bucket"] = ("Tags", "list")
