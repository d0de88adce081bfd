"""Quarantine: rename an empty directory and list it again before it is deleted.

Globus cannot delete a directory only if it is empty: its recursive delete also deletes files that
were written there in the meantime.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Collection, Iterable

from globus_auto import globus
from globus_auto.alerts import AlertError, catalog
from globus_auto.files import QUARANTINE
from globus_auto.steps import facts
from globus_auto.steps.session import Session
from globus_auto.text import sentence
from globus_auto.walk import ListingError

log = logging.getLogger(__name__)


def quarantine(session: Session, directories: Iterable[str]) -> dict[str, str]:
    """Rename each of `directories` to a sibling name that no writer knows; save both names first.

    Return those that Globus refuses to rename, which keep their names, each with what Globus says.
    Raise errors that affect more than one directory.
    """
    store, new = session.store, {}
    for directory in directories:
        parent = directory.rpartition("/")[0]
        new[f"{parent}/{QUARANTINE}{secrets.token_hex(6)}"] = directory
    store.quarantined |= new
    session.save()

    def rename(client: globus.Client, quarantined_path: str) -> str | None:
        """Quarantine a directory; return what Globus says if it refuses that."""
        try:
            client.rename(store.source, new[quarantined_path], quarantined_path)
        except globus.TransferAPIError as error:
            # Globus may have renamed it anyway: its record stays until a listing shows that.
            log.info("Cannot quarantine %s: %s", new[quarantined_path], globus.described(error))
            if globus.is_about_path(error):
                return globus.api_details(error)
        return None

    said = zip(new.values(), session.concurrently(rename, new), strict=True)
    return {directory: reason for directory, reason in said if reason}


def restore(session: Session, also: Collection[str] = ()) -> None:
    """Give quarantined directories that are not empty, and those in `also`, their old names back.

    Forget a directory that is gone. Leave an empty one for delete.py. If the old name is taken,
    leave the directory where it is, fire an alert and forget it. Raise errors that affect more than
    one directory.
    """
    store, alerts = session.store, session.context.alerts
    for result in list(session.walk(store.source, sorted(store.quarantined))):
        quarantined_path, directory = result.path, store.quarantined[result.path]
        if isinstance(result, ListingError):
            if result.gone:
                _forget_gone(session, quarantined_path)
            else:
                alerts.fire(
                    catalog.quarantine_stuck(quarantined_path, directory, sentence(result.reason))
                )
        elif not result.empty or quarantined_path in also:
            _rename_back(session, quarantined_path)
    # Those without a record are transfer.py's to find again, or not, when it looks at all.
    alerts.resolve(
        "quarantine",
        lambda about: about not in store.quarantined.values() and f"/{QUARANTINE}" not in about,
    )


def _forget_gone(session: Session, quarantined_path: str) -> None:
    """Forget a quarantined directory that a delete task of an interrupted run has deleted."""
    try:
        facts.record(session, "pruned", [session.store.quarantined[quarantined_path]])
    except AlertError as error:
        session.context.alerts.fire(error.alert)
    else:
        del session.store.quarantined[quarantined_path]


def _rename_back(session: Session, quarantined_path: str) -> None:
    store, alerts = session.store, session.context.alerts
    directory = store.quarantined[quarantined_path]
    parent, _, name = directory.rpartition("/")
    beside = session.client.list_directory(store.source, parent or "/")
    if isinstance(beside, ListingError):
        alerts.fire(catalog.quarantine_stuck(quarantined_path, directory, sentence(beside.reason)))
        return
    if name in beside.files or name in beside.directories or name in beside.others:
        del store.quarantined[quarantined_path]
        alerts.fire(catalog.quarantine_name_taken(quarantined_path, directory))
        return
    try:
        session.client.rename(store.source, quarantined_path, directory)
    except globus.TransferAPIError as error:
        alerts.fire(
            catalog.quarantine_stuck(quarantined_path, directory, globus.api_details(error))
        )
        return
    log.info("Restored %s from quarantine", directory)
    del store.quarantined[quarantined_path]
