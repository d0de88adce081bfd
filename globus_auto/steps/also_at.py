"""ALSO_AT: what keeps files for other pairs with the same source, as far as their datastores show.

Nothing of another pair is changed: its datastore is read without its lock, as its programs save it
atomically.
"""

from __future__ import annotations

import logging
from typing import NamedTuple

from globus_auto.alerts import AlertError
from globus_auto.context import RunContext
from globus_auto.datastore import FileRecord
from globus_auto.errors import DamagedDatastore
from globus_auto.steps import startup
from globus_auto.steps.reasons import KeepReason, Why
from globus_auto.steps.recorded import RecordedDirectory, RecordedFiles
from globus_auto.steps.session import Progress, Session

log = logging.getLogger(__name__)

UNUSABLE = "whose datastore cannot be used"
NOT_DELIVERED = "not delivered"


class OtherPair:
    """A pair of ALSO_AT, as its datastore shows it; `recorded` is None if that cannot be used.

    `mappings` are those of its tasks whose copies were looked at.
    """

    def __init__(self, config_path: str, recorded: RecordedFiles | None) -> None:
        self.config_path, self.recorded = config_path, recorded
        self.mappings: set[tuple[str, str, str]] = set()

    def directory(self, path: str) -> OtherDirectory:
        """Return what it knows of the files of a directory."""
        return OtherDirectory(self, self.recorded.directory(path) if self.recorded else None)

    def why(self, detail: str) -> Why:
        """Return the reason that a file stays for this pair."""
        return Why(KeepReason.ALSO_AT, f"{self.config_path}, {detail}")


class OtherDirectory(NamedTuple):
    """A directory of the source, as another pair knows it."""

    pair: OtherPair
    recorded: RecordedDirectory | None

    def reason(self, name: str, record: FileRecord) -> Why | None:
        """Return why the datastore of the pair does not show a delivered copy of a file, or None.

        `record` is that of this pair. A pair that excludes the file is not asked.
        """
        if self.recorded is None:
            return self.pair.why(UNUSABLE)
        if self.recorded.excludes(name):
            return None
        other = self.recorded.records.get(name)
        if other is None:
            return self.pair.why(NOT_DELIVERED)
        if (other.size, other.mtime) != (record.size, record.mtime):
            return self.pair.why("delivered with another size or time")
        if self.recorded.is_free(name, other):
            return None
        reason = self.recorded.reason(name)
        return self.pair.why(str(reason)) if reason else None


def other_pairs(session: Session) -> list[OtherPair]:
    """Return the pairs of ALSO_AT, by the same checks of their datastores as of our own."""
    return [_load(session, context) for context in session.context.other_pairs()]


def _load(session: Session, context: RunContext) -> OtherPair:
    path = context.settings.config_path
    try:
        # What is newer in Globus's list may have been submitted just after the first load.
        for _ in range(2):
            other = Session(context, context.load(), session.connection, Progress())
            is_older = startup.compare_with_list(other)
            if not is_older:
                break
        if is_older and not other.store.restored:
            context.restored(other.store)
    except (DamagedDatastore, AlertError) as error:
        log.info("The datastore of %s cannot be used: %s", path, error)
        return OtherPair(path, None)
    return OtherPair(path, RecordedFiles(other, 0))
