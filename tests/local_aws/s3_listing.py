"""S3's listings: pages of at most 1,000 entries, and every version to the end.

- A page of a listing has at most 1,000 entries, whatever MaxKeys asks for:
  https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
- ListObjectVersions goes on after its markers also when the version that they name was deleted in the meantime, as
  happens to everyone who empties a bucket page by page, and encodes keys on request:
  https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html

MiniStack returns pages of any size, loses the rest of a key's versions when the marker is gone, does not encode, and
sorts the whole bucket for each page.

LOCAL_AWS_LIST_VERSIONS_SECONDS makes a bucket of some thousand objects a large one: it is how long each page of
ListObjectVersions takes.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import quote_plus
from xml.etree.ElementTree import Element, SubElement, tostring

from ministack.services import s3

from local_aws.s3_key_order import Objects, rows_since

MAX_KEYS = 1000

Query = dict[str, Any]

# The versions of a key that were still to be listed when a page ended at (bucket, key, version id).
_remaining: dict[tuple[str, str, str], frozenset[str]] = {}


def list_object_versions(bucket_name: str, query: Query) -> tuple:
    """One page of ListObjectVersions: an HTTP status, headers and the body."""
    bucket = s3._buckets.get(bucket_name)
    if bucket is None:
        return s3._no_such_bucket(bucket_name)
    prefix, delimiter = _first(query, "prefix"), _first(query, "delimiter")
    key_marker, version_marker = _first(query, "key-marker"), _first(query, "version-id-marker")
    max_keys = _max_keys(query)
    encode = _first(query, "encoding-type") == "url"

    entries = _entries(bucket_name, bucket, prefix, delimiter, key_marker, version_marker)
    page = list(islice(entries, max_keys))
    truncated = bool(page) and next(entries, None) is not None

    def text(value: str) -> str:
        return quote_plus(value, safe="/") if encode else value

    root = Element("ListVersionsResult", xmlns=s3.S3_NS)
    for name, value in (("Name", bucket_name), ("Prefix", text(prefix)), ("KeyMarker", text(key_marker))):
        SubElement(root, name).text = value
    SubElement(root, "VersionIdMarker").text = version_marker
    if delimiter:
        SubElement(root, "Delimiter").text = text(delimiter)
    if encode:
        SubElement(root, "EncodingType").text = "url"
    SubElement(root, "MaxKeys").text = str(max_keys)
    SubElement(root, "IsTruncated").text = "true" if truncated else "false"
    if truncated:
        key, version, older = page[-1]
        SubElement(root, "NextKeyMarker").text = text(key)
        if version is not None:
            SubElement(root, "NextVersionIdMarker").text = version["version_id"]
            _remaining[bucket_name, key, version["version_id"]] = frozenset(older)
    for key, version, _ in page:
        if version is None:
            SubElement(SubElement(root, "CommonPrefixes"), "Prefix").text = text(key)
        else:
            _add_version(root, text(key), version)
    return 200, {"Content-Type": "application/xml"}, tostring(root, "utf-8", xml_declaration=True)


def _entries(
    bucket_name: str, bucket: dict[str, Any], prefix: str, delimiter: str, key_marker: str, version_marker: str
) -> Iterator[tuple[str, dict[str, Any] | None, list[str]]]:
    """(key, version, ids of the key's older versions) in S3's order; version None stands for a common prefix."""

    for key, is_group in rows_since(bucket["objects"].all_keys_since, prefix, delimiter, key_marker):
        if key == key_marker and not version_marker:
            continue
        if is_group:
            if key != key_marker:
                yield key, None, []
            continue
        versions = _versions(bucket_name, bucket, key)
        if version_marker and key == key_marker:
            versions = _after(versions, version_marker, bucket_name, key)
        for index, version in enumerate(versions):
            yield key, version, [older["version_id"] for older in versions[index + 1 :]]


def _versions(bucket_name: str, bucket: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The key's versions and delete markers, newest first."""
    if versions := s3._object_versions.get((bucket_name, key)):
        return list(reversed(versions))
    current = bucket["objects"].get(key)
    return [{"version_id": "null", "is_latest": True, **current}] if current else []


def _after(versions: list[dict[str, Any]], marker: str, bucket_name: str, key: str) -> list[dict[str, Any]]:
    ids = [version["version_id"] for version in versions]
    if marker in ids:
        return versions[ids.index(marker) + 1 :]
    remaining = _remaining.get((bucket_name, key, marker))
    return [version for version in versions if remaining is None or version["version_id"] in remaining]


def _add_version(root: Element, key: str, version: dict[str, Any]) -> None:
    marker = bool(version.get("is_delete_marker"))
    entry = SubElement(root, "DeleteMarker" if marker else "Version")
    values = {
        "Key": key,
        "VersionId": version["version_id"],
        "IsLatest": "true" if version["is_latest"] else "false",
        "LastModified": version["last_modified"],
    }
    if not marker:
        values |= {
            "ETag": version["etag"],
            "Size": str(version["size"]),
            "StorageClass": version.get("storage_class") or "STANDARD",
        }
    for name, value in values.items():
        SubElement(entry, name).text = value
    SubElement(SubElement(entry, "Owner"), "ID").text = s3._canonical_owner_id()


def _page_of_objects(
    objects: Objects, prefix: str, delimiter: str, max_keys: int, start_after: str
) -> tuple[list[str], list[str], bool, str]:
    """What ListObjects and ListObjectsV2 list: keys, common prefixes, whether there are more, and the last of them."""
    rows = (row for row in rows_since(objects.keys_since, prefix, delimiter, start_after) if row[0] > start_after)
    page = list(islice(rows, max_keys))
    keys = [key for key, is_group in page if not is_group]
    groups = [key for key, is_group in page if is_group]
    return keys, groups, next(rows, None) is not None, page[-1][0] if page else ""


def _first(query: Query, name: str) -> str:
    values = query.get(name, "")
    return (values[0] if values else "") if isinstance(values, list) else values


def _max_keys(query: Query) -> int:
    return min(int(_first(query, "max-keys") or MAX_KEYS), MAX_KEYS)


def _capped(list_objects: Callable[[str, Query], tuple]) -> Callable[[str, Query], tuple]:
    return lambda bucket_name, query: list_objects(bucket_name, {**query, "max-keys": [str(_max_keys(query))]})


def install() -> None:
    """Replaces the listing of versions, and what the other listings list."""
    serve_s3, seconds = s3.handle_request, float(os.environ.get("LOCAL_AWS_LIST_VERSIONS_SECONDS", "0"))

    async def serve(
        method: str, path: str, headers: dict, body: bytes, query_params: dict, *args: Any, **options: Any
    ) -> tuple:
        if "versions" in query_params:
            await asyncio.sleep(seconds)
        return await serve_s3(method, path, headers, body, query_params, *args, **options)

    s3.handle_request = serve
    s3._list_object_versions = list_object_versions
    s3._collect_list_entries = _page_of_objects
    s3._list_objects_v1 = _capped(s3._list_objects_v1)
    s3._list_objects_v2 = _capped(s3._list_objects_v2)
