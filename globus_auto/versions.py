"""What stands at given paths of a collection now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from globus_auto import choosing, listing
from globus_auto.datastore import FileVersion, joined
from globus_auto.listing import DirectoryListing, ListingError

if TYPE_CHECKING:
    from globus_auto.opening import Session

# Stands for a file that could not be asked for.
Answer = FileVersion | ListingError | None


def current_versions(
    session: Session, endpoint: str, paths: list[str], *, collisions: bool = False
) -> Iterator[tuple[str, Answer]]:
    """Yield for each of `paths` what stands there at `endpoint` now: a version, or None.

    Their directories are listed; where one cannot be, its files are asked for one by one, until
    one cannot be told either: an Unlisted stands for each of those, and with `alone` for one
    beside which stands another name that could be the same at the destination.
    """
    wanted: dict[str, list[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        wanted.setdefault(directory or "/", []).append(name)
    for result in session.walk(endpoint, list(wanted)):
        names = wanted[result.path]
        if isinstance(result, DirectoryListing):
            there = [*result.files, *result.directories, *result.others]
            twins = choosing.colliding_names(there) if collisions else set()
            for name in names:
                path = joined(result.path, name)
                twin = ListingError(path, "another name collides with it", collides=True)
                yield path, twin if name in twins else result.files.get(name)
            continue
        silent = None
        for name in names:
            path = joined(result.path, name)
            answer: Answer = None if result.gone else silent
            if not result.gone and silent is None:
                answer = listing.stat_file(session.client, endpoint, path, session.limiter)
                silent = answer if isinstance(answer, ListingError) else None
            yield path, answer
