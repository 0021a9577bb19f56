"""Who may do what, judged by the policies in force, and refused in AWS's own words.

MiniStack (``AUTH=true``) judges the callers of its API. This module judges the parties that AWS's services act as
within a request or after it: an IAM role that a service works under (a crawler's), a service principal
(``ssm.amazonaws.com``), and the caller of the request on whose behalf another service is used (``kms:Decrypt`` for a
reader of an object). It rests on MiniStack's evaluator of statements and conditions, and follows
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html:
an explicit Deny in any policy wins; within an account an Allow in either the identity's or the resource's policy
suffices, except for a KMS key, whose policy must always allow; across accounts both must allow.

It also corrects what the evaluator does otherwise than AWS, see `install`.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import AuthError, EvalContext, EvalResult, PrincipalInfo
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import iam, kms, s3

from local_aws import call_record, request_judge
from local_aws.organization import organization_id

# Service -> whether a policy of the resource has to allow even what an identity of the same account may do.
_RESOURCE_POLICY_REQUIRED = {"kms": True, "s3": False}

# The bucket's own root user can always mend a bucket policy that shuts everybody out:
# https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketPolicy.html
_NEVER_DENIED_TO_ROOT = frozenset({"s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"})

# The kinds of policy as AWS's texts name them.
IDENTITY, RESOURCE = "identity-based", "resource-based"

# The access key ("" if the request is not signed) and the account of the request being served; None in work that no
# request asked for. The account is kept because the S3 service goes on in the name of the bucket's owner.
_caller: contextvars.ContextVar[tuple[str, str] | None] = contextvars.ContextVar("local_aws_caller", default=None)


@dataclass(frozen=True)
class Denial:
    """A refusal: the text and the error code that AWS answers with."""

    message: str
    code: str = "AccessDenied"


def role_may(
    role_arn: str,
    action: str,
    resource: str,
    context: dict[str, str] | None = None,
    *,
    session_name: str = "local-aws",
) -> Denial | None:
    """Judge a session of the role by its policies, its permissions boundary and the resource's policy.

    ``resource`` is an ARN (or ``*``); ``context`` holds the request's condition keys, in any case of letters. The
    denial names ``arn:aws:sts::<account>:assumed-role/<role>/<session_name>``. None means allowed. A role that does
    not exist has no policies, so it may do nothing.
    """
    account, name = _role_account_and_name(role_arn)
    principal = PrincipalInfo(
        arn=f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}",
        type="AssumedRole",
        account=account,
        policies=iam_evaluator._gather_role_policies(name, account),
        limits=iam_evaluator._permissions_boundary(iam._roles, name, account),
    )
    return principal_may(principal, action, resource, context)


def principal_may(
    principal: PrincipalInfo, action: str, resource: str, context: dict[str, str] | None = None
) -> Denial | None:
    """Judge a resolved IAM principal; the account's root user is allowed whatever no resource policy forbids."""
    ctx = _eval_context(principal.arn, principal.type, principal.account, action, resource, context)
    ctx.principal_keys = principal.keys
    if principal.policies is None:
        identity = EvalResult("Allow", principal.arn)
    else:
        identity = iam_evaluator.evaluate(ctx, principal.policies, *principal.limits)
    result = identity
    found = resource_policy(resource)
    if found is not None:
        policy, owner = found
        required = _RESOURCE_POLICY_REQUIRED[resource.split(":")[2]]
        result = iam_evaluator.combine_resource_policy(identity, ctx, policy, owner, required, principal.limits)
    call_record.right_used(principal, action, resource, result.decision == "Allow")
    if result.decision == "Allow":
        return None
    decided_by_resource = identity.decision == "Allow" or bool(result.resource_policy_arn)
    return _denial(ctx, result, RESOURCE if decided_by_resource else IDENTITY)


def service_may(
    service_principal: str, action: str, resource_arn: str, policy: str | dict | None, context: dict[str, str]
) -> Denial | None:
    """Judge an AWS service acting by itself, such as ``ssm.amazonaws.com``, by the resource's policy alone.

    ``context`` is what the service says of the request (``aws:SourceAccount``, ``aws:SourceArn``, ``s3:x-amz-acl``, …);
    ``aws:SourceOrgID`` is added from the organization of ``aws:SourceAccount``.
    """
    keys = {key.lower(): value for key, value in context.items()}
    source_organization = organization_id(keys.get("aws:sourceaccount"))
    if source_organization:
        keys["aws:sourceorgid"] = source_organization
    keys["aws:principalservicename"] = service_principal
    ctx = _eval_context(service_principal, "Service", "", action, resource_arn, keys)
    result = iam_evaluator.evaluate_resource_policy(policy, ctx, service=service_principal)
    return None if result.decision == "Allow" else _denial(ctx, result, RESOURCE)


def resource_policy(resource_arn: str) -> tuple[str, str] | None:
    """The policy of the bucket or key that the ARN names and the account that owns it; None where there is none."""
    parts = resource_arn.split(":", 5)
    if len(parts) < 6:
        return None
    service, region, account, resource = parts[2:]
    if service == "s3":
        bucket = resource.partition("/")[0]
        owner = s3._bucket_owner_account(bucket)
        return (s3._bucket_policies.get_scoped(owner, None, bucket) or "", owner) if owner else None
    if service == "kms":
        key = kms._keys.get_scoped(account, region, resource.removeprefix("key/"))
        return (key.get("Policy") or "", account) if key else None
    return None


def caller() -> PrincipalInfo | None:
    """The principal that signed the request being served; None for work that no caller asked for.

    Raises:
        PermissionError: the request is not signed, or its credentials no longer hold.
    """
    signed = _caller.get()
    if signed is None:
        return None
    principal = iam_evaluator.resolve_principal(*signed) if signed[0] else None
    if not isinstance(principal, PrincipalInfo):
        raise PermissionError("the request is not signed by a known principal")
    return principal


def as_service() -> None:
    """Forget the caller in the current context: a background task goes on in the service's own name."""
    _caller.set(None)


def _role_account_and_name(role_arn: str) -> tuple[str, str]:
    # A role's path is no part of its identity: arn:aws:iam::<account>:role/<path>/<name>.
    return role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]


def _eval_context(
    arn: str, kind: str, account: str, action: str, resource: str, context: dict[str, str] | None
) -> EvalContext:
    return EvalContext(
        principal_arn=arn,
        principal_type=kind,
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        secure_transport=True,
        service_context={key.lower(): value for key, value in (context or {}).items()},
    )


def _denial(ctx: EvalContext, result: EvalResult, kind: str) -> Denial:
    if result.decision == "Deny":
        reason = f"with an explicit deny in {'an' if kind == IDENTITY else 'a'} {kind} policy"
    else:
        reason = f"because no {kind} policy allows the {ctx.action} action"
    # S3 alone puts the resource in quotation marks.
    resource = f'"{ctx.resource_arn}"' if ctx.action.startswith("s3:") else ctx.resource_arn
    return Denial(
        f"User: {ctx.principal_arn} is not authorized to perform: {ctx.action} on resource: {resource} {reason}"
    )


def _condition_key(original: Callable, key: str, ctx: EvalContext) -> Any:
    """Condition keys that MiniStack's evaluator lacks or fills otherwise than AWS, then its own."""
    name = key.lower()
    service = ctx.principal_type == "Service"
    if name in ("aws:principalarn", "aws:principalaccount", "aws:principaltype", "aws:principalorgid") and service:
        return None
    if name == "aws:principalarn" and ctx.principal_type == "AssumedRole":
        # For a session the key holds the role's ARN, not the session's.
        role = iam._roles.get_scoped(
            ctx.principal_account, None, iam_evaluator._role_name_from_assumed_arn(ctx.principal_arn)
        )
        return role["Arn"] if role else ctx.principal_arn
    if name == "aws:principalisawsservice":
        return "true" if service else "false"
    if name == "kms:calleraccount":
        return None if service else ctx.principal_account
    if name in ("aws:resourceaccount", "s3:resourceaccount", "aws:resourceorgid"):
        found = resource_policy(ctx.resource_arn)
        account = found[1] if found else original("aws:ResourceAccount", ctx)
        return organization_id(account) if name == "aws:resourceorgid" else account
    return original(key, ctx)


def _enforce(
    original: Callable,
    access_key_id: str,
    iam_action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> EvalResult | AuthError | None:
    """MiniStack's check of an API caller, and after it the bucket policy's explicit Deny for the account's root user.

    MiniStack stops before any policy once it has seen a root key; on AWS a bucket policy's Deny binds root as well.
    """
    refused = original(access_key_id, iam_action, service, region, resource_arn, service_context)
    if access_key_id and not isinstance(refused, AuthError):
        signer = iam_evaluator.resolve_principal(access_key_id, get_account_id())
        if isinstance(signer, PrincipalInfo):
            call_record.right_used(signer, iam_action, resource_arn, refused is None)
    if refused is not None or service != "s3" or not access_key_id or iam_action in _NEVER_DENIED_TO_ROOT:
        return refused
    principal = iam_evaluator.resolve_principal(access_key_id, get_account_id())
    found = resource_policy(resource_arn)
    if not isinstance(principal, PrincipalInfo) or principal.policies is not None or found is None:
        return refused
    ctx = _eval_context(principal.arn, principal.type, principal.account, iam_action, resource_arn, service_context)
    result = iam_evaluator.evaluate_resource_policy(found[0], ctx)
    if result.decision != "Deny":
        return None
    return replace(result, principal_arn=principal.arn, resource_policy_arn=resource_arn)


def install() -> None:
    """Hook the corrections into MiniStack.

    - Condition keys, see `_condition_key`.
    - A bucket policy's Deny binds the account's root key too.
    - Every request counts as sent over TLS: the loopback endpoint stands in for AWS's HTTPS endpoints, and a policy
      that refuses plain HTTP (``aws:SecureTransport``) would refuse everything.
    - The request's access key is kept for `caller`.
    - Requests are judged, see `request_judge`.
    """
    request_judge.install()
    condition_key, enforce = iam_evaluator._resolve_condition_key, iam_evaluator.enforce
    iam_evaluator._resolve_condition_key = lambda key, ctx: _condition_key(condition_key, key, ctx)
    iam_evaluator.enforce = lambda *args, **kwargs: _enforce(enforce, *args, **kwargs)

    pin_origin, pin_caller, serve_s3 = app.pin_request_origin, iam_evaluator.pin_request_caller, s3.handle_request
    app.pin_request_origin = lambda source_ip, secure_transport: pin_origin(source_ip, True)

    def pin_request_caller(headers: dict, query_params: dict | None = None) -> None:
        _caller.set((extract_access_key_id(headers, query_params or {}) or "", get_account_id()))
        pin_caller(headers, query_params)

    async def serve(method, path, headers, body, query_params, **options):
        # The S3 handler is also reached by virtual-hosted addresses, past the place where callers are pinned.
        if not options.get("internal"):
            _caller.set((extract_access_key_id(headers, query_params) or "", get_account_id()))
        return await serve_s3(method, path, headers, body, query_params, **options)

    iam_evaluator.pin_request_caller = pin_request_caller
    s3.handle_request = serve
