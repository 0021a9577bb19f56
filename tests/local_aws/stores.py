"""MiniStack's stores, read while other threads write to them.

A list of a store's entries is made entry by entry, and each may start a collection of garbage, whose finalizers let
another thread run. What that thread adds ends the list with "dictionary changed size during iteration", and a stack
that is deleted at that moment fails. A copy of a dict is made in one go.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import AccountRegionScopedDict, AccountScopedDict


def install() -> None:
    """Lets every store list a copy of its entries."""
    for store in (AccountScopedDict, AccountRegionScopedDict):
        store.items = _items
        store.values = _values


def _items(self: Any) -> list[tuple[Any, Any]]:
    return [(self._unscope(key), value) for key, value in self._data.copy().items() if self._is_mine(key)]


def _values(self: Any) -> list[Any]:
    return [value for key, value in self._data.copy().items() if self._is_mine(key)]
