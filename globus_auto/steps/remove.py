"""Deletion: delete verified files by explicit path."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from globus_auto import globus
from globus_auto.alerts import AlertState, catalog
from globus_auto.errors import ListingTooOld
from globus_auto.globus import DIVISIBLE, MOST_REJECTED, TaskDocument
from globus_auto.steps import delete_task
from globus_auto.steps.batches import Batches, list_again
from globus_auto.steps.delete_task import FAILED_TASKS, Deletion, Ended
from globus_auto.steps.failures import reason_of_failure
from globus_auto.steps.plan import DeletionPlan
from globus_auto.steps.reasons import KeepReason, Why
from globus_auto.steps.session import Session
from globus_auto.text import counted

log = logging.getLogger(__name__)

# The history records each deletion; the datastore is saved so often while files are deleted.
SAVE_SECONDS = 600


def remove(session: Session, plans: Iterable[DeletionPlan]) -> set[str]:
    """Delete the files of `plans` that are unchanged at the source, batch by batch.

    Stop after too many failed tasks, and leave the rest of a plan once there is room. Return the
    directories in which no known file is left.
    """
    removal = Removal(session)
    try:
        for plan in plans:
            if not removal.carry_out(plan):
                break
    finally:
        removal.report()
    return {path for path in removal.directories if path not in session.store.files}


class Removal:
    """The file deletions of one run."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.planned = self.removed = self.failed = self.rejected = 0
        self.directories: set[str] = set()
        self.left: list[str] = []
        self.refusals: dict[str, str] = {}
        self.ended: TaskDocument | None = None

    def carry_out(self, plan: DeletionPlan) -> bool:
        """Delete the files of a plan; return False if too many tasks have failed to go on."""
        session, self.verified = self.session, plan.verified
        self.planned += len(plan.verified)
        self.batches = Batches(session, plan)
        for deletion in self.batches:
            self.delete(deletion)
            if time.time() - session.context.saved_at > SAVE_SECONDS:
                session.save()
            if self.failed >= FAILED_TASKS or self.rejected > MOST_REJECTED:
                return False
            if plan.enough():
                break
        for path in self.batches.left:
            session.kept.add(path, Why(KeepReason.ROOM))
        return True

    def delete(self, deletion: Deletion) -> None:
        """Delete one batch; put it back in parts if it must be tried again in smaller ones."""
        paths = deletion.paths
        try:
            ended = delete_task.delete(self.session, deletion)
        except ListingTooOld:
            self._too_slow(paths)
            return
        except globus.TransferAPIError as error:
            if not (globus.is_rejected(error) and error.http_status in DIVISIBLE):
                self.left += paths
                raise
            self._rejected(paths, error)
            return
        except Exception:
            # The next run deletes other files first.
            self.left += paths
            raise
        if ended.document.status == "SUCCEEDED":
            self._conclude(ended, paths)
            return
        self.failed += 1
        self.ended = ended.document
        self._list_again(paths, ended)

    def _too_slow(self, paths: list[str]) -> None:
        """Halve a batch whose listing took too long; keep files of a directory that is too slow."""
        if self.batches.retry_by_directory(paths):
            return
        # No warning: what stays for too long is an alert.
        log.info("Deleted nothing in %s: listing it is too slow", paths[0].rpartition("/")[0])
        for path in paths:
            self.session.kept.add(path, Why(KeepReason.TOO_SLOW))

    def _rejected(self, paths: list[str], error: globus.TransferAPIError) -> None:
        """Halve a batch that Globus rejects; remember what it says of a single file."""
        self.rejected += 1
        if len(paths) > 1:
            middle = len(paths) // 2
            self.batches.retry([paths[:middle], paths[middle:]])
            return
        self.left += paths
        self.session.kept.add(paths[0], Why(KeepReason.REJECTED))
        self.refusals[paths[0]] = globus.details(error)

    def _conclude(self, ended: Ended, paths: list[str]) -> None:
        if log.isEnabledFor(logging.DEBUG):
            for path in paths:
                size = self.verified[path].size
                log.debug("Deleted %s (%d bytes); task %s", path, size, ended.document.task_id)
        delete_task.conclude(self.session, ended.number, paths)
        self.removed += len(paths)
        self.directories.update(path.rpartition("/")[0] for path in paths)

    def _list_again(self, paths: list[str], ended: Ended) -> None:
        """Find out which files a failed or cancelled delete task has deleted anyway."""
        group = {path: self.verified[path] for path in paths}
        listed = list_again(self.session, group, deleting=True)
        for path, why in listed.kept:
            self.session.kept.add(path, why)
        for path in listed.unchanged:
            self.session.kept.add(path, Why(KeepReason.NOT_DELETED))
        self.left += sorted({*paths} - {*listed.gone})
        self._conclude(ended, listed.gone)

    def report(self) -> None:
        """Fire or resolve the alert about failed deletions; remember what is left."""
        session, source_dir = self.session, self.session.context.settings.src_dir
        if self.refusals:
            paths, details = sorted(self.refusals), next(iter(self.refusals.values()))
            session.context.alerts.fire(catalog.delete_rejected(source_dir, paths, details))
        if self.ended:
            reason = reason_of_failure(session, self.ended)
            link = globus.link(self.ended.task_id)
            session.context.alerts.fire(catalog.delete_failed(source_dir, reason, link))
        elif self.removed or not (self.planned or session.kept.counts):
            session.context.alerts.resolve("delete failed", source_dir)
        left = sorted(self.left)
        if self.removed or left != session.context.read_health().undeleted:
            session.context.remember(self._remember)
        log.info("Deleted %s from %s", counted(self.removed, "file"), source_dir)

    def _remember(self, health: AlertState) -> None:
        health.keep_undeleted(sorted(self.left))
        health.count_deleted(self.removed)
