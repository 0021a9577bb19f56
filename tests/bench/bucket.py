"""A small versioned bucket of the fake AWS: versions, delete markers, incomplete uploads and tags."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from urllib.parse import quote
from xml.sax.saxutils import escape

MAX_KEYS = 1000
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


@dataclass(frozen=True)
class Version:
    """One version of an object, or a delete marker; `number` grows with each that is written."""

    key: str
    number: int
    is_delete_marker: bool

    @property
    def id(self) -> str:
        """The version id."""
        return f"v{self.number:08}"


@dataclass
class Bucket:
    """One bucket."""

    owner: str
    tags: dict[str, str]
    # In S3's order: by key, the newest first.
    versions: list[Version] = field(default_factory=list)
    uploads: list[tuple[str, str]] = field(default_factory=list)
    _written: int = 0

    def write(self, key: str, *, is_delete_marker: bool = False) -> None:
        """Puts a version, or a delete marker, on top of an object."""
        self._written += 1
        self.versions.append(Version(key, self._written, is_delete_marker))
        self.versions.sort(key=lambda version: (version.key.encode(), -version.number))

    def versions_of(self, key: str) -> int:
        """How many versions and delete markers an object has."""
        return sum(version.key == key for version in self.versions)

    def tagging(self) -> bytes:
        """The answer to GetBucketTagging."""
        tags = "".join(
            f"<Tag><Key>{escape(key)}</Key><Value>{escape(value)}</Value></Tag>" for key, value in self.tags.items()
        )
        return _document("Tagging", f"<TagSet>{tags}</TagSet>")

    def list_versions(self, query: dict[str, str]) -> bytes:
        """The answer to ListObjectVersions: a page of at most 1,000 versions and common prefixes."""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        key_marker, version_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
        write = quote if query.get("encoding-type") == "url" else escape
        entries: list[str] = []
        next_key, next_version, last_folder = "", "", ""
        is_truncated = False
        for version in self.versions:
            if not version.key.startswith(prefix):
                continue
            head, slash, _ = version.key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            folder = f"{prefix}{head}{slash}" if slash else ""
            if folder and (folder in (last_folder, key_marker) or version.key <= key_marker):
                continue
            is_behind = version.key > key_marker or (
                version.key == key_marker and version_marker != "" and version.id < version_marker
            )
            if not folder and not is_behind:
                continue
            if len(entries) == int(query.get("max-keys", MAX_KEYS)):
                is_truncated = True
                break
            if folder:
                last_folder, next_key, next_version = folder, folder, ""
                entries.append(f"<CommonPrefixes><Prefix>{write(folder)}</Prefix></CommonPrefixes>")
                continue
            next_key, next_version = version.key, version.id
            element = "DeleteMarker" if version.is_delete_marker else "Version"
            entries.append(
                f"<{element}><Key>{write(version.key)}</Key><VersionId>{version.id}</VersionId>"
                f"<IsLatest>false</IsLatest><LastModified>2026-01-15T12:00:00.000Z</LastModified></{element}>"
            )
        marker = f"<NextKeyMarker>{write(next_key)}</NextKeyMarker>"
        if next_version:
            marker += f"<NextVersionIdMarker>{next_version}</NextVersionIdMarker>"
        return _page("ListVersionsResult", query, entries, marker if is_truncated else "")

    def list_uploads(self, query: dict[str, str]) -> bytes:
        """The answer to ListMultipartUploads."""
        write = quote if query.get("encoding-type") == "url" else escape
        marker = (query.get("key-marker", ""), query.get("upload-id-marker", ""))
        behind = sorted(upload for upload in self.uploads if upload > marker)
        entries = [
            f"<Upload><Key>{write(key)}</Key><UploadId>{upload_id}</UploadId></Upload>"
            for key, upload_id in behind[:MAX_KEYS]
        ]
        further = ""
        if len(behind) > MAX_KEYS:
            key, upload_id = behind[MAX_KEYS - 1]
            further = f"<NextKeyMarker>{write(key)}</NextKeyMarker><NextUploadIdMarker>{upload_id}</NextUploadIdMarker>"
        return _page("ListMultipartUploadsResult", query, entries, further)

    def abort(self, key: str, upload_id: str) -> bool:
        """Aborts an upload. Returns whether there was one."""
        if (key, upload_id) not in self.uploads:
            return False
        self.uploads.remove((key, upload_id))
        return True

    def delete(self, request: bytes) -> bytes:
        """The answer to DeleteObjects, or nothing if S3 refuses the request."""
        root = ElementTree.fromstring(request)
        objects = [
            (_text(element, "Key"), _text(element, "VersionId")) for element in root.iter() if _is(element, "Object")
        ]
        if not 0 < len(objects) <= MAX_KEYS:
            return b""
        gone = set(objects)
        self.versions = [version for version in self.versions if (version.key, version.id) not in gone]
        if _text(root, "Quiet") == "true":
            return _document("DeleteResult", "")
        return _document(
            "DeleteResult",
            "".join(
                f"<Deleted><Key>{escape(key)}</Key><VersionId>{version_id}</VersionId></Deleted>"
                for key, version_id in objects
            ),
        )


def _page(element: str, query: dict[str, str], entries: list[str], further: str) -> bytes:
    encoding = "<EncodingType>url</EncodingType>" if query.get("encoding-type") == "url" else ""
    is_truncated = "true" if further else "false"
    return _document(element, f"{encoding}<IsTruncated>{is_truncated}</IsTruncated>{further}{''.join(entries)}")


def _document(element: str, content: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{element} xmlns="{_NAMESPACE}">{content}</{element}>'.encode()


def _is(element: ElementTree.Element, name: str) -> bool:
    return element.tag.rpartition("}")[2] == name


def _text(element: ElementTree.Element, name: str) -> str:
    return next((child.text or "" for child in element if _is(child, name)), "")
