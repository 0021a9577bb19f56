"""What a user sees who queries without a pause while crawls bring new attributes, types and accounts.

The numbers are printed; `pytest -s` shows them.
"""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

import arrivals
from arrivals import Files, bare, files
from deployment import Central, QueryFailed
from fleet import Fleet
from fleet.answers import NAMES
from local_aws.server import LocalAws
from organization import MEMBER_ACCOUNTS, ORGANIZATION, REGIONS
from right_answers import assert_right

THREADS = 2
# Athena's error name for a table with the column that is a partition key too. On AWS, where a function takes longer to
# start than here, such a time is longer and more queries fall into it.
DUPLICATE = "HIVE_INVALID_METADATA"


@dataclass
class Measured:
    """Queries that ended, and Athena's error names of those that failed."""

    queries: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    reasons: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        failed = ", ".join(f"{count} with {name}" for name, count in sorted(self.errors.items()))
        return f"{self.queries} queries, {self.errors.total()} failed" + (f": {failed}" if failed else "")


@contextmanager
def queried(central: Central) -> Iterator[Measured]:
    """Runs the saved queries in turn, in each of some threads, until the block ends."""
    measured, ended, lock = Measured(), threading.Event(), threading.Lock()
    queries = list(central.saved_queries().values())

    def work(first: int) -> None:
        for query in itertools.cycle(queries[first:] + queries[:first]):
            if ended.is_set():
                return
            reason = failure(central, query)
            with lock:
                measured.queries += 1
                if reason is not None:
                    measured.errors[reason.partition(":")[0]] += 1
                    measured.reasons.append(f"{query['Name']}: {reason}")

    threads = [threading.Thread(target=work, args=(number * 3,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield measured
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def failure(central: Central, query: dict[str, Any]) -> str | None:
    """Athena's reason if the query fails."""
    try:
        central.run_saved_query(query)
    except QueryFailed as failed:
        return str(failed)
    return None


@pytest.fixture(scope="module")
def fleet() -> Fleet:
    return Fleet(1, MEMBER_ACCOUNTS, REGIONS, 24, "2026-01-15T12:00:00Z")


@pytest.fixture(scope="module", params=[True, False], ids=["adopts", "makes a second"])
def deployed(request: pytest.FixtureRequest) -> Iterator[Central]:
    """The central stack on a local AWS whose crawler goes on with the tables that it finds, or makes its own."""
    settings = {"LOCAL_AWS_CRAWLER_ADOPTS_TABLES": str(int(request.param))}
    with LocalAws(ORGANIZATION, extra_env=settings) as server:
        central = Central(server)
        central.deploy()
        yield central


@pytest.fixture
def central(deployed: Central) -> Central:
    """The stack as it is after its creation: no file, no table."""
    arrivals.forget(deployed)
    return deployed


def first_files(fleet: Fleet) -> Files:
    """What is there at the first crawl: one account, and of the types and attributes not all."""
    early = {"AWS:InstanceInformation", "AWS:ComplianceSummary"}
    return bare(files(fleet, lambda kind, account: kind in early and account == fleet.accounts[0]))


def later_files(fleet: Fleet) -> Iterator[Files]:
    """What each later crawl finds more: attributes, types, accounts."""
    early = {"AWS:InstanceInformation", "AWS:ComplianceSummary"}
    yield files(fleet, lambda kind, account: kind in early and account == fleet.accounts[0])
    yield files(fleet, lambda kind, account: account == fleet.accounts[0])
    yield files(fleet, lambda kind, account: account == fleet.accounts[1])
    yield files(fleet)
    yield {}


def test_with_the_template_no_query_fails_from_the_second_crawl_on(central: Central, fleet: Fleet) -> None:
    arrivals.put(central, first_files(fleet))
    arrivals.crawl(central)
    with queried(central) as measured:
        for arrived in later_files(fleet):
            arrivals.put(central, arrived)
            arrivals.crawl(central)
    print(f"\n    UpdateBehavior LOG: {measured}")
    assert measured.reasons == []
    assert measured.queries > 2 * len(NAMES), "too few to tell"
    assert_right(central, fleet)


def test_a_crawler_that_updates_tables_makes_queries_fail_until_the_function_has_run(
    central: Central, fleet: Fleet
) -> None:
    """Why the template does not let it: the duplicate column is back at each crawl."""
    arrivals.put(central, first_files(fleet))
    with updating(central):
        arrivals.crawl(central)
        with queried(central) as measured:
            for arrived in later_files(fleet):
                arrivals.put(central, arrived)
                arrivals.crawl(central)
    print(f"\n    UpdateBehavior UPDATE_IN_DATABASE: {measured}")
    assert measured.errors[DUPLICATE] > 0
    assert any("Table descriptor contains duplicate columns" in reason for reason in measured.reasons)
    # The repair is certain all the same.
    assert_right(central, fleet)


@contextmanager
def updating(central: Central) -> Iterator[None]:
    """Gives the crawler the other policy for the block."""
    glue, name = central.client("glue"), central.outputs["GlueCrawlerName"]
    policy = glue.get_crawler(Name=name)["Crawler"]["SchemaChangePolicy"]
    glue.update_crawler(Name=name, SchemaChangePolicy={**policy, "UpdateBehavior": "UPDATE_IN_DATABASE"})
    yield
    glue.update_crawler(Name=name, SchemaChangePolicy=policy)
