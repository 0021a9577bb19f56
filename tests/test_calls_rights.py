"""Least privilege, both ways: the templates' roles allow all that was called over the whole run, and nothing else.

The local AWS keeps each right that a session of a role used, or a service under the role, and how it was decided (see
local_aws/call_record.py). This module runs after all others (see conftest).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import WHOLE_RUN
from templates import CFN, QUICKSIGHT, as_list, load, properties, resources, role_statements

# The dashboard's role is QuickSight's to use: the local QuickSight looks whether it may, and queries nothing.
TEMPLATES = [path for path in sorted(CFN.glob("*.yaml")) if path != QUICKSIGHT]

# (logical id of the role, Sid, action, part of the resource; "" is any) -> why no test needs it.
CRAWLER = "AWS does not document what its crawler calls: AWSGlueServiceRole allows glue:*. The local one reads less."
TRACES = "Lambda itself sends traces, if TracingMode says so; there is no X-Ray here."
ONLY_ON_AWS: dict[tuple[str, str, str, str], str] = {
    ("GlueCrawlerRole", "KeepTables", "glue:GetTables", ""): CRAWLER,
    ("GlueCrawlerRole", "KeepTables", "glue:GetPartition", ""): CRAWLER,
    ("GlueCrawlerRole", "KeepTables", "glue:GetPartitions", ""): CRAWLER,
    ("GlueCrawlerRole", "KeepTables", "glue:CreatePartition", ""): CRAWLER,
    ("GlueCrawlerRole", "KeepTables", "glue:BatchUpdatePartition", ""): CRAWLER,
    ("GlueCrawlerRole", "KeepTables", "glue:GetDatabase", ":table/"): (
        "A database is asked for by catalog and database; the statement names its resources once for all actions."
    ),
    (
        "GlueCrawlerRole",
        "WriteLog",
        "",
        "",
    ): "Glue writes the crawler's log under its role; the local crawler has none.",
    ("DeleteGlueTableColumnFunctionRole", "KeepTables", "glue:GetTable", ""): (
        "For a table that somebody changes between being read and being written, which only the Rust tests bring about."
    ),
    ("DeleteGlueTableColumnFunctionRole", "SendTraces", "", ""): TRACES,
    ("S3CleanupLambdaExecutionRole", "SendTraces", "", ""): TRACES,
}

# The ARNs that Fn::GetAtt gives of a resource.
ARNS = {
    "AWS::S3::Bucket": r"arn:[^:]+:s3:::[^:/]+",
    "AWS::KMS::Key": r"arn:[^:]+:kms:[^:]+:[^:]+:key/[^:/]+",
    "AWS::SQS::Queue": r"arn:[^:]+:sqs:[^:]+:[^:]+:[^:]+",
    "AWS::Logs::LogGroup": r"arn:[^:]+:logs:[^:]+:[^:]+:log-group:[^:]+:.*",
}
STACK = r"arn:[^:]+:cloudformation:[^:]+:[^:]+:stack/.+"


@dataclass(frozen=True)
class Right:
    """An action that a statement of a role allows, on one of the statement's resources."""

    role: str
    description: str
    sid: str
    action: str
    resource: str  # as the template writes it
    arns: str  # the regular expression of its ARNs, whatever the stack, account and Region

    def covers(self, call: dict[str, Any]) -> bool:
        same = (self.description, self.action) == (call["role"], call["action"])
        return same and re.fullmatch(self.arns, call["resource"]) is not None

    def __str__(self) -> str:
        return f"{self.role}: {self.sid}: {self.action} on {self.resource}"


def arns(path: Path, resource: Any) -> str:
    """The ARNs that a Resource of the template stands for."""
    if resource == "*":
        return ".*"
    if resource == {"Ref": "AWS::StackId"}:
        return STACK
    if "Fn::GetAtt" in resource:
        return ARNS[load(path)["Resources"][resource["Fn::GetAtt"][0]]["Type"]]
    parts = re.split(r"(\$\{[^}]+\}|\*)", as_list(resource["Fn::Sub"])[0])
    return "".join(part_of_an_arn(path, part) for part in parts)


def part_of_an_arn(path: Path, part: str) -> str:
    if part == "*":
        return ".*"
    if not part.startswith("${"):
        return re.escape(part)
    name = part[2:-1].removesuffix(".Arn")
    return ARNS[load(path)["Resources"][name]["Type"]] if part.endswith(".Arn}") else "[^:/]+"


def rights() -> Iterator[Right]:
    """All that the templates' roles allow."""
    for path in TEMPLATES:
        for role in resources(path, "AWS::IAM::Role"):
            description = properties(path, role)["Description"]
            for statement in role_statements(path, role):
                for action in as_list(statement["Action"]):
                    for resource in as_list(statement["Resource"]):
                        text = resource if isinstance(resource, str) else json.dumps(resource)
                        yield Right(role, description, statement["Sid"], action, text, arns(path, resource))


RIGHTS = list(rights())


@pytest.fixture(scope="module")
def calls() -> list[dict[str, Any]]:
    """All that the templates' roles were used for."""
    ours = {right.description for right in RIGHTS}
    files = Path(os.environ["TEST_LOGS"]).glob("rights-*.jsonl")
    made = [json.loads(line) for path in files for line in path.read_text().splitlines()]
    return [call for call in made if call["role"] in ours]


def test_a_role_is_known_by_its_description() -> None:
    roles = [properties(path, role)["Description"] for path in TEMPLATES for role in resources(path, "AWS::IAM::Role")]
    assert len(set(roles)) == len(roles) > 0


def test_every_call_is_allowed_by_the_templates_role(calls: list[dict[str, Any]]) -> None:
    beyond = {f"{call['role']}: {call['action']} on {call['resource']}" for call in calls if not covered(call)}
    assert beyond == set()


def covered(call: dict[str, Any]) -> bool:
    return any(right.covers(call) for right in RIGHTS)


def test_a_call_beyond_the_role_is_seen() -> None:
    right = next(right for right in RIGHTS if right.action == "s3:GetObject")
    call = {"role": right.description, "action": "s3:GetObject", "resource": "arn:aws:s3:::b/Folder/…"}
    assert covered(call)
    assert not covered({**call, "action": "s3:PutObject"})
    assert not covered({**call, "resource": "arn:aws:s3:::b"})
    assert not covered({**call, "role": next(r.description for r in RIGHTS if r.description != right.description)})


def never_used(calls: list[dict[str, Any]]) -> list[Right]:
    granted = [call for call in calls if call["allowed"]]
    return [right for right in RIGHTS if not any(right.covers(call) for call in granted)]


def only_on_aws(right: Right) -> list[tuple[str, str, str, str]]:
    """The entries of `ONLY_ON_AWS` that speak of the right."""
    parts = (right.role, right.sid, right.action, right.resource)
    return [
        entry
        for entry in ONLY_ON_AWS
        if all(wanted in ("", part) for wanted, part in zip(entry[:3], parts, strict=False)) and entry[3] in parts[3]
    ]


def test_every_right_of_a_role_was_needed(calls: list[dict[str, Any]], request: pytest.FixtureRequest) -> None:
    if not request.config.stash[WHOLE_RUN]:
        pytest.skip("only a part of the tests ran, and others use the rest of the rights")
    assert [str(right) for right in never_used(calls) if not only_on_aws(right)] == []


def test_what_is_said_to_be_needed_on_aws_only_is_so(
    calls: list[dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    if not request.config.stash[WHOLE_RUN]:
        pytest.skip("only a part of the tests ran")
    excused = {entry for right in never_used(calls) for entry in only_on_aws(right)}
    assert ONLY_ON_AWS.keys() - excused == set()


def test_a_right_that_nobody_used_is_seen(calls: list[dict[str, Any]]) -> None:
    right = next(right for right in RIGHTS if right.action == "ssm:CreateResourceDataSync")
    without = [call for call in calls if not right.covers(call)]
    assert right in never_used(without)
