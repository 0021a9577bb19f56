"""Who would go on shipping to a bucket that scripts/teardown is about to delete. It calls nothing.

teardown.py OBJECTS INSTANCES REMOVED GONE
    Prints a line each for the accounts and Regions of which files are there and of which nobody knows that their sync
    is gone: account, Region (`-` if the account has written nothing but SSM's test of whether it may), age of the
    newest file. OBJECTS is a file of lines as sum_up_bucket writes them; INSTANCES one of lines as list_instances
    does: StackSets removes these; REMOVED one of account, Region and `True` or `False`: StackSets has removed that
    instance, and has retained its stack or not; GONE lists accounts, separated by commas, for which the operator
    vouches.
"""

from __future__ import annotations

import sys
from datetime import datetime, timezone
from pathlib import Path

from verify import age, parse_time, rows


def shipping(objects: list[list[str]], known: set[tuple[str, str]], gone: set[str]) -> list[tuple[str, str, datetime]]:
    """The accounts and Regions that may still ship, with the time of the newest file.

    However old it is: a node that nobody scans ships nothing for weeks, and then does.
    """
    newest: dict[tuple[str, str], datetime] = {}
    for _, account, region, _, written in objects:
        newest[account, region] = max(newest.get((account, region), parse_time(written)), parse_time(written))
    seen = {account for account, region in newest if region != "-"} | {account for account, _ in known}
    return [
        (account, region, when)
        for (account, region), when in sorted(newest.items())
        # SSM's test tells of no Region, so it counts for accounts of which nothing else is known.
        if account not in gone and ((account, region) not in known if region != "-" else account not in seen)
    ]


def main(objects: str, instances: str, removed: str, gone: str) -> None:
    """Prints what `shipping` finds."""
    there = {(account, region) for account, region, *_ in rows(Path(instances))}
    operated = [((account, region), retained) for account, region, retained in rows(Path(removed), 3)]
    retained = {place for place, retained in operated if retained != "False"}
    known = there | ({place for place, _ in operated} - retained)
    now = datetime.now(timezone.utc)
    for account, region, when in shipping(rows(Path(objects)), known, set(gone.split(","))):
        print(account, region, age((now - when).total_seconds() / 3600), sep="\t")


if __name__ == "__main__":
    main(*sys.argv[1:])
