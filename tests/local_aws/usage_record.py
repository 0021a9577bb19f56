"""Keeps what was asked of the local AWS, and what the functions needed for their work, for the benchmark.

LOCAL_AWS_USAGE names a file, to which a line of JSON is appended for each request that was answered and for each
invocation that a function answered. Without it nothing is kept.

A request's line tells the action (as IAM names it), who asked (the SDK by its User-Agent), and the seconds until the
answer. An invocation's line tells the function and the hash of its code, whether it was a cold start, the seconds from
the process's start until it first asked for work, those from the work's arrival until the answer, the CPU seconds of
both, and the most memory that its process has held so far. Answers that came too late to count are not among them.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import iam_actions
from ministack.core.lambda_runtime import ProvidedWorker
from ministack.core.router import detect_service

from bench.process import usage

VARIABLE = "LOCAL_AWS_USAGE"

_lock = threading.Lock()
_CALLERS = re.compile(r"\b(aws-sdk-rust|aws-cli|Boto3)/")


def _append(kind: str, **record: Any) -> None:
    line = json.dumps({"kind": kind, "at": time.time(), **record})
    with _lock, Path(os.environ[VARIABLE]).open("a") as file:
        file.write(f"{line}\n")


def _note_requests() -> None:
    dispatch = app._dispatch_service_request

    async def dispatch_and_note(
        method: str, path: str, headers: dict, body: bytes, query_params: dict, request_id: str
    ) -> tuple:
        start = time.monotonic()
        answer = await dispatch(method, path, headers, body, query_params, request_id)
        seconds = time.monotonic() - start
        service = detect_service(method, path, headers, query_params)
        action = iam_actions.extract_iam_action(service, method, path, headers, body, query_params) or service
        caller = _CALLERS.search(f"{headers.get('user-agent', '')} {headers.get('x-amz-user-agent', '')}")
        _append("request", action=action, caller=caller[1] if caller else "", seconds=seconds, status=answer[0])
        return answer

    app._dispatch_service_request = dispatch_and_note


def _note_invocations() -> None:
    spawn, invoke, record_result = ProvidedWorker._spawn, ProvidedWorker.invoke, ProvidedWorker._record_result
    # Of a worker: how long its process took to start, and then the CPU that earlier invocations have used.
    init_seconds: dict[int, float] = {}
    cpu_before: dict[int, float] = {}
    begun: dict[int, float] = {}

    def timed_spawn(worker: ProvidedWorker, *args: Any, **options: Any) -> None:
        start = time.monotonic()
        spawn(worker, *args, **options)
        init_seconds[id(worker)] = time.monotonic() - start
        cpu_before[id(worker)] = 0.0
        begun[id(worker)] = time.monotonic()

    def timed_invoke(worker: ProvidedWorker, *args: Any, **options: Any) -> dict[str, Any]:
        begun[id(worker)] = time.monotonic()
        return invoke(worker, *args, **options)

    def noted_result(worker: ProvidedWorker, generation: int, request_id: str, kind: str, result: Any) -> bool:
        # The function waits for the end of this call, so its process is there to be asked, unless it was just ended.
        used = None
        with contextlib.suppress(OSError, AttributeError):
            used = usage(worker._proc.pid)
        counts = record_result(worker, generation, request_id, kind, result)
        if counts and used is not None:
            before, cpu_before[id(worker)] = cpu_before[id(worker)], used.cpu_seconds
            cold_start = init_seconds.pop(id(worker), None)
            _append(
                "invocation",
                function=worker.func_name,
                code=worker.config.get("CodeSha256"),
                request=request_id,
                outcome=kind,
                init_seconds=cold_start,
                seconds=time.monotonic() - begun[id(worker)],
                cpu_seconds=used.cpu_seconds - before,
                peak_rss_bytes=used.peak_rss_bytes,
            )
        return counts

    replaced: dict[str, Callable[..., Any]] = {
        "_spawn": timed_spawn,
        "invoke": timed_invoke,
        "_record_result": noted_result,
    }
    for name, function in replaced.items():
        setattr(ProvidedWorker, name, function)


def install() -> None:
    """Notes requests and invocations, where they are kept."""
    if os.environ.get(VARIABLE):
        _note_requests()
        _note_invocations()
