"""One run of a crawler: what it reads under the crawler's role, and what becomes of the database.

- Glue must be able to assume the role, and the role be allowed every access: ``s3:ListBucket``, ``s3:GetObject``,
  ``kms:Decrypt`` on an encrypted object's key, and the calls to the Data Catalog. What it lacks fails the run:
  https://docs.aws.amazon.com/glue/latest/dg/crawler-prereqs.html
- New tables and partitions are always made; SchemaChangePolicy, RecrawlPolicy and the Configuration JSON say what
  becomes of known ones: https://docs.aws.amazon.com/glue/latest/dg/crawler-configuration.html

`crawler_layout` finds the tables in the keys and `crawler_schema` the columns in the files.

What a crawler does where it finds a table that somebody else made at one of its folders is not documented. By default
it goes on with it as with its own. With LOCAL_AWS_CRAWLER_ADOPTS_TABLES=0 it does what AWS documents for a name that is
taken: it makes a second table, whose name has a hash for a suffix, and from then on keeps to that one.
"""

from __future__ import annotations

import functools
import json
import os
import threading
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import iam

from local_aws import authorization, catalog, object_store
from local_aws.authorization import Denial
from local_aws.crawler_layout import ColumnsOf, Folder, FoundTable, exclusion, find_tables, table_name, unique_name
from local_aws.crawler_schema import Schema, SchemaReader, column_names
from local_aws.object_store import BucketNotFoundError, Objects

_SERVICE = "glue.amazonaws.com"
# Glue's own name of the sessions in which crawlers work.
_SESSION = "AWS-Crawler"

# How many files of a folder are looked at to tell whether folders are alike.
_FILES_TO_COMPARE = 10

# Parameters of a table that change without its definition changing.
_STATISTICS = ("objectCount", "sizeKey", "recordCount", "averageRecordSize")
_DEPRECATED = "DEPRECATED_BY_CRAWLER"

_JSON_STORAGE = {
    "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat",
    "Compressed": False,
    "NumberOfBuckets": -1,
    "BucketColumns": [],
    "SortColumns": [],
    "StoredAsSubDirectories": False,
}
_JSON_SERDE = "org.openx.data.jsonserde.JsonSerDe"


class CrawlError(Exception):
    """A run that fails, with the ErrorMessage that Glue shows."""


class CancelledCrawlError(Exception):
    """The run was stopped."""


@dataclass
class Counts:
    """What a run changed, by the names of the event's fields."""

    tablesCreated: int = 0
    tablesUpdated: int = 0
    tablesDeleted: int = 0
    partitionsCreated: int = 0
    partitionsUpdated: int = 0
    partitionsDeleted: int = 0


@dataclass(frozen=True)
class _Options:
    """What a crawler's SchemaChangePolicy, RecrawlPolicy and Configuration come to."""

    update: bool
    delete: str  # LOG, DELETE_FROM_DATABASE or DEPRECATE_IN_DATABASE
    new_folders_only: bool
    merge_new_columns: bool
    inherit_from_table: bool
    combine_compatible: bool
    table_level: int | None

    @classmethod
    def of(cls, crawler: dict[str, Any]) -> _Options:
        policy = crawler.get("SchemaChangePolicy") or {}
        new_only = (crawler.get("RecrawlPolicy") or {}).get("RecrawlBehavior") == "CRAWL_NEW_FOLDERS_ONLY"
        configuration = json.loads(crawler.get("Configuration") or "{}")
        output, grouping = configuration.get("CrawlerOutput") or {}, configuration.get("Grouping") or {}
        level = grouping.get("TableLevelConfiguration")
        return cls(
            update=policy.get("UpdateBehavior", "UPDATE_IN_DATABASE") == "UPDATE_IN_DATABASE" and not new_only,
            delete="LOG" if new_only else policy.get("DeleteBehavior", "DEPRECATE_IN_DATABASE"),
            new_folders_only=new_only,
            merge_new_columns=(output.get("Tables") or {}).get("AddOrUpdateBehavior") == "MergeNewColumns",
            inherit_from_table=(output.get("Partitions") or {}).get("AddOrUpdateBehavior") == "InheritFromTable",
            combine_compatible=grouping.get("TableGroupingPolicy") == "CombineCompatibleSchemas",
            table_level=int(level) if level is not None else None,
        )


@dataclass
class _Target:
    """An S3 target: the objects of its bucket below the include path that no exclusion takes out."""

    bucket: str
    prefix: str
    sample_size: int | None
    objects: Objects

    def bodies(self, keys: Iterable[str]) -> Iterator[bytes]:
        """The contents of some objects, in order."""
        for key in islice(keys, self.sample_size):
            yield object_store.body(self.bucket, key, self.objects[key])


class Run:
    """One run of a crawler, in the account and Region of the current context.

    ``crawler`` is the Crawler structure. Setting ``stopped`` makes `crawl` give up; ``counts`` tells what it changed.
    """

    def __init__(self, crawler: dict[str, Any]) -> None:
        self.stopped = threading.Event()
        self.counts = Counts()
        self.crawler = crawler
        self._options = _Options.of(crawler)
        self._database: str = crawler["DatabaseName"]
        self._role = role_arn(crawler["Role"])
        self._reader = SchemaReader()
        # The database's tables by location, and the locations that the run has found.
        self._known: dict[str, dict[str, Any]] = {}
        self._found: set[str] = set()

    def crawl(self) -> None:
        """Bring the database in line with the buckets. Raises CrawlError, CatalogError or CancelledCrawlError."""
        if refusal := role_refusal(self._role, self.crawler["Name"]):
            raise CrawlError(refusal)
        self._need_glue("GetDatabase")
        self._known = {_location(table): table for table in catalog.tables(self._database) if _goes_on_with(table)}
        targets = [self._target(target) for target in (self.crawler["Targets"].get("S3Targets") or [])]
        for target in targets:
            for found in find_tables(
                target.objects,
                target.prefix,
                table_level=self._options.table_level,
                combine_compatible=self._options.combine_compatible,
                columns_of=_columns_of(target),
            ):
                self._record(target, found)
        for target in targets:
            self._forget_missing(f"s3://{target.bucket}/{target.prefix}")

    def _target(self, target: dict[str, Any]) -> _Target:
        bucket, _, prefix = target["Path"].removeprefix("s3://").partition("/")
        prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        judge = functools.partial(authorization.role_may, self._role, session_name=_SESSION)
        _raise_s3(object_store.denial_to_list(judge, bucket, prefix))
        try:
            # An empty object is nothing to a crawler, a folder's marker included.
            listed = object_store.list_objects(bucket, prefix)
        except BucketNotFoundError:
            raise CrawlError(_s3_error("The specified bucket does not exist", 404, "NoSuchBucket")) from None
        exclusions = [exclusion(pattern) for pattern in target.get("Exclusions") or []]
        objects = {
            key: record
            for key, record in listed.items()
            if not any(glob.fullmatch(key, len(prefix)) for glob in exclusions)
        }
        _raise_s3(object_store.denial_to_read(judge, bucket, objects))
        return _Target(bucket, prefix, target.get("SampleSize"), objects)

    def _need_glue(self, action: str, table: str | None = None) -> None:
        names = {"Name": self._database} if table is None else {"DatabaseName": self._database, "TableName": table}
        for resource in catalog.resource_arns(action, names):
            denial = authorization.role_may(self._role, f"glue:{action}", resource, session_name=_SESSION)
            if denial:
                raise CrawlError(
                    f"{denial.message} (Service: AWSGlue; Status Code: 400; Error Code: AccessDeniedException; "
                    f"Request ID: {uuid.uuid4()})"
                )

    def _record(self, target: _Target, found: FoundTable) -> None:
        """Make or update one table with its partitions."""
        location = f"s3://{target.bucket}/{found.location}"
        self._found.add(location)
        known = self._known.get(location)
        registered = catalog.partitions(self._database, known["Name"]) if known else []
        folders = self._folders_to_read(found, {_location(partition) for partition in registered}, location)
        schemas = {folder: self._read(target, keys) for folder, keys in folders.items()}
        schema = Schema()
        for part in schemas.values():
            schema.merge(part)
        if known is None:
            known = self._create(target, found, location, schema)
        elif self._options.update:
            known = self._update(known, found, location, schema)
        self._known[location] = known
        if found.depth:
            self._record_partitions(known, found, schemas, location)

    def _folders_to_read(self, found: FoundTable, registered: set[str], location: str) -> dict[Folder, list[str]]:
        if not self._options.new_folders_only or not registered:
            return found.files
        return {folder: keys for folder, keys in found.files.items() if _below(location, folder) not in registered}

    def _read(self, target: _Target, keys: list[str]) -> Schema:
        if self.stopped.is_set():
            raise CancelledCrawlError
        return self._reader.read(target.bodies(keys))

    def _create(self, target: _Target, found: FoundTable, location: str, schema: Schema) -> dict[str, Any]:
        name = table_name(self.crawler.get("TablePrefix") or "", found, target.bucket)
        if name in {table["Name"] for table in catalog.tables(self._database)}:
            name = unique_name(name, location)
        self._need_glue("GetTable", name)
        self._need_glue("CreateTable", name)
        session = f"arn:aws:sts::{get_account_id()}:assumed-role/{self._role.rsplit('/', 1)[-1]}/{_SESSION}"
        catalog.create_table(self._database, self._table_input(name, found, location, schema), session)
        self.counts.tablesCreated += 1
        return catalog.find_table(self._database, name)

    def _update(self, known: dict[str, Any], found: FoundTable, location: str, schema: Schema) -> dict[str, Any]:
        new = self._table_input(known["Name"], found, location, schema)
        if self._options.merge_new_columns:
            new = _merged(known, new)
        self._need_glue("GetTable", known["Name"])
        if _without_statistics(new) == _without_statistics({member: known.get(member) for member in new}):
            return known
        self._need_glue("UpdateTable", known["Name"])
        catalog.update_table(self._database, new)
        self.counts.tablesUpdated += 1
        return catalog.find_table(self._database, known["Name"])

    def _table_input(self, name: str, found: FoundTable, location: str, schema: Schema) -> dict[str, Any]:
        parameters = {
            **_parameters(schema),
            "UPDATED_BY_CRAWLER": self.crawler["Name"],
            "CrawlerSchemaSerializerVersion": "1.0",
            "CrawlerSchemaDeserializerVersion": "1.0",
        }
        return {
            "Name": name,
            "Owner": "owner",
            "Retention": 0,
            "TableType": "EXTERNAL_TABLE",
            "PartitionKeys": [{"Name": key, "Type": "string"} for key in found.partition_keys()],
            "Parameters": parameters,
            "StorageDescriptor": _storage(location, schema, parameters),
        }

    def _record_partitions(
        self, table: dict[str, Any], found: FoundTable, schemas: dict[Folder, Schema], location: str
    ) -> None:
        self._need_glue("BatchGetPartition", table["Name"])
        registered = {tuple(each["Values"]): each for each in catalog.partitions(self._database, table["Name"])}
        created = []
        for folder, schema in schemas.items():
            wanted = self._partition_input(table, found.values(folder), _below(location, folder), schema)
            existing = registered.get(tuple(wanted["Values"]))
            if existing is None:
                created.append(wanted)
            elif self._options.update and _columns(existing) != _columns(wanted):
                self._need_glue("UpdatePartition", table["Name"])
                catalog.update_partition(self._database, table["Name"], wanted["Values"], wanted)
                self.counts.partitionsUpdated += 1
        if created:
            self._need_glue("BatchCreatePartition", table["Name"])
        for wanted in created:
            catalog.create_partition(self._database, table["Name"], wanted)
        self.counts.partitionsCreated += len(created)
        present = {tuple(found.values(folder)) for folder in found.files}
        for values in registered.keys() - present:
            self._forget_partition(table, registered[values])

    def _partition_input(
        self, table: dict[str, Any], values: list[str], location: str, schema: Schema
    ) -> dict[str, Any]:
        parameters = _parameters(schema)
        storage = _storage(location, schema, parameters)
        if self._options.inherit_from_table:
            storage = {**table["StorageDescriptor"], "Location": location}
        return {"Values": values, "StorageDescriptor": storage, "Parameters": parameters}

    def _forget_partition(self, table: dict[str, Any], partition: dict[str, Any]) -> None:
        if self._options.delete == "DELETE_FROM_DATABASE":
            self._need_glue("BatchDeletePartition", table["Name"])
            catalog.delete_partition(self._database, table["Name"], partition["Values"])
            self.counts.partitionsDeleted += 1
        elif self._options.delete == "DEPRECATE_IN_DATABASE" and _DEPRECATED not in partition["Parameters"]:
            self._need_glue("UpdatePartition", table["Name"])
            deprecated = {**partition["Parameters"], _DEPRECATED: self.crawler["Name"]}
            catalog.update_partition(
                self._database,
                table["Name"],
                partition["Values"],
                {
                    "Values": partition["Values"],
                    "StorageDescriptor": partition["StorageDescriptor"],
                    "Parameters": deprecated,
                },
            )
            self.counts.partitionsUpdated += 1

    def _forget_missing(self, include_path: str) -> None:
        """Treat the tables that this crawler once made below an include path and that are no longer there."""
        for location, table in self._known.items():
            parameters = table.get("Parameters") or {}
            ours = parameters.get("UPDATED_BY_CRAWLER") == self.crawler["Name"] and location.startswith(include_path)
            if not ours or location in self._found:
                continue
            if self._options.delete == "DELETE_FROM_DATABASE":
                self._need_glue("DeleteTable", table["Name"])
                catalog.delete_table(self._database, table["Name"])
                self.counts.tablesDeleted += 1
            elif self._options.delete == "DEPRECATE_IN_DATABASE" and _DEPRECATED not in parameters:
                self._need_glue("UpdateTable", table["Name"])
                deprecated = {**_as_input(table), "Parameters": {**parameters, _DEPRECATED: self.crawler["Name"]}}
                catalog.update_table(self._database, deprecated)
                self.counts.tablesUpdated += 1


def _goes_on_with(table: dict[str, Any]) -> bool:
    """Whether the crawler keeps a table that lies at one of its folders; it does so with what a crawler made."""
    return table["CreatedBy"].endswith(f"/{_SESSION}") or os.environ.get("LOCAL_AWS_CRAWLER_ADOPTS_TABLES", "1") == "1"


def _location(entity: dict[str, Any]) -> str:
    return (entity.get("StorageDescriptor") or {}).get("Location", "")


def _below(location: str, folder: Folder) -> str:
    return location + "".join(f"{name}/" for name in folder)


def _columns(entity: dict[str, Any]) -> list[dict[str, str]]:
    return entity["StorageDescriptor"].get("Columns") or []


def _columns_of(target: _Target) -> ColumnsOf:
    return lambda keys: column_names(target.bodies(islice(keys, _FILES_TO_COMPARE)))


def _parameters(schema: Schema) -> dict[str, str]:
    return {
        "classification": "json" if schema.types else "UNKNOWN",
        "compressionType": "none",
        "typeOfData": "file",
        "objectCount": str(schema.objects),
        "sizeKey": str(schema.bytes),
        "recordCount": str(schema.records),
        "averageRecordSize": str(schema.bytes // schema.records if schema.records else 0),
    }


def _storage(location: str, schema: Schema, parameters: dict[str, str]) -> dict[str, Any]:
    storage = {**_JSON_STORAGE, "Columns": schema.columns(), "Location": location, "Parameters": parameters}
    if not schema.types:
        # No classifier knows the files.
        return {"Columns": [], "Location": location, "Parameters": parameters}
    serde = {"SerializationLibrary": _JSON_SERDE, "Parameters": {"paths": ",".join(schema.spellings.values())}}
    return {**storage, "SerdeInfo": serde}


def _merged(known: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """MergeNewColumns: the known definition with the columns that it lacks and the crawler's own parameters."""
    names = {column["Name"] for column in _columns(known)}
    added = [column for column in _columns(new) if column["Name"] not in names]
    parameters = {**(known.get("Parameters") or {}), **new["Parameters"]}
    parameters.pop(_DEPRECATED, None)
    storage = {**known["StorageDescriptor"], "Columns": _columns(known) + added}
    return {**_as_input(known), "Parameters": parameters, "StorageDescriptor": storage}


def _as_input(table: dict[str, Any]) -> dict[str, Any]:
    return {member: table[member] for member in catalog.TABLE_INPUT_MEMBERS if member in table}


def _without_statistics(table: dict[str, Any]) -> dict[str, Any]:
    def drop(parameters: dict[str, str] | None) -> dict[str, str]:
        return {name: value for name, value in (parameters or {}).items() if name not in _STATISTICS}

    storage = table["StorageDescriptor"]
    return {
        **table,
        "Parameters": drop(table["Parameters"]),
        "StorageDescriptor": {**storage, "Parameters": drop(storage.get("Parameters"))},
    }


def role_arn(role: str) -> str:
    """The ARN of a crawler's role, which may be given by its name alone."""
    return role if role.startswith("arn:") else f"arn:aws:iam::{get_account_id()}:role/{role}"


def role_refusal(role: str, crawler: str) -> str | None:
    """Why Glue cannot work under the role for the crawler, by the role's trust policy."""
    context = {
        "aws:SourceAccount": get_account_id(),
        "aws:SourceArn": f"arn:aws:glue:{get_region()}:{get_account_id()}:crawler/{crawler}",
    }
    record = iam._roles.get(role.rsplit("/", 1)[-1]) or {}
    trust = record.get("AssumeRolePolicyDocument")
    if authorization.service_may(_SERVICE, "sts:AssumeRole", role, trust, context) is None:
        return None
    return f"Service is unable to assume role {role}. Please verify role's TrustPolicy"


def _s3_error(message: str, status: int, code: str) -> str:
    return f"{message} (Service: Amazon S3; Status Code: {status}; Error Code: {code}; Request ID: {uuid.uuid4()})"


def _raise_s3(denial: Denial | None) -> None:
    if denial:
        raise CrawlError(_s3_error(denial.message, 403 if denial.code == "AccessDenied" else 400, denial.code))
