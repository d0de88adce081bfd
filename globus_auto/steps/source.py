"""The listings of the source: through Globus, or of SRC_LOCAL_DIR."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from globus_auto import local
from globus_auto.alerts import AlertError, catalog
from globus_auto.files import OWN, QUARANTINE, matcher
from globus_auto.local import local_lister
from globus_auto.settings import Settings
from globus_auto.steps.session import Session, distinct
from globus_auto.text import sentence
from globus_auto.walk import DirectoryListing, ListingError, ListingResult, Skips, no_skips


def entered(settings: Settings) -> Callable[[str], bool]:
    """Return whether a scan enters a directory of this name.

    It leaves out excluded ones and those that globus_auto made, except quarantined ones.
    """
    excluded = matcher(settings.exclude)

    def enter(name: str) -> bool:
        return not excluded(name) and (not name.startswith(OWN) or name.startswith(QUARANTINE))

    return enter


def walk_source(
    session: Session,
    only: Iterable[str] | None = None,
    *,
    below: bool = False,
    skips: Skips = no_skips,
    fingerprints: bool = True,
) -> Iterator[ListingResult]:
    """Yield the listings of SRC_DIR and of all directories below it that a scan enters.

    With `only`, yield those of these directories alone, or of these and all `below` them; leave out
    those that `skips` says. Without `fingerprints`, those of files are not read from a mount. Raise
    AlertError if the marker of DST_DIR is in the source, EndpointNotReady if SRC_LOCAL_DIR does not
    show SRC_DIR, and what the calls raise.
    """
    settings = session.context.settings
    roots = [settings.src_dir] if only is None else only
    enter = entered(settings) if only is None or below else lambda _name: False
    if not settings.src_local_dir:
        session.context.alerts.resolve("mount")
        yield from session.walk(settings.src_id, roots, enter, skips)
        return
    require_same_directory(session)
    here, root = settings.src_local_dir, settings.src_dir
    yield from distinct(
        session,
        local.walk_mounted(here, root, roots, enter, skips, fingerprints=fingerprints),
    )


def require_same_directory(session: Session) -> None:
    """Return if SRC_LOCAL_DIR shows what Globus shows in SRC_DIR; else raise AlertError.

    A disk that is not mounted, or another disk, must never be read as "all gone". A snapshot, which
    shows less than Globus has just shown, is an alert if that lasts.
    """
    settings = session.context.settings
    collection = session.context.collection(settings.src_id)
    for result in session.walk(settings.src_id, [settings.src_dir]):
        if isinstance(result, ListingError):
            raise AlertError(
                catalog.collection_unlisted(
                    settings.src_id,
                    collection,
                    "SRC_DIR",
                    settings.src_dir,
                    sentence(result.reason),
                )
            )
        try:
            with local_lister(settings.src_local_dir, settings.src_dir) as list_one:
                here = list_one(settings.src_dir)
        except OSError as error:
            here = ListingError(settings.src_dir, error.strerror or str(error))
        if isinstance(here, ListingError):
            raise AlertError(
                catalog.local_dir_unlisted(
                    settings.src_id, collection, settings.src_local_dir, here.reason
                )
            )
        if here.names.isdisjoint(result.names) and (here.names or result.names):
            raise AlertError(
                catalog.local_dir_differs(
                    settings.src_id, collection, settings.src_local_dir, settings.src_dir
                )
            )
        _compare_directories(session, result, here)


def _compare_directories(session: Session, there: DirectoryListing, here: DirectoryListing) -> None:
    """Report where SRC_LOCAL_DIR, listed after Globus, is behind it: it may be a snapshot."""
    settings, alerts = session.context.settings, session.context.alerts
    behind = sorted(there.names - here.names)
    behind += [
        name
        for name, mtime in there.directories.items()
        if here.directories.get(name, mtime) < mtime
    ]
    if not behind:
        alerts.resolve("mount")
        return
    alerts.fire(catalog.local_dir_behind(settings.src_local_dir, settings.src_dir, behind))
