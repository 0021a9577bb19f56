"""Which calls of AWS each step in the life of a resource data sync takes, and what the column deleter makes of a large
catalog.

A step's least is what AWS's API allows: a change is a deletion and a creation, since no call changes the destination of
a sync; a deletion and a creation are seen in the list only; and what a call says is not asked for again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.aws import Aws
from bench.cases import COLUMN_DELETER, DATA_SYNC, HOUR, SYNC_DESTINATION, SYNC_NAME, SYNC_PROPERTIES, request
from bench.python_venv import copy_handlers, make_venv
from bench.report import Table
from bench.runtime import ACCOUNT, Function

NAME = "calls"

QUICK_PAIRS, PAIRS = 1, 5
CATALOGS = (13, 5_000)
TABLES_PER_PAGE = 100

RUST, PYTHON = "Rust", "Python"

# The operations, as they stand in the table.
CREATE, LIST, DELETE = "Create", "List", "Delete"

# What the answer to a failed Create gives as the physical id.
CREATE_FAILED = "cfn-response:create-failed"

Event = Callable[[Aws, str], dict[str, Any]]
SetUp = Callable[[Aws, str], None]


@dataclass(frozen=True)
class Step:
    """A request in the life of a sync: what comes before it, and the least calls that it can do with.

    The events before it are carried out by the same process; without an event of its own the last of them comes once
    more, as Lambda may deliver it.
    """

    name: str
    set_up: SetUp
    least: tuple[str, ...]
    event: Event | None
    before: tuple[Event, ...] = ()
    status: str = "SUCCESS"


def _nothing(**members: Any) -> SetUp:
    return lambda aws, account: aws.ask("set_up", account, **members)


def _with_sync(name: str = SYNC_NAME, destination: dict[str, Any] = SYNC_DESTINATION, **members: Any) -> SetUp:
    def set_up(aws: Aws, account: str) -> None:
        aws.ask("set_up", account, **members)
        aws.ask("put_sync", account, name, HOUR, destination)

    return set_up


def _create(aws: Aws, account: str) -> dict[str, Any]:
    return request(aws, "Create", account, ResourceProperties=SYNC_PROPERTIES)


def _update(old: dict[str, str], **changes: str) -> Event:
    """An Update from these properties to others."""

    def event(aws: Aws, account: str) -> dict[str, Any]:
        members = {"ResourceProperties": SYNC_PROPERTIES | changes, "OldResourceProperties": SYNC_PROPERTIES | old}
        return request(aws, "Update", account, PhysicalResourceId=SYNC_NAME, **members)

    return event


def _delete(name: str) -> Event:
    properties = {"ResourceProperties": SYNC_PROPERTIES}
    return lambda aws, account: request(aws, "Delete", account, PhysicalResourceId=name, **properties)


_ELSEWHERE = SYNC_DESTINATION | {"BucketName": "somebody-elses-bucket"}
_CHANGE = _update({}, S3BucketPrefix="Other")
_RENAME = _update({}, ResourceDataSyncName="renamed")
_REPLACED = (LIST, DELETE, LIST, CREATE, LIST)

STEPS = (
    Step("Create", _nothing(), (CREATE, LIST), _create),
    Step(
        "Create, its status is seen at the second look",
        _nothing(lists_until_status=1),
        (CREATE, LIST, LIST),
        _create,
    ),
    Step("Create, delivered again", _nothing(), (CREATE, LIST), None, (_create,)),
    Step(
        "Create, the answer of Systems Manager gets lost",
        _nothing(lost={"CreateResourceDataSync": 1}),
        (CREATE, CREATE, LIST),
        _create,
    ),
    Step(
        "Create, somebody else's sync has the name",
        _with_sync(destination=_ELSEWHERE),
        (CREATE, LIST),
        _create,
        status="FAILED",
    ),
    Step(
        "Create, somebody else's sync is the organization's",
        _with_sync("somebody-elses"),
        (CREATE, LIST),
        _create,
        status="FAILED",
    ),
    Step("Update without a change", _with_sync(), (LIST,), _update({"ServiceTimeout": "2000"})),
    Step("Update of the prefix", _with_sync(), _REPLACED, _CHANGE),
    Step(
        "Update of the prefix, the deletion is seen at the second look",
        _with_sync(lists_until_gone=1),
        (LIST, DELETE, LIST, LIST, CREATE, LIST),
        _CHANGE,
    ),
    Step("Update of the prefix, delivered again", _with_sync(), (LIST,), None, (_CHANGE,)),
    Step("Update of the name", _with_sync(), _REPLACED, _RENAME),
    Step("Delete of the old name after that", _with_sync(), (DELETE,), _delete(SYNC_NAME), (_RENAME,)),
    Step(
        "Update back, the change before it had failed and was undone",
        _with_sync(),
        (LIST,),
        _update({"S3BucketPrefix": "Other"}),
    ),
    Step("Delete", _with_sync(), (DELETE, LIST), _delete(SYNC_NAME)),
    Step("Delete of what is gone", _nothing(), (DELETE,), _delete(SYNC_NAME)),
    Step("Delete after a Create that failed", _nothing(), (), _delete(CREATE_FAILED)),
)


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """Every step once, since calls do not vary, and the catalogs several times."""
    with Aws() as aws:
        say(f"the life of a data sync: {len(STEPS)} steps beside each other")
        steps = take_steps(aws)
        runs = []
        interpreter = make_venv(say)
        code = copy_handlers(interpreter)
        for tables in CATALOGS:
            say(f"column deleter: {tables} tables")
            for pair in range(QUICK_PAIRS if quick else PAIRS):
                for kind in (RUST, PYTHON) if pair % 2 else (PYTHON, RUST):
                    if kind == RUST:
                        command, environment = COLUMN_DELETER.rust(), COLUMN_DELETER.environment(aws)
                    else:
                        command = [str(interpreter), "-m", "awslambdaric", f"{COLUMN_DELETER.module}.handler"]
                        environment = COLUMN_DELETER.python_environment(aws, code=code)
                    run = repair_catalog(aws, tables, command, environment)
                    runs.append({"pair": pair, "kind": kind, **run})
    return {"steps": steps, "catalogs": runs}


def take_steps(aws: Aws) -> list[dict[str, Any]]:
    """Takes each step in an account of its own, all at the same time, for most of it is waiting."""
    with ThreadPoolExecutor(len(STEPS)) as pool:
        return list(pool.map(lambda numbered: _take(aws, *numbered), enumerate(STEPS)))


def _take(aws: Aws, number: int, step: Step) -> dict[str, Any]:
    account = f"{number + 1:012}"
    step.set_up(aws, account)
    with Function(DATA_SYNC.rust(), DATA_SYNC.environment(aws, account)) as function:
        event: dict[str, Any] = {}
        for make in step.before:
            event = make(aws, account)
            function.invoke(event)
        aws.ask("take_calls", account)
        before = aws.ask("take_answers", account)
        if step.event is not None:
            event = step.event(aws, account)
        invocation = function.invoke(event)
    answers = aws.ask("take_answers", account)
    operations = [operation for service, operation in aws.ask("take_calls", account) if service == "ssm"]
    return {
        "step": step.name,
        "calls": [operation.removesuffix("ResourceDataSync") for operation in operations],
        "least": list(step.least),
        "seconds": invocation.seconds,
        "error": invocation.error,
        "before": [answer["Status"] for answer in before],
        "answers": [answer["Status"] for answer in answers],
        "reasons": [answer.get("Reason", "") for answer in answers],
        "syncs": [sync["SyncName"] for sync in aws.ask("syncs", account)],
    }


def repair_catalog(aws: Aws, tables: int, command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """One run of a new process after a crawl, and one more when nothing is left to do."""
    aws.ask("set_up", ACCOUNT)
    to_repair = aws.ask("put_tables", ACCOUNT, tables)
    aws.ask("take_calls", ACCOUNT)
    with Function(command, environment) as function:
        found: dict[str, Any] = {"tables": tables, "to_repair": to_repair}
        for which in ("repair", "nothing"):
            before = function.usage().cpu_seconds if which == "nothing" else 0.0
            invocation = function.invoke(COLUMN_DELETER.event(aws, ACCOUNT, "https"))
            if invocation.error:
                raise RuntimeError(f"column deleter with {tables} tables failed: {invocation.error}")
            calls = Counter(operation for _, operation in aws.ask("take_calls", ACCOUNT))
            used = function.usage()
            found[which] = {"seconds": invocation.seconds, "cpu": used.cpu_seconds - before, "calls": dict(calls)}
        found["peak_rss"] = used.peak_rss_bytes
    return found


def tables(data: dict[str, Any]) -> list[Table]:
    """The steps of a data sync, and the column deleter's catalogs."""
    return [_step_table(data["steps"]), _catalog_table(data["catalogs"])]


def _step_table(steps: list[dict[str, Any]]) -> Table:
    rows = [
        [
            step["step"],
            ", ".join(step["calls"]) or "none",
            str(len(step["calls"])),
            str(len(step["least"])),
            f"{step['seconds']:.1f}",
            ", ".join(step["answers"]),
        ]
        for step in steps
    ]
    return Table(
        "The life of a resource data sync",
        ["step", "calls in order", "count", "least", "seconds", "answer"],
        rows,
        [
            "Besides, each step ends in one PUT to the response URL. Calls take about a millisecond here: the seconds "
            "are what the function waits by itself. It first looks at the list a second after a creation or deletion, "
            "at once after a refusal, and 15 s apart when a change was undone.",
            "The least is what the API allows: what was just told is not asked for again.",
        ],
    )


def _catalog_table(runs: list[dict[str, Any]]) -> Table:
    rows = []
    for tables in CATALOGS:
        for which, name in (("repair", "after a crawl"), ("nothing", "once more")):
            for kind in (RUST, PYTHON):
                of_kind = [run for run in runs if (run["tables"], run["kind"]) == (tables, kind)]
                figures = [run[which] for run in of_kind]
                calls = ", ".join(f"{count} {operation}" for operation, count in figures[0]["calls"].items())
                least = least_calls(tables, of_kind[0]["to_repair"] if which == "repair" else 0)
                seconds, cpu = [each["seconds"] for each in figures], [each["cpu"] for each in figures]
                rss = [run["peak_rss"] / 1024**2 for run in of_kind]
                rows.append(
                    [
                        f"{tables:,} {name}",
                        kind,
                        calls,
                        "yes" if all(each["calls"] == least for each in figures) else "NO",
                        *_least_and_median(seconds),
                        *_least_and_median(cpu),
                        *(_least_and_median(rss) if which == "repair" else ["", ""]),
                    ]
                )
    to_repair = {run["tables"]: run["to_repair"] for run in runs}
    shares = ", ".join(f"{to_repair[tables]:,} of {tables:,}" for tables in CATALOGS)
    figures_of = [f"{figure}{which}" for figure in ("seconds", "CPU s", "MiB") for which in (" min", " median")]
    return Table(
        "Column deleter",
        ["tables", "function", "calls", "the least", *figures_of],
        rows,
        [
            f"Tables with a column to remove: {shares}. GetTables answers {TABLES_PER_PAGE} tables at a time.",
            "After a crawl: the first invocation of a process, its CPU with the cold start; once more: the next one. "
            "MiB: peak RSS after both.",
            "The fake AWS takes part of the seconds, for it makes the pages. Both make one call after the other.",
        ],
    )


def least_calls(tables: int, to_repair: int) -> dict[str, int]:
    """One call for each page and one for each table that needs a change."""
    return {"GetTables": -(-tables // TABLES_PER_PAGE)} | ({"UpdateTable": to_repair} if to_repair else {})


def _least_and_median(values: list[float]) -> list[str]:
    return [f"{min(values):.3g}", f"{median(values):.3g}"]
