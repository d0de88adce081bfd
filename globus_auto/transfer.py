"""Transfer every new or changed file in SRC_DIR to DST_DIR."""

from __future__ import annotations

import argparse
import os
import sys

if not __package__:
    # Started by path: use the package that this script belongs to.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    __package__ = "globus_auto"

if __name__ == "__main__":
    from globus_auto import require_packages

    require_packages()

from collections.abc import Sequence

from globus_auto import report, utils
from globus_auto.context import RunContext
from globus_auto.steps import findings, forget, ready, record, scan, startup, wait

PROGRAM = "transfer"
READ_ONLY = {
    "check": report.check,
    "status": report.status,
    "find": report.find,
    "report": report.report,
    "crontab": report.crontab,
}
MOST_DAYS = 36_500
EPILOG = """examples:
  %(prog)s -n                show what would be transferred, and why
  %(prog)s --check --probe   check the setup; send a test message
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run with the command line `argv` and return the exit code."""
    given = parser()
    options = utils.parsed(given, argv)
    refuse_combinations(given, options)
    if options.init:
        if problem := report.init(options.init):
            given.error(problem)
        return 0
    read_only = next((name for name in READ_ONLY if _is_given(options, name)), None)
    if read_only:
        return utils.run_read_only(PROGRAM, options, READ_ONLY[read_only])
    return utils.run(PROGRAM, options, transfer)


def refuse_combinations(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Exit with code 2 if an option would be ignored because of another one, or for lack of it."""
    if options.probe and not options.check:
        parser.error("--probe needs --check")
    if options.json and not options.status and options.find is None:
        parser.error("--json needs --status or --find")
    for name in (*READ_ONLY, "init"):
        more = ("config", "dry_run") if name == "init" else ()
        for other in (*READ_ONLY, "init", "full", "wait", "login", *more):
            if other != name and _is_given(options, name) and _is_given(options, other):
                both = f"--{name} and --{other}".replace("_", "-")
                parser.error(f"{both} cannot be used together")


def _is_given(options: argparse.Namespace, name: str) -> bool:
    """Return whether an option is on the command line."""
    return getattr(options, name) not in (None, False)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    result = utils.parser(PROGRAM, __doc__ or "", EPILOG)
    add = result.add_argument
    add("--full", action="store_true", help="compare all files in one task; copy what differs")
    add("--wait", action="store_true", help="wait until all transfers have ended; report failures")
    add("--init", metavar="FILE", type=_not_empty, help="write a new file for --config")
    add("--login", action="store_true", help="log in again on a terminal, then run as usual")
    add("--check", action="store_true", help="check everything that a run needs")
    add("--probe", action="store_true", help="with --check: make the marker, send a test message")
    add(
        "--status",
        action="store_const",
        const=True,
        help="show what is waiting, in progress, verified, wrong",
    )
    add("--find", metavar="PATTERN", type=_not_empty, help="show what happened to matching files")
    add("--json", action="store_true", help="with --status or --find: print JSON")
    add(
        "--report",
        metavar="DAYS",
        nargs="?",
        const=7.0,
        type=_days,
        help="print one page about the last 7 days, or DAYS",
    )
    add("--crontab", action="store_true", help="print the lines for your crontab")
    return result


def _not_empty(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    return text


def _days(text: str) -> float:
    days = float(text)
    if not 0 < days <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"it must be above 0, and at most {MOST_DAYS}")
    return days


def transfer(context: RunContext) -> None:
    """Start up, scan, submit; with --wait, wait for the end of the tasks."""
    with startup.open_session(context, report.progress_of(context)) as session:
        ready.require_ready(session)
        plan = scan.scan(session, record.submit_whole_tasks)
        forget.forget(session, plan)
        findings.report(session, plan)
        if context.dry:
            report.print_transfers(session, plan)
        elif plan.transfers or plan.forced:
            record.submit_plan(session, plan)
    if context.options.wait and not context.dry:
        wait.wait_for_transfers(session)


if __name__ == "__main__":
    raise SystemExit(main())
