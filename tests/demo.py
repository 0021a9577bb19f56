"""The main job, end to end, on a local AWS: `python -m demo [--nodes N] [--keep]`, run by scripts/demo.

Deploys the real templates with the real functions by the scripts that an operations team uses, lets the sample fleet's
data flow through the whole chain, shows what they would see at each step, and takes everything down again.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deployment import PATCH_REPORT, ROOT, Central, Members, QueryFailed, QueryResult, object_versions
from local_aws.server import LocalAws
from organization import (
    CENTRAL_ACCOUNT,
    HOME_REGION,
    MANAGEMENT_ACCOUNT,
    MEMBER_ACCOUNTS,
    ORGANIZATION,
    REGIONS,
    WORKLOADS,
)
from saved_queries import PARAMETERS

SEED = 1
REPORT = ROOT / "target" / "demo" / "report.html"
SUMMARY_QUERY = "QueryComplianceByAccountAndRegion"
# Of these the first rows are shown, of the others only how many there are.
QUERIES_SHOWN = (
    "QueryTopMissingPatches",
    "QueryFailedPatches",
    "QueryPendingReboot",
    "QueryStaleScans",
    "QueryComplianceOfTaggedNodes",
)
ROWS_SHOWN = 4
MAX_COLUMN_WIDTH = 28
COUNT = "SELECT count(DISTINCT resourceid) FROM aws_instanceinformation"
# Columns that tell a reader of the terminal little; the result in S3 has them all.
COLUMNS_NOT_SHOWN = {
    "baselineid", "computername", "executiontype", "instancestatus", "rebootoption", "severity",
}  # fmt: skip

console = Console(highlight=False)
if not console.is_terminal:
    console.width = 120


class Steps:
    """Prints what is being done and, when it is done, how long it took; tells `ended` the name and the seconds too."""

    def __init__(self, ended: Callable[[str, float], None] = lambda name, seconds: None) -> None:
        self._ended = ended

    @contextmanager
    def __call__(self, name: str, title: str) -> Iterator[None]:
        """One step."""
        console.print(f"[bold]==> {title}[/bold]")
        start = time.monotonic()
        yield
        seconds = time.monotonic() - start
        console.print(f"    [dim]{seconds:.1f} s[/dim]")
        self._ended(name, seconds)


def say(text: str) -> None:
    """Prints a line that belongs to the current step."""
    console.print(f"    {text}", soft_wrap=True)


def operator_env(server: LocalAws) -> dict[str, str]:
    """The AWS_* variables of an operator's shell: no credentials but those of a profile for each account they act for.

    The profiles' file lies beside the server's log and goes with it.
    """
    config = server.log_path.parent / "aws-config"
    profiles = (("central", CENTRAL_ACCOUNT), ("management", MANAGEMENT_ACCOUNT))
    config.write_text(
        "\n".join(
            f"[profile {name}]\naws_access_key_id = {account}\naws_secret_access_key = test\n"
            for name, account in profiles
        )
    )
    env = server.env(region=HOME_REGION) | {"AWS_CONFIG_FILE": str(config)}
    del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    return env


def run_script(server: LocalAws, script: str, *arguments: str) -> None:
    """Runs one of the operators' scripts as an operator, and prints what it prints."""
    run_command(server, ROOT / "scripts" / script, *arguments)


def run_command(server: LocalAws, program: Path, *arguments: str) -> None:
    """Runs a program of the project as an operator, in its folder, and prints what it prints."""
    shown = str(program.relative_to(ROOT))
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | operator_env(server)
    # Without a server, should this be killed, nothing goes on for long.
    env["AWS_MAX_ATTEMPTS"] = "2"
    # The pinned AWS CLI and SAM CLI first, whatever else this machine has.
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env['PATH']}"
    console.print(f"[bold]$ {shown} {' '.join(arguments)}[/bold]", soft_wrap=True, highlight=False)
    command = [str(program), *arguments]
    with subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        try:
            for line in running.stdout or ():
                console.print(f"    {line.rstrip()}", soft_wrap=True, markup=False)
        except BaseException:
            running.terminate()
            raise
    if running.returncode != 0:
        raise RuntimeError(f"{shown} ended with exit status {running.returncode}")


def print_result(name: str, description: str, result: QueryResult) -> None:
    """Prints a saved query's first rows as a table, as many of its columns as the terminal has room for."""
    title = " ".join([name, *(escape(value) for value in PARAMETERS.get(name, []))])
    rows = [[printable(value) for value in row] for row in result.rows[:ROWS_SHOWN]]
    shown: list[int] = []
    room = console.width - 1
    for i, column in enumerate(result.columns):
        width = min(max(len(text) for text in [column, *(row[i] for row in rows)]), MAX_COLUMN_WIDTH)
        room -= width + 3
        if room >= 0 and column not in COLUMNS_NOT_SHOWN:
            shown.append(i)
        elif column in COLUMNS_NOT_SHOWN:
            room += width + 3
    table = Table(header_style="cyan")
    for i in shown:
        table.add_column(result.columns[i], overflow="ellipsis", no_wrap=True, max_width=MAX_COLUMN_WIDTH)
    for row in rows:
        table.add_row(*(escape(row[i]) for i in shown))
    console.print(f"[bold]{title}[/bold]: {description}", soft_wrap=True)
    console.print(table)
    parts = [f"{len(result.rows)} rows"]
    if len(result.rows) > ROWS_SHOWN:
        parts.append(f"{len(result.rows) - ROWS_SHOWN} more")
    if len(result.columns) > len(shown):
        parts.append(f"{len(result.columns) - len(shown)} more columns")
    console.print(f"[dim]{', '.join(parts)} in {result.output_location}[/dim]\n", soft_wrap=True)


def print_counts(queries: dict[str, dict[str, Any]], results: dict[str, QueryResult]) -> None:
    """Prints how many rows each query has, a line each."""
    width = max(map(len, results))
    console.print("[bold]All saved queries[/bold], with how many rows they have here")
    for name, result in results.items():
        line = f"{len(result.rows):>5}  {name:<{width}}  {queries[name].get('Description', '')}"
        console.print(line, markup=False, no_wrap=True, overflow="ellipsis")
    console.print()


def printable(value: str | None) -> str:
    """A value for a terminal cell: values come from machines, so no control character of theirs may act."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value or "")


def print_summary(result: QueryResult) -> None:
    """Prints the fleet's compliance by account and Region, and in total."""
    table = Table(title="Patch compliance of the organization", title_style="bold", header_style="cyan")
    for column, justify in (
        ("account", "left"), ("Region", "left"), ("nodes", "right"), ("compliant", "right"),
        ("non-compliant", "right"), ("not scanned", "right"), ("compliance", "right"),
    ):  # fmt: skip
        table.add_column(column, justify=justify)
    totals = [0, 0, 0, 0]
    for account, region, *texts, percent in result.rows:
        counts = [int(text or 0) for text in texts]
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        table.add_row(account, region, *summary_cells(counts, f"{percent} %"))
    table.add_section()
    table.add_row("all", "", *summary_cells(totals, f"{100 * totals[1] / totals[0]:.1f} %"), style="bold")
    console.print(table)


def summary_cells(counts: list[int], percent: str) -> list[str]:
    """Nodes, compliant, non-compliant, not scanned, and the share of compliant nodes."""
    nodes, compliant, non_compliant, not_scanned = counts
    return [
        str(nodes),
        f"[green]{compliant}[/green]",
        f"[red]{non_compliant}[/red]",
        f"[yellow]{not_scanned}[/yellow]",
        percent,
    ]


def run(server: LocalAws, step: Steps, *, keep: bool, patch_report: Path = PATCH_REPORT) -> None:
    """Every step from the empty accounts to the report and, unless `keep`, back to empty accounts.

    The report is written to REPORT by the given build of patch-report.
    """
    central = Central(server)
    members = Members(central)

    profiles = ("--central-profile", "central", "--stackset-profile", "management")
    regions = ("--regions", ",".join(REGIONS))

    with step("central stack", f"Deploying the central stack (account {CENTRAL_ACCOUNT}, {HOME_REGION})"):
        arguments = ("--organization-id", ORGANIZATION["Id"], "--profile", "central", "--skip-build")
        run_script(server, "deploy-central", *arguments)
        central.read_outputs()

    with step("members", f"Deploying the members ({len(MEMBER_ACCOUNTS)} accounts x {len(REGIONS)} Regions)"):
        run_script(server, "deploy-members", *regions, "--ou", WORKLOADS, *profiles, "--skip-build")

    with step("files", "Waiting for the resource data syncs to ship their files"):
        members.wait_for_data()
        say(f"{object_versions(server, central.sync_bucket)} objects in the inventory bucket")

    with step("crawl", "Crawling, with the repair switched off, as the data would be without it"):
        central.set_repair(enabled=False)
        central.crawl()
        try:
            central.run_query(COUNT)
        except QueryFailed as failure:
            say(f"[red]query failed:[/red] {failure}")
        else:
            raise RuntimeError("the query on the duplicate column succeeded, which Athena would refuse")

    with step("crawl and repair", "Crawling again with the repair on: crawler -> EventBridge -> column deleter"):
        central.set_repair(enabled=True)
        central.crawl()
        central.wait_for_repair()
        result = central.run_query(COUNT)
        say(f"[green]repaired:[/green] the same query counts {result.rows[0][0]} nodes")

    with step("queries", "Running every saved query of the workgroup"):
        queries = central.saved_queries()
        results = {name: central.run_saved_query(query) for name, query in queries.items()}
        say(f"{len(results)} queries, {sum(len(result.rows) for result in results.values())} rows")
    console.print()
    for name in QUERIES_SHOWN:
        print_result(name, queries[name].get("Description", ""), results[name])
    print_counts(queries, results)
    print_summary(results[SUMMARY_QUERY])
    console.print()

    with step("report", "Writing the same as one HTML file"):
        REPORT.parent.mkdir(parents=True, exist_ok=True)
        where = ("--workgroup", central.outputs["AthenaWorkGroupName"], "--region", HOME_REGION, "--profile", "central")
        run_command(server, patch_report, *where, "--out", str(REPORT.relative_to(ROOT)))

    if keep:
        print_how_to_use(server)
        return

    with step("check", "Checking the whole"):
        run_script(server, "verify", *regions, *profiles)

    with step("removal", "Removing everything"):
        buckets = [central.sync_bucket, central.results_bucket]
        before = {bucket: object_versions(server, bucket) for bucket in buckets}
        run_script(server, "teardown", "--delete-data", *profiles)
        for bucket, count in before.items():
            if object_versions(server, bucket) != -1:
                raise RuntimeError(f"bucket {bucket} is still there")
            say(f"{bucket}: {count} object versions removed, bucket gone")


def print_how_to_use(server: LocalAws) -> None:
    """Prints the environment that takes the AWS CLI and the scripts to the local AWS, and how to end it."""
    console.print("[bold]The local AWS is still running.[/bold] Use it from any shell:\n")
    console.print("  unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_PROFILE")
    for name, value in operator_env(server).items():
        console.print(f"  export {name}={value}", soft_wrap=True)
    console.print("\n  aws athena list-named-queries --work-group patch-workgroup --profile central")
    console.print(
        "\nThe commands of README.md work there as they stand, but for QuickSight's: nobody is signed up for it."
    )
    console.print(f"\nEnd it with: kill {server.pid}")


def local_aws(nodes: int, *, keep: bool = False, settings: dict[str, str] | None = None) -> LocalAws:
    """The demo's organization with a fleet of so many nodes, not yet started; for `settings` see LocalAws.extra_env."""
    fleet = {
        "seed": SEED,
        "accounts": MEMBER_ACCOUNTS,
        "regions": REGIONS,
        "nodes": nodes,
        "now": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return LocalAws(ORGANIZATION, fleet, settings, keep=keep)


def main() -> int:
    """Parses the command line and runs the demo; 1 after a failure, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--nodes", type=int, default=60)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    # SIGTERM and SIGHUP unwind like Ctrl-C, so that nothing is left running.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    server = local_aws(arguments.nodes, keep=arguments.keep)
    step = Steps()
    start = time.monotonic()
    try:
        with step("start", "Starting the local AWS"):
            server.start()
            say(f"{server.endpoint}, a sample fleet of {arguments.nodes} nodes")
        run(server, step, keep=arguments.keep)
    except KeyboardInterrupt:
        console.print("\ninterrupted: ending the local AWS")
        server.stop()
        return 130
    except Exception as error:
        console.print(f"\n[red]failed:[/red] {escape(str(error))}", soft_wrap=True)
        console.print("The local AWS's log ends with:")
        console.print(server.log_path.read_text(errors="replace")[-3000:], markup=False, soft_wrap=True)
        server.stop()
        return 1
    if not arguments.keep:
        server.stop()
    console.print(f"The report, to be opened in a browser: [bold]{escape(str(REPORT))}[/bold]", soft_wrap=True)
    console.print(f"[bold]Done in {time.monotonic() - start:.1f} s.[/bold]")
    return 0


if __name__ == "__main__":
    sys.exit(main())
