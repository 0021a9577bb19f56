"""The environment of the Python functions: Lambda's own runtime client and boto3, beside the tests' packages."""

from __future__ import annotations

import hashlib
import importlib.metadata
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from bench.cases import HANDLERS

FOLDER = Path(__file__).resolve().parents[2] / "target" / "bench"
REQUIREMENTS = HANDLERS / "requirements.txt"

# What nobody packs: Python's own tools, and the runtime client, which AWS's runtime brings.
NOT_PACKED = ("pip", "setuptools", "awslambdaric", "simplejson", "snapshot-restore-py")


def make_venv(say: Callable[[str], None]) -> Path:
    """Installs the locked packages, unless they are there, with the Python that the tests' environment was made with.
    Returns the environment's interpreter."""
    venv = FOLDER / "venv"
    interpreter, stamp = venv / "bin" / "python", venv / "requirements.sha256"
    wanted = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        say("installing awslambdaric and boto3 into target/bench/venv")
        base = Path(sys.base_prefix, "bin", "python3")
        subprocess.run([base, "-m", "venv", "--clear", venv], check=True)
        pip = [interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--only-binary", ":all:", "--require-hashes", "-r", REQUIREMENTS], check=True)
        stamp.write_text(wanted)
    return interpreter


def copy_handlers(interpreter: Path) -> Path:
    """Copies the functions' code to where it is compiled, as Lambda's layers are, and not among the sources."""
    code = FOLDER / "python"
    shutil.rmtree(code, ignore_errors=True)
    code.mkdir(parents=True)
    for path in HANDLERS.glob("*.py"):
        shutil.copy(path, code)
    subprocess.run([interpreter, "-m", "compileall", "-q", code], check=True)
    return code


def packages() -> list[tuple[str, Path]]:
    """The files of boto3 and of what it needs: each one's place in an archive and where it lies. Without what Python
    makes of them itself."""
    site = next((FOLDER / "venv" / "lib").glob("python3*/site-packages"))
    return sorted(
        (str(file), Path(file.locate()))
        for package in importlib.metadata.distributions(path=[str(site)])
        if package.metadata["Name"] not in NOT_PACKED
        for file in package.files or []
        if file.parts[0] != ".." and file.suffix != ".pyc"
    )
