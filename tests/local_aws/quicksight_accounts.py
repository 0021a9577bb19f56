"""QuickSight's accounts: the subscription of an AWS account, its namespaces, its users and its groups.

Users and groups live in the account's identity Region, which is the Region that the account was signed up in
(https://docs.aws.amazon.com/quicksight/latest/APIReference/API_CreateAccountSubscription.html). In another Region
QuickSight refuses the operations on them, in the words that its users report
(https://github.com/aws-solutions-library-samples/cloud-intelligence-dashboards-framework/issues/12), and
DescribeAccountSettings too (https://github.com/cloud-custodian/cloud-custodian/issues/10168).
DescribeAccountSubscription answers in every Region: a listing of a Region that was not the identity Region has shown a
subscription (https://github.com/ministryofjustice/modernisation-platform/issues/9789). So do ListNamespaces and
DescribeNamespace, whose ``CapacityRegion`` is how other solutions find the identity Region. No documentation says so of
any of the three.

What an account without a subscription is told is known for users and groups and for the resources
(https://github.com/hashicorp/terraform-provider-aws/pull/32323); of DescribeAccountSubscription's text the beginning
alone is known, from the same provider's tests. The texts for what exists already are ours.

An account is signed up at once; on AWS that takes about half a minute. A user of the type IAM is active at once, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import get_account_id, get_region

Request = dict[str, Any]
Answer = dict[str, Any]

DEFAULT_NAMESPACE = "default"


class ApiError(Exception):
    """An error of the API: its code and its text."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Account:
    """A subscription: the answer of DescribeAccountSubscription, the identity Region, and who is in it."""

    info: Answer
    identity_region: str
    namespaces: dict[str, Answer] = field(default_factory=dict)
    users: dict[tuple[str, str], Answer] = field(default_factory=dict)  # (namespace, name) -> user
    groups: dict[tuple[str, str], Answer] = field(default_factory=dict)

    def has(self, principal: str) -> bool:
        """Whether the ARN is that of a user, a group or a namespace that there is."""
        members = [*self.users.values(), *self.groups.values(), *self.namespaces.values()]
        return any(each["Arn"] == principal for each in members)


_accounts: dict[str, Account] = {}


def arn(region: str, resource: str) -> str:
    """The ARN of something of the calling account."""
    return f"arn:aws:quicksight:{region}:{get_account_id()}:{resource}"


def not_found(message: str) -> ApiError:
    """The error for what does not exist."""
    return ApiError("ResourceNotFoundException", message)


def invalid(message: str) -> ApiError:
    """The error for a request that the service's model allows and the service does not."""
    return ApiError("InvalidParameterValueException", message)


def exists(message: str) -> ApiError:
    """The error for an id or a name that is taken."""
    return ApiError("ResourceExistsException", message)


def subscription() -> Account | None:
    """The calling account's subscription, if it has one."""
    return _accounts.get(get_account_id())


def page(found: list[Any], name: str, request: Request) -> Answer:
    """One page of a list, as MaxResults and NextToken say."""
    token, size = request.get("NextToken", "0"), request.get("MaxResults", 100)
    if not token.isdecimal():
        raise ApiError("InvalidNextTokenException", "The NextToken value isn't valid.")
    start = int(token)
    rest = {"NextToken": str(start + size)} if start + size < len(found) else {}
    return {name: found[start : start + size], **rest}


# --- the subscription


def _subscribed() -> Account:
    account = subscription()
    if account is None:
        raise not_found(f"Account information for account {get_account_id()} is not found.")
    return account


def _in_identity_region(account: Account) -> Account:
    if get_region() != account.identity_region:
        raise ApiError(
            "AccessDeniedException",
            f"Operation is being called from endpoint {get_region()}, but your identity region is "
            f"{account.identity_region}. Please use the {account.identity_region} endpoint.",
        )
    return account


def _create_account_subscription(request: Request) -> Answer:
    if subscription() is not None:
        raise exists(f"Account {get_account_id()} is already subscribed to QuickSight.")
    info = {
        "AccountName": request["AccountName"],
        "Edition": request.get("Edition", "ENTERPRISE"),
        "NotificationEmail": request["NotificationEmail"],
        "AuthenticationType": request["AuthenticationMethod"],
        "AccountSubscriptionStatus": "ACCOUNT_CREATED",
    }
    account = _accounts[get_account_id()] = Account(info, get_region())
    account.namespaces[DEFAULT_NAMESPACE] = _namespace(DEFAULT_NAMESPACE)
    return {"SignupResponse": {"IAMUser": True, "accountName": request["AccountName"], "directoryType": "QUICKSIGHT"}}


def _describe_account_subscription(request: Request) -> Answer:
    return {"AccountInfo": _subscribed().info}


def _describe_account_settings(request: Request) -> Answer:
    info = _in_identity_region(_subscribed()).info
    return {
        "AccountSettings": {
            "AccountName": info["AccountName"],
            "Edition": info["Edition"],
            "DefaultNamespace": DEFAULT_NAMESPACE,
            "NotificationEmail": info["NotificationEmail"],
            "PublicSharingEnabled": False,
            "TerminationProtectionEnabled": True,
        }
    }


# --- namespaces


def _namespace(name: str) -> Answer:
    return {
        "Name": name,
        "Arn": arn(get_region(), f"namespace/{name}"),
        "CapacityRegion": get_region(),
        "CreationStatus": "CREATED",
        "IdentityStore": "QUICKSIGHT",
    }


def _create_namespace(request: Request) -> Answer:
    account = _in_identity_region(_subscribed())
    name = request["Namespace"]
    if name in account.namespaces:
        raise exists(f"Namespace {name} already exists in account {get_account_id()}.")
    account.namespaces[name] = _namespace(name)
    return account.namespaces[name]


def _describe_namespace(request: Request) -> Answer:
    return {"Namespace": _namespace_of(_subscribed(), request)}


def _list_namespaces(request: Request) -> Answer:
    return page(list(_subscribed().namespaces.values()), "Namespaces", request)


def _namespace_of(account: Account, request: Request) -> Answer:
    name = request["Namespace"]
    if name not in account.namespaces:
        raise not_found(f"Namespace {name} not found in account {get_account_id()}")
    return account.namespaces[name]


# --- users and groups


def _directory(request: Request) -> Account:
    """The account whose users and groups the request is about, with the namespace that it names."""
    account = subscription()
    if account is None:
        text = f"Account {get_account_id()} is not signed up with QuickSight with namespace {request['Namespace']}"
        raise not_found(text)
    _namespace_of(_in_identity_region(account), request)
    return account


def _user_name(request: Request) -> str:
    """As documented of RegisterUser: an IAM user's name, or a role's name and the session's."""
    if request["IdentityType"] != "IAM":
        if not request.get("UserName"):
            raise invalid(f"UserName is required for the identity type {request['IdentityType']}.")
        return request["UserName"]
    identity = request.get("IamArn", "").rpartition(":")[2]
    kind, _, name = identity.partition("/")
    if kind not in ("user", "role") or not name:
        raise invalid("IamArn must be the ARN of an IAM user or an IAM role.")
    name = name.rpartition("/")[2]
    if kind == "user":
        return name
    if not request.get("SessionName"):
        raise invalid("SessionName is required for an IAM role.")
    return f"{name}/{request['SessionName']}"


def _register_user(request: Request) -> Answer:
    account = _directory(request)
    key = (request["Namespace"], _user_name(request))
    if key in account.users:
        raise exists(f"User {key[1]} already exists in namespace {key[0]}.")
    account.users[key] = {
        "Arn": arn(account.identity_region, f"user/{key[0]}/{key[1]}"),
        "UserName": key[1],
        "Email": request["Email"],
        "Role": request["UserRole"],
        "IdentityType": request["IdentityType"],
        "Active": request["IdentityType"] == "IAM",
        "PrincipalId": f"federated/iam/{key[1]}" if request["IdentityType"] == "IAM" else f"user/{key[1]}",
    }
    return {"User": account.users[key]}


def _describe_user(request: Request) -> Answer:
    found = _directory(request).users.get((request["Namespace"], request["UserName"]))
    if found is None:
        raise not_found(f"User {request['UserName']} not found")
    return {"User": found}


def _list_users(request: Request) -> Answer:
    users = _directory(request).users.items()
    return page([user for (namespace, _), user in users if namespace == request["Namespace"]], "UserList", request)


def _create_group(request: Request) -> Answer:
    account = _directory(request)
    key = (request["Namespace"], request["GroupName"])
    if key in account.groups:
        raise exists(f"Group {key[1]} already exists in namespace {key[0]}.")
    account.groups[key] = {
        "Arn": arn(account.identity_region, f"group/{key[0]}/{key[1]}"),
        "GroupName": key[1],
        "PrincipalId": f"group/{key[1]}",
        **({"Description": request["Description"]} if "Description" in request else {}),
    }
    return {"Group": account.groups[key]}


def _describe_group(request: Request) -> Answer:
    found = _directory(request).groups.get((request["Namespace"], request["GroupName"]))
    if found is None:
        raise not_found(f"Group {request['GroupName']} not found")
    return {"Group": found}


def _list_groups(request: Request) -> Answer:
    groups = _directory(request).groups.items()
    return page([group for (namespace, _), group in groups if namespace == request["Namespace"]], "GroupList", request)


OPERATIONS: dict[str, Callable[[Request], Answer]] = {
    "CreateAccountSubscription": _create_account_subscription,
    "CreateGroup": _create_group,
    "CreateNamespace": _create_namespace,
    "DescribeAccountSettings": _describe_account_settings,
    "DescribeAccountSubscription": _describe_account_subscription,
    "DescribeGroup": _describe_group,
    "DescribeNamespace": _describe_namespace,
    "DescribeUser": _describe_user,
    "ListGroups": _list_groups,
    "ListNamespaces": _list_namespaces,
    "ListUsers": _list_users,
    "RegisterUser": _register_user,
}
