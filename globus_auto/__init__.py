"""Send new and changed files with Globus; delete them from the source once they are verified.

The architecture, on one page. Two programs run from cron and share one JSON file, the datastore.
Globus moves the bytes; the programs decide, ask, remember and verify.

    transfer.py delete.py   the programs: options, then one run as a table of contents
    config.py               the settings that a user edits

    report/                 what people ask for
        check.py places.py status.py preview.py find.py summary.py crontab.py new_config.py
        screen.py progress.py   what they print, and progress on a terminal
    steps/                  what both programs do, a file for each step
        session.py          what a step gets: run, datastore, connection to Globus, progress
        startup.py ready.py lock, load, log in, finish earlier runs' work; collections ready
        rules.py reasons.py the decisions, as pure functions, and their reasons
        source.py rescan.py scan.py plan.py units.py findings.py overdue.py forget.py spelling.py
                            scan the source, classify its files, report what needs attention
        record.py submit.py record tasks, then submit each exactly once
        poll.py delivered.py failures.py wait.py
                            ended tasks: what counts as delivered; why a task failed
        deletable.py recorded.py candidates.py also_at.py other_copies.py room.py whole.py
                            what may be deleted, and why the rest stays: as far as datastores
                            show, for other pairs, because there is room or a unit not whole
        verify.py compare.py fingerprints.py marker.py
                            what counts as verified; source and destination are distinct
        batches.py remove.py delete_task.py leftovers.py
                            list the source again, delete verified files; the life of a delete task
        facts.py            what is added to the history, before a record is dropped
        empty.py prune.py quarantine.py
                            delete empty directories
    context.py utils.py     one run as a cron job: settings, locks, signals, exit codes, alerts
    alerts/                 who is notified of what, and how often
        model.py due.py state.py message.py notify.py explain.py
        catalog/            every alert: one function each, with its text
    globus/                 the only code that imports globus_sdk
        auth.py tokens.py connection.py client.py limiter.py listing.py tasks.py documents.py
        errors.py unreached.py
    local.py walk.py        list a mounted directory; walk over many directories at once
    history.py              what happened to each file, for good
    datastore.py records.py storage.py
                            the records of files and tasks, and the invariant; their file
    locks.py logs.py        one run at a time; the log
    config_file.py settings.py
                            read and check config.py
    errors.py files.py text.py
                            exceptions; paths and atomic writing; printable and redacted text

    sandbox/                an emulator of Globus on this machine, for the demo and the tests

A layer imports only from layers below it; import-linter checks that. `alerts`, `globus` and
`report` are used by the names that their `__init__.py` lists. The sandbox and the product import
nothing of each other: they meet over HTTP.

Decide, then act: a step works out plain data (a plan, a list of records) by the rules, and then
carries it out; a dry run prints the same data. What must hold at every instant is the invariant in
datastore.py: a file's record is kept only if its task is known to have delivered just that size and
modification time, and a file without a record is sent again.
"""

import importlib.util
import os
import shlex
import sys

__version__ = "1.0.0"
NEEDED = ("globus_sdk", "msgspec", "rich")


def require_packages(extra: str = "", *more: str) -> None:
    """Exit with code 2 and one sentence if this interpreter is too old or lacks a package.

    Packages are those of both programs and `more`, which the `extra` of setup.py installs. An old
    interpreter must be able to read this file and those that call this, up to the call.
    """
    python, clone = sys.executable, os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    own = os.path.join(clone, ".venv", "bin", "python")
    other = own if os.path.exists(own) and own != python else "another interpreter"
    missing = [name for name in (*NEEDED, *more) if importlib.util.find_spec(name) is None]
    if sys.version_info < (3, 10):  # noqa: UP036 - who starts the programs chooses the interpreter
        version = ".".join(map(str, sys.version_info[:2]))
        text = f"{python} is Python {version}, but globus_auto needs 3.10 or newer: use {other}."
    elif missing:
        command = [python, "-m", "pip", "install"]
        if os.path.exists(os.path.join(clone, "setup.py")):
            command += ["-e", f"{clone}[{extra}]" if extra else clone]
        else:
            command += [name.replace("_", "-") for name in missing]
        text = f"{python} lacks packages that globus_auto needs ({', '.join(missing)}): run"
        text += f" `{shlex.join(command)}`, or use {other}."
    else:
        return
    print(text, file=sys.stderr)
    raise SystemExit(2)
