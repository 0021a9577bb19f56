"""Our functions beside straightforward Python ones: the start, the first and further invocations, memory and size.

Both do the same work on the same fake AWS (see `bench.cases`), and each run is a process of its own. Runs of the kinds
that are compared take turns, so that what else goes on in the machine meets all of them.
"""

from __future__ import annotations

import io
import platform
import time
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

from bench.aws import Aws
from bench.cases import CASES, HANDLERS, Case
from bench.python_venv import copy_handlers, make_venv, packages
from bench.report import Table
from bench.runtime import ACCOUNT, Function

NAME = "functions"

QUICK_PAIRS, PAIRS = 5, 20
WARM_INVOCATIONS = 10

RUST, PYTHON, PLAIN = "Rust", "Python", "Rust over plain HTTP"
KINDS = (RUST, PYTHON, PLAIN)

MAX_SHARE_OF_TIME = 1 / 45
MAX_SHARE_OF_MEMORY = 1 / 6
# How much of the CPU of a cold invocation TLS may take only once, besides its handshakes.
MAX_SHARE_OF_ONCE = 1 / 10
MAX_MEMORY = 8 * 1024**2
MAX_ZIP = 3_000_000

# How long a function gets to notice that its connections were closed.
_NOTICE_SECONDS = 0.02

# What is said of an aim, by whether it holds for the least figures and for the median of the pairs.
_HOLDS = {
    (True, True): "yes",
    (True, False): "by the least only",
    (False, True): "by the median only",
    (False, False): "NO",
}

Run = dict[str, Any]


def measure(quick: bool, say: Callable[[str], None]) -> dict[str, Any]:
    """All runs, and the sizes."""
    interpreter = make_venv(say)
    code = copy_handlers(interpreter)
    pairs = QUICK_PAIRS if quick else PAIRS
    runs: list[Run] = []
    with Aws() as aws:
        for case in CASES:
            say(f"{case.function}: {pairs} runs of each kind")
            for kind in KINDS:  # once without counting, so that all files are in memory
                _run(aws, case, kind, interpreter, code)
            for pair in range(pairs):
                for kind in KINDS if pair % 2 else reversed(KINDS):
                    runs.append({"pair": pair, **_run(aws, case, kind, interpreter, code)})
    return {"python": platform.python_version(), "runs": runs, "sizes": _sizes()}


def _run(aws: Aws, case: Case, kind: str, interpreter: Path, code: Path) -> Run:
    """One process from its start on: times in seconds, memory in bytes."""
    scheme = "http" if kind == PLAIN else "https"
    if kind == PYTHON:
        command = [str(interpreter), "-m", "awslambdaric", f"{case.module}.handler"]
        environment = case.python_environment(aws, code=code)
    else:
        command, environment = case.rust(), case.environment(aws, scheme=scheme)

    def invoke() -> float:
        case.set_up(aws, ACCOUNT)
        invocation = function.invoke(case.event(aws, ACCOUNT, scheme))
        answers = aws.ask("take_answers", ACCOUNT)
        if invocation.error or any(answer["Status"] != "SUCCESS" for answer in answers):
            raise RuntimeError(f"{case.function} in {kind} failed: {invocation.error or answers}")
        return invocation.seconds

    aws.ask("take_connections")
    with Function(command, environment) as function:
        cold_start_cpu = function.usage().cpu_seconds
        first = invoke()
        cold_cpu = function.usage().cpu_seconds
        calls, connections = aws.ask("take_calls", ACCOUNT), sum(aws.ask("take_connections").values())
        warm = [invoke() for _ in range(WARM_INVOCATIONS)]
        end = function.usage()
        aws.ask("drop_connections")
        time.sleep(_NOTICE_SECONDS)
        before = function.usage().cpu_seconds
        invoke()
        reconnecting_cpu = function.usage().cpu_seconds - before
        aws.ask("take_calls", ACCOUNT)
    return {
        "function": case.function,
        "kind": kind,
        "cold_start": function.cold_start,
        "cold_start_cpu": cold_start_cpu,
        "first": first,
        "cold_cpu": cold_cpu,
        "warm": warm,
        "warm_cpu": (end.cpu_seconds - cold_cpu) / len(warm),
        "reconnecting_cpu": reconnecting_cpu,
        "peak_rss": end.peak_rss_bytes,
        "calls": calls,
        "connections": connections,
    }


def _sizes() -> dict[str, Any]:
    libraries = packages()
    sizes = {"boto3": _size(libraries)}
    for case in CASES:
        executable = Path(case.rust()[0])
        handlers = [HANDLERS / f"{case.module}.py", HANDLERS / "answer.py"]
        sizes[case.function] = {
            RUST: {"files": executable.stat().st_size, "zip": executable.with_suffix(".zip").stat().st_size},
            PYTHON: _size((path.name, path) for path in handlers if path.stem in (case.module, *_imports(case))),
        }
    return sizes


def _imports(case: Case) -> list[str]:
    """Which module beside it a Python function needs."""
    return ["answer"] if "import answer" in (HANDLERS / f"{case.module}.py").read_text() else []


def _size(files: Iterable[tuple[str, Path]]) -> dict[str, int]:
    """The bytes of files as they are and in an archive as small as ours."""
    archive, total = io.BytesIO(), 0
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        for name, path in files:
            packed.write(path, name)
            total += path.stat().st_size
    return {"files": total, "zip": archive.tell()}


def tables(data: dict[str, Any]) -> list[Table]:
    """The comparison with Python, what TLS costs, and the sizes."""
    return [_beside_python(data), _tls(data), _size_table(data)]


def _beside_python(data: dict[str, Any]) -> Table:
    rows = []
    for case in CASES:
        rust, python = (_runs_of(data, case, kind) for kind in (RUST, PYTHON))
        figures: list[tuple[str, Callable[[Run], float], float | None]] = [
            ("cold start, ms", lambda run: run["cold_start"] * 1e3, MAX_SHARE_OF_TIME),
            ("first invocation, ms", lambda run: run["first"] * 1e3, None),
            ("warm invocation, ms", lambda run: median(run["warm"]) * 1e3, None),
            ("CPU of cold start, ms", lambda run: run["cold_start_cpu"] * 1e3, None),
            ("CPU of cold start and first invocation, ms", lambda run: run["cold_cpu"] * 1e3, MAX_SHARE_OF_TIME),
            ("CPU of a warm invocation, ms", lambda run: run["warm_cpu"] * 1e3, None),
            ("peak RSS, MiB", lambda run: run["peak_rss"] / 1024**2, MAX_SHARE_OF_MEMORY),
        ]
        for name, figure, share in figures:
            ours, theirs = [figure(run) for run in rust], [figure(run) for run in python]
            ratios = [min(theirs) / min(ours), median(it / own for own, it in zip(ours, theirs, strict=True))]
            holds, aim = [share is None or ratio * share >= 1 for ratio in ratios], ""
            if share is not None:
                aim = f"1/{1 / share:.0f} at most"
            if name.startswith("peak RSS"):
                aim += f", and {MAX_MEMORY // 1024**2} MiB"
                holds = [each and max(ours) <= MAX_MEMORY / 1024**2 for each in holds]
            row = [case.function, name, *_least_and_median(ours), *_least_and_median(theirs)]
            rows.append([*row, *(f"1/{ratio:.1f}" for ratio in ratios), aim, _HOLDS[tuple(holds)] if aim else ""])
    figures_of = [f"{kind} {which}" for kind in (RUST, PYTHON, "ratio") for which in ("min", "median")]
    columns = ["function", "figure", *figures_of, "aim", "holds"]
    return Table(
        "Functions beside Python",
        columns,
        rows,
        [
            f"Python {data['python']}, boto3 and Lambda's runtime client (awslambdaric). Clients are made at start.",
            *(f"{case.function}: {case.what}: {_called(data, case)}." for case in CASES),
            "Ratios: of the two least figures, and the median of the pairs' ratios. The former holds where something "
            "else goes on in the machine. CPU is that of the whole process, with all its threads.",
            "Peak RSS is that after the warm invocations. Both read the same list of certificate authorities.",
        ],
    )


def _tls(data: dict[str, Any]) -> Table:
    rows = []
    for case in CASES:
        tls, plain = (_runs_of(data, case, kind) for kind in (RUST, PLAIN))
        first = [_first_cpu(over_tls) - _first_cpu(over_http) for over_tls, over_http in zip(tls, plain, strict=True)]
        again = [
            (over_tls["reconnecting_cpu"] - over_tls["warm_cpu"])
            - (over_http["reconnecting_cpu"] - over_http["warm_cpu"])
            for over_tls, over_http in zip(tls, plain, strict=True)
        ]
        once = median(first) - median(again)
        share = once / median(run["cold_cpu"] for run in tls)
        rows.append(
            [
                case.function,
                str(tls[0]["connections"]),
                f"{median(run['first'] for run in tls) * 1e3:.2f}",
                f"{median(run['first'] for run in plain) * 1e3:.2f}",
                f"{median(map(_first_cpu, tls)) * 1e3:.2f}",
                f"{median(map(_first_cpu, plain)) * 1e3:.2f}",
                f"{median(first) * 1e3:.2f}",
                f"{median(again) * 1e3:.2f}",
                f"{once * 1e3:.2f}",
                f"{share:.1%}",
                "yes" if share <= MAX_SHARE_OF_ONCE else "NO",
            ]
        )
    columns = ["function", "connections", "first, TLS, ms", "first, HTTP, ms", "its CPU, TLS, ms", "its CPU, HTTP, ms"]
    return Table(
        "What TLS costs our functions in the first invocation",
        [*columns, "CPU of TLS", "of TLS again", "only once", "share", "holds"],
        rows,
        [
            "Of TLS again: the same, when all connections were closed and are made anew, without a session to resume.",
            f"Aim: no penalty for the first request. What TLS costs only once (the difference of the two) is at most "
            f"{MAX_SHARE_OF_ONCE:.0%} of the CPU of cold start and first invocation.",
            "The chain has three certificates with RSA keys of 2,048 bits, as AWS's endpoints have.",
        ],
    )


def _size_table(data: dict[str, Any]) -> Table:
    sizes, boto3 = data["sizes"], data["sizes"]["boto3"]
    rows = []
    for case in CASES:
        rust, python = sizes[case.function][RUST], sizes[case.function][PYTHON]
        holds = "yes" if rust["zip"] <= MAX_ZIP else "NO"
        python_sizes = [f"{python['files'] / 1e6:.3f}", f"{python['zip'] / 1e6:.3f}"]
        both = [f"{(python[what] + boto3[what]) / 1e6:.2f}" for what in ("files", "zip")]
        rust_sizes = [f"{rust['files'] / 1e6:.2f}", f"{rust['zip'] / 1e6:.2f}"]
        rows.append([case.function, *rust_sizes, *python_sizes, *both, f"zip {MAX_ZIP / 1e6:.1f} MB at most", holds])
    return Table(
        "Size in MB",
        ["function", "Rust", "zip", "Python", "zip", "with boto3", "zip", "aim", "holds"],
        rows,
        [
            "Python's own code is all that is uploaded if the boto3 in AWS's runtime will do, whose version AWS "
            "chooses; with boto3 is what a package with a version of one's own has.",
            "Rust's executable has all in it; its runtime (provided.al2023) has only the operating system.",
        ],
    )


def _runs_of(data: dict[str, Any], case: Case, kind: str) -> list[Run]:
    runs = [run for run in data["runs"] if (run["function"], run["kind"]) == (case.function, kind)]
    return sorted(runs, key=lambda run: run["pair"])


def _first_cpu(run: Run) -> float:
    return run["cold_cpu"] - run["cold_start_cpu"]


def _least_and_median(values: list[float]) -> list[str]:
    return [f"{min(values):.2f}", f"{median(values):.2f}"]


def _called(data: dict[str, Any], case: Case) -> str:
    """The calls of a run of ours, and whether each other run made as many of the same."""
    wanted = _runs_of(data, case, RUST)[0]["calls"]
    others = sum(sorted(run["calls"]) != sorted(wanted) for run in data["runs"] if run["function"] == case.function)
    names = ["answer" if service == "response" else operation for service, operation in wanted]
    return ", ".join(names) + (f" (in {others} runs others)" if others else "")
