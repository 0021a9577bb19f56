"""Writes a fleet's files below a directory, or only counts them: `python -m fleet --help`."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

from fleet import Fleet


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fleet", description=__doc__)
    parser.add_argument("directory", type=Path, nargs="?", help="where to write; without it nothing is written")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--accounts", default="210987654321,345678901234,456789012345", help="ids, comma-separated")
    parser.add_argument("--regions", default="us-east-1,eu-west-1", help="names, comma-separated")
    parser.add_argument("--nodes", type=int, default=60, help="in all accounts and Regions together")
    parser.add_argument("--now", default="2026-01-15T12:00:00Z", help="the fleet's time")
    arguments = parser.parse_args()
    try:
        fleet = Fleet(
            arguments.seed, arguments.accounts.split(","), arguments.regions.split(","), arguments.nodes, arguments.now
        )
    except ValueError as error:
        parser.error(str(error))

    digest, files, size = hashlib.sha256(), 0, 0
    for account in fleet.accounts:
        for region in fleet.regions:
            for key, content in fleet.files(account, region):
                digest.update(key.encode() + b"\0" + content + b"\0")
                files += 1
                size += len(content)
                if arguments.directory:
                    path = arguments.directory / key
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)

    summary = fleet.summary()
    row = "{:<12} {:<14} {:>7} {:>9} {:>13} {:>13}".format
    print(row("account", "Region", "nodes", "compliant", "non-compliant", "not scanned"))
    for (account, region), counts in summary.by_account_and_region.items():
        print(row(account, region, counts.nodes, counts.compliant, counts.non_compliant, counts.not_scanned))
    total = summary.total
    print(row("all", "", total.nodes, total.compliant, total.non_compliant, total.not_scanned))
    print(f"{files} files, {size} bytes, sha256 {digest.hexdigest()}")


if __name__ == "__main__":
    main()
