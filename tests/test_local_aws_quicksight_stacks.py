"""QuickSight's resources as a stack makes, changes and deletes them, and each of QuickSight's refusals in it."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

import stacks
import templates
from botocore_shapes import call
from local_aws.server import LocalAws

Json = dict[str, Any]

REGION, IDENTITY_REGION = "us-east-1", "eu-west-1"
DATA_SOURCE_OWNER = (
    "UpdateDataSourcePermissions",
    "DescribeDataSource",
    "DescribeDataSourcePermissions",
    "PassDataSource",
    "UpdateDataSource",
    "DeleteDataSource",
)
DATA_SET_OWNER = (
    "UpdateDataSetPermissions",
    "DescribeDataSet",
    "DescribeDataSetPermissions",
    "PassDataSet",
    "DescribeIngestion",
    "ListIngestions",
    "UpdateDataSet",
    "DeleteDataSet",
    "CreateIngestion",
    "CancelIngestion",
)
REFRESHES = (
    "DescribeRefreshSchedule",
    "ListRefreshSchedules",
    "CreateRefreshSchedule",
    "UpdateRefreshSchedule",
    "DeleteRefreshSchedule",
    "DescribeDataSetRefreshProperties",
    "PutDataSetRefreshProperties",
    "DeleteDataSetRefreshProperties",
)
ANALYSIS_OWNER = (
    "RestoreAnalysis",
    "UpdateAnalysisPermissions",
    "DeleteAnalysis",
    "DescribeAnalysisPermissions",
    "QueryAnalysis",
    "DescribeAnalysis",
    "UpdateAnalysis",
)
VIEWER = ("DescribeDashboard", "ListDashboardVersions", "QueryDashboard")
DASHBOARD_OWNER = (
    *VIEWER,
    "UpdateDashboardPermissions",
    "UpdateDashboard",
    "DeleteDashboard",
    "DescribeDashboardPermissions",
    "UpdateDashboardPublishedVersion",
)
THEME_USER = ("DescribeTheme", "DescribeThemeAlias", "ListThemeAliases", "ListThemeVersions")

# A test's account is its own.
_numbers = itertools.count(780000000001)


@dataclass
class Place:
    """An account that is signed up in another Region than its stacks are in, with a user and a group."""

    account: str
    cloudformation: Any
    quicksight: Any
    aws: LocalAws

    def principal(self, name: str = "user/default/jane", region: str = IDENTITY_REGION) -> str:
        """The ARN of a QuickSight principal of the account."""
        return f"arn:aws:quicksight:{region}:{self.account}:{name}"

    def permission(self, *actions: str, name: str = "user/default/jane") -> Json:
        """What a principal may do."""
        return {"Principal": self.principal(name), "Actions": [f"quicksight:{action}" for action in actions]}

    def describe(self, operation: str, **request: Any) -> Json:
        """The answer of an operation of QuickSight in the stack's Region."""
        return call(self.quicksight, operation, AwsAccountId=self.account, **request)


def signed_up(aws: LocalAws, account: str, edition: str = "ENTERPRISE") -> None:
    """An account with a subscription, a user and a group."""
    identity = aws.client("quicksight", account, IDENTITY_REGION)
    about = {"AwsAccountId": account}
    call(
        identity,
        "CreateAccountSubscription",
        **about,
        AccountName="patches",
        Edition=edition,
        AuthenticationMethod="IAM_AND_QUICKSIGHT",
        NotificationEmail="bi@example.com",
    )
    user = {"IdentityType": "IAM", "IamArn": f"arn:aws:iam::{account}:user/jane", "Email": "jane@example.com"}
    call(identity, "RegisterUser", **about, **user, UserRole="AUTHOR", Namespace="default")
    call(identity, "CreateGroup", **about, GroupName="analysts", Namespace="default")


def new_place(aws: LocalAws) -> Place:
    """An account of its own, not signed up, with a bucket and a workgroup for queries."""
    account = str(next(_numbers))
    aws.client("s3", account, REGION).create_bucket(Bucket=f"results-{account}")
    aws.client("athena", account, REGION).create_work_group(
        Name="patches",
        Configuration={
            "EnforceWorkGroupConfiguration": True,
            "ResultConfiguration": {"OutputLocation": f"s3://results-{account}/queries/"},
        },
    )
    return Place(account, aws.client("cloudformation", account, REGION), aws.client("quicksight", account, REGION), aws)


@pytest.fixture
def place(local_aws: LocalAws) -> Place:
    """An account of its own that is signed up."""
    found = new_place(local_aws)
    signed_up(local_aws, found.account)
    return found


def column(name: str) -> Json:
    return {"DataSetIdentifier": "Nodes", "ColumnName": name}


def definition(title: str = "Nodes by platform") -> Json:
    """One donut of the nodes by platform, on a sheet of its own."""
    wells = {
        "Category": [{"CategoricalDimensionField": {"FieldId": "platform", "Column": column("Platform")}}],
        "Values": [
            {
                "CategoricalMeasureField": {
                    "FieldId": "nodes",
                    "Column": column("Node"),
                    "AggregationFunction": "DISTINCT_COUNT",
                }
            }
        ],
    }
    donut = {
        "VisualId": "by-platform",
        "Title": {"FormatText": {"PlainText": title}},
        "ChartConfiguration": {"FieldWells": {"PieChartAggregatedFieldWells": wells}},
    }
    return {
        "DataSetIdentifierDeclarations": [{"Identifier": "Nodes", "DataSetArn": {"Fn::GetAtt": ["Set", "Arn"]}}],
        "Sheets": [{"SheetId": "nodes", "Name": "Nodes", "Visuals": [{"PieChartVisual": donut}]}],
    }


def template(place: Place) -> Json:
    """A stack with one resource of each type."""

    def resource(kind: str, **properties: Any) -> Json:
        return {"Type": f"AWS::QuickSight::{kind}", "Properties": {"AwsAccountId": place.account, **properties}}

    def statement(action: list[str], target: str) -> Json:
        return {"Effect": "Allow", "Action": action, "Resource": target}

    bucket = f"arn:aws:s3:::results-{place.account}"
    workgroup = f"arn:aws:athena:{REGION}:{place.account}:workgroup/patches"
    rights = [
        statement(["athena:GetWorkGroup", "athena:*Query*"], workgroup),
        statement(["s3:GetBucketLocation", "s3:PutObject", "s3:GetObject"], bucket),
        statement(["s3:PutObject", "s3:GetObject"], f"{bucket}/*"),
    ]
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "quicksight.amazonaws.com"}}
    table = {
        "DataSourceArn": {"Fn::GetAtt": ["Source", "Arn"]},
        "Name": "nodes",
        "SqlQuery": "SELECT resourceid, platformtype, seen FROM nodes",
        "Columns": [
            {"Name": "resourceid", "Type": "STRING"},
            {"Name": "platformtype", "Type": "STRING"},
            {"Name": "seen", "Type": "DATETIME"},
        ],
    }
    renames = [("resourceid", "Node"), ("platformtype", "Platform"), ("seen", "Last seen")]
    transforms = [{"RenameColumnOperation": {"ColumnName": old, "NewColumnName": new}} for old, new in renames]
    frequency = {"Interval": "DAILY", "TimeOfTheDay": "05:30", "TimeZone": "UTC"}
    schedule = {"ScheduleId": "daily", "RefreshType": "FULL_REFRESH", "ScheduleFrequency": frequency}
    viewer = place.permission(*VIEWER, name="group/default/analysts")
    return {
        "Parameters": {"Limit": {"Type": "Number", "Default": 20}},
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                    "Policies": [{"PolicyName": "q", "PolicyDocument": {"Version": "2012-10-17", "Statement": rights}}],
                },
            },
            "Source": resource(
                "DataSource",
                DataSourceId="source",
                Name="Patches",
                Type="ATHENA",
                DataSourceParameters={
                    "AthenaParameters": {"WorkGroup": "patches", "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]}}
                },
                SslProperties={"DisableSsl": "false"},
                Permissions=[place.permission(*DATA_SOURCE_OWNER)],
            ),
            "Set": resource(
                "DataSet",
                DataSetId="nodes",
                Name="Nodes",
                ImportMode="SPICE",
                PhysicalTableMap={"nodes": {"CustomSql": table}},
                LogicalTableMap={
                    "nodes": {"Alias": "nodes", "Source": {"PhysicalTableId": "nodes"}, "DataTransforms": transforms}
                },
                Permissions=[place.permission(*DATA_SET_OWNER)],
            ),
            "Schedule": {**resource("RefreshSchedule", DataSetId="nodes", Schedule=schedule), "DependsOn": "Set"},
            "Theme": resource(
                "Theme",
                ThemeId="colours",
                Name="Colours",
                BaseThemeId="CLASSIC",
                Configuration={"DataColorPalette": {"MinMaxGradient": ["#FFFFFF", "#1F6FB2"]}},
                Permissions=[place.permission(*THEME_USER)],
            ),
            "Analysis": resource(
                "Analysis",
                AnalysisId="nodes",
                Name="Nodes",
                ThemeArn={"Fn::GetAtt": ["Theme", "Arn"]},
                Definition=definition(),
                Permissions=[place.permission(*ANALYSIS_OWNER)],
            ),
            "Dashboard": resource(
                "Dashboard",
                DashboardId="nodes",
                Name="Nodes",
                Definition=definition(),
                LinkEntities=[{"Fn::GetAtt": ["Analysis", "Arn"]}],
                Permissions=[place.permission(*DASHBOARD_OWNER), viewer],
            ),
        },
        "Outputs": {
            **{f"{name}Id": {"Value": {"Ref": name}} for name in ("Source", "Set", "Theme", "Analysis", "Dashboard")},
            "ScheduleId": {"Value": {"Ref": "Schedule"}},
            "SetArn": {"Value": {"Fn::GetAtt": ["Set", "Arn"]}},
            "ScheduleArn": {"Value": {"Fn::GetAtt": ["Schedule", "Arn"]}},
            "Status": {"Value": {"Fn::GetAtt": ["Source", "Status"]}},
        },
    }


def properties(body: Json, logical_id: str) -> Json:
    return body["Resources"][logical_id]["Properties"]


# --- a stack's life


def test_a_stack_makes_changes_and_deletes_resources(place: Place) -> None:
    body, arn = template(place), f"arn:aws:quicksight:{REGION}:{place.account}"
    assert stacks.create(place.cloudformation, "nodes", body) == "CREATE_COMPLETE"
    assert stacks.outputs(place.cloudformation, "nodes") == {
        "SourceId": f"{place.account}|source",
        "SetId": f"{place.account}|nodes",
        "ThemeId": f"colours|{place.account}",
        "AnalysisId": f"nodes|{place.account}",
        "DashboardId": f"{place.account}|nodes",
        "ScheduleId": f"{place.account}|nodes|daily",
        "SetArn": f"{arn}:dataset/nodes",
        "ScheduleArn": f"{arn}:dataset/nodes/refresh-schedule/daily",
        "Status": "CREATION_SUCCESSFUL",
    }
    source = place.describe("DescribeDataSource", DataSourceId="source")["DataSource"]
    assert (source["Status"], source["SslProperties"]) == ("CREATION_SUCCESSFUL", {"DisableSsl": False})
    assert "ErrorInfo" not in source
    data_set = place.describe("DescribeDataSet", DataSetId="nodes")["DataSet"]
    assert [(each["Name"], each["Type"]) for each in data_set["OutputColumns"]] == [
        ("Node", "STRING"),
        ("Platform", "STRING"),
        ("Last seen", "DATETIME"),
    ]
    (ingestion,) = place.describe("ListIngestions", DataSetId="nodes")["Ingestions"]
    assert ingestion["IngestionStatus"] == "COMPLETED"
    (schedule,) = place.describe("ListRefreshSchedules", DataSetId="nodes")["RefreshSchedules"]
    assert schedule["ScheduleFrequency"] == {"Interval": "DAILY", "TimeOfTheDay": "05:30", "Timezone": "UTC"}
    theme = place.describe("DescribeTheme", ThemeId="colours")["Theme"]
    assert (theme["Type"], theme["Version"]["VersionNumber"]) == ("CUSTOM", 1)
    analysis = place.describe("DescribeAnalysis", AnalysisId="nodes")["Analysis"]
    assert (analysis["Status"], analysis["ThemeArn"]) == ("CREATION_SUCCESSFUL", theme["Arn"])
    assert (analysis["DataSetArns"], analysis["Sheets"]) == (
        [f"{arn}:dataset/nodes"],
        [{"SheetId": "nodes", "Name": "Nodes"}],
    )
    assert "Errors" not in analysis
    dashboard = place.describe("DescribeDashboard", DashboardId="nodes")["Dashboard"]
    assert (dashboard["Version"]["VersionNumber"], dashboard["LinkEntities"]) == (1, [analysis["Arn"]])
    shared = place.describe("DescribeDashboardPermissions", DashboardId="nodes")["Permissions"]
    assert {each["Principal"] for each in shared} == {
        place.principal(),
        place.principal("group/default/analysts"),
    }

    properties(body, "Dashboard")["Definition"] = definition("Nodes, by platform")
    properties(body, "Dashboard")["Permissions"].pop()
    properties(body, "Schedule")["Schedule"]["ScheduleFrequency"]["TimeOfTheDay"] = "06:00"
    properties(body, "Set")["ImportMode"] = "SPICE"
    properties(body, "Set")["Name"] = "All nodes"
    properties(body, "Source")["Name"] = "All patches"
    properties(body, "Theme")["BaseThemeId"] = "MIDNIGHT"
    properties(body, "Analysis")["Name"] = "All nodes"
    assert stacks.update(place.cloudformation, "nodes", body) == "UPDATE_COMPLETE"
    dashboard = place.describe("DescribeDashboard", DashboardId="nodes")["Dashboard"]
    assert (dashboard["Version"]["VersionNumber"], dashboard["Version"]["Status"]) == (2, "CREATION_SUCCESSFUL")
    (published,) = place.describe("ListDashboards")["DashboardSummaryList"]
    assert published["PublishedVersionNumber"] == 2
    first = place.describe("DescribeDashboardDefinition", DashboardId="nodes", VersionNumber=1)["Definition"]
    (donut,) = first["Sheets"][0]["Visuals"]
    assert donut["PieChartVisual"]["Title"] == {"FormatText": {"PlainText": "Nodes by platform"}}
    shared = place.describe("DescribeDashboardPermissions", DashboardId="nodes")["Permissions"]
    assert [each["Principal"] for each in shared] == [place.principal()]
    schedule = place.describe("DescribeRefreshSchedule", DataSetId="nodes", ScheduleId="daily")["RefreshSchedule"]
    assert schedule["ScheduleFrequency"]["TimeOfTheDay"] == "06:00"
    assert [each["RequestType"] for each in place.describe("ListIngestions", DataSetId="nodes")["Ingestions"]] == [
        "EDIT",
        "INITIAL_INGESTION",
    ]
    assert place.describe("DescribeDataSource", DataSourceId="source")["DataSource"]["Name"] == "All patches"
    assert place.describe("DescribeTheme", ThemeId="colours")["Theme"]["Version"]["BaseThemeId"] == "MIDNIGHT"
    assert place.describe("DescribeAnalysis", AnalysisId="nodes")["Analysis"]["Status"] == "UPDATE_SUCCESSFUL"

    assert stacks.delete(place.cloudformation, "nodes") == "DELETE_COMPLETE"
    for operation, member in (
        ("ListDataSources", "DataSources"),
        ("ListDataSets", "DataSetSummaries"),
        ("ListThemes", "ThemeSummaryList"),
        ("ListDashboards", "DashboardSummaryList"),
    ):
        assert place.describe(operation)[member] == [], operation
    # It could be restored.
    (deleted,) = place.describe("ListAnalyses")["AnalysisSummaryList"]
    assert deleted["Status"] == "DELETED"
    assert stacks.create(place.cloudformation, "again", template(place)) == "ROLLBACK_COMPLETE"
    assert "already exists" in stacks.reason(place.cloudformation, "again", "Analysis", "CREATE_FAILED")


def test_another_id_is_a_replacement(place: Place) -> None:
    body = template(place)
    assert stacks.create(place.cloudformation, "nodes", body) == "CREATE_COMPLETE"
    properties(body, "Set")["DataSetId"] = "all"
    properties(body, "Schedule")["DataSetId"] = "all"
    assert stacks.update(place.cloudformation, "nodes", body) == "UPDATE_COMPLETE"
    assert [each["DataSetId"] for each in place.describe("ListDataSets")["DataSetSummaries"]] == ["all"]
    analysis = place.describe("DescribeAnalysis", AnalysisId="nodes")["Analysis"]
    assert analysis["DataSetArns"] == [f"arn:aws:quicksight:{REGION}:{place.account}:dataset/all"]


def test_an_update_that_fails_leaves_what_was_published(place: Place) -> None:
    body = template(place)
    assert stacks.create(place.cloudformation, "nodes", body) == "CREATE_COMPLETE"
    wells = properties(body, "Dashboard")["Definition"]["Sheets"][0]["Visuals"][0]["PieChartVisual"]
    wells["ChartConfiguration"]["FieldWells"]["PieChartAggregatedFieldWells"]["Category"][0][
        "CategoricalDimensionField"
    ]["Column"] = column("OS")
    assert stacks.update(place.cloudformation, "nodes", body) == "UPDATE_ROLLBACK_COMPLETE"
    reason = stacks.reason(place.cloudformation, "nodes", "Dashboard", "UPDATE_FAILED")
    assert "COLUMN_REPLACEMENT_MISSING: Required column 'OS' is missing in data set" in reason
    dashboard = place.describe("DescribeDashboard", DashboardId="nodes")["Dashboard"]
    assert "Errors" not in dashboard["Version"]


def test_a_lenient_dashboard_is_there_with_its_errors(place: Place) -> None:
    body = template(place)
    for name in ("Analysis", "Dashboard"):
        own = properties(body, name)
        own["ValidationStrategy"] = {"Mode": "LENIENT"}
        own["Definition"]["DataSetIdentifierDeclarations"].append(
            {"Identifier": "Gone", "DataSetArn": f"arn:aws:quicksight:{REGION}:{place.account}:dataset/gone"}
        )
        own["Definition"]["Sheets"].append({"SheetId": "nodes"})
    assert stacks.create(place.cloudformation, "nodes", body) == "CREATE_COMPLETE"
    gone = f"arn:aws:quicksight:{REGION}:{place.account}:dataset/gone"
    analysis = place.describe("DescribeAnalysis", AnalysisId="nodes")["Analysis"]
    version = place.describe("DescribeDashboard", DashboardId="nodes")["Dashboard"]["Version"]
    for described in (analysis, version):
        assert described["Status"] == "CREATION_SUCCESSFUL"
        assert [(each["Type"], each["Message"]) for each in described["Errors"]] == [
            ("DATA_SET_NOT_FOUND", f"The data set '{gone}' doesn't exist"),
            ("INTERNAL_FAILURE", "The SheetId 'nodes' is there twice"),
        ]
        assert described["Errors"][0]["ViolatedEntities"] == [{"Path": "Definition.DataSetIdentifierDeclarations[1]"}]


# --- refusals


Change = Callable[[Json, Place], object]


def _transforms(body: Json) -> list[Json]:
    return properties(body, "Set")["LogicalTableMap"]["nodes"]["DataTransforms"]


def _frequency(body: Json) -> Json:
    return properties(body, "Schedule")["Schedule"]["ScheduleFrequency"]


def _athena(body: Json) -> Json:
    return properties(body, "Source")["DataSourceParameters"]["AthenaParameters"]


def _role(body: Json) -> Json:
    return body["Resources"]["Role"]["Properties"]


NOBODY = "One or more principals in resource permissions list are not valid QuickSight users"
NO_SET = "ResourcePermission list contains unsupported permission sets ["
REFUSALS: dict[str, tuple[str, Change, str]] = {
    "a user in the stack's Region": (
        "Source",
        lambda body, place: properties(body, "Source")["Permissions"][0].update(
            Principal=place.principal(region=REGION)
        ),
        NOBODY,
    ),
    "a user of another namespace": (
        "Source",
        lambda body, place: properties(body, "Source")["Permissions"][0].update(
            Principal=place.principal("user/other/jane")
        ),
        NOBODY,
    ),
    "a group that is a user": (
        "Theme",
        lambda body, place: properties(body, "Theme")["Permissions"][0].update(
            Principal=place.principal("group/default/jane")
        ),
        NOBODY,
    ),
    "a namespace for a data set": (
        "Set",
        lambda body, place: properties(body, "Set")["Permissions"][0].update(
            Principal=place.principal("namespace/default")
        ),
        NOBODY,
    ),
    "a part of a data source's actions": (
        "Source",
        lambda body, place: properties(body, "Source")["Permissions"][0]["Actions"].pop(),
        NO_SET,
    ),
    "a part of a data set's actions": (
        "Set",
        lambda body, place: properties(body, "Set")["Permissions"][0]["Actions"].pop(),
        NO_SET,
    ),
    "a part of an analysis's actions": (
        "Analysis",
        lambda body, place: properties(body, "Analysis").update(Permissions=[place.permission("DescribeAnalysis")]),
        NO_SET,
    ),
    "a part of a dashboard's actions": (
        "Dashboard",
        lambda body, place: properties(body, "Dashboard")["Permissions"][0]["Actions"].pop(),
        NO_SET,
    ),
    "more of a theme's actions": (
        "Theme",
        lambda body, place: properties(body, "Theme")["Permissions"][0]["Actions"].append("quicksight:UpdateTheme"),
        NO_SET,
    ),
    "more than 20 actions": (
        "Set",
        lambda body, place: properties(body, "Set").update(
            Permissions=[place.permission(*DATA_SET_OWNER, *REFRESHES, "ListTagsForResource", "TagResource", "X")]
        ),
        "failed to satisfy constraint: Member must have length less than or equal to 20",
    ),
    "a workgroup that doesn't exist": (
        "Source",
        lambda body, place: _athena(body).update(WorkGroup="others"),
        "DataSource source is CREATION_FAILED: ACCESS_DENIED: WorkGroup others is not found.",
    ),
    "a role that doesn't exist": (
        "Source",
        lambda body, place: _athena(body).update(RoleArn=f"arn:aws:iam::{place.account}:role/none"),
        "doesn't exist",
    ),
    "a role that others trust": (
        "Source",
        lambda body, place: _role(body)["AssumeRolePolicyDocument"]["Statement"][0]["Principal"].update(
            Service="glue.amazonaws.com"
        ),
        "QuickSight is not authorized to assume the role",
    ),
    "a role that can't query": (
        "Source",
        lambda body, place: _role(body)["Policies"][0]["PolicyDocument"]["Statement"][0].update(
            Action=["athena:GetWorkGroup"]
        ),
        "is not authorized to perform: athena:StartQueryExecution",
    ),
    "a role that can't write results": (
        "Source",
        lambda body, place: _role(body)["Policies"][0]["PolicyDocument"]["Statement"].pop(),
        "is not authorized to perform: s3:PutObject",
    ),
    "a data source of another type": (
        "Source",
        lambda body, place: properties(body, "Source").update(Type="MYSQL"),
        "the local AWS knows data sources of the type ATHENA only",
    ),
    "parameters for two": (
        "Source",
        lambda body, place: properties(body, "Source")["DataSourceParameters"].update(
            TwitterParameters={"Query": "x", "MaxRows": 1}
        ),
        "only one of the attributes of DataSourceParameters can be non-null",
    ),
    "a property that isn't one": (
        "Source",
        lambda body, place: _athena(body).update(Workgroup="patches"),
        "extraneous key [Workgroup] is not permitted",
    ),
    "a property of another type": (
        "Source",
        lambda body, place: properties(body, "Source")["SslProperties"].update(DisableSsl="perhaps"),
        "is not a JSON boolean",
    ),
    "a table's key with an underscore": (
        "Set",
        lambda body, place: properties(body, "Set").update(
            PhysicalTableMap={"all_nodes": properties(body, "Set")["PhysicalTableMap"]["nodes"]}
        ),
        "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [0-9a-zA-Z-]*]",
    ),
    "a data set without an import mode": (
        "Set",
        lambda body, place: properties(body, "Set").pop("ImportMode"),
        "Value null at 'importMode' failed to satisfy constraint: Member must not be null",
    ),
    "a data source that doesn't exist": (
        "Set",
        lambda body, place: properties(body, "Set")["PhysicalTableMap"]["nodes"]["CustomSql"].update(
            DataSourceArn=f"arn:aws:quicksight:{REGION}:{place.account}:datasource/none"
        ),
        ":datasource/none doesn't exist.",
    ),
    "a column renamed that isn't there": (
        "Set",
        lambda body, place: _transforms(body)[0]["RenameColumnOperation"].update(ColumnName="id"),
        "The column id that a RenameColumnOperation names is not there.",
    ),
    "a column renamed to another": (
        "Set",
        lambda body, place: _transforms(body)[1]["RenameColumnOperation"].update(NewColumnName="Node"),
        "The column name Node is there twice.",
    ),
    "a column twice in the table": (
        "Set",
        lambda body, place: properties(body, "Set")["PhysicalTableMap"]["nodes"]["CustomSql"]["Columns"].append(
            {"Name": "seen", "Type": "STRING"}
        ),
        "The column name seen is there twice.",
    ),
    "a projection of a column that isn't there": (
        "Set",
        lambda body, place: _transforms(body).append({"ProjectOperation": {"ProjectedColumns": ["seen"]}}),
        "The column seen that a ProjectOperation names is not there.",
    ),
    "a physical table that isn't there": (
        "Set",
        lambda body, place: properties(body, "Set")["LogicalTableMap"]["nodes"].update(
            Source={"PhysicalTableId": "all"}
        ),
        "There is no physical table all.",
    ),
    "a schedule of a data set that isn't imported": (
        "Schedule",
        lambda body, place: properties(body, "Set").update(ImportMode="DIRECT_QUERY"),
        "A refresh schedule needs a data set that is imported into SPICE.",
    ),
    "a schedule of no data set": (
        "Schedule",
        lambda body, place: properties(body, "Schedule").update(DataSetId="all"),
        "DataSet all is not found.",
    ),
    "a daily schedule without a time": (
        "Schedule",
        lambda body, place: _frequency(body).pop("TimeOfTheDay"),
        "TimeOfTheDay is required for the interval DAILY.",
    ),
    "a time that isn't one": (
        "Schedule",
        lambda body, place: _frequency(body).update(TimeOfTheDay="5:30"),
        "TimeOfTheDay must be expressed in HH:MM format, 5:30 is not.",
    ),
    "a weekly schedule without a day": (
        "Schedule",
        lambda body, place: _frequency(body).update(Interval="WEEKLY"),
        "RefreshOnDay is required for the interval WEEKLY.",
    ),
    "a time zone that isn't one": (
        "Schedule",
        lambda body, place: _frequency(body).update(TimeZone="Mars/Olympus"),
        "There is no Timezone Mars/Olympus.",
    ),
    "a base theme that doesn't exist": (
        "Theme",
        lambda body, place: properties(body, "Theme").update(BaseThemeId="DARK"),
        "Theme DARK is not found.",
    ),
    "a colour in lower case": (
        "Theme",
        lambda body, place: properties(body, "Theme")["Configuration"].update(UIColorPalette={"Accent": "#1f6fb2"}),
        "failed to satisfy constraint: Member must satisfy regular expression pattern: ^#[A-F0-9]{6}$",
    ),
    "a theme that doesn't exist": (
        "Analysis",
        lambda body, place: properties(body, "Analysis").update(
            ThemeArn=f"arn:aws:quicksight:{REGION}:{place.account}:theme/none"
        ),
        ":theme/none is not found.",
    ),
    "no definition": (
        "Analysis",
        lambda body, place: properties(body, "Analysis").pop("Definition"),
        "Either a SourceEntity or a Definition must be provided.",
    ),
    "an id with a space": (
        "Analysis",
        lambda body, place: properties(body, "Analysis").update(AnalysisId="all nodes"),
        r"Member must satisfy regular expression pattern: [\w\-]+",
    ),
    "a strict definition's fault": (
        "Analysis",
        lambda body, place: properties(body, "Analysis")["Definition"]["DataSetIdentifierDeclarations"][0].update(
            Identifier="All"
        ),
        "Analysis nodes is CREATION_FAILED: ",
    ),
    "a link to no analysis": (
        "Dashboard",
        lambda body, place: properties(body, "Dashboard").update(
            LinkEntities=[f"arn:aws:quicksight:{REGION}:{place.account}:analysis/none"]
        ),
        ":analysis/none is not found.",
    ),
    "another account": (
        "Theme",
        lambda body, place: properties(body, "Theme").update(AwsAccountId="666666666666"),
        "HandlerErrorCode: AccessDenied",
    ),
}


@pytest.mark.parametrize(("logical_id", "change", "reason"), REFUSALS.values(), ids=REFUSALS)
def test_each_refusal_fails_the_resource_and_leaves_nothing(
    place: Place, logical_id: str, change: Change, reason: str
) -> None:
    body = template(place)
    body.pop("Outputs")
    change(body, place)
    assert stacks.create(place.cloudformation, "nodes", body) == "ROLLBACK_COMPLETE"
    assert reason in stacks.reason(place.cloudformation, "nodes", logical_id, "CREATE_FAILED")
    for operation, member in (("ListDataSources", "DataSources"), ("ListDashboards", "DashboardSummaryList")):
        assert place.describe(operation)[member] == []
    assert {each["Status"] for each in place.describe("ListAnalyses")["AnalysisSummaryList"]} <= {"DELETED"}


@pytest.mark.parametrize(
    ("logical_id", "text"),
    [
        ("Source", "Directory information for account {} is not found."),
        ("Theme", "Account {} is not subscribed for QuickSight"),
    ],
)
def test_an_account_must_be_signed_up(local_aws: LocalAws, logical_id: str, text: str) -> None:
    place = new_place(local_aws)
    body = {"Resources": {name: template(place)["Resources"][name] for name in {"Role", logical_id}}}
    assert stacks.create(place.cloudformation, "nodes", body) == "ROLLBACK_COMPLETE"
    reason = stacks.reason(place.cloudformation, "nodes", logical_id, "CREATE_FAILED")
    assert text.format(place.account) in reason


def test_the_standard_edition_has_no_analyses(local_aws: LocalAws) -> None:
    place = new_place(local_aws)
    signed_up(local_aws, place.account, "STANDARD")
    body = template(place)
    body.pop("Outputs")
    assert stacks.create(place.cloudformation, "nodes", body) == "ROLLBACK_COMPLETE"
    reason = stacks.reason(place.cloudformation, "nodes", "Theme", "CREATE_FAILED")
    assert "UnsupportedUserEditionException" in reason


def test_an_id_is_taken_once(place: Place) -> None:
    body = template(place)
    assert stacks.create(place.cloudformation, "nodes", body) == "CREATE_COMPLETE"
    one = {"Resources": {"Theme": body["Resources"]["Theme"]}}
    assert stacks.create(place.cloudformation, "again", one) == "ROLLBACK_COMPLETE"
    reason = stacks.reason(place.cloudformation, "again", "Theme", "CREATE_FAILED")
    assert "already exists" in reason
    assert "HandlerErrorCode: AlreadyExists" in reason
    assert place.describe("DescribeTheme", ThemeId="colours")["Theme"]["Name"] == "Colours"


def test_whoever_gives_a_role_to_a_data_source_must_be_allowed_to(place: Place) -> None:
    iam = place.aws.client("iam", place.account)
    body = template(place)
    role = {"Resources": {"Role": body["Resources"]["Role"]}, "Outputs": {}}
    role["Outputs"]["Arn"] = {"Value": {"Fn::GetAtt": ["Role", "Arn"]}}
    assert stacks.create(place.cloudformation, "role", role) == "CREATE_COMPLETE"
    arn = stacks.outputs(place.cloudformation, "role")["Arn"]
    request = copy.deepcopy(properties(body, "Source"))
    request["DataSourceParameters"]["AthenaParameters"]["RoleArn"] = arn
    request["SslProperties"] = {"DisableSsl": False}
    iam.create_user(UserName="author")
    key = iam.create_access_key(UserName="author")["AccessKey"]
    author = place.aws.client_for("quicksight", key, REGION)

    def allow(*actions: str) -> None:
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName="author", PolicyName="own", PolicyDocument=document)

    allow("quicksight:*")
    with pytest.raises(ClientError, match=r"AccessDeniedException.*iam:PassRole"):
        call(author, "CreateDataSource", **request)
    allow("quicksight:*", "iam:PassRole")
    call(author, "CreateDataSource", **request)
    assert place.describe("DescribeDataSource", DataSourceId="source")["DataSource"]["Status"] == "CREATION_SUCCESSFUL"


def test_a_data_set_has_five_schedules_at_most(place: Place) -> None:
    body = template(place)
    assert stacks.create(place.cloudformation, "nodes", body) == "CREATE_COMPLETE"
    hourly = {"RefreshType": "FULL_REFRESH", "ScheduleFrequency": {"Interval": "HOURLY"}}
    for number in range(4):
        place.describe("CreateRefreshSchedule", DataSetId="nodes", Schedule={"ScheduleId": f"s{number}", **hourly})
    with pytest.raises(ClientError, match="LimitExceededException"):
        place.describe("CreateRefreshSchedule", DataSetId="nodes", Schedule={"ScheduleId": "s4", **hourly})


def test_an_analysis_that_can_be_restored_keeps_its_id(place: Place) -> None:
    body = template(place)
    assert stacks.create(place.cloudformation, "nodes", body) == "CREATE_COMPLETE"
    place.describe("DeleteAnalysis", AnalysisId="nodes")
    assert place.describe("DescribeAnalysis", AnalysisId="nodes")["Analysis"]["Status"] == "DELETED"
    place.describe("DeleteAnalysis", AnalysisId="nodes", ForceDeleteWithoutRecovery=True)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        place.describe("DescribeAnalysis", AnalysisId="nodes")


def test_a_version_is_shown_to_readers_when_it_is_published(place: Place) -> None:
    body = template(place)
    assert stacks.create(place.cloudformation, "nodes", body) == "CREATE_COMPLETE"
    current = place.describe("DescribeDashboardDefinition", DashboardId="nodes")["Definition"]
    place.describe("UpdateDashboard", DashboardId="nodes", Name="Nodes now", Definition=current)
    shown = place.describe("DescribeDashboard", DashboardId="nodes")["Dashboard"]
    assert (shown["Name"], shown["Version"]["VersionNumber"]) == ("Nodes", 1)
    latest = place.describe("DescribeDashboard", DashboardId="nodes", AliasName="$LATEST")["Dashboard"]
    assert latest["Version"]["VersionNumber"] == 2
    place.describe("UpdateDashboardPublishedVersion", DashboardId="nodes", VersionNumber=2)
    assert place.describe("DescribeDashboard", DashboardId="nodes")["Dashboard"]["Name"] == "Nodes now"
    found = place.describe("ListDashboardVersions", DashboardId="nodes")["DashboardVersionSummaryList"]
    assert [each["VersionNumber"] for each in found] == [2, 1]


# --- the dashboard's own template


@pytest.mark.parametrize(
    "choice",
    [
        {"QuickSightOwner": "jane"},
        {
            "QuickSightOwner": "analysts",
            "QuickSightOwnerType": "group",
            "QuickSightViewers": "jane",
            "QuickSightViewersType": "user",
            "ImportMode": "SPICE",
            "RefreshTime": "03:15",
        },
    ],
    ids=["queried", "imported"],
)
def test_the_dashboards_template_has_no_faults(place: Place, choice: dict[str, str]) -> None:
    """With a workgroup whose results are encrypted; no query is run, so there need be no tables."""
    key = place.aws.client("kms", place.account, REGION).create_key()["KeyMetadata"]["Arn"]
    results = {
        "OutputLocation": f"s3://results-{place.account}/",
        "EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": key},
    }
    place.aws.client("athena", place.account, REGION).create_work_group(
        Name="reporting",
        Configuration={"EnforceWorkGroupConfiguration": True, "ResultConfiguration": results},
    )
    given = {
        "GlueDatabaseName": "inventory",
        "AthenaWorkGroupName": "reporting",
        "ResourceDataSyncBucketName": f"data-{place.account}",
        "AthenaQueryResultsBucket": f"arn:aws:s3:::results-{place.account}",
        "KMSKeyArn": key,
        "QuickSightIdentityRegion": IDENTITY_REGION,
        **choice,
    }
    # Too long to be sent as a text.
    s3 = place.aws.client("s3", place.account, REGION)
    s3.put_object(Bucket=f"results-{place.account}", Key="t.yaml", Body=templates.QUICKSIGHT.read_bytes())
    for _ in range(2):  # once it is deleted, it can be made again
        stack = place.cloudformation.create_stack(
            StackName="patch-reporting-quicksight",
            TemplateURL=f"{place.aws.endpoint}/results-{place.account}/t.yaml",
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value} for name, value in given.items()],
        )["StackId"]
        status = stacks.wait(place.cloudformation, stack)
        failed = [each for each in stacks.events(place.cloudformation, stack) if each[1].endswith("_FAILED")]
        assert (status, failed) == ("CREATE_COMPLETE", [])
        outputs = stacks.outputs(place.cloudformation, stack)
        analysis = place.describe("DescribeAnalysis", AnalysisId=outputs["AnalysisId"])["Analysis"]
        dashboard = place.describe("DescribeDashboard", DashboardId=outputs["DashboardId"])["Dashboard"]
        for described in (analysis, dashboard["Version"]):
            assert (described["Status"], described.get("Errors", [])) == ("CREATION_SUCCESSFUL", [])
        data_sets = [each["DataSetId"] for each in place.describe("ListDataSets")["DataSetSummaries"]]
        schedules = [place.describe("ListRefreshSchedules", DataSetId=each)["RefreshSchedules"] for each in data_sets]
        assert {len(each) for each in schedules} == {1 if choice.get("ImportMode") == "SPICE" else 0}
        assert stacks.delete(place.cloudformation, "patch-reporting-quicksight") == "DELETE_COMPLETE"
        assert place.describe("ListDataSets")["DataSetSummaries"] == []
