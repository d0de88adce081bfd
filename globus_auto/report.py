"""Reports for a person: what a dry run would do, --status, --crontab. They change nothing."""

from __future__ import annotations

import json
import logging
import os
import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import globus_sdk
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from globus_auto import login, looking, opening, proving, removing, utils, watching
from globus_auto.alerts import read_state
from globus_auto.datastore import FileRecord
from globus_auto.looking import TransferPlan
from globus_auto.opening import Session
from globus_auto.utils import RunContext
from globus_auto.wording import printable

log = logging.getLogger(__name__)


def print_transfers(plan: TransferPlan) -> None:
    """Print what transfer.py would do with each file that is new or changed, and why."""
    planned = ("wait", plan.deferred), ("send", plan.transfers)
    for verb, found in planned:
        for path in sorted(found, key=lambda path: (found[path][1].group, path)):
            version, decision = found[path]
            print(f"{verb} {printable(path)} ({decimal(version.size)}): {decision}")
    for verb, found in planned:
        groups: dict[str, list[int]] = {}
        for version, decision in found.values():
            groups.setdefault(decision.group, []).append(version.size)
        for group, sizes in sorted(groups.items()):
            print(f"{verb}: {_total(sizes)}: {group}")
    for verb, found in planned:
        print(f"{verb}: {_total(version.size for version, _ in found.values())} in all")
    if plan.recursive and (plan.transfers or plan.forced):
        print("all in one task, which compares everything with the destination")
    unchanged = plan.files - len(plan.transfers) - len(plan.deferred) - plan.excluded
    print(f"leave: {unchanged} files: unchanged")
    print(f"leave: {plan.excluded} files: excluded")


def _total(sizes: Iterable[int]) -> str:
    numbers = list(sizes)
    return f"{len(numbers)} files, {decimal(sum(numbers))}"


def print_deletions(session: Session, verified: dict[str, FileRecord]) -> None:
    """Print what delete.py would do with each file that was sent, and why, and with directories."""
    deletable = _deletable(session, verified)
    for path, why in sorted(session.kept.paths, key=lambda kept: (str(kept[1]), kept[0])):
        # The reason may repeat what a server has said.
        print(printable(f"keep {path}: {why}"))
    for path in deletable:
        size = decimal(verified[path].size)
        print(f"delete {printable(path)} ({size}): its copy is proven")
    empty_trees: list[str] = []
    settings = session.context.settings
    if settings.delete_empty_dirs and not session.store.recursive_in_progress(settings.src_dir):
        empty_trees, can_rename = removing.empty_directories(session)
        empty_trees = empty_trees if can_rename or settings.src_local_dir else []
    for directory in empty_trees:
        print(f"remove {printable(directory)}: an empty directory")
    for reason, number in session.kept.counts.most_common():
        print(f"keep: {number} files: {reason.value}")
    print(f"delete: {_total(verified[path].size for path in deletable)}")
    print(f"remove: {len(empty_trees)} directories that are empty now")


def _deletable(session: Session, verified: dict[str, FileRecord]) -> list[str]:
    """Return those of `arrived` that could be deleted now; the others are noted as kept."""
    deletable, left = [], sorted(verified)
    while left:
        most = session.context.settings.files_per_task
        group, left = removing.split(left, most, removing.DIRECTORIES_PER_GROUP)
        deletable += removing.unchanged(session, {path: verified[path] for path in group})
    return deletable


def crontab(context: RunContext) -> int:
    """Print a line for each program, two transfers to a delete between them."""
    if login.SECRET in os.environ and not context.settings.client_secret_file:
        log.warning("cron will not have $%s: set CLIENT_SECRET_FILE instead.", login.SECRET)
    config = ["--config", context.settings.config_path] if context.options.config else []
    for minutes, program in (("7,37", "transfer.py"), ("22", "delete.py")):
        script = os.path.join(context.settings.code_path, program)
        if not os.path.isfile(script):  # only its state lives there
            script = str(Path(__file__).with_name(program))
        command = shlex.join([context.settings.python_path, script, *config])
        # An unescaped % ends a command in a crontab.
        print(f"{minutes} * * * * {command}".replace("%", r"\%"))
    return 0


def status(context: RunContext) -> int:
    """Print how things stand, as a table or, with --json, as the document of `standing`."""
    found = status_document(context)
    if context.options.json:
        print(json.dumps(found, indent=1))
    else:
        Console(highlight=False, markup=False, emoji=False).print(_table(found))
    return 0


def status_document(context: RunContext) -> dict[str, Any]:
    """Return how things stand; times in seconds since 1970 UTC, sizes in bytes.

    {"source": str, "destination": str,
     "waiting": {"files": int, "bytes": int, "oldest": {"path": str, "modified": int} | null},
     "under_way": [{"task_id": str | null, "status": str, "since": int, "files": int | null,
                    "files_done": int | null, "bytes": int | null, "bytes_per_second": int | null,
                    "link": str | null}],
     "proven": int, "kept": {reason: files}, "last_good": {program: int},
     "alerts": [{"kind": str, "about": str, "text": str, "since": int}],
     "troubles": [{"kind": str, "about": str, "text": str}]}

    `alerts` are what runs have found and not yet seen well, `troubles` what was found just now.
    `waiting`, `under_way`, `proven` and `kept` are null where that cannot be told now.
    """
    settings = context.settings
    health = read_state(f"{settings.datastore_path}.health")
    found: dict[str, Any] = {
        "source": f"{settings.src_id}:{settings.src_dir}",
        "destination": f"{settings.dst_id}:{settings.dst_dir}",
        **dict.fromkeys(("waiting", "under_way", "proven", "kept")),
        "last_good": health.last_good,
        "alerts": [
            {"kind": one.kind, "about": one.about, "text": printable(one.text), "since": one.since}
            for one in health.alerts
            if not one.resolved and one.severity == "alert"
        ],
    }
    try:
        with opening.open_session(context) as session:
            found["under_way"] = _in_progress(session)
            opening.require_ready(session)
            found |= _files(session)
    except Exception as error:  # noqa: BLE001 - what is remembered can be told all the same
        context.alerts.fire(utils.explain(error, context))
    found["troubles"] = [
        {"kind": one.kind, "about": one.about, "text": printable(one.text)}
        for one in context.alerts.fired.values()
        if one.code
    ]
    return found


def _files(session: Session) -> dict[str, Any]:
    """Return those parts of `standing` that need a look at both endpoints."""
    plan = looking.scan(session)
    looking.report(session, plan)
    deletable = _deletable(session, proving.verify(session, proving.candidates(session)))
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
                document = watching.task_document(session.client, task.task_id)
            except (globus_sdk.GlobusError, watching.InvalidResponse) as error:
                session.context.alerts.fire(utils.explain(error, session.context))
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
                "link": watching.link(task.task_id) if task.task_id else None,
            }
        )
    return found


def _table(found: dict[str, Any]) -> Table:
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for what in ("source", "destination"):
        table.add_row(what, found[what])
    for what in ("waiting", "under_way", "proven", "kept"):
        if found[what] is None:
            table.add_row(what.replace("_", " "), "cannot be told now; see above")
    deferred = found["waiting"]
    if deferred:
        table.add_row("waiting", f"{deferred['files']} files, {decimal(deferred['bytes'])}")
    if deferred and deferred["oldest"]:
        oldest = deferred["oldest"]
        table.add_row("oldest unsent", f"{oldest['path']}, modified {_moment(oldest['modified'])}")
    for task in found["under_way"] or ():
        text = f"{task['status']} since {_moment(task['since'])}"
        if task["files"] is not None:
            speed = f"{decimal(task['bytes'] or 0)} at {decimal(task['bytes_per_second'] or 0)}/s"
            text += f", {task['files_done']} of {task['files']} files, {speed}"
        table.add_row("under way", f"{text}\n{task['link'] or 'not yet accepted'}")
    if found["proven"] is not None:
        table.add_row("proven", f"{found['proven']} files that delete.py could delete now")
    for reason, number in (found["kept"] or {}).items():
        table.add_row("kept", f"{number} files: {reason}")
    for program in ("transfer", "delete"):
        since = found["last_good"].get(program)
        table.add_row(f"last good {program}", _moment(since) if since else "never")
    for alert in found["alerts"]:
        table.add_row("alert", f"since {_moment(alert['since'])}: {alert['text']}")
    return table


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))
