"""The cases that real fleets hold, one row each; every round of nodes takes each case once.

A fleet of as many nodes as there are cases therefore has every one of them, whatever its seed. The mix is that of a
middling organization, with more oddities than one has: about every third node is compliant.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.model import (
    AVAILABLE_SECURITY_UPDATE,
    COMPLIANCE_SUMMARY,
    FAILED,
    INSTALLED_PENDING_REBOOT,
    INSTALLED_REJECTED,
    ITEMS,
    MISSING,
    PATCH_SUMMARY,
)

RED_HATS = ("rhel9", "rhel8")
AMAZON_LINUX = ("amzn2023", "amzn2")
WINDOWS = ("windows2022", "windows2019", "windows2016")
SLES = ("sles15",)
UBUNTU = ("ubuntu2204", "ubuntu2404")
DEBIAN = ("debian12",)
MACOS = ("macos14", "macos15")


@dataclass(frozen=True)
class Case:
    """What every node of a case has in common.

    systems           keys of catalogs.SYSTEMS, the first of them for a fleet's first node of the case
    findings          patch states that the scan found, each with the most patches to have it (1 at least);
                      None: never scanned
    scan_age          days between the scan and the node's last sign of life, least and most
    seen              days since the node's last sign of life, least and most
    written           types of inventory in which the scan is written down
    times             of the scan: usual | absent | unreadable
    api_spelling      patch states are spelled as in the API
    pending_tolerated Systems Manager calls patches compliant that wait for a reboot
    level             the severity that the baseline gives to every patch; None: the patch's own
    available_counts  the baseline's AvailableSecurityUpdatesComplianceStatus is NON_COMPLIANT
    association       whether its State Manager association is compliant; None: it has none
    tags              none | usual | ten | untrusted (text that a careless report would run or choke on)
    inventory         gathered | none | empty (the Application file holds no byte) | hardware | applications (only that)
    agent_version     the agent's; None: one of the usual
    same_version      a package is installed twice, and only its release tells the two apart
    empty_strings     what is unknown is written as an empty text instead of being left out
    blank_lines       the files hold blank lines
    earlier           the status that an older set of files, never removed, gives to the node; None: there is none
    """

    name: str
    systems: tuple[str, ...]
    hybrid: bool = False
    status: str | None = "Active"
    registered: bool = True
    platform_type_known: bool = True
    ip_address_known: bool = True
    findings: tuple[tuple[str, int], ...] | None = ()
    scan_age: tuple[int, int] = (0, 1)
    seen: tuple[int, int] = (0, 0)
    early_format: bool = False
    written: tuple[str, ...] = (ITEMS, COMPLIANCE_SUMMARY, PATCH_SUMMARY)
    times: str = "usual"
    api_spelling: bool = False
    pending_tolerated: bool = False
    level: str | None = None
    available_counts: bool = False
    association: bool | None = True
    custom_compliance: bool = False
    tags: str = "usual"
    inventory: str = "gathered"
    agent_version: str | None = None
    agent_version_known: bool = True
    same_version: bool = False
    empty_strings: bool = False
    blank_lines: bool = False
    earlier: str | None = None


CASES = (
    Case("compliant", AMAZON_LINUX),
    Case("missing patches", AMAZON_LINUX, findings=((MISSING, 6),)),
    Case("available update tolerated", WINDOWS, findings=((AVAILABLE_SECURITY_UPDATE, 2),)),
    Case("terminated, never scanned", UBUNTU, status="Terminated", findings=None, seen=(3, 60)),
    Case(
        "available update counted",
        ("windows2019", "windows2022"),
        findings=((AVAILABLE_SECURITY_UPDATE, 2),),
        available_counts=True,
    ),
    Case("hybrid, compliant", RED_HATS, hybrid=True, custom_compliance=True),
    Case("pending reboot", WINDOWS, findings=((INSTALLED_PENDING_REBOOT, 2),)),
    Case("never scanned", AMAZON_LINUX, findings=None, association=None),
    # The trap: its compliance files exist, and say NON_COMPLIANT of something that is no patch.
    Case("never scanned, association failed", UBUNTU, findings=None, association=False),
    Case("stopped", AMAZON_LINUX, status="Stopped", seen=(5, 25), findings=((MISSING, 2),)),
    Case("failed patches", ("windows2016", "windows2019"), findings=((FAILED, 2), (MISSING, 2))),
    # The other trap: its patches are in order, its association is not.
    Case("untagged, association failed", ("amzn2", "amzn2023"), association=False, tags="none"),
    Case("ten tags", SLES, findings=((MISSING, 4), (INSTALLED_PENDING_REBOOT, 1)), tags="ten"),
    Case("hybrid, missing patches", ("windows2019", "windows2016"), hybrid=True, findings=((MISSING, 3),)),
    Case("terminated", AMAZON_LINUX, status="Terminated", seen=(3, 60), findings=((MISSING, 5),)),
    Case(
        "connection lost",
        DEBIAN,
        hybrid=True,
        status="ConnectionLost",
        ip_address_known=False,
        seen=(9, 40),
        scan_age=(10, 50),
        findings=((MISSING, 8),),
    ),
    Case("scanned long ago", RED_HATS, scan_age=(45, 200), early_format=True),
    Case("rejected patch", ("amzn2023",), findings=((INSTALLED_REJECTED, 1),)),
    Case("no status", ("amzn2",), status=None, platform_type_known=False),
    Case("no instance information", ("ubuntu2404", "ubuntu2204"), registered=False, findings=((MISSING, 3),)),
    Case("no inventory", UBUNTU, inventory="none", association=None),
    Case("mac", MACOS),
    Case("empty application file", AMAZON_LINUX, inventory="empty"),
    Case("untrusted text", ("windows2022",), findings=((MISSING, 3), (FAILED, 1)), tags="untrusted"),
    # Of each type there are two files, and the older one says otherwise: terminated, with patches missing and others.
    Case("older files say terminated", AMAZON_LINUX, earlier="Terminated"),
    Case("terminated, older files say active", AMAZON_LINUX, status="Terminated", seen=(3, 20), earlier="Active"),
    Case("only tags", AMAZON_LINUX, registered=False, findings=None, association=None, inventory="none"),
    Case(
        "only hardware",
        AMAZON_LINUX,
        registered=False,
        findings=None,
        association=None,
        tags="none",
        inventory="hardware",
    ),
    # None of the types by which a node is known.
    Case(
        "only applications",
        UBUNTU,
        registered=False,
        findings=None,
        association=None,
        tags="none",
        inventory="applications",
    ),
    Case(
        "only an association", UBUNTU, registered=False, findings=None, association=False, tags="none", inventory="none"
    ),
    Case(
        "only a patch summary, pending reboot",
        WINDOWS,
        findings=((INSTALLED_PENDING_REBOOT, 2),),
        written=(PATCH_SUMMARY,),
    ),
    Case("only a patch summary, compliant", AMAZON_LINUX, written=(PATCH_SUMMARY,), association=None),
    Case("no patch summary", RED_HATS, findings=((MISSING, 2),), written=(ITEMS, COMPLIANCE_SUMMARY)),
    Case(
        "pending reboot, called compliant", WINDOWS, findings=((INSTALLED_PENDING_REBOOT, 1),), pending_tolerated=True
    ),
    Case("pending reboot, early format", AMAZON_LINUX, findings=((INSTALLED_PENDING_REBOOT, 3),), early_format=True),
    Case("times absent", AMAZON_LINUX, findings=((INSTALLED_PENDING_REBOOT, 1),), times="absent"),
    # Which of its files is the newer can still be told: by when they were captured.
    Case("times unreadable", UBUNTU, findings=((MISSING, 2),), times="unreadable", earlier="Active"),
    Case(
        "empty strings",
        AMAZON_LINUX,
        status=None,
        platform_type_known=False,
        ip_address_known=False,
        findings=((MISSING, 1),),
        early_format=True,
        times="absent",
        agent_version_known=False,
        empty_strings=True,
    ),
    Case(
        "states as in the API",
        WINDOWS,
        findings=((MISSING, 2), (FAILED, 1), (INSTALLED_PENDING_REBOOT, 1)),
        api_spelling=True,
    ),
    Case("low level", AMAZON_LINUX, findings=((MISSING, 6),), level="LOW"),
    Case("short agent version, one package twice", RED_HATS, agent_version="3.2.1705", same_version=True),
    Case("blank lines", UBUNTU, blank_lines=True),
)


def case_of(index: int) -> Case:
    """The case of a fleet's node. Nodes go round the accounts and Regions; each round of cases starts one case further
    on, or else a case would come back to the same few places for ever."""
    return CASES[(index + index // len(CASES)) % len(CASES)]
