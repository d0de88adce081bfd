"""The current fingerprints of files at a collection."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from globus_auto.files import FileVersion, colliding_names, joined
from globus_auto.steps.session import Session
from globus_auto.walk import DirectoryListing, ListingError

# A fingerprint; None if there is no such file; ListingError if that is unknown.
Answer = FileVersion | ListingError | None


def current_versions(
    session: Session,
    endpoint: str,
    paths: list[str],
    *,
    collisions: bool = False,
    see: Callable[[DirectoryListing], None] = lambda _listing: None,
) -> Iterator[tuple[str, Answer]]:
    """Yield each of `paths` with its fingerprint now at `endpoint`; None if there is no such file.

    List the directories of the files. If a directory cannot be listed, ask for its files one by
    one. After the first file without an answer, yield its ListingError for all others of that
    directory. With `collisions`, also yield a ListingError for each file whose directory has
    another name that could be the same file at the destination. Call `see` with each listing.

    Raise as `Session.walk` and `globus.stat_file` do.
    """
    wanted: dict[str, list[str]] = {}
    for path in paths:
        directory, _, name = path.rpartition("/")
        wanted.setdefault(directory or "/", []).append(name)
    for result in session.walk(endpoint, list(wanted)):
        names = wanted[result.path]
        if isinstance(result, DirectoryListing):
            see(result)
            there = [*result.files, *result.directories, *result.others]
            colliding = colliding_names(there) if collisions else set()
            for name in names:
                yield joined(result.path, name), _answer(result, name, colliding)
            continue
        no_answer = None
        for name in names:
            path = joined(result.path, name)
            answer: Answer = None if result.gone else no_answer
            if not result.gone and no_answer is None:
                answer = session.client.stat_file(endpoint, path)
                no_answer = answer if isinstance(answer, ListingError) else None
            yield path, answer


def _answer(listing: DirectoryListing, name: str, colliding: set[str]) -> Answer:
    path = joined(listing.path, name)
    if name in colliding:
        return ListingError(path, "another name collides with it", collides=True)
    if name in listing.unknown:
        what = f"Globus sent an impossible size or time of {path}: {listing.unknown[name]}"
        return ListingError(path, what)
    return listing.files.get(name)
