"""What stands at given paths of a collection now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from globus_auto import choosing, listing
from globus_auto.datastore import FileVersion, joined
from globus_auto.listing import Directory, Unlisted

if TYPE_CHECKING:
    from globus_auto.opening import Session

# Stands for a file that could not be asked for.
Answer = FileVersion | Unlisted | None


def versions(
    session: Session, endpoint: str, paths: list[str], *, alone: bool = False
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
    for outcome in session.walk(endpoint, list(wanted)):
        names = wanted[outcome.path]
        if isinstance(outcome, Directory):
            there = [*outcome.files, *outcome.directories, *outcome.others]
            twins = choosing.alike(there) if alone else set()
            for name in names:
                path = joined(outcome.path, name)
                twin = Unlisted(path, "another name collides with it", collides=True)
                yield path, twin if name in twins else outcome.files.get(name)
            continue
        silent = None
        for name in names:
            path = joined(outcome.path, name)
            answer: Answer = None if outcome.gone else silent
            if not outcome.gone and silent is None:
                answer = listing.stat_file(session.client, endpoint, path, session.limiter)
                silent = answer if isinstance(answer, Unlisted) else None
            yield path, answer
