"""Who may be given what on QuickSight's resources.

Actions come in whole sets; QuickSight refuses any other, in these words, which moto has from it, too:

    ResourcePermission list contains unsupported permission sets [...] for this resource. Valid sets : [...] or [...]

The sets of themes are those of
https://docs.aws.amazon.com/quicksight/latest/APIReference/API_UpdateThemePermissions.html. Those of the other resources
are the ones that AWS's own solutions and examples give: the owners of
https://github.com/aws-solutions-library-samples/cloud-intelligence-dashboards-framework, a data set's viewer of
https://docs.aws.amazon.com/quicksight/latest/developerguide/update-data-set-permissions.html, and its owner who may
manage refreshes of https://github.com/hashicorp/terraform-provider-aws/issues/33907. An analysis has owners only.

A principal is a user or a group of the identity Region, for all but data sources and data sets a namespace, too:
https://docs.aws.amazon.com/quicksight/latest/APIReference/API_ResourcePermission.html. What is said of others is known
from users (https://github.com/aws/aws-sdk-pandas/issues/434).
"""

from __future__ import annotations

from typing import Any

from local_aws.quicksight_accounts import Account, invalid

Permissions = list[dict[str, Any]]

_DATA_SOURCE_USER = ["DescribeDataSource", "DescribeDataSourcePermissions", "PassDataSource"]
_DATA_SET_VIEWER = [
    "DescribeDataSet",
    "DescribeDataSetPermissions",
    "PassDataSet",
    "DescribeIngestion",
    "ListIngestions",
]
_DATA_SET_OWNER = [
    *_DATA_SET_VIEWER,
    "UpdateDataSet",
    "DeleteDataSet",
    "CreateIngestion",
    "CancelIngestion",
    "UpdateDataSetPermissions",
]
_REFRESH_MANAGER = [
    "DescribeRefreshSchedule",
    "ListRefreshSchedules",
    "CreateRefreshSchedule",
    "UpdateRefreshSchedule",
    "DeleteRefreshSchedule",
    "DescribeDataSetRefreshProperties",
    "PutDataSetRefreshProperties",
    "DeleteDataSetRefreshProperties",
]
_DASHBOARD_VIEWER = ["DescribeDashboard", "ListDashboardVersions", "QueryDashboard"]
_DASHBOARD_OWNER = [
    *_DASHBOARD_VIEWER,
    "UpdateDashboard",
    "DeleteDashboard",
    "UpdateDashboardPermissions",
    "DescribeDashboardPermissions",
    "UpdateDashboardPublishedVersion",
]
_THEME_USER = ["DescribeTheme", "DescribeThemeAlias", "ListThemeAliases", "ListThemeVersions"]

# Kind -> the sets of actions that there are.
_SETS = {
    "DataSource": [
        _DATA_SOURCE_USER,
        [*_DATA_SOURCE_USER, "UpdateDataSource", "DeleteDataSource", "UpdateDataSourcePermissions"],
    ],
    "DataSet": [_DATA_SET_VIEWER, _DATA_SET_OWNER, [*_DATA_SET_OWNER, *_REFRESH_MANAGER]],
    "Analysis": [
        [
            "DescribeAnalysis",
            "QueryAnalysis",
            "UpdateAnalysis",
            "DeleteAnalysis",
            "RestoreAnalysis",
            "DescribeAnalysisPermissions",
            "UpdateAnalysisPermissions",
        ]
    ],
    "Dashboard": [_DASHBOARD_VIEWER, _DASHBOARD_OWNER, [*_DASHBOARD_OWNER, "UpdateDashboardLinks"]],
    "Theme": [
        _THEME_USER,
        [
            *_THEME_USER,
            "DeleteTheme",
            "UpdateTheme",
            "CreateThemeAlias",
            "DeleteThemeAlias",
            "UpdateThemeAlias",
            "UpdateThemePermissions",
            "DescribeThemePermissions",
        ],
    ],
}


def check(kind: str, permissions: Permissions, account: Account) -> None:
    """Raises `ApiError` if a principal is nobody, or its actions are no set that there is for the kind of resource."""
    sets = [sorted(f"quicksight:{action}" for action in each) for each in _SETS[kind]]
    for permission in permissions:
        shared_with_namespace = ":namespace/" in permission["Principal"]
        if not account.has(permission["Principal"]) or (shared_with_namespace and kind in ("DataSource", "DataSet")):
            raise invalid("One or more principals in resource permissions list are not valid QuickSight users")
        if sorted(permission["Actions"]) not in sets:
            valid = " or ".join(f"[{', '.join(each)}]" for each in sets)
            raise invalid(
                f"ResourcePermission list contains unsupported permission sets [{', '.join(permission['Actions'])}] "
                f"for this resource. Valid sets : {valid}"
            )


def changed(current: Permissions, granted: Permissions, revoked: Permissions) -> Permissions:
    """The permissions after a grant and a revocation; what a principal is granted takes the place of what it had."""
    actions = {each["Principal"]: list(each["Actions"]) for each in current}
    for each in revoked:
        left = [action for action in actions.pop(each["Principal"], []) if action not in each["Actions"]]
        if left:
            actions[each["Principal"]] = left
    actions |= {each["Principal"]: list(each["Actions"]) for each in granted}
    return [{"Principal": principal, "Actions": given} for principal, given in actions.items()]
