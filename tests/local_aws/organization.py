"""The AWS Organizations organization that the local accounts belong to.

MiniStack makes every account an organization of its own. Here one organization is given from outside, in the
environment variable ``LOCAL_AWS_ORGANIZATION`` as JSON in the spelling of the Organizations API:

    {
      "Id": "o-a1b2c3d4e5", "MasterAccountId": "999999999999", "Accounts": ["111122223333", "210987654321"],
      "OrganizationalUnits": {"ou-a1b2-11111111": {"Name": "Workloads", "Accounts": ["210987654321"]},
                              "ou-a1b2-22222222": {"Name": "Production", "ParentId": "ou-a1b2-11111111"}},
      "TrustedServices": ["member.org.stacksets.cloudformation.amazonaws.com"],
      "DelegatedAdministrators": {"member.org.stacksets.cloudformation.amazonaws.com": ["111122223333"]},
      "SuspendedAccounts": ["345678901234"], "DisabledRegions": {"210987654321": ["me-south-1"]}
    }

All but the first line may be left out: a unit without ``ParentId`` and an account that no unit names are the root's,
and every account is active and has all Regions. A service that is trusted from the start has been switched on, too.
The management account is a member too, whether ``Accounts`` names it or not. An account that is not named belongs to no
organization, and without the variable no account does. The condition keys ``aws:PrincipalOrgID``, ``aws:SourceOrgID``
and ``aws:ResourceOrgID`` follow from the membership:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from functools import cache

from ministack.core import iam_evaluator

VARIABLE = "LOCAL_AWS_ORGANIZATION"


@dataclass(frozen=True)
class Unit:
    """An organizational unit: its id, its name, its parent's id, and the accounts in it that are not further down."""

    id: str
    name: str
    parent: str
    accounts: frozenset[str]


@dataclass(frozen=True)
class Organization:
    """An organization: the ids of its accounts, the management account included, and how they are ordered."""

    id: str
    management_account: str
    accounts: frozenset[str]
    units: dict[str, Unit] = field(default_factory=dict)
    trusted_services: set[str] = field(default_factory=set)
    delegated_administrators: dict[str, list[str]] = field(default_factory=dict)
    suspended_accounts: frozenset[str] = frozenset()
    disabled_regions: dict[str, list[str]] = field(default_factory=dict)
    # The services that have been switched on where they are used, and not only here, see `works_in`.
    activated_services: set[str] = field(default_factory=set)

    @property
    def root(self) -> str:
        """The id of the root, under which all units and accounts are."""
        return f"r-{self.id[2:6]}"

    def parent_of(self, account: str) -> str:
        """The unit of an account, or the root."""
        return next((unit.id for unit in self.units.values() if account in unit.accounts), self.root)

    def path_of(self, child: str) -> str:
        """An account or unit in the organization, as Organizations writes it: ``o-…/r-…/ou-…/<account>/``."""
        way = [child]
        while way[-1] != self.root:
            unit = self.units.get(way[-1])
            way.append(unit.parent if unit else self.parent_of(way[-1]))
        return "/".join([self.id, *reversed(way), ""])

    def accounts_below(self, parent: str) -> list[str]:
        """The accounts of the root or a unit and of all units below it, in the order of their ids."""
        inner = {account for account in self.accounts if self.parent_of(account) == parent}
        for unit in self.units.values():
            if unit.parent == parent:
                inner.update(self.accounts_below(unit.id))
        return sorted(inner)

    def works_in(self, service: str) -> bool:
        """Whether the service may work in the member accounts.

        StackSets has a switch of its own (ActivateOrganizationsAccess), which gives it trusted access too. Where it was
        never used, the trusted access that Organizations gives (EnableAWSServiceAccess) is not enough:
        https://github.com/pepperize/cdk-organizations/issues/1718
        """
        return service in self.trusted_services and service in self.activated_services

    @classmethod
    def from_json(cls, text: str) -> Organization:
        """Read the form above.

        Raises:
            ValueError: the text is not JSON, or a member is missing.
        """
        try:
            given = json.loads(text)
            management = given["MasterAccountId"]
            organization = cls(
                given["Id"],
                management,
                frozenset([management, *given["Accounts"]]),
                suspended_accounts=frozenset(given.get("SuspendedAccounts", [])),
                disabled_regions=given.get("DisabledRegions", {}),
            )
            for unit_id, unit in given.get("OrganizationalUnits", {}).items():
                parent = unit.get("ParentId", organization.root)
                accounts = frozenset(unit.get("Accounts", []))
                organization.units[unit_id] = Unit(unit_id, unit["Name"], parent, accounts)
            organization.trusted_services.update(given.get("TrustedServices", []))
            organization.activated_services.update(organization.trusted_services)
            organization.delegated_administrators.update(given.get("DelegatedAdministrators", {}))
            return organization
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{VARIABLE} is not an organization: {error!r} in {text!r}") from error


@cache
def the_organization() -> Organization | None:
    """The organization that the variable describes, if it does."""
    text = os.environ.get(VARIABLE)
    return Organization.from_json(text) if text else None


def organization_id(account: str | None) -> str | None:
    """The id of the organization that the account belongs to, if any."""
    organization = organization_of(account)
    return organization.id if organization else None


def organization_of(account: str | None) -> Organization | None:
    """The organization that the account belongs to, if any."""
    organization = the_organization()
    return organization if organization and account in organization.accounts else None


def install() -> None:
    """Let ``aws:PrincipalOrgID`` be the id of the configured organization, and read the variable once, early."""
    the_organization()
    iam_evaluator._principal_org_id = organization_id
