"""The organization that the demo and the tests play in; every id is made up."""

from __future__ import annotations

MANAGEMENT_ACCOUNT = "999999999999"
CENTRAL_ACCOUNT = "111122223333"
MEMBER_ACCOUNTS = ["210987654321", "345678901234", "456789012345"]
HOME_REGION = "us-east-1"
REGIONS = [HOME_REGION, "eu-west-1"]

WORKLOADS, PRODUCTION, DEVELOPMENT = "ou-a1b2-11111111", "ou-a1b2-22222222", "ou-a1b2-33333333"
STACK_SETS_SERVICE = "member.org.stacksets.cloudformation.amazonaws.com"

# As `local_aws.organization` reads it. All members are below Workloads, the central account is the root's.
ORGANIZATION = {
    "Id": "o-a1b2c3d4e5",
    "MasterAccountId": MANAGEMENT_ACCOUNT,
    "Accounts": [MANAGEMENT_ACCOUNT, CENTRAL_ACCOUNT, *MEMBER_ACCOUNTS],
    "OrganizationalUnits": {
        WORKLOADS: {"Name": "Workloads"},
        PRODUCTION: {"Name": "Production", "ParentId": WORKLOADS, "Accounts": MEMBER_ACCOUNTS[:2]},
        DEVELOPMENT: {"Name": "Development", "ParentId": WORKLOADS, "Accounts": MEMBER_ACCOUNTS[2:]},
    },
    "TrustedServices": [STACK_SETS_SERVICE],
}

SYNC_NAME = "patch-reporting"
SYNC_PREFIX = "ResourceDataSync"
