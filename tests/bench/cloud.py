"""What the fake AWS answers: which account calls what of which service, and what comes back.

As in the local AWS of the other tests, a client's access key is its account. Everything is Region us-east-1.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote

from bench.bucket import Bucket
from bench.services import JSON_OPERATIONS, Account, Refusal, Sync
from bench.tables import crawled_tables, has_duplicate

MAX_ANSWER_BYTES = 4096

# The member of a response URL that shows that it is unchanged, and so the caller's right.
SIGNATURE = "X-Amz-Signature=5ecre7"

JSON_1_1 = "application/x-amz-json-1.1"


@dataclass
class Request:
    """What came in for one service."""

    service: str
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes


@dataclass
class Reply:
    """What goes out."""

    status: int
    body: bytes = b""
    content_type: str = "application/xml"


@dataclass(frozen=True)
class Call:
    """One call that was received, whatever was answered: the account, the service and the operation."""

    account: str
    service: str
    operation: str


class Cloud:
    """The state of all accounts. Its public methods are what the other side of the pipe may ask for."""

    def __init__(self) -> None:
        self.delay = 0.0
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}
        self._buckets: dict[str, Bucket] = {}
        self._calls: list[Call] = []

    # What the harness asks for.

    def set_delay(self, seconds: float) -> None:
        """How long every request takes from now on, besides what it takes anyway."""
        self.delay = seconds

    def set_up(self, account: str, **members: Any) -> None:
        """Makes an account anew, with these members of `Account`."""
        lost, refused = Counter(members.pop("lost", {})), set(members.pop("refused", []))
        self._accounts[account] = Account(**members, lost=lost, refused=refused)

    def change(self, account: str, **members: Any) -> None:
        """Sets members of an account and leaves the others."""
        for name, value in members.items():
            setattr(self._accounts[account], name, value)

    def put_sync(self, account: str, name: str, age: float, destination: dict[str, Any]) -> None:
        """Puts a running sync there that is so many seconds old."""
        wanted = {"SyncName": name, "SyncType": "SyncToDestination", "S3Destination": destination}
        self._accounts[account].syncs.append(Sync(wanted, time.time() - age, 0))

    def put_tables(self, account: str, number: int) -> int:
        """Gives an account a catalog of so many tables, as after a crawl. Returns how many of them need a change."""
        tables = list(crawled_tables(number))
        stored = {table["Name"]: (int(table["VersionId"]), json.dumps(table).encode()) for table in tables}
        self._accounts[account].tables = stored
        return sum(map(has_duplicate, tables))

    def put_bucket(self, account: str, name: str, keys: list[str], *, markers: int = 0, uploads: int = 0) -> None:
        """Makes a bucket that consents to being emptied, with two versions of each key, some delete markers and some
        incomplete uploads."""
        bucket = Bucket(account, {"patch-reporting:empty-on-delete": "true"})
        for key in keys * 2 + keys[:markers]:
            bucket.write(key, is_delete_marker=bucket.versions_of(key) == 2)
        for position in range(uploads):
            bucket.uploads.append((keys[position], uuid.uuid4().hex))
        self._buckets[name] = bucket

    def take_calls(self, account: str) -> list[list[str]]:
        """The service and the operation of each call of an account since this was last asked, in their order."""
        with self._lock:
            taken = [[call.service, call.operation] for call in self._calls if call.account == account]
            self._calls = [call for call in self._calls if call.account != account]
        return taken

    def take_answers(self, account: str) -> list[dict[str, Any]]:
        """What CloudFormation took of the account's functions since this was last asked."""
        answers = self._accounts[account].answers
        self._accounts[account].answers = []
        return answers

    def syncs(self, account: str) -> list[dict[str, Any]]:
        """The syncs that were asked for and not deleted, as they were asked for."""
        return [sync.wanted for sync in self._accounts[account].syncs if sync.lists_until_gone is None]

    def tables(self, account: str) -> list[dict[str, Any]]:
        """The tables of an account."""
        return [json.loads(text) for _, text in self._accounts[account].tables.values()]

    def left_in_bucket(self, name: str) -> int:
        """How many versions, delete markers and uploads a bucket has."""
        bucket = self._buckets[name]
        return len(bucket.versions) + len(bucket.uploads)

    # What the functions ask for.

    def answer(self, request: Request) -> Reply | None:
        """The answer to a request, or none if it gets lost."""
        with self._lock:
            name = _account(request)
            account = self._accounts.get(name)
            operation = _operation(request)
            self._calls.append(Call(name, request.service, operation))
            if account is None:
                return _refusal(request, "UnrecognizedClientException", "The security token is invalid.")
            reply = self._reply(account, name, operation, request)
            if account.lost[operation]:
                account.lost[operation] -= 1
                return None
            return reply

    def _reply(self, account: Account, name: str, operation: str, request: Request) -> Reply:
        if operation in account.refused:
            return _refusal(request, "AccessDeniedException", f"Not authorized to perform {operation}")
        match request.service:
            case "ssm" | "glue":
                try:
                    operate = JSON_OPERATIONS.get(operation)
                    if operate is None:
                        raise Refusal("UnknownOperationException", message=operation)
                    output = operate(account, json.loads(request.body))
                except Refusal as refusal:
                    body = json.dumps({"__type": refusal.code, **refusal.members}).encode()
                    return Reply(400, body, JSON_1_1)
                return Reply(200, output if isinstance(output, bytes) else json.dumps(output).encode(), JSON_1_1)
            case "cloudformation":
                return _describe_stacks(account, request)
            case "s3":
                bucket = self._buckets.get(_bucket_and_key(request)[0])
                return _reply_of_bucket(bucket, name, operation, request)
            case _:
                return _take_answer(account, request)


def _account(request: Request) -> str:
    """Whose call it is: by the signature's access key, or by the ARN in the path of a response URL."""
    if request.service == "response":
        return unquote(request.path).split(":")[4]
    _, _, rest = request.headers.get("authorization", "").partition("Credential=")
    return rest.partition("/")[0]


def _operation(request: Request) -> str:
    match request.service:
        case "ssm" | "glue":
            return request.headers.get("x-amz-target", "").partition(".")[2]
        case "cloudformation":
            return parse_qs(request.body.decode()).get("Action", [""])[0]
        case "response":
            return request.method
    key = _bucket_and_key(request)[1]
    rows = [
        ("GET", "tagging", False, "GetBucketTagging"),
        ("GET", "versions", False, "ListObjectVersions"),
        ("GET", "uploads", False, "ListMultipartUploads"),
        ("POST", "delete", False, "DeleteObjects"),
        ("DELETE", "uploadId", True, "AbortMultipartUpload"),
    ]
    for method, member, has_key, operation in rows:
        if (request.method, bool(key)) == (method, has_key) and member in request.query:
            return operation
    return f"{request.method} {request.path}"


def _refusal(request: Request, code: str, message: str) -> Reply:
    if request.service in ("ssm", "glue"):
        return Reply(400, json.dumps({"__type": code, "message": message}).encode(), JSON_1_1)
    error = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    if request.service == "cloudformation":
        error = f"<ErrorResponse>{error}</ErrorResponse>"
    return Reply(403, error.encode())


# CloudFormation.


def _describe_stacks(account: Account, request: Request) -> Reply:
    form = dict(parse_qsl(request.body.decode()))
    if form.get("Action") != "DescribeStacks":
        return _refusal(request, "InvalidAction", "Could not find the operation")
    arn = form["StackName"]
    return Reply(
        200,
        '<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult>'
        f"<Stacks><member><StackId>{arn}</StackId><StackName>{arn.split('/')[1]}</StackName>"
        "<CreationTime>2026-01-15T12:00:00Z</CreationTime>"
        f"<StackStatus>{account.stack_status}</StackStatus></member></Stacks></DescribeStacksResult>"
        f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></DescribeStacksResponse>".encode(),
        "text/xml",
    )


def _take_answer(account: Account, request: Request) -> Reply:
    """An object PUT by a presigned URL: the signature covers the content type, which is empty."""
    query = "&".join(f"{name}={value}" for name, value in request.query.items())
    if SIGNATURE not in query or request.headers.get("content-type") or request.method != "PUT":
        return _refusal(request, "SignatureDoesNotMatch", "The request signature does not match.")
    if len(request.body) > MAX_ANSWER_BYTES:
        return _refusal(request, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
    account.answers.append(json.loads(request.body))
    return Reply(200)


# S3.


def _bucket_and_key(request: Request) -> tuple[str, str]:
    bucket, _, key = request.path.lstrip("/").partition("/")
    return bucket, unquote(key)


def _reply_of_bucket(bucket: Bucket | None, caller: str, operation: str, request: Request) -> Reply:
    if bucket is None:
        return _s3_error(404, "NoSuchBucket", "The specified bucket does not exist")
    expected = request.headers.get("x-amz-expected-bucket-owner", bucket.owner)
    if caller != bucket.owner or expected != bucket.owner:
        return _s3_error(403, "AccessDenied", "Access Denied")
    match operation:
        case "GetBucketTagging":
            return Reply(200, bucket.tagging())
        case "ListObjectVersions":
            return Reply(200, bucket.list_versions(request.query))
        case "ListMultipartUploads":
            return Reply(200, bucket.list_uploads(request.query))
        case "AbortMultipartUpload":
            is_there = bucket.abort(_bucket_and_key(request)[1], request.query["uploadId"])
            return Reply(204) if is_there else _s3_error(404, "NoSuchUpload", "The upload does not exist.")
        case "DeleteObjects":
            names = request.headers.keys()
            if not any(name.startswith("x-amz-checksum-") or name == "content-md5" for name in names):
                return _s3_error(400, "InvalidRequest", "Missing required header for this request: Content-MD5")
            deleted = bucket.delete(request.body)
            return Reply(200, deleted) if deleted else _s3_error(400, "MalformedXML", "The XML was not well-formed")
        case _:
            return _s3_error(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")


def _s3_error(status: int, code: str, message: str) -> Reply:
    return Reply(status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode())
