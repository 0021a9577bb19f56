"""Starts a function as Lambda does, and plays Lambda's runtime API to it.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

All of it happens in the caller's thread with blocking sockets, so that what is measured has no switch between threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from bench.process import Usage, usage

API = "/2018-06-01/runtime"
ACCOUNT = "111122223333"
REGION = "us-east-1"

# How often a function that says nothing is looked at, whether it still lives.
_LOOK_SECONDS = 0.2
_LOG_TAIL = 4_000


class FunctionError(Exception):
    """The function did not start, ended, or did not answer in time; the text has the end of its log."""


@dataclass(frozen=True)
class Invocation:
    """What came of an event: the seconds from its last byte sent to the answer's last byte received, and the answer."""

    seconds: float
    error: str | None
    response: str


@dataclass
class _Message:
    """A request of the function."""

    connection: socket.socket
    method: str
    path: str
    body: bytes


class Function:
    """A function that was started and waits for events.

    `command` is its bootstrap or another program that speaks the runtime API, with an absolute path; `environment` is
    added to what Lambda sets, and nothing is inherited. `cold_start` has the seconds from just before the process is
    spawned to its first call for an event.
    """

    def __init__(self, command: list[str], environment: dict[str, str], *, cwd: Path | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=16)
        self._buffers: dict[socket.socket, bytes] = {}
        self._poll = select.poll()
        self._poll.register(self._listener, select.POLLIN)
        self._log = _log_file(command[0])
        address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        variables = (
            _lambda_environment(Path(command[0]).parent.name) | environment | {"AWS_LAMBDA_RUNTIME_API": address}
        )
        streams = [(os.POSIX_SPAWN_DUP2, self._log.fileno(), stream) for stream in (1, 2)]
        with _directory(cwd):
            started = time.perf_counter()
            self.pid = os.posix_spawn(command[0], command, variables, file_actions=streams)
        self._is_running = True
        try:
            self._waiting = self._next_call(started + 60)
        except BaseException:
            self.close()
            raise
        self.cold_start = time.perf_counter() - started

    def invoke(self, event: dict[str, Any], timeout: float = 900.0) -> Invocation:
        """Hands out an event and waits for what comes of it, and then until the function asks for the next."""
        payload = json.dumps(event).encode()
        request_id = str(uuid.uuid4())
        head = (
            "HTTP/1.1 200 OK\r\n"
            "Content-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\n"
            f"Lambda-Runtime-Aws-Request-Id: {request_id}\r\n"
            f"Lambda-Runtime-Deadline-Ms: {int((time.time() + timeout) * 1000)}\r\n"
            f"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:{REGION}:{ACCOUNT}:function:bench\r\n"
            "Lambda-Runtime-Trace-Id: Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=9a9197af755a6419;Sampled=0\r\n"
            "\r\n"
        )
        self._waiting.sendall(head.encode() + payload)
        started = time.perf_counter()
        call = self._receive(started + timeout)
        seconds = time.perf_counter() - started
        outcome = call.path.removeprefix(f"{API}/invocation/{request_id}/")
        if call.method != "POST" or outcome not in ("response", "error"):
            raise self._failure(f"expected the outcome of {request_id}, got {call.method} {call.path}")
        call.connection.sendall(b'HTTP/1.1 202 Accepted\r\nContent-Length: 15\r\n\r\n{"status":"OK"}')
        self._waiting = self._next_call(time.perf_counter() + 60)
        text = call.body.decode()
        return Invocation(seconds, text if outcome == "error" else None, text if outcome == "response" else "")

    def usage(self) -> Usage:
        """What the process has used so far; to be asked while it waits, as it does between two invocations."""
        return usage(self.pid)

    def close(self) -> None:
        """Ends the process, as Lambda does with one that it needs no more, and waits for its end."""
        if self._is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self._is_running = False
        for connection in (self._listener, *self._buffers):
            connection.close()
        self._buffers.clear()
        self._log.close()

    def __enter__(self) -> Function:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next_call(self, end: float) -> socket.socket:
        """The connection on which the function waits for an event."""
        call = self._receive(end)
        if (call.method, call.path) != ("GET", f"{API}/invocation/next"):
            raise self._failure(f"expected a call for the next event, got {call.method} {call.path}: {call.body!r}")
        return call.connection

    def _receive(self, end: float) -> _Message:
        """The function's next request, whole."""
        while True:
            ready = self._poll.poll(_LOOK_SECONDS * 1000)
            for descriptor, _ in ready:
                if descriptor == self._listener.fileno():
                    self._accept()
                elif call := self._read(next(it for it in self._buffers if it.fileno() == descriptor)):
                    return call
            if not ready:
                self._look_whether_it_lives()
            if time.perf_counter() > end:
                raise self._failure("no answer in time")

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffers[connection] = b""
        self._poll.register(connection, select.POLLIN)

    def _read(self, connection: socket.socket) -> _Message | None:
        try:
            received = connection.recv(1 << 20)
        except ConnectionResetError:
            received = b""
        if not received:
            self._poll.unregister(connection)
            del self._buffers[connection]
            connection.close()
            return None
        self._buffers[connection] += received
        head, separator, rest = self._buffers[connection].partition(b"\r\n\r\n")
        if not separator:
            return None
        request_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = _unchunked(rest)
            if body is None:
                return None
        else:
            length = int(headers.get("content-length", 0))
            if len(rest) < length:
                return None
            body = rest[:length]
        self._buffers[connection] = b""
        method, path, _ = request_line.split(" ")
        return _Message(connection, method, path, body)

    def _look_whether_it_lives(self) -> None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self._is_running = False
            raise self._failure(f"the process ended with {os.waitstatus_to_exitcode(status)}")

    def _failure(self, what: str) -> FunctionError:
        self._log.seek(0)
        return FunctionError(f"{what}\n{self._log.read()[-_LOG_TAIL:].decode(errors='replace')}")


def _unchunked(text: bytes) -> bytes | None:
    """The content of a chunked body, or None while its end is missing."""
    body = b""
    while True:
        size, separator, text = text.partition(b"\r\n")
        if not separator:
            return None
        length = int(size.partition(b";")[0], 16)
        if len(text) < length + 2:
            return None
        if length == 0:
            return body
        body, text = body + text[:length], text[length + 2 :]


# What the templates set for a function however it is deployed.
TEMPLATE_VARIABLES = {"s3-cleanup": {"MALLOC_MMAP_THRESHOLD_": "131072"}}


def _lambda_environment(name: str) -> dict[str, str]:
    """The variables that Lambda sets, and the template:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return TEMPLATE_VARIABLES.get(name, {}) | {
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": "JSON",
        "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
        "AWS_LAMBDA_LOG_LEVEL": "INFO",
        "AWS_LAMBDA_LOG_STREAM_NAME": "2026/01/15/[$LATEST]0123456789abcdef0123456789abcdef",
        "AWS_REGION": REGION,
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_SESSION_TOKEN": "bench",
        "LANG": "en_US.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "TZ": ":UTC",
    }


def _log_file(program: str) -> BinaryIO:
    """Where the function's output goes: to the directory for what tests print, if there is one, else to nowhere that
    stays."""
    if directory := os.environ.get("TEST_LOGS"):
        name = f"bench-{Path(program).parent.name}-{uuid.uuid4()}.log"
        return Path(directory, name).open("w+b")
    return tempfile.TemporaryFile()


@contextlib.contextmanager
def _directory(path: Path | None) -> Iterator[None]:
    """Changes into a directory for as long as it takes to start a process there."""
    if path is None:
        yield
        return
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)


def bootstrap(function: str) -> Path:
    """The executable that scripts/build made of a function."""
    return Path(__file__).resolve().parents[2] / "target" / "lambda" / function / "bootstrap"
