"""What scripts/verify makes of what it has read. It calls nothing.

verify.py queries NAMED-QUERIES-JSON WORKGROUP FOLDER
    Writes a request for each saved query into the folder, for --cli-input-json, and prints a line each: file, name. (A
    query's text begins with a comment, which the command line would take for an option.)
verify.py report FOLDER [--json] [--colour]
    Judges the facts of the folder, prints the result, and ends with 0 if all is well and 1 if not.
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

NODES = "AWS:InstanceInformation"
SOFTWARE = "AWS:Application"
SCANS = ("AWS:ComplianceSummary", "AWS:PatchSummary")
GOOD = ("SUCCEEDED", "CURRENT")
# What StackSets says by the status alone.
REASONS = {
    "OUTDATED": "a change of the StackSet has not reached it; scripts/deploy-members sees to it",
    "INOPERABLE": "a deletion failed, and StackSets passes it over since; scripts/deploy-members tells the way out",
}

TURN_ON = {
    "inventory": (
        "No software inventory, which QueryInstanceApplications and QuerySSMAgentVersion need. Turn it on in each:",
        "aws ssm create-association --name AWS-GatherSoftwareInventory --association-name software-inventory "
        "--targets 'Key=InstanceIds,Values=*' --schedule-expression 'rate(12 hours)' --region <Region>",
    ),
    "scan": (
        "No patch scan, without which there is nothing to report. Scan once a day in each, for example by:",
        "aws ssm create-association --name AWS-RunPatchBaseline --association-name patch-scan "
        "--targets 'Key=InstanceIds,Values=*' --parameters Operation=Scan --schedule-expression 'rate(1 day)' "
        "--region <Region>",
    ),
}

CENTRAL = ("central_account", "central_region", "stack", "bucket", "prefix")
ACCOUNTS_SHOWN = 10
RED, GREEN, PLAIN = "\033[31m", "\033[32m", "\033[0m"


@dataclass
class Member:
    """One account and Region: what there is, and what is wrong with it."""

    account: str
    region: str
    instance: str = ""
    reason: str = ""
    sync: str = ""
    message: str = ""
    types: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    turn_on: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)

    @property
    def newest(self) -> datetime | None:
        """When the newest of its files was written."""
        return max((each["newest"] for each in self.types.values()), default=None)


def main(arguments: list[str]) -> int:
    """Runs the subcommand that the first argument names."""
    command, *rest = arguments
    if command == "queries":
        prepare_queries(Path(rest[0]), rest[1], Path(rest[2]))
        return 0
    document = report(Path(rest[0]), datetime.now(timezone.utc))
    if "--json" in rest:
        print(json.dumps(document, indent=2))
    else:
        print_report(document, colour="--colour" in rest)
    return 0 if document["ok"] else 1


def prepare_queries(named: Path, workgroup: str, folder: Path) -> None:
    """Writes the requests and prints where they are."""
    queries = json.loads(named.read_text())["NamedQueries"]
    for number, query in enumerate(sorted(queries, key=lambda query: query["Name"])):
        request = {
            "QueryString": query["QueryString"],
            "QueryExecutionContext": {"Database": query["Database"]},
            "WorkGroup": workgroup,
        }
        # A query that asks for values gets some: whether it finds anything with them does not matter here.
        if marks := re.sub(r"--.*|'[^']*'", "", query["QueryString"]).count("?"):
            request["ExecutionParameters"] = ["''"] * marks
        file = folder / f"query.{number}.json"
        file.write_text(json.dumps(request))
        print(file, query["Name"], sep="\t")


def report(folder: Path, now: datetime) -> dict[str, Any]:
    """Judges the facts: the document that --json prints."""
    settings = dict(row for row in rows(folder / "settings") if len(row) == 2)
    names = {account: " ".join(rest) for account, *rest in rows(folder / "accounts")}
    regions = settings["regions"].split(",")
    management = settings.get("management_account", "")
    members = {(account, region): Member(account, region) for account in names for region in regions}
    # Whom the StackSet does not reach by its units; accounts that the operator names are to ship all the same.
    below = {row[0] for row in rows(folder / "below")} if settings["accounts_from"] == "organization" else set()
    outside = set(names) - below - {management} if below else set()
    probed, strangers = set(), set()
    for kind, account, region, files, newest in rows(folder / "objects"):
        if region == "-":  # the file by which SSM has tried whether it may write
            probed.add(account)
        elif member := members.get((account, region)):
            member.types[kind] = {"files": int(files), "newest": parse_time(newest)}
        elif account not in names:
            strangers.add(account)
    sees_instances = (folder / "instances").exists()
    for account, region, status, _, reason in rows(folder / "instances", 5):
        if member := members.get((account, region)):
            member.instance, member.reason = status, "" if reason == "None" else reason
    for account, region, status, message in rows(folder / "syncs", 4):
        if member := members.get((account, region)):
            member.sync, member.message = status, "" if message == "None" else message
    for member in members.values():
        free = outside | {management}
        judge(member, settings, now, probed, sees_instances=sees_instances, is_free=member.account in free)
    shows = {
        m.account
        for m in members.values()
        if m.types or m.problems or m.instance or m.sync not in ("", "Missing", "Unknown")
    }
    silent = sorted(outside - shows)
    members = {place: member for place, member in members.items() if member.account not in silent}

    problems = [f"{m.account} {m.region}: {text}" for m in members.values() for text in m.problems]
    notes = [f"{m.account} {m.region}: {text}" for m in members.values() for text in m.notes]
    if management in names and not any(m.types for m in members.values() if m.account == management):
        notes.append(
            f"the management account {management} has shipped nothing: StackSets never deploys there. If it has nodes, "
            "deploy the plain stack that scripts/deploy-members prints"
        )
    if silent:
        shown = ", ".join(silent[:ACCOUNTS_SHOWN]) + (" and more" if len(silent) > ACCOUNTS_SHOWN else "")
        notes.append(f"accounts outside of the StackSet's units, which ship nothing: {len(silent)} ({shown})")
    if strangers and settings["accounts_from"] == "organization":
        notes.append(
            "files of accounts that are not active in the organization: "
            f"{', '.join(sorted(strangers))}. SSM leaves them; NodeFileExpirationDays lets them go"
        )
    if not settings["stack_status"].endswith("_COMPLETE") or "ROLLBACK" in settings["stack_status"]:
        problems.append(f"the stack {settings['stack']} is {settings['stack_status']}")
    if not members:
        problems.append("there is no account to look at: nothing has arrived")
    crawler, wrong = judge_crawler(json.loads((folder / "crawler.json").read_text()), now)
    if not wrong and settings.get("tables") == "0":
        wrong = ["the database has no table, so no query can run: see the log of the column deleter and crawl again"]
    problems += wrong
    queries = [{"name": name, "state": state, "reason": reason} for name, state, reason in rows(folder / "queries", 3)]
    for query in queries:
        query["reason"] = "" if query["reason"] == "None" else query["reason"]
        if query["state"] != "SUCCEEDED":
            problems.append(f"query {query['name']} {query['state']}: {query['reason']}")
    turn_on = {
        kind: [(m.account, m.region) for m in members.values() if kind in m.turn_on]
        for kind in TURN_ON
        if any(kind in m.turn_on for m in members.values())
    }
    return {
        "ok": not problems and not turn_on,
        "checked_at": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "central": {name: settings[name] for name in CENTRAL},
        "stack_set": settings["stack_set"] if sees_instances else None,
        "accounts_from": settings["accounts_from"],
        "accounts_outside": silent,
        "members": [as_json(member, names[member.account], now) for member in members.values()],
        "crawler": crawler,
        "queries": queries,
        "problems": problems,
        "turn_on": [
            {"what": kind, "where": [f"{account} {region}" for account, region in where], "command": TURN_ON[kind][1]}
            for kind, where in turn_on.items()
        ],
        "notes": notes,
    }


def judge(
    member: Member,
    settings: dict[str, str],
    now: datetime,
    probed: set[str],
    *,
    sees_instances: bool,
    is_free: bool,
) -> None:
    """Says what is wrong with one account and Region. One that is free may ship, but nobody has asked it to."""
    if member.instance and member.instance not in GOOD:
        what = member.notes if member.instance == "SKIPPED_SUSPENDED_ACCOUNT" else member.problems
        reason = member.reason or REASONS.get(member.instance, "StackSets gives no reason")
        what.append(f"stack instance {member.instance}: {reason}")
    if member.sync in ("Failed", "Missing", "Unknown") and not (is_free and not member.types):
        what = member.notes if member.sync == "Unknown" and member.types else member.problems
        what.append(f"sync {member.sync}: {member.message}")
    if not member.types:
        if is_free or member.problems:
            return
        if sees_instances and not member.instance:
            member.problems.append("no stack instance, and nothing has arrived")
        elif member.sync == "Successful" or member.account in probed:
            member.notes.append("the sync can write, but no node has reported: nothing is managed there, or not yet")
        else:
            member.problems.append("nothing has arrived")
        return
    if sees_instances and not member.instance and not is_free:
        member.notes.append("files arrive without a stack instance: from a stack or a sync of another kind")
    hours = (now - member.newest).total_seconds() / 3600 if member.newest else 0
    if hours > int(settings["max_age_hours"]):
        member.problems.append(f"the newest file is {age(hours)} old")
    wanted = (NODES, *([SOFTWARE] if settings.get("inventory") else []), *SCANS)
    member.missing = [kind for kind in wanted if kind not in member.types]
    if SOFTWARE in member.missing:
        member.turn_on.append("inventory")
    if not any(kind in member.types for kind in SCANS):
        member.turn_on.append("scan")


def judge_crawler(crawler: dict[str, Any], now: datetime) -> tuple[dict[str, Any], list[str]]:
    """What is told of the crawler, and what is wrong with it."""
    last = crawler.get("LastCrawl") or {}
    schedule = crawler.get("Schedule") or {}
    started = parse_time(last["StartTime"]) if last.get("StartTime") else None
    told = {
        "name": crawler["Name"],
        "state": crawler.get("State"),
        "schedule": schedule.get("ScheduleExpression"),
        "schedule_state": schedule.get("State"),
        "last_crawl": last.get("Status"),
        "last_crawl_hours_ago": round((now - started).total_seconds() / 3600, 1) if started else None,
        "error": last.get("ErrorMessage"),
    }
    if not last and crawler.get("State") == "RUNNING":
        return told, [f"the crawler {crawler['Name']} is running for the first time: run this again when it is done"]
    if not last:
        return told, [f"the crawler {crawler['Name']} has never run: scripts/deploy-central --start-crawler runs it"]
    if last.get("Status") != "SUCCEEDED":
        log = f" (log: {last.get('LogGroup')}, stream {last.get('LogStream')})" if last.get("LogGroup") else ""
        return told, [f"the last crawl of {crawler['Name']} {last.get('Status')}: {last.get('ErrorMessage')}{log}"]
    return told, []


def as_json(member: Member, name: str, now: datetime) -> dict[str, Any]:
    """A member as the document shows it."""
    newest = member.newest
    return {
        "account": member.account,
        "name": name,
        "region": member.region,
        "stack_instance": {"status": member.instance, "reason": member.reason} if member.instance else None,
        "sync": {"status": member.sync, "message": member.message} if member.sync else None,
        "nodes": member.types.get(NODES, {}).get("files", 0),
        "types": {
            kind: {"files": each["files"], "newest": each["newest"].strftime("%Y-%m-%dT%H:%M:%SZ")}
            for kind, each in sorted(member.types.items())
        },
        "missing_types": member.missing,
        "newest_hours_ago": round((now - newest).total_seconds() / 3600, 1) if newest else None,
        "problems": member.problems,
        "turn_on": member.turn_on,
        "notes": member.notes,
    }


def print_report(document: dict[str, Any], *, colour: bool) -> None:
    """Prints the document for people: a line for each account and Region, then what is wrong."""

    def paint(text: str, good: bool) -> str:
        return f"{GREEN if good else RED}{text}{PLAIN}" if colour else text

    has_syncs = any(member["sync"] for member in document["members"])
    table = [["account", "Region", "stack instance", *(["sync"] if has_syncs else []), "nodes", "types", "newest", ""]]
    good = []
    for member in document["members"]:
        hours = member["newest_hours_ago"]
        good.append(not member["problems"] and not member["turn_on"])
        table.append(
            [
                member["account"],
                member["region"],
                member["stack_instance"]["status"] if member["stack_instance"] else "-",
                *([member["sync"]["status"] if member["sync"] else "-"] if has_syncs else []),
                str(member["nodes"]),
                ", ".join([str(len(member["types"])), *(f"no {kind}" for kind in member["missing_types"])]),
                "-" if hours is None else f"{age(hours)} ago",
                verdict(member),
            ]
        )
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]) - 1)]
    for number, row in enumerate(table):
        cells = "  ".join(text.ljust(width) for text, width in zip(row[:-1], widths, strict=True))
        last = row[-1] if number == 0 else paint(row[-1], good[number - 1])
        print(f"    {cells}  {last}".rstrip())
    crawler = document["crawler"]
    when = "" if crawler["last_crawl_hours_ago"] is None else f", {age(crawler['last_crawl_hours_ago'])} ago"
    schedule = crawler["schedule"] or "no schedule"
    last = crawler["last_crawl"] or "never run"
    print(f"\n    crawler {crawler['name']}: {paint(last, last == 'SUCCEEDED')}{when}, {crawler['state']}, {schedule}")
    for query in document["queries"]:
        print(f"    query {query['name']}: {paint(query['state'], query['state'] == 'SUCCEEDED')}")
    for each in document["notes"]:
        print(f"    note: {each}")
    for each in document["problems"]:
        print(f"    {paint('problem:', False)} {each}")
    for each in document["turn_on"]:
        print(f"    {paint('problem:', False)} {TURN_ON[each['what']][0]} {', '.join(each['where'])}")
        print(f"        {each['command']}")
    count = len(document["problems"]) + sum(len(each["where"]) for each in document["turn_on"])
    wrong = "1 problem" if count == 1 else f"{count} problems"
    print(f"\n    {paint('all is well' if document['ok'] else wrong, document['ok'])}")


def verdict(member: dict[str, Any]) -> str:
    """The last cell of a member's line: what is wrong in a word or two; the reasons stand below the table."""
    wrong = [each.split(": ")[0] for each in member["problems"]] + [f"no {each}" for each in member["turn_on"]]
    return "; ".join(wrong) or ("ok" if member["types"] else "nothing to show")


def rows(path: Path, columns: int = 0) -> list[list[str]]:
    """The lines of a file of tab-separated values, filled up to a number of columns; none if there is no such file."""
    if not path.exists():
        return []
    found = [line.split("\t") for line in path.read_text().splitlines() if line]
    return [(row + [""] * columns)[: max(columns, 0) or len(row)] for row in found]


def parse_time(text: str) -> datetime:
    """A time as the AWS CLI prints it: in either form of ISO 8601, or in seconds."""
    try:
        return datetime.fromtimestamp(float(text), timezone.utc)
    except ValueError:
        pass
    found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def age(hours: float) -> str:
    """A length of time as people say it."""
    return f"{hours * 60:.0f} min" if hours < 1 else f"{hours:.0f} h" if hours < 72 else f"{hours / 24:.0f} d"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
