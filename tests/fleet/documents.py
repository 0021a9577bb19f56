"""A node's facts as the files that a resource data sync writes: one a type, newline-delimited JSON, strings only.

Key below the sync's prefix: AWS:<Type>/accountid=<id>/region=<region>/resourcetype=ManagedInstanceInventory/<node>.json
(older files that nobody removed lie in another partition, resourcetype=ManagedInstance).
Attributes keep the schema's PascalCase, and one that is unknown is absent; every line ends with the envelope
resourceId, captureTime and schemaVersion, in camelCase.
https://docs.aws.amazon.com/systems-manager/latest/userguide/inventory-schema.html
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime

from fleet.model import (
    COMPLIANCE_SUMMARY,
    ITEMS,
    PATCH_SUMMARY,
    SEVERITIES,
    Node,
    OtherCompliance,
    PatchResult,
    PatchScan,
    iso,
    status_of,
)

# A line before it is written: when its facts were captured, and its attributes, those without a value as None.
Line = tuple[datetime, dict[str, str | None]]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def files(node: Node) -> Iterator[tuple[str, bytes]]:
    """The node's files as (key below the sync's prefix, content); a type without lines has no file.

    Of a type that the node has no file of there is no older file either, which would speak for want of a newer.
    """
    for type_name in TYPES:
        content = _content(node, type_name)
        if content or type_name in node.empty_types:
            yield _key(node, type_name, "ManagedInstanceInventory"), content.encode()
            if node.earlier and (content := _content(node.earlier, type_name)):
                yield _key(node, type_name, "ManagedInstance"), content.encode()


def _key(node: Node, type_name: str, resource_type: str) -> str:
    place = f"accountid={node.account}/region={node.region}/resourcetype={resource_type}"
    return f"{type_name}/{place}/{node.id}.json"


def _content(node: Node, type_name: str) -> str:
    schema_version, lines = TYPES[type_name]
    end = "\n\n" if node.blank_lines else "\n"
    return "".join(
        _encode(
            {
                **{name: value or "" for name, value in attributes.items() if value is not None or node.empty_strings},
                "resourceId": node.id,
                "captureTime": iso(captured_at),
                "schemaVersion": schema_version,
            }
        )
        + end
        for captured_at, attributes in lines(node)
    )


def _number(count: int | None) -> str | None:
    return None if count is None else str(count)


def _time(time: datetime | None) -> str | None:
    return None if time is None else iso(time)


def _instance_information(node: Node) -> Iterator[Line]:
    if not node.registered:
        return
    yield (
        node.seen_at,
        {
            "AgentType": "amazon-ssm-agent",
            "AgentVersion": node.agent_version,
            "ComputerName": node.computer_name,
            "InstanceId": node.id,
            "InstanceStatus": node.instance_status,
            "IpAddress": node.ip_address,
            "PlatformName": node.system.platform_name,
            "PlatformType": node.platform_type,
            "PlatformVersion": node.system.platform_version,
            "ResourceType": node.resource_type,
        },
    )


def _tags(node: Node) -> Iterator[Line]:
    for key, value in node.tags:
        yield node.seen_at, {"Key": key, "Value": value}


def _compliance_items(node: Node) -> Iterator[Line]:
    if node.scan and ITEMS in node.scan.written:
        for result in node.scan.results:
            yield node.scan.captured_at, _patch_item(node.scan, result)
    for item in node.other_compliance:
        yield item.checked_at, _other_item(item)


def _patch_item(scan: PatchScan, result: PatchResult) -> dict[str, str | None]:
    return {
        "ComplianceType": "Patch",
        "ExecutionId": scan.execution_id,
        "ExecutionType": scan.execution_type,
        "ExecutionTime": scan.written_time(scan.executed_at),
        "Id": result.patch.id,
        "Title": result.patch.title,
        "Status": status_of(result.compliant),
        "Severity": result.level,
        "Classification": result.classification,
        "PatchBaselineId": scan.baseline_id,
        "PatchSeverity": result.vendor_severity,
        "PatchState": scan.written_state(result),
        "PatchGroup": scan.patch_group,
        "InstalledTime": None if scan.times == "absent" else _time(result.installed_at),
        "InstallOverrideList": scan.install_override_list,
        "CVEIds": ",".join(result.cve_ids) or None,
    }


def _other_item(item: OtherCompliance) -> dict[str, str | None]:
    return {
        "ComplianceType": item.type,
        "ExecutionTime": iso(item.checked_at),
        "Id": item.id,
        "Title": item.title,
        "Status": status_of(item.compliant),
        "Severity": item.level,
        "DocumentName": item.document,
        "DocumentVersion": item.document_version,
        "DetailedText": item.text,
        "DetailedLink": item.link,
    }


def _compliance_summaries(node: Node) -> Iterator[Line]:
    scan = node.scan
    if scan and COMPLIANCE_SUMMARY in scan.written:
        summary: dict[str, str | None] = {
            "ComplianceType": "Patch",
            "PatchGroup": scan.patch_group,
            "PatchBaselineId": scan.baseline_id,
            "Status": status_of(scan.compliant),
            "OverallSeverity": scan.overall_severity,
            "ExecutionId": scan.execution_id,
            "ExecutionType": scan.execution_type,
            "ExecutionTime": scan.written_time(scan.executed_at),
        }
        for compliant, prefix in ((True, "Compliant"), (False, "NonCompliant")):
            for level in SEVERITIES:
                summary[f"{prefix}{level.capitalize()}Count"] = _number(scan.severity_count(compliant, level))
        yield scan.captured_at, summary
    # A node has one item of each other type, so its summary counts just that.
    for item in node.other_compliance:
        counts = {
            f"{prefix}{level.capitalize()}Count": str(int(item.compliant == compliant and item.level == level))
            for compliant, prefix in ((True, "Compliant"), (False, "NonCompliant"))
            for level in SEVERITIES
        }
        yield (
            item.checked_at,
            {
                "ComplianceType": item.type,
                "Status": status_of(item.compliant),
                "OverallSeverity": "UNSPECIFIED" if item.compliant else item.level,
                "ExecutionTime": iso(item.checked_at),
                **counts,
            },
        )


def _patch_summary(node: Node) -> Iterator[Line]:
    scan = node.scan
    if not scan or PATCH_SUMMARY not in scan.written:
        return
    counts = scan.counts
    yield (
        scan.captured_at,
        {
            # An empty patch group, owner or list is written as such here, and left out of the items.
            "PatchGroup": scan.patch_group or "",
            "BaselineId": scan.baseline_id,
            "SnapshotId": scan.snapshot_id,
            "OwnerInformation": "",
            "ExecutionId": scan.execution_id,
            "InstalledCount": _number(counts.installed),
            "InstalledOtherCount": _number(counts.installed_other),
            "InstalledPendingRebootCount": _number(counts.installed_pending_reboot),
            "InstalledRejectedCount": _number(counts.installed_rejected),
            "MissingCount": _number(counts.missing),
            "FailedCount": _number(counts.failed),
            "NotApplicableCount": _number(counts.not_applicable),
            "UnreportedNotApplicableCount": None if scan.early_format else str(scan.unreported_not_applicable),
            "CriticalNonCompliantCount": _number(counts.critical_non_compliant),
            "SecurityNonCompliantCount": _number(counts.security_non_compliant),
            "OtherNonCompliantCount": _number(counts.other_non_compliant),
            "OperationType": scan.operation,
            "OperationStartTime": scan.written_time(scan.started_at),
            "OperationEndTime": scan.written_time(scan.ended_at),
            "InstallOverrideList": scan.install_override_list or "",
            "RebootOption": None if scan.early_format else scan.reboot_option,
            "LastNoRebootInstallOperationTime": _time(scan.last_no_reboot_install),
        },
    )


def _applications(node: Node) -> Iterator[Line]:
    if node.inventory:
        for installed in node.inventory.packages:
            package = installed.package
            yield (
                node.inventory.captured_at,
                {
                    "Name": package.name,
                    "ApplicationType": package.type,
                    "Publisher": package.publisher,
                    "Version": package.version,
                    "Release": package.release,
                    "Epoch": package.epoch,
                    "InstalledTime": iso(installed.installed_at),
                    "Architecture": package.architecture,
                    "URL": package.url,
                    "Summary": package.summary,
                    "PackageId": package.package_id,
                },
            )


def _aws_components(node: Node) -> Iterator[Line]:
    if node.inventory:
        for installed in node.inventory.packages:
            package = installed.package
            if package.is_aws_component:
                yield (
                    node.inventory.captured_at,
                    {
                        "Name": package.name,
                        "ApplicationType": package.type,
                        "Publisher": package.publisher,
                        "Version": package.version,
                        "InstalledTime": iso(installed.installed_at),
                        "Architecture": package.architecture,
                        "URL": package.url,
                    },
                )


def _billing_info(node: Node) -> Iterator[Line]:
    # It comes from the instance's identity document, which hybrid nodes do not have.
    if node.inventory and node.system.billing_product and not node.is_hybrid:
        yield node.inventory.captured_at, {"BillingProductId": node.system.billing_product}


def _detailed_information(node: Node) -> Iterator[Line]:
    if node.inventory and node.inventory.hardware:
        hardware = node.inventory.hardware
        yield (
            node.inventory.captured_at,
            {
                "CPUModel": hardware.cpu_model,
                "CPUSpeedMHz": str(hardware.cpu_speed),
                "CPUs": str(hardware.cpus),
                "CPUSockets": str(hardware.sockets),
                "CPUCores": str(hardware.cores),
                "CPUHyperThreadEnabled": "true" if hardware.hyper_threading else "false",
                "OSServicePack": "0" if node.system.is_windows else "",
                "KernelVersion": node.system.kernel,
            },
        )


def _network(node: Node) -> Iterator[Line]:
    if node.inventory:
        for interface in node.inventory.interfaces:
            yield (
                node.inventory.captured_at,
                {
                    "Name": interface.name,
                    "SubnetMask": interface.subnet_mask,
                    "Gateway": interface.gateway,
                    "DHCPServer": interface.dhcp_server,
                    "DNSServer": interface.dns_server,
                    "MacAddress": interface.mac_address,
                    "IPV4": interface.ipv4,
                    "IPV6": interface.ipv6,
                },
            )


def _services(node: Node) -> Iterator[Line]:
    if node.inventory:
        for service in node.inventory.services:
            yield (
                node.inventory.captured_at,
                {
                    "Name": service.name,
                    "DisplayName": service.display_name,
                    "Status": service.status,
                    "DependentServices": service.dependents,
                    "ServicesDependedOn": service.depends_on,
                    "ServiceType": "Win32OwnProcess",
                    "StartType": service.start_type,
                },
            )


def _windows_roles(node: Node) -> Iterator[Line]:
    if node.inventory:
        for role in node.inventory.roles:
            yield (
                node.inventory.captured_at,
                {
                    "Name": role.name,
                    "DisplayName": role.display_name,
                    "Description": role.description,
                    "Installed": "True" if role.installed else "False",
                    "InstalledState": "Installed" if role.installed else "Available",
                    "FeatureType": role.feature_type,
                    "Path": role.path,
                    "SubFeatures": "",
                    "ServerComponentDescriptor": "",
                    "DependsOn": "",
                    "Parent": role.parent,
                },
            )


def _windows_updates(node: Node) -> Iterator[Line]:
    if node.inventory:
        for hot_fix, installed_at in node.inventory.updates:
            yield (
                node.inventory.captured_at,
                {
                    "HotFixId": hot_fix,
                    "Description": "Security Update",
                    "InstalledTime": iso(installed_at),
                    "InstalledBy": "NT AUTHORITY\\SYSTEM",
                },
            )


# Type -> (schema version, its lines): the 13 types that a sync delivers without custom inventory.
TYPES: dict[str, tuple[str, Callable[[Node], Iterator[Line]]]] = {
    "AWS:Application": ("1.1", _applications),
    "AWS:AWSComponent": ("1.0", _aws_components),
    "AWS:BillingInfo": ("1.0", _billing_info),
    "AWS:ComplianceItem": ("1.0", _compliance_items),
    "AWS:ComplianceSummary": ("1.0", _compliance_summaries),
    "AWS:InstanceDetailedInformation": ("1.0", _detailed_information),
    "AWS:InstanceInformation": ("1.0", _instance_information),
    "AWS:Network": ("1.0", _network),
    "AWS:PatchSummary": ("1.0", _patch_summary),
    "AWS:Service": ("1.0", _services),
    "AWS:Tag": ("1.0", _tags),
    "AWS:WindowsRole": ("1.0", _windows_roles),
    "AWS:WindowsUpdate": ("1.0", _windows_updates),
}
