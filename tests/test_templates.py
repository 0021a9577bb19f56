"""The rules that the CloudFormation templates keep, checked on the files themselves.

What the templates do when they are deployed is checked elsewhere, on the local AWS.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.api import lint_file

from bench.runtime import TEMPLATE_VARIABLES
from templates import (
    CENTRAL,
    CODE,
    FUNCTION_TYPES,
    MEMBER,
    QUICKSIGHT,
    STATEFUL_TYPES,
    as_list,
    by_sid,
    dependencies,
    direct_dependencies,
    load,
    properties,
    references,
    resources,
    role_statements,
    statements,
    walk,
)

TEMPLATES = [pytest.param(path, id=path.stem) for path in (CENTRAL, MEMBER)]
WITH_ROLES = [*TEMPLATES, pytest.param(QUICKSIGHT, id=QUICKSIGHT.stem)]
WITH_DATA = [*TEMPLATES, pytest.param(CODE, id=CODE.stem)]
ALL_TEMPLATES = [*WITH_ROLES, pytest.param(CODE, id=CODE.stem)]

# Logical id -> type, as the recipe's templates have them; a stack made from those must survive the update to ours.
RECIPE_RESOURCES = {
    CENTRAL: {
        "ManagedInstanceDataEncryptionKey": "AWS::KMS::Key",
        "ManagedInstanceDataEncryptionKeyAlias": "AWS::KMS::Alias",
        "AthenaQueryResultsBucket": "AWS::S3::Bucket",
        "ResourceDataSyncBucket": "AWS::S3::Bucket",
        "ResourceDataSyncBucketPolicy": "AWS::S3::BucketPolicy",
        "GlueDatabase": "AWS::Glue::Database",
        "GlueCrawler": "AWS::Glue::Crawler",
        "GlueCrawlerRole": "AWS::IAM::Role",
        "DeleteGlueTableColumnFunctionRole": "AWS::IAM::Role",
        "DeleteGlueTableColumnFunction": "AWS::Serverless::Function",
        "DeleteGlueTableColumnFunctionEventRule": "AWS::Events::Rule",
        "DeleteGlueTableColumnFunctionCloudWatchPermission": "AWS::Lambda::Permission",
        "AthenaWorkGroup": "AWS::Athena::WorkGroup",
        "AthenaQueryCompliantPatch": "AWS::Athena::NamedQuery",
        "AthenaQueryNonCompliantPatch": "AWS::Athena::NamedQuery",
        "AthenaQueryComplianceSummaryPatch": "AWS::Athena::NamedQuery",
        "AthenaQueryPatchSummary": "AWS::Athena::NamedQuery",
        "AthenaQueryInstanceList": "AWS::Athena::NamedQuery",
        "AthenaQueryInstanceApplications": "AWS::Athena::NamedQuery",
        "AthenaQuerySSMAgent": "AWS::Athena::NamedQuery",
        "S3CleanupLambdaExecutionRole": "AWS::IAM::Role",
        "S3BucketCleanup": "AWS::Serverless::Function",
        "S3Cleanup": "Custom::S3BucketCleanupFunction",
    },
    MEMBER: {
        "ResourceDataSyncLambdaRole": "AWS::IAM::Role",
        "ResourceDataSyncLambdaFunction": "AWS::Lambda::Function",
        "ResourceDataSyncCustomResource": "Custom::ResourceDataSync",
    },
    QUICKSIGHT: {
        "SSMDataSyncSource": "AWS::QuickSight::DataSource",
        "ApplicationDataSet": "AWS::QuickSight::DataSet",
        "ComplianceItemDataSet": "AWS::QuickSight::DataSet",
        "ComplianceSummaryDataSet": "AWS::QuickSight::DataSet",
        "InstanceDetailedInformationDataSet": "AWS::QuickSight::DataSet",
        "InstanceInformationDataSet": "AWS::QuickSight::DataSet",
        "TagDataSet": "AWS::QuickSight::DataSet",
        "JoinedDataSet": "AWS::QuickSight::DataSet",
        "ManagedNodeAnalysis": "AWS::QuickSight::Analysis",
    },
}

# (logical id, path of the property, the recipe's name, the name of a stack with a prefix).
NAMES = [
    (
        "ResourceDataSyncBucket",
        ["BucketName"],
        {"Fn::Sub": "ssm-resource-sync-${AWS::Region}-${AWS::AccountId}"},
        "${NamePrefix}-resource-sync-${AWS::Region}-${AWS::AccountId}",
    ),
    (
        "AthenaQueryResultsBucket",
        ["BucketName"],
        {"Fn::Sub": "ssm-res-sync-athena-query-results-${AWS::Region}-${AWS::AccountId}"},
        "${NamePrefix}-query-results-${AWS::Region}-${AWS::AccountId}",
    ),
    (
        "GlueDatabase",
        ["DatabaseInput", "Name"],
        "ssm_global_resource_sync",
        "${NamePrefix}_ssm_global_resource_sync",
    ),
    ("GlueCrawler", ["Name"], "SSM-GlueCrawler", "${NamePrefix}-SSM-GlueCrawler"),
    ("AthenaWorkGroup", ["Name"], "patch-workgroup", "${NamePrefix}-patch-workgroup"),
    (
        "ManagedInstanceDataEncryptionKeyAlias",
        ["AliasName"],
        "alias/SSM-ManagedInstanceDataEncryptionKey",
        "alias/${NamePrefix}-SSM-ManagedInstanceDataEncryptionKey",
    ),
]

RECIPE_PARAMETERS = {
    CENTRAL: {"OrganizationId", "EnableGlueCrawlerSchedule", "GlueCrawlerSchedule", "EnableQuickSightKMS"},
    MEMBER: {"ResourceDataSyncName", "S3BucketName", "S3BucketPrefix", "S3BucketRegion"},
}

# ----------------------------------------------------------------------------------------------------------------------
# All templates
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ALL_TEMPLATES)
def test_cfn_lint_finds_nothing(path: Path) -> None:
    assert [str(match) for match in lint_file(path)] == []


def test_sam_validate_finds_nothing() -> None:
    sam = Path(sys.executable).with_name("sam")
    done = subprocess.run(
        [sam, "validate", "--lint", "--template-file", CENTRAL, "--region", "us-east-1"],
        env=os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", WITH_ROLES)
def test_the_recipes_resources_keep_their_ids_and_types(path: Path) -> None:
    types = {name: each["Type"] for name, each in load(path)["Resources"].items()}
    assert {name: types.get(name) for name in RECIPE_RESOURCES[path]} == RECIPE_RESOURCES[path]


@pytest.mark.parametrize("path", TEMPLATES)
def test_the_recipes_parameters_keep_their_names(path: Path) -> None:
    assert load(path)["Parameters"].keys() >= RECIPE_PARAMETERS[path]


@pytest.mark.parametrize("path", ALL_TEMPLATES)
def test_every_parameter_is_described_labelled_and_grouped(path: Path) -> None:
    template = load(path)
    interface = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in interface["ParameterGroups"] for name in group["Parameters"]]
    names = list(template["Parameters"])
    assert sorted(grouped) == sorted(names)
    assert sorted(interface["ParameterLabels"]) == sorted(names)
    assert [name for name in names if not template["Parameters"][name].get("Description")] == []


@pytest.mark.parametrize("path", ALL_TEMPLATES)
def test_conditions_are_named_for_what_holds(path: Path) -> None:
    assert [name for name in load(path)["Conditions"] if not re.match(r"(Has|Is)[A-Z]", name)] == []


def _is(parameter: str, value: str = "true") -> dict[str, Any]:
    return {"Fn::Equals": [{"Ref": parameter}, value]}


def _is_not(parameter: str, off: str | int = "") -> dict[str, Any]:
    return {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, off]}]}


CONDITIONS: dict[Path, dict[str, Any]] = {
    CENTRAL: {
        "IsInChina": _is("AWS::Partition", "aws-cn"),
        "IsCrawlerScheduled": _is("EnableGlueCrawlerSchedule"),
        "HasQuickSightKeyAccess": _is("EnableQuickSightKMS"),
        "HasRegionalSyncPrincipals": _is_not("RegionalSyncPrincipals"),
        "IsKeyBoundToOrganization": _is("BindKeyToOrganization"),
        "IsDataDeletedWithStack": _is("EmptyBucketsOnDelete"),
        "HasNoncurrentVersionExpiration": _is_not("NoncurrentVersionExpirationDays", 0),
        "HasNodeFileExpiration": _is_not("NodeFileExpirationDays", 0),
        "HasQueryResultExpiration": _is_not("QueryResultExpirationDays", 0),
        "HasBytesScannedCutoff": _is_not("BytesScannedCutoffPerQuery", "0"),
        "HasAlarmTopic": _is_not("AlarmTopicArn"),
        "IsTraced": _is("TracingMode", "Active"),
        "HasPermissionsBoundary": _is_not("PermissionsBoundaryPolicy"),
        "HasNamePrefix": _is_not("NamePrefix"),
    },
    MEMBER: {"HasKmsKey": _is_not("KMSKeyArn"), "HasPermissionsBoundary": _is_not("PermissionsBoundaryPolicy")},
    CODE: {"HasCodeReaders": _is_not("CodeReaders")},
    QUICKSIGHT: {
        "HasIdentityRegion": _is_not("QuickSightIdentityRegion"),
        "HasViewers": _is_not("QuickSightViewers"),
        "HasPermissionsBoundary": _is_not("PermissionsBoundaryPolicy"),
        "IsImportedToSpice": _is("ImportMode", "SPICE"),
    },
}


@pytest.mark.parametrize("path", ALL_TEMPLATES)
def test_conditions_hold_for_what_their_parameters_say(path: Path) -> None:
    assert load(path)["Conditions"] == CONDITIONS[path]


@pytest.mark.parametrize("path", ALL_TEMPLATES)
def test_no_policy_names_another_accounts_principal(path: Path) -> None:
    root = {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
    granted = [
        node["Principal"]
        for node in walk(load(path)["Resources"])
        if isinstance(node, dict) and {"Principal", "Effect"} <= node.keys()
    ]
    assert granted
    for principal in granted:
        ((kind, who),) = (principal if isinstance(principal, dict) else {"AWS": principal}).items()
        assert kind == "Service" or (kind == "AWS" and who in ("*", root)), principal


@pytest.mark.parametrize("path", ALL_TEMPLATES)
def test_no_partition_is_written_out(path: Path) -> None:
    assert re.findall(r"arn:aws\b.*", path.read_text()) == []


@pytest.mark.parametrize("path", ALL_TEMPLATES)
def test_templates_are_plain_ascii(path: Path) -> None:
    # CloudFormation gives other characters back as question marks, and then sees a change that is none.
    assert path.read_text().isascii()


@pytest.mark.parametrize("path", WITH_ROLES)
def test_every_resource_of_all_has_its_reason_on_the_line_above(path: Path) -> None:
    lines = path.read_text().splitlines()
    found = [number for number, line in enumerate(lines) if re.search(r"""Resource: ['"]?\*|^\s*- ['"]\*['"]$""", line)]
    assert found, "the pattern finds nothing any more"
    assert [f"{number + 1}: {lines[number]}" for number in found if not lines[number - 1].strip().startswith("#")] == []
    written = [
        statement
        for node in walk(load(path))
        if isinstance(node, dict) and "Statement" in node
        for statement in statements(node)
        if "*" in as_list(statement.get("Resource"))
    ]
    assert len(written) == len(found)


@pytest.mark.parametrize("path", WITH_DATA)
def test_stateful_resources_say_what_becomes_of_them(path: Path) -> None:
    found = resources(path, *STATEFUL_TYPES)
    assert found
    assert [n for n, each in found.items() if not {"DeletionPolicy", "UpdateReplacePolicy"} <= each.keys()] == []
    # A log group that stayed would keep its name from the stack's next creation.
    logs = resources(path, "AWS::Logs::LogGroup")
    assert {name: each["DeletionPolicy"] for name, each in logs.items()} == dict.fromkeys(logs, "Delete")


def test_data_outlives_the_stack_unless_its_deletion_is_asked_for() -> None:
    assert load(CENTRAL)["Conditions"]["IsDataDeletedWithStack"] == {
        "Fn::Equals": [{"Ref": "EmptyBucketsOnDelete"}, "true"]
    }
    # A creation that is rolled back leaves nothing behind: names are fixed, and the next try would find them taken.
    policy = {"Fn::If": ["IsDataDeletedWithStack", "Delete", "RetainExceptOnCreate"]}
    found = resources(CENTRAL, "AWS::KMS::Key", "AWS::S3::Bucket")
    assert {name: each["DeletionPolicy"] for name, each in found.items()} == dict.fromkeys(found, policy)
    # The transform that makes it possible has to come first.
    assert load(CENTRAL)["Transform"] == ["AWS::LanguageExtensions", "AWS::Serverless-2016-10-31"]
    # CloudFormation takes in a new DeletionPolicy only with some other change of the resource.
    for name in found:
        assert properties(CENTRAL, name)["Tags"] == [
            {"Key": "patch-reporting:empty-on-delete", "Value": {"Ref": "EmptyBucketsOnDelete"}}
        ]


def test_an_update_never_deletes_data() -> None:
    found = resources(CENTRAL, "AWS::KMS::Key", "AWS::S3::Bucket")
    assert {name: each["UpdateReplacePolicy"] for name, each in found.items()} == dict.fromkeys(found, "Retain")


@pytest.mark.parametrize("path", WITH_ROLES)
def test_iam_names_are_left_to_cloudformation(path: Path) -> None:
    assert [name for name, each in resources(path, "AWS::IAM::Role").items() if "RoleName" in each["Properties"]] == []


@pytest.mark.parametrize("path", WITH_ROLES)
def test_no_role_takes_a_managed_policy(path: Path) -> None:
    found = resources(path, "AWS::IAM::Role")
    assert [name for name, each in found.items() if "ManagedPolicyArns" in each["Properties"]] == []


@pytest.mark.parametrize("path", TEMPLATES)
def test_each_function_has_a_role_and_a_log_group_of_its_own(path: Path) -> None:
    found = resources(path, *FUNCTION_TYPES)
    groups = resources(path, "AWS::Logs::LogGroup")
    roles_used, groups_used = [], []
    for each in found.values():
        (role,) = references(each["Properties"]["Role"])
        group = each["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        assert groups[group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}
        logs = [
            statement
            for statement in role_statements(path, role)
            if any(action.startswith("logs:") for action in as_list(statement["Action"]))
        ]
        assert [statement["Action"] for statement in logs] == [["logs:CreateLogStream", "logs:PutLogEvents"]]
        assert [references(statement["Resource"]) for statement in logs] == [{group}]
        roles_used.append(role)
        groups_used.append(group)
    assert len(set(roles_used)) == len(set(groups_used)) == len(found)


@pytest.mark.parametrize("path", TEMPLATES)
def test_functions_run_a_bootstrap_of_the_chosen_architecture(path: Path) -> None:
    packages = {
        "DeleteGlueTableColumnFunction": "../target/lambda/glue-column-deleter/bootstrap.zip",
        "S3BucketCleanup": "../target/lambda/s3-cleanup/bootstrap.zip",
    }
    common = load(path).get("Globals", {}).get("Function", {})
    for name, each in resources(path, *FUNCTION_TYPES).items():
        settings = common | each["Properties"]
        assert (settings["Runtime"], settings["Handler"]) == ("provided.al2023", "bootstrap"), name
        assert settings["Architectures"] == [{"Ref": "FunctionArchitecture"}], name
        assert settings.get("CodeUri") == packages.get(name), name


@pytest.mark.parametrize("path", TEMPLATES)
def test_custom_resources_wait_for_rights_and_log_and_for_every_retry_of_lambda(path: Path) -> None:
    template = load(path)
    custom = {name: each for name, each in template["Resources"].items() if each["Type"].startswith("Custom::")}
    assert len(custom) == 1
    for each in custom.values():
        (function,) = references(each["Properties"]["ServiceToken"])
        settings = template["Resources"][function]["Properties"]
        (role,) = references(settings["Role"])
        attached = {
            name
            for name, policy in resources(path, "AWS::IAM::RolePolicy").items()
            if policy["Properties"]["RoleName"] == {"Ref": role}
        }
        policies = attached or {role}
        assert set(as_list(each["DependsOn"])) == {*policies, settings["LoggingConfig"]["LogGroup"]["Ref"]}
        # Three runs, and Lambda's waits of one and two minutes between them.
        assert 3 * settings["Timeout"] + 180 < each["Properties"]["ServiceTimeout"] <= 3600


# ----------------------------------------------------------------------------------------------------------------------
# Parameters' patterns
# ----------------------------------------------------------------------------------------------------------------------

PATTERNS = [
    (CENTRAL, "OrganizationId", ["o-a1b2c3d4e5", "o-" + "z" * 32], ["", "a1b2c3d4e5", "o-A1B2C3D4E5", "o-a1b2c3d4e"]),
    (
        CENTRAL,
        "ResourceDataSyncPrefix",
        ["ResourceDataSync", "a", "patch_data-2.0", "x" * 64],
        ["", "/", "a/b", "ResourceDataSync/", ".hidden", "a*", "x" * 65],
    ),
    (
        CENTRAL,
        "GlueCrawlerSchedule",
        ["cron(0 0 * * ? *)", "cron(15 6,18 ? * MON-FRI *)", "cron(0/30 8 1 JAN ? 2026)", "cron(0 9 ? * 2#1 *)"],
        ["", "0 0 * * ? *", "cron(0 0 * * *)", "rate(1 day)", "cron(0 0 * * ? * *)"],
    ),
    (
        CENTRAL,
        "QuickSightServiceRole",
        ["service-role/aws-quicksight-service-role-v0", "service-role/aws-quicksight-*-role-v0", "MyRole"],
        ["", "/MyRole", "arn:aws:iam::111122223333:role/MyRole", "a//b"],
    ),
    (
        CENTRAL,
        "RegionalSyncPrincipals",
        ["", "ssm.ap-east-1.amazonaws.com", "ssm.ap-east-1.amazonaws.com,ssm.amazonaws.eu"],
        ["ap-east-1", "ssm.ap-east-1.amazonaws.com,", "s3.ap-east-1.amazonaws.com", "*"],
    ),
    (
        CENTRAL,
        "BytesScannedCutoffPerQuery",
        ["0", "10000000", "107374182400"],
        ["", "9999999", "-1", "1e9", "100 GB", "007374182400"],
    ),
    (
        CENTRAL,
        "AlarmTopicArn",
        ["", "arn:aws:sns:us-east-1:111122223333:ops", "arn:aws-us-gov:sns:us-gov-west-1:111122223333:Ops_1"],
        ["ops", "arn:aws:sns:us-east-1:111122223333:ops.fifo", "arn:aws:sqs:us-east-1:111122223333:ops"],
    ),
    *(
        (path, name, good, bad)
        for path in (CENTRAL, MEMBER, QUICKSIGHT)
        for name, good, bad in (
            ("PermissionsBoundaryPolicy", ["", "boundary", "ops/boundary"], ["/boundary", "arn:aws:x", "a//b"]),
            ("RolePath", ["/", "/ops/", "/ops/patch/"], ["", "ops", "/ops", "ops/", "//"]),
        )
    ),
    (
        CENTRAL,
        "NamePrefix",
        ["", "a", "second", "ssm2", "x" * 16],
        ["1st", "A", "a-b", "a_b", "ssm", "sthree", "x" * 17],
    ),
    (MEMBER, "ResourceDataSyncName", ["patch-reporting", "A_b.c-9", "x" * 64], ["", "a b", "a/b", "x" * 65]),
    (MEMBER, "S3BucketName", ["ssm-resource-sync-us-east-1-111122223333", "abc"], ["", "ab", "Upper", "-abc", "a_b"]),
    (MEMBER, "S3BucketPrefix", ["ResourceDataSync"], ["", "a/b", "ResourceDataSync/"]),
    (
        MEMBER,
        "S3BucketRegion",
        [
            "us-east-1", "ap-southeast-7", "mx-central-1", "us-gov-west-1", "cn-northwest-1", "us-iso-east-1",
            "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1", "eusc-de-east-1",
        ],
        ["", "us-east", "US-EAST-1", "us-east-1a", "us_east_1", "https://us-east-1"],
    ),
    (
        MEMBER,
        "KMSKeyArn",
        [
            "",
            "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "arn:aws-us-gov:kms:us-gov-west-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab",
        ],
        ["alias/mine", "arn:aws:kms:us-east-1:111122223333:alias/mine", "1234abcd-12ab-34cd-56ef-1234567890ab"],
    ),
    (
        MEMBER,
        "CodeS3Bucket",
        ["patch-reporting-code-111122223333", "x" * 47],
        ["", "x", "x" * 48, "Upper", "s3://bucket"],
    ),
    (CODE, "OrganizationId", ["o-a1b2c3d4e5"], ["", "a1b2c3d4e5", "o-A1B2C3D4E5"]),
    (CODE, "CodeBucketPrefix", ["patch-reporting-code-111122223333", "x" * 47], ["", "x", "x" * 48, "Upper"]),
    (
        CODE,
        "CodeReaders",
        ["", "arn:aws:iam::*:role/deployer", "arn:aws:iam::111122223333:role/a/*,arn:aws-cn:iam::*:role/b"],
        ["*", "arn:aws:iam::*:user/x", "arn:aws:iam::*:role/a,", "arn:aws:s3:::bucket"],
    ),
    (QUICKSIGHT, "GlueDatabaseName", ["ssm_global_resource_sync"], ["", "a-b", 'a"b', "Upper", "a.b"]),
    (QUICKSIGHT, "AthenaWorkGroupName", ["patch-workgroup", "a.b_c"], ["", "a b", "a/b"]),
    (QUICKSIGHT, "ResourceDataSyncBucketName", ["ssm-resource-sync-us-east-1-111122223333"], ["", "arn:aws:s3:::abc"]),
    (
        QUICKSIGHT,
        "AthenaQueryResultsBucket",
        ["arn:aws:s3:::results", "arn:aws-cn:s3:::results"],
        ["", "results", "arn:aws:s3:::results/*"],
    ),
    (
        QUICKSIGHT,
        "KMSKeyArn",
        ["arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
        ["", "arn:aws:kms:us-east-1:111122223333:alias/mine"],
    ),
    (QUICKSIGHT, "QuickSightOwner", ["jane", "Admin/jane@example.com", "O'Neil"], ["", " jane", 'a"b', "a\\b"]),
    (QUICKSIGHT, "QuickSightViewers", ["", "jane", "Admin/jane@example.com"], [" ", 'a"b']),
    (QUICKSIGHT, "QuickSightNamespace", ["default", "team_1.a-b"], ["", "a/b", "a b"]),
    (
        QUICKSIGHT,
        "QuickSightIdentityRegion",
        ["", "us-east-1", "us-gov-west-1", "eusc-de-east-1"],
        ["us-east", "US-EAST-1", "us-east-1a"],
    ),
    (QUICKSIGHT, "RefreshTime", ["00:00", "09:05", "23:59"], ["", "24:00", "9:05", "09:60", "09:05:00"]),
]  # fmt: skip

YES_OR_NO = {"Default": "true", "AllowedValues": ["true", "false"]}
DAYS = {"MinValue": 0, "MaxValue": 3650}
BY_PATTERN: dict[str, Any] = {}
# The periods that CloudWatch Logs knows: botocore, logs, PutRetentionPolicy.
RETENTION = {
    "Default": 90,
    "AllowedValues": [
        1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
    ],
}  # fmt: skip
ARCHITECTURE = {"Default": "x86_64", "AllowedValues": ["x86_64", "arm64"]}

# What a parameter takes besides its pattern, and what it is if nobody says; one without a default has to be given.
LIMITS: dict[Path, dict[str, dict[str, Any]]] = {
    CENTRAL: {
        "OrganizationId": BY_PATTERN,
        "ResourceDataSyncPrefix": {"Default": "ResourceDataSync"},
        "RegionalSyncPrincipals": {"Default": ""},
        "BindKeyToOrganization": YES_OR_NO,
        "EnableGlueCrawlerSchedule": YES_OR_NO,
        "GlueCrawlerSchedule": {"Default": "cron(0 0 * * ? *)"},
        "EnableQuickSightKMS": YES_OR_NO,
        "QuickSightServiceRole": {"Default": "service-role/aws-quicksight-*-role-v0"},
        "EmptyBucketsOnDelete": YES_OR_NO,
        "NoncurrentVersionExpirationDays": {"Default": 30, **DAYS},
        # A living node's file may stay unwritten for as long as nothing in it changes.
        "NodeFileExpirationDays": {"Default": 0, **DAYS},
        "QueryResultExpirationDays": {"Default": 30, **DAYS},
        "StaleAfterDays": {"Default": 30, **DAYS, "MinValue": 1},
        "BytesScannedCutoffPerQuery": {"Default": str(100 * 2**30)},
        "AlarmTopicArn": {"Default": ""},
        "FunctionArchitecture": ARCHITECTURE,
        "LogRetentionDays": RETENTION,
        "TracingMode": {"Default": "PassThrough", "AllowedValues": ["PassThrough", "Active"]},
        "PermissionsBoundaryPolicy": {"Default": ""},
        "RolePath": {"Default": "/", "MaxLength": 512},
        "NamePrefix": {"Default": ""},
    },
    MEMBER: {
        "S3BucketName": BY_PATTERN,
        "S3BucketPrefix": {"Default": "ResourceDataSync"},
        "S3BucketRegion": BY_PATTERN,
        "KMSKeyArn": {"Default": ""},
        "ResourceDataSyncName": {"Default": "OrganizationResourceDataSync"},
        "CodeS3Bucket": BY_PATTERN,
        "CodeS3Key": {"MinLength": 1, "MaxLength": 1024},
        "FunctionArchitecture": ARCHITECTURE,
        "LogRetentionDays": RETENTION,
        "PermissionsBoundaryPolicy": {"Default": ""},
        "RolePath": {"Default": "/", "MaxLength": 512},
    },
    CODE: {"OrganizationId": BY_PATTERN, "CodeReaders": {"Default": ""}, "CodeBucketPrefix": BY_PATTERN},
    QUICKSIGHT: {
        "GlueDatabaseName": BY_PATTERN,
        "AthenaWorkGroupName": BY_PATTERN,
        "ResourceDataSyncBucketName": BY_PATTERN,
        "ResourceDataSyncPrefix": {"Default": "ResourceDataSync"},
        "AthenaQueryResultsBucket": BY_PATTERN,
        "KMSKeyArn": BY_PATTERN,
        "QuickSightOwnerType": {"Default": "user", "AllowedValues": ["user", "group"]},
        "QuickSightOwner": {"MinLength": 1, "MaxLength": 256},
        "QuickSightViewersType": {"Default": "group", "AllowedValues": ["user", "group"]},
        "QuickSightViewers": {"Default": "", "MaxLength": 256},
        "QuickSightNamespace": {"Default": "default", "MaxLength": 64},
        "QuickSightIdentityRegion": {"Default": ""},
        "ImportMode": {"Default": "DIRECT_QUERY", "AllowedValues": ["DIRECT_QUERY", "SPICE"]},
        "RefreshTime": {"Default": "02:00"},
        "StaleAfterDays": {"Default": 30, **DAYS, "MinValue": 1},
        "PermissionsBoundaryPolicy": {"Default": ""},
        "RolePath": {"Default": "/", "MaxLength": 512},
    },
}


@pytest.mark.parametrize("path", ALL_TEMPLATES)
def test_parameters_have_their_limits_and_defaults(path: Path) -> None:
    told = {"Type", "Description", "AllowedPattern", "ConstraintDescription"}
    parameters = load(path)["Parameters"]
    assert {
        name: {key: value for key, value in each.items() if key not in told} for name, each in parameters.items()
    } == LIMITS[path]
    # A value that is refused is told what would do.
    assert [
        name for name, each in parameters.items() if "AllowedPattern" in each and not each["ConstraintDescription"]
    ] == []


@pytest.mark.parametrize(
    ("path", "parameter", "good", "bad"), [pytest.param(*row, id=f"{row[0].stem}-{row[1]}") for row in PATTERNS]
)
def test_parameter_patterns(path: Path, parameter: str, good: list[str], bad: list[str]) -> None:
    pattern = load(path)["Parameters"][parameter]["AllowedPattern"]
    assert [value for value in good if not re.fullmatch(pattern, value)] == []
    assert [value for value in bad if re.fullmatch(pattern, value)] == []


def test_all_templates_ask_for_the_same_folder_name() -> None:
    central = load(CENTRAL)["Parameters"]["ResourceDataSyncPrefix"]
    others = load(MEMBER)["Parameters"]["S3BucketPrefix"], load(QUICKSIGHT)["Parameters"]["ResourceDataSyncPrefix"]
    for other in others:
        assert [central["AllowedPattern"], central["Default"]] == [other["AllowedPattern"], other["Default"]]


# ----------------------------------------------------------------------------------------------------------------------
# The central template
# ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("logical_id", "at", "recipe", "prefixed"), [pytest.param(*row, id=row[0]) for row in NAMES])
def test_names_are_the_recipes_unless_a_prefix_is_given(
    logical_id: str, at: list[str], recipe: Any, prefixed: str
) -> None:
    value = properties(CENTRAL, logical_id)
    for key in at:
        value = value[key]
    assert value == {"Fn::If": ["HasNamePrefix", {"Fn::Sub": prefixed}, recipe]}
    assert load(CENTRAL)["Parameters"]["NamePrefix"]["Default"] == ""


def test_every_name_is_made_by_cloudformation_or_takes_the_prefix() -> None:
    """Whatever else had a name of its own would keep a second stack out of the account and Region."""
    named = {logical_id for logical_id, *_ in NAMES}
    # Names that are the stack's own, or belong to another resource of the stack.
    own = {"AWS::Logs::LogGroup", "AWS::Athena::NamedQuery"}
    given = {
        name
        for name, each in load(CENTRAL)["Resources"].items()
        if each["Type"] not in own
        and any(
            key in each.get("Properties", {})
            for key in (
                "Name",
                "BucketName",
                "AliasName",
                "FunctionName",
                "QueueName",
                "AlarmName",
                "RoleName",
                "DatabaseInput",
            )
        )
    }
    refer = {
        name
        for name in given - named
        if set(properties(CENTRAL, name)) & {"FunctionName"} and references(properties(CENTRAL, name)["FunctionName"])
    }
    assert given - refer == named
    for group in resources(CENTRAL, "AWS::Logs::LogGroup").values():
        assert group["Properties"]["LogGroupName"]["Fn::Sub"].startswith("/aws/lambda/${AWS::StackName}-")


@pytest.mark.parametrize(
    "region", ["us-east-1", "ap-southeast-1", "us-isof-south-1", "cn-northwest-1", "us-isob-east-1"]
)
def test_prefixed_bucket_names_have_room_for_the_longest_prefix(region: str) -> None:
    for _, at, _, prefixed in NAMES:
        if at == ["BucketName"]:
            name = prefixed.replace("${NamePrefix}", "p" * 16).replace("${AWS::Region}", region)
            assert len(name.replace("${AWS::AccountId}", "1" * 12)) <= 63


def test_on_deletion_the_writers_lose_the_buckets_then_they_are_emptied_then_they_go() -> None:
    assert "S3Cleanup" in direct_dependencies(CENTRAL, "ResourceDataSyncBucketPolicy")
    assert "S3Cleanup" in direct_dependencies(CENTRAL, "AthenaWorkGroup")
    assert properties(CENTRAL, "S3Cleanup")["BucketNames"] == [
        {"Ref": "ResourceDataSyncBucket"},
        {"Ref": "AthenaQueryResultsBucket"},
    ]
    assert dependencies(CENTRAL, "S3Cleanup") == {
        "ResourceDataSyncBucket",
        "AthenaQueryResultsBucket",
        "ManagedInstanceDataEncryptionKey",
        "S3BucketCleanup",
        "S3BucketCleanupLogGroup",
        "S3CleanupLambdaExecutionRole",
    }


@pytest.mark.parametrize("bucket", ["ResourceDataSyncBucket", "AthenaQueryResultsBucket"])
def test_buckets_are_private_owned_and_encrypted(bucket: str) -> None:
    settings = properties(CENTRAL, bucket)
    assert set(settings["PublicAccessBlockConfiguration"].values()) == {True}
    assert settings["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (rule,) = settings["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule == {
        "BucketKeyEnabled": True,
        "ServerSideEncryptionByDefault": {
            "SSEAlgorithm": "aws:kms",
            "KMSMasterKeyID": {"Fn::GetAtt": ["ManagedInstanceDataEncryptionKey", "Arn"]},
        },
    }


def test_the_sync_bucket_is_versioned() -> None:
    assert properties(CENTRAL, "ResourceDataSyncBucket")["VersioningConfiguration"] == {"Status": "Enabled"}


def test_emptying_the_buckets_on_deletion_is_a_choice_and_the_default() -> None:
    parameter = load(CENTRAL)["Parameters"]["EmptyBucketsOnDelete"]
    # The function takes the tag's value for a consent if it is exactly 'true'.
    assert (parameter["Default"], parameter["AllowedValues"]) == ("true", ["true", "false"])


@pytest.mark.parametrize("bucket", ["ResourceDataSyncBucket", "AthenaQueryResultsBucket"])
def test_buckets_refuse_requests_without_tls(bucket: str) -> None:
    policy = properties(CENTRAL, f"{bucket}Policy")
    assert policy["Bucket"] == {"Ref": bucket}
    assert by_sid(statements(policy["PolicyDocument"]))["DenyWithoutTls"] == {
        "Sid": "DenyWithoutTls",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [{"Fn::GetAtt": [bucket, "Arn"]}, {"Fn::Sub": f"${{{bucket}.Arn}}/*"}],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


# Systems Manager, under further names if the parameter gives some. Only in China does the principal end as URLs do: the
# suffix of other partitions, such as amazonaws.eu, names no service.
SSM_ITSELF = {"Fn::If": ["IsInChina", {"Fn::Sub": "ssm.${AWS::URLSuffix}"}, "ssm.amazonaws.com"]}
SSM = {
    "Service": {
        "Fn::If": [
            "HasRegionalSyncPrincipals",
            {"Fn::Split": [",", {"Fn::Sub": ["${Principal},${RegionalSyncPrincipals}", {"Principal": SSM_ITSELF}]}]},
            SSM_ITSELF,
        ]
    }
}


def test_the_sync_buckets_policy_is_the_documented_one_cut_to_the_folder() -> None:
    allowed = [
        statement
        for statement in statements(properties(CENTRAL, "ResourceDataSyncBucketPolicy")["PolicyDocument"])
        if statement["Effect"] == "Allow"
    ]
    objects = {"Fn::Sub": "${ResourceDataSyncBucket.Arn}/${ResourceDataSyncPrefix}/*/accountid=*/*"}
    assert [statement["Principal"] for statement in allowed] == [SSM] * 3
    assert [(each["Action"], each["Resource"], each.get("Condition")) for each in allowed] == [
        ("s3:GetBucketAcl", {"Fn::GetAtt": ["ResourceDataSyncBucket", "Arn"]}, None),
        (
            "s3:PutObject",
            objects,
            {
                "StringEquals": {
                    "s3:x-amz-acl": "bucket-owner-full-control",
                    "aws:SourceOrgID": {"Ref": "OrganizationId"},
                }
            },
        ),
        ("s3:PutObjectTagging", objects, None),
    ]


def test_the_key_serves_ssm_for_the_organization_or_for_the_bucket_only() -> None:
    policy = statements(properties(CENTRAL, "ManagedInstanceDataEncryptionKey")["KeyPolicy"])
    (services,) = [statement for statement in policy if "Service" in statement["Principal"]]
    assert services["Principal"] == SSM
    assert services["Action"] == "kms:GenerateDataKey"
    condition, bound, otherwise = services["Condition"]["Fn::If"]
    assert condition == "IsKeyBoundToOrganization"
    assert load(CENTRAL)["Parameters"]["BindKeyToOrganization"]["Default"] == "true"
    assert bound == {"StringEquals": {"aws:SourceOrgID": {"Ref": "OrganizationId"}}}
    # Never without a condition: what S3 encrypts for the sync bucket, under either name that the bucket may have.
    bucket = properties(CENTRAL, "ResourceDataSyncBucket")["BucketName"]["Fn::If"]
    assert otherwise["StringLike"]["kms:EncryptionContext:aws:s3:arn"]["Fn::If"] == [
        bucket[0],
        *(
            [{"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{name['Fn::Sub']}{objects}"} for objects in ("", "/*")]
            for name in bucket[1:]
        ),
    ]


def test_quicksights_role_need_not_exist_for_the_key_policy_to_be_accepted() -> None:
    document = properties(CENTRAL, "ManagedInstanceDataEncryptionKey")["KeyPolicy"]
    (conditional,) = [statement["Fn::If"] for statement in document["Statement"] if "Fn::If" in statement]
    condition, statement, otherwise = conditional
    assert (condition, otherwise) == ("HasQuickSightKeyAccess", {"Ref": "AWS::NoValue"})
    # KMS looks up a role that is named as Principal, and refuses the policy if there is none; it looks up no condition.
    assert statement["Principal"] == {"AWS": "*"}
    assert statement["Condition"] == {
        "StringEquals": {"kms:CallerAccount": {"Ref": "AWS::AccountId"}},
        "ArnLike": {
            "aws:PrincipalArn": {
                "Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/${QuickSightServiceRole}"
            }
        },
    }
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]


def test_the_crawler_reads_the_folder_and_never_changes_a_known_table() -> None:
    crawler = properties(CENTRAL, "GlueCrawler")
    assert crawler["Targets"] == {
        "S3Targets": [
            {
                "Path": {"Fn::Sub": "s3://${ResourceDataSyncBucket}/${ResourceDataSyncPrefix}/"},
                "Exclusions": ["**/test.json"],
            }
        ]
    }
    assert crawler["SchemaChangePolicy"] == {"UpdateBehavior": "LOG", "DeleteBehavior": "LOG"}
    assert json.loads(crawler["Configuration"]) == {
        "Version": 1.0,
        "CrawlerOutput": {"Partitions": {"AddOrUpdateBehavior": "InheritFromTable"}},
        # The bucket is level 1 and the folder level 2, so a table is made of each folder of level 3.
        "Grouping": {"TableGroupingPolicy": "CombineCompatibleSchemas", "TableLevelConfiguration": 3},
        "CreatePartitionIndex": False,
    }
    assert crawler["DatabaseName"] == {"Ref": "GlueDatabase"}
    # Left out, an old schedule would stay.
    assert crawler["Schedule"] == {
        "ScheduleExpression": {"Fn::If": ["IsCrawlerScheduled", {"Ref": "GlueCrawlerSchedule"}, ""]}
    }


CATALOG = "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}:"
DATABASES_TABLES = [
    {"Fn::Sub": f"{CATALOG}catalog"},
    {"Fn::Sub": f"{CATALOG}database/${{GlueDatabase}}"},
    {"Fn::Sub": f"{CATALOG}table/${{GlueDatabase}}/*"},
]


def test_the_crawlers_role_is_for_glue_in_this_account_and_deletes_nothing() -> None:
    (trust,) = properties(CENTRAL, "GlueCrawlerRole")["AssumeRolePolicyDocument"]["Statement"]
    assert trust["Principal"] == {"Service": "glue.amazonaws.com"}
    assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    allowed = by_sid(role_statements(CENTRAL, "GlueCrawlerRole"))
    actions = [action for statement in allowed.values() for action in as_list(statement["Action"])]
    assert [action for action in actions if "Delete" in action or "*" in action or "s3:Put" in action] == []
    logs = "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws-glue/crawlers*"
    assert {sid: statement["Resource"] for sid, statement in allowed.items()} == {
        "ListBucket": {"Fn::GetAtt": ["ResourceDataSyncBucket", "Arn"]},
        "ReadData": {"Fn::Sub": "${ResourceDataSyncBucket.Arn}/${ResourceDataSyncPrefix}/*"},
        "DecryptData": {"Fn::GetAtt": ["ManagedInstanceDataEncryptionKey", "Arn"]},
        "KeepTables": DATABASES_TABLES,
        "WriteLog": {"Fn::Sub": logs},
    }


def test_the_column_deleters_role_is_for_the_databases_tables() -> None:
    allowed = by_sid(role_statements(CENTRAL, "DeleteGlueTableColumnFunctionRole"))["KeepTables"]
    assert [action for action in allowed["Action"] if "Delete" in action or "*" in action] == []
    assert allowed["Resource"] == DATABASES_TABLES


def test_the_column_deleter_is_invoked_for_this_crawlers_success_only() -> None:
    rule = properties(CENTRAL, "DeleteGlueTableColumnFunctionEventRule")
    assert rule["EventPattern"] == {
        "source": ["aws.glue"],
        "detail-type": ["Glue Crawler State Change"],
        "detail": {"crawlerName": [{"Ref": "GlueCrawler"}], "state": ["Succeeded"]},
    }
    assert [target["Arn"] for target in rule["Targets"]] == [{"Fn::GetAtt": ["DeleteGlueTableColumnFunction", "Arn"]}]
    permission = properties(CENTRAL, "DeleteGlueTableColumnFunctionCloudWatchPermission")
    assert permission["SourceArn"] == {"Fn::GetAtt": ["DeleteGlueTableColumnFunctionEventRule", "Arn"]}
    variables = properties(CENTRAL, "DeleteGlueTableColumnFunction")["Environment"]["Variables"]
    (target,) = properties(CENTRAL, "GlueCrawler")["Targets"]["S3Targets"]
    assert variables == {
        "CRAWLER_NAME": {"Ref": "GlueCrawler"},
        "DATABASE_NAME": {"Ref": "GlueDatabase"},
        "DATA_LOCATION": target["Path"],
    }


def test_the_topic_hears_of_this_crawlers_failure_only() -> None:
    rule = properties(CENTRAL, "GlueCrawlerFailedEventRule")
    assert rule["EventPattern"] == {
        "source": ["aws.glue"],
        "detail-type": ["Glue Crawler State Change"],
        "detail": {"crawlerName": [{"Ref": "GlueCrawler"}], "state": ["Failed"]},
    }
    assert [target["Arn"] for target in rule["Targets"]] == [{"Ref": "AlarmTopicArn"}]


def test_rules_are_on_and_try_for_long_enough() -> None:
    for name, rule in resources(CENTRAL, "AWS::Events::Rule").items():
        assert rule["Properties"].get("State", "ENABLED") == "ENABLED", name
        for target in rule["Properties"]["Targets"]:
            assert target["RetryPolicy"]["MaximumRetryAttempts"] >= 3, name
            assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] >= 3600, name


def test_the_cleanups_role_reaches_the_stacks_two_buckets_only() -> None:
    allowed = by_sid(role_statements(CENTRAL, "S3CleanupLambdaExecutionRole"))
    buckets = [
        {"Fn::GetAtt": ["ResourceDataSyncBucket", "Arn"]},
        {"Fn::GetAtt": ["AthenaQueryResultsBucket", "Arn"]},
    ]
    assert (allowed["ReadConsent"]["Action"], allowed["ReadConsent"]["Resource"]) == ("s3:GetBucketTagging", buckets)
    assert allowed["ListVersionsAndUploads"]["Action"] == ["s3:ListBucketVersions", "s3:ListBucketMultipartUploads"]
    assert allowed["ListVersionsAndUploads"]["Resource"] == buckets
    assert allowed["DeleteObjectsAndUploads"]["Action"] == [
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:AbortMultipartUpload",
    ]
    assert allowed["DeleteObjectsAndUploads"]["Resource"] == [
        {"Fn::Sub": "${ResourceDataSyncBucket.Arn}/*"},
        {"Fn::Sub": "${AthenaQueryResultsBucket.Arn}/*"},
    ]
    assert allowed.keys() == {
        "SeeWhetherTheStackGoes",
        "ReadConsent",
        "ListVersionsAndUploads",
        "DeleteObjectsAndUploads",
        "WriteLog",
        "SendTraces",
    }


EXPIRY = [
    # parameter, its default, bucket, id of the rule
    ("NoncurrentVersionExpirationDays", 30, "ResourceDataSyncBucket", "expire-replaced-versions"),
    # A living node's file may stay unwritten for as long as nothing in it changes.
    ("NodeFileExpirationDays", 0, "ResourceDataSyncBucket", "expire-node-files"),
    ("QueryResultExpirationDays", 30, "AthenaQueryResultsBucket", "expire-query-results"),
]


@pytest.mark.parametrize(("parameter", "default", "bucket", "rule"), [pytest.param(*row, id=row[0]) for row in EXPIRY])
def test_objects_expire_as_the_parameters_say_and_0_is_never(
    parameter: str, default: int, bucket: str, rule: str
) -> None:
    template = load(CENTRAL)
    assert (template["Parameters"][parameter]["Default"], template["Parameters"][parameter]["MinValue"]) == (default, 0)
    rules = properties(CENTRAL, bucket)["LifecycleConfiguration"]["Rules"]
    (found,) = [each["Fn::If"] for each in rules if "Fn::If" in each and each["Fn::If"][1]["Id"] == rule]
    condition, then, otherwise = found
    assert template["Conditions"][condition] == {"Fn::Not": [{"Fn::Equals": [{"Ref": parameter}, 0]}]}
    assert otherwise == {"Ref": "AWS::NoValue"}
    assert then["Status"] == "Enabled"
    days = then.get("ExpirationInDays") or then["NoncurrentVersionExpiration"]["NoncurrentDays"]
    assert days == {"Ref": parameter}


def test_only_the_syncs_folder_loses_files_of_nodes() -> None:
    rules = properties(CENTRAL, "ResourceDataSyncBucket")["LifecycleConfiguration"]["Rules"]
    (rule,) = [each["Fn::If"][1] for each in rules if "Fn::If" in each and "ExpirationInDays" in each["Fn::If"][1]]
    assert rule["Prefix"] == {"Fn::Sub": "${ResourceDataSyncPrefix}/"}


@pytest.mark.parametrize("path", TEMPLATES)
def test_every_role_takes_the_boundary_and_the_path(path: Path) -> None:
    boundary = "arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/${PermissionsBoundaryPolicy}"
    for name, each in resources(path, "AWS::IAM::Role").items():
        assert each["Properties"]["Path"] == {"Ref": "RolePath"}, name
        assert each["Properties"]["PermissionsBoundary"] == {
            "Fn::If": ["HasPermissionsBoundary", {"Fn::Sub": boundary}, {"Ref": "AWS::NoValue"}]
        }, name


@pytest.mark.parametrize("path", TEMPLATES)
def test_each_functions_asynchronous_retries_are_set(path: Path) -> None:
    functions = resources(path, *FUNCTION_TYPES)
    configured = {name: each["Properties"].get("EventInvokeConfig") for name, each in functions.items()}
    for each in resources(path, "AWS::Lambda::EventInvokeConfig").values():
        (function,) = references(each["Properties"]["FunctionName"])
        # The custom resource names no version or alias.
        assert each["Properties"]["Qualifier"] == "$LATEST"
        configured[function] = each["Properties"]
    assert {name: each["MaximumRetryAttempts"] for name, each in configured.items()} == dict.fromkeys(functions, 2)


def test_what_fails_for_good_is_kept_and_raises_an_alarm() -> None:
    queue = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
    assert properties(CENTRAL, "DeleteGlueTableColumnFunction")["DeadLetterQueue"]["TargetArn"] == queue
    allowed = by_sid(role_statements(CENTRAL, "DeleteGlueTableColumnFunctionRole"))["KeepWhatFailed"]
    assert (allowed["Action"], allowed["Resource"]) == ("sqs:SendMessage", queue)
    rules = resources(CENTRAL, "AWS::Events::Rule")
    for rule in rules.values():
        for target in rule["Properties"]["Targets"]:
            assert target["DeadLetterConfig"]["Arn"] == queue
            assert target["RetryPolicy"].keys() == {"MaximumRetryAttempts", "MaximumEventAgeInSeconds"}
    policy = by_sid(statements(properties(CENTRAL, "DeadLetterQueuePolicy")["PolicyDocument"]))
    senders = policy["KeepWhatRulesCannotDeliver"]["Condition"]["ArnEquals"]["aws:SourceArn"]
    assert references(senders) - {"AWS::NoValue"} == rules.keys()
    alarms = {name: each["Properties"] for name, each in resources(CENTRAL, "AWS::CloudWatch::Alarm").items()}
    assert {(each["Namespace"], each["MetricName"]) for each in alarms.values()} == {
        ("AWS/Lambda", "Errors"),
        ("AWS/SQS", "ApproximateNumberOfMessagesVisible"),
    }
    assert {name: each["Dimensions"] for name, each in alarms.items()} == {
        "DeadLetterQueueAlarm": [{"Name": "QueueName", "Value": {"Fn::GetAtt": ["DeadLetterQueue", "QueueName"]}}],
        "DeleteGlueTableColumnFunctionErrorsAlarm": [
            {"Name": "FunctionName", "Value": {"Ref": "DeleteGlueTableColumnFunction"}}
        ],
    }
    # What failed has to be there for somebody to come back to it after a weekend and a holiday.
    assert properties(CENTRAL, "DeadLetterQueue")["MessageRetentionPeriod"] == 14 * 24 * 3600
    for each in alarms.values():
        # One is too many, and silence is good news.
        assert (each["Threshold"], each["EvaluationPeriods"]) == (1, 1)
        assert each["ComparisonOperator"] == "GreaterThanOrEqualToThreshold"
        assert each["TreatMissingData"] == "notBreaching"
        assert each.get("ActionsEnabled", True) is True
        assert each["AlarmActions"]["Fn::If"] == ["HasAlarmTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]


def test_functions_are_traced_only_if_that_is_asked_for() -> None:
    assert load(CENTRAL)["Globals"]["Function"]["Tracing"] == {"Ref": "TracingMode"}
    assert load(CENTRAL)["Parameters"]["TracingMode"]["Default"] == "PassThrough"
    for role in ("DeleteGlueTableColumnFunctionRole", "S3CleanupLambdaExecutionRole"):
        (policy,) = properties(CENTRAL, role)["Policies"]
        (conditional,) = [each["Fn::If"] for each in policy["PolicyDocument"]["Statement"] if "Fn::If" in each]
        assert (conditional[0], conditional[1]["Sid"]) == ("IsTraced", "SendTraces")


def test_the_cleanups_role_sees_no_other_stack() -> None:
    allowed = by_sid(role_statements(CENTRAL, "S3CleanupLambdaExecutionRole"))["SeeWhetherTheStackGoes"]
    assert (allowed["Action"], allowed["Resource"]) == ("cloudformation:DescribeStacks", {"Ref": "AWS::StackId"})


def test_the_cleanup_is_tried_again_for_a_bucket_too_large_for_one_run() -> None:
    retries = properties(CENTRAL, "S3BucketCleanup")["EventInvokeConfig"]
    # Lambda drops an event that is older, so none may be too old before CloudFormation stops waiting for its answer.
    timeout = properties(CENTRAL, "S3Cleanup")["ServiceTimeout"]
    assert retries["MaximumRetryAttempts"] == 2
    assert timeout <= retries["MaximumEventAgeInSeconds"] <= 3600


@pytest.mark.parametrize("path", TEMPLATES)
def test_functions_have_the_time_and_the_memory_that_was_measured(path: Path) -> None:
    functions = resources(path, *FUNCTION_TYPES)
    assert {
        name: (each["Properties"]["Timeout"], each["Properties"]["MemorySize"]) for name, each in functions.items()
    } == {
        CENTRAL: {"DeleteGlueTableColumnFunction": (300, 128), "S3BucketCleanup": (900, 512)},
        MEMBER: {"ResourceDataSyncLambdaFunction": (600, 128)},
    }[path]


def test_the_cleanup_runs_with_what_the_benchmark_runs_it_with() -> None:
    variables = properties(CENTRAL, "S3BucketCleanup")["Environment"]["Variables"]
    assert variables == TEMPLATE_VARIABLES["s3-cleanup"]


@pytest.mark.parametrize("bucket", ["ResourceDataSyncBucket", "AthenaQueryResultsBucket"])
def test_unfinished_uploads_and_lone_delete_markers_go(bucket: str) -> None:
    rules = properties(CENTRAL, bucket)["LifecycleConfiguration"]["Rules"]
    (uploads,) = [each for each in rules if "Fn::If" not in each]
    assert (uploads["Status"], uploads["AbortIncompleteMultipartUpload"]) == ("Enabled", {"DaysAfterInitiation": 7})
    replaced = [each["Fn::If"][1] for each in rules if "Fn::If" in each and "NoncurrentVersionExpiration" in str(each)]
    assert [each["ExpiredObjectDeleteMarker"] for each in replaced] == [True] * (bucket == "ResourceDataSyncBucket")


def test_the_workgroup_decides_where_and_how_results_are_kept() -> None:
    workgroup = properties(CENTRAL, "AthenaWorkGroup")
    assert workgroup["State"] == "ENABLED"
    assert workgroup["RecursiveDeleteOption"] is True
    configuration = workgroup["WorkGroupConfiguration"]
    assert configuration["EnforceWorkGroupConfiguration"] is True
    assert configuration["PublishCloudWatchMetricsEnabled"] is True
    assert configuration["BytesScannedCutoffPerQuery"]["Fn::If"] == [
        "HasBytesScannedCutoff",
        {"Ref": "BytesScannedCutoffPerQuery"},
        {"Ref": "AWS::NoValue"},
    ]
    assert configuration["ResultConfiguration"] == {
        "OutputLocation": {"Fn::Sub": "s3://${AthenaQueryResultsBucket}/"},
        "ExpectedBucketOwner": {"Ref": "AWS::AccountId"},
        "EncryptionConfiguration": {
            "EncryptionOption": "SSE_KMS",
            "KmsKey": {"Fn::GetAtt": ["ManagedInstanceDataEncryptionKey", "Arn"]},
        },
    }


# ----------------------------------------------------------------------------------------------------------------------
# The member template
# ----------------------------------------------------------------------------------------------------------------------


def test_the_member_template_has_no_transform() -> None:
    template = load(MEMBER)
    assert "Transform" not in template
    assert [node for node in walk(template) if isinstance(node, dict) and "Fn::Transform" in node] == []
    assert [each["Type"] for each in template["Resources"].values() if "AWS::Serverless" in each["Type"]] == []


def test_the_members_role_reaches_the_sync_of_its_name_only() -> None:
    allowed = by_sid(role_statements(MEMBER, "ResourceDataSyncLambdaRole"))
    assert allowed.keys() == {"WriteLog", "ManageSync", "ListSyncs"}
    manage = allowed["ManageSync"]
    assert manage["Action"] == ["ssm:CreateResourceDataSync", "ssm:DeleteResourceDataSync"]
    assert manage["Resource"] == {
        "Fn::Sub": [
            "arn:${AWS::Partition}:ssm:${AWS::Region}:${AWS::AccountId}:resource-data-sync/${SyncName}",
            {"SyncName": {"Ref": "ResourceDataSyncName"}},
        ]
    }
    assert allowed["ListSyncs"]["Action"] == "ssm:ListResourceDataSync"
    of_the_type = {"StringEquals": {"ssm:SyncType": "SyncToDestination"}}
    assert manage["Condition"] == allowed["ListSyncs"]["Condition"] == of_the_type


def test_a_new_name_of_the_sync_makes_a_new_policy_beside_the_old_one() -> None:
    # A changed PolicyName replaces an AWS::IAM::RolePolicy (and would rename an AWS::IAM::Policy in place): both names
    # are allowed until the update is over.
    policy = load(MEMBER)["Resources"]["ResourceDataSyncLambdaPolicy"]
    assert policy["Type"] == "AWS::IAM::RolePolicy"
    assert policy["Properties"]["PolicyName"] == {"Fn::Sub": "resource-data-sync-${ResourceDataSyncName}"}


def test_the_custom_resource_has_the_functions_properties() -> None:
    given = properties(MEMBER, "ResourceDataSyncCustomResource")
    assert {name: value for name, value in given.items() if not name.startswith("Service")} == {
        "ResourceDataSyncName": {"Ref": "ResourceDataSyncName"},
        "S3BucketName": {"Ref": "S3BucketName"},
        "S3BucketPrefix": {"Ref": "S3BucketPrefix"},
        "S3BucketRegion": {"Ref": "S3BucketRegion"},
        "KMSKeyArn": {"Fn::If": ["HasKmsKey", {"Ref": "KMSKeyArn"}, {"Ref": "AWS::NoValue"}]},
    }


def test_the_code_comes_from_a_bucket_of_the_stacks_own_region() -> None:
    code = properties(MEMBER, "ResourceDataSyncLambdaFunction")["Code"]
    assert code == {"S3Bucket": {"Fn::Sub": "${CodeS3Bucket}-${AWS::Region}"}, "S3Key": {"Ref": "CodeS3Key"}}


# ----------------------------------------------------------------------------------------------------------------------
# The code buckets' template
# ----------------------------------------------------------------------------------------------------------------------


def test_the_code_is_read_by_the_organizations_stack_sets_and_nobody_lists_or_writes() -> None:
    document = properties(CODE, "CodeBucketPolicy")["PolicyDocument"]
    (allowed,) = [each for each in statements(document) if each["Effect"] == "Allow"]
    stack_sets = "arn:${AWS::Partition}:iam::*:role/stacksets-exec-*"
    assert (allowed["Action"], allowed["Resource"]) == ("s3:GetObject", {"Fn::Sub": "${CodeBucket.Arn}/*"})
    assert allowed["Condition"] == {
        "StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}},
        "ArnLike": {
            "aws:PrincipalArn": {
                "Fn::If": [
                    "HasCodeReaders",
                    {"Fn::Split": [",", {"Fn::Sub": f"{stack_sets},${{CodeReaders}}"}]},
                    {"Fn::Sub": stack_sets},
                ]
            }
        },
    }


def test_old_code_goes_and_the_bucket_needs_no_key_to_be_read() -> None:
    bucket = properties(CODE, "CodeBucket")
    assert bucket["BucketName"] == {"Fn::Sub": "${CodeBucketPrefix}-${AWS::Region}"}
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption == {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert (rule["Status"], rule["NoncurrentVersionExpiration"]) == ("Enabled", {"NoncurrentDays": 30})
    assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 7}


OUTPUTS = {
    CENTRAL: {
        "KMSKeyArn": {"Fn::GetAtt": ["ManagedInstanceDataEncryptionKey", "Arn"]},
        "ResourceDataSyncBucketName": {"Ref": "ResourceDataSyncBucket"},
        "ResourceDataSyncPrefix": {"Ref": "ResourceDataSyncPrefix"},
        "AthenaQueryResultsBucket": {"Fn::GetAtt": ["AthenaQueryResultsBucket", "Arn"]},
        "GlueDatabaseName": {"Ref": "GlueDatabase"},
        "GlueCrawlerName": {"Ref": "GlueCrawler"},
        "AthenaWorkGroupName": {"Ref": "AthenaWorkGroup"},
    },
    MEMBER: {
        "ResourceDataSyncName": {"Ref": "ResourceDataSyncCustomResource"},
        "ResourceDataSyncLambdaFunction": {"Fn::GetAtt": ["ResourceDataSyncLambdaFunction", "Arn"]},
    },
    CODE: {"CodeBucketName": {"Ref": "CodeBucket"}},
    QUICKSIGHT: {
        "DashboardUrl": {
            "Fn::Sub": "https://${AWS::Region}.quicksight.aws.amazon.com/sn/dashboards/${AWS::StackName}-managed-nodes"
        },
        "DashboardId": {"Fn::Sub": "${AWS::StackName}-managed-nodes"},
        "DashboardArn": {"Fn::GetAtt": ["ManagedNodeDashboard", "Arn"]},
        "AnalysisId": {"Fn::Select": [1, {"Fn::Split": ["/", {"Fn::GetAtt": ["ManagedNodeAnalysis", "Arn"]}]}]},
        "DataSourceId": {"Fn::Sub": "${AWS::StackName}-source"},
    },
}


@pytest.mark.parametrize("path", ALL_TEMPLATES)
def test_outputs_are_what_the_scripts_and_the_other_templates_read(path: Path) -> None:
    assert {name: each["Value"] for name, each in load(path)["Outputs"].items()} == OUTPUTS[path]


# ----------------------------------------------------------------------------------------------------------------------
# The dashboard's template
# ----------------------------------------------------------------------------------------------------------------------


def test_a_failed_import_undoes_nothing() -> None:
    """By default CloudFormation waits for a data set's import, and undoes the stack if it fails."""
    found = resources(QUICKSIGHT, "AWS::QuickSight::DataSet")
    assert len(found) == 8
    for name, each in found.items():
        assert each["Properties"]["IngestionWaitPolicy"] == {"WaitForSpiceIngestion": False}, name


def test_imports_run_daily_and_only_if_there_are_any() -> None:
    schedules = resources(QUICKSIGHT, "AWS::QuickSight::RefreshSchedule")
    data_sets = resources(QUICKSIGHT, "AWS::QuickSight::DataSet")
    assert {each["DependsOn"] for each in schedules.values()} == data_sets.keys()
    for name, each in schedules.items():
        assert each["Condition"] == "IsImportedToSpice", name
        assert each["Properties"]["DataSetId"] == data_sets[each["DependsOn"]]["Properties"]["DataSetId"], name
        frequency = each["Properties"]["Schedule"]["ScheduleFrequency"]
        assert frequency == {"Interval": "DAILY", "TimeOfTheDay": {"Ref": "RefreshTime"}, "TimeZone": "UTC"}, name
