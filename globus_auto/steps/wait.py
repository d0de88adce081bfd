"""Wait until transfers have ended."""

from __future__ import annotations

import logging

from globus_auto.steps import findings, startup
from globus_auto.steps.session import Session

log = logging.getLogger(__name__)


def wait_for_transfers(session: Session) -> None:
    """Wait until every transfer in progress has ended, without the datastore's lock; then poll.

    This reports now what the next run would find out about these tasks.
    """
    in_progress = [
        task
        for task in session.store.tasks_in_progress("transfer").values()
        if task.task_id is not None
    ]
    for number, task in enumerate(in_progress, 1):
        what = f"Transfer {number} of {len(in_progress)}"
        with session.progress.task(what) as show:
            session.client.wait(task.task_id or "", float("inf"), show)
    if in_progress:
        with startup.open_session(session.context, session.progress, session.connection) as later:
            log.info("Waited for the end of transfer tasks: %d", len(in_progress))
            findings.report_skipped(later)
            findings.report_undelivered(later)
