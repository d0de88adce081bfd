"""Why a task fails, or makes no progress, in the words of Globus."""

from __future__ import annotations

import logging

from globus_auto import globus
from globus_auto.errors import InvalidResponse
from globus_auto.globus import Event, TaskDocument
from globus_auto.steps.session import Session

log = logging.getLogger(__name__)


def reason_of_failure(session: Session, document: TaskDocument) -> str:
    """Return why a task failed: its newest error, if it was only cancelled or has expired.

    Return "" if Globus gives no reason.
    """
    fault = document.fatal_error
    said = globus.describe_error(fault.code, fault.description) if fault and fault.code else ""
    if said and fault and fault.code not in globus.ENDINGS:
        return said
    return newest_error(session, document) or said


def newest_error(session: Session, document: TaskDocument) -> str:
    """Return the newest error of a task; "" if it is not available."""
    try:
        return described(session.client.newest_event(document.task_id, errors=True))
    except (globus.GlobusError, InvalidResponse) as error:
        log.info("Cannot get the events of task %s: %s", document.task_id, globus.described(error))
        return ""


def described(event: Event | None) -> str:
    """Return what an event says; "" for None."""
    return globus.describe_error(event.code, event.description, event.details) if event else ""
