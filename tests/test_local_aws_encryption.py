"""KMS guards the objects of the local AWS's S3: who may write and read them needs a grant for the key as well."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.server import LocalAws

# No other test uses these accounts.
OWNER = "500000000001"
STRANGER = "500000000002"

_numbers = itertools.count()


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def allow(actions: str | list[str], resource: str | list[str] = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


ROOT = {"AWS": f"arn:aws:iam::{OWNER}:root"}
DELEGATES_TO_IAM = allow("kms:*", Principal=ROOT)


@dataclass
class Bucket:
    """A bucket of the owner's with one object, `secret`, both under a key of the owner's."""

    aws: LocalAws
    name: str
    key: str

    @property
    def s3(self) -> Any:
        return self.aws.client("s3", OWNER)

    def role(self, *statements: dict[str, Any]) -> Any:
        """S3 for a session `test` of a new role of the owner's, named after its number."""
        iam, name = self.aws.client("iam", OWNER), f"encryption-{next(_numbers)}"
        trust = {"Effect": "Allow", "Principal": {"AWS": OWNER}, "Action": "sts:AssumeRole"}
        arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        iam.put_role_policy(RoleName=name, PolicyName="grants", PolicyDocument=policy(*statements))
        session = self.aws.client("sts", OWNER).assume_role(RoleArn=arn, RoleSessionName="test")["Credentials"]
        return self.aws.client_for("s3", session)

    def put_key_policy(self, *statements: dict[str, Any]) -> None:
        self.aws.client("kms", OWNER).put_key_policy(KeyId=self.key, Policy=policy(*statements))


def make_bucket(aws: LocalAws, key: str | None) -> str:
    """A bucket with aws:kms as its default encryption, with the AWS managed key if none is given."""
    s3, name = aws.client("s3", OWNER), f"encrypted-{next(_numbers)}"
    s3.create_bucket(Bucket=name)
    default = {"SSEAlgorithm": "aws:kms"} | ({"KMSMasterKeyID": key} if key else {})
    s3.put_bucket_encryption(
        Bucket=name,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )
    return name


@pytest.fixture
def bucket(local_aws: LocalAws) -> Bucket:
    key = local_aws.client("kms", OWNER).create_key(Policy=policy(DELEGATES_TO_IAM))["KeyMetadata"]["Arn"]
    made = Bucket(local_aws, make_bucket(local_aws, key), key)
    made.s3.put_object(Bucket=made.name, Key="secret", Body=b"plain")
    return made


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    """Code and message of the error that the call must end in."""
    with pytest.raises(ClientError) as error:
        call()
    answer = error.value.response["Error"]
    return answer["Code"], answer["Message"]


def get(s3: Any, bucket: Bucket) -> bytes:
    return s3.get_object(Bucket=bucket.name, Key="secret")["Body"].read()


def put(s3: Any, bucket: Bucket, **headers: str) -> dict[str, Any]:
    return s3.put_object(Bucket=bucket.name, Key="new", Body=b"plain", **headers)


def reason(action: str, key: str, kind: str) -> str:
    """The end of AWS's message, after who it was."""
    because = f"because no {kind} policy allows the {action} action"
    return f" is not authorized to perform: {action} on resource: {key} {because}"


def test_reader_needs_decrypt(bucket: Bucket) -> None:
    code, message = refusal(lambda: get(bucket.role(allow("s3:*")), bucket))
    assert code == "AccessDenied"
    assert message.startswith(f"User: arn:aws:sts::{OWNER}:assumed-role/encryption-")
    assert message.endswith("/test" + reason("kms:Decrypt", bucket.key, "identity-based"))
    assert get(bucket.role(allow("s3:GetObject"), allow("kms:Decrypt", bucket.key)), bucket) == b"plain"


def test_writer_needs_generate_data_key(bucket: Bucket) -> None:
    code, message = refusal(lambda: put(bucket.role(allow("s3:*"), allow("kms:Decrypt")), bucket))
    assert code == "AccessDenied"
    assert message.endswith(reason("kms:GenerateDataKey", bucket.key, "identity-based"))
    answer = put(bucket.role(allow("s3:PutObject"), allow("kms:GenerateDataKey", bucket.key)), bucket)
    assert answer["SSEKMSKeyId"] == bucket.key


def test_refused_write_leaves_nothing(bucket: Bucket) -> None:
    refusal(lambda: put(bucket.role(allow("s3:*")), bucket))
    assert [item["Key"] for item in bucket.s3.list_objects_v2(Bucket=bucket.name)["Contents"]] == ["secret"]


def test_grant_may_be_bound_to_s3(bucket: Bucket) -> None:
    def through(service: str) -> dict[str, Any]:
        return {"StringEquals": {"kms:ViaService": f"{service}.us-east-1.amazonaws.com"}}

    reads = allow("s3:GetObject")
    assert get(bucket.role(reads, allow("kms:Decrypt", Condition=through("s3"))), bucket) == b"plain"
    refusal(lambda: get(bucket.role(reads, allow("kms:Decrypt", Condition=through("athena"))), bucket))


def test_key_policy_that_does_not_delegate_overrules_identity_policies(bucket: Bucket) -> None:
    role = bucket.role(allow(["s3:*", "kms:*"]))
    assert get(role, bucket) == b"plain"
    administration = allow(["kms:PutKeyPolicy", "kms:DescribeKey"], Principal=ROOT)
    bucket.put_key_policy(administration)
    assert refusal(lambda: get(role, bucket))[1].endswith(reason("kms:Decrypt", bucket.key, "resource-based"))
    # The account's root user is no exception.
    message = refusal(lambda: get(bucket.s3, bucket))[1]
    assert message == f"User: {ROOT['AWS']}" + reason("kms:Decrypt", bucket.key, "resource-based")


def test_key_policy_may_name_the_role_itself(bucket: Bucket) -> None:
    role = bucket.role(allow("s3:*"))
    session = refusal(lambda: get(role, bucket))[1].split()[1]
    arn = f"arn:aws:iam::{OWNER}:role/{session.split('/')[1]}"
    bucket.put_key_policy(DELEGATES_TO_IAM, allow("kms:Decrypt", Principal={"AWS": arn}))
    assert get(role, bucket) == b"plain"


@pytest.mark.parametrize("kind", ["identity-based", "resource-based"])
def test_explicit_deny_wins(bucket: Bucket, kind: str) -> None:
    deny = {"Effect": "Deny", "Action": "kms:Decrypt", "Resource": "*"}
    role = bucket.role(allow(["s3:*", "kms:*"]), *([deny] if kind == "identity-based" else []))
    if kind == "resource-based":
        bucket.put_key_policy(DELEGATES_TO_IAM, deny | {"Principal": "*"})
    article = "an" if kind == "identity-based" else "a"
    assert refusal(lambda: get(role, bucket))[1].endswith(
        f"kms:Decrypt on resource: {bucket.key} with an explicit deny in {article} {kind} policy"
    )


def test_reader_of_another_account_needs_the_key_policy(bucket: Bucket) -> None:
    stranger = bucket.aws.client("s3", STRANGER)
    grant = allow("s3:GetObject", f"arn:aws:s3:::{bucket.name}/*", Principal={"AWS": STRANGER})
    bucket.s3.put_bucket_policy(Bucket=bucket.name, Policy=policy(grant))
    assert refusal(lambda: get(stranger, bucket))[1].endswith(reason("kms:Decrypt", bucket.key, "resource-based"))
    bucket.put_key_policy(DELEGATES_TO_IAM, allow("kms:Decrypt", Principal={"AWS": STRANGER}))
    assert get(stranger, bucket) == b"plain"


def test_head_needs_decrypt_for_checksums_only(bucket: Bucket) -> None:
    role = bucket.role(allow("s3:GetObject"))
    assert role.head_object(Bucket=bucket.name, Key="secret")["SSEKMSKeyId"] == bucket.key
    with pytest.raises(ClientError, match="403"):
        role.head_object(Bucket=bucket.name, Key="secret", ChecksumMode="ENABLED")


def test_copy_needs_both(bucket: Bucket) -> None:
    def copy(*actions: str) -> None:
        bucket.role(allow(["s3:*", *actions])).copy_object(
            Bucket=bucket.name, Key="copy", CopySource={"Bucket": bucket.name, "Key": "secret"}
        )

    assert "kms:Decrypt" in refusal(lambda: copy("kms:GenerateDataKey"))[1]
    assert "kms:GenerateDataKey" in refusal(lambda: copy("kms:Decrypt"))[1]
    copy("kms:Decrypt", "kms:GenerateDataKey")


def test_multipart_upload_needs_both(bucket: Bucket) -> None:
    upload = {"Bucket": bucket.name, "Key": "large"}
    assert refusal(lambda: bucket.role(allow("s3:*")).create_multipart_upload(**upload))[1].endswith(
        reason("kms:GenerateDataKey", bucket.key, "identity-based")
    )
    writer = bucket.role(allow("s3:*"), allow("kms:GenerateDataKey"))
    upload["UploadId"] = writer.create_multipart_upload(**upload)["UploadId"]
    assert refusal(lambda: writer.upload_part(**upload, PartNumber=1, Body=b"part"))[1].endswith(
        reason("kms:Decrypt", bucket.key, "identity-based")
    )


def test_older_version_keeps_its_key(bucket: Bucket) -> None:
    bucket.s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    bucket.s3.put_object(Bucket=bucket.name, Key="secret", Body=b"open", ServerSideEncryption="AES256")
    role = bucket.role(allow("s3:*"))
    assert get(role, bucket) == b"open"
    code, _ = refusal(lambda: role.get_object(Bucket=bucket.name, Key="secret", VersionId="null"))
    assert code == "AccessDenied"


def test_disabled_key(bucket: Bucket) -> None:
    bucket.aws.client("kms", OWNER).disable_key(KeyId=bucket.key)
    assert refusal(lambda: get(bucket.s3, bucket)) == ("KMS.DisabledException", f"{bucket.key} is disabled.")
    assert refusal(lambda: put(bucket.s3, bucket))[0] == "KMS.DisabledException"


def test_key_pending_deletion(bucket: Bucket) -> None:
    bucket.aws.client("kms", OWNER).schedule_key_deletion(KeyId=bucket.key, PendingWindowInDays=7)
    assert refusal(lambda: get(bucket.s3, bucket)) == (
        "KMS.KMSInvalidStateException",
        f"{bucket.key} is pending deletion.",
    )


def test_missing_key(bucket: Bucket) -> None:
    missing = f"arn:aws:kms:us-east-1:{OWNER}:key/00000000-0000-0000-0000-000000000000"
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": missing}
    assert refusal(lambda: put(bucket.s3, bucket, **encryption)) == (
        "KMS.NotFoundException",
        f"Key '{missing}' does not exist",
    )


def test_key_of_another_region(bucket: Bucket) -> None:
    key = bucket.aws.client("kms", OWNER, "eu-west-1").create_key(Policy=policy(DELEGATES_TO_IAM))["KeyMetadata"]
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key["Arn"]}
    assert refusal(lambda: put(bucket.s3, bucket, **encryption)) == ("KMS.NotFoundException", "Invalid arn eu-west-1")


@pytest.mark.parametrize("reference", ["id", "alias", "alias ARN"])
def test_key_is_reported_by_its_arn_however_it_was_named(bucket: Bucket, reference: str) -> None:
    alias = f"alias/encryption-{next(_numbers)}"
    bucket.aws.client("kms", OWNER).create_alias(AliasName=alias, TargetKeyId=bucket.key)
    named = {
        "id": bucket.key.rpartition("/")[2],
        "alias": alias,
        "alias ARN": f"arn:aws:kms:us-east-1:{OWNER}:{alias}",
    }[reference]
    bucket = Bucket(bucket.aws, make_bucket(bucket.aws, named), bucket.key)
    assert put(bucket.s3, bucket)["SSEKMSKeyId"] == bucket.key
    assert refusal(lambda: put(bucket.role(allow("s3:*")), bucket))[0] == "AccessDenied"


def test_bare_id_means_a_key_of_the_requester(bucket: Bucket) -> None:
    named = Bucket(bucket.aws, make_bucket(bucket.aws, bucket.key.rpartition("/")[2]), bucket.key)
    grant = allow("s3:PutObject", f"arn:aws:s3:::{named.name}/*", Principal={"AWS": STRANGER})
    named.s3.put_bucket_policy(Bucket=named.name, Policy=policy(grant))
    named.put_key_policy(DELEGATES_TO_IAM, allow("kms:*", Principal={"AWS": STRANGER}))
    assert refusal(lambda: put(bucket.aws.client("s3", STRANGER), named))[0] == "KMS.NotFoundException"


def test_aws_managed_key_serves_its_account_only(bucket: Bucket) -> None:
    managed = Bucket(bucket.aws, make_bucket(bucket.aws, None), "")
    put(managed.role(allow("s3:PutObject")), managed)
    grant = allow("s3:PutObject", f"arn:aws:s3:::{managed.name}/*", Principal={"AWS": STRANGER})
    managed.s3.put_bucket_policy(Bucket=managed.name, Policy=policy(grant))
    code, message = refusal(lambda: put(bucket.aws.client("s3", STRANGER), managed))
    assert code == "AccessDenied"
    assert f"arn:aws:kms:us-east-1:{OWNER}:alias/aws/s3" in message


def test_unsigned_request(bucket: Bucket) -> None:
    bucket.s3.delete_public_access_block(Bucket=bucket.name)
    grant = allow("s3:GetObject", f"arn:aws:s3:::{bucket.name}/*", Principal="*")
    bucket.s3.put_bucket_policy(Bucket=bucket.name, Policy=policy(grant))
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{bucket.aws.endpoint}/{bucket.name}/secret")
    assert error.value.code == 400
    assert b"require AWS Signature Version 4" in error.value.read()
