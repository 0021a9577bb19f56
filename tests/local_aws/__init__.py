"""The local AWS: MiniStack in a process of its own, bent to behave as AWS does where this repository relies on it.

`server.LocalAws` starts and ends it; `python -m local_aws` is what it starts. Each concern is a module with an
`install()` that replaces functions of MiniStack, and what a module knows of MiniStack's inner names stays in it.
MiniStack is pinned to an exact version for that reason.
"""
