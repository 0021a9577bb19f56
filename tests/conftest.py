"""Fixtures that all tests share: one local AWS for the session, and a place for what functions print."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import browser
import organization
import patch_report
from deployment import Central
from local_aws.server import LocalAws
from trino_server import Trino, Unavailable

FLEET = {
    "seed": 1,
    "accounts": organization.MEMBER_ACCOUNTS,
    "regions": organization.REGIONS,
    "nodes": 60,
    "now": "2026-01-15T12:00:00Z",
}

# The account whose Data Catalog and buckets Trino reads.
TRINO_ACCOUNT = "555500000004"

# They judge what all others have left behind.
LAST = ("test_calls_rights.py", "test_calls_requests.py", "test_logs_hold_no_secret.py")

# Whether every test there is runs, so that what was never seen was never done.
WHOLE_RUN = pytest.StashKey[bool]()

_made_here = pytest.StashKey[str]()


def pytest_configure(config: pytest.Config) -> None:
    """Names the directory for what functions print, by the variable TEST_LOGS, before any server starts."""
    if "TEST_LOGS" not in os.environ:
        os.environ["TEST_LOGS"] = config.stash[_made_here] = tempfile.mkdtemp(prefix="test-logs-")
    Path(os.environ["TEST_LOGS"]).mkdir(parents=True, exist_ok=True)
    # Where scripts/setup told SAM not to look for a newer version of itself.
    os.environ.setdefault("__SAM_CLI_APP_DIR", str(Path(sys.prefix, "sam-cli")))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Removes the directory unless the caller named it."""
    if directory := config.stash.get(_made_here, None):
        shutil.rmtree(directory, ignore_errors=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Moves the modules that judge the whole run behind all that makes it."""
    items.sort(key=lambda item: LAST.index(item.path.name) if item.path.name in LAST else -1)
    files = {item.path for item in items}
    everything = set(Path(__file__).parent.glob("test_*.py"))
    options = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob")
    by_name = any("::" in argument for argument in config.args)
    config.stash[WHOLE_RUN] = files == everything and not by_name and not any(map(config.getoption, options))


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """The local AWS with the test organization and a small fleet; tests keep apart by names or by accounts.

    Functions print all that they can, and none of it may be a secret.
    """
    log = tmp_path_factory.mktemp("local_aws") / "server.log"
    settings = {"LOCAL_AWS_FUNCTION_LOG_LEVEL": "TRACE"}
    with LocalAws(organization.ORGANIZATION, FLEET, settings, log_path=log) as server:
        yield server


@pytest.fixture(scope="session")
def trino(local_aws: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trino]:
    """Real Trino on the local AWS, as the root of TRINO_ACCOUNT; skips its tests where it is not to be had."""
    try:
        with Trino(local_aws, TRINO_ACCOUNT, log_path=tmp_path_factory.mktemp("trino") / "server.log") as server:
            yield server
    except Unavailable as lack:
        pytest.skip(f"no Trino here: {lack}")


@pytest.fixture(scope="module")
def central() -> Iterator[Central]:
    """The central stack on a local AWS of the module's own, without a fleet."""
    with LocalAws(organization.ORGANIZATION) as server:
        central = Central(server)
        central.deploy()
        yield central


@pytest.fixture(scope="module")
def written(central: Central, tmp_path_factory: pytest.TempPathFactory) -> patch_report.Written:
    """What patch-report wrote about a fleet in the central stack."""
    return patch_report.write(central, tmp_path_factory)


@pytest.fixture(scope="session")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources of patch-report's page, with the packages that they are built and tested with."""
    if browser.node() < browser.OLDEST_NODE:
        pytest.skip(f"needs Node.js {browser.OLDEST_NODE} or newer, and npm")
    folder = tmp_path_factory.mktemp("page") / "page"
    shutil.copytree(browser.PAGE, folder, ignore=shutil.ignore_patterns("node_modules", "build"))
    installed = browser.npm(folder, "ci", "--ignore-scripts", "--no-audit")
    assert installed.returncode == 0, installed.stdout + installed.stderr
    return folder
