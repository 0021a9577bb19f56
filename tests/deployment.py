"""Deploys the real templates into a local AWS and uses what they make, as an operations team would.

The demo and the end-to-end tests share these steps. Each raises with AWS's own words when AWS refuses.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

import stacks
from local_aws import stacksets
from local_aws.server import LocalAws
from organization import (
    CENTRAL_ACCOUNT,
    HOME_REGION,
    MEMBER_ACCOUNTS,
    ORGANIZATION,
    REGIONS,
    SYNC_NAME,
    SYNC_PREFIX,
)
from saved_queries import PARAMETERS

ROOT = Path(__file__).resolve().parent.parent
CENTRAL_TEMPLATE = ROOT / "cfn" / "patch-reporting.yaml"
MEMBER_TEMPLATE = ROOT / "cfn" / "organization-resource-data-sync.yaml"
CENTRAL_STACK = "patch-reporting"
MEMBER_STACK = "organization-resource-data-sync"
SYNC_CODE = ROOT / "target" / "lambda" / "org-resource-data-sync" / "bootstrap.zip"
PATCH_REPORT = ROOT / "target" / "debug" / "patch-report"

CODE_BUCKETS = "patch-reporting-code"

POLL_SECONDS = 0.1


class QueryFailed(Exception):
    """A query that Athena ended as FAILED or CANCELLED; the text is Athena's StateChangeReason."""


@dataclass(frozen=True)
class QueryResult:
    """The rows of a finished query as GetQueryResults gives them: strings, and None for NULL."""

    columns: list[str]
    rows: list[tuple[str | None, ...]]
    output_location: str
    bytes_scanned: int


@dataclass
class Central:
    """The central reporting stack of one local AWS and what its outputs say."""

    server: LocalAws
    account: str = CENTRAL_ACCOUNT
    region: str = HOME_REGION
    stack_name: str = CENTRAL_STACK
    outputs: dict[str, str] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client of the central account in the stack's Region."""
        return self.server.client(service, self.account, self.region)

    def deploy(self, template: Path = CENTRAL_TEMPLATE, **parameters: str) -> None:
        """`sam deploy`, from the packages that scripts/build made. A second call updates the stack."""
        code_bucket = make_code_bucket(self.server, self.account, self.region)
        overrides = {"OrganizationId": ORGANIZATION["Id"], "ResourceDataSyncPrefix": SYNC_PREFIX, **parameters}
        command = [
            str(Path(sys.executable).with_name("sam")), "deploy",
            "--template-file", str(template),
            "--stack-name", self.stack_name,
            "--s3-bucket", code_bucket,
            "--region", self.region,
            "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND",
            "--no-confirm-changeset", "--no-fail-on-empty-changeset", "--no-progressbar",
            "--parameter-overrides", *(f"{name}={value}" for name, value in overrides.items()),
        ]  # fmt: skip
        env = self.server.process_env(self.account, self.region) | {"SAM_CLI_TELEMETRY": "0"}
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"sam deploy failed\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        self.read_outputs()

    def read_outputs(self) -> None:
        """Reads what the outputs of the deployed stack say."""
        self.outputs = stacks.outputs(self.client("cloudformation"), self.stack_name)

    def resource(self, logical_id: str) -> str:
        """The physical id of one of the stack's resources."""
        return stacks.resource(self.client("cloudformation"), self.stack_name, logical_id)

    @property
    def sync_bucket(self) -> str:
        """The bucket to which the members' syncs ship."""
        return self.outputs["ResourceDataSyncBucketName"]

    @property
    def results_bucket(self) -> str:
        """The bucket of Athena's results."""
        return self.outputs["AthenaQueryResultsBucket"].rsplit(":", 1)[-1]

    def crawl(self, timeout: float = 300) -> dict[str, Any]:
        """Runs the crawler once and returns its LastCrawl. Raises RuntimeError if the crawl failed."""
        glue = self.client("glue")
        name = self.outputs["GlueCrawlerName"]
        glue.start_crawler(Name=name)
        crawler = wait_for(
            lambda: next((c for c in [glue.get_crawler(Name=name)["Crawler"]] if c["State"] == "READY"), None),
            timeout,
            f"crawler {name} is still running",
        )
        last = crawler["LastCrawl"]
        if last["Status"] != "SUCCEEDED":
            raise RuntimeError(f"crawler {name}: {last['Status']}: {last.get('ErrorMessage')}")
        return last

    def columns(self, table: str) -> list[str]:
        """The names of a table's data columns."""
        answer = self.client("glue").get_table(DatabaseName=self.outputs["GlueDatabaseName"], Name=table)
        return [column["Name"] for column in answer["Table"]["StorageDescriptor"]["Columns"]]

    def partitions(self, table: str) -> list[dict[str, Any]]:
        """All partitions of a table."""
        names = {"DatabaseName": self.outputs["GlueDatabaseName"], "TableName": table}
        pages = self.client("glue").get_paginator("get_partitions").paginate(**names)
        return [partition for page in pages for partition in page["Partitions"]]

    def wait_for_repair(self, timeout: float = 30) -> None:
        """Returns when the column deleter has removed the duplicate column after a crawl."""
        wait_for(
            lambda: "resourcetype" not in self.columns("aws_instanceinformation"),
            timeout,
            "aws_instanceinformation still has the column resourcetype",
        )

    def set_repair(self, *, enabled: bool) -> None:
        """Switches the rule that invokes the column deleter on or off."""
        events = self.client("events")
        name = self.resource("DeleteGlueTableColumnFunctionEventRule")
        (events.enable_rule if enabled else events.disable_rule)(Name=name)

    def dead_letter(self, timeout: float = 30) -> dict[str, Any]:
        """Takes the next event out of the stack's dead-letter queue, waited for. Raises TimeoutError."""
        sqs, queue = self.client("sqs"), self.resource("DeadLetterQueue")
        (message,) = wait_for(
            lambda: sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=1).get("Messages"),
            timeout,
            "no event in the dead-letter queue",
        )
        sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(message["Body"])

    def saved_queries(self) -> dict[str, dict[str, Any]]:
        """The workgroup's named queries by name."""
        athena = self.client("athena")
        pages = athena.get_paginator("list_named_queries").paginate(WorkGroup=self.outputs["AthenaWorkGroupName"])
        ids = [query_id for page in pages for query_id in page["NamedQueryIds"]]
        queries: list[dict[str, Any]] = []
        for start in range(0, len(ids), 50):
            queries += athena.batch_get_named_query(NamedQueryIds=ids[start : start + 50])["NamedQueries"]
        return {query["Name"]: query for query in sorted(queries, key=lambda query: query["Name"])}

    def run_saved_query(self, query: dict[str, Any], parameters: Sequence[str] | None = None) -> QueryResult:
        """Runs a named query as the console does: its text, its database, the workgroup.

        parameters: values of the query's question marks, by default those that are documented for it.
        """
        values = PARAMETERS.get(query["Name"], ()) if parameters is None else parameters
        return self.run_query(query["QueryString"], query["Database"], values)

    def run_query(self, sql: str, database: str | None = None, parameters: Sequence[str] = ()) -> QueryResult:
        """Runs one statement in the workgroup and reads all of its rows. Raises QueryFailed."""
        athena = self.client("athena")
        query_id = athena.start_query_execution(
            QueryString=sql,
            QueryExecutionContext={"Database": database or self.outputs["GlueDatabaseName"]},
            WorkGroup=self.outputs["AthenaWorkGroupName"],
            # An empty list is no valid one.
            **({"ExecutionParameters": list(parameters)} if parameters else {}),
        )["QueryExecutionId"]

        def finished() -> dict[str, Any] | None:
            execution = athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            return execution if execution["Status"]["State"] in ("SUCCEEDED", "FAILED", "CANCELLED") else None

        execution = wait_for(finished, 300, f"query {query_id} is still running", every=0.02)
        if execution["Status"]["State"] != "SUCCEEDED":
            raise QueryFailed(execution["Status"].get("StateChangeReason", execution["Status"]["State"]))
        columns: list[str] = []
        rows: list[tuple[str | None, ...]] = []
        for page in athena.get_paginator("get_query_results").paginate(QueryExecutionId=query_id):
            columns = [column["Name"] for column in page["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]]
            rows += [tuple(datum.get("VarCharValue") for datum in row["Data"]) for row in page["ResultSet"]["Rows"]]
        return QueryResult(
            columns,
            rows[1:],  # the first row repeats the column names
            execution["ResultConfiguration"]["OutputLocation"],
            execution["Statistics"]["DataScannedInBytes"],
        )

    def delete(self) -> None:
        """Deletes the stack and waits. Raises RuntimeError with the reasons if it could not be deleted."""
        delete_stack(self.client("cloudformation"), self.stack_name)


@dataclass
class Members:
    """The member stack in each account and Region, all shipping to one central stack."""

    central: Central
    accounts: list[str] = field(default_factory=lambda: list(MEMBER_ACCOUNTS))
    regions: list[str] = field(default_factory=lambda: list(REGIONS))
    stack_name: str = MEMBER_STACK

    def deploy(
        self, progress: Callable[[stacksets.Instance], None] | None = None, **parameters: str
    ) -> list[stacksets.Instance]:
        """Makes or updates every instance; raises RuntimeError with the reason of each that failed."""
        server = self.central.server
        key = f"org-resource-data-sync/{hashlib.sha256(SYNC_CODE.read_bytes()).hexdigest()}.zip"
        for region in self.regions:
            bucket = make_code_bucket(server, CENTRAL_ACCOUNT, region, readers=self.accounts)
            server.client("s3", CENTRAL_ACCOUNT, region).upload_file(str(SYNC_CODE), bucket, key)
        instances = stacksets.deploy(
            server,
            MEMBER_TEMPLATE.read_text(),
            {
                "ResourceDataSyncName": SYNC_NAME,
                "S3BucketName": self.central.sync_bucket,
                "S3BucketPrefix": SYNC_PREFIX,
                "S3BucketRegion": self.central.region,
                "CodeS3Bucket": f"{CODE_BUCKETS}-{CENTRAL_ACCOUNT}",
                "CodeS3Key": key,
                **parameters,
            },
            self.accounts,
            self.regions,
            stack_name=self.stack_name,
            progress=progress,
        )
        raise_for_failed(instances)
        return instances

    def delete(self, progress: Callable[[stacksets.Instance], None] | None = None) -> None:
        """Deletes every instance; raises RuntimeError with the reason of each that failed."""
        raise_for_failed(
            stacksets.delete(
                self.central.server, self.accounts, self.regions, stack_name=self.stack_name, progress=progress
            )
        )

    def syncs(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each (account, Region, ResourceDataSyncItem) that SSM lists."""
        for account in self.accounts:
            for region in self.regions:
                ssm = self.central.server.client("ssm", account, region)
                for item in ssm.list_resource_data_sync()["ResourceDataSyncItems"]:
                    yield account, region, item

    def wait_for_data(self, timeout: float = 300) -> None:
        """Returns when every sync has shipped what its account and Region hold."""
        wanted = len(self.accounts) * len(self.regions)
        wait_for(
            lambda: sum(item.get("LastStatus") == "Successful" for _, _, item in self.syncs()) == wanted,
            timeout,
            f"not all of {wanted} syncs were successful",
        )


def code_bucket_name(account: str, region: str) -> str:
    """The bucket for code in a Region, named as the member template's CodeS3Bucket says: <that>-<Region>."""
    return f"{CODE_BUCKETS}-{account}-{region}"


def make_code_bucket(server: LocalAws, account: str, region: str, readers: Iterable[str] = ()) -> str:
    """Makes the Region's code bucket unless it is there, readable by the reader accounts too."""
    s3 = server.client("s3", account, region)
    bucket = code_bucket_name(account, region)
    location = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=bucket, **location)
    if principals := [f"arn:aws:iam::{reader}:root" for reader in readers]:
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": principals},
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{bucket}/*",
        }
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return bucket


def object_versions(server: LocalAws, bucket: str, account: str = CENTRAL_ACCOUNT, region: str = HOME_REGION) -> int:
    """How many object versions and delete markers a bucket holds; -1 if there is no such bucket."""
    pages = server.client("s3", account, region).get_paginator("list_object_versions").paginate(Bucket=bucket)
    try:
        return sum(len(page.get("Versions", [])) + len(page.get("DeleteMarkers", [])) for page in pages)
    except ClientError as error:
        if error.response["Error"]["Code"] == "NoSuchBucket":
            return -1
        raise


def delete_stack(cloudformation: Any, stack_name: str) -> None:
    """Deletes a stack and waits; raises RuntimeError with each resource's reason if that fails."""
    if stacks.delete(cloudformation, stack_name) == "DELETE_FAILED":
        reasons = [
            f"{logical_id}: {reason}"
            for logical_id, status, reason in stacks.events(cloudformation, stack_name)
            if status == "DELETE_FAILED"
        ]
        raise RuntimeError(f"stack {stack_name} could not be deleted:\n" + "\n".join(reasons))


def raise_for_failed(instances: list[stacksets.Instance]) -> None:
    """Raises RuntimeError that names each stack instance that failed, with CloudFormation's reason."""
    failed = [f"{i.account} {i.region}: {i.status}: {i.status_reason}" for i in instances if not i.succeeded]
    if failed:
        raise RuntimeError("stack instances failed:\n" + "\n".join(failed))


def wait_for(condition: Callable[[], Any], timeout: float, otherwise: str, every: float = POLL_SECONDS) -> Any:
    """The first true value of `condition`; raises TimeoutError with `otherwise` after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while True:
        if value := condition():
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{otherwise} after {timeout:.0f} s")
        time.sleep(every)
