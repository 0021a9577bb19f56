"""Starts and ends real Trino, the engine that Athena is made of, on the Data Catalog and the S3 of a local AWS.

It needs a JDK of 25 or newer, and Maven, which fetches some 300 MB of Trino into its own repository the first time.
Where these are not to be had, `Unavailable` says which, and the tests that need Trino are skipped with that reason.
What is there and does not work is a failure.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

import requests
import trino.dbapi

from local_aws.server import DEFAULT_REGION, LocalAws

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tests" / "trino" / "Trino.java"
POM = ROOT / "tests" / "trino" / "pom.xml"
BUILD = ROOT / "target" / "trino"

# The classes of Trino 483 are made for it.
OLDEST_JDK = 25
# Where Linux distributions put theirs.
INSTALLED_JDKS = Path("/usr/lib/jvm")

FETCH_TIMEOUT_SECONDS = 500
START_TIMEOUT_SECONDS = 90
STOP_TIMEOUT_SECONDS = 5

JVM_OPTIONS = [
    "-Xmx1g",
    # Half the time to the first answer; what is run here is too short for the best code to pay off.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    # As Trino's own launcher starts it.
    "--add-modules=jdk.incubator.vector",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
]


class Unavailable(Exception):
    """This machine can't have Trino; the text says what it lacks."""


def find_jdk(environment: Mapping[str, str] = os.environ, installed: Path = INSTALLED_JDKS) -> Path:
    """The home of a JDK that is new enough: JAVA_HOME's, the PATH's, or one that is installed. Raises Unavailable."""
    candidates = [Path(home) for home in [environment.get("JAVA_HOME")] if home]
    if java := shutil.which("java", path=environment.get("PATH", "")):
        candidates.append(Path(java).resolve().parent.parent)
    candidates += sorted(installed.glob("*"))
    for home in candidates:
        if (home / "bin" / "javac").exists() and _release(home) >= OLDEST_JDK:
            return home
    raise Unavailable(f"no JDK of {OLDEST_JDK} or newer by JAVA_HOME, on the PATH or below {installed}")


def _release(home: Path) -> int:
    """The feature release of a JDK, 0 if it does not tell."""
    try:
        told = subprocess.run([home / "bin" / "java", "--version"], capture_output=True, text=True, timeout=60)
    except OSError:
        return 0
    found = re.match(r"\w+ (\d+)", told.stdout)
    return int(found[1]) if found else 0


def class_path(jdk: Path, environment: Mapping[str, str] = os.environ, build: Path = BUILD) -> str:
    """What Trino.java is compiled and run with, fetched by Maven unless it is there already.

    Raises Unavailable without Maven or if Maven reaches no repository, and RuntimeError if anything else goes wrong.
    """
    maven = shutil.which("mvn", path=environment.get("PATH", ""))
    if maven is None:
        raise Unavailable("no Maven (mvn) on the PATH")
    kept = build / f"class-path-{hashlib.sha256(POM.read_bytes()).hexdigest()[:16]}"
    with contextlib.suppress(FileNotFoundError):
        if all(Path(jar).exists() for jar in kept.read_text().split(os.pathsep)):
            return kept.read_text()
    build.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build) as folder:
        found = Path(folder, "class-path")
        _fetch(maven, {**environment, "JAVA_HOME": str(jdk)}, found)
        found.replace(kept)
    return kept.read_text()


def _fetch(maven: str, environment: Mapping[str, str], output: Path) -> None:
    command = [
        maven, "--batch-mode", "--strict-checksums",
        # Look again for what could not be had the last time.
        "--update-snapshots",
        "--file", str(POM),
        "dependency:build-classpath",
        "-DincludeScope=runtime",
        f"-Dmdep.outputFile={output}",
    ]  # fmt: skip
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=FETCH_TIMEOUT_SECONDS,
    )  # fmt: skip
    if done.returncode == 0:
        return
    if reason := unreachable(done.stdout.splitlines()):
        raise Unavailable(f"Maven reaches no repository: {reason}")
    raise RuntimeError(f"Maven failed:\n{done.stdout[-4000:]}")


def unreachable(output: Iterable[str]) -> str | None:
    """Maven's words for why it reached no repository; None if it did, or has nothing to complain of in that respect.

    What fails after the first file has come is no lack of a network, and a file that is not what its checksum says is
    none either.
    """
    lines = list(output)
    if any("Downloaded from " in line or "Checksum validation failed" in line for line in lines):
        return None
    return next((line.partition("Could not transfer ")[2] for line in lines if "Could not transfer " in line), None)


class Trino:
    """Trino for the length of a `with` block, as the root of one account of a local AWS.

    Listens on the loopback interface only, on a port that the kernel picks. log_path is where its output goes.
    Raises Unavailable if this machine can't have it, RuntimeError with the end of the log if it does not come up.
    """

    def __init__(self, aws: LocalAws, account: str, region: str = DEFAULT_REGION, *, log_path: Path) -> None:
        self._settings = aws.env(account, region)
        self._log_path = log_path
        self._process: subprocess.Popen[bytes] | None = None
        self._temporary: Path | None = None
        self._url = ""

    @property
    def url(self) -> str:
        """Where it answers."""
        return self._url

    def connect(self, database: str) -> trino.dbapi.Connection:
        """A connection whose queries read that database unless they name another; values come as JSON has them."""
        session = requests.Session()
        # No proxy and no .netrc of the user's.
        session.trust_env = False
        return trino.dbapi.connect(
            host=self._url, user="test", catalog="awsdatacatalog", schema=database, http_session=session,
            legacy_primitive_types=True,
        )  # fmt: skip

    def start(self) -> None:
        """Starts it and returns when it answers; after a failure `stop` is still due."""
        jdk = find_jdk()
        jars = class_path(jdk)
        self._temporary = Path(tempfile.mkdtemp(prefix="trino-"))
        options = [*JVM_OPTIONS, f"-Djava.io.tmpdir={self._temporary}", "-cp", jars]
        with self._log_path.open("wb") as log:
            self._process = subprocess.Popen(
                [str(jdk / "bin" / "java"), *options, str(SOURCE)],
                env={"PATH": os.defpath, "LANG": "C.UTF-8", "TZ": "UTC", **self._settings},
                # It ends when this pipe closes, so it never outlives a parent that was killed.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal reaches the parent alone, which then ends it in order.
                start_new_session=True,
            )
        self._wait_until_ready(self._process)

    def stop(self) -> None:
        """Ends it and removes what it wrote. Safe to call twice."""
        if self._process is not None:
            _end(self._process)
            self._process = None
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

    def __enter__(self) -> Trino:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        while True:
            log = self._log_path.read_text(errors="replace")
            if ready := re.search(r"^READY (\S+)$", log, re.MULTILINE):
                self._url = ready[1]
                return
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Trino did not come up; the end of its log:\n{log[-4000:]}")
            time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Closes its standard input, at which it ends, and then makes sure."""
    if process.stdin is not None:
        process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_TIMEOUT_SECONDS)
    with contextlib.suppress(ProcessLookupError, PermissionError):  # an empty group is what we want
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
