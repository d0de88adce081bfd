"""Candidates: the files that may go as far as datastores show, and the reasons why others stay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from globus_auto import globus
from globus_auto.alerts import catalog
from globus_auto.datastore import FileRecord, TaskRecord
from globus_auto.files import joined
from globus_auto.steps.also_at import OtherPair
from globus_auto.steps.reasons import KeepReason, Why
from globus_auto.steps.recorded import RecordedFiles
from globus_auto.steps.room import Oldest
from globus_auto.steps.rules import NEVER
from globus_auto.steps.session import Session
from globus_auto.steps.units import Age


def candidates(
    session: Session, others: Sequence[OtherPair], oldest: Oldest
) -> Iterator[tuple[str, FileRecord, Age]]:
    """Yield the files that may be deleted if their copies are verified: records and ages.

    Leave out files outside SRC_DIR. Add files that must stay to `oldest.kept`, with the reason.
    """
    recorded = RecordedFiles(session, session.context.settings.keep_days)
    tasks = session.store.tasks
    unverified: dict[str, TaskRecord] = {}
    ages = {} if oldest.takes_all else recorded.ages(oldest.units)
    for here in recorded.directories():
        young, free = (recorded.young, recorded.free) if here.plain else ({}, {})
        there = [other.directory(here.path) for other in others]
        colliding = here.colliding if free else set()
        waiting, spare = [], []
        unit_age = ages.get(oldest.units.of(here.path) or "")
        for name, record in sorted(here.records.items()):
            # Nearly all files in nearly all runs wait for KEEP_DAYS, or there is room.
            mtime, excluded = record.mtime, here.excludes(name)
            if mtime <= young.get(record.task, NEVER) and not excluded:
                waiting.append(name)
                continue
            also_at = None
            for each in there:
                also_at = also_at or each.reason(name, record)
            age = unit_age or (mtime, "")
            is_free = mtime <= free.get(record.task, NEVER) and not excluded
            if is_free and age > oldest.latest and not also_at and name not in colliding:
                spare.append(name)
                continue
            path = joined(here.path, name)
            reason = here.reason(name, also_at, oldest.why if age > oldest.latest else None)
            if reason and reason.reason is KeepReason.UNVERIFIED:
                task = tasks[record.task]
                unverified.setdefault(task.destination, task)
            if reason:
                oldest.kept.add(path, reason)
            else:
                yield path, record, age
        oldest.kept.add_all(here.path, waiting, Why(KeepReason.KEEP_DAYS))
        oldest.kept.add_all(here.path, spare, oldest.why)
    for task in unverified.values():
        session.context.alerts.fire(
            catalog.checksums_unverified(
                task.destination, task.source_dir, globus.link(task.task_id or "")
            )
        )
    session.context.alerts.resolve("unverified")
