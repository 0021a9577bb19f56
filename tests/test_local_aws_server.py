"""The local AWS starts, keeps to itself, and leaves nothing behind."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from local_aws.server import LocalAws

TESTS = Path(__file__).parent

# A function of the runtime that ours have, busy for ten minutes in a process of its own.
BOOTSTRAP = "#!/bin/sh\nsleep 600\n"


def is_running(pid: int) -> bool:
    """Whether there is such a process; one that has ended and was not waited for is gone too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not is_running(pid)


def group(pid: int) -> list[int]:
    """The processes of the server's process group."""
    return [
        int(stat.parent.name)
        for stat in Path("/proc").glob("[0-9]*/stat")
        if (fields := stat.read_text().rpartition(")")[2].split())[2] == str(pid) and fields[0] != "Z"
    ]


def test_any_twelve_digits_are_an_account(local_aws: LocalAws) -> None:
    identity = local_aws.client("sts", "012345678901", "eu-west-1").get_caller_identity()
    assert identity["Account"] == "012345678901"


def test_it_listens_on_loopback_only(local_aws: LocalAws) -> None:
    port = int(local_aws.endpoint.rsplit(":", 1)[1])
    sockets = Path("/proc/net/tcp").read_text().splitlines()[1:]
    listening = [line.split()[1] for line in sockets if line.split()[3] == "0A"]
    assert [address for address in listening if address.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_the_users_own_settings_reach_neither_clients_nor_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "secret")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with LocalAws() as server:
        assert server.client("sts").get_caller_identity()["Account"] == "111122223333"
        environment = Path(f"/proc/{server.pid}/environ").read_text()
        assert "production" not in environment
        assert "HTTP_PROXY" not in environment
        child = server.process_env("210987654321", "eu-west-1")
        assert "AWS_PROFILE" not in child
        assert "AWS_SESSION_TOKEN" not in child
        assert child["AWS_ACCESS_KEY_ID"] == "210987654321"
        assert child["AWS_ENDPOINT_URL"] == server.endpoint


def test_the_end_of_the_block_ends_running_functions_too() -> None:
    with LocalAws() as server:
        sleep_in_a_function(server)
        processes = group(server.pid)
        assert len(processes) == 3
        state = Path(server.log_path).parent
    assert [pid for pid in processes if not wait_until_gone(pid)] == []
    assert not state.exists()


def test_an_exception_ends_it() -> None:
    with pytest.raises(KeyboardInterrupt), LocalAws() as server:
        pid = server.pid
        raise KeyboardInterrupt
    assert wait_until_gone(pid)


def test_it_does_not_outlive_a_parent_that_is_killed() -> None:
    code = "from local_aws.server import LocalAws\nimport time\nserver = LocalAws()\nserver.start()\n"
    code += "print(server.pid, flush=True)\ntime.sleep(600)\n"
    with start_python(code) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.kill()
        parent.wait()
        assert wait_until_gone(pid)


def test_kept_running_it_ends_on_sigterm_with_its_functions() -> None:
    code = "from local_aws.server import LocalAws\nwith LocalAws(keep=True) as server:\n"
    code += "    from test_local_aws_server import sleep_in_a_function\n    sleep_in_a_function(server)\n"
    code += "    print(server.pid, flush=True)\n"
    with start_python(code) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.wait()
    processes = group(pid)
    assert len(processes) == 3
    os.kill(pid, signal.SIGTERM)
    assert [pid for pid in processes if not wait_until_gone(pid)] == []


def test_a_failed_start_shows_the_log() -> None:
    server = LocalAws(extra_env={"LOCAL_AWS_ORGANIZATION": "no JSON"})
    with pytest.raises(RuntimeError, match="is not an organization"):
        server.start()
    assert "is not an organization" in server.log_path.read_text()
    server.stop()
    assert not server.log_path.exists()


def start_python(code: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code], cwd=TESTS, stdout=subprocess.PIPE, text=True)


def sleep_in_a_function(server: LocalAws) -> None:
    """Returns when a function is running that would go on for ten minutes."""
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        bootstrap = zipfile.ZipInfo("bootstrap")
        bootstrap.external_attr = 0o755 << 16
        archive.writestr(bootstrap, BOOTSTRAP)
    role = server.client("iam").create_role(RoleName="sleeper", AssumeRolePolicyDocument="{}")["Role"]
    functions = server.client("lambda")
    functions.create_function(
        FunctionName="sleeper",
        Runtime="provided.al2023",
        Handler="bootstrap",
        Role=role["Arn"],
        Code={"ZipFile": code.getvalue()},
        Timeout=900,
    )
    functions.invoke(FunctionName="sleeper", InvocationType="Event", Payload=b"{}")
    deadline = time.monotonic() + 20
    while len(group(server.pid)) < 3 and time.monotonic() < deadline:  # the server, the shell, sleep
        time.sleep(0.05)
