"""The AWS Organizations organization that the local accounts belong to.

MiniStack makes every account an organization of its own. Here one organization is given from outside, in the
environment variable ``LOCAL_AWS_ORGANIZATION`` as JSON in the spelling of the Organizations API:

    {"Id": "o-a1b2c3d4e5", "MasterAccountId": "999999999999", "Accounts": ["111122223333", "210987654321"]}

The management account is a member too, whether ``Accounts`` names it or not. An account that is not named belongs to no
organization, and without the variable no account does. The condition keys ``aws:PrincipalOrgID``, ``aws:SourceOrgID``
and ``aws:ResourceOrgID`` follow from the membership:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache

from ministack.core import iam_evaluator

VARIABLE = "LOCAL_AWS_ORGANIZATION"


@dataclass(frozen=True)
class Organization:
    """An organization's id and the ids of its accounts, the management account included."""

    id: str
    management_account: str
    accounts: frozenset[str]

    @classmethod
    def from_json(cls, text: str) -> Organization:
        """Read the form above.

        Raises:
            ValueError: the text is not JSON, or a member is missing.
        """
        try:
            given = json.loads(text)
            management = given["MasterAccountId"]
            return cls(given["Id"], management, frozenset([management, *given["Accounts"]]))
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{VARIABLE} is not an organization: {error!r} in {text!r}") from error


@cache
def _organization() -> Organization | None:
    text = os.environ.get(VARIABLE)
    return Organization.from_json(text) if text else None


def organization_id(account: str | None) -> str | None:
    """The id of the organization that the account belongs to, if any."""
    organization = _organization()
    return organization.id if organization and account in organization.accounts else None


def install() -> None:
    """Let ``aws:PrincipalOrgID`` be the id of the configured organization, and read the variable once, early."""
    _organization()
    iam_evaluator._principal_org_id = organization_id
