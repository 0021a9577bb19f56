"""Server-side encryption with KMS keys guards objects, as it does on AWS and does not in MiniStack.

Whoever writes an object that gets a customer managed key needs ``kms:GenerateDataKey`` on it, whoever reads one needs
``kms:Decrypt``, from the identity's policies and the key's policy both:
https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html

- A key is given as ARN of key or alias, or as bare id or alias of the *requester's* account, in the bucket's Region.
- ``aws:kms`` without a key means the AWS managed key ``aws/s3``: everybody in the bucket's account may use it through
  S3, nobody else can, services included.
- The encryption context is the bucket, as it is with S3 Bucket Keys; without them it is the object on AWS.
- A key that is missing, disabled or pending deletion refuses with S3's ``KMS.…`` codes (400), a grant that is missing
  with ``AccessDenied`` (403).

What no caller asked for (`authorization.caller` is None) is not judged.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from urllib.parse import unquote

from ministack.core.responses import get_region, request_scope
from ministack.services import kms, s3

from local_aws import authorization
from local_aws.authorization import Denial

# Judges one action on one resource under condition keys, for whoever reads or writes: (action, ARN, context).
Judge = Callable[[str, str, dict[str, str]], "Denial | None"]

ALGORITHM = "x-amz-server-side-encryption"
KEY_ID = "x-amz-server-side-encryption-aws-kms-key-id"
_KMS_ALGORITHMS = frozenset({"aws:kms", "aws:kms:dsse"})
_MANAGED_ALIAS = "alias/aws/s3"
_UNSIGNED = Denial(
    "Requests specifying Server Side Encryption with AWS KMS managed keys require AWS Signature Version 4.",
    "InvalidArgument",
)


def read_denial(judge: Judge, account: str, bucket: str, key: str) -> Denial | None:
    """Whether a party of ``account`` may decrypt the current version of an object; None if so, or if there is none."""
    home = bucket_home(bucket)
    record = s3._buckets.get_scoped(home[0], None, bucket)["objects"].get(key) if home else None
    return _denial(judge, account, bucket, "kms:Decrypt", record["preserved_headers"]) if record else None


def write_denial(judge: Judge, account: str, bucket: str, key_id: str | None = None) -> Denial | None:
    """Whether a party of ``account`` may encrypt a new object, with ``key_id`` or as the bucket's default says."""
    return _denial(judge, account, bucket, "kms:GenerateDataKey", new_object_headers(bucket, key_id))


def new_object_headers(bucket: str, key_id: str | None = None) -> dict[str, str]:
    """The encryption headers of a new object: those of the key, or of the bucket's default encryption if it has one."""
    if key_id:
        return {ALGORITHM: "aws:kms", KEY_ID: key_id}
    home = bucket_home(bucket)
    if home is None:
        return {}
    with request_scope(*home):
        return s3._bucket_default_sse_headers(bucket)


def bucket_home(bucket: str) -> tuple[str, str] | None:
    """The account and the Region of a bucket, whoever asks; None if there is no such bucket."""
    owner = s3._bucket_owner_account(bucket)
    if owner is None:
        return None
    with request_scope(owner, get_region()):
        return owner, s3.bucket_region(bucket)


def _denial(judge: Judge, account: str, bucket: str, action: str, headers: dict[str, str]) -> Denial | None:
    if headers.get(ALGORITHM) not in _KMS_ALGORITHMS:
        return None
    owner, region = bucket_home(bucket)
    key = _find_key(headers.get(KEY_ID) or _MANAGED_ALIAS, account, region)
    if isinstance(key, Denial):
        return key
    if key is not None:
        return judge(
            action,
            key,
            {
                "kms:ViaService": f"s3.{region}.amazonaws.com",
                "kms:EncryptionContext:aws:s3:arn": f"arn:aws:s3:::{bucket}",
            },
        )
    if account == owner:
        return None
    managed = f"arn:aws:kms:{region}:{owner}:{_MANAGED_ALIAS}"
    return Denial(
        f"Not authorized to perform: {action} on resource: {managed} "
        f"because no resource-based policy allows the {action} action"
    )


def _find_key(reference: str, account: str, region: str) -> str | Denial | None:
    """The ARN of the usable key that is meant, why it cannot be used, or None for the AWS managed key."""
    if reference.endswith(_MANAGED_ALIAS):
        return None
    resource = reference
    if reference.startswith("arn:"):
        _, _, _, key_region, account, resource = reference.split(":", 5)
        if key_region != region:
            return Denial(f"Invalid arn {key_region}", "KMS.NotFoundException")
    if resource.startswith("alias/"):
        resource = kms._aliases.get_scoped(account, region, f"arn:aws:kms:{region}:{account}:{resource}", "")
    record = kms._keys.get_scoped(account, region, resource.removeprefix("key/"))
    if record is None:
        return Denial(f"Key '{reference}' does not exist", "KMS.NotFoundException")
    if record["KeyState"] == "Disabled":
        return Denial(f"{record['Arn']} is disabled.", "KMS.DisabledException")
    if record["KeyState"] != "Enabled":
        return Denial(f"{record['Arn']} is pending deletion.", "KMS.KMSInvalidStateException")
    return record["Arn"]


def _refusal(bucket: str, action: str, headers: dict[str, str]) -> tuple | None:
    """S3's error response if the request's caller may not use the key that the encryption headers name, else None."""
    if headers.get(ALGORITHM) not in _KMS_ALGORITHMS:
        return None
    try:
        caller = authorization.caller()
    except PermissionError:
        denial = _UNSIGNED
    else:
        if caller is None:
            return None
        denial = _denial(partial(authorization.principal_may, caller), caller.account, bucket, action, headers)
    return s3._error(denial.code, denial.message, 403 if denial.code == "AccessDenied" else 400) if denial else None


def _with_key_arn(headers: dict[str, str], bucket: str) -> dict[str, str]:
    """The encryption headers with the key's ARN, which S3 keeps and reports however the key was named."""
    reference = headers.get(KEY_ID, "")
    if not reference or ":key/" in reference:
        return headers
    caller = authorization.caller()
    owner, region = bucket_home(bucket)
    key = _find_key(reference, caller.account if caller else owner, region)
    return {**headers, KEY_ID: key} if isinstance(key, str) else headers


def install() -> None:
    """Judge every read and write of the S3 API whose object is encrypted with KMS."""
    get_object, head_object, write_headers = s3._get_object, s3._head_object, s3._resolve_sse_write_headers
    copy_source, upload_part = s3._check_sse_c_copy_source, s3._check_sse_c_part

    def get(bucket, key, headers, query_params=None):
        response = get_object(bucket, key, headers, query_params)
        # The response names the encryption of the version that was read; a refusal of the original's has no key.
        return _refusal(bucket, "kms:Decrypt", response[1]) or response

    def head(bucket, key, headers=None, query_params=None):
        response = head_object(bucket, key, headers, query_params)
        # Only a checksum has to be decrypted for HEAD.
        if (headers or {}).get("x-amz-checksum-mode", "").upper() != "ENABLED":
            return response
        return _refusal(bucket, "kms:Decrypt", response[1]) or response

    def write(headers, bucket):
        encryption, error = write_headers(headers, bucket)
        error = error or _refusal(bucket, "kms:GenerateDataKey", encryption)
        return (None, error) if error else (_with_key_arn(encryption, bucket), None)

    def read_copy_source(headers, source):
        bucket = unquote(headers["x-amz-copy-source"]).lstrip("/").partition("/")[0]
        return copy_source(headers, source) or _refusal(bucket, "kms:Decrypt", source["preserved_headers"])

    def write_part(headers, upload):
        # S3 reads the encrypted parts again when it completes the upload, hence Decrypt for a writer.
        return upload_part(headers, upload) or _refusal(upload["bucket"], "kms:Decrypt", upload["preserved_headers"])

    s3._get_object, s3._head_object, s3._resolve_sse_write_headers = get, head, write
    s3._check_sse_c_copy_source, s3._check_sse_c_part = read_copy_source, write_part
