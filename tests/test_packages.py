"""What scripts/build makes: packages that Lambda can run, the same bytes every time."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from deployment import ROOT

# A larger package takes longer to start; growth has to be a decision.
MAX_PACKAGE_BYTES = 3_000_000

FUNCTIONS = ["glue-column-deleter", "org-resource-data-sync", "s3-cleanup"]
BUILD = ROOT / "scripts" / "build"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A workspace of one function, whose `cargo lambda build` copies the file named in BOOTSTRAP."""
    (tmp_path / "crates/one/src").mkdir(parents=True)
    (tmp_path / "crates/one/src/main.rs").touch()
    (tmp_path / "crates/one/Cargo.toml").write_text("[dependencies]\nlambda_runtime.workspace = true\n")
    (tmp_path / "scripts").mkdir()
    shutil.copy(BUILD, tmp_path / "scripts/build")
    tools = tmp_path / ".venv/bin"
    tools.mkdir(parents=True)
    (tools / "cargo").write_text(
        '#!/bin/sh\necho "$@" >arguments\nmkdir -p target/lambda/one\ncp "$BOOTSTRAP" target/lambda/one/bootstrap\n'
    )
    (tools / "cargo-lambda").write_text("#!/bin/sh\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    return tmp_path


def build(tree: Path, bootstrap: bytes, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs scripts/build of the tree, in which the compiler makes this bootstrap."""
    (tree / "compiled").write_bytes(bootstrap)
    env = os.environ | {"BOOTSTRAP": "compiled"}
    return subprocess.run([tree / "scripts/build", *arguments], env=env, capture_output=True, text=True, timeout=60)


def test_a_program_without_lambdas_runtime_is_no_function(tree: Path) -> None:
    (tree / "crates/tool/src").mkdir(parents=True)
    (tree / "crates/tool/src/main.rs").touch()
    (tree / "crates/tool/Cargo.toml").write_text("[dependencies]\nclap.workspace = true\n")
    assert build(tree, b"\0GLIBC_2.34\0").returncode == 0
    assert "--package one" in (tree / "arguments").read_text()
    assert "--package tool" not in (tree / "arguments").read_text()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_package_holds_one_executable_with_fixed_times(function: str) -> None:
    with zipfile.ZipFile(ROOT / "target" / "lambda" / function / "bootstrap.zip") as package:
        (entry,) = package.infolist()
        assert entry.filename == "bootstrap"
        assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert entry.external_attr >> 16 == 0o100755
        assert package.read(entry)[:4] == b"\x7fELF"


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_package_is_small(function: str) -> None:
    assert (ROOT / "target" / "lambda" / function / "bootstrap.zip").stat().st_size <= MAX_PACKAGE_BYTES


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_package_does_not_tell_where_it_was_built(function: str) -> None:
    bootstrap = (ROOT / "target" / "lambda" / function / "bootstrap").read_bytes()
    assert str(Path.home()).encode() + b"/" not in bootstrap
    assert str(ROOT).encode() + b"/" not in bootstrap


def test_the_same_bootstrap_makes_the_same_package_and_leaves_it_alone(tree: Path) -> None:
    package = tree / "target/lambda/one/bootstrap.zip"
    assert build(tree, b"\0GLIBC_2.34\0").returncode == 0
    first = package.read_bytes()
    os.utime(package, (1, 1))
    assert build(tree, b"\0GLIBC_2.34\0").returncode == 0
    assert (package.read_bytes(), package.stat().st_mtime) == (first, 1)
    assert build(tree, b"\0GLIBC_2.34\0 and a change").returncode == 0
    assert package.read_bytes() != first


@pytest.mark.parametrize(
    ("bootstrap", "reason"),
    [
        (b"\0GLIBC_2.9\0GLIBC_2.35\0", "needs GLIBC 2.35, Lambda has 2.34"),
        (b"\0GLIBC_3.0\0", "needs GLIBC 3.0, Lambda has 2.34"),
        (b"#!/bin/sh\n", "names no GLIBC version"),
    ],
)
def test_a_bootstrap_that_lambda_could_not_run_fails_the_build(tree: Path, bootstrap: bytes, reason: str) -> None:
    done = build(tree, bootstrap)
    assert done.returncode != 0
    assert reason in done.stderr
    assert not (tree / "target/lambda/one/bootstrap.zip").exists()


@pytest.mark.parametrize(
    ("arguments", "target"),
    [
        ([], "x86_64-unknown-linux-gnu"),
        (["--arch", "x86_64"], "x86_64-unknown-linux-gnu"),
        (["--arch", "arm64"], "aarch64-unknown-linux-gnu"),
    ],
)
def test_cargo_lambda_is_told_the_target_and_never_to_fetch_one(tree: Path, arguments: list[str], target: str) -> None:
    assert build(tree, b"\0GLIBC_2.30\0", *arguments).returncode == 0
    told = (tree / "arguments").read_text()
    assert f"--target {target}" in told
    assert "--skip-target-check" in told
    assert "--locked" in told


def test_an_unknown_architecture_is_named(tree: Path) -> None:
    done = build(tree, b"", "--arch", "sparc")
    assert done.returncode != 0
    assert "--arch must be x86_64 or arm64" in done.stderr
