"""moto's server: another AWS, by other people, to compare the local AWS's answers with."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3

HOST = "127.0.0.1"
START_TIMEOUT_SECONDS = 60


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The endpoint of a server for the length of the block. Raises RuntimeError if it does not come up."""
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
    command = [str(Path(sys.executable).with_name("moto_server")), "-H", HOST, "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
                break
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError("moto's server does not come up")
            time.sleep(0.1)
        yield f"http://{HOST}:{port}"
    finally:
        process.terminate()
        process.wait()


def client(endpoint: str, service: str) -> Any:
    """A boto3 client of moto's account."""
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, region_name="us-east-1", endpoint_url=endpoint, **keys)
