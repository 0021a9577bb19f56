"""The page of patch-report: the script and the style that are committed are what their sources give."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from browser import npm


def test_what_is_committed_is_what_the_sources_give(page: Path) -> None:
    checked = npm(page, "run", "check")
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_change_of_the_sources_is_seen(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "page"
    shutil.copytree(page, folder, symlinks=True)
    with (folder / "src" / "report.css").open("a") as style:
        style.write("main { outline: 1px solid; }\n")
    checked = npm(folder, "run", "check")
    assert checked.returncode != 0
    assert "dist/report.css is not what its sources give" in checked.stderr


def test_the_functions_of_the_page(page: Path) -> None:
    tested = npm(page, "test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert re.search(r"pass [1-9]\d+\n", tested.stdout), tested.stdout
