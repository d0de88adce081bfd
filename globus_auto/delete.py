"""Delete verified files and empty directories from SRC_DIR."""

from __future__ import annotations

import argparse
import os
import sys

if not __package__:
    # Started by path: use the package that contains this script.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    __package__ = "globus_auto"

if __name__ == "__main__":
    from globus_auto import require_packages

    require_packages()

from collections.abc import Sequence

from globus_auto import report, utils
from globus_auto.context import RunContext
from globus_auto.steps import deletable, findings, marker, prune, ready, remove, startup

PROGRAM = "delete"
EPILOG = """examples:
  %(prog)s          delete verified files and empty directories
  %(prog)s -n -v    print what would be deleted or kept, and why
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run with the command line `argv` and return the exit code."""
    return utils.run(PROGRAM, utils.parsed(parser(), argv), delete)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    return utils.parser(PROGRAM, __doc__ or "", EPILOG)


def delete(context: RunContext) -> None:
    """Start up, verify copies, delete their files, prune empty directories."""
    with startup.open_session(context, report.progress_of(context)) as session:
        ready.require_ready(session)
        findings.report_skipped(session)
        plans = deletable.plans(session)
        if context.dry:
            report.print_deletions(session, next(plans))
            return
        emptied = remove.remove(session, marker.required(session, plans))
        prune.prune(session, emptied)
        session.kept.report(context)
        session.store.forget_ended_tasks(context.started)
        session.save()


if __name__ == "__main__":
    raise SystemExit(main())
