"""The parameters with which tests run those saved queries that have question marks.

By the query's name, in the order of its question marks, each as SQL text (`"'production'"`, `"30"`), as Athena's
ExecutionParameters take it. They are the defaults that the query's own comment documents.
"""

from __future__ import annotations

PARAMETERS: dict[str, list[str]] = {}
