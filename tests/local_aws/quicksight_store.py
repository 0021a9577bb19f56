"""What QuickSight's resources have in common: where they are kept, their versions and their permissions.

They belong to an account and a Region, and their permissions to users of the identity Region. An account that is not
signed up is told so in the words of https://github.com/hashicorp/terraform-provider-aws/pull/32323, and for data
sources and data sets in those that users of CreateDataSource report (Directory information ... is not found). Analyses,
dashboards and themes need the Enterprise edition: UnsupportedUserEditionException is among their operations' errors.
The texts for what is missing or there already are ours.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import get_account_id, get_region

from local_aws import quicksight_permissions
from local_aws.quicksight_accounts import (
    Account,
    Answer,
    ApiError,
    Request,
    arn,
    exists,
    not_found,
    page,
    subscription,
)
from local_aws.quicksight_definition import Problem


@dataclass(frozen=True)
class Kind:
    """A kind of resource: its name, the member with its id, its part of the ARN, and whether it needs Enterprise."""

    name: str
    id_member: str
    part: str
    enterprise: bool


DATA_SOURCE = Kind("DataSource", "DataSourceId", "datasource", enterprise=False)
DATA_SET = Kind("DataSet", "DataSetId", "dataset", enterprise=False)
THEME = Kind("Theme", "ThemeId", "theme", enterprise=True)
ANALYSIS = Kind("Analysis", "AnalysisId", "analysis", enterprise=True)
DASHBOARD = Kind("Dashboard", "DashboardId", "dashboard", enterprise=True)


@dataclass
class Version:
    """A version of a dashboard or a theme, or the one state that an analysis has."""

    request: Request
    status: str
    problems: list[Problem] = field(default_factory=list)
    created: float = field(default_factory=time.time)


@dataclass
class Resource:
    """A resource with all its versions; those of the kinds without versions are what they have been."""

    arn: str
    versions: list[Version]
    permissions: list[dict[str, Any]]
    tags: list[dict[str, str]]
    published: int = 1
    schedules: dict[str, Request] = field(default_factory=dict)
    ingestions: list[Answer] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    created: float = field(default_factory=time.time)

    @property
    def latest(self) -> Version:
        """The newest version."""
        return self.versions[-1]


# (account, Region, part of the ARN) -> id -> resource
_resources: dict[tuple[str, str, str], dict[str, Resource]] = {}


def everything(kind: Kind) -> dict[str, Resource]:
    """The resources of a kind by their ids."""
    return _resources.setdefault((get_account_id(), get_region(), kind.part), {})


def subscribed(kind: Kind) -> Account:
    """The account, if it may have resources of the kind."""
    account = subscription()
    if account is None and kind.enterprise:
        text = f"Account {get_account_id()} is not subscribed for QuickSight"
        raise ApiError("UnsupportedUserEditionException", text)
    if account is None:
        raise not_found(f"Directory information for account {get_account_id()} is not found.")
    if kind.enterprise and account.info["Edition"] == "STANDARD":
        raise ApiError("UnsupportedUserEditionException", f"{kind.name} needs the Enterprise edition of QuickSight")
    return account


def existing(kind: Kind, request: Request) -> Resource:
    """The resource that the request is about."""
    subscribed(kind)
    found = everything(kind).get(request[kind.id_member])
    if found is None:
        raise not_found(f"{kind.name} {request[kind.id_member]} is not found.")
    return found


def named(kind: Kind, resource_arn: str) -> Resource | None:
    """What the ARN names, if it is of the kind, of the calling account and in its Region."""
    own = arn(get_region(), f"{kind.part}/")
    return everything(kind).get(resource_arn.removeprefix(own)) if resource_arn.startswith(own) else None


def take_in(kind: Kind, request: Request, version: Version) -> Resource:
    """Keeps a resource whose id is free."""
    resource_id = request[kind.id_member]
    return everything(kind).setdefault(
        resource_id,
        Resource(
            arn(get_region(), f"{kind.part}/{resource_id}"),
            [version],
            request.get("Permissions", []),
            request.get("Tags", []),
        ),
    )


def check_new(kind: Kind, request: Request) -> None:
    """What has to hold before a resource of any kind is made."""
    account = subscribed(kind)
    if request[kind.id_member] in everything(kind):
        raise exists(f"{kind.name} {request[kind.id_member]} already exists.")
    quicksight_permissions.check(kind.name, request.get("Permissions", []), account)


def answer_of(kind: Kind, request: Request, resource: Resource, **members: Any) -> Answer:
    """What a request that made, changed or deleted a resource is answered."""
    return {"Arn": resource.arn, kind.id_member: request[kind.id_member], **members}


def version_of(resource: Resource, number: int) -> Version:
    """One version of a dashboard or a theme."""
    if not 1 <= number <= len(resource.versions):
        raise not_found(f"Version {number} of {resource.arn} is not found.")
    return resource.versions[number - 1]


# --- operations that are the same for all


def delete(kind: Kind, request: Request) -> Answer:
    """Delete...: the resource is gone at once."""
    resource = existing(kind, request)
    del everything(kind)[request[kind.id_member]]
    return answer_of(kind, request, resource)


def describe_permissions(kind: Kind, request: Request) -> Answer:
    """Describe...Permissions."""
    resource = existing(kind, request)
    about = {f"{kind.name}Arn": resource.arn, kind.id_member: request[kind.id_member]}
    return {**about, **({"Permissions": resource.permissions} if resource.permissions else {})}


def update_permissions(kind: Kind, request: Request) -> Answer:
    """Update...Permissions, for both of GrantPermissions and RevokePermissions."""
    resource = existing(kind, request)
    granted, revoked = request.get("GrantPermissions", []), request.get("RevokePermissions", [])
    quicksight_permissions.check(kind.name, granted, subscribed(kind))
    resource.permissions = quicksight_permissions.changed(resource.permissions, granted, revoked)
    answer = describe_permissions(kind, request)
    if not kind.enterprise:  # the older operations do not tell
        answer.pop("Permissions", None)
    return answer


def list_all(kind: Kind, member: str, summary: Callable[[Resource], Answer], request: Request) -> Answer:
    """List..., by pages."""
    subscribed(kind)
    return page([summary(each) for each in everything(kind).values()], member, request)
