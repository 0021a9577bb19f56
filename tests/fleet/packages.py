"""Installed software, Windows services and Windows roles, as the SSM Agent's inventory plug-in describes them."""

from __future__ import annotations

from fleet.model import Package, Role, Service
from fleet.patches import DEB_RELEASES, MACOS_UPDATES, RPM_RELEASES, WINDOWS_ROLLUPS

# Package on RPM systems, package on Debian systems, version, RPM group, summary. The agent escapes quotes in summaries
# once before it encodes them, hence curl's backslashes.
LINUX_PACKAGES: tuple[tuple[str, str, str, str, str], ...] = (
    ("acl", "acl", "2.3.1", "System Environment/Base", "Access control list utilities"),
    ("bash", "bash", "5.2.15", "System Environment/Shells", "The GNU Bourne Again shell"),
    ("bind-utils", "dnsutils", "9.16.48", "Applications/System", "Utilities for querying DNS name servers"),
    ("ca-certificates", "ca-certificates", "2023.2.68", "System Environment/Base", "Common CA certificates"),
    ("chrony", "chrony", "4.3", "System Environment/Daemons", "An NTP client/server"),
    ("cloud-init", "cloud-init", "22.2.2", "System Environment/Base", "Cloud instance init scripts"),
    ("coreutils", "coreutils", "8.32", "System Environment/Base", "A set of basic GNU tools"),
    ("curl", "curl", "8.5.0", "Applications/Internet", 'Get or send data with URLs: HTTP, FTP, \\"and more\\"'),
    ("dbus", "dbus", "1.12.28", "System Environment/Libraries", "D-BUS message bus"),
    ("e2fsprogs", "e2fsprogs", "1.46.5", "System Environment/Base", "Utilities for ext2, ext3 and ext4"),
    ("expat", "libexpat1", "2.5.0", "System Environment/Libraries", "An XML parser library"),
    ("gawk", "gawk", "5.1.0", "Applications/Text", "The GNU version of the AWK text processing utility"),
    ("git", "git", "2.40.1", "Development/Tools", "Fast Version Control System"),
    ("glibc", "libc6", "2.34", "System Environment/Libraries", "The GNU libc libraries"),
    ("gnupg2", "gnupg", "2.3.7", "Applications/System", "Utility for secure communication and data storage"),
    ("grep", "grep", "3.8", "Applications/Text", "Pattern matching utilities"),
    ("kernel", "linux-image-aws", "6.1.119", "System Environment/Kernel", "The Linux kernel"),
    ("krb5-libs", "libkrb5-3", "1.21.3", "System Environment/Libraries", "The non-admin shared libraries of Kerberos"),
    ("less", "less", "608", "Applications/Text", "A text file browser similar to more, but better"),
    ("nginx", "nginx", "1.24.0", "System Environment/Daemons", "A high performance web server"),
    ("openssh-server", "openssh-server", "8.7p1", "System Environment/Daemons", "An open source SSH server daemon"),
    ("openssl-libs", "libssl3", "3.0.8", "System Environment/Libraries", "A general purpose cryptography library"),
    ("python3", "python3", "3.9.20", "Development/Languages", "The Python 3 interpreter"),
    ("rsync", "rsync", "3.2.6", "Applications/Internet", "A program for synchronizing files over a network"),
    ("rsyslog", "rsyslog", "8.2204.0", "System Environment/Daemons", "Enhanced system logging and kernel messages"),
    ("sudo", "sudo", "1.9.15", "Applications/System", "Allows restricted root access for specified users"),
    ("systemd", "systemd", "252.23", "System Environment/Base", "System and Service Manager"),
    ("tzdata", "tzdata", "2024b", "System Environment/Base", "Timezone data"),
)

RPM_PUBLISHERS = {
    "amzn2023": "Amazon Linux",
    "amzn2": "Amazon Linux",
    "rhel8": "Red Hat, Inc.",
    "rhel9": "Red Hat, Inc.",
    "sles15": "SUSE LLC <https://www.suse.com/>",
}
DEB_PUBLISHERS = {
    "ubuntu2204": "Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>",
    "ubuntu2404": "Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>",
    "debian12": "Debian Maintainers <debian-maintainers@example.org>",
}

# Name, version, publisher. Windows tells product codes, and nothing that a package manager would.
WINDOWS_PACKAGES = (
    ("7-Zip 23.01 (x64)", "23.01", "Igor Pavlov"),
    ("Amazon Corretto (x64)", "17.0.12.7.1", "Amazon"),
    ("Git", "2.46.0", "The Git Development Community"),
    ("Google Chrome", "131.0.6778.86", "Google LLC"),
    ("IIS URL Rewrite Module 2", "7.2.1993", "Microsoft Corporation"),
    ("Microsoft Edge", "131.0.2903.70", "Microsoft Corporation"),
    ("Microsoft .NET Runtime - 8.0.11 (x64)", "64.44.23191", "Microsoft Corporation"),
    ("Microsoft OLE DB Driver for SQL Server", "18.7.2.0", "Microsoft Corporation"),
    ("Microsoft SQL Server 2019 (64-bit)", "15.0.2000.5", "Microsoft Corporation"),
    ("Microsoft SQL Server Management Studio - 19.3", "19.3.4.0", "Microsoft Corporation"),
    ("Microsoft Visual C++ 2015-2022 Redistributable (x64) - 14.38.33135", "14.38.33135.0", "Microsoft Corporation"),
    ("Microsoft Visual C++ 2022 X64 Minimum Runtime - 14.38.33135", "14.38.33135", "Microsoft Corporation"),
    ("Mozilla Maintenance Service", "128.4.0", "Mozilla"),
    ("Notepad++ (64-bit x64)", "8.6.9", "Notepad++ Team"),
    ("PowerShell 7-x64", "7.4.6.0", "Microsoft Corporation"),
    ("PuTTY release 0.81 (64-bit)", "0.81.0.0", "Simon Tatham"),
    ("Python 3.12.7 Core Interpreter (64-bit)", "3.12.7150.0", "Python Software Foundation"),
    ("VMware Tools", "12.4.5.23787635", "VMware, Inc."),
    ("WinSCP 6.3.5", "6.3.5", "Martin Prikryl"),
    ("Wireshark 4.4.1 x64", "4.4.1", "The Wireshark developer community, https://www.wireshark.org"),
)

MACOS_PACKAGES = (
    ("App Store", "3.0"), ("Automator", "2.10"), ("Calculator", "10.16"), ("Console", "1.1"), ("Docker", "4.34.3"),
    ("FaceTime", "36"), ("Git", "2.39.5"), ("Google Chrome", "131.0.6778.86"), ("Keychain Access", "11.0"),
    ("Preview", "11.0"), ("Safari", "18.1.1"), ("System Settings", "15.0"), ("Terminal", "2.14"), ("Xcode", "16.1"),
)  # fmt: skip

# A program may call itself anything, and be installed twice, once without a product code.
UNTRUSTED_PACKAGES = tuple(
    Package(
        name='Contoso "Ledger", <Enterprise> Edition\\x64',
        version="=1+1",
        architecture="x86_64",
        publisher="<script>alert('publisher')</script>, Ltd.",
        summary="Büchhaltung für \"Profis\", 100% 'sicher' \\ 安全",
        package_id=package_id,
    )
    for package_id in (None, "{7F2A1C39-5B0E-4E6C-9D7A-31D0B2B8C6A4}")
)

# A key that its owner has prolonged: RPM keeps both, and has no source package for either.
SAME_VERSION = tuple(
    Package(
        name="gpg-pubkey",
        version="fd431d51",
        architecture="x86_64",
        publisher="Red Hat, Inc. (release key 2) <security@redhat.com>",
        release=release,
        epoch="0",
        type="Public Keys",
        summary="Red Hat, Inc. (release key 2) <security@redhat.com> public key",
        package_id="(none)",
    )
    for release in ("4ae0493b", "5b2c1a77")
)

AGENT_NAMES = {"Windows": "Amazon SSM Agent", "Linux": "amazon-ssm-agent", "MacOS": "amazon-ssm-agent"}

CLOUDWATCH_AGENT_NAMES = {"Windows": "Amazon CloudWatch Agent", "Linux": "amazon-cloudwatch-agent"}

SERVICES = (
    Service("AmazonSSMAgent", "Amazon SSM Agent", "Automatic", "Running"),
    Service("BFE", "Base Filtering Engine", "Automatic", "Running", "RpcSs", "IKEEXT, mpssvc"),
    Service("Dnscache", "DNS Client", "Automatic", "Running", "nsi, Afd"),
    Service("EventLog", "Windows Event Log", "Automatic", "Running", "", "Wecsvc"),
    Service("MSSQLSERVER", "SQL Server (MSSQLSERVER)", "Manual", "Stopped", "", "SQLSERVERAGENT"),
    Service("Spooler", "Print Spooler", "Disabled", "Stopped", "RPCSS, http"),
    Service("TermService", "Remote Desktop Services", "Manual", "Running", "RPCSS"),
    Service("W32Time", "Windows Time", "Automatic", "Running"),
    Service("wuauserv", "Windows Update", "Manual", "Stopped", "rpcss"),
)

ROLES = (
    Role("FileAndStorage-Services", "File and Storage Services", "Role", "File and Storage Services", True, "Storage"),
    Role(
        "Storage-Services",
        "Storage Services",
        "Role Service",
        "File and Storage Services\\Storage Services",
        True,
        "Storage management that is always installed and cannot be removed.",
        "FileAndStorage-Services",
    ),
    Role("NET-Framework-45-Core", ".NET Framework 4.8", "Feature", ".NET Framework 4.8", True, "Runtime"),
    Role("PowerShell", "Windows PowerShell 5.1", "Feature", "Windows PowerShell 5.1", True, "Shell"),
    Role("Web-Server", "Web Server (IIS)", "Role", "Web Server (IIS)", False, "Sites and applications"),
)


def agent_package(platform_type: str, version: str) -> Package:
    """The SSM Agent's own package, under the name that it has on that platform."""
    name = AGENT_NAMES[platform_type]
    if platform_type == "Linux":
        return Package(
            name, version, "x86_64", "Amazon.com", "1", "0", "Amazon/Tools", "http://docs.aws.amazon.com/ssm/",
            "Manage EC2 Instances using SSM APIs", f"amazon-ssm-agent-{version}-1.src.rpm", True,
        )  # fmt: skip
    return Package(name, version, "x86_64", "Amazon Web Services", is_aws_component=True)


def cloudwatch_agent(platform_type: str) -> Package | None:
    """The CloudWatch agent, as its installer names it; macOS lists no such program."""
    name = CLOUDWATCH_AGENT_NAMES.get(platform_type)
    if name is None:
        return None
    if platform_type == "Linux":
        return Package(
            name, "1.300064.1b1344", "x86_64", "Amazon.com, Inc.", "1", "0", "Applications/CloudWatch-Agent",
            summary="Amazon CloudWatch Agent",
        )  # fmt: skip
    return Package(name, "1.4.37924", "x86_64", "Amazon.com, Inc.", package_id="{3D5B6E2C-8F0A-4C1D-9B7E-52A4C6D8E0F1}")


def _rpm(family: str) -> tuple[Package, ...]:
    release, publisher = RPM_RELEASES[family], RPM_PUBLISHERS[family]
    return tuple(
        Package(
            name, version, "x86_64", publisher, release, "0", group, f"https://example.org/{name}", summary,
            f"{name}-{version}-{release}.src.rpm",
        )
        for name, _, version, group, summary in LINUX_PACKAGES
    )  # fmt: skip


def _deb(family: str) -> tuple[Package, ...]:
    return tuple(
        Package(
            name, f"{version}-{DEB_RELEASES[family]}", "x86_64", DEB_PUBLISHERS[family], type="utils", summary=summary
        )
        for _, name, version, _, summary in LINUX_PACKAGES
    )


def _windows() -> tuple[Package, ...]:
    components = (("aws-cfn-bootstrap", "2.0.30"), ("AWS PV Drivers", "8.4.3"), ("AWS Tools for Windows", "3.15.2716"))
    return (
        *(
            Package(name, version, "x86_64", publisher, package_id=f"{{90160000-{number:04X}-0000-1000-0000000FF1CE}}")
            for number, (name, version, publisher) in enumerate(WINDOWS_PACKAGES)
        ),
        *(
            Package(name, version, "x86_64", "Amazon Web Services", is_aws_component=True)
            for name, version in components
        ),
        # One product twice, for 64 bits and for 32: neither name nor version tells the rows apart.
        Package("AWS Command Line Interface", "1.36.5", "x86_64", "Amazon Web Services Developer Relations"),
        Package("AWS Command Line Interface", "1.36.5", "i386", "Amazon Web Services Developer Relations"),
    )


PACKAGES: dict[str, tuple[Package, ...]] = {
    **{family: _rpm(family) for family in RPM_RELEASES},
    **{family: _deb(family) for family in DEB_RELEASES},
    **{family: _windows() for family in WINDOWS_ROLLUPS},
    **{
        family: tuple(Package(name, version, "x86_64", "Apple Inc.") for name, version in MACOS_PACKAGES)
        for family in MACOS_UPDATES
    },
}
