"""QuickSight's themes, analyses and dashboards.

Analyses and dashboards have a definition, not a template. What `quicksight_definition` finds wrong with it becomes the
Errors of the analysis, or of the dashboard's version. With the validation strategy STRICT, which is the default,
creation fails for them; with LENIENT it succeeds with them
(https://docs.aws.amazon.com/quicksight/latest/APIReference/API_ValidationStrategy.html: "validation is skipped for
specific UI errors", which are not listed; here it is all of them). On AWS the status follows the answer; here it is
there at once.

A dashboard's first version is published; a change makes another, which is not
(https://docs.aws.amazon.com/quicksight/latest/APIReference/API_UpdateDashboard.html). An analysis that is deleted
without force keeps its id until its recovery window ends, which never happens here.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

from local_aws import quicksight_definition
from local_aws.quicksight_accounts import Answer, Request, invalid, not_found, page
from local_aws.quicksight_data import columns_of
from local_aws.quicksight_store import (
    ANALYSIS,
    DASHBOARD,
    DATA_SET,
    THEME,
    Kind,
    Resource,
    Version,
    answer_of,
    check_new,
    delete,
    describe_permissions,
    everything,
    existing,
    list_all,
    named,
    take_in,
    update_permissions,
    version_of,
)

# The themes that come with QuickSight: https://docs.aws.amazon.com/quicksight/latest/APIReference/API_CreateTheme.html
_STARTER_THEMES = ("CLASSIC", "MIDNIGHT", "SEASIDE", "RAINIER")
_STARTER_THEME_ARN = "arn:aws:quicksight::aws:theme/"


# --- themes


def _check_theme(request: Request) -> None:
    base = request["BaseThemeId"]
    if base not in _STARTER_THEMES and base not in everything(THEME):
        raise not_found(f"Theme {base} is not found.")


def _create_theme(request: Request) -> Answer:
    check_new(THEME, request)
    _check_theme(request)
    resource = take_in(THEME, request, Version(request, "CREATION_SUCCESSFUL"))
    version = f"{resource.arn}/version/1"
    return answer_of(THEME, request, resource, VersionArn=version, CreationStatus="CREATION_IN_PROGRESS")


def _update_theme(request: Request) -> Answer:
    resource = existing(THEME, request)
    _check_theme(request)
    resource.versions.append(Version({**resource.latest.request, **request}, "UPDATE_SUCCESSFUL"))
    version = f"{resource.arn}/version/{len(resource.versions)}"
    return answer_of(THEME, request, resource, VersionArn=version, CreationStatus="CREATION_IN_PROGRESS")


def _theme(resource: Resource, number: int) -> Answer:
    version = version_of(resource, number)
    described = {"Description": version.request.get("VersionDescription")}
    return {
        "Arn": resource.arn,
        "ThemeId": version.request["ThemeId"],
        "Name": version.request["Name"],
        "Type": "CUSTOM",
        "CreatedTime": resource.created,
        "LastUpdatedTime": resource.latest.created,
        "Version": {
            "VersionNumber": number,
            "Arn": f"{resource.arn}/version/{number}",
            "BaseThemeId": version.request["BaseThemeId"],
            "CreatedTime": version.created,
            "Configuration": version.request["Configuration"],
            "Status": version.status,
            **{name: value for name, value in described.items() if value},
        },
    }


def _describe_theme(request: Request) -> Answer:
    resource = existing(THEME, request)
    number = request.get("VersionNumber", len(resource.versions))
    return {"Theme": _theme(resource, number)}


def _theme_summary(resource: Resource) -> Answer:
    theme = _theme(resource, len(resource.versions))
    members = ("Arn", "Name", "ThemeId", "CreatedTime", "LastUpdatedTime")
    return {**{name: theme[name] for name in members}, "LatestVersionNumber": len(resource.versions)}


# --- analyses and dashboards


def _defined(request: Request, done: str, failed: str) -> Version:
    """The version that a request makes, with what is wrong with its definition."""
    if ("Definition" in request) == ("SourceEntity" in request):
        raise invalid("Either a SourceEntity or a Definition must be provided.")
    if "SourceEntity" in request:
        raise invalid("the local AWS knows analyses and dashboards with a Definition only")
    theme = request.get("ThemeArn")
    if theme is not None and theme.removeprefix(_STARTER_THEME_ARN) not in _STARTER_THEMES and not named(THEME, theme):
        raise not_found(f"Theme {theme} is not found.")
    definition = request["Definition"]
    columns: dict[str, dict[str, str] | None] = {}
    names = {}
    for declared in definition["DataSetIdentifierDeclarations"]:
        names[declared["Identifier"]] = declared["DataSetArn"]
        known = named(DATA_SET, declared["DataSetArn"]) is not None
        columns[declared["Identifier"]] = columns_of(declared["DataSetArn"]) if known else None
    problems = quicksight_definition.check(definition, columns, names)
    strict = request.get("ValidationStrategy", {}).get("Mode", "STRICT") == "STRICT"
    return Version(request, failed if problems and strict else done, problems)


def _errors(version: Version) -> Answer:
    """The member Errors, if there are any. QuickSight has no type for a structure that it finds fault with."""
    errors = [
        {
            "Type": "INTERNAL_FAILURE" if problem.type == quicksight_definition.INVALID else problem.type,
            "Message": problem.message,
            "ViolatedEntities": [{"Path": problem.path}],
        }
        for problem in version.problems
    ]
    return {"Errors": errors} if errors else {}


def _content(version: Version) -> Answer:
    """What an analysis and a version of a dashboard both tell of their definition."""
    definition = version.request["Definition"]
    names = [(sheet["SheetId"], sheet.get("Name")) for sheet in definition.get("Sheets", [])]
    return {
        "Status": version.status,
        "DataSetArns": [each["DataSetArn"] for each in definition["DataSetIdentifierDeclarations"]],
        "Sheets": [{"SheetId": sheet_id, **({"Name": name} if name else {})} for sheet_id, name in names],
        **({"ThemeArn": version.request["ThemeArn"]} if "ThemeArn" in version.request else {}),
        **_errors(version),
    }


def _create_analysis(request: Request) -> Answer:
    check_new(ANALYSIS, request)
    resource = take_in(ANALYSIS, request, _defined(request, "CREATION_SUCCESSFUL", "CREATION_FAILED"))
    return answer_of(ANALYSIS, request, resource, CreationStatus="CREATION_IN_PROGRESS")


def _update_analysis(request: Request) -> Answer:
    resource = existing(ANALYSIS, request)
    resource.versions.append(_defined(request, "UPDATE_SUCCESSFUL", "UPDATE_FAILED"))
    return answer_of(ANALYSIS, request, resource, UpdateStatus="UPDATE_IN_PROGRESS")


def _analysis_summary(resource: Resource) -> Answer:
    return {
        "Arn": resource.arn,
        "AnalysisId": resource.latest.request["AnalysisId"],
        "Name": resource.latest.request["Name"],
        "Status": resource.latest.status,
        "CreatedTime": resource.created,
        "LastUpdatedTime": resource.latest.created,
    }


def _describe_analysis(request: Request) -> Answer:
    resource = existing(ANALYSIS, request)
    return {"Analysis": {**_analysis_summary(resource), **_content(resource.latest)}}


def _delete_analysis(request: Request) -> Answer:
    resource = existing(ANALYSIS, request)
    if request.get("ForceDeleteWithoutRecovery"):
        del everything(ANALYSIS)[request["AnalysisId"]]
        return answer_of(ANALYSIS, request, resource)
    resource.latest.status = "DELETED"
    days = request.get("RecoveryWindowInDays", 30)
    return answer_of(ANALYSIS, request, resource, DeletionTime=time.time() + days * 86400)


def _create_dashboard(request: Request) -> Answer:
    check_new(DASHBOARD, request)
    version = _defined(request, "CREATION_SUCCESSFUL", "CREATION_FAILED")
    links = _checked_links(request.get("LinkEntities", []))
    resource = take_in(DASHBOARD, request, version)
    resource.links = links
    arns = {"VersionArn": f"{resource.arn}/version/1"}
    return answer_of(DASHBOARD, request, resource, **arns, CreationStatus="CREATION_IN_PROGRESS")


def _update_dashboard(request: Request) -> Answer:
    resource = existing(DASHBOARD, request)
    resource.versions.append(_defined(request, "CREATION_SUCCESSFUL", "CREATION_FAILED"))
    arns = {"VersionArn": f"{resource.arn}/version/{len(resource.versions)}"}
    return answer_of(DASHBOARD, request, resource, **arns, CreationStatus="CREATION_IN_PROGRESS")


def _publish_dashboard(request: Request) -> Answer:
    resource = existing(DASHBOARD, request)
    number = request["VersionNumber"]
    if version_of(resource, number).status == "CREATION_FAILED":
        raise invalid(f"Version {number} can't be published, its creation failed.")
    resource.published = number
    return {"DashboardId": request["DashboardId"], "DashboardArn": resource.arn}


def _checked_links(entities: list[str]) -> list[str]:
    for entity in entities:
        if named(ANALYSIS, entity) is None:
            raise not_found(f"Analysis {entity} is not found.")
    return entities


def _link_dashboard(request: Request) -> Answer:
    resource = existing(DASHBOARD, request)
    resource.links = _checked_links(request["LinkEntities"])
    return {"DashboardArn": resource.arn, "LinkEntities": resource.links}


def _asked_version(resource: Resource, request: Request) -> int:
    match request.get("AliasName"), request.get("VersionNumber"):
        case None, None:
            return resource.published
        case None, number:
            return number
        case "$PUBLISHED", None:
            return resource.published
        case "$LATEST", None:
            return len(resource.versions)
    raise not_found(f"The alias {request['AliasName']} is not found.")


def _describe_dashboard(request: Request) -> Answer:
    resource = existing(DASHBOARD, request)
    number = _asked_version(resource, request)
    version = version_of(resource, number)
    described = {"Description": version.request.get("VersionDescription")}
    return {
        "Dashboard": {
            "DashboardId": request["DashboardId"],
            "Arn": resource.arn,
            "Name": version.request["Name"],
            "CreatedTime": resource.created,
            "LastPublishedTime": resource.versions[resource.published - 1].created,
            "LastUpdatedTime": resource.latest.created,
            **({"LinkEntities": resource.links} if resource.links else {}),
            "Version": {
                "VersionNumber": number,
                "Arn": f"{resource.arn}/version/{number}",
                "CreatedTime": version.created,
                **_content(version),
                **{name: value for name, value in described.items() if value},
            },
        }
    }


def _dashboard_summary(resource: Resource) -> Answer:
    return {
        "Arn": resource.arn,
        "DashboardId": resource.latest.request["DashboardId"],
        "Name": resource.latest.request["Name"],
        "CreatedTime": resource.created,
        "LastUpdatedTime": resource.latest.created,
        "PublishedVersionNumber": resource.published,
        "LastPublishedTime": resource.versions[resource.published - 1].created,
    }


def _list_versions(request: Request) -> Answer:
    resource = existing(DASHBOARD, request)
    found = [
        {
            "Arn": f"{resource.arn}/version/{number}",
            "VersionNumber": number,
            "Status": version.status,
            "CreatedTime": version.created,
        }
        for number, version in enumerate(resource.versions, start=1)
    ]
    return page(found[::-1], "DashboardVersionSummaryList", request)


def _definition(kind: Kind, request: Request) -> Answer:
    resource = existing(kind, request)
    number = _asked_version(resource, request) if kind is DASHBOARD else len(resource.versions)
    version = version_of(resource, number)
    theme = {"ThemeArn": version.request.get("ThemeArn")}
    return {
        kind.id_member: request[kind.id_member],
        "Name": version.request["Name"],
        "ResourceStatus": version.status,
        "Definition": version.request["Definition"],
        **{name: value for name, value in theme.items() if value},
        **_errors(version),
    }


OPERATIONS: dict[str, Callable[[Request], Answer]] = {
    "CreateAnalysis": _create_analysis,
    "CreateDashboard": _create_dashboard,
    "CreateTheme": _create_theme,
    "DeleteAnalysis": _delete_analysis,
    "DeleteDashboard": partial(delete, DASHBOARD),
    "DeleteTheme": partial(delete, THEME),
    "DescribeAnalysis": _describe_analysis,
    "DescribeAnalysisDefinition": partial(_definition, ANALYSIS),
    "DescribeAnalysisPermissions": partial(describe_permissions, ANALYSIS),
    "DescribeDashboard": _describe_dashboard,
    "DescribeDashboardDefinition": partial(_definition, DASHBOARD),
    "DescribeDashboardPermissions": partial(describe_permissions, DASHBOARD),
    "DescribeTheme": _describe_theme,
    "DescribeThemePermissions": partial(describe_permissions, THEME),
    "ListAnalyses": partial(list_all, ANALYSIS, "AnalysisSummaryList", _analysis_summary),
    "ListDashboardVersions": _list_versions,
    "ListDashboards": partial(list_all, DASHBOARD, "DashboardSummaryList", _dashboard_summary),
    "ListThemes": partial(list_all, THEME, "ThemeSummaryList", _theme_summary),
    "UpdateAnalysis": _update_analysis,
    "UpdateAnalysisPermissions": partial(update_permissions, ANALYSIS),
    "UpdateDashboard": _update_dashboard,
    "UpdateDashboardLinks": _link_dashboard,
    "UpdateDashboardPermissions": partial(update_permissions, DASHBOARD),
    "UpdateDashboardPublishedVersion": _publish_dashboard,
    "UpdateTheme": _update_theme,
    "UpdateThemePermissions": partial(update_permissions, THEME),
}
