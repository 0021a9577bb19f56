"""Decides the facts of one node from the seed and the node's place in the fleet, and from nothing else.

Every draw comes from a generator of the node's own, so nodes can be made in any order, alone, and again. Only
`random.Random.random` is used of it: its sequence is the one that Python promises to keep across versions.
https://docs.python.org/3/library/random.html#notes-on-reproducibility
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from fleet import catalogs, packages, patches
from fleet.cases import CASES, Case, case_of
from fleet.model import (
    AVAILABLE_SECURITY_UPDATE,
    FAILED,
    INSTALLED,
    INSTALLED_OTHER,
    INSTALLED_PENDING_REBOOT,
    INSTALLED_REJECTED,
    MISSING,
    NOT_APPLICABLE,
    InstalledPackage,
    Inventory,
    NetworkInterface,
    Node,
    OtherCompliance,
    PatchResult,
    PatchScan,
    System,
)

T = TypeVar("T")

# What an older set of a node's files says of it, and by how many days it is older: more than a node is ever silent for.
EARLIER_FINDINGS = ((MISSING, 3), (FAILED, 1), (INSTALLED_PENDING_REBOOT, 2))
EARLIER_DAYS = 70


class Draws:
    """A node's own random decisions."""

    def __init__(self, *subject: object) -> None:
        self._next = random.Random("/".join(map(str, subject))).random

    def between(self, least: int, most: int) -> int:
        """An integer, both ends included."""
        return least + int(self._next() * (most - least + 1))

    def pick(self, choices: Sequence[T]) -> T:
        return choices[int(self._next() * len(choices))]

    def chance(self, share: float) -> bool:
        return self._next() < share

    def rotated(self, choices: tuple[T, ...]) -> tuple[T, ...]:
        """The choices from a random one on; taking a few of them never takes one twice."""
        start = self.between(0, len(choices) - 1)
        return choices[start:] + choices[:start]


def hex_id(length: int, *subject: object) -> str:
    """Hexadecimal digits that belong to the subject, at most 64."""
    return hashlib.sha256("/".join(map(str, subject)).encode()).hexdigest()[:length]


def uuid(*subject: object) -> str:
    """An id in the form of a UUID that belongs to the subject."""
    digits = hex_id(32, *subject)
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def make_node(seed: int, index: int, account: str, region: str, now: datetime) -> Node:
    """The node at `index` of a fleet, as it is at `now`, a whole second in UTC."""
    case = case_of(index)
    draws = Draws(seed, index, account, region)
    # In the first round in turn, so that a small fleet has them all.
    first_round = index < len(CASES)
    system = catalogs.SYSTEMS[case.systems[0] if first_round else draws.pick(case.systems)]
    versions = catalogs.AGENT_VERSIONS
    agent_version = versions[index % len(versions)] if first_round else draws.pick(versions)
    if case.agent_version is not None:
        agent_version = case.agent_version
    digits = hex_id(16, seed, index, account, region)
    node_id = f"mi-0{digits}" if case.hybrid else f"i-0{digits}"
    node = _node(index, case, draws, system, node_id, account, region, agent_version, now)
    if case.earlier is None:
        return node
    earlier_case = replace(
        case, status=case.earlier, findings=EARLIER_FINDINGS, times="usual", tags="earlier", earlier=None
    )
    earlier_draws = Draws(seed, index, account, region, "earlier")
    then = now - timedelta(days=EARLIER_DAYS)
    agent_version = catalogs.EARLIER_AGENT_VERSION
    earlier = _node(index, earlier_case, earlier_draws, system, node_id, account, region, agent_version, then)
    return replace(node, earlier=earlier)


def _node(
    index: int,
    case: Case,
    draws: Draws,
    system: System,
    node_id: str,
    account: str,
    region: str,
    agent_version: str,
    now: datetime,
) -> Node:
    digits = node_id.rpartition("-")[2][1:]
    seen_at = now - timedelta(days=draws.between(*case.seen), seconds=draws.between(10, 3600))
    address = f"10.{draws.between(0, 255)}.{draws.between(0, 255)}.{draws.between(4, 250)}"
    scan = _scan(case, system, node_id, account, region, seen_at, draws)
    return Node(
        index=index,
        case=case.name,
        account=account,
        region=region,
        id=node_id,
        system=system,
        registered=case.registered,
        instance_status=case.status,
        platform_type=system.platform_type if case.platform_type_known else None,
        computer_name=_computer_name(case, system, digits, address, region),
        ip_address=address if case.ip_address_known else None,
        agent_version=agent_version if case.agent_version_known else None,
        seen_at=seen_at,
        tags=_tags(case, scan, draws),
        scan=scan,
        other_compliance=_other_compliance(case, node_id, seen_at, draws),
        inventory=_inventory(case, system, agent_version, address, seen_at, draws),
        empty_types=frozenset({"AWS:Application"} if case.inventory == "empty" else ()),
        empty_strings=case.empty_strings,
        blank_lines=case.blank_lines,
    )


def _computer_name(case: Case, system: System, digits: str, address: str, region: str) -> str:
    if case.tags == "untrusted":
        return catalogs.UNTRUSTED_COMPUTER_NAME
    if system.is_windows:
        return f"EC2AMAZ-{digits[:7].upper()}"
    if case.hybrid:
        return f"srv-{digits[:4]}.dc1.example.com"
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return f"ip-{address.replace('.', '-')}.{domain}"


def _scan(
    case: Case, system: System, node_id: str, account: str, region: str, seen_at: datetime, draws: Draws
) -> PatchScan | None:
    if case.findings is None:
        return None
    ended_at = seen_at - timedelta(days=draws.between(*case.scan_age), minutes=draws.between(10, 600))
    # The compliance has a time of its own, a little before the operation's end or after it.
    executed_at = ended_at + timedelta(seconds=draws.between(-120, 120))
    captured_at = max(ended_at, executed_at) + timedelta(seconds=draws.between(1, 300))
    started_at = ended_at - timedelta(seconds=draws.between(20, 900))
    states = {state for state, _ in case.findings}
    # The patches that wait for a reboot came with an Install, which a later Scan may have overwritten.
    waits_for_reboot = INSTALLED_PENDING_REBOOT in states
    installs = FAILED in states or draws.chance(0.3)
    last_install = None
    if waits_for_reboot:
        last_install = started_at if installs else started_at - timedelta(days=draws.between(1, 21))
    policy = draws.chance(0.4)
    override = f"s3://patch-lists-{account}/emergency.yaml" if draws.chance(0.05) else None
    return PatchScan(
        operation="Install" if installs else "Scan",
        started_at=started_at,
        ended_at=ended_at,
        executed_at=executed_at,
        captured_at=captured_at,
        times=case.times,
        written=frozenset(case.written),
        reboot_option="NoReboot" if waits_for_reboot or not installs else "RebootIfNeeded",
        baseline_id=f"pb-0{hex_id(16, account, region, system.family)}",
        patch_group=None if policy else draws.pick((None, *catalogs.PATCH_GROUPS)),
        execution_id=uuid(node_id, "scan", ended_at),
        execution_type="PatchPolicy" if policy else "Command",
        snapshot_id=uuid(node_id, "snapshot", ended_at),
        install_override_list=override,
        last_no_reboot_install=None if case.early_format or case.times == "absent" else last_install,
        unreported_not_applicable=draws.between(100, 900) if system.is_windows else 0,
        early_format=case.early_format,
        api_spelling=case.api_spelling,
        results=_results(case, system, ended_at, last_install, draws),
    )


def _results(
    case: Case, system: System, ended_at: datetime, last_install: datetime | None, draws: Draws
) -> tuple[PatchResult, ...]:
    """One result a patch: what the case asks for, then patches in order, then those outside the baseline."""
    offered = iter(draws.rotated(patches.PATCHES[system.family]))

    def days_before(most: int) -> datetime:
        return ended_at - timedelta(days=draws.between(1, most), seconds=draws.between(0, 86_399))

    results = []
    for state, most in case.findings or ():
        for number in range(draws.between(1, most)):
            installed_at = None
            if state == INSTALLED_PENDING_REBOOT:
                # Not all in one run: what was installed last is not what has waited longest.
                installed_at = last_install and last_install - timedelta(days=number)
            elif state == INSTALLED_REJECTED:
                installed_at = days_before(30)
            compliant = state == AVAILABLE_SECURITY_UPDATE and not case.available_counts
            compliant = compliant or (state == INSTALLED_PENDING_REBOOT and case.pending_tolerated)
            # Only a security update is an available security update; of what is missing, one at least has CVE ids.
            needs_cve = state == AVAILABLE_SECURITY_UPDATE or (state == MISSING and number == 0)
            patch = next(patch for patch in offered if patch.cve_ids or not needs_cve)
            results.append(PatchResult(patch, state, compliant, installed_at, case.level))
    for patch in islice(offered, draws.between(8, 20)):
        results.append(PatchResult(patch, INSTALLED, True, days_before(400), case.level))
    for patch in draws.rotated(patches.OTHER_PATCHES[system.family])[: draws.between(1, 3)]:
        results.append(PatchResult(patch, INSTALLED_OTHER, True, days_before(700)))
    if system.is_windows:
        for patch in patches.NOT_APPLICABLE_PATCHES[: draws.between(1, 2)]:
            results.append(PatchResult(patch, NOT_APPLICABLE, True))
    return tuple(results)


def _other_compliance(case: Case, node_id: str, seen_at: datetime, draws: Draws) -> tuple[OtherCompliance, ...]:
    items = []
    if case.association is not None:
        items.append(
            OtherCompliance(
                type="Association",
                id=uuid(node_id, "association"),
                title="" if draws.chance(0.5) else "inventory",
                compliant=case.association,
                level="UNSPECIFIED" if case.association else "HIGH",
                checked_at=seen_at - timedelta(minutes=draws.between(0, 30)),
                document="AWS-GatherSoftwareInventory",
                document_version="1",
            )
        )
    if case.custom_compliance:
        items.append(
            OtherCompliance(
                type="Custom:AntiVirus",
                id="signatures",
                title="Virus signatures, age",
                compliant=False,
                level="MEDIUM",
                checked_at=seen_at,
                text='"signatures" are 9 days old, allowed: 7',
                link="https://wiki.example.com/antivirus?id=1&lang=en",
            )
        )
    return tuple(items)


def _tags(case: Case, scan: PatchScan | None, draws: Draws) -> tuple[tuple[str, str], ...]:
    """The node's tags, each key once."""
    if case.tags == "none":
        return ()
    if case.tags == "untrusted":
        return catalogs.UNTRUSTED_TAGS
    if case.tags == "earlier":
        return catalogs.EARLIER_TAGS
    name = draws.pick(catalogs.NODE_NAMES)
    if case.tags == "ten":
        return (("Name", name), *catalogs.NINE_TAGS)
    tags = [("Name", name), ("Environment", draws.pick(catalogs.ENVIRONMENTS))]
    if draws.chance(0.7):
        tags.append(("Owner", draws.pick(catalogs.OWNERS)))
    if draws.chance(0.5):
        tags.append(("CostCenter", draws.pick(catalogs.COST_CENTERS)))
    if scan and scan.patch_group:
        tags.append(("Patch Group", scan.patch_group))
    return tuple(tags)


def _inventory(
    case: Case, system: System, agent_version: str, address: str, seen_at: datetime, draws: Draws
) -> Inventory | None:
    if case.inventory == "none":
        return None
    captured_at = seen_at - timedelta(minutes=draws.between(0, 25))
    built_at = captured_at - timedelta(days=draws.between(20, 900), seconds=draws.between(0, 86_399))
    installed: list[InstalledPackage] = []
    if case.inventory not in ("empty", "hardware"):
        installed.append(InstalledPackage(packages.agent_package(system.platform_type, agent_version), built_at))
        if case.tags == "untrusted":
            installed.extend(InstalledPackage(package, built_at) for package in packages.UNTRUSTED_PACKAGES)
        if case.same_version:
            installed.extend(
                InstalledPackage(package, built_at + timedelta(days=number))
                for number, package in enumerate(packages.SAME_VERSION)
            )
        for package in draws.rotated(packages.PACKAGES[system.family])[: draws.between(14, 24)]:
            installed_at = built_at + timedelta(days=draws.between(0, 19)) if draws.chance(0.3) else built_at
            installed.append(InstalledPackage(package, installed_at))
    updates = ()
    if system.is_windows:
        rollups = draws.rotated(patches.PATCHES[system.family])[: draws.between(3, 8)]
        updates = tuple((patch.id, built_at + timedelta(days=draws.between(0, 19))) for patch in rollups)
    mac = system.platform_type == "MacOS"
    hardware = catalogs.MAC_PROCESSOR if mac else draws.pick(catalogs.PROCESSORS)
    only_a_part = case.inventory in ("hardware", "applications")
    interfaces = () if only_a_part else _interfaces(system, address, draws)
    cloudwatch_agent = packages.cloudwatch_agent(system.platform_type)
    if installed and cloudwatch_agent and draws.chance(0.6):
        installed.append(InstalledPackage(cloudwatch_agent, built_at))
    return Inventory(
        captured_at=captured_at,
        hardware=None if case.inventory == "applications" else hardware,
        packages=tuple(installed),
        interfaces=interfaces,
        services=packages.SERVICES if system.is_windows else (),
        roles=packages.ROLES if system.is_windows else (),
        updates=updates,
    )


def _interfaces(system: System, address: str, draws: Draws) -> tuple[NetworkInterface, ...]:
    first, second, third, last = address.split(".")
    digits = "".join(f"{int(part):02X}" for part in (first, second, third, last))
    mac_address = f"02:0E:{':'.join(digits[at : at + 2] for at in range(0, 8, 2))}"
    ipv6 = f"fe80::{int(second):x}:{int(third):x}ff:fe{int(last):02x}:1"
    if not system.is_windows:
        name = "en0" if system.platform_type == "MacOS" else "eth0"
        interfaces = [NetworkInterface(name, mac_address, address, ipv6)]
        if draws.chance(0.2):
            interfaces.append(NetworkInterface("docker0", "02:42:AC:11:00:01", "172.17.0.1", ""))
        return tuple(interfaces)
    gateway = f"{first}.{second}.{third}.1"
    return (
        NetworkInterface(
            "Amazon Elastic Network Adapter", mac_address, address, ipv6, "255.255.255.0", gateway, gateway, "10.0.0.2"
        ),
    )
