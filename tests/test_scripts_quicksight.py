"""scripts/deploy-quicksight from what it refuses to the dashboard, and its removal, as a team would run it.

One story on a local AWS of its own, told in the order of the file. QuickSight's users are in another Region than the
central stack.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

import jmespath
import pytest

import arrivals
import stacks
from botocore_shapes import call
from deployment import Central
from fleet import Fleet
from local_aws.server import LocalAws
from operator_scripts import ROOT, Checkout, Run
from organization import CENTRAL_ACCOUNT, HOME_REGION, MEMBER_ACCOUNTS, ORGANIZATION, REGIONS

IDENTITY_REGION = REGIONS[1]
STACK = "patch-reporting-quicksight"
DASHBOARD = f"{STACK}-managed-nodes"
ADDRESS = f"https://{HOME_REGION}.quicksight.aws.amazon.com/sn/dashboards/{DASHBOARD}"
CRAWL = (
    f"scripts/deploy-central --organization-id {ORGANIZATION['Id']} --region {HOME_REGION} --profile central"
    " --skip-build --start-crawler"
)
TABLES = (
    "application",
    "complianceitem",
    "compliancesummary",
    "instancedetailedinformation",
    "instanceinformation",
    "patchsummary",
    "tag",
)
OWNER = "Administrator/jane@example.com"
PROFILE = ["--central-profile", "central"]
DEPLOY = ["deploy-quicksight", "--owner", f"user/{OWNER}", *PROFILE]
DENIED = "An error occurred (AccessDeniedException) when calling the {} operation: User is not authorized"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    fleet = {"seed": 1, "accounts": MEMBER_ACCOUNTS, "regions": REGIONS, "nodes": 6, "now": "2026-01-15T12:00:00Z"}
    log = tmp_path_factory.mktemp("local_aws") / "server.log"
    with LocalAws(ORGANIZATION, fleet, log_path=log) as server:
        yield server


@pytest.fixture(scope="module")
def checkout(aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    return Checkout(tmp_path_factory.mktemp("checkout"), aws)


@pytest.fixture(scope="module")
def central(aws: LocalAws) -> Central:
    """The central stack, which the story's second test deploys."""
    return Central(aws)


def quicksight(aws: LocalAws, operation: str, region: str = HOME_REGION, **request: Any) -> dict[str, Any]:
    """The answer of QuickSight's API to the central account."""
    client = aws.client("quicksight", CENTRAL_ACCOUNT, region)
    return call(client, operation, AwsAccountId=CENTRAL_ACCOUNT, **request)


def refusal(run: Run, checkout: Checkout) -> str:
    """The one line of a run that has changed nothing; fails if it said more or did anything."""
    assert run.status == 1, run.all
    lines = run.errors.splitlines()
    assert len(lines) == 1, run.all
    assert checkout.changing_calls() == []
    return lines[0]


def parameters(aws: LocalAws) -> dict[str, str]:
    """What the dashboard's stack was deployed with."""
    (stack,) = aws.client("cloudformation", CENTRAL_ACCOUNT, HOME_REGION).describe_stacks(StackName=STACK)["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


def people(aws: LocalAws) -> dict[str, int]:
    """Who may use the dashboard, with how many actions."""
    found = quicksight(aws, "DescribeDashboardPermissions", DashboardId=DASHBOARD)["Permissions"]
    return {each["Principal"]: len(each["Actions"]) for each in found}


def principal(name: str) -> str:
    """The ARN of a user or a group."""
    kind, _, own_name = name.partition("/")
    return f"arn:aws:quicksight:{IDENTITY_REGION}:{CENTRAL_ACCOUNT}:{kind}/default/{own_name}"


# --- The central stack and its tables


def test_without_a_central_stack_nothing_is_deployed(checkout: Checkout) -> None:
    line = refusal(checkout.run(*DEPLOY), checkout)
    assert f"account {CENTRAL_ACCOUNT} has no stack patch-reporting in {HOME_REGION}: run scripts/deploy-" in line


def test_before_the_first_crawl_all_tables_are_missing_and_the_way_out_is_told(
    checkout: Checkout, central: Central
) -> None:
    deployed = checkout.run(
        "deploy-central", "--organization-id", ORGANIZATION["Id"], "--profile", "central", "--skip-build"
    )
    assert deployed.status == 0, deployed.all
    central.read_outputs()
    line = refusal(checkout.run(*DEPLOY), checkout)
    named = ", ".join(f"aws_{table}" for table in TABLES)
    assert f"the database {central.outputs['GlueDatabaseName']} has no {named}: crawl once nodes have reported" in line
    assert line.endswith(f": {CRAWL}")


def test_a_table_that_athena_refuses_to_query_is_named(checkout: Checkout, central: Central) -> None:
    """https://docs.aws.amazon.com/athena/latest/ug/troubleshooting-athena.html: HIVE_INVALID_METADATA."""
    arrivals.put(central, arrivals.files(Fleet(1, MEMBER_ACCOUNTS, REGIONS, 6, "2026-01-15T12:00:00Z")))
    central.set_repair(enabled=False)
    central.crawl()
    line = refusal(checkout.run(*DEPLOY), checkout)
    assert "the column resourcetype is twice in aws_instanceinformation, so Athena refuses every query on it" in line
    assert line.endswith(f": {CRAWL}")
    central.set_repair(enabled=True)
    arrivals.crawl(central)


def test_a_view_may_have_a_column_of_any_name(checkout: Checkout, central: Central) -> None:
    glue, database = central.client("glue"), central.outputs["GlueDatabaseName"]
    columns = [{"Name": "resourceid", "Type": "string"}, {"Name": "resourcetype", "Type": "string"}]
    view = {"Name": "my_nodes", "TableType": "VIRTUAL_VIEW", "StorageDescriptor": {"Columns": columns}}
    glue.create_table(DatabaseName=database, TableInput=view)
    assert "is not signed up for QuickSight" in refusal(checkout.run(*DEPLOY), checkout)
    glue.delete_table(DatabaseName=database, Name="my_nodes")


def test_whoever_may_not_list_tables_is_told_so_and_goes_on(checkout: Checkout) -> None:
    with checkout.refusing("*glue\\ get-tables*", DENIED.format("GetTables")):
        run = checkout.run(*DEPLOY)
    assert "note: can't see whether a crawl has made the tables: " in run.output
    assert "is not signed up for QuickSight" in refusal(run, checkout)


def test_a_single_missing_table_is_the_only_one_named(checkout: Checkout, central: Central) -> None:
    central.client("glue").delete_table(DatabaseName=central.outputs["GlueDatabaseName"], Name="aws_tag")
    assert "has no aws_tag: crawl" in refusal(checkout.run(*DEPLOY), checkout)
    arrivals.crawl(central)


def test_a_central_stack_of_an_older_version_is_to_be_updated(checkout: Checkout) -> None:
    real = ROOT / ".venv" / "bin" / "aws"
    with checkout.answering("*describe-stacks*", f"{real} \"$@\" | grep -v '^output.KMSKeyArn'; exit 0"):
        line = refusal(checkout.run(*DEPLOY), checkout)
    assert "the stack patch-reporting is not of this version (CREATE_COMPLETE, no KMSKeyArn): update it" in line


# --- The stack's name


def test_a_stack_that_only_has_the_name_is_left_alone(checkout: Checkout, central: Central) -> None:
    cloudformation = central.client("cloudformation")
    assert stacks.create(cloudformation, STACK, "Resources: {Topic: {Type: AWS::SNS::Topic}}") == "CREATE_COMPLETE"
    line = refusal(checkout.run(*DEPLOY), checkout)
    assert f"the stack {STACK} in {HOME_REGION} is something else: it has no parameter QuickSightOwner" in line
    stacks.delete(cloudformation, STACK)


def test_a_stack_whose_creation_failed_is_to_be_deleted_first(checkout: Checkout, central: Central) -> None:
    cloudformation = central.client("cloudformation")
    template = {
        "Parameters": {"QuickSightOwner": {"Type": "String", "Default": "jane"}},
        "Resources": {"Refused": stacks.refused()},
    }
    assert stacks.create(cloudformation, STACK, template) == "ROLLBACK_COMPLETE"
    line = refusal(checkout.run(*DEPLOY), checkout)
    assert f"the stack {STACK} in {HOME_REGION} is ROLLBACK_COMPLETE and can't be updated" in line
    assert f"aws cloudformation delete-stack --stack-name {STACK} --profile central --region {HOME_REGION}" in line
    stacks.delete(cloudformation, STACK)


# --- QuickSight


def test_an_account_that_is_not_signed_up_is_told_where_to_do_that(checkout: Checkout, aws: LocalAws) -> None:
    line = refusal(checkout.run(*DEPLOY), checkout)
    assert f"account {CENTRAL_ACCOUNT} is not signed up for QuickSight: do that in its console" in line
    in_identity_region = {"aws": aws, "region": IDENTITY_REGION}
    quicksight(
        operation="CreateAccountSubscription",
        AccountName="patches",
        Edition="ENTERPRISE",
        AuthenticationMethod="IAM_AND_QUICKSIGHT",
        NotificationEmail="jane@example.com",
        **in_identity_region,
    )
    for role, session, kind in (("Administrator", "jane@example.com", "ADMIN"), ("Reader", "joe", "READER")):
        quicksight(
            operation="RegisterUser",
            IdentityType="IAM",
            IamArn=f"arn:aws:iam::{CENTRAL_ACCOUNT}:role/{role}",
            SessionName=session,
            Email="jane@example.com",
            UserRole=kind,
            Namespace="default",
            **in_identity_region,
        )
    quicksight(operation="CreateGroup", GroupName="Patch watchers", Namespace="default", **in_identity_region)


@pytest.mark.parametrize(
    ("subscription", "words"),
    [
        ("STANDARD\\tACCOUNT_CREATED", "has QuickSight's Standard edition, which has neither dashboards"),
        ("ENTERPRISE\\tUNSUBSCRIBED", f"subscription of account {CENTRAL_ACCOUNT} is UNSUBSCRIBED: run this again"),
    ],
)
def test_a_subscription_that_will_not_do_is_told(checkout: Checkout, subscription: str, words: str) -> None:
    """Neither can be had any more by the API: https://docs.aws.amazon.com/quicksight/latest/APIReference/
    API_CreateAccountSubscription.html offers no Standard edition."""
    with checkout.answering("*describe-account-subscription*", f"printf '{subscription}\\n'; exit 0"):
        assert words in refusal(checkout.run(*DEPLOY), checkout)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--namespace", "elsewhere"], f"has no namespace elsewhere in account {CENTRAL_ACCOUNT}; it has: default"),
        (["--owner", "user/jane"], "has no user jane in the namespace default (identity Region eu-west-1)"),
        (["--owner", "group/jane"], "has no group jane in the namespace default (identity Region eu-west-1)"),
        (["--viewers", "group/Watchers"], "has no group Watchers in the namespace default"),
        (
            ["--identity-region", HOME_REGION],
            f"QuickSight keeps the users of account {CENTRAL_ACCOUNT} in eu-west-1, not in us-east-1: leave --identity",
        ),
    ],
)
def test_what_quicksight_does_not_have_is_named(checkout: Checkout, arguments: list[str], words: str) -> None:
    assert words in refusal(checkout.run(*DEPLOY, *arguments), checkout)


def test_the_command_that_is_told_lists_those_who_are_there(checkout: Checkout) -> None:
    line = refusal(checkout.run(*DEPLOY, "--owner", "user/jane"), checkout)
    command = line.partition("; those it has: ")[2]
    assert command.startswith("aws quicksight list-users --namespace default ")
    assert f"--region {IDENTITY_REGION}" in command
    (checkout.folder / "scripts" / "told").write_text(f"#!/bin/sh\n{command} --output json\n")
    (checkout.folder / "scripts" / "told").chmod(0o755)
    assert OWNER in checkout.run("told").output
    (checkout.folder / "scripts" / "told").unlink()


def overrides(run: Run) -> dict[str, str]:
    """The parameters that a dry run says it would deploy with."""
    assert run.status == 0, run.all
    (line,) = [line for line in run.output.splitlines() if "would run: sam deploy" in line]
    words = shlex.split(line.partition("would run: ")[2])
    return {name: value.strip('"') for name, _, value in (word.partition("=") for word in words) if value}


def test_a_dry_run_tells_the_deployment_and_changes_nothing(checkout: Checkout, central: Central) -> None:
    run = checkout.run(*DEPLOY, "--dry-run")
    assert checkout.changing_calls() == []
    given = overrides(run)
    names = ["GlueDatabaseName", "AthenaWorkGroupName", "ResourceDataSyncPrefix", "AthenaQueryResultsBucket"]
    assert {name: given[name] for name in names} == {name: central.outputs[name] for name in names}
    assert given["QuickSightIdentityRegion"] == IDENTITY_REGION
    assert (given["QuickSightOwnerType"], given["QuickSightOwner"]) == ("user", OWNER)
    assert given["StaleAfterDays"] == "30", "the central stack's"
    assert given["RefreshTime"] == "01:00", "an hour after the crawler"
    assert "ImportMode" not in given, "the template's default"
    assert "note: " not in run.output


def test_a_group_may_own_it_and_the_template_may_go_through_a_bucket_of_ones_own(
    checkout: Checkout, aws: LocalAws
) -> None:
    quicksight(aws, "CreateGroup", IDENTITY_REGION, GroupName="Owners", Namespace="default")
    run = checkout.run("deploy-quicksight", "--owner", "group/Owners", *PROFILE, "--code-bucket", "mine", "--dry-run")
    given = overrides(run)
    assert (given["QuickSightOwnerType"], given["QuickSightOwner"]) == ("group", "Owners")
    assert " --s3-bucket mine " in f"{run.output} "
    assert "--resolve-s3" not in run.output


def test_what_the_central_stack_calls_stale_is_stale_here(checkout: Checkout) -> None:
    real = ROOT / ".venv" / "bin" / "aws"
    edit = shlex.quote(r"s/\(StaleAfterDays\).*/\1\t45/")
    with checkout.answering("*--stack-name\\ patch-reporting\\ *", f'{real} "$@" | sed {edit}; exit 0'):
        assert overrides(checkout.run(*DEPLOY, "--dry-run"))["StaleAfterDays"] == "45"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ("s/cron([^)]*)/cron(15 23 * * ? *)/", "00:15"),
        ("s/cron([^)]*)/cron(8 08 ? * MON-FRI *)/", "09:08"),
        ("s/cron([^)]*)/cron(0 0,12 * * ? *)/", None),
        (r"s/\(EnableGlueCrawlerSchedule\).*/\1\tfalse/", None),
    ],
    ids=["late in the evening", "a digit more than it takes", "twice a day", "no schedule"],
)
def test_imports_follow_the_crawler_by_an_hour(checkout: Checkout, edit: str, expected: str | None) -> None:
    real = ROOT / ".venv" / "bin" / "aws"
    with checkout.answering("*--stack-name\\ patch-reporting\\ *", f'{real} "$@" | sed {shlex.quote(edit)}; exit 0'):
        run = checkout.run(*DEPLOY, "--dry-run")
    assert overrides(run).get("RefreshTime") == expected


def test_whoever_may_not_ask_quicksight_is_told_so_and_can_deploy(checkout: Checkout) -> None:
    operations = {"describe-account-subscription": "whether the account is signed up", "list-namespaces": "namespaces"}
    for operation, words in operations.items():
        with checkout.refusing(f"*quicksight\\ {operation}\\ *", DENIED.format(operation)):
            run = checkout.run(*DEPLOY, "--dry-run")
        assert overrides(run)["QuickSightIdentityRegion"] == IDENTITY_REGION, "which its refusal names, too"
        (note,) = [line for line in run.output.splitlines() if "note: " in line]
        assert words in note
        assert "User is not authorized" in note
    with checkout.refusing("*json\\ quicksight\\ *", DENIED.format("DescribeUser")):
        run = checkout.run(*DEPLOY, "--identity-region", IDENTITY_REGION, "--dry-run")
    assert overrides(run)["QuickSightIdentityRegion"] == IDENTITY_REGION
    assert f"note: can't see whether QuickSight has the user {OWNER}: " in run.output


def test_an_answer_that_is_no_refusal_of_rights_ends_the_run(checkout: Checkout) -> None:
    with checkout.refusing("*quicksight\\ describe-account*", "Could not connect to the endpoint URL"):
        line = refusal(checkout.run(*DEPLOY), checkout)
    assert "can't see whether the account is signed up for QuickSight: Could not connect to the endpoint URL" in line


# --- Deployment


def test_the_dashboard_is_deployed_and_its_address_told(checkout: Checkout, aws: LocalAws) -> None:
    run = checkout.run(*DEPLOY, "--viewers", "group/Patch watchers", "--parameter", "RolePath=/reporting/")
    assert run.status == 0, run.all
    assert run.errors == ""
    assert run.output.splitlines()[-1].strip() == ADDRESS
    assert "version 1 of the dashboard is published, without an error" in run.output
    assert people(aws) == {principal(f"user/{OWNER}"): 8, principal("group/Patch watchers"): 3}
    (role,) = aws.client("iam", CENTRAL_ACCOUNT).list_roles(PathPrefix="/reporting/")["Roles"]
    source = quicksight(aws, "DescribeDataSource", DataSourceId=f"{STACK}-source")["DataSource"]
    assert source["DataSourceParameters"]["AthenaParameters"]["RoleArn"] == role["Arn"]


def test_a_second_run_keeps_what_is_not_named_and_changes_nothing(checkout: Checkout, aws: LocalAws) -> None:
    before = parameters(aws)
    run = checkout.run(*DEPLOY)
    assert run.status == 0, run.all
    assert "    no changes" in run.output
    assert run.output.splitlines()[-1].strip() == ADDRESS
    assert parameters(aws) == before
    assert before["QuickSightViewers"] == "Patch watchers"
    assert before["RolePath"] == "/reporting/"


def test_viewers_that_are_gone_since_are_named(checkout: Checkout) -> None:
    gone = "An error occurred (ResourceNotFoundException) when calling the DescribeGroup operation: not found"
    with checkout.refusing("*quicksight\\ describe-group\\ *", gone):
        line = refusal(checkout.run(*DEPLOY), checkout)
    assert f"QuickSight has no group Patch watchers (the viewers that {STACK} has; name others with --viewers" in line


def test_an_owner_who_can_only_read_is_noted(checkout: Checkout) -> None:
    run = checkout.run(*DEPLOY, "--owner", "user/Reader/joe", "--dry-run")
    assert "note: the user Reader/joe is a READER: to change or share the dashboard takes an author" in run.output


def test_spice_imports_all_data_sets_each_day_and_viewers_can_be_taken_away(checkout: Checkout, aws: LocalAws) -> None:
    run = checkout.run(*DEPLOY, "--import-mode", "SPICE", "--refresh-time", "03:30", "--viewers", "none")
    assert run.status == 0, run.all
    assert "imported: 8 of 8 data sets" in run.output
    assert people(aws).keys() == {principal(f"user/{OWNER}")}
    data_sets = quicksight(aws, "ListDataSets")["DataSetSummaries"]
    assert {each["ImportMode"] for each in data_sets} == {"SPICE"}
    for each in data_sets:
        (schedule,) = quicksight(aws, "ListRefreshSchedules", DataSetId=each["DataSetId"])["RefreshSchedules"]
        assert schedule["ScheduleFrequency"]["TimeOfTheDay"] == "03:30"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("RUNNING\\tNone\\tNone", f"note: not imported yet, so there is nothing to see of them: {STACK}-tag"),
        ("FAILED\\tSQL_EXCEPTION\\tbad SQL\\nat 1", f"    import of {STACK}-tag: FAILED: SQL_EXCEPTION: bad SQL at 1"),
    ],
    ids=["running", "failed, in two lines"],
)
def test_an_import_that_is_not_done_is_told_and_one_that_failed_fails_the_run(
    checkout: Checkout, aws: LocalAws, answer: str, words: str
) -> None:
    with checkout.answering("*list-ingestions*-tag\\ *", f"printf '{answer}\\n'; exit 0"):
        run = checkout.run(*DEPLOY)
    failed = answer.startswith("FAILED")
    assert run.status == (1 if failed else 0), run.all
    assert "imported: 7 of 8 data sets" in run.output
    assert words in (run.errors.splitlines()[0] if failed else run.output)
    assert parameters(aws)["RefreshTime"] == "03:30", "as given before"


def test_the_newest_import_is_the_one_that_counts(checkout: Checkout) -> None:
    """In whichever order QuickSight lists them, which the API does not document."""
    run = checkout.run(*DEPLOY)
    assert run.status == 0, run.all
    call = next(call for call in checkout.calls() if "list-ingestions" in call)
    query = call.partition("--query ")[2].partition(" --aws-account-id")[0]
    older = {"IngestionStatus": "FAILED", "CreatedTime": "2026-01-14T02:00:00+00:00"}
    newer = {"IngestionStatus": "COMPLETED", "CreatedTime": "2026-01-15T02:00:00+00:00"}
    for order in ([older, newer], [newer, older]):
        assert jmespath.search(query, {"Ingestions": order})[0] == "COMPLETED"
    assert jmespath.search(query, {}) is None, "an answer without any"


def definition(aws: LocalAws, column: str) -> dict[str, Any]:
    """The dashboard's definition, in which the first visual asks for another column."""
    found = quicksight(aws, "DescribeDashboardDefinition", DashboardId=DASHBOARD)["Definition"]
    visuals = found["Sheets"][0]["Visuals"]
    text = json.dumps(visuals[0]).replace('"Instance status"', json.dumps(column))
    assert column in text
    visuals[0] = json.loads(text)
    return found


def test_a_newer_version_that_is_not_published_is_noted_with_the_command_that_publishes_it(
    checkout: Checkout, aws: LocalAws
) -> None:
    quicksight(aws, "UpdateDashboard", DashboardId=DASHBOARD, Name="Patches", Definition=definition(aws, "Platform"))
    run = checkout.run(*DEPLOY)
    assert run.status == 0, run.all
    (note,) = [line for line in run.output.splitlines() if "note: " in line]
    assert "people see version 2 of the dashboard; 3 is the newest" in note
    assert f"update-dashboard-published-version --dashboard-id {DASHBOARD} --version-number 3" in note


def test_errors_of_the_dashboard_and_of_the_analysis_are_told_and_fail_the_run(
    checkout: Checkout, aws: LocalAws
) -> None:
    broken = definition(aws, "No such column")
    quicksight(aws, "UpdateDashboard", DashboardId=DASHBOARD, Name="Patches", Definition=broken)
    analysis = stacks.outputs(aws.client("cloudformation", CENTRAL_ACCOUNT, HOME_REGION), STACK)["AnalysisId"]
    quicksight(aws, "UpdateAnalysis", AnalysisId=analysis, Name="Patches", Definition=broken)
    run = checkout.run(*DEPLOY)
    assert run.status == 1, run.all
    *errors, line = run.errors.splitlines()
    assert line.endswith(f"the stack {STACK} is deployed, and QuickSight reports the errors above")
    assert errors[0].startswith(f"    dashboard {DASHBOARD}, version 4: ")
    assert errors[-1].startswith(f"    analysis {analysis}: ")
    assert all("No such column" in each for each in errors)
    assert run.output.splitlines()[-1].strip() == ADDRESS, "where the errors can be seen"
    assert "note: " not in run.output, "nobody is asked to publish a version with errors"


# --- Removal


def test_teardown_leaves_nothing_in_quicksight(checkout: Checkout, aws: LocalAws) -> None:
    run = checkout.run("teardown", *PROFILE, "--stackset-profile", "management", "--delete-data", "--members-are-gone")
    assert run.status == 0, run.all
    assert f"==> Deleting the stack {STACK}" in run.output
    for operation, answer in (
        ("ListDataSources", "DataSources"),
        ("ListDataSets", "DataSetSummaries"),
        ("ListAnalyses", "AnalysisSummaryList"),
        ("ListDashboards", "DashboardSummaryList"),
    ):
        left = quicksight(aws, operation)[answer]
        assert [each for each in left if each.get("Status") != "DELETED"] == [], operation
    assert aws.client("iam", CENTRAL_ACCOUNT).list_roles(PathPrefix="/reporting/")["Roles"] == []
