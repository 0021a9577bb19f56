"""Emptying a large bucket takes no more requests than it must, keeps within S3's limits and bounds its memory; and the
benchmark tells what it measured.

Only counts and ratios are asserted, no times.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as bench
from bench import emptying, process
from bench.emptying import OURS, PAGE, S3RM_BEST, Run, allowed_seconds, ideal_seconds
from bench.report import Table
from bench.runtime import bootstrap
from bench.s3_stub import EXECUTABLE, Contents, S3Stub
from deployment import ROOT

built = pytest.mark.skipif(
    not (bootstrap("s3-cleanup").exists() and EXECUTABLE.exists()),
    reason="not built: scripts/build, and cargo build --release --package s3-stub",
)


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Stub]:
    with S3Stub() as stub:
        yield stub


def empty(s3: S3Stub, layout: str, versions: int, delay: int = 0, limit: str = "none") -> Run:
    """What our function needed, and what S3 saw."""
    contents = Contents(layout, versions, delay, delay, limit)
    s3.fill(contents)
    run = emptying._run_function(s3) | s3.stats()
    assert not run["failed"]
    assert (run["left"], run["deleted_twice"]) == (0, 0)
    return run | {"versions": versions, "list_ms": delay, "delete_ms": delay, "limit": limit}


@built
@pytest.mark.parametrize("layout", ["sync", "flat", "numbered"])
def test_deletes_are_full_and_few_pages_are_listed_more_than_once(s3: S3Stub, layout: str) -> None:
    run = empty(s3, layout, 100_000, delay=5)
    pages = 100_000 // PAGE
    assert run["deletes"] == pages
    assert run["listings"] < 1.6 * pages
    # The status of the stack, the tags, two looks for incomplete uploads, and the answer.
    assert run["others"] == 5


@built
@pytest.mark.parametrize("layout", ["sync", "flat", "numbered"])
def test_listings_and_deletes_run_beside_each_other(s3: S3Stub, layout: str) -> None:
    run = empty(s3, layout, 100_000, delay=50)
    one_after_the_other = 2 * 100_000 / PAGE * 0.05
    assert run["seconds"] < one_after_the_other / 2
    assert 8 <= run["most_in_flight"] <= emptying.MAX_LISTINGS + emptying.MAX_DELETES


@built
@pytest.mark.parametrize(("limit", "versions"), [("bucket", 20_000), ("folder", 200_000)])
def test_a_limit_is_used_and_seldom_hit(s3: S3Stub, limit: str, versions: int) -> None:
    run = empty(s3, "sync", versions, delay=50, limit=limit)
    refused = run["refused_deletes"] + run["refused_listings"]
    assert 0 < refused <= 0.1 * (run["listings"] + run["deletes"] + run["others"])
    assert allowed_seconds(run) < run["seconds"] < 3 * allowed_seconds(run)


@built
def test_memory_hardly_grows_with_the_bucket(s3: S3Stub) -> None:
    small, large = empty(s3, "sync", 20_000, delay=20), empty(s3, "sync", 200_000, delay=20)
    assert large["peak_rss"] < 2 * small["peak_rss"]
    assert large["peak_rss"] < 64 * 1024**2


def run_of(tool: str, **members: Any) -> Run:
    run = {"pair": 0, "tool": tool, "layout": "sync", "versions": 20_000, "list_ms": 100, "delete_ms": 500}
    run |= {"limit": "none", "partitions": 1, "seconds": 1.0, "cpu": 0.1, "peak_rss": 10 * 1024**2, "failed": False}
    run |= {"left": 0, "listings": 40, "deletes": 20, "others": 5, "refused_listings": 0, "refused_deletes": 0}
    return run | members


def aims(*runs: Run) -> dict[str, list[str]]:
    _, table = emptying.tables({"runs": list(runs)})
    return {what: told for what, *told in table.rows}


def test_the_ideal_is_what_delays_caps_and_limits_leave() -> None:
    assert ideal_seconds(run_of(OURS, versions=1_000)) == pytest.approx(0.6)
    assert ideal_seconds(run_of(OURS, versions=161_000)) == pytest.approx(0.6 + 160 / 80 * 0.5)
    assert ideal_seconds(run_of(OURS, limit="bucket", versions=38_500)) == pytest.approx(10)
    assert ideal_seconds(run_of(OURS, limit="folder", partitions=10, versions=385_000)) == pytest.approx(10)
    assert ideal_seconds(run_of(OURS, list_ms=0, delete_ms=0)) == 0


def test_an_aim_that_is_missed_in_one_case_is_told() -> None:
    slower = [run_of(OURS), run_of(S3RM_BEST, seconds=0.9, cpu=0.3, peak_rss=79 * 1024**2)]
    faster = [run_of(tool, versions=200_000, seconds=seconds) for tool, seconds in ((OURS, 1.0), (S3RM_BEST, 3.0))]
    told = aims(*slower, *faster)
    case = "20,000, 100/500 ms"
    assert told["without a limit faster than s3rm at its best"] == [f"0.90 times ({case})", "1 of 2", "NO"]
    told = aims(*slower)
    assert told["at most 1/2 of its CPU"] == [f"1/3.0 ({case})", "1 of 1", "yes"]
    assert told["at most 1/8 of its memory"] == [f"1/7.9 ({case})", "0 of 1", "NO"]


@pytest.mark.parametrize("members", [{"failed": True}, {"left": 1}])
def test_a_run_that_leaves_something_counts_as_failed(members: dict[str, Any]) -> None:
    told = aims(run_of(OURS, **members), run_of(OURS))
    assert told["no run fails"] == ["1 of 2 failed (20,000, 100/500 ms)", "0 of 1", "NO"]
    limited = {"limit": "bucket", "seconds": 5.0}
    told = aims(run_of(OURS, **limited), run_of(S3RM_BEST, **limited | members))
    what = "with a limit at least 0.97 times as fast as s3rm at its best"
    assert told[what] == ["s3rm failed (20,000, 100/500 ms, limit for the bucket)", "1 of 1", "yes"]


def test_a_command_is_measured_to_its_end(tmp_path: Path) -> None:
    # Within the command, since a process that has ended has no memory to look at.
    code = "import time; b = bytearray(200_000_000); time.sleep(0.1); print(len(b)); raise SystemExit(3)"
    ended = process.run([sys.executable, "-c", code], dict(os.environ), tmp_path / "log", 60)
    assert ended.status == 3
    assert (tmp_path / "log").read_text() == "200000000\n"
    assert 200_000_000 < ended.usage.peak_rss_bytes < 300_000_000
    assert 0 < ended.usage.cpu_seconds < ended.seconds


def test_a_command_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    ended = process.run([sys.executable, "-c", "import time; time.sleep(60)"], dict(os.environ), tmp_path / "log", 0.2)
    assert ended.status == -9


def test_tables_are_aligned_in_text_and_escaped_in_markdown() -> None:
    table = Table("Title", ["what", "n"], [["a|b", "1,000"], ["long name", "1"]], ["a note"])
    assert table.text().splitlines() == [
        "Title",
        "----------------",
        "what           n",
        "----------------",
        "a|b        1,000",
        "long name      1",
        "  a note",
    ]
    assert table.markdown().splitlines()[2:] == [
        "| what | n |",
        "| --- | ---: |",
        "| a\\|b | 1,000 |",
        "| long name | 1 |",
        "",
        "- a note",
    ]


def test_figures_of_an_earlier_run_are_shown_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = {"machine": bench._machine(), "quick": True, "emptying": {"runs": [run_of(OURS), run_of(S3RM_BEST)]}}
    source, markdown = tmp_path / "results.json", tmp_path / "tables.md"
    source.write_text(json.dumps(figures))
    assert bench.main(["--from", str(source), "--markdown", str(markdown)]) == 0
    assert "s3rm, best" in capsys.readouterr().out
    assert "| 20,000, 100/500 ms | s3-cleanup | 20,000 |" in markdown.read_text()


def test_the_figures_of_a_document_are_replaced(tmp_path: Path) -> None:
    figures = {"machine": bench._machine(), "quick": True, "emptying": {"runs": [run_of(OURS)]}}
    source, document = tmp_path / "results.json", tmp_path / "speed.md"
    source.write_text(json.dumps(figures))
    place = "<!-- figures: {} -->\nstale\n<!-- end of figures -->\n"
    document.write_text(f"# Speed\n{place.format('machine')}text\n{place.format('emptying')}end\n")
    for _ in range(2):
        assert bench.main(["--from", str(source), "--document", str(document)]) == 0
    text = document.read_text()
    assert "stale" not in text
    assert text.count("| 20,000, 100/500 ms | s3-cleanup |") == 1
    assert text.startswith("# Speed\n<!-- figures: machine -->\n")
    assert text.endswith("<!-- end of figures -->\nend\n")
    document.write_text("# Speed\n")
    with pytest.raises(SystemExit, match="no place for machine"):
        bench.main(["--from", str(source), "--document", str(document)])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["--only", "speed"], "speed"), (["--only"], "--only takes a value"), (["--fast"], "unknown argument '--fast'")],
)
def test_arguments_that_will_not_do_are_refused_at_once(arguments: list[str], says: str) -> None:
    refused = subprocess.run(["scripts/bench", *arguments], cwd=ROOT, capture_output=True, text=True)
    assert refused.returncode == 2
    assert says in refused.stderr
