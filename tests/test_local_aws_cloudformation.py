"""Resource types keep what a template sets, fail and are deleted as on AWS."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

import stacks
from local_aws.server import LocalAws

ACCOUNT = "300000000005"
OTHER_ACCOUNT = "300000000006"
REGION = "eu-west-1"

NOT_EMPTY = "The bucket you tried to delete is not empty. You must delete all versions in the bucket."


@pytest.fixture
def cloudformation(local_aws: LocalAws) -> Any:
    return local_aws.client("cloudformation", ACCOUNT, REGION)


@pytest.fixture
def s3(local_aws: LocalAws) -> Any:
    return local_aws.client("s3", ACCOUNT, REGION)


def bucket(name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, **properties}}


VERSIONED = {"VersioningConfiguration": {"Status": "Enabled"}}


def role(service: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    document = {"Version": "2012-10-17", "Statement": [statement]}
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": document}}


def test_a_buckets_configuration_is_kept_and_changed(cloudformation: Any, s3: Any) -> None:
    key = {
        "Type": "AWS::KMS::Key",
        "Properties": {
            "EnableKeyRotation": True,
            "KeyPolicy": {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Sid": "Owner",
                        "Effect": "Allow",
                        "Principal": {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}},
                        "Action": "kms:*",
                        "Resource": "*",
                    }
                ],
            },
        },
    }
    encryption = {
        "ServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": {"Fn::GetAtt": ["Key", "Arn"]},
        },
        "BucketKeyEnabled": True,
    }
    configured = bucket(
        "c-configured",
        **VERSIONED,
        BucketEncryption={"ServerSideEncryptionConfiguration": [encryption]},
        LifecycleConfiguration={
            "Rules": [
                {
                    "Id": "old",
                    "Status": "Enabled",
                    "NoncurrentVersionExpiration": {"NoncurrentDays": "30"},
                    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
                },
                {"Id": "results", "Status": "Enabled", "Prefix": "results/", "ExpirationInDays": 5},
            ]
        },
        OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        Tags=[{"Key": "patch-reporting:empty-on-delete", "Value": "true"}],
    )
    template = {"Resources": {"Key": key, "Bucket": configured}, "Outputs": {"Key": {"Value": {"Ref": "Key"}}}}
    assert stacks.create(cloudformation, "configured", template) == "CREATE_COMPLETE"
    key_id = stacks.outputs(cloudformation, "configured")["Key"]

    [rule] = s3.get_bucket_encryption(Bucket="c-configured")["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert rule["ApplyServerSideEncryptionByDefault"]["KMSMasterKeyID"].endswith(f":key/{key_id}")
    assert rule["BucketKeyEnabled"] is True
    old, results = s3.get_bucket_lifecycle_configuration(Bucket="c-configured")["Rules"]
    assert old["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert old["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}
    assert (results["Filter"], results["Expiration"]) == ({"Prefix": "results/"}, {"Days": 5})
    controls = s3.get_bucket_ownership_controls(Bucket="c-configured")["OwnershipControls"]
    assert controls["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    tags = {tag["Key"]: tag["Value"] for tag in s3.get_bucket_tagging(Bucket="c-configured")["TagSet"]}
    assert tags["patch-reporting:empty-on-delete"] == "true"
    assert tags["aws:cloudformation:logical-id"] == "Bucket"
    assert s3.get_bucket_versioning(Bucket="c-configured")["Status"] == "Enabled"

    for name in ("BucketEncryption", "LifecycleConfiguration", "VersioningConfiguration"):
        del configured["Properties"][name]
    assert stacks.update(cloudformation, "configured", template) == "UPDATE_COMPLETE"
    assert s3.get_bucket_versioning(Bucket="c-configured")["Status"] == "Suspended"
    with pytest.raises(s3.exceptions.ClientError, match="NoSuchLifecycleConfiguration"):
        s3.get_bucket_lifecycle_configuration(Bucket="c-configured")


def test_a_key_policy_is_kept(local_aws: LocalAws, cloudformation: Any) -> None:
    policy = {
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Own", "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "kms:*", "Resource": "*"},
            {
                "Sid": "Sync",
                "Effect": "Allow",
                "Principal": {"Service": "ssm.amazonaws.com"},
                "Action": "kms:GenerateDataKey",
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:SourceOrgID": "o-a1b2c3d4e5"}},
            },
        ],
    }
    key = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": policy}}
    assert stacks.create(cloudformation, "key", {"Resources": {"Key": key}}) == "CREATE_COMPLETE"
    key_id = stacks.resource(cloudformation, "key", "Key")
    kept = local_aws.client("kms", ACCOUNT, REGION).get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    assert json.loads(kept) == policy


def test_an_unknown_bucket_property_is_refused_and_not_dropped(cloudformation: Any) -> None:
    template = {"Resources": {"Bucket": bucket("c-unknown", AccelerateConfiguration={"AccelerationStatus": "Enabled"})}}
    assert stacks.create(cloudformation, "unknown-property", template) == "ROLLBACK_COMPLETE"
    reason = stacks.reason(cloudformation, "unknown-property", "Bucket", "CREATE_FAILED")
    assert "AccelerateConfiguration" in reason


@pytest.mark.parametrize("left", ["an object", "an old version", "a delete marker"])
def test_a_bucket_that_is_not_empty_cannot_be_deleted(cloudformation: Any, s3: Any, left: str) -> None:
    name = "c-full-" + left.replace(" ", "-")
    template = {"Resources": {"Bucket": bucket(name, **VERSIONED)}}
    assert stacks.create(cloudformation, name, template) == "CREATE_COMPLETE"
    version = s3.put_object(Bucket=name, Key="k", Body=b"1")["VersionId"]
    if left != "an object":
        s3.delete_object(Bucket=name, Key="k")
    if left == "a delete marker":
        s3.delete_object(Bucket=name, Key="k", VersionId=version)

    assert stacks.delete(cloudformation, name) == "DELETE_FAILED"
    reason = stacks.reason(cloudformation, name, "Bucket", "DELETE_FAILED")
    assert NOT_EMPTY in reason
    assert "Status Code: 409" in reason

    listed = s3.list_object_versions(Bucket=name)
    for found in listed.get("Versions", []) + listed.get("DeleteMarkers", []):
        s3.delete_object(Bucket=name, Key="k", VersionId=found["VersionId"])
    assert stacks.delete(cloudformation, name) == "DELETE_COMPLETE"
    assert name not in [found["Name"] for found in s3.list_buckets()["Buckets"]]


def test_a_retained_bucket_stays(cloudformation: Any, s3: Any) -> None:
    template = {"Resources": {"Bucket": bucket("c-retained") | {"DeletionPolicy": "Retain"}}}
    assert stacks.create(cloudformation, "retained", template) == "CREATE_COMPLETE"
    assert stacks.delete(cloudformation, "retained") == "DELETE_COMPLETE"
    s3.head_bucket(Bucket="c-retained")


def test_deletion_goes_against_depends_on(cloudformation: Any) -> None:
    # Names against the alphabet and the order in the template, so that only DependsOn explains the order.
    resources = {
        "Zulu": bucket("c-order-z"),
        "Alpha": bucket("c-order-a") | {"DependsOn": "Zulu"},
        "Mike": bucket("c-order-m") | {"DependsOn": "Alpha"},
    }
    template = {"Resources": dict(reversed(resources.items()))}
    assert stacks.create(cloudformation, "order", template) == "CREATE_COMPLETE"
    stack_id = cloudformation.describe_stacks(StackName="order")["Stacks"][0]["StackId"]
    assert stacks.delete(cloudformation, "order") == "DELETE_COMPLETE"
    history = [(logical, status) for logical, status, _ in stacks.events(cloudformation, stack_id)]
    assert [logical for logical, status in history if status == "CREATE_COMPLETE"][:3] == ["Zulu", "Alpha", "Mike"]
    deleted = [logical for logical, status in history if status == "DELETE_COMPLETE"]
    assert deleted[:3] == ["Mike", "Alpha", "Zulu"]


def test_what_an_undeletable_resource_needs_stays_and_the_rest_goes(cloudformation: Any, s3: Any) -> None:
    resources = {
        "Needed": bucket("c-kept-needed"),
        "Between": bucket("c-kept-between") | {"DependsOn": "Needed"},
        "Full": bucket("c-kept-full") | {"DependsOn": "Between"},
        "Other": bucket("c-kept-other"),
    }

    def buckets() -> set[str]:
        return {found["Name"] for found in s3.list_buckets()["Buckets"] if found["Name"].startswith("c-kept-")}

    assert stacks.create(cloudformation, "kept", {"Resources": resources}) == "CREATE_COMPLETE"
    s3.put_object(Bucket="c-kept-full", Key="k", Body=b"1")

    assert stacks.delete(cloudformation, "kept") == "DELETE_FAILED"
    assert buckets() == {"c-kept-needed", "c-kept-between", "c-kept-full"}
    tried = [logical for logical, status, _ in stacks.events(cloudformation, "kept") if status == "DELETE_IN_PROGRESS"]
    assert not {"Needed", "Between"} & set(tried)

    s3.delete_object(Bucket="c-kept-full", Key="k")
    assert stacks.delete(cloudformation, "kept") == "DELETE_COMPLETE"
    assert buckets() == set()


def test_a_bucket_policy_that_s3_refuses(cloudformation: Any) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::c-public/*"}
    policy = {
        "Type": "AWS::S3::BucketPolicy",
        "Properties": {
            "Bucket": {"Ref": "Bucket"},
            "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        },
    }
    template = {"Resources": {"Bucket": bucket("c-public"), "Policy": policy}}
    assert stacks.create(cloudformation, "public", template) == "ROLLBACK_COMPLETE"
    assert "BlockPublicPolicy" in stacks.reason(cloudformation, "public", "Policy", "CREATE_FAILED")


def test_named_queries(local_aws: LocalAws, cloudformation: Any) -> None:
    query = {
        "Type": "AWS::Athena::NamedQuery",
        "Properties": {
            "Name": "count",
            "Description": "one row",
            "Database": "db",
            "QueryString": "SELECT 1",
            "WorkGroup": {"Ref": "WorkGroup"},
        },
    }
    template = {
        "Resources": {
            "WorkGroup": {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": "c-group"}},
            "Query": query,
        },
        "Outputs": {"Id": {"Value": {"Fn::GetAtt": ["Query", "NamedQueryId"]}}, "Ref": {"Value": {"Ref": "Query"}}},
    }
    template["Resources"]["WorkGroup"]["Properties"]["RecursiveDeleteOption"] = True
    assert stacks.create(cloudformation, "queries", template) == "CREATE_COMPLETE"
    first = stacks.outputs(cloudformation, "queries")
    assert first["Id"] == first["Ref"]
    athena = local_aws.client("athena", ACCOUNT, REGION)
    kept = athena.get_named_query(NamedQueryId=first["Id"])["NamedQuery"]
    assert kept == {**query["Properties"], "WorkGroup": "c-group", "NamedQueryId": first["Id"]}

    query["Properties"]["QueryString"] = "SELECT 2"
    assert stacks.update(cloudformation, "queries", template) == "UPDATE_COMPLETE"
    second = stacks.outputs(cloudformation, "queries")["Id"]
    assert athena.list_named_queries(WorkGroup="c-group")["NamedQueryIds"] == [second]
    assert athena.get_named_query(NamedQueryId=second)["NamedQuery"]["QueryString"] == "SELECT 2"
    assert stacks.delete(cloudformation, "queries") == "DELETE_COMPLETE"
    assert second not in athena.list_named_queries()["NamedQueryIds"]


def test_a_work_group_with_queries_is_deleted_only_on_request(local_aws: LocalAws, cloudformation: Any) -> None:
    group: dict[str, Any] = {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": "c-used"}}
    template = {"Resources": {"WorkGroup": group}}
    assert stacks.create(cloudformation, "used-group", template) == "CREATE_COMPLETE"
    athena = local_aws.client("athena", ACCOUNT, REGION)
    query = athena.create_named_query(Name="q", Database="db", QueryString="SELECT 1", WorkGroup="c-used")
    assert stacks.delete(cloudformation, "used-group") == "DELETE_FAILED"
    assert "WorkGroup c-used is not empty" in stacks.reason(cloudformation, "used-group", "WorkGroup", "DELETE_FAILED")

    athena.delete_named_query(NamedQueryId=query["NamedQueryId"])
    assert stacks.delete(cloudformation, "used-group") == "DELETE_COMPLETE"


def test_a_named_query_needs_its_work_group(cloudformation: Any) -> None:
    properties = {"Database": "db", "QueryString": "SELECT 1", "WorkGroup": "c-missing"}
    template = {"Resources": {"Query": {"Type": "AWS::Athena::NamedQuery", "Properties": properties}}}
    assert stacks.create(cloudformation, "lost-query", template) == "ROLLBACK_COMPLETE"
    assert "WorkGroup c-missing is not found" in stacks.reason(cloudformation, "lost-query", "Query", "CREATE_FAILED")


def test_the_same_stack_in_two_regions_has_a_role_of_its_own_in_each(local_aws: LocalAws) -> None:
    template: dict[str, Any] = {"Resources": {"Role": role("lambda.amazonaws.com")}}
    first, second = (local_aws.client("cloudformation", ACCOUNT, region) for region in ("us-east-1", REGION))
    for cloudformation in (first, second):
        assert stacks.create(cloudformation, "two-regions", template) == "CREATE_COMPLETE"
    gone, kept = (stacks.resource(cloudformation, "two-regions", "Role") for cloudformation in (first, second))
    assert gone != kept
    assert kept.startswith("two-regions-Role-")

    template["Resources"]["Role"]["Properties"]["Description"] = "changed"
    assert stacks.update(second, "two-regions", template) == "UPDATE_COMPLETE"
    assert stacks.resource(second, "two-regions", "Role") == kept

    assert stacks.delete(first, "two-regions") == "DELETE_COMPLETE"
    iam = local_aws.client("iam", ACCOUNT)
    assert iam.get_role(RoleName=kept)["Role"]["Description"] == "changed"
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_role(RoleName=gone)


def test_a_role_policy(local_aws: LocalAws, cloudformation: Any) -> None:
    def statement(action: str) -> dict[str, Any]:
        return {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}],
        }

    properties: dict[str, Any] = {
        "RoleName": {"Ref": "Role"},
        "PolicyName": "own",
        "PolicyDocument": statement("s3:GetObject"),
    }
    policy = {"Type": "AWS::IAM::RolePolicy", "Properties": properties}
    template = {"Resources": {"Role": role("lambda.amazonaws.com"), "Policy": policy}}
    assert stacks.create(cloudformation, "role-policy", template) == "CREATE_COMPLETE"
    name = stacks.resource(cloudformation, "role-policy", "Role")
    assert stacks.resource(cloudformation, "role-policy", "Policy") == f"own|{name}"
    iam = local_aws.client("iam", ACCOUNT, REGION)
    assert iam.get_role_policy(RoleName=name, PolicyName="own")["PolicyDocument"] == statement("s3:GetObject")

    properties["PolicyDocument"] = statement("s3:PutObject")
    assert stacks.update(cloudformation, "role-policy", template) == "UPDATE_COMPLETE"
    assert iam.get_role_policy(RoleName=name, PolicyName="own")["PolicyDocument"] == statement("s3:PutObject")

    properties["PolicyName"] = "renamed"
    assert stacks.update(cloudformation, "role-policy", template) == "UPDATE_COMPLETE"
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == ["renamed"]

    del template["Resources"]["Policy"]
    assert stacks.update(cloudformation, "role-policy", template) == "UPDATE_COMPLETE"
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == []


def test_a_crawlers_configuration_is_kept(local_aws: LocalAws, cloudformation: Any) -> None:
    configuration = {"Version": 1.0, "Grouping": {"TableLevelConfiguration": 3}}
    properties = {
        "Name": "c-crawler",
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "DatabaseName": "c_db",
        "Targets": {"S3Targets": [{"Path": "s3://c-bucket/prefix/", "Exclusions": ["**/test.json"]}]},
        "Configuration": json.dumps(configuration),
        "SchemaChangePolicy": {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"},
        "RecrawlPolicy": {"RecrawlBehavior": "CRAWL_EVERYTHING"},
        "Schedule": {"ScheduleExpression": "cron(0 4 * * ? *)"},
    }
    template = {
        "Resources": {
            "Role": role("glue.amazonaws.com"),
            "Crawler": {"Type": "AWS::Glue::Crawler", "Properties": properties},
        }
    }
    assert stacks.create(cloudformation, "crawler", template) == "CREATE_COMPLETE"
    crawler = local_aws.client("glue", ACCOUNT, REGION).get_crawler(Name="c-crawler")["Crawler"]
    assert json.loads(crawler["Configuration"]) == configuration
    assert crawler["SchemaChangePolicy"] == properties["SchemaChangePolicy"]
    assert crawler["RecrawlPolicy"] == properties["RecrawlPolicy"]
    assert crawler["Schedule"]["ScheduleExpression"] == "cron(0 4 * * ? *)"
    assert crawler["Targets"]["S3Targets"] == properties["Targets"]["S3Targets"]


def package(text: str = "def handler(event, context):\n    return 1\n") -> bytes:
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", text)
    return code.getvalue()


def function(bucket_name: str, key: str, **properties: Any) -> dict[str, Any]:
    return {
        "Resources": {
            "Role": role("lambda.amazonaws.com"),
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.12",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"S3Bucket": bucket_name, "S3Key": key},
                    **properties,
                },
            },
        }
    }


def test_a_functions_package_is_read_from_a_bucket_of_another_account(local_aws: LocalAws, cloudformation: Any) -> None:
    owner = local_aws.client("s3", OTHER_ACCOUNT, REGION)
    owner.create_bucket(Bucket="c-code", CreateBucketConfiguration={"LocationConstraint": REGION})
    owner.put_object(Bucket="c-code", Key="code.zip", Body=package())

    assert stacks.create(cloudformation, "no-access", function("c-code", "code.zip")) == "ROLLBACK_COMPLETE"
    assert stacks.reason(cloudformation, "no-access", "Function", "CREATE_FAILED") == (
        "Your access has been denied by S3, please make sure your request credentials have permission to GetObject "
        "for c-code/code.zip. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"
    )
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::c-code/*",
    }
    owner.put_bucket_policy(Bucket="c-code", Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert stacks.create(cloudformation, "access", function("c-code", "code.zip")) == "CREATE_COMPLETE"
    name = stacks.resource(cloudformation, "access", "Function")
    answer = local_aws.client("lambda", ACCOUNT, REGION).invoke(FunctionName=name)
    assert answer["Payload"].read() == b"1"


@pytest.mark.parametrize(
    ("name", "bucket_name", "key", "code"),
    [
        ("no-such-key", "c-here", "gone.zip", "NoSuchKey"),
        ("no-such-bucket", "c-nowhere", "code.zip", "NoSuchBucket"),
        ("other-region", "c-elsewhere", "code.zip", "PermanentRedirect"),
    ],
)
def test_a_functions_package_that_is_not_there(
    local_aws: LocalAws, cloudformation: Any, name: str, bucket_name: str, key: str, code: str
) -> None:
    if name == "no-such-key":
        here = local_aws.client("s3", ACCOUNT, REGION)
        here.create_bucket(Bucket=bucket_name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if name == "other-region":
        elsewhere = local_aws.client("s3", ACCOUNT, "us-east-1")
        elsewhere.create_bucket(Bucket=bucket_name)
        elsewhere.put_object(Bucket=bucket_name, Key=key, Body=package())
    assert stacks.create(cloudformation, name, function(bucket_name, key)) == "ROLLBACK_COMPLETE"
    reason = stacks.reason(cloudformation, name, "Function", "CREATE_FAILED")
    assert reason.startswith(f"Error occurred while GetObject. S3 Error Code: {code}.")


SAM_TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Parameters:
  Architecture: {Type: String, Default: x86_64}
Resources:
  Logs:
    Type: AWS::Logs::LogGroup
    Properties: {RetentionInDays: 30}
  Queue:
    Type: AWS::SQS::Queue
    Properties: {MessageRetentionPeriod: 1209600}
  Function:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      CodeUri: code.zip
      Architectures: [!Ref Architecture]
      ReservedConcurrentExecutions: 2
      LoggingConfig: {LogGroup: !Ref Logs, LogFormat: JSON}
      EventInvokeConfig: {MaximumRetryAttempts: 1}
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Queue.Arn}
      Events:
        Crawled:
          Type: EventBridgeRule
          Properties:
            Pattern: {source: [aws.glue], detail: {state: [Succeeded]}}
            RetryPolicy: {MaximumRetryAttempts: 5}
"""


def test_sam_deploy(local_aws: LocalAws, tmp_path: Path) -> None:
    region = "us-east-1"
    (tmp_path / "template.yaml").write_text(SAM_TEMPLATE)
    (tmp_path / "code.zip").write_bytes(package())
    local_aws.client("s3", ACCOUNT, region).create_bucket(Bucket="c-sam")
    command = [str(Path(sys.executable).with_name("sam")), "deploy", "--template-file", "template.yaml"]
    command += ["--stack-name", "sam", "--s3-bucket", "c-sam", "--capabilities", "CAPABILITY_IAM"]
    command += ["--no-confirm-changeset", "--region", region]
    env = local_aws.process_env(ACCOUNT, region) | {"SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr

    cloudformation = local_aws.client("cloudformation", ACCOUNT, region)
    name = stacks.resource(cloudformation, "sam", "Function")
    functions = local_aws.client("lambda", ACCOUNT, region)
    described = functions.get_function(FunctionName=name)
    configuration = described["Configuration"]
    logs = stacks.resource(cloudformation, "sam", "Logs")
    assert configuration["LoggingConfig"]["LogGroup"] == logs
    assert configuration["LoggingConfig"]["LogFormat"] == "JSON"
    assert configuration["DeadLetterConfig"]["TargetArn"].startswith(f"arn:aws:sqs:{region}:{ACCOUNT}:sam-Queue-")
    assert configuration["Architectures"] == ["x86_64"]
    assert described["Concurrency"]["ReservedConcurrentExecutions"] == 2
    [retries] = functions.list_function_event_invoke_configs(FunctionName=name)["FunctionEventInvokeConfigs"]
    assert retries["MaximumRetryAttempts"] == 1
    [group] = local_aws.client("logs", ACCOUNT, region).describe_log_groups(logGroupNamePrefix=logs)["logGroups"]
    assert group["retentionInDays"] == 30
    rule = stacks.resource(cloudformation, "sam", "FunctionCrawled")
    [target] = local_aws.client("events", ACCOUNT, region).list_targets_by_rule(Rule=rule)["Targets"]
    assert target["RetryPolicy"] == {"MaximumRetryAttempts": 5}
    sqs = local_aws.client("sqs", ACCOUNT, region)
    attributes = sqs.get_queue_attributes(
        QueueUrl=stacks.resource(cloudformation, "sam", "Queue"), AttributeNames=["MessageRetentionPeriod"]
    )["Attributes"]
    assert attributes["MessageRetentionPeriod"] == "1209600"


MACROS = ["CAPABILITY_AUTO_EXPAND"]
EXTENDED = {
    "Transform": "AWS::LanguageExtensions",
    "Parameters": {"Keep": {"Type": "String"}},
    "Conditions": {"IsKept": {"Fn::Equals": [{"Ref": "Keep"}, "true"]}},
}


def conditional(name: str) -> dict[str, Any]:
    kept = {"Fn::If": ["IsKept", "Retain", "Delete"]}
    tags = [{"Key": "keep", "Value": {"Ref": "Keep"}}]
    return EXTENDED | {"Resources": {"Bucket": bucket(name, Tags=tags) | {"DeletionPolicy": kept}}}


def keep(value: str) -> list[dict[str, str]]:
    return [{"ParameterKey": "Keep", "ParameterValue": value}]


def test_a_deletion_policy_follows_its_parameter_only_if_the_template_is_given(cloudformation: Any, s3: Any) -> None:
    for name, given in (("c-policy-given", True), ("c-policy-previous", False)):
        template = json.dumps(conditional(name))
        made = stacks.create(cloudformation, name, template, Parameters=keep("true"), Capabilities=MACROS)
        assert made == "CREATE_COMPLETE"
        body = {"TemplateBody": template} if given else {"UsePreviousTemplate": True}
        cloudformation.update_stack(StackName=name, Parameters=keep("false"), Capabilities=MACROS, **body)
        assert stacks.wait(cloudformation, name) == "UPDATE_COMPLETE"
        assert {"Key": "keep", "Value": "false"} in s3.get_bucket_tagging(Bucket=name)["TagSet"]
        assert stacks.delete(cloudformation, name) == "DELETE_COMPLETE"
    assert {each["Name"] for each in s3.list_buckets()["Buckets"]} & {"c-policy-given", "c-policy-previous"} == {
        "c-policy-previous"
    }


def test_a_crawlers_schedule_goes_only_if_it_is_empty_and_not_if_it_is_left_out(
    cloudformation: Any, local_aws: LocalAws
) -> None:
    glue = local_aws.client("glue", ACCOUNT, REGION)

    def template(schedule: str | None) -> dict[str, Any]:
        crawler: dict[str, Any] = {
            "Name": "c-scheduled",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "DatabaseName": "d",
            "Targets": {"S3Targets": [{"Path": "s3://c-crawled/"}]},
        }
        if schedule is not None:
            crawler["Schedule"] = {"ScheduleExpression": schedule}
        return {
            "Resources": {
                "Role": role("glue.amazonaws.com"),
                "Crawler": {"Type": "AWS::Glue::Crawler", "Properties": crawler},
            }
        }

    def schedule() -> str | None:
        return glue.get_crawler(Name="c-scheduled")["Crawler"].get("Schedule", {}).get("ScheduleExpression")

    daily = "cron(0 0 * * ? *)"
    assert stacks.create(cloudformation, "scheduled", template(daily)) == "CREATE_COMPLETE"
    assert stacks.update(cloudformation, "scheduled", template(None)) == "UPDATE_COMPLETE"
    assert schedule() == daily
    assert stacks.update(cloudformation, "scheduled", template("")) == "UPDATE_COMPLETE"
    assert not schedule()
