"""The bucket owner condition: a request that names the account that must own the bucket fails on anybody else's.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-owner-condition.html
It guards against a bucket that was deleted and made again, under the same name, by another account. MiniStack ignores
it.
"""

from __future__ import annotations

from typing import Any

from ministack.services import s3

HEADER = "x-amz-expected-bucket-owner"


def install() -> None:
    """Checks the header of every request to S3 before it is served."""
    serve_s3 = s3.handle_request

    async def serve(
        method: str, path: str, headers: dict, body: bytes, query_params: dict, *args: Any, **options: Any
    ) -> tuple:
        if expected := headers.get(HEADER):
            bucket, _ = s3._parse_bucket_key(path, headers)
            owner = s3._bucket_owner_account(bucket)
            if owner is not None and owner != expected:
                return s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}")
        return await serve_s3(method, path, headers, body, query_params, *args, **options)

    s3.handle_request = serve
