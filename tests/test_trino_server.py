"""Where Trino can't be had, its tests are skipped and say why; where it can, it comes up or fails, and never stays."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import trino_server
from deployment import ROOT, wait_for
from local_aws.server import LocalAws
from trino_server import Trino, Unavailable, class_path, find_jdk

TESTS = ROOT / "tests"

UNREACHABLE = """\
[INFO] Downloading from central: https://repository.example/io/trino/trino-root.pom
[ERROR] Non-resolvable import POM: Could not transfer artifact io.trino:trino-root:pom:1 from/to central: no route @
"""
FETCHED = "[INFO] Downloaded from central: https://repository.example/io/trino/trino-root.pom (1 kB at 1 kB/s)\n"
CHECKSUM = "[ERROR] Could not transfer artifact x:y:jar:1 from/to central: Checksum validation failed, expected a\n"
NOT_FOUND = "[ERROR] Could not find artifact io.trino:trino-root:pom:1 in central\n"


def script(path: Path, text: str) -> None:
    """Makes an executable of the shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def make_jdk(home: Path, version: str, *, compiler: bool = True) -> Path:
    """Something that tells its version as a JDK does."""
    script(home / "bin" / "java", f"echo 'openjdk {version} 2026-04-21 LTS'")
    if compiler:
        script(home / "bin" / "javac", "")
    return home


def test_the_jdk_of_java_home_comes_first_then_the_paths_then_an_installed_one(tmp_path: Path) -> None:
    installed = tmp_path / "jvm"
    third = make_jdk(installed / "temurin", "25")
    first, second = make_jdk(tmp_path / "first", "26.0.1"), make_jdk(tmp_path / "second", "25.0.3")
    path = {"PATH": str(second / "bin")}
    assert find_jdk({**path, "JAVA_HOME": str(first)}, installed) == first
    assert find_jdk(path, installed) == second
    assert find_jdk({}, installed) == third


def test_a_jdk_that_is_too_old_or_has_no_compiler_does_not_count(tmp_path: Path) -> None:
    installed = tmp_path / "jvm"
    old = make_jdk(tmp_path / "old", "17.0.15")
    make_jdk(installed / "a-runtime", "25.0.3", compiler=False)
    (installed / "nothing").mkdir()
    environment = {"JAVA_HOME": str(old), "PATH": str(old / "bin")}
    with pytest.raises(Unavailable, match="no JDK of 25 or newer by JAVA_HOME, on the PATH or below"):
        find_jdk(environment, installed)
    new = make_jdk(installed / "z-jdk", "25.0.3")
    assert find_jdk(environment, installed) == new


def environment_with_maven(folder: Path, output: str, status: int = 1) -> dict[str, str]:
    """An environment whose Maven prints that; if it succeeds, the class path that it finds is the file `a.jar`."""
    (folder / "output").write_text(output)
    (folder / "a.jar").touch()
    found = f'for each; do case "$each" in -Dmdep.outputFile=*) printf %s {folder}/a.jar >"${{each#*=}}";; esac; done'
    script(folder / "bin" / "mvn", f"echo run >>{folder}/runs; cat {folder}/output; {found}; exit {status}")
    return {"PATH": f"{folder / 'bin'}{os.pathsep}{os.defpath}"}


def test_without_maven_or_a_network_trino_is_not_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"no Maven \(mvn\) on the PATH"):
        class_path(tmp_path, {"PATH": str(tmp_path)}, tmp_path / "build")
    with pytest.raises(Unavailable, match=r"reaches no repository: artifact io.trino:trino-root:pom:1 .* no route"):
        class_path(tmp_path, environment_with_maven(tmp_path, UNREACHABLE), tmp_path / "build")


@pytest.mark.parametrize(
    "output",
    [FETCHED + UNREACHABLE, CHECKSUM, NOT_FOUND, "[ERROR] something else\n"],
    ids=["network lost on the way", "wrong checksum", "no such version", "anything else"],
)
def test_whatever_else_maven_complains_of_is_a_failure(tmp_path: Path, output: str) -> None:
    with pytest.raises(RuntimeError) as caught:
        class_path(tmp_path, environment_with_maven(tmp_path, output), tmp_path / "build")
    assert output.strip() in str(caught.value)


def test_maven_is_asked_once_and_again_when_a_file_is_gone(tmp_path: Path) -> None:
    environment, build = environment_with_maven(tmp_path, FETCHED, status=0), tmp_path / "build"
    for _ in range(2):
        assert class_path(tmp_path, environment, build) == f"{tmp_path}/a.jar"
    assert (tmp_path / "runs").read_text().count("run") == 1
    assert [path.name.partition("-")[0] for path in build.iterdir()] == ["class"], "nothing else is left there"
    (tmp_path / "a.jar").unlink()
    class_path(tmp_path, environment, build)
    assert (tmp_path / "runs").read_text().count("run") == 2


def test_a_start_that_fails_is_a_failure_and_tells_the_end_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    jdk = make_jdk(tmp_path / "jdk", "25.0.3")
    script(jdk / "bin" / "java", 'case "$1" in --version) echo openjdk 25;; *) echo no such class; exit 1;; esac')
    monkeypatch.setenv("JAVA_HOME", str(jdk))
    monkeypatch.setattr(trino_server, "class_path", lambda home: "a.jar")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    server = Trino(LocalAws(), "111122223333", log_path=tmp_path / "log")
    with pytest.raises(RuntimeError, match="Trino did not come up; the end of its log:\nno such class"), server:
        pass
    assert not list(tmp_path.glob("trino-*")), "what it wrote is gone"


def test_skipped_tests_say_why(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-c", "tests/pyproject.toml", "-rs", "tests/test_trino_cases.py"]
    done = subprocess.run(
        [*command, "-k", "test_odd_files and trino and zero"],
        cwd=ROOT, env={**os.environ, "PATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert "1 skipped" in done.stdout, done.stdout
    assert "no Trino here: no " in done.stdout
    assert done.returncode == 0


def test_it_listens_on_the_loopback_interface_only(trino: Trino) -> None:
    assert trino.url.startswith("http://127.0.0.1:")
    port = int(trino.url.rpartition(":")[2])
    socket.create_connection(("127.0.0.1", port), 5).close()
    # On Linux whoever listens on all interfaces listens on this address too.
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", port), 5).close()


STARTED_AND_LEFT = """
import sys, time
from pathlib import Path
from local_aws.server import LocalAws
from trino_server import Trino
with Trino(LocalAws(), "111122223333", log_path=Path(sys.argv[1])) as trino:
    print(trino.url, flush=True)
    time.sleep(600)
"""


def test_it_ends_when_whoever_started_it_is_killed(trino: Trino, tmp_path: Path) -> None:
    """The fixture is here for its word on whether Trino can be had."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTED_AND_LEFT, str(tmp_path / "log")],
        env={**os.environ, "PYTHONPATH": str(TESTS), "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rpartition(":")[2])
        socket.create_connection(("127.0.0.1", port), 5).close()
        process.kill()
    wait_for(lambda: not answers(port), 20, "Trino is still there")


def answers(port: int) -> bool:
    """Whether anything listens on that port."""
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except OSError:
        return False
    return True
