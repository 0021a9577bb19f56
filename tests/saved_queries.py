"""What a caller has to know of the saved queries beside their text, which is in the template and nowhere else."""

from __future__ import annotations

# The values that docs/queries.md gives for those queries that ask for some: ExecutionParameters, by the query's name.
PARAMETERS = {"QueryComplianceOfTaggedNodes": ["'Environment'", "'production'"]}
