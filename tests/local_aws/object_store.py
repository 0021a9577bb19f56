"""S3 as the services that read it in somebody's name see it: the crawler under its role, Athena as its caller.

MiniStack keeps objects in memory, so they are read where they lie instead of through its API; whoever reads is judged
here. ``s3:GetObject`` is judged for the first object of each folder, not for each of perhaps a quarter of a million.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import s3

from local_aws import encryption
from local_aws.authorization import Denial
from local_aws.encryption import Judge

# Objects by key, in the order of their keys. A record has `size` in bytes and `etag` among its members.
Objects = dict[str, dict[str, Any]]


class BucketNotFoundError(Exception):
    """There is no bucket of that name."""


def list_objects(bucket: str, prefix: str) -> Objects:
    """The objects below a prefix that have any content. Raises BucketNotFoundError."""
    home = encryption.bucket_home(bucket)
    if home is None:
        raise BucketNotFoundError(bucket)
    stored = s3._buckets.get_scoped(home[0], None, bucket)["objects"]
    found: Objects = {}
    for key in stored.keys_since(prefix):
        if not key.startswith(prefix):
            break
        if (record := stored.get(key)) and record["size"]:  # it may have gone in the meantime
            found[key] = record
    return found


def body(bucket: str, key: str, record: dict[str, Any]) -> bytes:
    """The content of an object as it was listed."""
    return s3._read_body(bucket, key, record)


def denial_to_list(judge: Judge, bucket: str, prefix: str) -> Denial | None:
    """Whether the judged party may list the bucket's keys below the prefix; None if so."""
    return judge("s3:ListBucket", f"arn:aws:s3:::{bucket}", {"s3:prefix": prefix})


def denial_to_read(judge: Judge, bucket: str, objects: Objects) -> Denial | None:
    """Whether the judged party, of the current account, may read and decrypt the objects; None if so."""
    folders: set[str] = set()
    keys_in_use: set[tuple[str | None, str | None]] = set()
    for key, record in objects.items():
        folder = key.rpartition("/")[0]
        if folder not in folders:
            folders.add(folder)
            if denial := judge("s3:GetObject", f"arn:aws:s3:::{bucket}/{key}", {}):
                return denial
        headers = record["preserved_headers"]
        in_use = (headers.get(encryption.ALGORITHM), headers.get(encryption.KEY_ID))
        if in_use not in keys_in_use:
            keys_in_use.add(in_use)
            if denial := encryption.read_denial(judge, get_account_id(), bucket, key):
                return denial
    return None
