"""The files that a datastore has, and what keeps them as far as it shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from globus_auto.datastore import FileRecord, TaskRecord
from globus_auto.files import below, colliding_names, fold, joined, matcher, matches
from globus_auto.steps import rules
from globus_auto.steps.reasons import Why
from globus_auto.steps.rules import NEVER, KeepTerms, reason_to_keep
from globus_auto.steps.session import Session
from globus_auto.steps.units import Age, Units


class RecordedFiles:
    """The files that the datastore of a pair knows below SRC_DIR, and what keeps them there.

    `groups` are their directories by name without case or Unicode form: those of one group could be
    one directory at the destination. A file of a plain directory that is not excluded, with an
    mtime up to that of its task in `young`, stays because of KEEP_DAYS; up to that in `free`, it
    stays only if its name collides.
    """

    def __init__(self, session: Session, keep_days: float) -> None:
        self.session, self.store = session, session.store
        self.settings = session.context.settings
        self.keeping = KeepTerms(session.context.started, keep_days)
        self.lost, self.lost_below = self.store.lost(self.keeping.now)
        self.excludes = matcher(self.settings.exclude)
        self.young, self.free = ({}, {}) if self.lost else _latest(self.store.tasks, self.keeping)
        self.groups: dict[str, list[str]] = {}
        for directory in sorted(self.store.files):
            if below(directory, self.settings.src_dir):
                self.groups.setdefault(fold(directory), []).append(directory)

    def directories(self) -> Iterator[RecordedDirectory]:
        """Yield each directory."""
        for group in self.groups.values():
            colliding: list[set[str]] = []
            for path in group:
                yield RecordedDirectory(self, path, group, colliding)

    def ages(self, units: Units) -> dict[str, Age]:
        """Return the ages of `units`: that of the youngest of their files."""
        found: dict[str, Age] = {}
        for directory in self.store.files if units else ():
            if unit := units.of(directory):
                latest = max(record.mtime for record in self.store.files.read(directory).values())
                found[unit] = max(found.get(unit, (latest, unit)), (latest, unit))
        return found

    def excludes_path(self, path: str) -> bool:
        """Return whether EXCLUDE leaves out the file at `path`."""
        return matches(path, self.settings.src_dir, self.excludes)

    def directory(self, path: str) -> RecordedDirectory:
        """Return the directory at `path`, which may be unknown."""
        return RecordedDirectory(self, path, self.groups.get(fold(path), []), [])


class RecordedDirectory:
    """A directory of `recorded`, with its records by name; `group` are those of its group.

    `colliding` is for the names that collide in the group, once they are known.
    """

    def __init__(
        self, recorded: RecordedFiles, path: str, group: Sequence[str], colliding: list[set[str]]
    ) -> None:
        self.recorded, self.path, self._group, self._colliding = recorded, path, group, colliding
        self.records = recorded.store.files.read(path)
        self.hidden = matches(path, recorded.settings.src_dir, recorded.excludes)
        self.recursive_in_progress = recorded.store.recursive_in_progress(path)
        self.all_lost = any(below(path, each) for each in recorded.lost_below)

    def excludes(self, name: str) -> bool:
        """Return whether EXCLUDE leaves out the file `name`."""
        return self.hidden or self.recorded.excludes(name)

    @cached_property
    def plain(self) -> bool:
        """Whether nothing keeps all of its files."""
        return not (self.hidden or self.recursive_in_progress or self.all_lost)

    def is_free(self, name: str, record: FileRecord) -> bool:
        """Return whether nothing keeps a file that is not excluded; False if that takes longer."""
        latest = self.recorded.free.get(record.task, NEVER) if self.plain else NEVER
        return record.mtime <= latest and name not in self.colliding

    @cached_property
    def colliding(self) -> set[str]:
        """The names that could be one file at the destination with another name in the group."""
        if not self._colliding:
            read = self.recorded.store.files.read
            self._colliding.append(
                colliding_names([name for each in self._group for name in read(each)])
            )
        return self._colliding[0]

    def reason(self, name: str, also_at: Why | None = None, room: Why | None = None) -> Why | None:
        """Return why the recorded file `name` must stay whatever destinations have, or None.

        `also_at` and `room` are as in `reason_to_keep`.
        """
        recorded, record = self.recorded, self.records[name]
        return reason_to_keep(
            record,
            recorded.store.tasks[record.task],
            recorded.keeping,
            excluded=self.excludes(name),
            recursive_in_progress=self.recursive_in_progress,
            collides=name in self.colliding,
            lost=self.all_lost
            or (bool(recorded.lost) and joined(self.path, name) in recorded.lost),
            also_at=also_at,
            room=room,
        )


def _latest(tasks: Mapping[int, TaskRecord], keeping: KeepTerms) -> tuple[dict[int, int], ...]:
    """Return `young` and `free` of RecordedFiles."""
    least = keeping.keep_days * rules.DAY
    young, free = {}, {}
    for number, latest in rules.safe_until(tasks).items():
        task = tasks[number]
        if least and keeping.now - (task.ended_at or keeping.now) < least:
            young[number] = latest
        elif task.verify_checksum:
            free[number] = latest
    return young, free
