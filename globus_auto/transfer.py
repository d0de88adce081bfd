"""Transfer every new or changed file in SRC_DIR to DST_DIR."""

from __future__ import annotations

import argparse
import glob
import logging
import math
import os
import sys

if not __package__:
    # Started by path: use the package that this script belongs to.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    __package__ = "globus_auto"

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from globus_auto import DECISION, utils

if TYPE_CHECKING:
    from globus_auto.looking import TransferPlan
    from globus_auto.opening import Session

PROGRAM = "transfer"
READ_ONLY = ("check", "status", "crontab")
PARTS = 10  # files of failed tasks are sent again in about this many tasks
EPILOG = """examples:
  python transfer.py -n               show what would be transferred, and why
  python transfer.py --check --probe  check the setup; send a test message
  python transfer.py --wait           transfer, and wait for the results
"""

log = logging.getLogger("globus_auto.transfer")


def main(argv: Sequence[str] | None = None) -> int:
    """Run with the command line `argv` and return the exit code."""
    parser = utils.parser(PROGRAM, __doc__ or "", EPILOG)
    _add_options(parser)
    options = utils.parsed(parser, argv)
    for option, needed in (("probe", "check"), ("json", "status")):
        if getattr(options, option) and not getattr(options, needed):
            parser.error(f"--{option} needs --{needed}")
    read_only = next((name for name in READ_ONLY if getattr(options, name)), None)
    if read_only:
        return utils.run_read_only(PROGRAM, options, _read_only_command(read_only))
    return utils.run(PROGRAM, options, transfer)


def _add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--full", action="store_true", help="compare all files in one task; copy what differs")
    add("--wait", action="store_true", help="wait until all transfers have ended; report failures")
    add("--login", action="store_true", help="log in again first; a person needs a terminal")
    add("--check", action="store_true", help="check everything that a run needs")
    add("--probe", action="store_true", help="with --check: make the marker, send a test message")
    add("--status", action="store_true", help="show what is waiting, in progress, verified, wrong")
    add("--json", action="store_true", help="with --status: print JSON")
    add("--crontab", action="store_true", help="print the lines for your crontab")


def _read_only_command(name: str) -> Callable[[utils.RunContext], int]:
    from globus_auto import checking, report  # noqa: PLC0415

    return {"check": checking.check, "status": report.status, "crontab": report.crontab}[name]


def transfer(context: utils.RunContext) -> None:
    """Poll, scan, forget, report and submit; with --wait, wait for the end of the tasks."""
    # Imported here: --help and --version need no Globus.
    from globus_auto import looking, opening, progress, report  # noqa: PLC0415

    with opening.open_session(context, progress.progress_of(context)) as session:
        opening.require_ready(session)
        plan = looking.scan(session)
        looking.forget(session, plan)
        looking.report(session, plan)
        if context.dry:
            report.print_transfers(plan)
        elif plan.transfers or plan.forced:
            _submit(session, plan)
    if context.options.wait and not context.dry:
        _wait(session)


def _submit(session: Session, plan: TransferPlan) -> None:
    """Record tasks for the files to transfer, and submit them."""
    from globus_auto import opening  # noqa: PLC0415

    store = session.store
    before = store.next_task_number()
    _record_tasks(session, plan)
    if not (opening.submit(session.context, store, session.client) or plan.rejected):
        session.context.alerts.resolve("refused")
    session.save()
    accepted = {
        number
        for number, task in store.tasks.items()
        if number >= before and task.kind == "transfer" and task.task_id
    }
    along = ", in one recursive task" if plan.recursive else ""
    files = store.count(accepted)
    log.info("Files of %s sent to Globus: %d%s", session.context.settings.src_dir, files, along)


def _record_tasks(session: Session, plan: TransferPlan) -> None:
    """Move the files to transfer from `plan` to the datastore, as records of unsubmitted tasks.

    There may be a million of them, so they are never in both.
    """
    from globus_auto import tasks  # noqa: PLC0415
    from globus_auto.datastore import FileRecord  # noqa: PLC0415

    store, settings = session.store, session.context.settings
    paths = sorted(plan.transfers)
    most = settings.files_per_task
    if store.forget_ended_tasks(session.context.started, failed=True):
        # One file that the destination rejects makes its whole task fail, and a failed task does
        # not list files that it found equal. In smaller tasks, that file holds up fewer others.
        most = min(most, math.ceil(len(paths) / PARTS) or 1)
    # A recursive task would transfer these as well, so a filter rule excludes each name.
    left_out = [glob.escape(path.rpartition("/")[2]) for path in plan.collisions]
    parts = [paths[start : start + most] for start in range(0, len(paths), most)]
    for part in [paths] if plan.recursive else parts:
        number, new_id = store.next_task_number(), tasks.new_submission_id(session.client)
        store.tasks[number] = tasks.new_task(
            "transfer",
            new_id,
            label=session.label("transfer", new_id),
            scanned_at=plan.began,
            source_dir=settings.src_dir,
            destination=settings.dst_id,
            destination_dir=settings.dst_dir,
            recursive=plan.recursive,
            exclude=[*settings.exclude, *left_out] if plan.recursive else [],
        )
        for path in part:
            version, decision = plan.transfers.pop(path)
            store.put(path, FileRecord(version.size, version.mtime, number))
            log.log(
                DECISION, "Send %s (%d bytes): %s; task %d", path, version.size, decision, number
            )
    # A dict does not free memory when its items are removed one by one.
    plan.transfers.clear()


def _wait(session: Session) -> None:
    """Wait until every transfer in progress has ended, without the datastore's lock; then poll.

    This reports now what the next run would find out about these tasks.
    """
    from globus_auto import opening, proving, watching  # noqa: PLC0415

    in_progress = [
        task
        for task in session.store.tasks_in_progress("transfer").values()
        if task.task_id is not None
    ]
    for number, task in enumerate(in_progress, 1):
        what = f"Transfer {number} of {len(in_progress)}"
        with session.progress.task(what) as show:
            watching.wait(session.client, task.task_id or "", float("inf"), show)
    if in_progress:
        with opening.open_session(session.context, session.progress, session.connection) as later:
            log.info("Waited for the end of transfer tasks: %d", len(in_progress))
            proving.report_skipped(later)
            proving.report_undelivered(later)


if __name__ == "__main__":
    raise SystemExit(main())
