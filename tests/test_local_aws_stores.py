"""MiniStack's stores under several threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from ministack.core import responses

from local_aws import stores


class _Garbage:
    """Garbage that lets another thread run when it is collected."""

    def __init__(self) -> None:
        self.cycle = self

    def __del__(self) -> None:
        time.sleep(0)


@pytest.fixture(params=["AccountScopedDict", "AccountRegionScopedDict"])
def store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """A store of each kind, to which a thread adds entries and takes them away."""
    kind = getattr(responses, request.param)
    monkeypatch.setattr(kind, "items", kind.items)  # restored after the test
    monkeypatch.setattr(kind, "values", kind.values)
    stores.install()
    store = kind()
    for number in range(2000):
        store[f"kept-{number}"] = number
    done = threading.Event()

    def write() -> None:
        while not done.is_set():
            store["passing"] = 0
            store.pop("passing")

    writer = threading.Thread(target=write)
    writer.start()
    yield store
    done.set()
    writer.join()


def test_a_store_is_listed_while_others_write_to_it(store: dict[str, int]) -> None:
    for _ in range(200):
        _Garbage()
        kept = {key: value for key, value in store.items() if key != "passing"}
        assert kept == {f"kept-{number}": number for number in range(2000)}
        assert sorted(store.values()) in ([0, *range(2000)], list(range(2000)))
