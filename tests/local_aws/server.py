"""Starts and ends the local AWS, and hands out what a client needs to talk to it.

The listening socket is made here, on a port that the kernel picks, and inherited by the server: there is no moment
in which another process could take the port, and a request that comes too early waits instead of failing.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

HOST = "127.0.0.1"
DEFAULT_ACCOUNT = "111122223333"
DEFAULT_REGION = "us-east-1"

START_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 5

# All that the templates, `sam deploy` and the tests talk to. MiniStack imports a service at its first request.
SERVICES = (
    "athena",
    "cloudformation",
    "events",
    "glue",
    "iam",
    "kms",
    "lambda",
    "logs",
    "monitoring",
    "organizations",
    "s3",
    "sns",
    "sqs",
    "ssm",
    "sts",
    "tagging",
)

# The server, and every Lambda function that it runs, sees these of the caller's variables and no others: no
# profile, proxy or credential of the user's may take a function to the real AWS.
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "LOCAL_AWS_TIME_SCALE", "TEST_LOGS")


class LocalAws:
    """A local AWS for the length of a `with` block.

    organization: {"Id", "MasterAccountId", "Accounts": [...]} and what else `organization` reads, or None for accounts
    that belong to none.
    fleet: {"seed", "accounts", "regions", "nodes", "now"}, or None for accounts without managed nodes.
    extra_env: further variables of the server process, such as LOCAL_AWS_TIME_SCALE; the modules' heads tell of them.
    log_path: where the server's output goes; by default into a file that is removed with the server.
    keep: leaves the server running when the block ends without an exception (`pid` says which process to end).

    Any 12 digits are an account, and its root's access key; the secret is "test". Raises RuntimeError with the end
    of the log if the server does not come up.
    """

    def __init__(
        self,
        organization: dict[str, Any] | None = None,
        fleet: dict[str, Any] | None = None,
        extra_env: dict[str, str] | None = None,
        *,
        log_path: Path | None = None,
        keep: bool = False,
    ) -> None:
        self._settings = dict(extra_env or {})
        if organization is not None:
            self._settings["LOCAL_AWS_ORGANIZATION"] = json.dumps(organization)
        if fleet is not None:
            self._settings["LOCAL_AWS_FLEET"] = json.dumps(fleet)
        self._log_path = log_path
        self._keep = keep
        self._process: subprocess.Popen[bytes] | None = None
        self._state: Path | None = None
        self._port = 0
        self._session_lock = threading.Lock()
        self._session = _session_without_user_settings()

    @property
    def endpoint(self) -> str:
        """The URL of every service."""
        return f"http://{HOST}:{self._port}"

    @property
    def pid(self) -> int:
        """The server's process id; SIGTERM ends it with every function that it runs."""
        if self._process is None:
            raise RuntimeError("the local AWS is not running")
        return self._process.pid

    @property
    def log_path(self) -> Path:
        """The file that holds what the server and its functions printed."""
        if self._log_path is None:
            raise RuntimeError("the local AWS was not started")
        return self._log_path

    def env(self, account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION) -> dict[str, str]:
        """The AWS_* variables that take an SDK or a command line to this server as the account's root."""
        return {
            "AWS_ACCESS_KEY_ID": account,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def process_env(self, account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION) -> dict[str, str]:
        """A whole environment for a child process: the caller's, with its AWS_* variables replaced by `env`."""
        return _without_aws(os.environ) | self.env(account, region)

    def client(self, service: str, account: str = DEFAULT_ACCOUNT, region: str = DEFAULT_REGION) -> Any:
        """A boto3 client of the account's root."""
        return self.client_for(service, {"AccessKeyId": account, "SecretAccessKey": "test"}, region)

    def client_for(self, service: str, credentials: dict[str, Any], region: str = DEFAULT_REGION) -> Any:
        """A boto3 client of other credentials, in the shape in which STS returns them."""
        with self._session_lock:  # making a client is not thread-safe, using one is
            return self._session.client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials.get("SessionToken"),
                config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard"}, proxies={}),
            )

    def start(self) -> None:
        """Starts the server and returns when it answers; after a failure `stop` is still due, the log is there."""
        self._state = Path(tempfile.mkdtemp(prefix="local-aws-"))
        if self._log_path is None:
            self._log_path = self._state / "server.log"
        self._spawn()
        self._wait_until_ready()

    def stop(self) -> None:
        """Ends the server and everything that it started, and removes what it wrote. Safe to call twice."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._state is not None:
            shutil.rmtree(self._state, ignore_errors=True)

    def __enter__(self) -> LocalAws:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keep and error is None:
            return
        self.stop()

    def _spawn(self) -> None:
        with socket.create_server((HOST, 0), backlog=1024) as listener:
            self._port = listener.getsockname()[1]
            with self.log_path.open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "local_aws"],
                    env=self._server_env(listener.fileno()),
                    pass_fds=[listener.fileno()],
                    # The server ends when this pipe closes, so it never outlives a parent that was killed.
                    stdin=subprocess.DEVNULL if self._keep else subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C in the terminal reaches the parent alone, which then ends the server in order.
                    start_new_session=True,
                )

    def _server_env(self, listener: int) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        tests = str(Path(__file__).resolve().parent.parent)
        return {
            **inherited,
            "PYTHONPATH": os.pathsep.join(filter(None, [tests, inherited.get("PYTHONPATH")])),
            "HOME": str(self._state),
            "TMPDIR": str(self._state),
            "LOCAL_AWS_LISTENER": str(listener),
            "LOCAL_AWS_KEEP": "1" if self._keep else "0",
            "GATEWAY_PORT": str(self._port),
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "SERVICES": ",".join(SERVICES),
            "AUTH": "true",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            # Functions run as plain processes; a container engine on this machine is none of our business.
            "LAMBDA_EXECUTOR": "local",
            "DOCKER_HOST": f"unix://{self._state}/no-container-engine.sock",
            **self._settings,
        }

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while not self._answers(deadline - time.monotonic()):
            process = self._process
            if process is None or process.poll() is not None or time.monotonic() > deadline:
                end = self.log_path.read_text(errors="replace")[-4000:]
                raise RuntimeError(f"the local AWS did not come up; the end of its log:\n{end}")
            time.sleep(0.05)

    def _answers(self, timeout: float) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=max(timeout, 0.1))
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/_ministack/health")
                return connection.getresponse().status == http.client.OK
            except (OSError, http.client.HTTPException):
                return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks the server to end and then makes sure; its functions belong to its process group."""
    if process.poll() is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # an empty group is what we want
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


def _without_aws(env: os._Environ[str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if not name.startswith("AWS_")}


def _session_without_user_settings() -> boto3.Session:
    """A session that sees neither the user's profile nor their configuration files."""
    return boto3.Session(
        botocore_session=botocore.session.Session(
            session_vars={
                "profile": (None, None, None, None),
                "config_file": (None, None, os.devnull, None),
                "credentials_file": (None, None, os.devnull, None),
            }
        )
    )
