"""The marker: an empty directory in DST_DIR whose name identifies the source.

It shows that source and destination are distinct directories, although one directory may have two
names through two collections. It shows that no other source is sent to the same DST_DIR. It shows
whether the destination ignores case.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Set

from globus_auto import globus
from globus_auto.alerts import AlertError, catalog
from globus_auto.files import MARKER, OWN, joined, marker_name
from globus_auto.steps.plan import DeletionPlan
from globus_auto.steps.session import MarkerState, Session
from globus_auto.walk import DirectoryListing, ListingError

log = logging.getLogger(__name__)


def place(session: Session) -> str | None:
    """Make the marker in DST_DIR if that exists without one; return why it cannot be made, or None.

    Set `session.marker`. Raise AlertError if the marker of another source is there, and what the
    calls raise.
    """
    settings = session.context.settings
    session.marker, reason = _placed(session, settings.src_dir, settings.dst_id, settings.dst_dir)
    return reason


def _placed(
    session: Session, source_dir: str, endpoint: str, directory: str
) -> tuple[MarkerState, str | None]:
    """Make the marker of `source_dir` in `directory`; return its state, and why it is not there.

    Raise as `place` does.
    """
    name = marker_name(session.store.source, source_dir)
    found = session.client.list_directory(endpoint, directory, pattern=f"{OWN}.*")
    if isinstance(found, ListingError) and found.gone:
        return "nowhere", None
    if isinstance(found, ListingError):
        # A directory that is too large to list may have it; other markers cannot be seen there.
        log.info("Cannot list the markers in %s: %s", directory, found.reason)
    else:
        _require_no_other(source_dir, directory, name, found)
        if name in found.directories:
            return "there", None
    if session.context.dry:
        return "unknown", None
    reason = make_directory(session, endpoint, joined(directory, name))
    return ("refused" if reason else "there"), reason


def _require_no_other(source_dir: str, directory: str, mine: str, found: DirectoryListing) -> None:
    others = [name for name in found.directories if MARKER.fullmatch(name) and name != mine]
    if others:
        raise AlertError(
            catalog.destination_of_another(source_dir, directory, joined(directory, others[0]))
        )


def make(session: Session) -> str | None:
    """Make the marker in DST_DIR; return why it cannot be made, or None."""
    settings = session.context.settings
    return make_directory(
        session,
        settings.dst_id,
        joined(settings.dst_dir, marker_name(settings.src_id, settings.src_dir)),
    )


def make_directory(session: Session, endpoint: str, path: str) -> str | None:
    """Make a directory; return why it cannot be made, or None if it is there now."""
    try:
        made = session.client.make_directory(endpoint, path)
    except globus.TransferAPIError as error:
        if globus.requires_login(error):
            raise
        # It may be there already: an answer was lost, or a listing is out of date.
        exists = (error.code or "").endswith("MkdirFailed.Exists")
        return None if exists else globus.api_details(error)
    if not made:
        return "Globus did not say that it made one."
    log.info("Made the directory %s", path)
    return None


def require(session: Session, mappings: Set[tuple[str, str, str]]) -> None:
    """Return if the marker is in the directory at the destination of each of `mappings`.

    Raise AlertError if one is missing, or could not be made in DST_DIR, and as `place` does.
    """
    settings = session.context.settings
    here = settings.mapping
    for pair in sorted(mappings | ({here} if session.marker == "refused" else set())):
        state = session.marker if pair == here else _placed(session, *pair)[0]
        if state != "there":
            _, endpoint, directory = pair
            collection = session.context.collection(endpoint)
            raise AlertError(catalog.marker_missing(endpoint, collection, directory))


def required(session: Session, plans: Iterable[DeletionPlan]) -> Iterator[DeletionPlan]:
    """Yield each of `plans` after `require` of its mappings."""
    for plan in plans:
        require(session, plan.mappings)
        yield plan


def note(session: Session, reason: str) -> None:
    """Report once that the marker cannot be made; files are transferred all the same."""
    settings = session.context.settings
    session.context.alerts.fire(
        catalog.marker_not_made(
            session.context.collection(settings.dst_id), settings.dst_dir, reason
        )
    )


def ignores_case(session: Session) -> bool | None:
    """Return whether the destination ignores case in names; None if that is unknown.

    If the destination is missing, return whether it was seen to do so before.
    """
    context, settings = session.context, session.context.settings
    place = f"{settings.dst_id}:{settings.dst_dir}"
    if session.marker == "nowhere":
        return context.read_health().ignores_case == place or None
    found = _shows_case(session)
    if found and context.read_health().ignores_case != place:
        context.remember(lambda health: setattr(health, "ignores_case", place))
    return found


def _shows_case(session: Session) -> bool | None:
    """Ask for the marker by its name in upper case; without a marker, for another name there."""
    client, settings = session.client, session.context.settings
    if session.marker != "there":
        found = client.list_directory(settings.dst_id, settings.dst_dir)
        names = set() if isinstance(found, ListingError) else found.names
        swapped = (name.swapcase() for name in sorted(names) if name.isascii())
        other = next((name for name in swapped if name not in names), None)
        return client.exists(settings.dst_id, joined(settings.dst_dir, other)) if other else None
    other = marker_name(settings.src_id, settings.src_dir).upper()
    failure = client.listing_error(settings.dst_id, joined(settings.dst_dir, other))
    if failure is None:
        return True
    return False if failure.gone else None
