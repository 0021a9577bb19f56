"""Glue crawlers that crawl.

StartCrawler begins a run in the background, which `crawler_run` does; its end is seen in GetCrawler's State and
LastCrawl. ``Started`` and ``Succeeded`` or ``Failed`` go to EventBridge:
https://docs.aws.amazon.com/glue/latest/dg/automating-awsglue-with-cloudwatch-events.html
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
import uuid
from dataclasses import asdict
from typing import Any

from ministack.core.responses import error_response_json, get_account_id, get_region, json_response
from ministack.services import eventbridge, glue, iam

from local_aws import authorization
from local_aws.catalog import CatalogError
from local_aws.crawler_run import CancelledCrawlError, CrawlError, Run, role_arn, role_refusal

logger = logging.getLogger("glue.crawler")

_LOG_GROUP = "/aws-glue/crawlers"

# https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSGlueServiceRole.html without its network parts,
# which a crawler of S3 has no use for. MiniStack does not know the policy.
_MANAGED_POLICY = "service-role/AWSGlueServiceRole"
_MANAGED_POLICY_DOCUMENT = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [
                "glue:*",
                "s3:GetBucketLocation",
                "s3:ListBucket",
                "s3:ListAllMyBuckets",
                "s3:GetBucketAcl",
                "iam:ListRolePolicies",
                "iam:GetRole",
                "iam:GetRolePolicy",
                "cloudwatch:PutMetricData",
            ],
            "Resource": ["*"],
        },
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": ["arn:aws:s3:::aws-glue-*/*", "arn:aws:s3:::*/*aws-glue-*/*"],
        },
        {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": ["arn:aws:logs:*:*:*:/aws-glue/*"],
        },
    ],
}

# The runs under way, by the identity of their crawlers' records.
_runs: dict[int, Run] = {}


def _start_crawler(data: dict[str, Any]) -> tuple:
    name = data.get("Name")
    crawler = glue._crawlers.get(name)
    if crawler is None:
        return _not_found(name)
    if crawler["State"] != "READY":
        return error_response_json("CrawlerRunningException", f"Crawler with name {name} has already started")
    crawler["State"], crawler["CrawlElapsedTime"] = "RUNNING", 0
    run = _runs[id(crawler)] = Run(crawler)
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(_work, run), name=f"crawler-{name}", daemon=True).start()
    return json_response({})


def _work(run: Run) -> None:
    """One run from its Started event to the last one."""
    authorization.as_service()
    crawler = run.crawler
    started = time.time()
    _send_event(crawler, "Started", startTime=_timestamp(started))
    status, reason = "SUCCEEDED", ""
    try:
        run.crawl()
    except CancelledCrawlError:
        status = "CANCELLED"
    except (CrawlError, CatalogError) as error:
        status, reason = "FAILED", str(error)
    except Exception:
        # As on AWS, what is nobody's doing but the service's is told to the log and not to the user.
        logger.exception("crawler %s", crawler["Name"])
        status, reason = "FAILED", "Internal Service Exception"
    crawler["State"] = "STOPPING"
    crawler["LastCrawl"] = {
        "Status": status,
        **({"ErrorMessage": reason} if reason else {}),
        "LogGroup": _LOG_GROUP,
        "LogStream": crawler["Name"],
        "MessagePrefix": str(uuid.uuid4()),
        "StartTime": int(started),
    }
    seconds = time.time() - started
    crawler["CrawlElapsedTime"] = int(seconds * 1000)
    _runs.pop(id(crawler), None)
    crawler["State"] = "READY"
    link = _log_link(crawler["Name"], started)
    if status == "FAILED":
        _send_event(crawler, "Failed", errorMessage=reason, cloudWatchLogLink=link)
    elif status == "SUCCEEDED":
        counts = {name: str(count) for name, count in asdict(run.counts).items()}
        detail = {
            **counts,
            "runningTime (sec)": str(int(seconds)),
            "completionDate": _timestamp(time.time()),
            "warningMessage": "N/A",
            "cloudWatchLogLink": link,
        }
        _send_event(crawler, "Succeeded", **detail)


def _send_event(crawler: dict[str, Any], state: str, **detail: str) -> None:
    common = {
        "accountId": get_account_id(),
        "crawlerName": crawler["Name"],
        "state": state,
        "message": f"Crawler {state}",
    }
    entry = {
        "Source": "aws.glue",
        "DetailType": "Glue Crawler State Change",
        "Resources": [],
        "Detail": json.dumps({**detail, **common}),
    }
    eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)


def _timestamp(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _log_link(name: str, started: float) -> str:
    region = get_region()
    return (
        f"https://console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:"
        f"group={_LOG_GROUP};stream={name};start={int(started * 1000)}"
    )


def _stop_crawler(data: dict[str, Any]) -> tuple:
    name = data.get("Name")
    crawler = glue._crawlers.get(name)
    if crawler is None:
        return _not_found(name)
    if crawler["State"] == "STOPPING":
        return error_response_json("CrawlerStoppingException", f"Crawler with name {name} is already stopping")
    run = _runs.get(id(crawler))
    if run is None:
        return error_response_json("CrawlerNotRunningException", f"Crawler with name {name} isn't running")
    crawler["State"] = "STOPPING"
    run.stopped.set()
    return json_response({})


def _not_found(name: str | None) -> tuple:
    return error_response_json("EntityNotFoundException", f"Crawler entry with name {name} does not exist")


def _refused_definition(data: dict[str, Any]) -> tuple | None:
    """The refusal of a crawler whose role Glue cannot assume or whose Configuration it cannot read."""
    role = data.get("Role")
    if role and (refusal := role_refusal(role_arn(role), data["Name"])):
        return error_response_json("InvalidInputException", refusal)
    try:
        json.loads(data.get("Configuration") or "{}")
    except ValueError:
        return error_response_json("InvalidInputException", "Crawler configuration is not valid JSON")
    return None


def install() -> None:
    """Put the runs in place of MiniStack's timer, and judge a crawler's definition."""
    create, update, delete = glue._create_crawler, glue._update_crawler, glue._delete_crawler

    def running(data: dict[str, Any]) -> tuple | None:
        crawler = glue._crawlers.get(data.get("Name"))
        if crawler is not None and crawler["State"] != "READY":
            return error_response_json("CrawlerRunningException", f"Crawler with name {data['Name']} is running")
        return None

    glue._create_crawler = lambda data: _refused_definition(data) or create(data)
    glue._update_crawler = lambda data: running(data) or _refused_definition(data) or update(data)
    glue._delete_crawler = lambda data: running(data) or delete(data)
    glue._start_crawler, glue._stop_crawler = _start_crawler, _stop_crawler
    record = iam._make_aws_managed_record(
        _MANAGED_POLICY,
        json.dumps(_MANAGED_POLICY_DOCUMENT),
        "Policy for AWS Glue service role which allows access to related services including EC2, S3, and "
        "Cloudwatch Logs",
    )
    iam._aws_managed_policies.setdefault(iam._AWS_MANAGED_POLICY_PREFIX + _MANAGED_POLICY, record)
