"""The tables that the crawler makes of the sample fleet's files, and as many more as are asked for."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from itertools import cycle
from typing import Any

from fleet import Fleet
from fleet.cases import CASES
from local_aws.crawler_schema import SchemaReader
from organization import MEMBER_ACCOUNTS, REGIONS

DATABASE = "ssm_global_resource_sync"
CRAWLER = "SSM-GlueCrawler"
LOCATION = "s3://ssm-resource-sync-us-east-1-111122223333/ResourceDataSync/"

PARTITION_KEYS = ("accountid", "region", "resourcetype")

# Documented attributes that the sample fleet never sends, and that the column deleter has added after the first crawl.
NEVER_SENT = {
    "AWS:InstanceInformation": ["agentstatus"],
    "AWS:PatchSummary": ["noncompliantseverity", "availablesecurityupdatecount"],
}

# Of the further tables one in so many has the column that repeats a partition key.
DUPLICATE_EVERY = 10


def crawled_tables(number: int) -> Iterator[dict[str, Any]]:
    """So many tables as they are after a daily crawl: the 13 of the fleet, one of them with the column that the crawler
    has put back, then those of custom types of inventory, as wide as the fleet's."""
    columns = _columns_by_type()
    for kind, names in list(columns.items())[:number]:
        yield _table(kind, names)
    plain = [[name for name in names if name not in PARTITION_KEYS] for names in columns.values()]
    for position, names in zip(range(len(columns), number), cycle(plain), strict=False):
        duplicate = ["resourcetype"] if position % DUPLICATE_EVERY == 0 else []
        yield _table(f"Custom:Type{position:05}", names + duplicate)


def has_duplicate(table: dict[str, Any]) -> bool:
    """Whether Athena refuses the table, because a column repeats a partition key."""
    keys = {key["Name"].lower() for key in table["PartitionKeys"]}
    return any(column["Name"].lower() in keys for column in table["StorageDescriptor"]["Columns"])


@functools.cache
def _columns_by_type() -> dict[str, list[str]]:
    fleet = Fleet(1, MEMBER_ACCOUNTS, REGIONS, len(CASES), "2026-01-15T12:00:00Z")
    files: dict[str, list[bytes]] = {}
    for account in fleet.accounts:
        for region in fleet.regions:
            for key, content in fleet.files(account, region):
                files.setdefault(key.partition("/")[0], []).append(content)
    return {
        kind: [column["Name"] for column in SchemaReader().read(contents).columns()] + NEVER_SENT.get(kind, [])
        for kind, contents in sorted(files.items())
    }


def _table(kind: str, columns: list[str]) -> dict[str, Any]:
    """A Table structure as GetTables gives it."""
    parameters = {
        "classification": "json",
        "compressionType": "none",
        "typeOfData": "file",
        "CrawlerSchemaDeserializerVersion": "1.0",
        "CrawlerSchemaSerializerVersion": "1.0",
        "UPDATED_BY_CRAWLER": CRAWLER,
        "averageRecordSize": "312",
        "objectCount": "580",
        "recordCount": "5800",
        "sizeKey": "1809600",
    }
    return {
        "Name": kind.lower().replace(":", "_"),
        "DatabaseName": DATABASE,
        "Owner": "owner",
        "CreateTime": 1767225600.0,
        "UpdateTime": 1768435200.0,
        "LastAccessTime": 1768435200.0,
        "Retention": 0,
        "StorageDescriptor": {
            "Columns": [{"Name": name, "Type": "string"} for name in columns],
            "Location": f"{LOCATION}{kind}/",
            "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
            "Compressed": False,
            "NumberOfBuckets": -1,
            "SerdeInfo": {
                "SerializationLibrary": "org.openx.data.jsonserde.JsonSerDe",
                "Parameters": {"paths": ",".join(columns)},
            },
            "BucketColumns": [],
            "SortColumns": [],
            "Parameters": parameters,
            "StoredAsSubDirectories": False,
        },
        "PartitionKeys": [{"Name": name, "Type": "string"} for name in PARTITION_KEYS],
        "TableType": "EXTERNAL_TABLE",
        "Parameters": parameters,
        "CreatedBy": "arn:aws:sts::111122223333:assumed-role/SSM-GlueCrawlerRole/AWS-Crawler",
        "IsRegisteredWithLakeFormation": False,
        "CatalogId": "111122223333",
        "VersionId": "12",
        "IsMultiDialectView": False,
        "IsMaterializedView": False,
    }
