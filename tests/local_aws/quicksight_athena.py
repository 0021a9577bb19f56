"""What keeps a data source of QuickSight from Athena, when it is made and its connection is tried.

A data source may have a role of its own
(https://docs.aws.amazon.com/quicksight/latest/APIReference/API_AthenaParameters.html), which QuickSight takes on and
which must be able to run a query in the workgroup: with Athena's actions on it, and with those of S3 and KMS on the
place of the results
(https://docs.aws.amazon.com/quicksight/latest/user/troubleshoot-athena-insufficient-permissions.html). Which actions
the trial needs is not documented. Without a role, QuickSight's own account-wide one is used, which is not judged.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import athena, iam

from local_aws import authorization, encryption
from local_aws.athena_execution import split_location
from local_aws.authorization import Denial

_QUERY_ACTIONS = ("GetWorkGroup", "StartQueryExecution", "GetQueryExecution", "GetQueryResults")


def connection_problem(parameters: dict[str, Any]) -> str | None:
    """Why the AthenaParameters of a data source don't connect; None if they do."""
    athena._ensure_default_workgroup()  # MiniStack makes it when it is first asked
    name = parameters.get("WorkGroup", "primary")
    workgroup = athena._workgroups.get(name)
    if workgroup is None:
        return f"WorkGroup {name} is not found."
    role_arn = parameters.get("RoleArn")
    if role_arn is None:
        return None
    denial = _denial_to_assume(role_arn) or _denial_to_query(role_arn, name, workgroup)
    return denial.message if denial else None


def denial_to_pass(parameters: dict[str, Any]) -> Denial | None:
    """Whether the caller may give the role to QuickSight; None if so.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
    """
    caller, role_arn = authorization.caller(), parameters.get("RoleArn")
    if caller is None or role_arn is None:
        return None
    service = {"iam:PassedToService": "quicksight.amazonaws.com"}
    return authorization.principal_may(caller, "iam:PassRole", role_arn, service)


def _denial_to_assume(role_arn: str) -> Denial | None:
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    role = iam._roles.get_scoped(account, None, name)
    if role is None or role["Arn"] != role_arn:
        return Denial(f"The role {role_arn} doesn't exist.")
    policy = role["AssumeRolePolicyDocument"]
    context = {"aws:SourceAccount": get_account_id()}
    refused = authorization.service_may("quicksight.amazonaws.com", "sts:AssumeRole", role_arn, policy, context)
    return Denial(f"QuickSight is not authorized to assume the role {role_arn}.") if refused else None


def _denial_to_query(role_arn: str, name: str, workgroup: dict[str, Any]) -> Denial | None:
    judge = partial(authorization.role_may, role_arn, session_name="QuickSight")
    arn = f"arn:aws:athena:{get_region()}:{get_account_id()}:workgroup/{name}"
    for action in _QUERY_ACTIONS:
        if denial := judge(f"athena:{action}", arn, {}):
            return denial
    result = (workgroup.get("Configuration") or {}).get("ResultConfiguration") or {}
    if not result.get("OutputLocation"):
        return Denial(f"The WorkGroup {name} has no location for results.")
    bucket, key = split_location(result["OutputLocation"])
    if encryption.bucket_home(bucket) is None:
        return Denial(f"Unable to verify/create output bucket {bucket}")
    trial = f"arn:aws:s3:::{bucket}/{key.rstrip('/')}/trial.csv".replace("//trial", "/trial")
    kms_key = (result.get("EncryptionConfiguration") or {}).get("KmsKey")
    return (
        judge("s3:GetBucketLocation", f"arn:aws:s3:::{bucket}", {})
        or judge("s3:PutObject", trial, {})
        or judge("s3:GetObject", trial, {})
        or encryption.write_denial(judge, get_account_id(), bucket, kms_key)
    )
