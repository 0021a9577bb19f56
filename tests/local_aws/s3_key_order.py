"""The keys of each bucket in S3's order, from any place on, without sorting them for each page of a listing.

MiniStack keeps a bucket's objects in a dict and sorts them all for every page, so that listing or emptying a bucket
takes time with the square of its keys. Here the keys are sorted once; what has come since is sorted in when somebody
looks next, and what has gone is passed over.
"""

from __future__ import annotations

import sys
import threading
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import Any

from ministack.services import s3

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
MAX_KEY_BYTES = 1024

Record = dict[str, Any]


class KeyOrder:
    """Keys in their order. `is_there` tells which of those that were added still count.

    Threads may look while another one adds.
    """

    def __init__(self, is_there: Callable[[str], bool]) -> None:
        self._is_there = is_there
        self._lock = threading.Lock()
        # The keys, a list that is replaced and never changed, so that whoever walks over it may go on; and, by the
        # place of the first of some that are gone, the place after them. A key that comes again makes a new list.
        self._sorted: tuple[list[str], dict[int, int]] = ([], {})
        self._added: list[str] = []

    def add(self, key: str) -> None:
        """Adds a key that is there by now."""
        with self._lock:
            self._added.append(key)

    def since(self, start: str) -> Iterator[str]:
        """The keys from `start` on, itself included."""
        keys, gone_until = self._up_to_date()
        place = bisect_left(keys, start)
        while place < len(keys):
            if self._is_there(keys[place]):
                yield keys[place]
                place += 1
                continue
            first_gone, place = place, gone_until.get(place, place + 1)
            while place < len(keys) and not self._is_there(keys[place]):
                place = gone_until.get(place, place + 1)
            gone_until[first_gone] = place

    def _up_to_date(self) -> tuple[list[str], dict[int, int]]:
        with self._lock:
            if self._added:
                # Two sorted runs, which Python merges in one go.
                self._added.sort()
                self._sorted = (list(dict.fromkeys(sorted(self._sorted[0] + self._added))), {})
                self._added = []
            return self._sorted


class Objects(dict[str, Record]):
    """The current objects of a bucket by key: the dict that MiniStack keeps, with the order of its keys."""

    def __init__(self, account: str, bucket: str, records: dict[str, Record]) -> None:
        super().__init__()
        self._place = (account, bucket)
        self._order = KeyOrder(self._is_there)
        for key, record in records.items():
            self[key] = record

    def __setitem__(self, key: str, record: Record) -> None:
        new = key not in self
        super().__setitem__(key, record)
        if new:
            self._order.add(key)

    def note(self, key: str) -> None:
        """Takes in a key that has versions, or a delete marker, and no current object."""
        self._order.add(key)

    def keys_since(self, start: str) -> Iterator[str]:
        """The keys of current objects from `start` on, in order."""
        return (key for key in self._order.since(start) if key in self)

    def all_keys_since(self, start: str) -> Iterator[str]:
        """The keys that have a current object, a version or a delete marker from `start` on, in order."""
        return self._order.since(start)

    def _is_there(self, key: str) -> bool:
        account, bucket = self._place
        return key in self or bool(s3._object_versions.get_scoped(account, None, (bucket, key)))


class Buckets(dict[tuple[str, str], Record]):
    """MiniStack's buckets by account and name, each of whose objects have an order."""

    def __setitem__(self, place: tuple[str, str], bucket: Record) -> None:
        super().__setitem__(place, _ordered(place, bucket))

    def setdefault(self, place: tuple[str, str], bucket: Record) -> Record:
        """As of any dict."""
        return super().setdefault(place, _ordered(place, bucket))


def _ordered(place: tuple[str, str], bucket: Record) -> Record:
    if not isinstance(bucket["objects"], Objects):
        bucket["objects"] = Objects(*place, bucket["objects"])
    return bucket


def after_all(prefix: str) -> str:
    """A text that comes after every key with the prefix."""
    return prefix + chr(sys.maxunicode) * MAX_KEY_BYTES


def rows_since(
    keys_since: Callable[[str], Iterator[str]], prefix: str, delimiter: str, start: str
) -> Iterator[tuple[str, bool]]:
    """What a listing has from `start` on, in order: (key, False), or (common prefix, True) for all keys below it."""
    keys = keys_since(max(prefix, start))
    while (key := next(keys, None)) is not None and key.startswith(prefix):
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        if end < 0:
            yield key, False
            continue
        group = key[: end + len(delimiter)]
        yield group, True
        keys = keys_since(after_all(group))


def install() -> None:
    """Gives each bucket's objects an order."""
    s3._buckets._data = Buckets()
    record_delete_marker = s3._record_delete_marker

    def record_and_note(bucket_name: str, key: str, prior_object: Record | None) -> str:
        version_id = record_delete_marker(bucket_name, key, prior_object)
        s3._buckets[bucket_name]["objects"].note(key)
        return version_id

    s3._record_delete_marker = record_and_note
