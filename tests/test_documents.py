"""What the documents tell of is there: linked files and headings, parameters and their defaults, scripts, options."""

from __future__ import annotations

import re
import subprocess
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest

from bench.__main__ import SECTIONS
from deployment import ROOT
from operator_scripts import SCRIPTS
from templates import CENTRAL, CFN, MEMBER, QUICKSIGHT, load

DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()
PERFORMANCE = (ROOT / "docs" / "performance.md").read_text()

# The functions in the templates.
FUNCTIONS = {
    "org-resource-data-sync": (MEMBER, "ResourceDataSyncLambdaFunction"),
    "glue-column-deleter": (CENTRAL, "DeleteGlueTableColumnFunction"),
    "s3-cleanup": (CENTRAL, "S3BucketCleanup"),
}


def anchors(document: Path) -> set[str]:
    """The fragments by which a document's headings are linked, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_within_the_project_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", document.read_text()):
        if target.startswith("https://"):
            continue
        path, _, fragment = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), target
        assert not fragment or fragment in anchors(linked), target


def section(heading: str) -> str:
    """The text of the document on operations below a heading, up to the next that is not below it."""
    level = heading.split(" ")[0]
    below = OPERATIONS.partition(f"\n{heading}")[2]
    return re.split(rf"\n#{{1,{len(level)}}} ", below)[0]


@pytest.mark.parametrize(
    ("template", "heading"),
    [
        pytest.param(CENTRAL, "### `cfn/patch-reporting.yaml`", id="central"),
        pytest.param(MEMBER, "### `cfn/organization-resource-data-sync.yaml`", id="member"),
        pytest.param(QUICKSIGHT, "### `cfn/quicksight.yaml`", id="quicksight"),
    ],
)
def test_every_parameter_is_told_of_and_no_other(template: Path, heading: str) -> None:
    rows = [line.split("|") for line in section(heading).splitlines() if line.startswith("| `")]
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row[1])]
    assert sorted(told) == sorted(load(template)["Parameters"])


@pytest.mark.parametrize(
    ("template", "heading"),
    [
        pytest.param(CENTRAL, "### `cfn/patch-reporting.yaml`", id="central"),
        pytest.param(QUICKSIGHT, "### `cfn/quicksight.yaml`", id="quicksight"),
    ],
)
def test_the_defaults_told_are_the_templates(template: Path, heading: str) -> None:
    """A cell is empty for parameters that have to be given."""
    rows = [line.split("|") for line in section(heading).splitlines() if line.startswith("| `")]
    told: dict[str, str] = {}
    for row in rows:
        names, defaults = re.findall(r"`(\w+)`", row[1]), [each.strip(" `") for each in row[2].split(", ")]
        told.update(zip(names, defaults if row[2].strip() else [""] * len(names), strict=True))
    actual = {}
    for name, parameter in load(template)["Parameters"].items():
        default = str(parameter["Default"]) or "none" if "Default" in parameter else ""
        actual[name] = f"{int(default) // 1024**3} GiB" if name == "BytesScannedCutoffPerQuery" else default
    assert told == actual


def test_every_script_and_option_named_is_there() -> None:
    named: dict[str, set[str]] = {}
    for document in DOCUMENTS:
        text = document.read_text().replace("\\\n", " ")
        for name, rest in re.findall(r"(?:scripts/)([a-z-]+)([^`\n|]*)", text):
            options = re.findall(r"(?<=\s)--[a-z-]+", rest)
            named.setdefault(name, set()).update(options)
        # Within a sentence a script goes by its bare name.
        for name, rest in re.findall(r"`(deploy-(?:central|members|quicksight)|verify|teardown) ([^`\n|]*)`", text):
            named.setdefault(name, set()).update(re.findall(r"--[a-z-]+", rest))
    assert {"build", "demo", "test", *SCRIPTS} <= named.keys()
    for name, options in named.items():
        script = ROOT / "scripts" / name
        assert script.exists(), name
        usage = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
        missing = {option for option in options if option not in usage}
        assert not missing, (name, missing)


def test_every_template_is_told_of() -> None:
    everything = "".join(document.read_text() for document in DOCUMENTS)
    assert [path.name for path in CFN.glob("*.yaml") if f"cfn/{path.name}" not in everything] == []


def rows_about_functions(columns: int) -> list[list[str]]:
    """The rows, of so many columns, of the document on performance that name a function and its memory setting."""
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in PERFORMANCE.splitlines()]
    return [row for row in rows if len(row) == columns and FUNCTIONS.keys() & {*row[:2]}]


def number_told(pattern: str) -> Decimal:
    """The one number that the document on performance tells in these words."""
    (found,) = re.findall(pattern, PERFORMANCE)
    return Decimal(found.replace(",", ""))


def test_the_memory_settings_told_are_the_templates() -> None:
    settings = {
        name: str(load(template)["Resources"][logical_id]["Properties"]["MemorySize"])
        for name, (template, logical_id) in FUNCTIONS.items()
    }
    assert {row[1]: row[2] for row in rows_about_functions(8)} == settings
    reasons = rows_about_functions(5)
    assert {row[0]: row[1] for row in reasons} == settings
    one_vcpu = number_told(r"\[([\d,]+) MB are one vCPU\]")
    assert {row[0]: row[2] for row in reasons} == {
        name: f"{Decimal(size) / one_vcpu:.2f}" for name, size in settings.items()
    }


def test_the_costs_told_are_what_the_formula_gives() -> None:
    prices = [number_told(r"US\$ (0\.\d+) a\s+GB-second on x86_64"), number_told(r"US\$ (0\.\d+) on arm64")]
    request = number_told(r"US\$ (0\.\d+) for a million requests") / 1_000_000
    rows = rows_about_functions(8)
    assert len(rows) >= len(FUNCTIONS)
    for _, _, memory, *numbers in rows:
        invocations, seconds, gb_seconds, *dollars = (Decimal(number.replace(",", "")) for number in numbers)
        used = invocations * Decimal(memory) / 1024 * seconds
        assert used.quantize(Decimal("0.1"), ROUND_HALF_UP) == gb_seconds
        costs = [used * price + invocations * request for price in prices]
        assert [cost.quantize(Decimal("0.000001"), ROUND_HALF_UP) for cost in costs] == dollars


@pytest.mark.parametrize("place", ["machine", *(section.NAME for section in SECTIONS)])
def test_the_document_on_performance_has_figures_of_each_section(place: str) -> None:
    figures = re.search(rf"<!-- figures: {place} -->\n(.*?)<!-- end of figures -->", PERFORMANCE, re.DOTALL)
    assert figures
    titles = re.findall(r"^\*\*(.+)\*\*$", figures[1], re.MULTILINE)
    assert len(figures[1].split()) > 10
    assert titles or place == "machine"
