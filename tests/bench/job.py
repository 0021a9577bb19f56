"""Section "job": the whole of scripts/demo at growing sizes of the fleet, on the local AWS.

For each step its time, and whose CPU time it is: the local AWS's (Athena's engine included, which is DuckDB within the
same process), the functions', or that of the scripts with the AWS CLI that they call. What grows no faster than the
nodes does so on AWS too, as far as it is ours; the seconds themselves are the local AWS's.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any, TextIO

import demo
from bench.process import usage
from bench.report import Table
from deployment import PATCH_REPORT, ROOT
from local_aws.server import LocalAws
from local_aws.usage_record import VARIABLE

NAME = "job"
NODES = (100, 2_000, 20_000)
NODES_QUICK = (100, 1_000)
FUNCTIONS = ("org-resource-data-sync", "glue-column-deleter", "s3-cleanup")

# As an operations team builds it.
RELEASE = ROOT / "target" / "release" / "patch-report"

# Steps whose work begins within others.
JUDGED_WITH = {"files": ("members",)}

Say = Callable[[str], None]


class Watch:
    """What the parties use from one step of the demo to the next."""

    def __init__(self, server: LocalAws, record: Path, say: Say) -> None:
        self._server = server
        self._record = record
        self._say = say
        self._read = 0
        self._cpu = self._cpu_seconds()
        self.steps: list[dict[str, Any]] = []

    def ended(self, name: str, seconds: float) -> None:
        """Closes a step."""
        cpu, peak = self._cpu_seconds(), usage(self._server.pid).peak_rss_bytes
        lines = self._new_lines()
        invocations = [line for line in lines if line["kind"] == "invocation"]
        self.steps.append(
            {
                "name": name,
                "seconds": seconds,
                "cpu_seconds": {party: cpu[party] - self._cpu[party] for party in cpu}
                | {"functions": sum(invocation["cpu_seconds"] for invocation in invocations)},
                "local_aws_peak_rss_bytes": peak,
                "requests": _requests(lines),
                "invocations": [_invocation(line) for line in invocations],
            }
        )
        self._cpu = cpu
        self._say(f"    {name}: {seconds:.1f} s")

    def _cpu_seconds(self) -> dict[str, float]:
        times = os.times()
        return {
            "local AWS": usage(self._server.pid).cpu_seconds,
            "scripts": times.children_user + times.children_system,
            # The demo's own calls and its tables, with which an operations team has nothing to do.
            "demo": time.process_time(),
        }

    def _new_lines(self) -> list[dict[str, Any]]:
        if not self._record.exists():
            return []
        lines = self._record.read_text().splitlines()[self._read :]
        self._read += len(lines)
        return [json.loads(line) for line in lines]


def run_demo(nodes: int, say: Say, output: Path, patch_report: Path = PATCH_REPORT) -> dict[str, Any]:
    """Runs the demo once, with that build of patch-report; what it prints goes to `output`."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-job-") as folder, output.open("w") as printed:
        record = Path(folder, "usage.jsonl")
        server = demo.local_aws(nodes, settings={VARIABLE: str(record)})
        with _printing_to(printed), server:
            watch = Watch(server, record, say)
            demo.run(server, demo.Steps(watch.ended), keep=False, patch_report=patch_report)
    return {"nodes": nodes, "seconds": sum(step["seconds"] for step in watch.steps), "steps": watch.steps}


@contextmanager
def _printing_to(file: TextIO) -> Iterator[None]:
    """Has the demo print there."""
    usual, demo.console.file = demo.console.file, file
    try:
        yield
    finally:
        demo.console.file = usual


def measure(quick: bool, say: Say) -> dict[str, Any]:
    """One run of the demo for each size."""
    runs = []
    for nodes in NODES_QUICK if quick else NODES:
        say(f"  the whole job with {nodes:,} nodes")
        runs.append(run_demo(nodes, say, ROOT / "target" / "bench" / f"demo-{nodes}.txt", RELEASE))
    return {"runs": runs}


def tables(data: dict[str, Any]) -> list[Table]:
    """Times, whose they are, memory, functions and requests."""
    runs = data["runs"]
    return [_times(runs), _parties(runs), _memory(runs), _functions(runs), _calls(runs)]


def growth(before: tuple[int, float], after: tuple[int, float]) -> float:
    """The exponent of the growth between two (nodes, amount): 0 is none, 1 is as the nodes."""
    (nodes, amount), (more_nodes, more) = before, after
    return log(more / amount) / log(more_nodes / nodes)


def _times(runs: list[dict[str, Any]]) -> Table:
    sizes = [run["nodes"] for run in runs]
    rows = []
    for name in _steps(runs):
        seconds = [_step(run, name)["seconds"] for run in runs]
        judged = [sum(_step(run, each)["seconds"] for each in (*JUDGED_WITH.get(name, ()), name)) for run in runs]
        rows.append([name, *map(_seconds, seconds), *_further(sizes, judged), *_verdict(sizes, judged)])
    totals = [run["seconds"] for run in runs]
    rows.append(["all", *map(_seconds, totals), *_further(sizes, totals), *_verdict(sizes, totals)])
    return Table(
        "The whole job: seconds of each step",
        ["step", *(f"{nodes:,} nodes" for nodes in sizes), *_intervals(sizes), "exponent", "holds"],
        rows,
        [
            "A column like “100 to 2,000” tells the seconds for each 1,000 further nodes. Exponent: log of the ratio "
            f"of the times over log of the ratio of the nodes, {sizes[-2]:,} to {sizes[-1]:,}; 1 is growth as the "
            "nodes'. Holds: at most 1.",
            "The files begin to come while the members are still being deployed, so their growth is judged with the "
            "members'.",
        ],
    )


def _intervals(sizes: list[int]) -> list[str]:
    return [f"{before:,} to {after:,}" for before, after in pairwise(sizes)]


def _further(sizes: list[int], amounts: list[float]) -> list[str]:
    """What each 1,000 further nodes take, from each size to the next."""
    points = pairwise(zip(sizes, amounts, strict=True))
    return [f"{(more - amount) / (nodes - fewer) * 1000:.2f}" for (fewer, amount), (nodes, more) in points]


def _verdict(sizes: list[int], amounts: list[float]) -> list[str]:
    exponent = _exponent(sizes, amounts)
    return [f"{exponent:.2f}", "yes" if exponent <= 1 else "no"]


def _parties(runs: list[dict[str, Any]]) -> Table:
    sizes = [run["nodes"] for run in runs]
    rows = []
    for name in _steps(runs):
        step = _step(runs[-1], name)
        shares = [step["cpu_seconds"][party] for party in ("local AWS", "functions", "scripts", "demo")]
        of_local_aws = [_step(run, name)["cpu_seconds"]["local AWS"] for run in runs]
        rows.append(
            [name, _seconds(step["seconds"]), *(f"{share:.2f}" for share in shares), *_further(sizes, of_local_aws)]
        )
    return Table(
        f"The whole job: whose CPU seconds, {sizes[-1]:,} nodes",
        [
            "step", "seconds", "local AWS", "the functions", "scripts and AWS CLI", "demo",
            *(f"local AWS, {interval}" for interval in _intervals(sizes)),
        ],
        rows,
        [
            "Where the local AWS's CPU seconds come near those of the step, it is the bottleneck: its Python runs one "
            "thread at a time. The last columns tell its CPU seconds for each 1,000 further nodes.",
            "In the step “report” the scripts' CPU seconds are those of patch-report.",
        ],
    )  # fmt: skip


def _memory(runs: list[dict[str, Any]]) -> Table:
    sizes = [run["nodes"] for run in runs]
    peaks = [max(step["local_aws_peak_rss_bytes"] for step in run["steps"]) for run in runs]
    rows = [["local AWS, Athena's engine included", *map(_mebibytes, peaks), f"{_exponent(sizes, peaks):.2f}"]]
    for function in FUNCTIONS:
        of_function = [max(invocation["peak_rss_bytes"] for invocation in _invocations(run, function)) for run in runs]
        rows.append([function, *map(_mebibytes, of_function), f"{_exponent(sizes, of_function):.2f}"])
    return Table(
        "The whole job: peak memory, MiB",
        ["process", *(f"{nodes:,} nodes" for nodes in sizes), "exponent"],
        rows,
        ["The local AWS keeps every object in memory, and Athena's engine the rows of each table that was queried."],
    )


def _functions(runs: list[dict[str, Any]]) -> Table:
    rows = []
    for function in FUNCTIONS:
        for run in runs:
            invocations = _invocations(run, function)
            seconds = [invocation["seconds"] for invocation in invocations]
            cpu = [invocation["cpu_seconds"] for invocation in invocations]
            rows.append(
                [
                    function,
                    f"{run['nodes']:,}",
                    str(len(invocations)),
                    f"{min(seconds):.3f}",
                    f"{max(seconds):.3f}",
                    f"{max(cpu) * 1000:.1f}",
                    f"{sum(cpu) * 1000:.1f}",
                ]
            )
    return Table(
        "The whole job: the functions' invocations",
        ["function", "nodes", "invocations", "shortest s", "longest s", "most CPU ms", "CPU ms of all"],
        rows,
        [
            "Seconds until the answer without the start of the process, most of them spent waiting for the local AWS; "
            "CPU with the start.",
        ],
    )


# By what a request says of the SDK that made it.
_CALLERS = (
    ("aws-sdk-rust", "the functions and patch-report"),
    ("aws-cli", "scripts"),
    ("Boto3", "SAM and the demo"),
)


def _calls(runs: list[dict[str, Any]]) -> Table:
    sizes = [run["nodes"] for run in runs]
    rows = []
    for caller, who in _CALLERS:
        counts = [sum(requests(run, caller).values()) for run in runs]
        rows.append([who, *(f"{count:,}" for count in counts), *_further(sizes, counts)])
    return Table(
        "The whole job: requests",
        ["by", *(f"{nodes:,} nodes" for nodes in sizes), *_intervals(sizes)],
        rows,
        ["The last columns tell how many more there are for each 1,000 further nodes."],
    )


def requests(run: dict[str, Any], caller: str, steps: Iterable[str] | None = None) -> Counter[str]:
    """How often the caller's SDK asked for each action, in some steps or in all."""
    counts: Counter[str] = Counter()
    for step in run["steps"]:
        if steps is None or step["name"] in steps:
            counts.update(step["requests"].get(caller, {}))
    return counts


def _requests(lines: list[dict[str, Any]]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for line in lines:
        if line["kind"] == "request":
            counts.setdefault(line["caller"], Counter())[line["action"]] += 1
    return counts


def _invocation(line: dict[str, Any]) -> dict[str, Any]:
    kept = ("outcome", "init_seconds", "seconds", "cpu_seconds", "peak_rss_bytes")
    return {"function": _function(line["code"])} | {name: line[name] for name in kept}


def _function(code: str) -> str:
    """The function whose package has this hash, which Lambda tells as base64."""
    for function in FUNCTIONS:
        package = (ROOT / "target" / "lambda" / function / "bootstrap.zip").read_bytes()
        if base64.b64encode(hashlib.sha256(package).digest()).decode() == code:
            return function
    raise ValueError(f"no package of ours has the hash {code}")


def _invocations(run: dict[str, Any], function: str) -> list[dict[str, Any]]:
    return [each for step in run["steps"] for each in step["invocations"] if each["function"] == function]


def _steps(runs: list[dict[str, Any]]) -> list[str]:
    return [step["name"] for step in runs[0]["steps"]]


def _step(run: dict[str, Any], name: str) -> dict[str, Any]:
    return next(step for step in run["steps"] if step["name"] == name)


def _exponent(sizes: list[int], amounts: list[float]) -> float:
    return growth((sizes[-2], amounts[-2]), (sizes[-1], amounts[-1]))


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}"


def _mebibytes(count: float) -> str:
    return f"{count / 2**20:,.1f}"
