"""Functions print no secret, though in the tests they print all that they can.

A response URL is one: whoever has it can answer CloudFormation in the function's place. Its signature would give it
away. This module runs after all others (see conftest) and looks through what every function of every server printed,
through what the server that the tests share printed, and through the logs of the Rust tests, if scripts/test ran them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanup_stack import CleanupStack
from deployment import wait_for
from local_aws.server import LocalAws

# In a query string, as Signature Version 4 and 2 have it, and in a header; and that of the Rust tests' URLs.
SIGNATURE = re.compile(rb"Signature=|5ecre7")


@pytest.fixture(scope="module")
def logs(local_aws: LocalAws) -> list[Path]:
    """All logs, with those of at least one real function among them: if this module runs alone it sees to that."""
    directory = Path(os.environ["TEST_LOGS"])
    if not any(b"request received" in line for path in directory.glob("functions-*.log") for line in lines(path)):
        stack = CleanupStack(local_aws, "800000000009", "us-east-1", "prints-something")
        assert stack.create() == "CREATE_COMPLETE"
        assert stack.delete() == "DELETE_COMPLETE"
        wait_for(lambda: "request answered" in "".join(stack.printed("Delete")), 5, "the function printed nothing")
    return [*sorted(directory.iterdir()), local_aws.log_path]


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a log, which may be long and large."""
    with path.open("rb") as file:
        yield from file


def test_there_is_something_to_look_through(logs: list[Path]) -> None:
    functions = [path for path in logs if path.name.startswith("functions-")]
    printed = [line for path in functions for line in lines(path)]
    assert [line for line in printed if b'"level":"TRACE"' in line or b'"level":"DEBUG"' in line]
    assert [line for line in printed if b"request received" in line]


def test_no_log_tells_the_signature_of_a_url_or_of_a_request(logs: list[Path]) -> None:
    found = [
        f"{path.name}:{number}: {line[max(0, match.start() - 100) : match.end() + 20]!r}"
        for path in logs
        for number, line in enumerate(lines(path), 1)
        if (match := SIGNATURE.search(line))
    ]
    assert found == []
