"""The server process: MiniStack with our modules installed, on the socket that `server.LocalAws` made.

Configured by the environment alone; see `LocalAws._server_env` for the variables. State is in memory only, so the
process ends at once on SIGTERM, whatever is under way, and takes its functions' processes with it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading

from hypercorn.asyncio import serve
from hypercorn.config import Config
from ministack.app import app

from local_aws import (
    athena,
    authorization,
    catalog,
    cloudformation,
    crawler,
    custom_resource,
    encryption,
    lambda_code,
    lambda_invocation,
    lambda_logs,
    organization,
    organizations_api,
    quicksight,
    quicksight_cloudformation,
    resource_data_sync,
    s3_batch_delete,
    s3_bucket_owner,
    s3_key_order,
    s3_listing,
    stack_cleanup,
    stack_deletion,
    stack_sets_api,
    stores,
    usage_record,
)

# Later ones build on what earlier ones have replaced.
MODULES = (
    stores,
    organization,
    organizations_api,
    authorization,
    encryption,
    s3_bucket_owner,
    s3_key_order,
    s3_listing,
    s3_batch_delete,
    lambda_code,
    lambda_invocation,
    lambda_logs,
    custom_resource,
    cloudformation,
    stack_cleanup,
    stack_deletion,
    stack_sets_api,
    resource_data_sync,
    quicksight,
    quicksight_cloudformation,
    catalog,
    crawler,
    athena,
    usage_record,
)


def main() -> None:
    """Installs the modules and serves until the process is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: end())
    if os.environ.get("LOCAL_AWS_KEEP") != "1":
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    for module in MODULES:
        module.install()
    config = Config()
    config.bind = [f"fd://{os.environ['LOCAL_AWS_LISTENER']}"]
    config.keep_alive_timeout = 75
    asyncio.run(serve(app, config, shutdown_trigger=asyncio.Event().wait))


def end() -> None:
    """Removes what was written and ends the process group, functions included, without waiting for anything."""
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.killpg(os.getpid(), signal.SIGKILL)  # `LocalAws` starts the server as the leader of its own group


def _end_with_parent() -> None:
    """Standard input is a pipe from the parent: its end is the parent's end."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    end()


if __name__ == "__main__":
    main()
