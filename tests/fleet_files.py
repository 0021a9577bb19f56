"""Reads a sample fleet's files back as the bucket would hold them, by plain Python and without the fleet's model."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field

from fleet import Fleet
from organization import MEMBER_ACCOUNTS as ACCOUNTS
from organization import REGIONS

PLACES = [(account, region) for account in ACCOUNTS for region in REGIONS]
NOW = "2026-01-15T12:00:00Z"

KEY = re.compile(
    r"(?P<type>AWS:[A-Za-z]+)/accountid=(?P<account>\d{12})/region=(?P<region>[a-z0-9-]+)"
    r"/resourcetype=(?P<partition>ManagedInstanceInventory|ManagedInstance)/(?P<node>(?:i|mi)-[0-9a-f]{17})\.json"
)

Line = dict[str, str]


@dataclass
class NodeFiles:
    """What the bucket holds of one node; a type without a file is absent. Of two files of a type, `older` has one."""

    account: str
    region: str
    id: str
    lines: dict[str, list[Line]] = field(default_factory=dict)
    older: dict[str, list[Line]] = field(default_factory=dict)
    blank_lines: int = 0

    def of(self, name: str) -> list[Line]:
        return self.lines.get(f"AWS:{name}", [])

    @property
    def information(self) -> Line:
        return (self.of("InstanceInformation") or [{}])[0]

    @property
    def patches(self) -> list[Line]:
        return [line for line in self.of("ComplianceItem") if line["ComplianceType"] == "Patch"]

    @property
    def compliance(self) -> Line | None:
        """The summary of the node's patches; None for a node that has none."""
        return next((line for line in self.of("ComplianceSummary") if line["ComplianceType"] == "Patch"), None)

    @property
    def called(self) -> str | None:
        """The Status that Systems Manager gives to the node's patches."""
        return self.compliance["Status"] if self.compliance else None

    @property
    def counts(self) -> Line | None:
        """The patch summary; None for a node that has none."""
        return next(iter(self.of("PatchSummary")), None)

    def has(self, state: str, status: str | None = None) -> bool:
        return any(p["PatchState"] == state and status in (None, p["Status"]) for p in self.patches)

    @property
    def tags(self) -> dict[str, str]:
        return {line["Key"]: line["Value"] for line in self.of("Tag")}


def make(nodes: int, seed: int = 1, accounts: list[str] = ACCOUNTS, regions: list[str] = REGIONS) -> Fleet:
    return Fleet(seed, accounts, regions, nodes, NOW)


def read(fleet: Fleet) -> dict[str, NodeFiles]:
    """The nodes by id, from nothing but the files' keys and bytes."""
    nodes: dict[str, NodeFiles] = {}
    for place in ((account, region) for account in fleet.accounts for region in fleet.regions):
        for key, content in fleet.files(*place):
            match = KEY.fullmatch(key)
            assert match, key
            assert (match["account"], match["region"]) == place
            node = nodes.setdefault(match["node"], NodeFiles(match["account"], match["region"], match["node"]))
            of_its_age = node.lines if match["partition"] == "ManagedInstanceInventory" else node.older
            assert match["type"] not in of_its_age, f"{key} comes twice"
            assert content == b"" or content.endswith(b"\n")
            lines = content.decode().splitlines()
            of_its_age[match["type"]] = [json.loads(line) for line in lines if line]
            node.blank_lines += lines.count("")
    return nodes
