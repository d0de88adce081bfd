"""Transfer every new or changed file in SRC_DIR to DST_DIR."""

from __future__ import annotations

import argparse
import glob
import logging
import math
import os
import sys

if not __package__:
    # Started by path: the package beside this script is the one in force.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    __package__ = "globus_auto"

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from globus_auto import DECISION, utils

if TYPE_CHECKING:
    from globus_auto.looking import Scan
    from globus_auto.opening import Session

PROGRAM = "transfer"
INQUIRIES = ("check", "status", "crontab")
PARTS = 10  # in which files of a task that failed are sent again
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
    inquiry = next((name for name in INQUIRIES if getattr(options, name)), None)
    if inquiry:
        return utils.inquire(PROGRAM, options, _inquiry(inquiry))
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


def _inquiry(name: str) -> Callable[[utils.Run], int]:
    from globus_auto import checking, report  # noqa: PLC0415

    return {"check": checking.check, "status": report.status, "crontab": report.crontab}[name]


def transfer(run: utils.Run) -> None:
    """Settle, look, forget, choose, submit; and wait, if asked to."""
    # Imported here: --help and --version need no Globus.
    from globus_auto import looking, opening, report  # noqa: PLC0415

    with opening.opened(run) as session:
        opening.require_ready(session)
        scan = looking.scan(session)
        looking.forget(session, scan)
        looking.report(session, scan)
        if run.dry:
            report.print_sends(scan)
        elif scan.send or scan.again:
            _submit(session, scan)
    if run.options.wait and not run.dry:
        _wait(session)


def _submit(session: Session, scan: Scan) -> None:
    """Make tasks of the chosen files, intents first, and submit them."""
    from globus_auto import opening  # noqa: PLC0415

    store = session.store
    before = store.number()
    _intend(session, scan)
    if not (opening.submit(session.run, store, session.client) or scan.refused):
        session.run.findings.resolve("refused")
    session.save()
    accepted = {
        number
        for number, task in store.tasks.items()
        if number >= before and task.kind == "transfer" and task.task_id
    }
    along = ", with all others" if scan.full else ""
    files = store.count(accepted)
    log.info("Sent %d files of %s to Globus%s", files, session.run.settings.src_dir, along)


def _intend(session: Session, scan: Scan) -> None:
    """Move the chosen files from `scan` to the datastore, as entries of tasks to be submitted.

    There may be a million: they are not held in both.
    """
    from globus_auto import tasks  # noqa: PLC0415
    from globus_auto.datastore import FileRecord  # noqa: PLC0415

    store, known = session.store, session.run.settings
    paths = sorted(scan.send)
    most = known.files_per_task
    if store.forget_ended_tasks(session.run.started, failed=True):
        # One file that the destination does not take keeps a task from ever succeeding, and with
        # it what the task found there already: nothing proves that. So it shall be with fewer.
        most = min(most, math.ceil(len(paths) / PARTS) or 1)
    # What must not be taken along is left out by its name.
    left_out = [glob.escape(path.rpartition("/")[2]) for path in scan.held]
    parts = [paths[start : start + most] for start in range(0, len(paths), most)]
    for part in [paths] if scan.full else parts:
        number, new_id = store.number(), tasks.submission_id(session.client)
        store.tasks[number] = tasks.new_task(
            "transfer",
            new_id,
            label=session.label("transfer", new_id),
            listed_at=scan.began,
            source_dir=known.src_dir,
            destination=known.dst_id,
            destination_dir=known.dst_dir,
            full=scan.full,
            exclude=[*known.exclude, *left_out] if scan.full else [],
        )
        for path in part:
            version, decision = scan.send.pop(path)
            store.put(path, FileRecord(version.size, version.mtime, number))
            log.log(
                DECISION, "Send %s (%d bytes): %s; task %d", path, version.size, decision, number
            )
    # A dict keeps the room of what was taken out.
    scan.send.clear()


def _wait(session: Session) -> None:
    """Wait until every open transfer has ended, without holding the datastore; then settle.

    What the next run would find of these tasks is told now.
    """
    from globus_auto import opening, progress, proving, watching  # noqa: PLC0415

    open_tasks = [
        task for task in session.store.open_tasks("transfer").values() if task.task_id is not None
    ]
    for number, task in enumerate(open_tasks, 1):
        what = f"Transfer {number} of {len(open_tasks)}"
        with progress.of_task(what, shown=session.run.watched) as show:
            watching.wait(session.client, task.task_id or "", float("inf"), show)
    if open_tasks:
        with opening.opened(session.run, session.connection) as settled:
            log.info("Settled after waiting for %d tasks", len(open_tasks))
            proving.report_skipped(settled)
            proving.report_undelivered(settled)


if __name__ == "__main__":
    raise SystemExit(main())
