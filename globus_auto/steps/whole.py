"""Whole units: nothing of a unit is deleted before all of it may go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from globus_auto.datastore import FileRecord
from globus_auto.files import OWN, is_below_any, joined, keep_marker_finder, matcher, matches
from globus_auto.steps.reasons import KeepReason, Why
from globus_auto.steps.session import Session
from globus_auto.steps.source import walk_source
from globus_auto.steps.units import Units
from globus_auto.walk import ListingError


def whole(session: Session, units: Units, going: dict[str, FileRecord]) -> dict[str, FileRecord]:
    """Return `going` without the files of units that may not go as a whole now.

    All records of a unit and all files that a listing shows in it now must be in `going`, except
    those that EXCLUDE matches or a KEEP marker keeps; links do not count. The markers of a unit
    with a KEEP marker stay as well: without them, nothing more of it would be sent. Add what stays
    to `session.kept`. Raise what listing the source raises.
    """
    found = {unit for path in going if (unit := units.of_file(path))}
    held = _held_by_records(session, units, found, going)
    listed = sorted(found - held.keys())
    holding, marked = _held_by_files(session, units, listed, going)
    going = _without(session, units, going, held | holding)
    early = {path for path in going if units.of_file(path) in marked and units.is_marker(path)}
    for path in sorted(early):
        session.kept.add(path, Why(KeepReason.UNIT))
    return {path: record for path, record in going.items() if path not in early}


def still_whole(
    session: Session,
    units: Units,
    before: Iterable[str],
    going: dict[str, FileRecord],
) -> dict[str, FileRecord]:
    """Return `going` without the files of units of which other files in `before` must stay."""
    held = {unit: path for path in before if (unit := units.of_file(path)) and path not in going}
    return _without(session, units, going, held)


def _without(
    session: Session, units: Units, going: dict[str, FileRecord], held: Mapping[str, str]
) -> dict[str, FileRecord]:
    """Return `going` without the files of the units `held`, each with what holds it up."""
    kept = {path: held[unit] for path in going if (unit := units.of_file(path)) in held and unit}
    for path, why in sorted(kept.items()):
        session.kept.add(path, Why(KeepReason.UNIT, why))
    return {path: record for path, record in going.items() if path not in kept}


def _held_by_records(
    session: Session, units: Units, found: set[str], going: Mapping[str, FileRecord]
) -> dict[str, str]:
    """Return the units in `found` of which a recorded file may not go, each with that file."""
    held: dict[str, str] = {}
    files, settings = session.store.files, session.context.settings
    excluded = matcher(settings.exclude)
    for directory in files if found else ():
        unit = units.of(directory)
        if unit not in found or unit in held or matches(directory, settings.src_dir, excluded):
            continue
        for name in files.read(directory):
            if joined(directory, name) not in going and not excluded(name):
                held[unit] = joined(directory, name)
                break
    return held


def _held_by_files(
    session: Session, units: Units, listed: list[str], going: Mapping[str, FileRecord]
) -> tuple[dict[str, str], set[str | None]]:
    """List units now; return those in which a file may not go, each with that file or directory.

    Return those with a KEEP marker as well.
    """
    settings = session.context.settings
    excluded, has_marker = matcher(settings.exclude), keep_marker_finder(settings.keep_markers)
    holding: dict[str, str] = {}
    marked: set[str] = set()
    for result in walk_source(session, listed, below=True) if listed else ():
        if isinstance(result, ListingError):
            holding[result.path] = f"{result.path} cannot be listed"
            continue
        if has_marker(result.all_names):
            marked.add(result.path)
        names = [
            name
            for name, version in result.files.items()
            if not ((record := going.get(joined(result.path, name))) and record.is_of(version))
        ]
        for name in [*names, *result.unsendable, *result.unknown]:
            if not (excluded(name) or name.startswith(OWN)):
                holding[result.path] = joined(result.path, name)
                break
    held = {
        unit: what
        for path, what in sorted(holding.items())
        if (unit := units.of(path)) and not is_below_any(path, marked)
    }
    return held, set(map(units.of, marked))
