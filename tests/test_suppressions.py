"""Nothing that the linters of the templates find is kept quiet without a reason, and none of them calls anybody.

cfn-lint has nothing suppressed: neither in a template nor by a file of settings. checkov's checks are skipped one
by one, in the template's own Metadata, with a comment:
https://www.checkov.io/2.Concepts/Suppressing%20and%20Skipping%20Policies.html
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cfnlint.decode import cfn_yaml

from templates import CENTRAL, CFN, load

ROOT = CFN.parent
TEMPLATES = [pytest.param(path, id=path.stem) for path in sorted(CFN.glob("*.yaml"))]

# What scripts/test runs; --skip-download keeps checkov from asking its maker for guidelines.
CHECKOV = ["checkov", "--skip-download", "--framework", "cloudformation", "--compact", "--quiet"]

# Where cfn-lint, SAM and checkov look for settings that could silence them.
SETTINGS = (".cfnlintrc*", "samconfig.*", ".checkov.y*ml")


def suppressions(text: str) -> list[str]:
    """Lines of a template by which cfn-lint or checkov would look away, other than by a skip with a comment."""
    found = [
        line.strip() for line in text.splitlines() if re.search(r"cfn-lint|cfn_nag|(checkov|bridgecrew):skip", line)
    ]
    for place, skip in skips(cfn_yaml.loads(text)):
        # One word is no reason.
        if len(str(skip.get("comment", "")).split()) < 4:
            found.append(f"{place}: {skip.get('id')}")
    return found


def skips(template: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """(logical id, skip) of each check of checkov that a resource's Metadata skips."""
    return [
        (name, skip)
        for name, resource in template["Resources"].items()
        for maker in ("checkov", "bridgecrew")
        for skip in resource.get("Metadata", {}).get(maker, {}).get("skip", [])
    ]


def run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name(command[0])
    env = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BC_", "CKV_", "CHECKOV_"))
    }
    env |= {"SAM_CLI_TELEMETRY": "0", "AWS_EC2_METADATA_DISABLED": "true", **variables}
    return subprocess.run([str(program), *command[1:]], cwd=ROOT, env=env, capture_output=True, text=True)


@pytest.mark.parametrize("path", TEMPLATES)
def test_no_template_suppresses_a_finding_without_a_reason(path: Path) -> None:
    assert suppressions(path.read_text()) == []


def test_no_file_of_settings_suppresses_anything() -> None:
    places = (ROOT, CFN, ROOT / "tests", ROOT / "scripts", ROOT / ".ci")
    assert [path for place in places for pattern in SETTINGS for path in place.glob(pattern)] == []
    script = (ROOT / "scripts" / "test").read_text()
    assert re.findall(r"--ignore-checks|--skip-check|--soft-fail|--ignore-templates|--config-file", script) == []
    assert " ".join(CHECKOV) in script


SUPPRESSED = [
    ("cfn-lint by resource", "Metadata: {cfn-lint: {config: {ignore_checks: [W3005]}}}"),
    ("checkov by comment", "# checkov:skip=CKV_AWS_27:because"),
    ("no comment", "Metadata: {checkov: {skip: [{id: CKV_AWS_27}]}}"),
    ("an empty comment", "Metadata: {checkov: {skip: [{id: CKV_AWS_27, comment: ''}]}}"),
    ("a word for a comment", "Metadata: {checkov: {skip: [{id: CKV_AWS_27, comment: accepted}]}}"),
    ("checkov's old name", "Metadata: {bridgecrew: {skip: [{id: CKV_AWS_27}]}}"),
]


@pytest.mark.parametrize("line", [pytest.param(line, id=name) for name, line in SUPPRESSED])
def test_a_suppression_without_a_reason_is_found(line: str) -> None:
    queue = f"Resources:\n  Queue:\n    Type: AWS::SQS::Queue\n    {line}\n"
    assert len(suppressions(queue)) == 1


def test_a_skip_with_its_reason_is_none_of_them() -> None:
    skip = "{id: CKV_AWS_27, comment: Messages hold nothing but a name}"
    assert (
        suppressions(f"Resources: {{Queue: {{Type: AWS::SQS::Queue, Metadata: {{checkov: {{skip: [{skip}]}}}}}}}}")
        == []
    )


@pytest.mark.parametrize("path", TEMPLATES)
def test_checkov_finds_what_is_skipped_and_nothing_else(path: Path, tmp_path: Path) -> None:
    template = json.loads(json.dumps(load(path)))
    skipped = {(name, skip["id"]) for name, skip in skips(template)}
    for resource in template["Resources"].values():
        resource.get("Metadata", {}).pop("checkov", None)
    bare = tmp_path / "template.json"
    bare.write_text(json.dumps(template))
    done = run([*CHECKOV, "--output", "json", "--file", str(bare)])
    report = json.loads(done.stdout)
    failed = report["results"]["failed_checks"] if "results" in report else []
    assert report.get("summary", report)["parsing_errors" if "summary" in report else "failed"] == 0
    assert {(check["resource"].rpartition(".")[2], check["check_id"]) for check in failed} == skipped


@pytest.mark.parametrize(
    "command",
    [
        pytest.param([*CHECKOV, "--directory", str(CFN)], id="checkov"),
        pytest.param(["cfn-lint", str(CENTRAL)], id="cfn-lint"),
        pytest.param(["sam", "validate", "--lint", "--region", "us-east-1", "--template-file", str(CENTRAL)], id="sam"),
    ],
)
def test_no_linter_calls_anybody(command: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        done = run(command, HTTP_PROXY=url, HTTPS_PROXY=url, http_proxy=url, https_proxy=url, NO_PROXY="", no_proxy="")
        assert done.returncode == 0, done.stdout + done.stderr
        proxy.settimeout(0)
        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_a_call_would_be_noticed(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        url = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        # SAM that has never asked for a newer version of itself asks for one, and waits 5 s for an answer.
        command = ["sam", "validate", "--region", "us-east-1", "--template-file", str(CENTRAL)]
        run(command, HTTPS_PROXY=url, https_proxy=url, NO_PROXY="", no_proxy="", __SAM_CLI_APP_DIR=str(tmp_path))
        proxy.settimeout(0)
        with proxy.accept()[0] as call:
            assert call.recv(100).startswith(b"CONNECT pypi.org:443")
