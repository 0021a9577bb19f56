"""The facts of a managed node: what is true of it, before anyone writes it down.

`documents` spells these facts as the inventory files that Systems Manager writes, `answers` computes from them what a
query over those files must find. Neither reads the other. Times are aware datetimes in UTC without fractions of a
second; an optional fact that is unknown is None, and its attribute is then absent from the file.

Values and their spelling:
https://docs.aws.amazon.com/systems-manager/latest/userguide/inventory-schema.html
https://docs.aws.amazon.com/systems-manager/latest/userguide/patch-manager-compliance-states.html
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

# ComplianceItem's Severity, from the worst down (botocore: ssm ComplianceSeverity).
SEVERITIES = ("CRITICAL", "HIGH", "MEDIUM", "LOW", "INFORMATIONAL", "UNSPECIFIED")

INSTALLED = "Installed"
INSTALLED_OTHER = "InstalledOther"
INSTALLED_PENDING_REBOOT = "InstalledPendingReboot"
INSTALLED_REJECTED = "InstalledRejected"
MISSING = "Missing"
FAILED = "Failed"
NOT_APPLICABLE = "NotApplicable"
AVAILABLE_SECURITY_UPDATE = "AvailableSecurityUpdate"

ALWAYS_NON_COMPLIANT = frozenset({INSTALLED_PENDING_REBOOT, INSTALLED_REJECTED, MISSING, FAILED})
# The types of inventory in which a scan for patches is written down.
ITEMS = "AWS:ComplianceItem"
COMPLIANCE_SUMMARY = "AWS:ComplianceSummary"
PATCH_SUMMARY = "AWS:PatchSummary"

# What a writer without a clock may put where a time belongs.
UNREADABLE = "N/A"

# For these two Patch Manager leaves out what it knows of the patch, to save room.
WITHOUT_DETAILS = frozenset({INSTALLED_OTHER, NOT_APPLICABLE})


def iso(time: datetime) -> str:
    """The time as inventory files spell it: 2026-01-15T12:00:00Z."""
    return time.isoformat()[:19] + "Z"


def status_of(compliant: bool) -> str:
    """A ComplianceStatus."""
    return "COMPLIANT" if compliant else "NON_COMPLIANT"


@dataclass(frozen=True)
class System:
    """An operating system release, as the SSM Agent names it; `family` picks its patches and packages."""

    family: str
    platform_type: str
    platform_name: str
    platform_version: str
    kernel: str | None = None
    billing_product: str | None = None

    @property
    def is_windows(self) -> bool:
        return self.platform_type == "Windows"


@dataclass(frozen=True)
class Patch:
    """A patch that a vendor published. `vendor_severity` is the vendor's wording, `level` one of SEVERITIES."""

    id: str
    title: str
    classification: str
    vendor_severity: str
    level: str
    cve_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class PatchResult:
    """What a scan found about one patch. `installed_at` is None unless the state begins with Installed.

    `baseline_level` is the severity that the node's patch baseline gives to each patch; None: the patch's own.
    """

    patch: Patch
    state: str
    compliant: bool
    installed_at: datetime | None = None
    baseline_level: str | None = None

    @property
    def classification(self) -> str | None:
        return None if self.state in WITHOUT_DETAILS else self.patch.classification

    @property
    def vendor_severity(self) -> str | None:
        return None if self.state in WITHOUT_DETAILS else self.patch.vendor_severity

    @property
    def level(self) -> str | None:
        return None if self.state in WITHOUT_DETAILS else self.baseline_level or self.patch.level

    @property
    def cve_ids(self) -> tuple[str, ...]:
        """Patch Manager names CVE ids only for what is still to be installed."""
        return self.patch.cve_ids if self.state in (MISSING, FAILED) else ()

    @property
    def is_security(self) -> bool:
        return self.patch.classification in ("Security", "SecurityUpdates")


@dataclass(frozen=True)
class PatchCounts:
    """PatchSummary's counts. None: the writer did not report that count."""

    installed: int
    installed_other: int
    installed_pending_reboot: int | None
    installed_rejected: int | None
    missing: int
    failed: int
    not_applicable: int
    critical_non_compliant: int | None
    security_non_compliant: int | None
    other_non_compliant: int | None


@dataclass(frozen=True)
class PatchScan:
    """A node's newest run of AWS-RunPatchBaseline.

    `ended_at` is the end of the operation and `executed_at` the compliance's own time; both may be written as usual,
    not at all, or so that nobody can read them (`times`). `captured_at` is when Systems Manager took the findings in,
    and `written` are the types of inventory that tell of them. `last_no_reboot_install` is when patches were last
    installed without the reboot that they need. `unreported_not_applicable` counts patches beyond those that the scan
    names. `early_format`: the summaries were written before AWS added some of their attributes, and name no count that
    is zero by severity. `api_spelling`: states are spelled as in the API, INSTALLED_PENDING_REBOOT.
    """

    operation: str
    started_at: datetime
    ended_at: datetime
    executed_at: datetime
    captured_at: datetime
    times: str
    written: frozenset[str]
    reboot_option: str
    baseline_id: str
    patch_group: str | None
    execution_id: str
    execution_type: str
    snapshot_id: str
    install_override_list: str | None
    last_no_reboot_install: datetime | None
    unreported_not_applicable: int
    early_format: bool
    api_spelling: bool
    results: tuple[PatchResult, ...]

    @property
    def compliant(self) -> bool:
        """Whether Systems Manager calls the node compliant."""
        return all(result.compliant for result in self.results)

    @cached_property
    def by_severity(self) -> Counter[tuple[bool, str]]:
        """Patches by (compliant, severity); one without a severity counts as unspecified."""
        return Counter((result.compliant, result.level or "UNSPECIFIED") for result in self.results)

    @property
    def overall_severity(self) -> str:
        """The worst severity of a non-compliant patch, UNSPECIFIED if there is none."""
        return next((level for level in SEVERITIES if self.by_severity[False, level]), "UNSPECIFIED")

    @cached_property
    def counts(self) -> PatchCounts:
        """The counts that belong to the results.

        Critical, security and other divide the patches whose state is always non-compliant, by severity first and
        then by classification. An AvailableSecurityUpdate has a count in none of them, even where the baseline makes
        it count against the node (botocore: ssm InstancePatchState).
        """
        states = Counter(result.state for result in self.results)
        open_patches = [result for result in self.results if result.state in ALWAYS_NON_COMPLIANT]
        critical = sum(result.level == "CRITICAL" for result in open_patches)
        security = sum(result.level != "CRITICAL" and result.is_security for result in open_patches)
        early = self.early_format
        return PatchCounts(
            installed=states[INSTALLED],
            installed_other=states[INSTALLED_OTHER],
            installed_pending_reboot=None if early else states[INSTALLED_PENDING_REBOOT],
            installed_rejected=None if early else states[INSTALLED_REJECTED],
            missing=states[MISSING],
            failed=states[FAILED],
            not_applicable=states[NOT_APPLICABLE],
            critical_non_compliant=None if early else critical,
            security_non_compliant=None if early else security,
            other_non_compliant=None if early else len(open_patches) - critical - security,
        )

    def written_time(self, time: datetime) -> str | None:
        """A time of the scan as its files spell it, None if they do not."""
        return {"usual": iso(time), "absent": None, "unreadable": UNREADABLE}[self.times]

    def written_state(self, result: PatchResult) -> str:
        """A patch's state as the files spell it."""
        return re.sub("(?<=[a-z])(?=[A-Z])", "_", result.state).upper() if self.api_spelling else result.state

    def severity_count(self, compliant: bool, level: str) -> int | None:
        """Patches of that severity; None where the early format names no zero."""
        count = self.by_severity[compliant, level]
        return None if self.early_format and not count else count


@dataclass(frozen=True)
class OtherCompliance:
    """A compliance item that is not about patches: a State Manager association or a custom check."""

    type: str
    id: str
    title: str
    compliant: bool
    level: str
    checked_at: datetime
    document: str | None = None
    document_version: str | None = None
    text: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class Package:
    """A piece of software as a package manager describes it."""

    name: str
    version: str
    architecture: str
    publisher: str
    release: str | None = None
    epoch: str | None = None
    type: str | None = None
    url: str | None = None
    summary: str | None = None
    package_id: str | None = None
    is_aws_component: bool = False


@dataclass(frozen=True)
class InstalledPackage:
    """A package on a node."""

    package: Package
    installed_at: datetime


@dataclass(frozen=True)
class Service:
    """A Windows service."""

    name: str
    display_name: str
    start_type: str
    status: str
    depends_on: str = ""
    dependents: str = ""


@dataclass(frozen=True)
class Role:
    """A Windows role or feature; `path` leads from the topmost role down to it."""

    name: str
    display_name: str
    feature_type: str
    path: str
    installed: bool
    description: str
    parent: str = ""


@dataclass(frozen=True)
class Hardware:
    """Processor facts; the speed is in MHz."""

    cpu_model: str
    cpu_speed: int
    cpus: int
    sockets: int
    cores: int
    hyper_threading: bool


@dataclass(frozen=True)
class NetworkInterface:
    """A network interface; only Windows reports mask, gateway and servers."""

    name: str
    mac_address: str
    ipv4: str
    ipv6: str
    subnet_mask: str | None = None
    gateway: str | None = None
    dhcp_server: str | None = None
    dns_server: str | None = None


@dataclass(frozen=True)
class Inventory:
    """What AWS-GatherSoftwareInventory last saw; `hardware` is None if nobody asked for it.

    Updates are (KB id, installed at), and like services and roles are found on Windows only.
    """

    captured_at: datetime
    hardware: Hardware | None
    packages: tuple[InstalledPackage, ...]
    interfaces: tuple[NetworkInterface, ...]
    services: tuple[Service, ...] = ()
    roles: tuple[Role, ...] = ()
    updates: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True)
class Node:
    """A managed node, with everything that its files will say.

    `registered` False: the node has no InstanceInformation file. `scan` None: never scanned for patches.
    `inventory` None: nobody gathers inventory. `empty_types` are types whose file exists and holds no byte.
    `empty_strings`: what is unknown is written as an empty text. `blank_lines`: so are some lines of each file.
    `earlier`: the node as older files still have it, which nobody removed.
    """

    index: int
    case: str
    account: str
    region: str
    id: str
    system: System
    registered: bool
    instance_status: str | None
    platform_type: str | None
    computer_name: str
    ip_address: str | None
    agent_version: str | None
    seen_at: datetime
    tags: tuple[tuple[str, str], ...]
    scan: PatchScan | None
    other_compliance: tuple[OtherCompliance, ...]
    inventory: Inventory | None
    empty_types: frozenset[str]
    empty_strings: bool = False
    blank_lines: bool = False
    earlier: Node | None = None

    @property
    def is_hybrid(self) -> bool:
        return self.id.startswith("mi-")

    @property
    def resource_type(self) -> str:
        """InstanceInformation's own ResourceType, the attribute that collides with the partition of that name."""
        return "ManagedInstance" if self.is_hybrid else "EC2Instance"

    @property
    def is_terminated(self) -> bool:
        """Whether InstanceInformation says so; a node without that file is not known to have gone."""
        return self.registered and self.instance_status == "Terminated"
