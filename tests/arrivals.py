"""Lets a fleet's files arrive in the inventory bucket a few at a time, with crawls between, as they do in a new
organization: accounts, types of inventory and attributes turn up one after the other, in any order.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import ClientError

from deployment import Central, QueryFailed, wait_for
from fleet import Fleet
from organization import SYNC_PREFIX

Files = dict[str, bytes]

COMMON_ATTRIBUTES = {"resourceId", "captureTime", "schemaVersion"}


def files(fleet: Fleet, wanted: Callable[[str, str], bool] = lambda kind, account: True) -> Files:
    """Those of the fleet's files whose type of inventory and account are wanted, by their keys below the prefix."""
    return {
        key: content
        for account in fleet.accounts
        for region in fleet.regions
        for key, content in fleet.files(account, region)
        if wanted(key.partition("/")[0], account)
    }


def bare(some: Files) -> Files:
    """The files with no attributes but those that every line has, so that all others are new when they come."""

    def lines(content: bytes) -> Iterator[str]:
        for line in filter(None, content.decode().splitlines()):
            yield json.dumps({name: value for name, value in json.loads(line).items() if name in COMMON_ATTRIBUTES})

    return {key: "".join(f"{line}\n" for line in lines(content)).encode() for key, content in some.items()}


def put(central: Central, some: Files) -> None:
    """Writes the files, over what is there under their keys."""
    s3 = central.client("s3")
    for key, content in some.items():
        s3.put_object(Bucket=central.sync_bucket, Key=f"{SYNC_PREFIX}/{key}", Body=content)


def crawl(central: Central) -> None:
    """Runs the crawler, and returns when the function that follows it has succeeded."""
    _crawl(central, "success", 1)


def crawl_in_vain(central: Central) -> None:
    """Runs the crawler, and returns when the function that follows it has failed for good, with all retries."""
    _crawl(central, "error", 3)


def _crawl(central: Central, status: str, invocations: int) -> None:
    wanted = _ended(central, status) + invocations
    central.crawl()
    try:
        wait_for(lambda: _ended(central, status) >= wanted, 30, f"no {status} of the function after the crawl")
    except TimeoutError as error:
        raise TimeoutError("\n".join([str(error), *log(central)[-10:]])) from None


def _ended(central: Central, status: str) -> int:
    """How many of the function's invocations have ended so."""
    reports = [json.loads(message) for message in log(central) if '"platform.report"' in message]
    return sum(report["record"]["status"] == status for report in reports)


def log(central: Central) -> list[str]:
    """All that the function has logged."""
    pages = (
        central.client("logs")
        .get_paginator("filter_log_events")
        .paginate(logGroupName=central.resource("DeleteGlueTableColumnFunctionLogGroup"))
    )
    return [event["message"] for page in pages for event in page["events"]]


def failures(central: Central) -> dict[str, str]:
    """Runs every saved query; Athena's words for each that fails."""
    failed = {}
    for name, query in central.saved_queries().items():
        try:
            central.run_saved_query(query)
        except QueryFailed as failure:
            failed[name] = str(failure)
    return failed


def tables(central: Central) -> dict[str, dict[str, Any]]:
    """The database's tables by name."""
    pages = (
        central.client("glue").get_paginator("get_tables").paginate(DatabaseName=central.outputs["GlueDatabaseName"])
    )
    return {table["Name"]: table for page in pages for table in page["TableList"]}


def forget(central: Central) -> None:
    """Takes away all files and tables: the state in which a stack is made."""
    s3, glue = central.client("s3"), central.client("glue")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=central.sync_bucket):
        keys = [{"Key": item["Key"]} for item in page.get("Contents", [])]
        if keys:
            s3.delete_objects(Bucket=central.sync_bucket, Delete={"Objects": keys, "Quiet": True})
    for name in tables(central):
        try:
            glue.delete_table(DatabaseName=central.outputs["GlueDatabaseName"], Name=name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "EntityNotFoundException":
                raise
