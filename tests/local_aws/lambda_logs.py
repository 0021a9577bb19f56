"""What a function prints reaches CloudWatch Logs as far as its role lets it.

- The log group is the one that LoggingConfig names, and a stream belongs to an execution environment, whose variables
  name both: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
- Lambda writes under the function's role: logs:CreateLogStream and logs:PutLogEvents, and logs:CreateLogGroup if there
  is no such group. What the role lacks, nobody sees:
  https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs.html
- With LogFormat JSON Lambda's own lines are JSON, and the function is told so:
  https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-logformat.html

MiniStack tells a function of a stream that does not exist, asks for no permission, knows no JSON, and keeps the last
10,000 lines of an invocation.

Two variables are for tests of what functions print. LOCAL_AWS_FUNCTION_LOG_LEVEL is the level of every function that
logs JSON, whatever its configuration says. TEST_LOGS names a directory; all that functions print is appended to the
file `functions-<pid of the server>.log` in it, whatever their roles allow.
"""

from __future__ import annotations

import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs, lambda_svc

from local_aws.authorization import role_may

Config = dict[str, Any]

logger = logging.getLogger(__name__)

# More than any function of ours prints at TRACE in one invocation.
MAX_LINES = 1_000_000

_kept = threading.Lock()

# MiniStack keeps an environment for each version of a function, so a stream for each is one for each environment.
_streams: dict[tuple[str, str], str] = {}


def environment(config: Config) -> dict[str, str]:
    """The variables that tell a function where and how it logs."""
    given = config.get("LoggingConfig") or {}
    variables = {
        "AWS_LAMBDA_LOG_GROUP_NAME": _group(config),
        "AWS_LAMBDA_LOG_STREAM_NAME": _stream(config),
        "AWS_LAMBDA_LOG_FORMAT": given.get("LogFormat", "Text"),
    }
    if variables["AWS_LAMBDA_LOG_FORMAT"] == "JSON":
        level = os.environ.get("LOCAL_AWS_FUNCTION_LOG_LEVEL")
        variables["AWS_LAMBDA_LOG_LEVEL"] = level or given.get("ApplicationLogLevel", "INFO")
    return variables


def write(
    function: dict[str, Any],
    request_id: str,
    text: str,
    error: bool,
    duration_ms: int,
    *,
    log_source: str | None = None,
) -> None:
    """Writes an invocation's lines, or says in the server's own log why the role may not."""
    config = function.get("config") or function
    _keep(config, request_id, text)
    group, stream = _group(config), _stream(config)
    if refusal := _refusal(config, group, stream):
        logger.warning("no logs of %s: %s\n%s", config["FunctionName"], refusal, text)
        return
    if group not in cloudwatch_logs._log_groups:
        cloudwatch_logs._create_log_group({"logGroupName": group})
    if stream not in cloudwatch_logs._log_groups[group]["streams"]:
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in _lines(config, request_id, text, error, duration_ms)]
    cloudwatch_logs._put_log_events({"logGroupName": group, "logStreamName": stream, "logEvents": events})


def _keep(config: Config, request_id: str, text: str) -> None:
    if not (directory := os.environ.get("TEST_LOGS")):
        return
    path = Path(directory, f"functions-{os.getpid()}.log")
    with _kept, path.open("a") as file:
        file.write(f"--- {config['FunctionArn']} {request_id}\n{text}\n")


def _lines(config: Config, request_id: str, text: str, error: bool, duration_ms: int) -> Iterator[str]:
    version, memory = config.get("Version", "$LATEST"), config.get("MemorySize", 128)
    if (config.get("LoggingConfig") or {}).get("LogFormat") == "JSON":
        metrics = {"durationMs": duration_ms, "billedDurationMs": duration_ms, "memorySizeMB": memory}
        status = "error" if error else "success"
        yield _platform("start", requestId=request_id, version=version)
        yield from text.splitlines()
        yield _platform("report", requestId=request_id, metrics=metrics, status=status)
    else:
        yield f"START RequestId: {request_id} Version: {version}"
        yield from text.splitlines()
        yield f"END RequestId: {request_id}"
        yield (
            f"REPORT RequestId: {request_id}\tDuration: {duration_ms} ms\tBilled Duration: {duration_ms} ms\t"
            f"Memory Size: {memory} MB"
        )


def _platform(event: str, **record: Any) -> str:
    return json.dumps({"time": datetime.now(timezone.utc).isoformat(), "type": f"platform.{event}", "record": record})


def _group(config: Config) -> str:
    return (config.get("LoggingConfig") or {}).get("LogGroup") or f"/aws/lambda/{config['FunctionName']}"


def _stream(config: Config) -> str:
    version = config.get("Version", "$LATEST")
    name = f"{datetime.now(timezone.utc):%Y/%m/%d}/[{version}]{uuid.uuid4().hex}"
    return _streams.setdefault((config["FunctionArn"], version), name)


def _refusal(config: Config, group: str, stream: str) -> str | None:
    arn = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}"
    needed = {"logs:CreateLogStream": f"{arn}:log-stream:{stream}", "logs:PutLogEvents": f"{arn}:log-stream:{stream}"}
    if group not in cloudwatch_logs._log_groups:
        needed["logs:CreateLogGroup"] = f"{arn}:*"
    for action, resource in needed.items():
        if denial := role_may(config["Role"], action, resource):
            return denial.message
    return None


def install() -> None:
    """Replaces MiniStack's writing of logs and completes the variables of `provided` runtimes."""
    lambda_runtime._PROVIDED_LOG_MAX_LINES = MAX_LINES
    worker_env = lambda_svc._provided_worker_env
    lambda_svc._provided_worker_env = lambda config, code_dir, port: {
        **worker_env(config, code_dir, port),
        **environment(config),
    }
    lambda_svc._emit_lambda_logs = write
