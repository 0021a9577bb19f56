"""Which tables and partitions a crawler sees in the keys of a bucket.

https://docs.aws.amazon.com/glue/latest/dg/crawler-s3-folder-table-partition.html and
https://docs.aws.amazon.com/glue/latest/dg/crawler-configuration.html#crawler-grouping-policy:

- The folder above the partitions is the table. ``key=value`` folders of one key are partitions of the folder that
  holds them; other folders are so (``partition_0``, …) if the schemas of most of them are similar, or compatible under
  CombineCompatibleSchemas, and else tables of their own.
- TableLevelConfiguration names the level of the tables, the bucket being level 1.
- Where the depth of a table's partition folders differs, or a file lies beside folders, the odd ones out become tables
  of their own: how `test.json` that SSM leaves above the partitions becomes the table `test_json`.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

# Share of the columns that two schemas must have in common to be similar. AWS publishes no number for it; this one
# keeps apart what stays apart live (AWS:Application and AWS:AWSComponent among the synced types).
_SIMILAR = 0.7

# https://docs.aws.amazon.com/glue/latest/webapi/API_TableInput.html#Glue-Type-TableInput-Name
_MAX_NAME = 128

Folder = tuple[str, ...]


@dataclass(frozen=True)
class FoundTable:
    """A table: its root folder (or its only file), and the keys of its files by partition folder below the root."""

    root: Folder
    files: dict[Folder, list[str]]
    is_file: bool = False

    @property
    def location(self) -> str:
        """The key prefix of the table, with a closing slash unless it is a file."""
        path = "/".join(self.root)
        return path if self.is_file or not path else f"{path}/"

    @property
    def depth(self) -> int:
        """The number of partition keys."""
        return len(next(iter(self.files)))

    def partition_keys(self) -> list[str]:
        """The name of each level of partition folders: the key of ``key=value``, else ``partition_N``."""
        levels = zip(*self.files, strict=True)
        return [_common_key(level) or f"partition_{number}" for number, level in enumerate(levels)]

    def values(self, folder: Folder) -> list[str]:
        """The partition's values: what stands behind the common key, else the folder's name."""
        keys = self.partition_keys()
        return [
            name.partition("=")[2] if not key.startswith("partition_") else name
            for key, name in zip(keys, folder, strict=True)
        ]


@dataclass
class _Node:
    """A folder: the files directly in it and its subfolders."""

    path: Folder
    files: list[str] = field(default_factory=list)
    folders: dict[str, _Node] = field(default_factory=dict)


# The lower-case column names in a sample of the files, by their keys.
ColumnsOf = Callable[[Iterable[str]], frozenset[str]]


def find_tables(
    keys: Iterable[str],
    include_prefix: str,
    *,
    table_level: int | None,
    combine_compatible: bool,
    columns_of: ColumnsOf,
) -> Iterator[FoundTable]:
    """The tables in a target's keys, all of which start with the include path's prefix."""
    base = tuple(part for part in include_prefix.split("/")[:-1] if part) if include_prefix else ()
    root = _tree(keys, base)
    if table_level is None:
        main, others = _resolve(root, combine_compatible, columns_of)
        yield from ([main] if main else []) + others
        return
    for node in _at_depth(root, table_level - 1):
        main, others = _resolve(node, True, columns_of)
        yield from ([main] if main else []) + others


def table_name(prefix: str, found: FoundTable, bucket: str) -> str:
    """The name of a table: its folder's in lower case, with ``_`` for what is neither letter nor digit."""
    folder = found.root[-1] if found.root else bucket
    return re.sub(r"[^a-z0-9_]", "_", f"{prefix}{folder}".lower())[:_MAX_NAME]


def unique_name(name: str, location: str) -> str:
    """The name of a table whose own name is taken by another location."""
    suffix = "_" + hashlib.md5(location.encode(), usedforsecurity=False).hexdigest()
    return name[: _MAX_NAME - len(suffix)] + suffix


def exclusion(pattern: str) -> re.Pattern[str]:
    """A compiled glob of an S3 target's exclusions, to be matched in full against the path below the include path.

    ``*`` and ``?`` do not cross ``/``, ``**`` does; ``[…]``, ``{a,b}`` and ``\\`` as documented:
    https://docs.aws.amazon.com/glue/latest/dg/define-crawler.html#crawler-data-stores-exclude
    """
    tokens = {"**": ".*", "*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")", ",": "|"}
    regex, depth = "", 0
    for token in re.findall(r"\*\*|\\.|\[[^\]]*\]|.", pattern, re.DOTALL):
        if token.startswith("[") and len(token) > 1:
            regex += "[^" + token[2:] if token.startswith("[!") else token
        elif token.startswith("\\") and len(token) > 1:
            regex += re.escape(token[1])
        elif token in tokens and (token != "," or depth) and (token != "}" or depth):
            depth += {"{": 1, "}": -1}.get(token, 0)
            regex += tokens[token]
        else:
            regex += re.escape(token)
    return re.compile(regex, re.DOTALL)


def _tree(keys: Iterable[str], base: Folder) -> _Node:
    root = _Node(base)
    nodes = {base: root}
    for key in keys:
        folder = tuple(key.split("/")[:-1])
        _node(nodes, folder if len(folder) >= len(base) else base).files.append(key)
    return root


def _node(nodes: dict[Folder, _Node], path: Folder) -> _Node:
    found = nodes.get(path)
    if found is None:
        found = nodes[path] = _Node(path)
        _node(nodes, path[:-1]).folders[path[-1]] = found
    return found


def _at_depth(node: _Node, depth: int) -> Iterator[_Node]:
    """The folders at a depth counted from the bucket; what lies above the level of the tables belongs to none."""
    if len(node.path) >= depth:
        yield node
        return
    for child in node.folders.values():
        yield from _at_depth(child, depth)


def _resolve(node: _Node, combine: bool, columns_of: ColumnsOf) -> tuple[FoundTable | None, list[FoundTable]]:
    """The table that the folder is or can be a partition of, if any, and further tables below it."""
    if not node.folders:
        return (FoundTable(node.path, {(): node.files}) if node.files else None), []
    others = [FoundTable(tuple(key.split("/")), {(): [key]}, is_file=True) for key in node.files]
    mains = []
    for child in node.folders.values():
        main, further = _resolve(child, combine, columns_of)
        mains += [main] if main else []
        others += further
    joined = _joinable(mains, combine, columns_of)
    others += [main for main in mains if main not in joined]
    if not joined:
        return None, others
    files = {(main.root[-1], *folder): keys for main in joined for folder, keys in main.files.items()}
    return FoundTable(node.path, files), others


def _joinable(mains: list[FoundTable], combine: bool, columns_of: ColumnsOf) -> list[FoundTable]:
    """Those of sibling folders that are partitions of one table."""
    if not mains:
        return []
    usual_depth = Counter(main.depth for main in mains).most_common(1)[0][0]
    mains = [main for main in mains if main.depth == usual_depth]
    if combine or _common_key(main.root[-1] for main in mains):
        return mains
    columns = [columns_of(key for keys in main.files.values() for key in keys) for main in mains]
    alike = max(
        ([main for main, theirs in zip(mains, columns, strict=True) if _similar(ours, theirs)] for ours in columns),
        key=len,
    )
    return alike if len(alike) * 2 > len(mains) else []


def _similar(left: frozenset[str], right: frozenset[str]) -> bool:
    return len(left & right) >= _SIMILAR * max(len(left | right), 1)


def _common_key(names: Iterable[str]) -> str | None:
    """The key that all the ``key=value`` folder names share, in lower case."""
    keys = {name.partition("=")[0].lower() if "=" in name else "" for name in names}
    return keys.pop() if len(keys) == 1 and "" not in keys else None
