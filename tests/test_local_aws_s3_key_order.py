"""Listings read the keys that they list, not the whole bucket, and find what MiniStack's own listing finds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import pytest
from ministack.services import s3 as s3_service

from local_aws import s3_listing
from local_aws.s3_key_order import KeyOrder, Objects, rows_since
from local_aws.server import LocalAws

ACCOUNT = "300000000008"


def objects(keys: list[str]) -> Objects:
    """A bucket's objects, put in this order."""
    return Objects(ACCOUNT, "key-order", {key: {"size": 1} for key in keys})


class Looks:
    """Counts how often a key is asked for, which is what a walk over keys costs."""

    def __init__(self, keys: list[str]) -> None:
        self.there = set(keys)
        self.count = 0
        self.order = KeyOrder(self)
        for key in keys:
            self.order.add(key)

    def __call__(self, key: str) -> bool:
        self.count += 1
        return key in self.there


def names(count: int) -> list[str]:
    """Keys in a haphazard order."""
    keys = [f"k{number:06}" for number in range(count)]
    random.Random(1).shuffle(keys)
    return keys


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_a_page_costs_its_own_keys_however_large_the_bucket(count: int) -> None:
    looks = Looks(names(count))
    assert list(islice(looks.order.since("k000500"), 10)) == [f"k{number:06}" for number in range(500, 510)]
    assert looks.count == 10


@pytest.mark.parametrize("count", [1_000, 10_000])
def test_emptying_page_by_page_costs_a_few_looks_for_each_key(count: int) -> None:
    looks = Looks(names(count))
    emptied = []
    while page := list(islice(looks.order.since(""), 100)):  # each time from the start, as after a deletion
        emptied += page
        looks.there.difference_update(page)
    assert emptied == sorted(names(count))
    assert looks.count < 5 * count


def test_a_page_of_folders_costs_one_look_for_each() -> None:
    looks = Looks([f"{folder:03}/{name}" for name in names(100) for folder in range(50)])
    assert list(rows_since(looks.order.since, "", "/", "")) == [(f"{folder:03}/", True) for folder in range(50)]
    assert looks.count == 50


def test_a_key_that_goes_and_comes_again_is_listed_once() -> None:
    some = objects(["b", "a", "c"])
    assert list(some.keys_since("")) == ["a", "b", "c"]
    del some["b"]
    some["aa"] = some["d"] = {"size": 1}
    assert list(some.keys_since("")) == ["a", "aa", "c", "d"]
    some["b"] = some["a"] = {"size": 2}
    assert list(some.keys_since("aa")) == ["aa", "b", "c", "d"]


def test_a_walk_goes_on_while_keys_come_and_go() -> None:
    some = objects(names(1_000))
    walk = some.keys_since("")
    assert next(walk) == "k000000"
    del some["k000001"]
    some["k0000015"] = {"size": 1}
    assert "k0000015" in list(some.keys_since(""))
    assert next(walk) in ("k0000015", "k000002")
    assert len(list(walk)) >= 997


def test_no_key_is_lost_to_those_who_look_while_it_is_added() -> None:
    some = objects([])

    def look(_: int) -> int:
        return sum(1 for _ in some.keys_since(""))

    def write(number: int) -> None:
        some[f"k{number:06}"] = {"size": 1}
        if number % 3 == 0:
            del some[f"k{number:06}"]

    with ThreadPoolExecutor(4) as pool:
        found = pool.map(look, range(300))
        for number in range(3_000):
            write(number)
        assert max(found) <= 2_001
    assert list(some.keys_since("")) == [f"k{number:06}" for number in range(3_000) if number % 3]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("delimiter", ["", "/", "=1/", "\U0010ffff"])
def test_a_listing_has_what_ministacks_own_has(seed: int, delimiter: str) -> None:
    chance = random.Random(seed)
    parts = ["a", "b/", "b", "/", "c=1/", "c=2/", "Ω", "\N{GRINNING FACE}", " ", "\U0010ffff"]
    keys = sorted({"".join(chance.choices(parts, k=chance.randint(1, 5))) for _ in range(200)})
    places = ["", *chance.sample(keys, 5), *("".join(chance.choices(parts, k=2)) for _ in range(5))]
    some = objects(chance.sample(keys, len(keys)))
    for prefix in ("", "b", "b/", "c=", "zzz"):
        for start in places:
            size = chance.choice([1, 2, 5, 1000])
            expected = s3_service._collect_list_entries(some, prefix, delimiter, size, start)
            assert s3_listing._page_of_objects(some, prefix, delimiter, size, start) == expected, (prefix, start, size)


@pytest.fixture(scope="module")
def bucket(local_aws: LocalAws) -> Iterator[tuple[Any, str]]:
    """A client and a versioned bucket."""
    s3, name = local_aws.client("s3", ACCOUNT), "s3-key-order"
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    yield s3, name


def test_a_delete_marker_of_a_key_that_never_was_is_listed(bucket: tuple[Any, str]) -> None:
    s3, name = bucket
    s3.put_object(Bucket=name, Key="b", Body=b"")
    s3.delete_object(Bucket=name, Key="a")
    s3.delete_object(Bucket=name, Key="b")
    page = s3.list_object_versions(Bucket=name)
    assert [marker["Key"] for marker in page["DeleteMarkers"]] == ["a", "b"]
    assert [version["Key"] for version in page["Versions"]] == ["b"]
    assert s3.list_objects_v2(Bucket=name)["KeyCount"] == 0
    s3.delete_object(Bucket=name, Key="b", VersionId=page["DeleteMarkers"][1]["VersionId"])
    assert [entry["Key"] for entry in s3.list_objects_v2(Bucket=name)["Contents"]] == ["b"]
