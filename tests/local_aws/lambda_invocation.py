"""Who may invoke a function, how often Lambda tries, and what keeps the local workers apart.

- EventBridge needs a statement in the function's policy (AWS::Lambda::Permission) that fits the rule; without it the
  invocation fails where only the rule's FailedInvocations metric and the target's dead-letter queue show it:
  https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-troubleshooting.html
  https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
- Its invocations are asynchronous, so a failed one is tried twice more, after one and then two minutes:
  https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html
  LOCAL_AWS_TIME_SCALE (default 0.01) shortens these waits.
- An event that failed each time goes to the function's dead-letter queue as it came, with three message attributes, if
  the function's role may send it there:
  https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html#invocation-dlq
- A change of a function ends its own workers, not those of its namesakes in other accounts and Regions.

MiniStack asks for no permission, tries EventBridge's events once, wraps the dead letter in the record that other
destinations get, and ends the namesakes' running calls.
"""

from __future__ import annotations

import contextvars
import json
import logging
import os
import uuid
from collections.abc import Callable
from typing import Any

from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch, eventbridge, lambda_svc, sqs

from local_aws.authorization import Denial, role_may, service_may

FIRST_RETRY_SECONDS = 60
SECOND_RETRY_SECONDS = 120
DEFAULT_TIME_SCALE = 0.01

logger = logging.getLogger(__name__)

# The rule and the target that the event under way goes to.
_delivery: contextvars.ContextVar[tuple[dict[str, Any], dict[str, Any]]] = contextvars.ContextVar("delivery")


def time_scale() -> float:
    """Local seconds for one of Lambda's."""
    return float(os.environ.get("LOCAL_AWS_TIME_SCALE", DEFAULT_TIME_SCALE))


def deliver_to_lambda(function_arn: str, payload: str) -> None:
    """Invokes the function as EventBridge does for the rule and target in `_delivery`, or fails without a word."""
    rule, target = _delivery.get()
    function, config, _ = lambda_svc._get_func_record_for_ref(function_arn)
    if function is None or config is None:
        _fail(rule, target, payload, "RESOURCE_NOT_FOUND", f"Function not found: {function_arn}")
    elif denial := _denial(rule, function_arn, function):
        _fail(rule, target, payload, "NO_PERMISSIONS", denial.message)
    else:
        _count(rule, "Invocations")
        record = lambda_svc._execution_record_for_config(function, config)
        lambda_svc.invoke_async_with_retry(record, json.loads(payload))


def _denial(rule: dict[str, Any], function_arn: str, function: dict[str, Any]) -> Denial | None:
    context = {"aws:SourceArn": rule["Arn"], "aws:SourceAccount": get_account_id()}
    return service_may("events.amazonaws.com", "lambda:InvokeFunction", function_arn, function["policy"], context)


def _fail(rule: dict[str, Any], target: dict[str, Any], payload: str, code: str, message: str) -> None:
    logger.warning("rule %s could not invoke its target %s: %s", rule["Name"], target["Arn"], message)
    _count(rule, "FailedInvocations")
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    queue = sqs._queue_by_arn(queue_arn) if queue_arn else None
    if queue_arn is None or queue is None:
        return
    context = {"aws:SourceArn": rule["Arn"], "aws:SourceAccount": get_account_id()}
    policy = (queue.get("attributes") or {}).get("Policy")
    if denial := service_may("events.amazonaws.com", "sqs:SendMessage", queue_arn, policy, context):
        logger.warning("rule %s could not reach its dead-letter queue: %s", rule["Name"], denial.message)
        _count(rule, "InvocationsFailedToBeSentToDLQ")
        return
    attributes = {"RULE_ARN": rule["Arn"], "TARGET_ARN": target["Arn"], "ERROR_CODE": code, "ERROR_MESSAGE": message}
    _enqueue(queue_arn, payload, attributes)
    _count(rule, "InvocationsSentToDLQ")


def _enqueue(queue_arn: str, body: str, attributes: dict[str, str]) -> None:
    eventbridge._dispatch_to_sqs(parse_arn(queue_arn), body)
    message = sqs._queue_by_arn(queue_arn)["messages"][-1]
    message["message_attributes"] = {
        name: {"DataType": "Number" if value.isdigit() else "String", "StringValue": value}
        for name, value in attributes.items()
    }


def _count(rule: dict[str, Any], metric: str) -> None:
    cloudwatch.record_metric("AWS/Events", metric, 1, "Count", {"RuleName": rule["Name"]})


def _dead_letter_first(route: Callable[..., None]) -> Callable[..., None]:
    """Lambda's way out for an event that failed for good: its dead-letter queue, else the given way."""

    def route_failure(target_arn: str, function_name: str, event: Any, result: dict[str, Any]) -> None:
        function = lambda_svc._functions.get(function_name)
        if function is None:
            return  # deleted while its event was being tried
        config = function["config"]
        if target_arn != (config.get("DeadLetterConfig") or {}).get("TargetArn") or ":sqs:" not in target_arn:
            route(target_arn, function_name, event, result)
        elif denial := role_may(config["Role"], "sqs:SendMessage", target_arn):
            logger.warning("function %s could not reach its dead-letter queue: %s", function_name, denial.message)
            dimensions = {"FunctionName": function_name}
            cloudwatch.record_metric("AWS/Lambda", "DeadLetterErrors", 1, "Count", dimensions)
        else:
            error = result.get("body") or {}
            message = str(error.get("errorMessage", "")) if isinstance(error, dict) else str(error)
            attributes = {"RequestID": str(uuid.uuid4()), "ErrorCode": "200", "ErrorMessage": message[:1024]}
            _enqueue(target_arn, json.dumps(event), attributes)

    return route_failure


def install() -> None:
    """Replaces EventBridge's way to a function, sets Lambda's waits, and confines the ending of workers."""
    eventbridge._dispatch_to_lambda = deliver_to_lambda
    lambda_svc._LAMBDA_ASYNC_RETRY_BASE_SECONDS = FIRST_RETRY_SECONDS * time_scale()
    lambda_svc._LAMBDA_ASYNC_RETRY_MAX_SECONDS = SECOND_RETRY_SECONDS * time_scale()
    lambda_svc._route_async_failure = _dead_letter_first(lambda_svc._route_async_failure)

    invoke_target = eventbridge._invoke_target
    invalidate_worker = lambda_svc.invalidate_worker

    def invoke_target_of_rule(
        target: dict[str, Any], event: dict[str, Any], rule: dict[str, Any], view: Any = None
    ) -> None:
        token = _delivery.set((rule, target))
        try:
            invoke_target(target, event, rule, view)
        finally:
            _delivery.reset(token)

    def invalidate_own_worker(
        name: str, qualifier: str | None = None, account: str | None = None, region: str | None = None
    ) -> None:
        invalidate_worker(name, qualifier, account or get_account_id(), region or get_region())

    eventbridge._invoke_target = invoke_target_of_rule
    lambda_svc.invalidate_worker = invalidate_own_worker
