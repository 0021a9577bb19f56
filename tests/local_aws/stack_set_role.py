"""The role that StackSets works under in a member account, ``stacksets-exec-<hash>``.

It is made at first use, may do everything, and can be assumed by nobody but StackSets' service-linked role in the
management account. So whoever lets StackSets read the code of a template's functions names this role in the policy of
the bucket:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stacksets-orgs-enable-trusted-access.html
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/CloudFormationStackSetsOrgAdminServiceRolePolicy.html
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from typing import Any

import boto3
from botocore.config import Config
from ministack.services import iam, sts

from local_aws.organization import the_organization

SERVICE_ROLE = (
    "arn:aws:iam::{}:role/aws-service-role/stacksets.cloudformation.amazonaws.com/"
    "AWSServiceRoleForCloudFormationStackSetsOrgAdmin"
)

_session = boto3.Session()
_lock = threading.Lock()  # making a client or the role is for one thread at a time
_credentials: dict[str, dict[str, str]] = {}  # account -> a session of its role


def execution_client(account: str, region: str) -> Any:
    """CloudFormation as the account's execution role for service-managed stack sets."""
    name = role_name(account)
    with _lock:
        if iam._roles.get_scoped(account, None, name) is None:
            _make_role(account, name)
        if account not in _credentials:
            _credentials[account] = _role_session(account, name)
        return _client("cloudformation", region, _credentials[account])


def role_name(account: str) -> str:
    """The name of the role in an account."""
    return f"stacksets-exec-{hashlib.sha256(account.encode()).hexdigest()[:32]}"


def _make_role(account: str, name: str) -> None:
    organization = the_organization()
    management = organization.management_account if organization else account
    # IAM is global: the call goes to no Region in particular.
    client = _client("iam", "us-east-1", {"AccessKeyId": account, "SecretAccessKey": "test"})
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": SERVICE_ROLE.format(management)},
        "Action": "sts:AssumeRole",
    }
    client.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    client.put_role_policy(RoleName=name, PolicyName="AdministratorAccess", PolicyDocument=_policy(everything))


def _role_session(account: str, name: str) -> dict[str, str]:
    """Credentials of the role that do not expire, made as STS makes them for whom the role trusts."""
    key, secret, token = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_hex(20), secrets.token_hex(40)
    session = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/StackSets",
        "UserId": f"{iam._roles.get_scoped(account, None, name)['RoleId']}:StackSets",
        "SecretAccessKey": secret,
        "SessionToken": token,
        "AccountId": account,
        "PrincipalType": "AssumedRole",
    }
    sts.register_session(key, session)
    return {"AccessKeyId": key, "SecretAccessKey": secret, "SessionToken": token}


def _client(service: str, region: str, credentials: dict[str, str]) -> Any:
    return _session.client(
        service,
        region_name=region,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials.get("SessionToken"),
        config=Config(proxies={}, retries={"mode": "standard"}),
    )


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
