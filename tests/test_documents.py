"""What the documents tell of is there: linked files and headings, parameters and their defaults, scripts, options."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from deployment import ROOT
from templates import CENTRAL, CFN, MEMBER, load

DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


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
    """The text of the document on operations below a heading, up to the next of its level."""
    level = heading.split(" ")[0]
    begin = OPERATIONS.index(f"\n{heading}")
    end = OPERATIONS.find(f"\n{level} ", begin + 1)
    return OPERATIONS[begin : end if end > 0 else None]


@pytest.mark.parametrize(
    ("template", "heading"),
    [
        pytest.param(CENTRAL, "### `cfn/patch-reporting.yaml`", id="central"),
        pytest.param(MEMBER, "### `cfn/organization-resource-data-sync.yaml`", id="member"),
    ],
)
def test_every_parameter_is_told_of_and_no_other(template: Path, heading: str) -> None:
    rows = [line.split("|") for line in section(heading).splitlines() if line.startswith("| `")]
    told = [name for row in rows for name in re.findall(r"`(\w+)`", row[1])]
    assert sorted(told) == sorted(load(template)["Parameters"])


def test_the_defaults_told_are_the_templates() -> None:
    rows = [
        line.split("|") for line in section("### `cfn/patch-reporting.yaml`").splitlines() if line.startswith("| `")
    ]
    parameters = load(CENTRAL)["Parameters"]
    told = {}
    for row in rows:
        names, defaults = re.findall(r"`(\w+)`", row[1]), [each.strip(" `") for each in row[2].split(", ")]
        told.update(zip(names, defaults, strict=True))
    actual = {name: str(each.get("Default", "")) for name, each in parameters.items()}
    actual["BytesScannedCutoffPerQuery"] = f"{int(actual['BytesScannedCutoffPerQuery']) // 1024**3} GiB"
    with_default = {name: "none" if value == "" else value for name, value in actual.items()}
    with_default["OrganizationId"] = ""
    assert told == with_default


def test_every_script_and_option_named_is_there() -> None:
    named: dict[str, set[str]] = {}
    for document in DOCUMENTS:
        text = document.read_text().replace("\\\n", " ")
        for name, rest in re.findall(r"(?:scripts/)([a-z-]+)([^`\n|]*)", text):
            options = re.findall(r"(?<=\s)--[a-z-]+", rest)
            named.setdefault(name, set()).update(options)
        # Within a sentence a script goes by its bare name.
        for name, rest in re.findall(r"`(deploy-central|deploy-members|verify|teardown) ([^`\n|]*)`", text):
            named.setdefault(name, set()).update(re.findall(r"--[a-z-]+", rest))
    assert {"build", "demo", "test", "deploy-central", "deploy-members", "verify", "teardown"} <= named.keys()
    for name, options in named.items():
        script = ROOT / "scripts" / name
        assert script.exists(), name
        usage = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
        missing = {option for option in options if option not in usage}
        assert not missing, (name, missing)


def test_every_template_is_told_of() -> None:
    everything = "".join(document.read_text() for document in DOCUMENTS)
    assert [path.name for path in CFN.glob("*.yaml") if f"cfn/{path.name}" not in everything] == []
