"""--status: what is running, waiting, in progress, delivered, kept and wrong."""

from __future__ import annotations

import itertools
import json
from typing import Any

from globus_auto import globus
from globus_auto.context import RunContext
from globus_auto.datastore import TaskRecord
from globus_auto.report import preview, progress
from globus_auto.report.progress import TaskProgress, progress_in
from globus_auto.report.screen import Screen
from globus_auto.steps import ready, startup
from globus_auto.steps.session import Session, totals
from globus_auto.text import counted, moment, printable, sized

UNKNOWN = "unknown now; see the messages above"
WIDTH = 12  # columns of a label; a link to a task and its label fit in 80
# The labels of what may be unknown, by the keys of the JSON document.
ROWS = {
    "waiting": "to transfer",
    "under_way": "in progress",
    "delivered": "delivered",
    "proven": "deletable",
    "kept": "kept",
}


def status(context: RunContext) -> int:
    """Print the status with a label before each line, or with --json the document."""
    found = status_document(context)
    if context.options.json:
        print(json.dumps(found, indent=1))
    else:
        _print(context, found)
    return 0


def status_document(context: RunContext) -> dict[str, Any]:
    """Return the status of both programs; times in seconds since 1970 UTC, sizes in bytes.

    {"source": str, "destination": str, "login": str | null,
     "running": [{"program": str, "pid": int, "since": int}],
     "waiting": {"files": int, "bytes": int, "oldest": {"path": str, "modified": int} | null},
     "under_way": [{"task_id": str | null, "status": str, "since": int, "files": int | null,
                    "files_done": int | null, "bytes": int | null, "bytes_total": int,
                    "bytes_per_second": int | null, "seconds_left": float | null,
                    "link": str | null}],
     "delivered": {"files": int, "bytes": int}, "proven": int,
     "kept": {reason: files}, "last_good": {program: int},
     "alerts": [{"kind": str, "about": str, "text": str, "since": int}],
     "troubles": [{"kind": str, "about": str, "text": str}]}

    `running` are the programs that are running now, since when. `waiting` are the files that are
    not transferred yet, `under_way` the transfer tasks in progress, `delivered` the files that are
    known to be delivered and were not deleted at the source, and `proven` is the number of files
    that delete.py could delete now. `alerts` are the open alerts of earlier runs, `troubles` the
    alerts of this command. `waiting`, `under_way`, `delivered`, `proven` and `kept` are null if
    they are unknown now.
    """
    settings = context.settings
    health = context.read_health()
    found: dict[str, Any] = {
        "source": f"{settings.src_id}:{settings.src_dir}",
        "destination": f"{settings.dst_id}:{settings.dst_dir}",
        "running": [
            {"program": program, "pid": pid, "since": since}
            for program, (pid, since) in context.active_runs().items()
        ],
        **dict.fromkeys(("login", *ROWS)),
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
            found["delivered"] = _delivered(session)
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
    files = size = 0
    oldest: tuple[int, str] | None = None
    for path, (version, _) in itertools.chain(plan.transfers.items(), plan.deferred.items()):
        files += 1
        size += version.size
        if oldest is None or version.mtime < oldest[0]:
            oldest = version.mtime, path
    return {
        "waiting": {
            "files": files,
            "bytes": size,
            "oldest": {"path": printable(oldest[1]), "modified": oldest[0]} if oldest else None,
        },
        "proven": len(deletable),
        "kept": {reason.value: count for reason, count in session.kept.counts.most_common()},
    }


def _delivered(session: Session) -> dict[str, int]:
    """Return how many files in the datastore are delivered, and their bytes."""
    store = session.store
    delivered = (number for number, task in store.tasks.items() if not task.in_progress)
    found = totals(store, delivered).values()
    return {"files": sum(files for files, _ in found), "bytes": sum(size for _, size in found)}


def _in_progress(session: Session) -> list[dict[str, Any]]:
    tasks = session.store.tasks_in_progress("transfer")
    found = totals(session.store, tasks)
    return [_task_in_progress(session, task, found[number]) for number, task in tasks.items()]


def _task_in_progress(session: Session, task: TaskRecord, total: tuple[int, int]) -> dict[str, Any]:
    document, far = None, None
    if task.task_id:
        try:
            document = session.client.task(task.task_id)
            far = progress_in(document, total[1])
        except globus.FAILURES as error:
            session.context.alerts.fire(session.context.explain(error))
    return {
        "task_id": task.task_id,
        "status": document.nice_status or document.status if document else task.status,
        "since": task.submitted_at,
        "files": document.files if document else None,
        "files_done": far.files_done if far else None,
        "bytes": far.bytes_done if far else None,
        "bytes_total": far.size if far else total[1],
        "bytes_per_second": document.effective_bytes_per_second if document else None,
        "seconds_left": far and far.seconds_left,
        "link": globus.link(task.task_id) if task.task_id else None,
    }


def _print(context: RunContext, found: dict[str, Any]) -> None:
    """Print what `status_document` returns, with a label before each line."""
    screen = Screen()

    def row(label: str, text: str) -> None:
        screen.print(text, WIDTH, f"{label:{WIDTH}}", "bold")

    settings = context.settings
    row("source", f"{context.name(settings.src_id)}:{settings.src_dir}")
    row("destination", f"{context.name(settings.dst_id)}:{settings.dst_dir}")
    row("login", found["login"] or UNKNOWN)
    for run in found["running"]:
        row("running now", f"{run['program']}.py since {moment(run['since'])}, PID {run['pid']}")
    if not found["running"]:
        row("running now", "nothing")
    for key, label in ROWS.items():
        if found[key] is None:
            row(label, UNKNOWN)
    waiting, delivered = found["waiting"], found["delivered"]
    if waiting:
        row(ROWS["waiting"], _size(waiting))
    if waiting and waiting["oldest"]:
        oldest = waiting["oldest"]
        row("", f"the oldest is {oldest['path']}, modified {moment(oldest['modified'])}")
    for task in found["under_way"] or ():
        text = f"{task['status']} since {moment(task['since'])}"
        if task["files_done"] is not None:
            keys = ("files_done", "files", "bytes", "bytes_total", "bytes_per_second")
            text += f"; {TaskProgress(*(task[key] for key in keys))}"
        row(ROWS["under_way"], text)
        row("", task["link"] or "not yet accepted by Globus")
    if delivered:
        row(ROWS["delivered"], f"{_size(delivered)}, still at the source")
    if found["proven"] is not None:
        row(ROWS["proven"], f"{counted(found['proven'], 'file')} that delete.py could delete now")
    for reason, number in (found["kept"] or {}).items():
        row(ROWS["kept"], f"{counted(number, 'file')}: {reason}")
    for program in ("transfer", "delete"):
        since = found["last_good"].get(program)
        row("last good", f"{program}.py: {moment(since) if since else 'never'}")
    for alert in found["alerts"]:
        row("alert", f"{alert['kind']}, open since {moment(alert['since'])}: {alert['text']}")


def _size(found: dict[str, int]) -> str:
    return f"{counted(found['files'], 'file')}, {sized(found['bytes'])}"
