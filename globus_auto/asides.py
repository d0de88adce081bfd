"""Removing empty directories: each is moved aside and seen empty before it is deleted.

Globus cannot remove a directory only if it is empty: its delete takes what is inside by then.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Iterable

import globus_sdk

from globus_auto import catalog_deletions, refusals
from globus_auto.alerts import Alerts
from globus_auto.datastore import Datastore, joined
from globus_auto.listing import (
    DirectoryListing,
    ListingError,
    ListingResult,
    RateLimiter,
    list_directory,
)
from globus_auto.tasks import OWN, QUARANTINE
from globus_auto.wording import sentence

log = logging.getLogger(__name__)


def topmost_empty_trees(
    results: Iterable[ListingResult], root: str, content: Callable[[str, int], bool]
) -> list[str]:
    """Return the topmost directories with nothing but directories below, never `root` itself.

    `outcomes` are of a look at all of `root`. `content` tells, of a directory's name and mtime,
    that it is to be left alone; what could not be listed is left alone as well.
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
    # Longer paths first: what is below a directory is known before the directory itself.
    for path in sorted(inside, key=len, reverse=True):
        if path not in left and empty_trees.issuperset(inside[path]):
            empty_trees.add(path)
    empty_trees.discard(root)
    return sorted(path for path in empty_trees if path.rpartition("/")[0] not in empty_trees)


def quarantine(
    client: globus_sdk.TransferClient,
    store: Datastore,
    directories: Iterable[str],
    save: Callable[[], None],
) -> None:
    """Rename each of `directories` to a sibling that no writer knows; remember both names first.

    One that cannot be renamed stays as it is. Raise what concerns more than one directory.
    """
    for directory in directories:
        parent = directory.rpartition("/")[0]
        store.quarantined[f"{parent}/{QUARANTINE}{secrets.token_hex(6)}"] = directory
    save()
    for quarantined_path, directory in list(store.quarantined.items()):
        if directory not in directories:
            continue
        try:
            client.operation_rename(store.source, directory, quarantined_path)
        except globus_sdk.TransferAPIError as error:
            # Whether it was moved or not, looking tells: its record stays until then.
            log.info("Cannot move aside %s: %s", directory, error.message)


def is_empty_tree(results: Iterable[ListingResult]) -> bool:
    """Return whether a look at all of a directory found nothing but directories below."""
    return all(
        isinstance(result, DirectoryListing)
        and not (result.files or result.others or result.unsendable)
        and not any(name.startswith(OWN) for name in result.directories)
        for result in results
    )


def restore(
    client: globus_sdk.TransferClient,
    store: Datastore,
    alerts: Alerts,
    limiter: RateLimiter,
    also: Collection[str] = (),
) -> None:
    """Give every directory that stands aside and is not empty its old name again, `also` these.

    One that is gone is forgotten, an empty one left for delete.py. Where the old name is taken, it
    is left alone from then on. Raise what concerns more than one directory.
    """
    for quarantined_path, directory in sorted(store.quarantined.items()):
        result = list_directory(client, store.source, quarantined_path, limiter)
        if isinstance(result, ListingError):
            if result.gone:
                del store.quarantined[quarantined_path]
            else:
                alerts.fire(
                    catalog_deletions.quarantine_stuck(
                        quarantined_path, directory, sentence(result.reason)
                    )
                )
        elif not result.empty or quarantined_path in also:
            _rename_back(client, store, quarantined_path, alerts, limiter)
    # Those without a record are transfer.py's to find again, or not, when it looks at all.
    alerts.resolve(
        "aside",
        lambda about: about not in store.quarantined.values() and f"/{QUARANTINE}" not in about,
    )


def _rename_back(
    client: globus_sdk.TransferClient,
    store: Datastore,
    quarantined_path: str,
    alerts: Alerts,
    limiter: RateLimiter,
) -> None:
    directory = store.quarantined[quarantined_path]
    parent, _, name = directory.rpartition("/")
    beside = list_directory(client, store.source, parent or "/", limiter)
    if isinstance(beside, ListingError):
        alerts.fire(
            catalog_deletions.quarantine_stuck(quarantined_path, directory, sentence(beside.reason))
        )
        return
    if name in beside.files or name in beside.directories or name in beside.others:
        del store.quarantined[quarantined_path]
        alerts.fire(catalog_deletions.quarantine_name_taken(quarantined_path, directory))
        return
    try:
        client.operation_rename(store.source, quarantined_path, directory)
    except globus_sdk.TransferAPIError as error:
        alerts.fire(
            catalog_deletions.quarantine_stuck(
                quarantined_path, directory, refusals.api_details(error)
            )
        )
        return
    log.info("Put back %s", directory)
    del store.quarantined[quarantined_path]
