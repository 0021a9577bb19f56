"""A stand-in for AWS's recipe, whose stacks our templates update in place: what matters of them to such an update.

Logical ids, names and physical ids are the recipe's, and its functions' answers. Neither function of a custom resource
has a name of its own, so an update keeps it, and with it the ServiceToken, which CloudFormation would not let change:
https://github.com/aws-samples/cloud-operations-best-practices (static/cfn-templates/patch-reporting)
"""

from __future__ import annotations

from typing import Any

_ANSWER = """
import boto3, json, os, urllib.request, uuid

def answer(event, physical_id, status="SUCCESS", reason=""):
    body = {"Status": status, "Reason": reason, "PhysicalResourceId": physical_id,
            **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}}
    request = urllib.request.Request(event["ResponseURL"], json.dumps(body).encode(), {"Content-Type": ""})
    request.method = "PUT"
    urllib.request.urlopen(request)
"""

# Answers with the name of a log stream, another one each time, and empties the buckets at every Delete.
CLEANUP = (
    _ANSWER
    + """
def handler(event, context):
    if event["RequestType"] == "Delete":
        for name in event["ResourceProperties"]["s3BucketNames"].split(","):
            boto3.resource("s3").Bucket(name).object_versions.delete()
    answer(event, "2026/01/15/[$LATEST]" + uuid.uuid4().hex)
"""
)

# Makes and deletes the sync that its environment names; its updates always fail.
SYNC = (
    _ANSWER
    + """
def handler(event, context):
    ssm, name = boto3.client("ssm"), os.environ["RESOURCE_DATA_SYNC_NAME"]
    physical_id = event.get("PhysicalResourceId") or "ResourceDataSync-" + name
    try:
        if event["RequestType"] == "Update":
            raise ValueError("Parameter validation failed")
        if event["RequestType"] == "Delete":
            ssm.delete_resource_data_sync(SyncName=name, SyncType="SyncToDestination")
        else:
            ssm.create_resource_data_sync(SyncName=name, SyncType="SyncToDestination", S3Destination={
                "BucketName": os.environ["S3BUCKET_NAME"], "Prefix": os.environ["S3BUCKET_PREFIX"],
                "Region": os.environ["S3BUCKET_REGION"], "SyncFormat": "JsonSerDe",
                "DestinationDataSharing": {"DestinationDataSharingType": "Organization"}})
    except Exception as error:
        answer(event, physical_id, "FAILED", str(error))
    else:
        answer(event, physical_id)
"""
)


def central_template() -> dict[str, Any]:
    """The central stack: key, buckets, tables, workgroup and cleanup."""
    encryption = {
        "ServerSideEncryptionConfiguration": [
            {
                "ServerSideEncryptionByDefault": {
                    "SSEAlgorithm": "aws:kms",
                    # The recipe has the key's id, which S3 looks up in the account of whoever writes.
                    "KMSMasterKeyID": {"Fn::GetAtt": ["ManagedInstanceDataEncryptionKey", "Arn"]},
                }
            }
        ]
    }
    key_policy = _policy(
        {"Principal": {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}, "Action": "kms:*", "Resource": "*"},
        {"Principal": {"Service": "ssm.amazonaws.com"}, "Action": ["kms:GenerateDataKey"], "Resource": "*"},
    )
    objects = {"Fn::Sub": "arn:aws:s3:::${ResourceDataSyncBucket}/*/accountid=*/*"}
    of_the_organization = {
        "StringEquals": {
            "s3:x-amz-acl": "bucket-owner-full-control",
            "aws:SourceOrgID": {"Ref": "OrganizationId"},
        }
    }
    ssm = {"Principal": {"Service": "ssm.amazonaws.com"}}
    bucket_policy = _policy(
        {**ssm, "Action": "s3:GetBucketAcl", "Resource": {"Fn::Sub": "arn:aws:s3:::${ResourceDataSyncBucket}"}},
        {**ssm, "Action": "s3:PutObject", "Resource": objects, "Condition": of_the_organization},
        {**ssm, "Action": "s3:PutObjectTagging", "Resource": objects},
    )
    buckets = ["ResourceDataSyncBucket", "AthenaQueryResultsBucket"]
    cleanup = [
        {
            "Action": ["s3:GetBucketVersioning", "s3:ListBucket", "s3:ListBucketVersions"],
            "Resource": [{"Fn::Sub": f"arn:aws:s3:::${{{bucket}}}"} for bucket in buckets],
        },
        {
            "Action": ["s3:DeleteObject", "s3:DeleteObjectVersion"],
            "Resource": [{"Fn::Sub": f"arn:aws:s3:::${{{bucket}}}/*"} for bucket in buckets],
        },
    ]
    crawler_role = {"RoleName": "SSM-GlueCrawlerRole", **_role("glue.amazonaws.com")}
    workgroup = {"ResultConfiguration": {"OutputLocation": {"Fn::Sub": "s3://${AthenaQueryResultsBucket}"}}}
    query = {"Database": "of-nobody", "QueryString": "SELECT 1", "WorkGroup": {"Ref": "AthenaWorkGroup"}}
    resources = {
        "ManagedInstanceDataEncryptionKey": ("AWS::KMS::Key", {"KeyPolicy": key_policy}),
        "ManagedInstanceDataEncryptionKeyAlias": (
            "AWS::KMS::Alias",
            {
                "AliasName": "alias/SSM-ManagedInstanceDataEncryptionKey",
                "TargetKeyId": {"Ref": "ManagedInstanceDataEncryptionKey"},
            },
        ),
        "ResourceDataSyncBucket": (
            "AWS::S3::Bucket",
            {
                "BucketName": {"Fn::Sub": "ssm-resource-sync-${AWS::Region}-${AWS::AccountId}"},
                "VersioningConfiguration": {"Status": "Enabled"},
                "BucketEncryption": encryption,
            },
        ),
        "ResourceDataSyncBucketPolicy": (
            "AWS::S3::BucketPolicy",
            {"Bucket": {"Ref": "ResourceDataSyncBucket"}, "PolicyDocument": bucket_policy},
        ),
        "AthenaQueryResultsBucket": (
            "AWS::S3::Bucket",
            {
                "BucketName": {"Fn::Sub": "ssm-res-sync-athena-query-results-${AWS::Region}-${AWS::AccountId}"},
                "BucketEncryption": encryption,
            },
        ),
        "GlueDatabase": (
            "AWS::Glue::Database",
            {"CatalogId": {"Ref": "AWS::AccountId"}, "DatabaseInput": {"Name": "ssm_global_resource_sync"}},
        ),
        "GlueCrawlerRole": ("AWS::IAM::Role", crawler_role),
        "GlueCrawler": (
            "AWS::Glue::Crawler",
            {
                "Name": "SSM-GlueCrawler",
                "DatabaseName": {"Ref": "GlueDatabase"},
                "Role": {"Fn::GetAtt": ["GlueCrawlerRole", "Arn"]},
                "Targets": {"S3Targets": [{"Path": {"Ref": "ResourceDataSyncBucket"}}]},
            },
        ),
        "AthenaWorkGroup": (
            "AWS::Athena::WorkGroup",
            {"Name": "patch-workgroup", "RecursiveDeleteOption": True, "WorkGroupConfiguration": workgroup},
        ),
        "AthenaQueryInstanceList": ("AWS::Athena::NamedQuery", {"Name": "QueryInstanceList", **query}),
        "S3CleanupLambdaExecutionRole": ("AWS::IAM::Role", _role("lambda.amazonaws.com", *cleanup)),
        "S3BucketCleanup": ("AWS::Lambda::Function", _function(CLEANUP, "S3CleanupLambdaExecutionRole")),
        "S3Cleanup": (
            "Custom::S3BucketCleanupFunction",
            {
                "ServiceToken": {"Fn::GetAtt": ["S3BucketCleanup", "Arn"]},
                # Not in the recipe, whose stack hangs for an hour if the function fails.
                "ServiceTimeout": 30,
                "s3BucketNames": {"Fn::Sub": "${ResourceDataSyncBucket},${AthenaQueryResultsBucket}"},
            },
        ),
    }
    return _template(["OrganizationId"], resources)


def member_template() -> dict[str, Any]:
    """The member stack: the function and its custom resource."""
    parameters = ["ResourceDataSyncName", "S3BucketName", "S3BucketPrefix", "S3BucketRegion"]
    variables = {
        "RESOURCE_DATA_SYNC_NAME": {"Ref": "ResourceDataSyncName"},
        "S3BUCKET_NAME": {"Ref": "S3BucketName"},
        "S3BUCKET_PREFIX": {"Ref": "S3BucketPrefix"},
        "S3BUCKET_REGION": {"Ref": "S3BucketRegion"},
    }
    may = ["ssm:CreateResourceDataSync", "ssm:DeleteResourceDataSync", "ssm:ListResourceDataSync"]
    function = _function(SYNC, "ResourceDataSyncLambdaRole")
    resources = {
        "ResourceDataSyncLambdaRole": (
            "AWS::IAM::Role",
            _role("lambda.amazonaws.com", {"Action": may, "Resource": "*"}),
        ),
        "ResourceDataSyncLambdaFunction": (
            "AWS::Lambda::Function",
            {**function, "Environment": {"Variables": variables}},
        ),
        "ResourceDataSyncCustomResource": (
            "Custom::ResourceDataSync",
            {
                "ServiceToken": {"Fn::GetAtt": ["ResourceDataSyncLambdaFunction", "Arn"]},
                "ServiceTimeout": 300,
                **{name: {"Ref": name} for name in parameters},
            },
        ),
    }
    return _template(parameters, resources)


def _template(parameters: list[str], resources: dict[str, tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    return {
        "Parameters": {name: {"Type": "String"} for name in parameters},
        "Resources": {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in resources.items()},
    }


def _policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}


def _role(service: str, *statements: dict[str, Any]) -> dict[str, Any]:
    trust = _policy({"Principal": {"Service": service}, "Action": "sts:AssumeRole"})
    grants = [{"PolicyName": "grants", "PolicyDocument": _policy(*statements)}] if statements else []
    return {"AssumeRolePolicyDocument": trust, "Policies": grants}


def _function(code: str, role: str) -> dict[str, Any]:
    return {
        "Runtime": "python3.12",
        "Handler": "index.handler",
        "Role": {"Fn::GetAtt": [role, "Arn"]},
        "Code": {"ZipFile": code},
        "Timeout": 60,
    }
