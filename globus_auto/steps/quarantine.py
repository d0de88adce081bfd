"""Quarantine: rename an empty directory and list it again before it is deleted.

Globus cannot delete a directory only if it is empty: its recursive delete also deletes files that
were written there in the meantime.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Iterable

from globus_auto import globus
from globus_auto.alerts import catalog
from globus_auto.files import OWN, QUARANTINE, joined
from globus_auto.steps.session import Session
from globus_auto.text import sentence
from globus_auto.walk import DirectoryListing, ListingError, ListingResult

log = logging.getLogger(__name__)


def topmost_empty_trees(
    results: Iterable[ListingResult], root: str, content: Callable[[str, int], bool]
) -> list[str]:
    """Return the topmost directories that hold nothing, or only empty directories; never `root`.

    `results` are those of a walk of all of `root`. `content` returns, for a directory's name and
    mtime (seconds UTC), whether the directory counts as content and stays. A directory that cannot
    be listed stays as well.
    """
    inside: dict[str, list[str]] = {}
    left: set[str] = set()
    for result in results:
        if isinstance(result, ListingError):
            continue
        for name, mtime in result.directories.items():
            if content(name, mtime):
                left.add(joined(result.path, name))
        if not (result.files or result.others or result.unsendable):
            inside[result.path] = [joined(result.path, name) for name in result.directories]
    empty_trees: set[str] = set()
    # Longer paths first, so that subdirectories are decided before their parent.
    for path in sorted(inside, key=len, reverse=True):
        if path not in left and empty_trees.issuperset(inside[path]):
            empty_trees.add(path)
    empty_trees.discard(root)
    return sorted(path for path in empty_trees if path.rpartition("/")[0] not in empty_trees)


def quarantine(session: Session, directories: Iterable[str]) -> None:
    """Rename each of `directories` to a sibling name that no writer knows; save both names first.

    A directory that cannot be renamed keeps its name. Raise errors that affect more than one
    directory.
    """
    store = session.store
    for directory in directories:
        parent = directory.rpartition("/")[0]
        store.quarantined[f"{parent}/{QUARANTINE}{secrets.token_hex(6)}"] = directory
    session.save()
    for quarantined_path, directory in list(store.quarantined.items()):
        if directory not in directories:
            continue
        try:
            session.client.rename(store.source, directory, quarantined_path)
        except globus.TransferAPIError as error:
            # Globus may have renamed it anyway: its record stays until a listing shows that.
            log.info("Cannot quarantine %s: %s", directory, error.message)


def is_empty_tree(results: Iterable[ListingResult]) -> bool:
    """Return whether a walk of a directory found nothing, or only empty directories."""
    return all(
        isinstance(result, DirectoryListing)
        and not (result.files or result.others or result.unsendable)
        and not any(name.startswith(OWN) for name in result.directories)
        for result in results
    )


def restore(session: Session, also: Collection[str] = ()) -> None:
    """Give quarantined directories that are not empty, and those in `also`, their old names back.

    Forget a directory that is gone. Leave an empty one for delete.py. If the old name is taken,
    leave the directory where it is, fire an alert and forget it. Raise errors that affect more than
    one directory.
    """
    store, alerts = session.store, session.context.alerts
    for quarantined_path, directory in sorted(store.quarantined.items()):
        result = session.client.list_directory(store.source, quarantined_path)
        if isinstance(result, ListingError):
            if result.gone:
                del store.quarantined[quarantined_path]
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
