"""Fixtures that all tests share: one local AWS for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import organization
from local_aws.server import LocalAws

FLEET = {
    "seed": 1,
    "accounts": organization.MEMBER_ACCOUNTS,
    "regions": organization.REGIONS,
    "nodes": 60,
    "now": "2026-01-15T12:00:00Z",
}


@pytest.fixture(scope="session")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """The local AWS with the test organization and a small fleet; tests keep apart by names or by accounts."""
    log = tmp_path_factory.mktemp("local_aws") / "server.log"
    with LocalAws(organization=organization.ORGANIZATION, fleet=FLEET, log_path=log) as server:
        yield server
