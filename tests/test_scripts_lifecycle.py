"""The operators' scripts from the first deployment to the removal, as a team would run them, on a local AWS.

One organization for each story, told in the order of the file: each test goes on from where the one before it stopped.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import subprocess
import time
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import stacks
from deployment import object_versions, wait_for
from fleet.answers import NAMES
from local_aws.server import LocalAws
from operator_scripts import Checkout, Run
from organization import (
    CENTRAL_ACCOUNT,
    DEVELOPMENT,
    HOME_REGION,
    MANAGEMENT_ACCOUNT,
    MEMBER_ACCOUNTS,
    ORGANIZATION,
    PRODUCTION,
    REGIONS,
    STACK_SETS_SERVICE,
    WORKLOADS,
)

STACK_SET = "organization-resource-data-sync"
BUCKET = f"ssm-resource-sync-{HOME_REGION}-{CENTRAL_ACCOUNT}"
CODE = hashlib.sha256(f"patch-reporting\n{HOME_REGION}".encode()).hexdigest()[:8]
CODE_BUCKETS = [f"patch-reporting-code-{CENTRAL_ACCOUNT}-{CODE}-{region}" for region in REGIONS]
ROOT_UNIT = "r-a1b2"
QUICKSIGHT = """
Resources:
  Source:
    Type: AWS::QuickSight::DataSource
    Properties:
      AwsAccountId: !Ref AWS::AccountId
      DataSourceId: patches
      Name: patches
      Type: ATHENA
      DataSourceParameters: {AthenaParameters: {WorkGroup: primary}}
"""
TOPIC = "Resources: {Topic: {Type: AWS::SNS::Topic}}"
FAILING = (MEMBER_ACCOUNTS[2], REGIONS[1])
# It was closed, and is still in its unit.
SUSPENDED = "567890123456"

DEPLOY_CENTRAL = ["deploy-central", "--organization-id", ORGANIZATION["Id"], "--profile", "central", "--skip-build"]
PROFILES = ["--central-profile", "central", "--stackset-profile", "management"]
DEPLOY_MEMBERS = ["deploy-members", "--regions", ",".join(REGIONS), "--ou", WORKLOADS, "--skip-build", *PROFILES]
VERIFY = ["verify", "--regions", ",".join(REGIONS), *PROFILES]
TEARDOWN = ["teardown", *PROFILES]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """An organization of our own, with nodes that report as of now."""
    fleet = {
        "seed": 1,
        "accounts": MEMBER_ACCOUNTS,
        "regions": REGIONS,
        "nodes": 48,
        "now": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    units = ORGANIZATION["OrganizationalUnits"]
    development = {**units[DEVELOPMENT], "Accounts": [*units[DEVELOPMENT]["Accounts"], SUSPENDED]}
    organization = {
        **ORGANIZATION,
        "Accounts": [*ORGANIZATION["Accounts"], SUSPENDED],
        "OrganizationalUnits": {**units, DEVELOPMENT: development},
        "SuspendedAccounts": [SUSPENDED],
    }
    log = tmp_path_factory.mktemp("local_aws") / "server.log"
    with LocalAws(organization, fleet, log_path=log) as server:
        yield server


@pytest.fixture(scope="module")
def checkout(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"), aws)


def stack_sets(aws: LocalAws) -> Any:
    """A client of the API of StackSets, as the management account."""
    return aws.client("cloudformation", MANAGEMENT_ACCOUNT, HOME_REGION)


def instances(aws: LocalAws) -> dict[tuple[str, str], str]:
    """The detailed status of each instance, those of the suspended account left out."""
    return {
        (each["Account"], each["Region"]): each["StackInstanceStatus"]["DetailedStatus"]
        for each in instance_summaries(aws)
        if each["Account"] != SUSPENDED
    }


def instance_summaries(aws: LocalAws) -> list[dict[str, Any]]:
    """All instances, those of the suspended account included."""
    return stack_sets(aws).list_stack_instances(StackSetName=STACK_SET)["Summaries"]


def running(aws: LocalAws) -> bool:
    """Whether an operation of the StackSet is under way."""
    found = stack_sets(aws).list_stack_set_operations(StackSetName=STACK_SET)["Summaries"]
    return any(each["Status"] in ("QUEUED", "RUNNING") for each in found)


def operations(aws: LocalAws) -> list[str]:
    """The actions of all operations of the StackSet, the newest first."""
    return [each["Action"] for each in stack_sets(aws).list_stack_set_operations(StackSetName=STACK_SET)["Summaries"]]


def ship_new_code(checkout: Checkout) -> None:
    """Other bytes for the member function's zip, which do the same."""
    with zipfile.ZipFile(checkout.sync_package, "a") as package:
        package.writestr(f"note-{time.monotonic_ns()}", "another build")


def packed_for_another_processor(checkout: Checkout, function: str) -> AbstractContextManager[None]:
    """Puts an executable for arm64 into a function's zip, until the block ends."""
    package = checkout.folder / "target" / "lambda" / function / "bootstrap.zip"
    return replaced(package, zipped(b"\x7fELF\x02\x01\x01" + bytes(11) + (183).to_bytes(2, "little")))


def zipped(bootstrap: bytes) -> bytes:
    """A function's package."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("bootstrap", bootstrap)
    return file.getvalue()


@contextmanager
def replaced(path: Path, content: bytes) -> Iterator[None]:
    """A file with another content, until the block ends."""
    before = path.read_bytes()
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def one_line(run: Run) -> str:
    """What a run that did nothing says; fails if it says more or did not fail."""
    assert run.status == 1, run.all
    lines = run.errors.splitlines()
    assert len(lines) == 1, run.all
    return lines[0]


# --- Before anything is there


def test_an_organization_that_is_not_the_accounts_is_refused(checkout: Checkout) -> None:
    run = checkout.run(*DEPLOY_CENTRAL, "--organization-id", "o-b2c3d4e5f6")
    expected = f"account {CENTRAL_ACCOUNT} belongs to the organization {ORGANIZATION['Id']}, not to o-b2c3d4e5f6"
    assert expected in one_line(run)
    assert checkout.changing_calls() == []


def test_an_account_of_no_organization_is_refused(checkout: Checkout) -> None:
    run = checkout.run(*DEPLOY_CENTRAL, "--profile", "outsider")
    assert "belongs to no organization" in one_line(run)
    assert checkout.changing_calls() == []


def test_members_are_not_deployed_without_a_central_stack(checkout: Checkout) -> None:
    run = checkout.run(*DEPLOY_MEMBERS)
    assert f"account {CENTRAL_ACCOUNT} has no stack patch-reporting in {HOME_REGION}" in one_line(run)


def test_a_dry_run_of_the_central_deployment_changes_nothing(checkout: Checkout, aws: LocalAws) -> None:
    run = checkout.run(*DEPLOY_CENTRAL, "--dry-run", "--start-crawler")
    assert run.status == 0, run.all
    assert "would run: sam deploy --template-file cfn/patch-reporting.yaml" in run.output
    assert checkout.changing_calls() == []
    assert aws.client("cloudformation", CENTRAL_ACCOUNT, HOME_REGION).describe_stacks()["Stacks"] == []


def test_a_parameter_that_cloudformation_refuses_is_told_in_its_words(checkout: Checkout) -> None:
    run = checkout.run(*DEPLOY_CENTRAL, "--parameter", "NamePrefix=Has-Capitals")
    assert run.status == 1, run.all
    assert "NamePrefix" in run.errors
    assert run.errors.splitlines()[-1].endswith("could not be deployed; above is why")


def test_a_sam_that_fails_without_a_word_is_told_all_the_same(checkout: Checkout) -> None:
    sam = checkout.folder / "bin" / "sam"
    real = sam.read_text()
    sam.write_text('#!/bin/sh\n[ "$1" = --version ]\n')
    try:
        run = checkout.run(*DEPLOY_CENTRAL)
    finally:
        sam.write_text(real)
    assert "the stack patch-reporting in us-east-1 could not be deployed" in one_line(run)


def test_functions_for_another_processor_are_refused(checkout: Checkout) -> None:
    with packed_for_another_processor(checkout, "s3-cleanup"):
        run = checkout.run(*DEPLOY_CENTRAL)
    assert "s3-cleanup/bootstrap.zip was built for arm64, not for x86_64" in one_line(run)
    assert checkout.changing_calls() == []


def test_a_stack_that_is_something_else_is_neither_updated_nor_deleted(checkout: Checkout, aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation", CENTRAL_ACCOUNT, HOME_REGION)
    assert stacks.create(cloudformation, "network", TOPIC) == "CREATE_COMPLETE"
    for command in ([*DEPLOY_CENTRAL, "--stack-name"], [*TEARDOWN, "--delete-data", "--central-stack"]):
        run = checkout.run(*command, "network")
        assert f"network in {HOME_REGION} is no central stack" in one_line(run)
        assert checkout.changing_calls() == []
    stacks.delete(cloudformation, "network")


# --- Central stack


def test_the_central_stack_is_deployed_and_the_next_command_is_told(checkout: Checkout, aws: LocalAws) -> None:
    run = checkout.run(*DEPLOY_CENTRAL, "--parameter", "GlueCrawlerSchedule=cron(0 6 ? * MON-FRI *)")
    assert run.status == 0, run.all
    assert f"ResourceDataSyncBucketName   {BUCKET}" in run.output
    next_command = run.output.splitlines()[-1].strip()
    assert next_command.startswith("scripts/deploy-members --regions <Regions with nodes> --ou <units, or the root> ")
    assert "--central-profile central --stackset-profile <" in next_command
    crawler = aws.client("glue", CENTRAL_ACCOUNT, HOME_REGION).get_crawler(Name="SSM-GlueCrawler")["Crawler"]
    assert crawler["Schedule"]["ScheduleExpression"] == "cron(0 6 ? * MON-FRI *)", "blanks reach the template"


def test_a_second_run_keeps_parameters_and_changes_nothing(checkout: Checkout, aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation", CENTRAL_ACCOUNT, HOME_REGION)
    before = cloudformation.describe_stack_events(StackName="patch-reporting")["StackEvents"]
    run = checkout.run(*DEPLOY_CENTRAL)
    assert run.status == 0, run.all
    assert "no changes" in run.output
    assert cloudformation.describe_stack_events(StackName="patch-reporting")["StackEvents"] == before


# --- Who may deploy to the members


def test_an_account_that_is_neither_management_nor_delegate_is_refused(checkout: Checkout) -> None:
    run = checkout.run(*DEPLOY_MEMBERS, "--stackset-profile", "central")
    line = one_line(run)
    assert "is neither the management account (999999999999) nor a delegated administrator for StackSets" in line
    assert checkout.changing_calls() == []


def test_missing_trusted_access_is_told_with_its_remedy(checkout: Checkout, aws: LocalAws) -> None:
    organizations = aws.client("organizations", MANAGEMENT_ACCOUNT, HOME_REGION)
    organizations.disable_aws_service_access(ServicePrincipal=STACK_SETS_SERVICE)
    try:
        run = checkout.run(*DEPLOY_MEMBERS)
    finally:
        organizations.enable_aws_service_access(ServicePrincipal=STACK_SETS_SERVICE)
    line = one_line(run)
    assert "no trusted access" in line
    assert "aws cloudformation activate-organizations-access" in line
    assert checkout.changing_calls() == []


def test_profiles_of_two_organizations_are_refused(checkout: Checkout) -> None:
    with checkout.answering(
        "*management*describe-organization\\ *", f"printf 'o-b2c3d4e5f6\\t{MANAGEMENT_ACCOUNT}\\n'; exit 0"
    ):
        for command in (DEPLOY_MEMBERS, [*TEARDOWN, "--delete-data"]):
            line = one_line(checkout.run(*command))
            assert "belongs to the organization o-b2c3d4e5f6, but the stack patch-reporting serves o-a1b2c3d4e5" in line
            assert checkout.changing_calls() == []


@pytest.mark.parametrize(
    ("refusal", "words", "note"),
    [
        ("Could not connect to the endpoint URL", "can't ask for the organization of account 999999999999", None),
        (
            "An error occurred (AccessDeniedException) when calling the DescribeOrganization operation: no",
            "neither the management account nor a delegated administrator",
            "account 999999999999 may not ask for its organization, so it is taken for a delegated administrator",
        ),
    ],
    ids=["no answer", "denied"],
)
def test_an_organization_that_does_not_answer_is_no_other_than_one_that_may_not_be_asked(
    checkout: Checkout, refusal: str, words: str, note: str | None
) -> None:
    with checkout.refusing("*management*describe-organization\\ *", refusal):
        run = checkout.run(*DEPLOY_MEMBERS)
    assert words in one_line(run)
    assert ("note: " in run.output) == bool(note)
    assert note is None or note in run.output


def test_a_region_that_the_central_account_has_not_enabled_is_named_before_anything_is_made(checkout: Checkout) -> None:
    refusal = (
        "An error occurred (InvalidClientTokenId) when calling the DescribeStacks operation: "
        "The security token included in the request is invalid."
    )
    with checkout.refusing("*--region\\ eu-west-1*describe-stacks*", refusal):
        run = checkout.run(*DEPLOY_MEMBERS)
    assert f"the Region eu-west-1 is not enabled in account {CENTRAL_ACCOUNT}: " in one_line(run)
    assert checkout.changing_calls() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--ou", "r-b2c3"], "the organization's root is r-a1b2, not r-b2c3"),
        (["--ou", "ou-a1b2-99999999"], "there is no unit ou-a1b2-99999999 in the organization"),
        (["--account", MANAGEMENT_ACCOUNT, "--ou", ROOT_UNIT], "StackSets never deploys to the management account"),
        (["--account", "121212121212"], "there is no active account 121212121212"),
        (["--account", CENTRAL_ACCOUNT], f"there is no active account {CENTRAL_ACCOUNT} below {WORKLOADS}"),
    ],
)
def test_targets_that_are_not_there_are_named(checkout: Checkout, arguments: list[str], words: str) -> None:
    run = checkout.run(*DEPLOY_MEMBERS, *arguments)
    assert words in one_line(run)
    assert checkout.changing_calls() == []


# --- Members


def test_a_dry_run_of_the_member_deployment_changes_nothing(checkout: Checkout) -> None:
    run = checkout.run(*DEPLOY_MEMBERS, "--dry-run")
    assert run.status == 0, run.all
    for command in ("create-stack ", "s3api put-object", "create-stack-set ", "create-stack-instances "):
        assert f"would run: aws {'' if 's3api' in command else 'cloudformation '}{command}" in run.output
    assert checkout.changing_calls() == []


def test_a_failing_account_is_named_while_all_others_are_deployed(checkout: Checkout, aws: LocalAws) -> None:
    account, region = FAILING
    aws.client("ssm", account, region).create_resource_data_sync(
        SyncName="somebody-elses",
        S3Destination={
            "BucketName": BUCKET,
            "Prefix": "ResourceDataSync",
            "SyncFormat": "JsonSerDe",
            "Region": HOME_REGION,
            "DestinationDataSharing": {"DestinationDataSharingType": "Organization"},
        },
    )
    run = checkout.run(*DEPLOY_MEMBERS)
    assert run.status == 1, run.all
    (reason,) = [line for line in run.errors.splitlines() if line.strip().startswith(account)]
    assert reason.strip().startswith(f"{account} {region} FAILED: ResourceLogicalId:ResourceDataSyncCustomResource")
    assert "5 instances deployed, 2 skipped (suspended accounts), 1 failed" in run.output
    states = instances(aws)
    assert states.pop(FAILING) == "FAILED"
    assert set(states.values()) == {"SUCCEEDED"}
    assert len(states) == 5


def test_after_mending_only_the_failed_one_is_tried_again(checkout: Checkout, aws: LocalAws) -> None:
    """By an AWS CLI of before November 2023, with its words: aws-cli 1.29.60."""
    account, region = FAILING
    aws.client("ssm", account, region).delete_resource_data_sync(SyncName="somebody-elses")
    refusal = (
        '\nParameter validation failed:\nUnknown parameter in OperationPreferences: "ConcurrencyMode", must be one of: '
        "RegionConcurrencyType, RegionOrder, FailureToleranceCount, FailureTolerancePercentage, MaxConcurrentCount, "
        "MaxConcurrentPercentage"
    )
    with checkout.refusing("*ConcurrencyMode*", refusal):
        run = checkout.run(*DEPLOY_MEMBERS)
    assert run.status == 0, run.all
    assert "note: this AWS CLI does not know ConcurrencyMode" in run.output
    assert "trying again what failed" in run.output
    newest = stack_sets(aws).list_stack_set_operations(StackSetName=STACK_SET)["Summaries"][0]["OperationId"]
    results = stack_sets(aws).list_stack_set_operation_results(StackSetName=STACK_SET, OperationId=newest)["Summaries"]
    assert [(each["Account"], each["Region"]) for each in results] == [FAILING]
    assert set(instances(aws).values()) == {"SUCCEEDED"}


def test_a_second_run_changes_nothing(checkout: Checkout, aws: LocalAws) -> None:
    before = operations(aws)
    run = checkout.run(*DEPLOY_MEMBERS)
    assert run.status == 0, run.all
    assert "the StackSet is up to date" in run.output
    assert "no instance is missing" in run.output
    assert operations(aws) == before
    # CloudFormation answers it with "No updates are to be performed".
    assert {call.split()[1] for call in checkout.changing_calls()} == {"update-stack"}


def test_the_stack_set_is_made_as_a_large_organization_needs_it(aws: LocalAws) -> None:
    found = stack_sets(aws).describe_stack_set(StackSetName=STACK_SET)["StackSet"]
    assert found["PermissionModel"] == "SERVICE_MANAGED"
    assert found["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": False}
    assert found["ManagedExecution"] == {"Active": True}
    assert found["Capabilities"] == ["CAPABILITY_IAM"]
    assert found["OrganizationalUnitIds"] == [WORKLOADS]
    oldest = stack_sets(aws).list_stack_set_operations(StackSetName=STACK_SET)["Summaries"][-1]["OperationId"]
    operation = stack_sets(aws).describe_stack_set_operation(StackSetName=STACK_SET, OperationId=oldest)
    preferences = operation["StackSetOperation"]["OperationPreferences"]
    assert preferences["RegionConcurrencyType"] == "PARALLEL"
    assert preferences["FailureTolerancePercentage"] == 100
    assert preferences["ConcurrencyMode"] == "SOFT_FAILURE_TOLERANCE"


def test_new_code_reaches_every_instance_also_of_regions_that_are_not_named(checkout: Checkout, aws: LocalAws) -> None:
    """An update gives its parameters to all instances, and keeps those that nobody has given anew."""
    reader = f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:role/*Deployer"
    run = checkout.run(*DEPLOY_MEMBERS, "--parameter", "LogRetentionDays=30", "--code-reader", reader)
    assert run.status == 0, run.all
    ship_new_code(checkout)
    run = checkout.run(*DEPLOY_MEMBERS, "--regions", HOME_REGION)
    assert run.status == 0, run.all
    assert "note: the StackSet has further Regions, which are updated too: eu-west-1" in run.output
    assert "updating all instances" in run.output
    assert set(instances(aws).values()) == {"SUCCEEDED"}
    keys = set()
    for account in MEMBER_ACCOUNTS:
        for region in REGIONS:
            (stack,) = aws.client("cloudformation", account, region).describe_stacks()["Stacks"]
            given = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
            keys.add(given["CodeS3Key"])
            assert given["LogRetentionDays"] == "30"
    (key,) = keys
    for bucket, region in zip(CODE_BUCKETS, REGIONS, strict=True):
        s3 = aws.client("s3", CENTRAL_ACCOUNT, region)
        s3.head_object(Bucket=bucket, Key=key)
        condition = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]["Condition"]
        assert condition["StringEquals"] == {"aws:PrincipalOrgID": ORGANIZATION["Id"]}
        assert condition["ArnLike"]["aws:PrincipalArn"] == ["arn:aws:iam::*:role/stacksets-exec-*", reader]


def test_what_the_stack_set_has_and_nobody_named_is_told(checkout: Checkout) -> None:
    with packed_for_another_processor(checkout, "org-resource-data-sync"):
        run = checkout.run("deploy-members", "--regions", HOME_REGION, "--ou", PRODUCTION, "--skip-build", *PROFILES)
    assert f"note: the StackSet serves further units, which it goes on to: {WORKLOADS}" in run.output
    assert "org-resource-data-sync/bootstrap.zip was built for arm64, not for x86_64" in one_line(run)


def test_a_delegated_administrator_may_deploy(checkout: Checkout, aws: LocalAws) -> None:
    organizations = aws.client("organizations", MANAGEMENT_ACCOUNT, HOME_REGION)
    delegate = {"AccountId": CENTRAL_ACCOUNT, "ServicePrincipal": STACK_SETS_SERVICE}
    organizations.register_delegated_administrator(**delegate)
    try:
        run = checkout.run(*DEPLOY_MEMBERS, "--stackset-profile", "central")
    finally:
        organizations.deregister_delegated_administrator(**delegate)
    assert run.status == 0, run.all
    assert "a delegated administrator" in run.output
    assert "6 instances deployed, 2 skipped (suspended accounts), 0 failed" in run.output


def test_a_second_central_stack_leaves_the_first_ones_members_alone(checkout: Checkout, aws: LocalAws) -> None:
    second = ["--parameter", "NamePrefix=second", "--stack-name", "second", "--start-crawler"]
    deployed = checkout.run(*DEPLOY_CENTRAL, *second, "--parameter", "EmptyBucketsOnDelete=false")
    assert deployed.status == 0, deployed.all
    assert "note: nothing has arrived in the bucket yet" in deployed.output
    before = operations(aws)
    bucket = f"second-resource-sync-{HOME_REGION}-{CENTRAL_ACCOUNT}"
    line = one_line(checkout.run(*DEPLOY_MEMBERS, "--central-stack", "second"))
    assert f"the members of the StackSet {STACK_SET} ship to {BUCKET}, not to {bucket}" in line
    assert "say --move-members" in line
    assert checkout.changing_calls() == []
    line = one_line(checkout.run(*TEARDOWN, "--central-stack", "second", "--delete-data"))
    assert f"the members of the StackSet {STACK_SET} ship to {BUCKET}, not to the bucket of second" in line
    assert checkout.changing_calls() == []
    # Its removal, of data that was to be kept too, once the StackSet's name is right.
    aws.client("s3", CENTRAL_ACCOUNT, HOME_REGION).put_object(Bucket=bucket, Key="ResourceDataSync/x", Body=b"x")
    run = checkout.run(*TEARDOWN, "--central-stack", "second", "--delete-data", "--stack-set-name", "second-sync")
    assert run.status == 0, run.all
    assert object_versions(aws, bucket) == -1
    assert f"Anybody can now take the name {bucket}" in run.output
    key = run.output.split("KMS deletes in 30 days: ")[1].split()[0]
    kms = aws.client("kms", CENTRAL_ACCOUNT, HOME_REGION)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    assert operations(aws) == before
    for code_bucket, region in zip(CODE_BUCKETS, REGIONS, strict=True):
        assert object_versions(aws, code_bucket, CENTRAL_ACCOUNT, region) > 0


# --- Verification


def test_verify_before_the_first_crawl_says_that_and_no_more(checkout: Checkout) -> None:
    run = checkout.run(*VERIFY)
    assert run.status == 1, run.all
    (problem,) = [line.strip() for line in run.output.splitlines() if "problem: " in line]
    assert problem.startswith(
        "problem: the crawler SSM-GlueCrawler has never run: scripts/deploy-central --start-crawler"
    )
    assert run.output.rstrip().endswith("1 problem")
    assert checkout.changing_calls() == []


def test_verify_finds_that_all_is_well(checkout: Checkout) -> None:
    """As the README has it: for the whole organization, of which two accounts are outside of the StackSet's units."""
    deployed = checkout.run(*DEPLOY_CENTRAL, "--start-crawler")
    assert deployed.status == 0, deployed.all
    assert "scripts/verify --regions " in deployed.output.splitlines()[-1]
    run = checkout.run(*VERIFY)
    assert run.status == 0, run.all
    assert run.output.rstrip().endswith("all is well")
    assert run.output.count("SUCCEEDED") == 6 + 1 + len(NAMES), "instances, crawl, queries"
    assert f"note: accounts outside of the StackSet's units, which ship nothing: 1 ({CENTRAL_ACCOUNT})" in run.output
    assert f"note: the management account {MANAGEMENT_ACCOUNT} has shipped nothing" in run.output
    assert "\033" not in run.output, "colours are for terminals"
    assert {call.split()[1] for call in checkout.changing_calls()} == {"start-query-execution"}


def test_verify_expects_files_of_an_account_that_is_named_and_a_dry_run_runs_no_query(checkout: Checkout) -> None:
    run = checkout.run(*VERIFY, "--accounts", CENTRAL_ACCOUNT, "--dry-run")
    assert run.status == 1, run.all
    for region in REGIONS:
        assert f"problem: {CENTRAL_ACCOUNT} {region}: no stack instance, and nothing has arrived" in run.output
    assert "    0 files of 0 types, 1 accounts" in run.output.splitlines()
    assert "would run: QueryPatchSummary" in run.output
    assert checkout.changing_calls() == []
    assert run.output.rstrip().endswith("2 problems")


def test_verify_json_is_one_document_and_has_what_the_syncs_say(checkout: Checkout, aws: LocalAws) -> None:
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{MANAGEMENT_ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
    may = {"Effect": "Allow", "Action": "ssm:ListResourceDataSync", "Resource": "*"}
    for account in MEMBER_ACCOUNTS[:2]:
        iam = aws.client("iam", account)
        iam.create_role(RoleName="Audit", AssumeRolePolicyDocument=policy(trust))
        iam.put_role_policy(RoleName="Audit", PolicyName="read", PolicyDocument=policy(may))
    run = checkout.run(*VERIFY, "--skip-queries", "--member-role", "Audit", "--json")
    assert run.status == 0, run.all
    document = json.loads(run.output)
    assert document["ok"] is True
    members = {(each["account"], each["region"]): each for each in document["members"]}
    assert members.keys() == {
        (account, region) for account in [*MEMBER_ACCOUNTS, MANAGEMENT_ACCOUNT] for region in REGIONS
    }
    assert document["accounts_outside"] == [CENTRAL_ACCOUNT]
    first = members[MEMBER_ACCOUNTS[0], HOME_REGION]
    assert first["stack_instance"]["status"] == "SUCCEEDED"
    assert first["nodes"] > 0
    assert "AWS:PatchSummary" in first["types"]
    assert document["crawler"]["last_crawl"] == "SUCCEEDED"
    for account in MEMBER_ACCOUNTS[:2]:
        assert [members[account, region]["sync"]["status"] for region in REGIONS] == ["Successful"] * 2
    without_role = members[MEMBER_ACCOUNTS[2], HOME_REGION]["sync"]
    assert without_role["status"] == "Unknown"
    assert "AssumeRole" in without_role["message"]
    assert "SecretAccessKey" not in run.all


def policy(statement: dict[str, Any]) -> str:
    """A policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_verify_names_missing_types_with_the_command_that_turns_them_on(checkout: Checkout, aws: LocalAws) -> None:
    account, region = FAILING
    s3 = aws.client("s3", CENTRAL_ACCOUNT, HOME_REGION)
    for kind in ("AWS:Application", "AWS:ComplianceSummary", "AWS:PatchSummary"):
        prefix = f"ResourceDataSync/{kind}/accountid={account}/region={region}/"
        for each in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"]:
            s3.delete_object(Bucket=BUCKET, Key=each["Key"])
    run = checkout.run(*VERIFY, "--skip-queries")
    assert run.status == 1, run.all
    lines = run.output.splitlines()
    for words, command in (
        ("No software inventory", "aws ssm create-association --name AWS-GatherSoftwareInventory"),
        ("No patch scan", "aws ssm create-association --name AWS-RunPatchBaseline"),
    ):
        (number,) = [number for number, line in enumerate(lines) if words in line]
        assert lines[number].endswith(f": {account} {region}")
        assert command in lines[number + 1]


def test_verify_names_a_failed_crawl_and_a_failed_query(checkout: Checkout, aws: LocalAws) -> None:
    glue = aws.client("glue", CENTRAL_ACCOUNT, HOME_REGION)
    (database,) = [each["Name"] for each in glue.get_databases()["DatabaseList"] if "resource_sync" in each["Name"]]
    glue.delete_table(DatabaseName=database, Name="aws_patchsummary")
    role = glue.get_crawler(Name="SSM-GlueCrawler")["Crawler"]["Role"]
    iam = aws.client("iam", CENTRAL_ACCOUNT)
    iam.delete_role_policy(RoleName=role.rsplit("/", 1)[-1], PolicyName="crawl")
    deployed = checkout.run(*DEPLOY_CENTRAL, "--start-crawler")
    assert deployed.status == 1, deployed.all
    assert "the crawl FAILED: " in deployed.errors.splitlines()[-1]
    run = checkout.run(*VERIFY)
    assert run.status == 1, run.all
    assert "problem: the last crawl of SSM-GlueCrawler FAILED: " in run.output
    failed = [line for line in run.output.splitlines() if "problem: query " in line]
    assert any(line.strip().startswith("problem: query QueryPatchSummary FAILED: ") for line in failed)
    assert all("aws_patchsummary" in line for line in failed)
    assert len(failed) < len(NAMES)


# --- Removal


def test_teardown_refuses_to_delete_data_unasked(checkout: Checkout, aws: LocalAws) -> None:
    before = object_versions(aws, BUCKET)
    run = checkout.run(*TEARDOWN)
    line = one_line(run)
    assert "say --delete-data" in line
    assert "--parameter EmptyBucketsOnDelete=false" in line
    assert checkout.changing_calls() == []
    assert object_versions(aws, BUCKET) == before
    assert len(instances(aws)) == 6


def test_teardown_dry_run_changes_nothing(checkout: Checkout) -> None:
    run = checkout.run(*TEARDOWN, "--delete-data", "--dry-run")
    assert run.status == 0, run.all
    order = [
        "delete-stack-instances",
        "delete-stack-set ",
        f"patch-reporting-code-{CODE} ",
        "--stack-name patch-reporting ",
    ]
    places = [run.output.index(each) for each in order]
    assert places == sorted(places), "in the order in which it would be done"
    assert checkout.changing_calls() == []


def test_teardown_refuses_while_others_ship_to_the_bucket(checkout: Checkout, aws: LocalAws) -> None:
    """A stack of the management account, and a sync of another account of whose nodes none has reported yet."""
    s3 = aws.client("s3", CENTRAL_ACCOUNT, HOME_REGION)
    keys = [
        f"ResourceDataSync/AWS:Tag/accountid={MANAGEMENT_ACCOUNT}/region=us-east-1/resourcetype=x/i-1.json",
        f"ResourceDataSync/AWS:InstanceInformation/accountid={CENTRAL_ACCOUNT}/test.json",
    ]
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"{}")
    run = checkout.run(*TEARDOWN, "--delete-data")
    assert run.status == 1, run.all
    first, second, line = run.errors.splitlines()
    assert first.strip().startswith(f"{CENTRAL_ACCOUNT} (no node yet), newest file ")
    assert second.strip().startswith(f"{MANAGEMENT_ACCOUNT} us-east-1, newest file ")
    assert line.endswith(f"say --members-are-gone {CENTRAL_ACCOUNT},{MANAGEMENT_ACCOUNT}")
    assert checkout.changing_calls() == []
    s3.delete_object(Bucket=BUCKET, Key=keys[0])


def test_teardown_refuses_a_stack_that_only_has_the_quicksight_stacks_name(checkout: Checkout, aws: LocalAws) -> None:
    cloudformation = aws.client("cloudformation", CENTRAL_ACCOUNT, HOME_REGION)
    assert stacks.create(cloudformation, "patch-reporting-quicksight", TOPIC) == "CREATE_COMPLETE"
    run = checkout.run(*TEARDOWN, "--delete-data")
    assert "the stack patch-reporting-quicksight has nothing of QuickSight" in one_line(run)
    assert checkout.changing_calls() == []
    stacks.delete(cloudformation, "patch-reporting-quicksight")


def test_teardown_stops_before_the_central_stack_while_an_instance_is_left(checkout: Checkout, aws: LocalAws) -> None:
    account, region = FAILING
    cloudformation = aws.client("cloudformation", account, region)
    (stack,) = cloudformation.describe_stacks()["Stacks"]
    resource = cloudformation.describe_stack_resource(
        StackName=stack["StackName"], LogicalResourceId="ResourceDataSyncLambdaRole"
    )
    role = resource["StackResourceDetail"]["PhysicalResourceId"]
    # A role with a policy that the stack does not know of can't be deleted.
    iam = aws.client("iam", account)
    iam.put_role_policy(
        RoleName=role,
        PolicyName="somebody-elses",
        PolicyDocument=policy({"Effect": "Deny", "Action": "ssm:DeleteResourceDataSync", "Resource": "*"}),
    )
    run = checkout.run(*TEARDOWN, "--delete-data", "--members-are-gone", CENTRAL_ACCOUNT)
    assert run.status == 1, run.all
    assert f"{account} {region} INOPERABLE: " in run.errors
    assert f"{SUSPENDED} {region} SKIPPED_SUSPENDED_ACCOUNT: " in run.errors
    assert "stack instances that are left, above: 3;" in run.errors.splitlines()[-1]
    assert "delete-stack-instances --stack-set-name organization-resource-data-sync" in run.output
    assert object_versions(aws, BUCKET) > 0
    assert list(instances(aws)) == [FAILING]
    iam.delete_role_policy(RoleName=role, PolicyName="somebody-elses")


def test_an_inoperable_instance_is_told_with_the_way_out(checkout: Checkout, aws: LocalAws) -> None:
    """And the way out is one: the command, as it is printed, takes the instance out of the StackSet."""
    account, region = FAILING
    run = checkout.run(*DEPLOY_MEMBERS, "--account", account)
    assert run.status == 1, run.all
    assert f"{account} {region} INOPERABLE: " in run.errors
    (command,) = [line.strip() for line in run.output.splitlines() if "delete-stack-instances" in line]
    assert f"--regions {region} " in command
    assert f"Accounts={account}," in command
    # Made by hand for the suspended account too, which no run of a script can help.
    subprocess.run(shlex.split(command.replace(account, SUSPENDED)), env=checkout.env(), check=True)
    wait_for(lambda: not running(aws), 60, "the operation is still running")
    places = {(each["Account"], each["Region"]) for each in instance_summaries(aws)}
    assert (SUSPENDED, region) not in places
    assert {FAILING, (SUSPENDED, HOME_REGION)} <= places


def test_teardown_goes_on_from_there_and_keeps_the_data_if_that_is_set(checkout: Checkout, aws: LocalAws) -> None:
    """What StackSets has removed in the earlier run needs no word of the operator's; only what it has retained does."""
    keep = checkout.run(*DEPLOY_CENTRAL, "--parameter", "EmptyBucketsOnDelete=false")
    assert keep.status == 0, keep.all
    aws.client("quicksight", CENTRAL_ACCOUNT, HOME_REGION).create_account_subscription(
        AwsAccountId=CENTRAL_ACCOUNT,
        AccountName="patches",
        AuthenticationMethod="IAM_AND_QUICKSIGHT",
        NotificationEmail="bi@example.com",
    )
    quicksight = aws.client("cloudformation", CENTRAL_ACCOUNT, HOME_REGION)
    assert stacks.create(quicksight, "patch-reporting-quicksight", QUICKSIGHT) == "CREATE_COMPLETE"
    # A bucket that only has the name of one of ours.
    others = f"{CODE_BUCKETS[0].removesuffix(HOME_REGION)}eu-central-1"
    aws.client("s3", CENTRAL_ACCOUNT, "eu-central-1").create_bucket(
        Bucket=others, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    aws.client("s3", CENTRAL_ACCOUNT, "eu-central-1").put_object(Bucket=others, Key="theirs", Body=b"x")
    before = object_versions(aws, BUCKET)
    run = checkout.run(*TEARDOWN, "--members-are-gone", CENTRAL_ACCOUNT)
    assert run.status == 1, run.all
    assert "stack instances that are left, above: 1;" in run.errors.splitlines()[-1]
    (command,) = [line.strip() for line in run.output.splitlines() if line.strip().startswith("aws cloudformation")]
    subprocess.run(shlex.split(command), env=checkout.env(), check=True)
    wait_for(lambda: not running(aws), 60, "the operation is still running")
    run = checkout.run(*TEARDOWN, "--members-are-gone", CENTRAL_ACCOUNT)
    assert run.status == 0, run.all
    assert f"kept with all data: the buckets {BUCKET} and ssm-res-sync-athena-query-results" in run.output
    assert object_versions(aws, BUCKET) == before
    left = quicksight.list_stacks(StackStatusFilter=["CREATE_COMPLETE", "UPDATE_COMPLETE"])["StackSummaries"]
    assert [each["StackName"] for each in left] == ["aws-sam-cli-managed-default"]
    for bucket, region in zip(CODE_BUCKETS, REGIONS, strict=True):
        assert object_versions(aws, bucket, CENTRAL_ACCOUNT, region) == -1
    assert object_versions(aws, others, CENTRAL_ACCOUNT, "eu-central-1") == 1
    assert stack_sets(aws).list_stack_sets(Status="ACTIVE")["Summaries"] == []


def test_teardown_of_nothing_is_a_success(checkout: Checkout) -> None:
    run = checkout.run(*TEARDOWN, "--delete-data")
    assert run.status == 0, run.all
    assert "no stack patch-reporting" in run.output


@pytest.fixture(scope="module", autouse=True)
def _nothing_left_in_the_checkout(checkout: Checkout) -> Iterator[None]:
    before = {path.relative_to(checkout.folder) for path in checkout.folder.rglob("*") if ".venv" not in path.parts}
    yield
    after = {path.relative_to(checkout.folder) for path in checkout.folder.rglob("*") if ".venv" not in path.parts}
    made = {path for path in after - before if path.parts[0] != "sam-cli" and path.suffix != ".calls"}
    assert {path for path in made if "__pycache__" not in path.parts and path != Path("sam-cli")} == set()
