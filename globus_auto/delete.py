"""Delete verified files and empty directories from SRC_DIR."""

from __future__ import annotations

import os
import sys

if not __package__:
    # Started by path: use the package that contains this script.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    __package__ = "globus_auto"

from collections.abc import Sequence

from globus_auto import utils

PROGRAM = "delete"
EPILOG = """examples:
  python delete.py           delete verified files and empty directories
  python delete.py -n -v     print what would be deleted or kept, and why
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run with the command line `argv` and return the exit code."""
    options = utils.parsed(utils.parser(PROGRAM, __doc__ or "", EPILOG), argv)
    return utils.run(PROGRAM, options, delete)


def delete(context: utils.RunContext) -> None:
    """Poll tasks, verify copies, delete files, prune empty directories."""
    # Imported here: --help and --version need no Globus.
    from globus_auto import marker, opening, progress, proving, removing, report  # noqa: PLC0415

    with opening.open_session(context, progress.progress_of(context)) as session:
        opening.require_ready(session)
        proving.report_skipped(session)
        candidates = proving.candidates(session)
        verified = proving.verify(session, candidates)
        if context.dry:
            report.print_deletions(session, verified)
            return
        marker.require(session, verified.values())
        removing.remove(session, verified)
        removing.prune(session)
        session.kept.report(context.alerts, context.settings.stall_hours)
        session.store.forget_ended_tasks(context.started)
        session.save()


if __name__ == "__main__":
    raise SystemExit(main())
