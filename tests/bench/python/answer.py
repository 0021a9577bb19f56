"""The answer to CloudFormation, as AWS's own module cfnresponse sends it."""

import json
from typing import Any

import urllib3

http = urllib3.PoolManager()


def send(event: dict, context: Any, status: str, physical_id: str, data: dict | None = None, reason: str = "") -> None:
    """PUTs the answer to the presigned URL of the request."""
    body = {
        "Status": status,
        "Reason": f"{reason} (log stream {context.log_stream_name})"[:1024],
        "PhysicalResourceId": physical_id,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": data or {},
    }
    headers = {"content-type": ""}
    answered = http.request("PUT", event["ResponseURL"], headers=headers, body=json.dumps(body).encode(), retries=3)
    if answered.status != 200:
        raise RuntimeError(f"CloudFormation did not take the answer: status {answered.status}")
