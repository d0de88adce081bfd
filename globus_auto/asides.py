"""Removing empty directories: each is moved aside and seen empty before it is deleted.

Globus cannot remove a directory only if it is empty: its delete takes what is inside by then.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Iterable

import globus_sdk

from globus_auto import catalog_deletions, refusals
from globus_auto.alerts import Findings
from globus_auto.datastore import Datastore, joined
from globus_auto.listing import Directory, Outcome, RateLimiter, Unlisted, list_directory
from globus_auto.tasks import ASIDE, OWN
from globus_auto.wording import sentence

log = logging.getLogger(__name__)


def topmost_bare(
    outcomes: Iterable[Outcome], root: str, content: Callable[[str, int], bool]
) -> list[str]:
    """Return the topmost directories with nothing but directories below, never `root` itself.

    `outcomes` are of a look at all of `root`. `content` tells, of a directory's name and mtime,
    that it is to be left alone; what could not be listed is left alone as well.
    """
    inside: dict[str, list[str]] = {}
    left: set[str] = set()
    for outcome in outcomes:
        if isinstance(outcome, Unlisted):
            continue
        for name, mtime in outcome.directories.items():
            if content(name, mtime):
                left.add(joined(outcome.path, name))
        if not (outcome.files or outcome.others or outcome.unsendable):
            inside[outcome.path] = [joined(outcome.path, name) for name in outcome.directories]
    bare: set[str] = set()
    # Longer paths first: what is below a directory is known before the directory itself.
    for path in sorted(inside, key=len, reverse=True):
        if path not in left and bare.issuperset(inside[path]):
            bare.add(path)
    bare.discard(root)
    return sorted(path for path in bare if path.rpartition("/")[0] not in bare)


def set_aside(
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
        store.asides[f"{parent}/{ASIDE}{secrets.token_hex(6)}"] = directory
    save()
    for aside, directory in list(store.asides.items()):
        if directory not in directories:
            continue
        try:
            client.operation_rename(store.source, directory, aside)
        except globus_sdk.TransferAPIError as error:
            # Whether it was moved or not, looking tells: its record stays until then.
            log.info("Cannot move aside %s: %s", directory, error.message)


def seen_empty(outcomes: Iterable[Outcome]) -> bool:
    """Return whether a look at all of a directory found nothing but directories below."""
    return all(
        isinstance(outcome, Directory)
        and not (outcome.files or outcome.others or outcome.unsendable)
        and not any(name.startswith(OWN) for name in outcome.directories)
        for outcome in outcomes
    )


def put_back(
    client: globus_sdk.TransferClient,
    store: Datastore,
    findings: Findings,
    limiter: RateLimiter,
    also: Collection[str] = (),
) -> None:
    """Give every directory that stands aside and is not empty its old name again, `also` these.

    One that is gone is forgotten, an empty one left for delete.py. Where the old name is taken, it
    is left alone from then on. Raise what concerns more than one directory.
    """
    for aside, directory in sorted(store.asides.items()):
        outcome = list_directory(client, store.source, aside, limiter)
        if isinstance(outcome, Unlisted):
            if outcome.gone:
                del store.asides[aside]
            else:
                findings.fire(
                    catalog_deletions.quarantine_stuck(aside, directory, sentence(outcome.reason))
                )
        elif not outcome.empty or aside in also:
            _rename_back(client, store, aside, findings, limiter)
    # Those without a record are transfer.py's to find again, or not, when it looks at all.
    findings.resolve(
        "aside", lambda about: about not in store.asides.values() and f"/{ASIDE}" not in about
    )


def _rename_back(
    client: globus_sdk.TransferClient,
    store: Datastore,
    aside: str,
    findings: Findings,
    limiter: RateLimiter,
) -> None:
    directory = store.asides[aside]
    parent, _, name = directory.rpartition("/")
    beside = list_directory(client, store.source, parent or "/", limiter)
    if isinstance(beside, Unlisted):
        findings.fire(catalog_deletions.quarantine_stuck(aside, directory, sentence(beside.reason)))
        return
    if name in beside.files or name in beside.directories or name in beside.others:
        del store.asides[aside]
        findings.fire(catalog_deletions.quarantine_name_taken(aside, directory))
        return
    try:
        client.operation_rename(store.source, aside, directory)
    except globus_sdk.TransferAPIError as error:
        findings.fire(
            catalog_deletions.quarantine_stuck(aside, directory, refusals.api_details(error))
        )
        return
    log.info("Put back %s", directory)
    del store.asides[aside]
