"""Measures the functions and the whole job on this machine, beside what others do.

`scripts/bench` makes everything ready and runs it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

from bench import calls, emptying, functions, job
from bench.python_venv import FOLDER

SECTIONS: tuple[ModuleType, ...] = (functions, calls, emptying, job)
OUTPUT = FOLDER / "results.json"


def main(arguments_given: list[str] | None = None) -> int:
    """Runs the sections that are asked for; status 0 once they ran, whatever the figures."""
    names = [section.NAME for section in SECTIONS]
    parser = argparse.ArgumentParser(prog="scripts/bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer cases and runs: about two minutes, not thirty")
    parser.add_argument("--only", metavar="NAME[,NAME]", help=f"of {', '.join(names)}")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the figures go (target/bench/results.json)")
    parser.add_argument("--markdown", type=Path, help="where the tables go as Markdown, too")
    parser.add_argument("--document", type=Path, help="a Markdown document whose figures to replace by these")
    parser.add_argument("--from", dest="source", type=Path, help="show the figures of an earlier run, measure nothing")
    arguments = parser.parse_args(arguments_given)
    wanted = arguments.only.split(",") if arguments.only else names
    if unknown := set(wanted) - set(names):
        parser.error(f"--only knows {', '.join(names)}, not {', '.join(sorted(unknown))}")
    results = json.loads(arguments.source.read_text()) if arguments.source else _measure(wanted, arguments)
    tables = [
        table for section in SECTIONS if section.NAME in results for table in section.tables(results[section.NAME])
    ]
    print("\n" + "\n\n".join(table.text() for table in tables))
    if arguments.markdown:
        texts = [_machine_line(results["machine"]), *(table.markdown() for table in tables)]
        arguments.markdown.write_text("\n\n".join(texts) + "\n")
    if arguments.document:
        arguments.document.write_text(_with_figures(arguments.document.read_text(), results))
    return 0


def _measure(wanted: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    results: dict[str, Any] = {"machine": _machine(), "quick": arguments.quick}
    for section in SECTIONS:
        if section.NAME not in wanted:
            continue
        print(f"==> {section.NAME}", flush=True)
        started = time.monotonic()
        results[section.NAME] = section.measure(arguments.quick, lambda text: print(f"    {text}", flush=True))
        print(f"    {time.monotonic() - started:.0f} s", flush=True)
        # After each section: a long run that breaks off has not been for nothing.
        arguments.output.parent.mkdir(parents=True, exist_ok=True)
        arguments.output.write_text(json.dumps(results, indent=1) + "\n")
    print(f"figures: {arguments.output}")
    return results


def _machine() -> dict[str, Any]:
    models = {
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    }
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=False).stdout.strip()
    return {
        "processor": ", ".join(sorted(models)),
        "processors": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_before": os.getloadavg()[0],
        "system": platform.platform(),
        "rust": rust,
        "python": platform.python_version(),
        "date": time.strftime("%Y-%m-%d"),
    }


def _machine_line(machine: dict[str, Any]) -> str:
    return (
        f"{machine['processors']} processors {machine['processor']}, {machine['memory_bytes'] / 1024**3:.0f} GiB, "
        f"{machine['system']}, {machine['rust']}, Python {machine['python']}, on {machine['date']}"
    )


def _with_figures(document: str, results: dict[str, Any]) -> str:
    """Replaces what is between `<!-- figures: SECTION -->` and `<!-- end of figures -->` by the section's tables.

    There is one such place for each section, and one for the machine.
    """
    figures = {"machine": f"{_machine_line(results['machine'])}."}
    for section in SECTIONS:
        if section.NAME in results:
            figures[section.NAME] = "\n\n".join(table.markdown() for table in section.tables(results[section.NAME]))
    for name, text in figures.items():
        begin, end = f"<!-- figures: {name} -->\n", "<!-- end of figures -->"
        before, found, rest = document.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"scripts/bench: the document has no place for {name}: {begin.strip()} … {end}")
        document = f"{before}{begin}\n{text}\n\n{end}{after}"
    return document


if __name__ == "__main__":
    sys.exit(main())
