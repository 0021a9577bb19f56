"""Where Lambda reads a function's package from, and who must be allowed to read it.

The bucket must be in the function's Region and may belong to another account; whoever makes the function must be
allowed s3:GetObject on the package:
https://docs.aws.amazon.com/lambda/latest/api/API_FunctionCode.html
The wording is Lambda's. MiniStack looks in the function's own account only, asks nobody, and makes a function without
code when it finds nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, get_region, request_scope
from ministack.services import lambda_svc, s3

from local_aws import authorization, encryption


class CodeError(ValueError):
    """The package can't be read; the text is what Lambda answers."""


def read_code(bucket: str, key: str, version_id: str | None = None) -> bytes:
    """The package's bytes, as the caller of the running request may read them. Raises `CodeError`."""
    home = encryption.bucket_home(bucket)
    if home is None:
        raise _failed("NoSuchBucket", "The specified bucket does not exist")
    owner, region = home
    if region != get_region():
        raise _failed(
            "PermanentRedirect",
            "The bucket you are attempting to access must be addressed using the specified endpoint. "
            "Please send all future requests to this endpoint.",
        )
    action = "s3:GetObjectVersion" if version_id else "s3:GetObject"
    caller = authorization.caller()
    if caller and authorization.principal_may(caller, action, f"arn:aws:s3:::{bucket}/{key}"):
        raise CodeError(
            "Your access has been denied by S3, please make sure your request credentials have permission to "
            f"GetObject for {bucket}/{key}. S3 Error Code: AccessDenied. S3 Error Message: Access Denied"
        )

    with request_scope(owner, region):
        code = s3._get_object_data(bucket, key, version_id)
    if code is None:
        raise _failed("NoSuchKey", "The specified key does not exist.")
    return code


def _failed(code: str, message: str) -> CodeError:
    return CodeError(f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: {message}")


def _answering(operation: Callable[..., tuple]) -> Callable[..., tuple]:
    def answer(*args: Any) -> tuple:
        try:
            return operation(*args)
        except CodeError as error:
            return error_response_json("InvalidParameterValueException", str(error), 400)

    return answer


def install() -> None:
    """Replaces the reading of packages; the Lambda API answers its errors, CloudFormation shows them as reasons."""
    lambda_svc._fetch_code_from_s3 = read_code
    lambda_svc.s3_code_region_message = lambda bucket, layer=False: None  # said by read_code, for any account's bucket
    lambda_svc._create_function = _answering(lambda_svc._create_function)
    lambda_svc._update_code = _answering(lambda_svc._update_code)
