"""Reports on the terminal: dry runs, --status and --crontab. They change nothing."""

from __future__ import annotations

import json
import time
from typing import Any

from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from globus_auto import globus
from globus_auto.alerts import read_state
from globus_auto.context import RunContext
from globus_auto.report import preview, progress
from globus_auto.steps import ready, startup
from globus_auto.steps.session import Session
from globus_auto.text import counted, printable

UNKNOWN = "unknown now; see the messages above"
# The rows of the --status table, by the keys of the JSON document.
ROWS = {
    "waiting": "to transfer",
    "under_way": "in progress",
    "proven": "deletable",
    "kept": "kept",
}


def status(context: RunContext) -> int:
    """Print the status as a table or, with --json, as the document of `status_document`."""
    found = status_document(context)
    if context.options.json:
        print(json.dumps(found, indent=1))
    else:
        Console(highlight=False, markup=False, emoji=False).print(_table(found))
    return 0


def status_document(context: RunContext) -> dict[str, Any]:
    """Return the status of both programs; times in seconds since 1970 UTC, sizes in bytes.

    {"source": str, "destination": str, "login": str | null,
     "waiting": {"files": int, "bytes": int, "oldest": {"path": str, "modified": int} | null},
     "under_way": [{"task_id": str | null, "status": str, "since": int, "files": int | null,
                    "files_done": int | null, "bytes": int | null, "bytes_per_second": int | null,
                    "link": str | null}],
     "proven": int, "kept": {reason: files}, "last_good": {program: int},
     "alerts": [{"kind": str, "about": str, "text": str, "since": int}],
     "troubles": [{"kind": str, "about": str, "text": str}]}

    `waiting` are the files that are not transferred yet, `under_way` the transfer tasks in
    progress, and `proven` is the number of files that delete.py could delete now. `alerts` are the
    open alerts of earlier runs, `troubles` the alerts of this command. `waiting`, `under_way`,
    `proven` and `kept` are null if they are unknown now.
    """
    settings = context.settings
    health = read_state(f"{settings.datastore_path}.health")
    found: dict[str, Any] = {
        "source": f"{settings.src_id}:{settings.src_dir}",
        "destination": f"{settings.dst_id}:{settings.dst_dir}",
        **dict.fromkeys(("login", "waiting", "under_way", "proven", "kept")),
        "last_good": health.last_good,
        "alerts": [
            {"kind": one.kind, "about": one.about, "text": printable(one.text), "since": one.since}
            for one in health.alerts
            if not one.resolved and one.severity == "alert"
        ],
    }
    try:
        with startup.open_session(context, progress.progress_of(context)) as session:
            found["login"] = session.connection.identity
            found["under_way"] = _in_progress(session)
            ready.require_ready(session)
            found |= _files(session)
    except Exception as error:  # noqa: BLE001 - the remembered part is still reported
        context.alerts.fire(context.explain(error))
    found["troubles"] = [
        {"kind": one.kind, "about": one.about, "text": printable(one.text)}
        for one in context.alerts.fired.values()
        if one.code
    ]
    return found


def _files(session: Session) -> dict[str, Any]:
    """Return the parts of `status_document` for which both collections must be listed."""
    plan, deletable = preview.plan_transfer(session), preview.deletable_files(session)
    unsent = {path: version for path, (version, _) in (plan.transfers | plan.deferred).items()}
    oldest = min(unsent, key=lambda path: unsent[path].mtime, default=None)
    return {
        "waiting": {
            "files": len(unsent),
            "bytes": sum(version.size for version in unsent.values()),
            "oldest": {"path": printable(oldest), "modified": unsent[oldest].mtime}
            if oldest
            else None,
        },
        "proven": len(deletable),
        "kept": {reason.value: count for reason, count in session.kept.counts.most_common()},
    }


def _in_progress(session: Session) -> list[dict[str, Any]]:
    found = []
    for task in session.store.tasks_in_progress("transfer").values():
        document = None
        if task.task_id:
            try:
                document = session.client.task(task.task_id)
            except globus.FAILURES as error:
                session.context.alerts.fire(session.context.explain(error))
        done = None
        if document:
            done = (document.files_transferred or 0) + (document.files_skipped or 0)
        found.append(
            {
                "task_id": task.task_id,
                "status": document.nice_status or document.status if document else task.status,
                "since": task.submitted_at,
                "files": document.files if document else None,
                "files_done": done,
                "bytes": document.bytes_transferred if document else None,
                "bytes_per_second": document.effective_bytes_per_second if document else None,
                "link": globus.link(task.task_id) if task.task_id else None,
            }
        )
    return found


def _table(found: dict[str, Any]) -> Table:
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for what in ("source", "destination", "login"):
        table.add_row(what, found[what] or UNKNOWN)
    for key, row in ROWS.items():
        if found[key] is None:
            table.add_row(row, UNKNOWN)
    waiting = found["waiting"]
    if waiting:
        files = counted(waiting["files"], "file")
        table.add_row(ROWS["waiting"], f"{files}, {decimal(waiting['bytes'])}")
    if waiting and waiting["oldest"]:
        oldest = waiting["oldest"]
        table.add_row(
            "oldest of these", f"{oldest['path']}, modified {_moment(oldest['modified'])}"
        )
    for task in found["under_way"] or ():
        text = f"{task['status']} since {_moment(task['since'])}"
        if task["files"] is not None:
            speed = f"{decimal(task['bytes'] or 0)} at {decimal(task['bytes_per_second'] or 0)}/s"
            text += f", {task['files_done']} of {counted(task['files'], 'file')}, {speed}"
        link = task["link"] or "not yet accepted by Globus"
        table.add_row(ROWS["under_way"], f"{text}\n{link}")
    if found["proven"] is not None:
        table.add_row(
            ROWS["proven"], f"{counted(found['proven'], 'file')} that delete.py could delete now"
        )
    for reason, number in (found["kept"] or {}).items():
        table.add_row(ROWS["kept"], f"{counted(number, 'file')}: {reason}")
    for program in ("transfer", "delete"):
        since = found["last_good"].get(program)
        table.add_row(f"last good {program}.py", _moment(since) if since else "never")
    for alert in found["alerts"]:
        table.add_row("alert", f"since {_moment(alert['since'])}: {alert['text']}")
    return table


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
