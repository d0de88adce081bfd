"""Wait until transfers have ended."""

from __future__ import annotations

import logging

from globus_auto.steps import findings, marker, spelling, startup
from globus_auto.steps.session import Session, totals
from globus_auto.text import counted

log = logging.getLogger(__name__)


def wait_for_transfers(session: Session) -> None:
    """Wait until every transfer in progress has ended, without the datastore's lock; then poll.

    This reports now what the next run would find out about these tasks.
    """
    in_progress = {
        number: task
        for number, task in session.store.tasks_in_progress("transfer").items()
        if task.task_id is not None
    }
    found = totals(session.store, in_progress)
    for position, (number, task) in enumerate(in_progress.items(), 1):
        what = f"Transfer {position} of {len(in_progress)}"
        with session.progress.task(what, found[number][1]) as show:
            session.client.wait(task.task_id or "", float("inf"), show)
    if in_progress:
        with startup.open_session(session.context, session.progress, session.connection) as later:
            log.info("Waited for %s to end", counted(len(in_progress), "transfer task"))
            findings.report_skipped(later)
            findings.report_undelivered(later)
            if session.marker == "nowhere":
                marker.place(later)
                spelling.distrust_merged(later)
