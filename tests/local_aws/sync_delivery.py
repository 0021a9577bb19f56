"""What a resource data sync writes: the probe object of its creation, and the files of the account's nodes.

Systems Manager writes as the service principal ``ssm.amazonaws.com``, into a bucket that may belong to any account,
with the canned ACL ``bucket-owner-full-control``; an Organizations sync also puts the organization's id on each object
as the tag ``OrgId``. So a write needs, from the bucket's policy, ``s3:PutObject`` and (for the tag)
``s3:PutObjectTagging``, and from the key's policy ``kms:GenerateDataKey`` if the object gets encrypted with KMS:
https://docs.aws.amazon.com/systems-manager/latest/userguide/inventory-create-resource-data-sync.html

The files come from the sample fleet that ``LOCAL_AWS_FLEET`` describes (see the package ``fleet``); without it the
accounts have no nodes.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from ministack.core.responses import request_scope
from ministack.services import s3

from fleet import Fleet
from local_aws import encryption
from local_aws.authorization import Denial, as_service, resource_policy, service_may
from local_aws.organization import organization_id

FLEET_VARIABLE = "LOCAL_AWS_FLEET"
PRINCIPAL = "ssm.amazonaws.com"
ACL = "bucket-owner-full-control"

# Objects are written on the server's event loop, since MiniStack's stores are safe nowhere else. Files come node by
# node and are sorted into folders a batch at a time. For a folder of a batch the policies are judged once, by its first
# file; after it other requests are served, so a policy that changes is seen at the next folder.
BATCH_FILES = 128


@dataclass(frozen=True)
class Delivery:
    """The writes of the sync ``name`` of an account and Region to ``destination``, an S3Destination of the API.

    Refusals are answered as `Denial`, as soon as one is met; what was written before it stays. Both methods go on in
    the service's name, so each wants a context (`contextvars`) of its own.
    """

    name: str
    account: str
    region: str
    destination: dict

    def probe(self) -> Denial | None:
        """Check the bucket and write the probe object, which the creation of a sync does before it answers."""
        as_service()
        name = f"AWS:InstanceInformation/accountid={self.account}/test.json"
        return self._bucket_denial() or self._write([(name, b"test")])

    async def run(self) -> Denial | None:
        """Write the files of all nodes of the account in the Region."""
        as_service()
        files = _files(self.account, self.region)
        while batch := sorted(itertools.islice(files, BATCH_FILES)):
            for _, folder in itertools.groupby(batch, lambda file: file[0].rpartition("/")[0]):
                if denial := self._write(list(folder)):
                    return denial
                await asyncio.sleep(0)
        return None

    @property
    def _bucket(self) -> str:
        return self.destination["BucketName"]

    @property
    def _organization(self) -> str | None:
        """The id that an Organizations sync tags its objects with; None for any other sync."""
        return organization_id(self.account) if self.destination.get("DestinationDataSharing") else None

    def _bucket_denial(self) -> Denial | None:
        home = encryption.bucket_home(self._bucket)
        if home is None:
            return _NO_SUCH_BUCKET
        if home[1] != self.destination["Region"]:
            return Denial(f"the bucket is in the Region {home[1]}", "PermanentRedirect")
        with request_scope(*home):
            if self._bucket in s3._bucket_object_lock:
                return Denial("the bucket has Object Lock, which Systems Manager does not write to", "InvalidRequest")
        return self._judge("s3:GetBucketAcl", f"arn:aws:s3:::{self._bucket}", {})

    def _write(self, files: list[tuple[str, bytes]]) -> Denial | None:
        """Write files of one folder, named without the prefix."""
        prefix = self.destination.get("Prefix")
        keys = [f"{prefix}/{name}" if prefix else name for name, _ in files]
        home = encryption.bucket_home(self._bucket)
        denial = self._write_denial(keys[0]) if home else _NO_SUCH_BUCKET
        if denial:
            return denial
        headers = {"x-amz-acl": ACL, "content-type": "application/json"}
        encrypted = encryption.new_object_headers(self._bucket, self.destination.get("AWSKMSKeyARN"))
        if encrypted.get(encryption.ALGORITHM) == "aws:kms":
            # What the bucket's default says anyway; S3 would work it out again for every object.
            headers |= encrypted
        if self._organization:
            headers["x-amz-tagging"] = f"OrgId={self._organization}"
        with request_scope(*home):
            for key, (_, body) in zip(keys, files, strict=True):
                status, _, error = s3._put_object(self._bucket, key, body, headers)
                if status != 200:
                    return Denial(error.decode(), "InvalidRequest")
        return None

    def _write_denial(self, key: str) -> Denial | None:
        resource = f"arn:aws:s3:::{self._bucket}/{key}"
        key_arn = self.destination.get("AWSKMSKeyARN")
        tags = {"s3:RequestObjectTag/OrgId": self._organization} if self._organization else {}
        context = {"s3:x-amz-acl": ACL} | tags
        if key_arn:
            context |= {f"s3:{encryption.ALGORITHM}": "aws:kms", f"s3:{encryption.KEY_ID}": key_arn}
        return (
            self._judge("s3:PutObject", resource, context)
            or (self._judge("s3:PutObjectTagging", resource, tags) if tags else None)
            or encryption.write_denial(self._judge, self.account, self._bucket, key_arn)
        )

    def _judge(self, action: str, resource: str, context: dict[str, str]) -> Denial | None:
        source = {
            "aws:SourceAccount": self.account,
            "aws:SourceArn": f"arn:aws:ssm:{self.region}:{self.account}:resource-data-sync/{self.name}",
        }
        policy, _ = resource_policy(resource) or ("", "")
        return service_may(PRINCIPAL, action, resource, policy, context | source)


_NO_SUCH_BUCKET = Denial("The specified bucket does not exist", "NoSuchBucket")


def _files(account: str, region: str) -> Iterator[tuple[str, bytes]]:
    fleet = _fleet()
    return iter(fleet.files(account, region) if fleet else ())


@cache
def _fleet() -> Fleet | None:
    text = os.environ.get(FLEET_VARIABLE)
    return Fleet.from_json(text) if text else None
