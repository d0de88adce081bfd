"""Cancel all tasks at the service; `Site` starts it in a process of its own."""

from __future__ import annotations

import os
import sys

from globus_sdk import ClientApp, GlobusAppConfig, TransferClient


def main() -> None:
    """Cancel the tasks in progress of the service account whose client id is the argument."""
    app = ClientApp(
        "benchmarks",
        client_id=sys.argv[1],
        client_secret=os.environ["GLOBUS_CLIENT_SECRET"],
        config=GlobusAppConfig(token_storage="memory"),
    )
    with app, TransferClient(app=app) as client:
        for task in client.task_list(filter="status:ACTIVE", limit=1000):
            client.cancel_task(task["task_id"])


if __name__ == "__main__":
    main()
