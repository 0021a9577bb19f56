"""Starts the S3 of `tests/bench/s3_stub`, and tells what was asked of it."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

EXECUTABLE = Path(__file__).resolve().parents[2] / "target" / "release" / "s3-stub"

# What one partition takes in a second, and at once.
DELETES_PER_SECOND = 3_500


@dataclass(frozen=True)
class Contents:
    """A bucket: `layout` is sync, flat or numbered; `limit` is none, bucket or folder (which are partitions then)."""

    layout: str
    versions: int
    list_ms: int
    delete_ms: int
    limit: str = "none"


class S3Stub:
    """A bucket in a process of its own, on a free port of this machine; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([EXECUTABLE], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def fill(self, contents: Contents) -> None:
        """Makes it this bucket, whatever was in it, and counts anew."""
        self._request(f"/__fill?{urllib.parse.urlencode(asdict(contents))}", "POST")

    def stats(self) -> dict[str, int]:
        """What is left, and what was asked since it was filled."""
        return json.loads(self._request("/__stats"))

    def answer(self) -> dict[str, Any]:
        """What CloudFormation was answered."""
        return json.loads(self._request("/__answer"))

    def _request(self, path: str, method: str = "GET") -> str:
        request = urllib.request.Request(self.url + path, method=method)
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.read().decode()

    def __enter__(self) -> S3Stub:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
