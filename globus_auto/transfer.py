"""Send every new or changed file of SRC_DIR to DST_DIR through Globus, once per change."""

from __future__ import annotations

import logging
import os
import sys

if not __package__:
    # Started by path: the package beside this script is the one in force.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    __package__ = "globus_auto"

from collections.abc import Sequence
from typing import TYPE_CHECKING

from globus_auto import DECISION, utils

if TYPE_CHECKING:
    from globus_auto.looking import Looked
    from globus_auto.opening import Session

PROGRAM = "transfer"
EPILOG = """examples:
  python transfer.py              settle, look, send what is new or changed
  python transfer.py -n           print what would be sent, and why
  python transfer.py --wait       and wait until it has arrived
  python transfer.py --full       compare everything with the destination again
"""

log = logging.getLogger("globus_auto.transfer")


def main(argv: Sequence[str] | None = None) -> int:
    """Run with the command line `argv` and return the exit code."""
    parser = utils.parser(PROGRAM, __doc__ or "", EPILOG)
    parser.add_argument(
        "--full", action="store_true", help="send all of SRC_DIR as one task, sent before or not"
    )
    parser.add_argument(
        "--wait", action="store_true", help="wait until all tasks have ended, then settle them"
    )
    parser.add_argument("--login", action="store_true", help="log in anew first, on a terminal")
    options = utils.parsed(parser, argv)
    return utils.run(PROGRAM, options, transfer)


def transfer(run: utils.Run) -> None:
    """Settle, look, forget, choose, submit; and wait, if asked to."""
    # Imported here: --help and --version need no Globus.
    from globus_auto import looking, opening  # noqa: PLC0415

    with opening.opened(run) as session:
        opening.require_ready(session)
        looked = looking.look(session)
        looking.forget(session, looked)
        looking.report(session, looked)
        if looked.send:
            _submit(session, looked)
    if run.options.wait and not run.dry:
        _wait(session)


def _submit(session: Session, looked: Looked) -> None:
    """Make tasks of the chosen files, intents first, and submit them."""
    from globus_auto import opening, tasks  # noqa: PLC0415
    from globus_auto.datastore import Entry  # noqa: PLC0415

    run, store, known = session.run, session.store, session.run.settings
    if run.dry:
        for path, (version, reason) in sorted(looked.send.items()):
            print(f"send {path} ({version.size} bytes): {reason}")
        return
    paths = sorted(looked.send)
    size = len(paths) if looked.full else known.files_per_task
    for start in range(0, len(paths), size):
        number = store.number()
        store.tasks[number] = tasks.new_task(
            "transfer",
            number,
            tasks.submission_id(session.client),
            listed_at=looked.began,
            source_dir=known.src_dir,
            destination=known.dst_id,
            destination_dir=known.dst_dir,
            full=looked.full,
            exclude=known.exclude if looked.full else [],
        )
        for path in paths[start : start + size]:
            version, reason = looked.send[path]
            store.put(path, Entry(version.size, version.mtime, number))
            log.log(DECISION, "Send %s (%d bytes): %s; task %d", path, version.size, reason, number)
    opening.submit(run, store, session.client)
    session.save()
    log.info("Sent %d files of %s to Globus", len(paths), known.src_dir)


def _wait(session: Session) -> None:
    """Wait until every open transfer has ended, without holding the datastore; then settle."""
    from globus_auto import opening, progress, watching  # noqa: PLC0415

    open_tasks = [
        task for task in session.store.open_tasks("transfer").values() if task.task_id is not None
    ]
    for task in open_tasks:
        with progress.of_task(task.label, shown=session.run.interactive) as show:
            watching.wait(session.client, task.task_id or "", float("inf"), show)
    if open_tasks:
        with opening.opened(session.run, session.connection):
            log.info("Settled after waiting for %d tasks", len(open_tasks))


if __name__ == "__main__":
    raise SystemExit(main())
