"""What a newcomer sees of scripts/demo: the report, and nothing left behind however it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from demo import REPORT, SEED
from deployment import ROOT, wait_for
from fleet import Fleet
from organization import MEMBER_ACCOUNTS, REGIONS

DEMO = [sys.executable, "-m", "demo", "--nodes", "42"]
ENV = os.environ | {"PYTHONPATH": "tests", "PYTHONUNBUFFERED": "1"}


@contextmanager
def running_demo(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """The demo under way, with its output on a pipe; ended with the block at the latest."""
    process = subprocess.Popen(
        [*DEMO, *arguments],
        cwd=ROOT,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # What runs in the background of a script, these tests perhaps, ignores Ctrl-C, and so would what it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def port_in(output: str) -> int:
    """The port of the local AWS that the demo started."""
    found = re.search(r"http://127\.0\.0\.1:(\d+)", output)
    assert found, output
    return int(found[1])


def answers(port: int) -> bool:
    """Whether something listens on the port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def test_the_demo_shows_the_failure_the_repair_and_the_report_and_ends_all(fleet_total: tuple[str, ...]) -> None:
    REPORT.unlink(missing_ok=True)
    with running_demo() as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    assert "query failed: HIVE_INVALID_METADATA" in output
    assert "repaired: the same query counts" in output
    total = re.search(r"│ all\b.*", output)
    assert total, output
    assert tuple(cell.strip() for cell in total[0].split("│")[3:7]) == fleet_total
    assert output.count("bucket gone") == 2
    assert re.search(rf"The report, .*: {re.escape(str(REPORT))}\nDone in", output), output
    assert re.search(r'"nodes":(\d+)', REPORT.read_text())[1] == fleet_total[0]
    assert not answers(port_in(output))


@pytest.fixture
def fleet_total() -> tuple[str, ...]:
    """Nodes, compliant, non-compliant and not scanned of the demo's fleet, by the fleet's own account."""
    total = Fleet(SEED, MEMBER_ACCOUNTS, REGIONS, 42, "2026-01-15T12:00:00Z").summary().total
    return tuple(map(str, (total.nodes, total.compliant, total.non_compliant, total.not_scanned)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_running_when_the_demo_is_ended_half_way(number: signal.Signals) -> None:
    with running_demo() as process:
        assert process.stdout
        output = ""
        while "scripts/deploy-members" not in output:
            line = process.stdout.readline()
            assert line, output
            output += line
        assert answers(port_in(output))
        process.send_signal(number)
        rest, _ = process.communicate(timeout=30)
    assert process.returncode == (-9 if number == signal.SIGKILL else 130), rest
    wait_for(lambda: not answers(port_in(output)), 10, "the local AWS still answers")


def test_keep_leaves_it_running_and_says_how_to_use_and_end_it() -> None:
    with running_demo("--keep") as process:
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    end = re.search(r"End it with: kill (\d+)", output)
    assert end, output
    try:
        assert answers(port_in(output))
        told = output[output.index("The local AWS is still running.") :].splitlines()
        variables = [line for line in told if line.startswith(("  unset ", "  export "))]
        assert f"  export AWS_ENDPOINT_URL=http://127.0.0.1:{port_in(output)}" in variables
        # As the README has it, in a shell with these variables.
        readme = (ROOT / "README.md").read_text().replace("\\\n", " ").splitlines()
        (verify,) = [line for line in readme if line.startswith("scripts/verify --")]
        done = subprocess.run(
            ["bash", "-c", "\n".join([*variables, verify])], cwd=ROOT, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.rstrip().endswith("all is well")
    finally:
        os.kill(int(end[1]), signal.SIGTERM)
    wait_for(lambda: not answers(port_in(output)), 10, "the local AWS still answers")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--nodes", "many"], "--nodes takes a whole number of at least 42, not 'many'"),
        (["--nodes"], "--nodes takes a whole number of at least 42, not ''"),
        (["--nodes=41"], "--nodes takes a whole number of at least 42, not '41'"),
        (["--verbose"], "unknown argument '--verbose'"),
    ],
)
def test_a_wrong_argument_is_named_before_anything_is_done(arguments: list[str], text: str) -> None:
    done = subprocess.run([ROOT / "scripts" / "demo", *arguments], capture_output=True, text=True, timeout=10)
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("script", ["setup", "build", "demo", "test"])
def test_each_script_says_how_to_use_it(script: str) -> None:
    done = subprocess.run([ROOT / "scripts" / script, "-h"], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: scripts/{script} ")
