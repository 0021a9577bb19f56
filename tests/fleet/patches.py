"""Patches by operating system: real package names, KB ids and CVE ids in the forms that Patch Manager reports.

Linux patches are packages: the id is name.architecture, the title adds epoch, version and release. Windows patches
are KB articles. The pairing of package, version and CVE is close to life and no security advice.
"""

from __future__ import annotations

from fleet.model import Patch

# Package on RPM systems, package on Debian systems, version, classification, vendor severity, CVE ids.
LINUX_UPDATES: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("kernel", "linux-image-aws", "6.1.119", "Security", "Critical", "CVE-2024-1086,CVE-2024-26925,CVE-2024-36971"),
    ("bash", "bash", "5.2.15", "Bugfix", "Low", ""),
    ("openssl-libs", "libssl3", "3.0.8", "Security", "Important", "CVE-2024-5535,CVE-2023-5678"),
    ("curl", "curl", "8.5.0", "Security", "Important", "CVE-2023-38545,CVE-2023-38546"),
    ("tzdata", "tzdata", "2024b", "Enhancement", "Low", ""),
    ("openssh-server", "openssh-server", "8.7p1", "Security", "Critical", "CVE-2024-6387"),
    ("glibc", "libc6", "2.34", "Security", "Important", "CVE-2023-4911,CVE-2024-2961"),
    ("sudo", "sudo", "1.9.15", "Security", "Important", "CVE-2025-32463"),
    ("systemd", "systemd", "252.23", "Bugfix", "Moderate", ""),
    ("expat", "libexpat1", "2.5.0", "Security", "Moderate", "CVE-2024-45490,CVE-2024-45491,CVE-2024-45492"),
    ("libxml2", "libxml2", "2.10.4", "Security", "Moderate", "CVE-2024-25062"),
    ("python3", "python3.11-minimal", "3.9.20", "Security", "Important", "CVE-2024-6232,CVE-2023-27043"),
    ("vim-minimal", "vim-tiny", "9.0.2153", "Security", "Low", "CVE-2023-48706"),
    ("git", "git", "2.40.1", "Security", "Critical", "CVE-2024-32002,CVE-2024-32004"),
    ("nghttp2", "libnghttp2-14", "1.59.0", "Security", "Important", "CVE-2023-44487"),
    ("bind-libs", "bind9-libs", "9.16.48", "Security", "Important", "CVE-2023-50387,CVE-2023-50868"),
    ("ca-certificates", "ca-certificates", "2023.2.68", "Enhancement", "Low", ""),
    ("krb5-libs", "libkrb5-3", "1.21.3", "Security", "Moderate", "CVE-2024-37370,CVE-2024-37371"),
    ("less", "less", "608", "Security", "Moderate", "CVE-2024-32487"),
    ("polkit", "polkitd", "0.117", "Security", "Important", "CVE-2021-4034"),
    ("rsync", "rsync", "3.2.6", "Security", "Critical", "CVE-2024-12084,CVE-2024-12085"),
    ("xz", "xz-utils", "5.2.5", "Security", "Important", "CVE-2022-1271"),
    ("zlib", "zlib1g", "1.2.11", "Security", "Moderate", "CVE-2023-45853"),
    ("wget", "wget", "1.21.3", "Security", "Moderate", "CVE-2024-38428"),
    ("libcap", "libcap2", "2.48", "Security", "Low", "CVE-2023-2603"),
    ("ncurses", "libncurses6", "6.2", "Security", "Low", "CVE-2023-29491"),
    ("chrony", "chrony", "4.3", "Bugfix", "Low", ""),
    ("rsyslog", "rsyslog", "8.2204.0", "Bugfix", "Moderate", ""),
    ("amazon-ssm-agent", "amazon-ssm-agent", "3.3.987.0", "Bugfix", "Low", ""),
    ("dbus", "dbus", "1.12.28", "Security", "Moderate", "CVE-2023-34969"),
)

# What an administrator installed outside the baseline: found by every scan, described by none.
OTHER_LINUX = ("docker-ce", "nodejs", "postgresql15-server", "datadog-agent", "nginx", "htop")

RPM_RELEASES = {
    "amzn2023": "1.amzn2023.0.4",
    "amzn2": "1.amzn2.0.9",
    "rhel8": "5.el8_10",
    "rhel9": "4.el9_4",
    "sles15": "150500.3.7.1",
}
DEB_RELEASES = {"ubuntu2204": "0ubuntu0.22.04.3", "ubuntu2404": "0ubuntu0.24.04.1", "debian12": "0+deb12u8"}

LEVELS = {
    "Critical": "CRITICAL",
    "Important": "HIGH",
    "Moderate": "MEDIUM",
    "Medium": "MEDIUM",
    "Low": "LOW",
    # Debian's and Ubuntu's priorities.
    "Standard": "INFORMATIONAL",
    "Optional": "UNSPECIFIED",
    "Unspecified": "UNSPECIFIED",
}

# Thirteen monthly rollups of each Windows Server, January 2024 to January 2025.
WINDOWS_ROLLUPS = {
    "windows2022": (
        "5034129 5034770 5035857 5036909 5037782 5039227 5040437 5041160 5042881 5044281 5046616 5048654 5049983"
    ),
    "windows2019": (
        "5034127 5034768 5035849 5036896 5037765 5039217 5040430 5041578 5043050 5044277 5046615 5048661 5050008"
    ),
    "windows2016": (
        "5034119 5034767 5035855 5036899 5037763 5039214 5040434 5041773 5043051 5044293 5046612 5048671 5049993"
    ),
}
WINDOWS_PRODUCTS = {
    "windows2022": "Microsoft server operating system version 21H2",
    "windows2019": "Windows Server 2019",
    "windows2016": "Windows Server 2016",
}
WINDOWS_CVES = (
    "CVE-2024-20674,CVE-2024-20700", "CVE-2024-21338,CVE-2024-21412", "CVE-2024-21407,CVE-2024-21433",
    "CVE-2024-26234,CVE-2024-29988", "CVE-2024-30040,CVE-2024-30051", "CVE-2024-30080,CVE-2024-30078",
    "CVE-2024-38077,CVE-2024-38080", "CVE-2024-38063,CVE-2024-38106", "CVE-2024-38014,CVE-2024-43491",
    "CVE-2024-43572,CVE-2024-43573", "CVE-2024-43451,CVE-2024-49039", "CVE-2024-49138,CVE-2024-49112",
    "CVE-2025-21333,CVE-2025-21298",
)  # fmt: skip
# KB, title, classification, vendor severity: the same for every Windows Server.
WINDOWS_COMMON = (
    ("890830", "Windows Malicious Software Removal Tool x64", "UpdateRollups", "Unspecified"),
    ("2267602", "Security Intelligence Update for Microsoft Defender Antivirus", "DefinitionUpdates", "Unspecified"),
    ("4052623", "Update for Microsoft Defender Antivirus antimalware platform", "DefinitionUpdates", "Unspecified"),
    ("5011644", 'Update for "Remote Desktop Services", server role', "Updates", "Unspecified"),
    ("4589210", "Intel microcode updates", "CriticalUpdates", "Low"),
)
OTHER_WINDOWS = ("KB4486153", "KB5008882", "KB5029928")
NOT_APPLICABLE_WINDOWS = ("KB3042058", "KB4023057")

MACOS_UPDATES = {
    "macos14": ("14.4.1", "14.5", "14.6", "14.6.1", "14.7", "14.7.1", "14.7.2"),
    "macos15": ("15.0", "15.0.1", "15.1", "15.1.1", "15.2", "15.3", "15.3.1"),
}
MACOS_NAMES = {"macos14": "Sonoma", "macos15": "Sequoia"}


def _linux(family: str) -> tuple[Patch, ...]:
    patches = []
    for rpm, deb, version, classification, severity, cves in LINUX_UPDATES:
        if family in DEB_RELEASES:
            name, architecture, release = deb, "amd64", DEB_RELEASES[family]
            # Debian has no severity: Patch Manager reports the package's priority.
            severity = {"Critical": "Important", "Moderate": "Standard", "Low": "Optional"}.get(severity, severity)
        else:
            name, architecture, release = rpm, "x86_64", RPM_RELEASES[family]
            if rpm in ("tzdata", "ca-certificates"):
                architecture = "noarch"
            if family.startswith("amzn") and severity == "Moderate":
                severity = "Medium"
        patch_id = f"{name}.{architecture}"
        title = f"{patch_id}:0:{version}-{release}"
        cve_ids = tuple(cves.split(",")) if cves else ()
        patches.append(Patch(patch_id, title, classification, severity, LEVELS[severity], cve_ids))
    return tuple(patches)


def _windows(family: str) -> tuple[Patch, ...]:
    patches = []
    for month, (kb, cves) in enumerate(zip(WINDOWS_ROLLUPS[family].split(), WINDOWS_CVES, strict=True)):
        date = f"{2024 + month // 12}-{month % 12 + 1:02}"
        title = f"{date} Cumulative Update for {WINDOWS_PRODUCTS[family]} for x64-based Systems (KB{kb})"
        severity = "Important" if month % 4 == 1 else "Critical"
        cve_ids = tuple(cves.split(","))
        patches.append(Patch(f"KB{kb}", title, "SecurityUpdates", severity, LEVELS[severity], cve_ids))
    for kb, title, classification, severity in WINDOWS_COMMON:
        patches.append(Patch(f"KB{kb}", f"{title} - KB{kb}", classification, severity, LEVELS[severity]))
    return tuple(patches)


def _macos(family: str) -> tuple[Patch, ...]:
    name = f"macOS {MACOS_NAMES[family]}"
    return tuple(
        Patch(f"{name} {version}", f"{name} {version}, restart", "recommended", "Unspecified", "UNSPECIFIED")
        for version in MACOS_UPDATES[family]
    )


def _undescribed(patch_id: str, title: str) -> Patch:
    """A patch that is only ever found in a state of which Patch Manager reports no more than the name."""
    return Patch(patch_id, title, "", "", "UNSPECIFIED")


PATCHES: dict[str, tuple[Patch, ...]] = {
    **{family: _linux(family) for family in (*RPM_RELEASES, *DEB_RELEASES)},
    **{family: _windows(family) for family in WINDOWS_ROLLUPS},
    **{family: _macos(family) for family in MACOS_UPDATES},
}

OTHER_PATCHES: dict[str, tuple[Patch, ...]] = {
    **{
        family: tuple(_undescribed(f"{name}.x86_64", f"{name}.x86_64:0:1.0-1") for name in OTHER_LINUX)
        for family in RPM_RELEASES
    },
    **{
        family: tuple(_undescribed(f"{name}.amd64", f"{name}.amd64:0:1.0-1") for name in OTHER_LINUX)
        for family in DEB_RELEASES
    },
    **{family: tuple(_undescribed(kb, f"Update ({kb})") for kb in OTHER_WINDOWS) for family in WINDOWS_ROLLUPS},
    **{family: (_undescribed("Command Line Tools", "Command Line Tools for Xcode 16.0"),) for family in MACOS_UPDATES},
}

# Only Windows reports patches that do not apply, and by name.
NOT_APPLICABLE_PATCHES = tuple(_undescribed(kb, f"Update ({kb})") for kb in NOT_APPLICABLE_WINDOWS)
