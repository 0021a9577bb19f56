"""Athena, Glue and S3 as far as patch-report asks them: for results that no fleet on the local AWS gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# What the command looks for before it asks anything.
TABLES = (
    "instanceinformation",
    "compliancesummary",
    "complianceitem",
    "patchsummary",
    "instancedetailedinformation",
    "tag",
)


class Failed(str):
    """Why Athena did not answer a query, in its words."""


def record(cells: Iterable[str | None]) -> str:
    """A row as Athena writes it."""
    return ",".join("" if cell is None else '"' + cell.replace('"', '""') + '"' for cell in cells) + "\n"


def table(columns: Iterable[str], rows: Iterable[Iterable[str | None]]) -> bytes:
    return "".join(map(record, [columns, *rows])).encode()


@contextmanager
def serving(results: Mapping[str, bytes | Failed]) -> Iterator[dict[str, str]]:
    """Serves the results of the saved queries of these names; the variables that lead a process to it."""

    def execution(name: str) -> dict[str, Any]:
        result = results[name]
        if isinstance(result, Failed):
            return {"Status": {"State": "FAILED", "StateChangeReason": result}}
        location = {"OutputLocation": f"s3://results/{name}"}
        return {"Status": {"State": "SUCCEEDED"}, "Statistics": {}, "ResultConfiguration": location}

    def answer(operation: str, asked: dict[str, Any]) -> dict[str, Any]:
        if operation == "ListNamedQueries":
            return {"NamedQueryIds": list(results)}
        if operation == "BatchGetNamedQuery":
            ids = asked["NamedQueryIds"]
            return {"NamedQueries": [{"Name": i, "NamedQueryId": i, "Database": "db", "QueryString": i} for i in ids]}
        if operation == "GetTables":
            return {"TableList": [{"Name": f"aws_{name}"} for name in TABLES]}
        if operation == "StartQueryExecution":
            return {"QueryExecutionId": asked["QueryString"]}
        return {"QueryExecution": execution(asked["QueryExecutionId"])} if operation == "GetQueryExecution" else {}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(json.dumps(answer(self.headers["X-Amz-Target"].rpartition(".")[2], asked)).encode())

        def do_GET(self) -> None:
            result = results[self.path.partition("?")[0].rpartition("/")[2]]
            assert isinstance(result, bytes)
            self._send(result)

        def _send(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield {
                "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
                "AWS_REGION": "us-east-1",
                "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        finally:
            server.shutdown()
