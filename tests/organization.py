"""The organization that the demo and the tests play in; every id is made up."""

from __future__ import annotations

MANAGEMENT_ACCOUNT = "999999999999"
CENTRAL_ACCOUNT = "111122223333"
MEMBER_ACCOUNTS = ["210987654321", "345678901234", "456789012345"]
HOME_REGION = "us-east-1"
REGIONS = [HOME_REGION, "eu-west-1"]

# In the shape of Organizations' DescribeOrganization, with the accounts that belong to it.
ORGANIZATION = {
    "Id": "o-a1b2c3d4e5",
    "MasterAccountId": MANAGEMENT_ACCOUNT,
    "Accounts": [MANAGEMENT_ACCOUNT, CENTRAL_ACCOUNT, *MEMBER_ACCOUNTS],
}

SYNC_NAME = "patch-reporting"
SYNC_PREFIX = "ResourceDataSync"
