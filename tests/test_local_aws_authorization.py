"""Policies of the local AWS bind everybody whom they bind on AWS, under AWS's condition keys."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError
from ministack.services import iam as iam_service
from ministack.services import s3 as s3_service

import organization
import stacks
from local_aws.authorization import role_may
from local_aws.server import LocalAws

# Accounts that no other test uses: none of them is in the organization.
OWNER = "600000000001"
STRANGER = "600000000002"

_numbers = itertools.count()


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    """Code and message of the error that the call must end in."""
    with pytest.raises(ClientError) as error:
        call()
    answer = error.value.response["Error"]
    return answer["Code"], answer["Message"]


@pytest.fixture
def bucket(local_aws: LocalAws) -> str:
    name = f"authorization-{next(_numbers)}"
    local_aws.client("s3", OWNER).create_bucket(Bucket=name)
    return name


@pytest.fixture
def s3(local_aws: LocalAws) -> Any:
    """S3 for the owner's root user."""
    return local_aws.client("s3", OWNER)


def put_policy(s3: Any, bucket: str, **statement: Any) -> None:
    """A bucket policy of one statement on the objects, by default a Deny for everybody."""
    defaults = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(defaults | statement))


def role_session(
    aws: LocalAws, account: str, *statements: dict[str, Any], path: str = "/", service: str = "s3"
) -> tuple[str, Any]:
    """The ARN of a new role and a service's client for a session of it named `test`."""
    iam, name = aws.client("iam", account), f"authorization-{next(_numbers)}"
    trust = {"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=name, Path=path, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=policy(*statements))
    session = aws.client("sts", account).assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
    return arn, aws.client_for(service, session)


ALLOW_S3 = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}


class TestExplicitDenyOfABucketPolicy:
    def test_binds_the_root_user(self, s3: Any, bucket: str) -> None:
        put_policy(s3, bucket, Action="s3:PutObject")
        assert refusal(lambda: s3.put_object(Bucket=bucket, Key="x", Body=b"")) == (
            "AccessDenied",
            f"User: arn:aws:iam::{OWNER}:root is not authorized to perform: s3:PutObject "
            f'on resource: "arn:aws:s3:::{bucket}/x" with an explicit deny in a resource-based policy',
        )

    def test_binds_roles(self, local_aws: LocalAws, s3: Any, bucket: str) -> None:
        _, role = role_session(local_aws, OWNER, ALLOW_S3)
        put_policy(s3, bucket, Action="s3:PutObject")
        assert refusal(lambda: role.put_object(Bucket=bucket, Key="x", Body=b""))[0] == "AccessDenied"

    def test_binds_for_what_it_names_only(self, s3: Any, bucket: str) -> None:
        put_policy(s3, bucket, Action="s3:PutObject", Resource=f"arn:aws:s3:::{bucket}/closed/*")
        s3.put_object(Bucket=bucket, Key="open/x", Body=b"")
        refusal(lambda: s3.put_object(Bucket=bucket, Key="closed/x", Body=b""))

    def test_can_be_mended_by_the_root_user(self, s3: Any, bucket: str) -> None:
        put_policy(s3, bucket, Resource=[f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"])
        assert refusal(lambda: s3.list_objects_v2(Bucket=bucket))[0] == "AccessDenied"
        s3.get_bucket_policy(Bucket=bucket)
        s3.delete_bucket_policy(Bucket=bucket)
        s3.list_objects_v2(Bucket=bucket)


class TestConditionKeys:
    """Each key by a Deny under a condition, and by whether it binds the root user and a role."""

    @pytest.mark.parametrize(
        ("condition", "binds"),
        [
            pytest.param({"Bool": {"aws:SecureTransport": "false"}}, False, id="requests count as TLS"),
            pytest.param({"Bool": {"aws:PrincipalIsAWSService": "false"}}, True, id="a user is no service"),
            pytest.param({"StringNotEquals": {"aws:ResourceAccount": OWNER}}, False, id="the bucket's account"),
            pytest.param({"StringEquals": {"aws:ResourceAccount": OWNER}}, True, id="denied by the bucket's account"),
            pytest.param({"Null": {"aws:PrincipalOrgID": "true"}}, True, id="an account of no organization"),
            pytest.param({"Null": {"aws:ResourceOrgID": "false"}}, False, id="a bucket of no organization"),
        ],
    )
    def test_of_a_request(
        self, local_aws: LocalAws, s3: Any, bucket: str, condition: dict[str, Any], binds: bool
    ) -> None:
        put_policy(s3, bucket, Condition=condition)
        for caller in (s3, role_session(local_aws, OWNER, ALLOW_S3)[1]):
            if binds:
                assert refusal(partial(caller.put_object, Bucket=bucket, Key="x", Body=b""))[0] == "AccessDenied"
            else:
                caller.put_object(Bucket=bucket, Key="x", Body=b"")

    def test_principal_arn_of_a_session_is_its_role(self, local_aws: LocalAws, s3: Any, bucket: str) -> None:
        arn, role = role_session(local_aws, OWNER, ALLOW_S3, path="/reporting/")
        assert ":role/reporting/" in arn
        put_policy(s3, bucket, Action="s3:PutObject", Condition={"ArnNotEquals": {"aws:PrincipalArn": arn}})
        role.put_object(Bucket=bucket, Key="x", Body=b"")
        _, other = role_session(local_aws, OWNER, ALLOW_S3)
        assert refusal(lambda: other.put_object(Bucket=bucket, Key="x", Body=b""))[0] == "AccessDenied"

    def test_principal_org_id(self, local_aws: LocalAws, s3: Any, bucket: str) -> None:
        s3.put_object(Bucket=bucket, Key="x", Body=b"shared")
        put_policy(
            s3,
            bucket,
            Effect="Allow",
            Principal={"AWS": "*"},
            Action="s3:GetObject",
            Condition={"StringEquals": {"aws:PrincipalOrgID": organization.ORGANIZATION["Id"]}},
        )
        for account in organization.ORGANIZATION["Accounts"]:
            answer = local_aws.client("s3", account).get_object(Bucket=bucket, Key="x")
            assert answer["Body"].read() == b"shared"
        stranger = local_aws.client("s3", STRANGER)
        assert refusal(lambda: stranger.get_object(Bucket=bucket, Key="x"))[0] == "AccessDenied"


class TestRole:
    """`role_may`, which the crawler's role is judged by, on the stores of a MiniStack within this process."""

    ACCOUNT = "600000000003"
    ROLE = f"arn:aws:iam::{ACCOUNT}:role/service-role/reader"
    BUCKET = "authorization-own"
    FOREIGN_BUCKET = "authorization-foreign"
    FILE = f"arn:aws:s3:::{BUCKET}/file"

    IDENTITY = "because no identity-based policy allows the s3:GetObject action"
    RESOURCE = "because no resource-based policy allows the s3:GetObject action"

    @pytest.fixture(autouse=True)
    def stores(self) -> Iterator[None]:
        for account, bucket in ((self.ACCOUNT, self.BUCKET), (STRANGER, self.FOREIGN_BUCKET)):
            s3_service._buckets.set_scoped(account, None, bucket, {"objects": {}})
        yield
        for store in (s3_service._buckets, s3_service._bucket_policies, iam_service._roles, iam_service._policies):
            store.clear()

    def make_role(self, *statements: dict[str, Any], boundary: dict[str, Any] | None = None) -> None:
        role: dict[str, Any] = {"Arn": self.ROLE, "InlinePolicies": {"grants": policy(*statements)}}
        if boundary:
            role["PermissionsBoundary"] = f"arn:aws:iam::{self.ACCOUNT}:policy/boundary"
            document = {"DefaultVersionId": "v1", "Versions": {"v1": {"Document": policy(boundary)}}}
            iam_service._policies.set_scoped(self.ACCOUNT, None, role["PermissionsBoundary"], document)
        iam_service._roles.set_scoped(self.ACCOUNT, None, "reader", role)

    def put_bucket_policy(self, owner: str, bucket: str, **statement: Any) -> None:
        statement = {"Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*", **statement}
        s3_service._bucket_policies.set_scoped(owner, None, bucket, policy(statement))

    def may_read(self, resource: str = FILE) -> str | None:
        denial = role_may(self.ROLE, "s3:GetObject", resource, session_name="AWS-Crawler")
        return denial.message if denial else None

    def refused(self, resource: str, reason: str) -> str:
        session = f"arn:aws:sts::{self.ACCOUNT}:assumed-role/reader/AWS-Crawler"
        return f'User: {session} is not authorized to perform: s3:GetObject on resource: "{resource}" {reason}'

    def test_needs_a_grant(self) -> None:
        self.make_role(ALLOW_S3 | {"Action": "s3:ListBucket"})
        assert self.may_read() == self.refused(self.FILE, self.IDENTITY)
        self.make_role(ALLOW_S3)
        assert self.may_read() is None

    def test_that_is_missing_may_nothing(self) -> None:
        assert self.may_read() == self.refused(self.FILE, self.IDENTITY)

    def test_is_bound_by_a_deny_of_its_own(self) -> None:
        self.make_role(ALLOW_S3, ALLOW_S3 | {"Effect": "Deny"})
        assert self.may_read() == self.refused(self.FILE, "with an explicit deny in an identity-based policy")

    def test_is_bound_by_its_boundary(self) -> None:
        self.make_role(ALLOW_S3, boundary=ALLOW_S3 | {"Action": "s3:ListBucket"})
        assert self.may_read() == self.refused(self.FILE, self.IDENTITY)
        self.make_role(ALLOW_S3, boundary=ALLOW_S3)
        assert self.may_read() is None

    def test_is_bound_by_a_deny_of_the_bucket(self) -> None:
        self.make_role(ALLOW_S3)
        self.put_bucket_policy(self.ACCOUNT, self.BUCKET, Effect="Deny", Principal="*")
        assert self.may_read() == self.refused(self.FILE, "with an explicit deny in a resource-based policy")

    def test_may_be_allowed_by_the_bucket_alone(self) -> None:
        self.make_role()
        self.put_bucket_policy(self.ACCOUNT, self.BUCKET, Effect="Allow", Principal={"AWS": self.ROLE})
        assert self.may_read() is None

    def test_needs_both_grants_for_a_foreign_bucket(self) -> None:
        file = f"arn:aws:s3:::{self.FOREIGN_BUCKET}/file"
        self.make_role(ALLOW_S3)
        assert self.may_read(file) == self.refused(file, self.RESOURCE)
        self.put_bucket_policy(STRANGER, self.FOREIGN_BUCKET, Effect="Allow", Principal={"AWS": self.ROLE})
        assert self.may_read(file) is None
        self.make_role()
        assert self.may_read(file) == self.refused(file, self.IDENTITY)

    def test_is_judged_under_the_context_of_the_request(self) -> None:
        self.make_role(ALLOW_S3 | {"Condition": {"StringEquals": {"s3:prefix": "reports/"}}})
        bucket = f"arn:aws:s3:::{self.BUCKET}"
        assert role_may(self.ROLE, "s3:ListBucket", bucket, {"s3:prefix": "reports/"}) is None
        assert role_may(self.ROLE, "s3:ListBucket", bucket, {"s3:prefix": "other/"}) is not None

    def test_for_other_services_names_the_resource_without_quotation_marks(self) -> None:
        self.make_role(ALLOW_S3)
        catalog = f"arn:aws:glue:us-east-1:{self.ACCOUNT}:catalog"
        denial = role_may(self.ROLE, "glue:GetDatabase", catalog)
        assert denial is not None
        assert denial.message.endswith(
            f"is not authorized to perform: glue:GetDatabase on resource: {catalog} "
            "because no identity-based policy allows the glue:GetDatabase action"
        )


@pytest.fixture(scope="module")
def stack_ids(local_aws: LocalAws) -> list[str]:
    """Two stacks of a tagged bucket each."""
    cloudformation = local_aws.client("cloudformation", OWNER)
    tags = [{"Key": "patch-reporting:empty-on-delete", "Value": "true"}, {"Key": "Team", "Value": "Ops"}]
    for name in ("asked-own", "asked-other"):
        bucket = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name, "Tags": tags}}
        assert stacks.create(cloudformation, name, {"Resources": {"Bucket": bucket}}) == "CREATE_COMPLETE"
    return [stack["StackId"] for stack in cloudformation.describe_stacks()["Stacks"][:2]]


class TestWhatTheCleanupAsksFor:
    """The stack's status and the buckets' tags, by a role that is allowed just these."""

    def test_the_one_stack_that_the_role_may_see(self, local_aws: LocalAws, stack_ids: list[str]) -> None:
        own, other = stack_ids
        grant = {"Effect": "Allow", "Action": "cloudformation:DescribeStacks", "Resource": own}
        _, role = role_session(local_aws, OWNER, grant, service="cloudformation")
        assert role.describe_stacks(StackName=own)["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE"
        code, message = refusal(lambda: role.describe_stacks(StackName=other))
        assert code == "AccessDenied"
        assert "is not authorized to perform: cloudformation:DescribeStacks" in message
        assert refusal(role.describe_stacks)[0] == "AccessDenied"

    @pytest.mark.usefixtures("stack_ids")
    def test_the_tags_of_the_buckets_that_the_role_may_read(self, local_aws: LocalAws, bucket: str) -> None:
        buckets = ["arn:aws:s3:::asked-own", f"arn:aws:s3:::{bucket}"]
        grant = {"Effect": "Allow", "Action": "s3:GetBucketTagging", "Resource": buckets}
        _, role = role_session(local_aws, OWNER, grant)
        tags = {tag["Key"]: tag["Value"] for tag in role.get_bucket_tagging(Bucket="asked-own")["TagSet"]}
        # CloudFormation adds tags of its own.
        assert {key: value for key, value in tags.items() if not key.startswith("aws:")} == {
            "patch-reporting:empty-on-delete": "true",
            "Team": "Ops",
        }
        assert refusal(lambda: role.get_bucket_tagging(Bucket=bucket)) == (
            "NoSuchTagSet",
            "The TagSet does not exist",
        )
        code, message = refusal(lambda: role.get_bucket_tagging(Bucket="asked-other"))
        assert code == "AccessDenied"
        assert "is not authorized to perform: s3:GetBucketTagging" in message
        code, _ = refusal(lambda: role.get_bucket_tagging(Bucket="asked-own", ExpectedBucketOwner=STRANGER))
        assert code == "AccessDenied"
