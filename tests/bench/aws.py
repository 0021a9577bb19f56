"""A fake AWS in a process of its own, over TLS and over plain HTTP, to compare functions on the same answers.

Each service has a port of its own, as it has a host of its own in AWS: a function needs a connection to each. What the
services know and answer is in `bench.cloud`.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, quote

from bench.certificates import make_certificates
from bench.cloud import SIGNATURE, Cloud, Reply, Request

SERVICES = ("ssm", "glue", "cloudformation", "s3", "response")
SCHEMES = ("https", "http")

TESTS = Path(__file__).resolve().parents[1]


class Aws:
    """The fake as the harness sees it: a child process that ends with this object."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-aws-")
        chain, key, self.trusted = make_certificates(Path(self._folder.name))
        command = [sys.executable, "-m", "bench.aws", str(chain), str(key)]
        self._child = subprocess.Popen(
            command, cwd=TESTS, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._lock = threading.Lock()
        self._ports: dict[str, dict[str, int]] = self._receive()

    def environment(self, scheme: str = "https") -> dict[str, str]:
        """The variables that send a function to the fake, in any language's SDK, and let it trust its certificate."""
        endpoints = {f"AWS_ENDPOINT_URL_{name.upper()}": self.url(name, scheme) for name in SERVICES[:-1]}
        trusted = str(self.trusted)
        return {**endpoints, "SSL_CERT_FILE": trusted, "AWS_CA_BUNDLE": trusted}

    def url(self, service: str, scheme: str = "https") -> str:
        """Where a service is, without a slash at the end."""
        return f"{scheme}://127.0.0.1:{self._ports[scheme][service]}"

    def response_url(self, stack_arn: str, logical_id: str, scheme: str = "https") -> str:
        """A presigned URL as CloudFormation makes it, signed now."""
        key = quote(f"{stack_arn}|{logical_id}|{uuid.uuid4()}", safe="/")
        date = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        return (
            f"{self.url('response', scheme)}/{key}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date={date}"
            f"&X-Amz-SignedHeaders=host&X-Amz-Expires=7199&X-Amz-Credential=AKIA%2F{date[:8]}%2Fus-east-1%2Fs3%2F"
            f"aws4_request&{SIGNATURE}"
        )

    def ask(self, what: str, *arguments: Any, **named: Any) -> Any:
        """Calls a public method of `bench.cloud.Cloud`, or of `_Server`, in the child."""
        with self._lock:
            assert self._child.stdin is not None
            self._child.stdin.write(json.dumps([what, arguments, named]) + "\n")
            return self._receive()

    def close(self) -> None:
        """Ends the child."""
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout):
            if stream is not None:
                stream.close()
        self._folder.cleanup()

    def __enter__(self) -> Aws:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self) -> Any:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"the fake AWS ended with {self._child.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the fake AWS: {answer['error']}")
        return answer["value"]


class _Server:
    """The child's side: a thread for each connection."""

    def __init__(self, chain: str, key: str) -> None:
        self.cloud = Cloud()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(chain, key)
        # No session is resumed, so that each connection costs what a first one costs.
        self._tls.num_tickets = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._accepted: Counter[str] = Counter()

    def start(self) -> dict[str, dict[str, int]]:
        """Opens all ports; returns them by scheme and service."""
        ports: dict[str, dict[str, int]] = {scheme: {} for scheme in SCHEMES}
        for scheme in SCHEMES:
            for service in SERVICES:
                listener = socket.create_server(("127.0.0.1", 0), backlog=64)
                ports[scheme][service] = listener.getsockname()[1]
                threading.Thread(target=self._accept, args=(listener, service, scheme), daemon=True).start()
        return ports

    def take_connections(self) -> dict[str, int]:
        """How many connections each service has accepted since this was last asked."""
        with self._lock:
            accepted, self._accepted = dict(self._accepted), Counter()
        return accepted

    def drop_connections(self) -> None:
        """Closes all connections, as AWS does with those that were idle for long."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self, listener: socket.socket, service: str, scheme: str) -> None:
        while True:
            connection, _ = listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection, service, scheme), daemon=True).start()

    def _serve(self, connection: socket.socket, service: str, scheme: str) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.callback(connection.close)
            if scheme == "https":
                connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
            with self._lock:
                self._accepted[service] += 1
                self._open.add(connection)
            stack.callback(self._open.discard, connection)
            buffer = bytearray()
            while request := _read_request(connection, service, buffer):
                if self.cloud.delay:
                    time.sleep(self.cloud.delay)
                reply = self.cloud.answer(request)
                if reply is None:
                    return
                connection.sendall(_written(reply))


def _read_request(connection: socket.socket, service: str, buffer: bytearray) -> Request | None:
    """The next request of a connection, or none at its end."""
    while (end := buffer.find(b"\r\n\r\n")) < 0:
        if not _receive_more(connection, buffer):
            return None
    request_line, *lines = buffer[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    size = end + 4 + int(headers.get("content-length", 0))
    while len(buffer) < size:
        if not _receive_more(connection, buffer):
            return None
    body = bytes(buffer[end + 4 : size])
    del buffer[:size]
    method, target, _ = request_line.split(" ")
    path, _, query = target.partition("?")
    return Request(service, method, path, dict(parse_qsl(query, keep_blank_values=True)), headers, body)


def _receive_more(connection: socket.socket, buffer: bytearray) -> bool:
    received = connection.recv(1 << 18)
    buffer += received
    return bool(received)


def _written(reply: Reply) -> bytes:
    headers = {
        "x-amzn-RequestId": str(uuid.uuid4()),
        "Content-Type": reply.content_type,
        "Content-Length": str(len(reply.body)),
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} OK\r\n{head}\r\n".encode() + reply.body


def main() -> None:
    """Serves until standard input ends, and does what its lines ask for."""
    server = _Server(*sys.argv[1:])

    def say(**answer: Any) -> None:
        print(json.dumps(answer), flush=True)

    say(value=server.start())
    for line in sys.stdin:
        what, arguments, named = json.loads(line)
        owner = server if what in ("take_connections", "drop_connections") else server.cloud
        try:
            value = getattr(owner, what)(*arguments, **named)
        except Exception as error:
            say(error=repr(error))
        else:
            say(value=value)


if __name__ == "__main__":
    main()
