"""Emptying a bucket: s3-cleanup beside s3rm-rs and boto3, and beside what S3's delays and limits allow.

All run against the same S3 in memory (`bench.s3_stub`). A run is a whole process from its start to the end of its work,
ours a cold start and one Delete. Runs of the same case take turns.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench import process
from bench.cases import NO_PROFILES
from bench.python_venv import FOLDER, make_venv
from bench.report import Table
from bench.runtime import ACCOUNT, REGION, Function, bootstrap
from bench.s3_stub import DELETES_PER_SECOND, Contents, S3Stub

NAME = "emptying"

OURS, S3RM, S3RM_BEST, BOTO3 = "s3-cleanup", "s3rm", "s3rm, best", "boto3"
# The folder that `cargo install` of scripts/bench puts it into.
S3RM_EXECUTABLE = FOLDER / "s3rm" / "bin" / "s3rm"
S3RM_BEST_SETTINGS = ["--worker-size", "64", "--max-parallel-listings", "64", "--batch-size", "1000"]

# As in crates/s3-cleanup/src/plan.rs.
MAX_LISTINGS, MAX_DELETES, PAGE = 24, 80, 1_000
# A run that takes longer has failed.
TIMEOUT = 900.0


@dataclass(frozen=True)
class Case:
    """A bucket, who empties it and how often."""

    contents: Contents
    tools: tuple[str, ...]
    pairs: int


def _cases(quick: bool) -> list[Case]:
    def case(layout: str, versions: int, delays: str, tools: tuple[str, ...], pairs: int, limit: str = "none") -> Case:
        list_ms, delete_ms = map(int, delays.split("/"))
        return Case(Contents(layout, versions, list_ms, delete_ms, limit), tools, pairs)

    both, all_s3rm = (OURS, S3RM_BEST), (OURS, S3RM_BEST, S3RM)
    everyone = (*all_s3rm, BOTO3)
    if quick:
        return [
            case("sync", 20_000, "0/0", both, 3),
            case("sync", 20_000, "50/50", (*both, BOTO3), 3),
            case("sync", 200_000, "50/50", both, 2),
            case("flat", 20_000, "50/50", both, 2),
            case("sync", 200_000, "50/50", (OURS,), 1, "folder"),
        ]
    cases = []
    for delays in ("0/0", "50/50", "100/500"):
        cases += [
            case("sync", 20_000, delays, everyone, 4),
            case("sync", 200_000, delays, both, 4),
            case("sync", 1_000_000, delays, both, 2),
        ]
    cases += [
        case("sync", 200_000, "50/50", (S3RM, BOTO3), 1),
        case("flat", 20_000, "50/50", both, 3),
        case("flat", 200_000, "50/50", both, 3),
        case("flat", 1_000_000, "50/50", (OURS,), 2),
        case("numbered", 200_000, "50/50", (OURS,), 3),
        case("sync", 20_000, "50/50", both, 3, "bucket"),
        case("sync", 200_000, "50/50", both, 1, "bucket"),
        case("sync", 200_000, "50/50", both, 1, "folder"),
        case("sync", 200_000, "100/500", (OURS,), 1, "folder"),
        case("sync", 1_000_000, "50/50", (OURS,), 1, "folder"),
    ]
    return cases


Run = dict[str, Any]


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """All runs."""
    interpreter = make_venv(say)
    runs: list[Run] = []
    with S3Stub() as s3:
        for case in _cases(quick):
            say(f"{_name(asdict(case.contents))}: {case.pairs} runs of {', '.join(case.tools)}")
            for pair in range(case.pairs):
                for tool in case.tools if pair % 2 == 0 else reversed(case.tools):
                    s3.fill(case.contents)
                    run = _run(s3, tool, interpreter)
                    runs.append({"pair": pair, "tool": tool, **asdict(case.contents), **run, **s3.stats()})
    return {"runs": runs}


def _run(s3: S3Stub, tool: str, interpreter: Path) -> Run:
    """Times in seconds, memory in bytes."""
    if tool == OURS:
        return _run_function(s3)
    keys = {"AWS_ACCESS_KEY_ID": ACCOUNT, "AWS_SECRET_ACCESS_KEY": "bench", "AWS_DEFAULT_REGION": REGION}
    environment = keys | NO_PROFILES | {"PATH": os.defpath, "HOME": str(FOLDER)}
    if tool == BOTO3:
        script = Path(__file__).parent / "python" / "empty_with_boto3.py"
        command = [str(interpreter), "-B", str(script), s3.url]
    else:
        command = [str(S3RM_EXECUTABLE), "--force", "--show-no-progress", "--delete-all-versions"]
        command += ["--target-endpoint-url", s3.url, "--target-force-path-style", "--target-region", REGION]
        command += ["--target-access-key", ACCOUNT, "--target-secret-access-key", "bench"]
        command += S3RM_BEST_SETTINGS if tool == S3RM_BEST else []
        command += ["s3://bucket/"]
    ended = process.run(command, environment, FOLDER / "emptying.log", TIMEOUT)
    return {
        "seconds": ended.seconds,
        "cpu": ended.usage.cpu_seconds,
        "peak_rss": ended.usage.peak_rss_bytes,
        "failed": ended.status != 0,
    }


def _run_function(s3: S3Stub) -> Run:
    signed = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    event = {
        "RequestType": "Delete",
        "ResponseURL": f"{s3.url}/answer?X-Amz-Date={signed}&X-Amz-Signature=0",
        "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/patch-reporting/51af3dc0-da77-11e4-872e-123456",
        "RequestId": "unique-id",
        "ResourceType": "Custom::S3BucketCleanupFunction",
        "LogicalResourceId": "S3Cleanup",
        "PhysicalResourceId": "patch-reporting/S3Cleanup",
        "ResourceProperties": {"BucketNames": ["bucket"]},
    }
    environment = {"AWS_ENDPOINT_URL": s3.url, "AWS_ACCESS_KEY_ID": ACCOUNT}
    with Function([str(bootstrap("s3-cleanup"))], environment) as function:
        invocation = function.invoke(event, TIMEOUT)
        used = function.usage()
    return {
        "seconds": function.cold_start + invocation.seconds,
        "cpu": used.cpu_seconds,
        "peak_rss": used.peak_rss_bytes,
        "failed": invocation.error is not None or s3.answer()["Status"] != "SUCCESS",
    }


def _key(run: Run) -> tuple[Any, ...]:
    return run["layout"], run["versions"], run["list_ms"], run["delete_ms"], run["limit"]


def _name(run: Run) -> str:
    limits = {"none": "", "bucket": ", limit for the bucket", "folder": ", limit for each type"}
    layouts = {"sync": "", "flat": "one folder, ", "numbered": "one folder, numbered, "}
    delays = f"{run['list_ms']}/{run['delete_ms']} ms"
    return f"{layouts[run['layout']]}{run['versions']:,}, {delays}{limits[run['limit']]}"


@dataclass
class _Result:
    """The runs of one tool on one bucket."""

    runs: list[Run]

    @property
    def failed(self) -> int:
        return sum(run["failed"] or run["left"] > 0 for run in self.runs)

    @property
    def seconds(self) -> float:
        """Of the fastest run that did the work."""
        return min((run["seconds"] for run in self.runs if not run["failed"] and not run["left"]), default=float("inf"))

    @property
    def median_seconds(self) -> float:
        return median(run["seconds"] for run in self.runs)

    def least(self, name: str) -> float:
        return min(run[name] for run in self.runs)

    @property
    def most_rss(self) -> float:
        return max(run["peak_rss"] for run in self.runs)

    @property
    def wasted(self) -> float:
        """The largest share of the requests that were refused."""
        return max(
            (run["refused_listings"] + run["refused_deletes"]) / (run["listings"] + run["deletes"] + run["others"])
            for run in self.runs
        )

    @property
    def ideal_seconds(self) -> float:
        """What no client with our caps can do it in: S3's part alone."""
        return ideal_seconds(self.runs[0])


def ideal_seconds(run: Run) -> float:
    """One listing and one delete, then as many as there are at the caps; or what the limit allows, if that is more."""
    requests = -(-run["versions"] // PAGE)
    listing, delete = run["list_ms"] / 1_000, run["delete_ms"] / 1_000
    waves = max((requests - 1) / MAX_LISTINGS * listing, (requests - 1) / MAX_DELETES * delete)
    return max(listing + delete + waves, allowed_seconds(run))


def allowed_seconds(run: Run) -> float:
    """What the limit allows to delete all in: a second's worth at once, the rest at the rate."""
    if run["limit"] == "none":
        return 0.0
    rate = DELETES_PER_SECOND * run["partitions"]
    return max(0.0, run["versions"] - rate) / rate


Results = dict[tuple[Any, ...], dict[str, _Result]]


def _results(data: dict[str, Any]) -> Results:
    results: Results = {}
    for run in data["runs"]:
        result = results.setdefault(_key(run), {}).setdefault(run["tool"], _Result([]))
        result.runs.append(run)
    return results


def tables(data: dict[str, Any]) -> list[Table]:
    """Every case, and what was aimed at."""
    results = _results(data)
    return [_all(results), _aims(results)]


def _all(results: Results) -> Table:
    rows = []
    for tools in results.values():
        for tool, result in tools.items():
            first = result.runs[0]
            speed = f"{first['versions'] / result.seconds:,.0f}" if result.seconds < float("inf") else "failed"
            ideal = result.ideal_seconds
            rows.append(
                [
                    _name(first),
                    tool + (f" ({result.failed} of {len(result.runs)} failed)" if result.failed else ""),
                    speed,
                    f"{result.seconds:.2f}" if result.seconds < float("inf") else "-",
                    f"{result.median_seconds:.2f}",
                    f"{ideal:.2f}" if ideal else "-",
                    f"{result.least('cpu'):.2f}",
                    f"{result.most_rss / 1024**2:.0f}",
                    f"{result.least('listings'):,.0f}",
                    f"{result.least('deletes'):,.0f}",
                    f"{100 * result.wasted:.1f} %" if first["limit"] != "none" else "-",
                ]
            )
    columns = ["versions, delay of a listing/delete", "by", "versions/s", "s, min", "s, median", "s, ideal"]
    columns += ["CPU s, min", "MiB, max", "listings", "deletes", "refused"]
    notes = [
        "s3rm: s3rm-rs at its defaults; best: 64 workers, 64 parallel listings, batches of 1,000.",
        f"ideal: S3's delays and limits alone, with {MAX_LISTINGS} listings and {MAX_DELETES} deletes at a time.",
        "Keys as a resource data sync makes them (12 types, 25 accounts, 2 Regions, 4 versions of each object), if not "
        "one folder.",
        "With a limit, S3 takes 3,500 deleted keys and 5,500 listings a second, for the whole bucket or for each type, "
        "and refuses what is more at once.",
    ]
    return Table("Emptying a bucket", columns, rows, notes)


@dataclass(frozen=True)
class _Aim:
    """What was aimed at in one case: how near it is (1 and more is there), and what was measured."""

    what: str
    case: str
    measured: str
    share: float


def _aims(results: Results) -> Table:
    """Of each aim the case in which it was missed by most, or nearly."""
    by_what: dict[str, list[_Aim]] = {}
    for aim in (*_aims_of_cases(results), *_aims_between_cases(results)):
        by_what.setdefault(aim.what, []).append(aim)
    rows = []
    for what, aims in by_what.items():
        worst = min(aims, key=lambda aim: aim.share)
        reached = sum(aim.share >= 1 for aim in aims)
        holds = "yes" if reached == len(aims) else "NO"
        rows.append([what, f"{worst.measured} ({worst.case})", f"{reached} of {len(aims)}", holds])
    return Table("Emptying a bucket: aims", ["aim", "the worst case", "cases in which it holds", "holds"], rows)


def _aims_of_cases(results: Results) -> Iterator[_Aim]:
    for tools in results.values():
        if OURS not in tools:
            continue
        ours, best, boto3 = tools[OURS], tools.get(S3RM_BEST), tools.get(BOTO3)
        run = ours.runs[0]
        case = _name(run)
        yield _Aim("no run fails", case, f"{ours.failed} of {len(ours.runs)} failed", 0 if ours.failed else 1)
        if run["limit"] != "none":
            share = allowed_seconds(run) / ours.seconds
            yield _Aim("at least 90 % of what the limit allows", case, f"{100 * share:.0f} %", share / 0.9)
            share = 0.05 / ours.wasted if ours.wasted else float("inf")
            yield _Aim("at most 5 % of the requests refused", case, f"{100 * ours.wasted:.1f} %", share)
            if best:
                ratio = best.seconds / ours.seconds
                what = "with a limit at least 0.97 times as fast as s3rm at its best"
                yield _Aim(what, case, _times(ratio) if ratio < float("inf") else "s3rm failed", ratio / 0.97)
        elif best:
            ratio = best.seconds / ours.seconds
            yield _Aim("without a limit faster than s3rm at its best", case, _times(ratio), ratio)
            share = best.least("cpu") / ours.least("cpu")
            yield _Aim("at most 1/2 of its CPU", case, f"1/{share:.1f}", share / 2)
            share = best.least("peak_rss") / ours.most_rss
            yield _Aim("at most 1/8 of its memory", case, f"1/{share:.1f}", share / 8)
        wanted = {20_000: 11, 200_000: 15}.get(run["versions"])
        if boto3 and wanted and run["list_ms"] == 50:
            ratio = boto3.seconds / ours.seconds
            yield _Aim(f"{run['versions']:,} at 50/50 ms: {wanted} times boto3", case, _times(ratio), ratio / wanted)


def _aims_between_cases(results: Results) -> Iterator[_Aim]:
    for (layout, versions, *delays, limit), tools in results.items():
        if OURS not in tools:
            continue
        ours, case = tools[OURS], _name(tools[OURS].runs[0])
        small = results.get((layout, 20_000, *delays, limit), {}).get(OURS)
        if versions == 1_000_000:
            mib = ours.most_rss / 1024**2
            yield _Aim("a million versions within 64 MiB", case, f"{mib:.0f} MiB", 64 / mib)
            if small:
                ratio = ours.most_rss / small.most_rss
                what = "a million take at most 1.3 times the memory of 20,000"
                yield _Aim(what, case, _times(ratio), 1.3 / ratio)
        sharded = results.get(("sync", versions, *delays, limit), {}).get(OURS)
        if layout != "sync" and sharded:
            ratio = sharded.seconds / ours.seconds
            yield _Aim("one folder at least half as fast as many", case, _times(ratio), ratio / 0.5)


def _times(ratio: float) -> str:
    return f"{ratio:.2f} times"
