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

from globus_auto import alerts, login, looking, opening, proving, removing, utils, watching
from globus_auto.datastore import FileRecord
from globus_auto.looking import Scan
from globus_auto.opening import Session
from globus_auto.utils import Run
from globus_auto.wording import printable

log = logging.getLogger(__name__)


def print_sends(scan: Scan) -> None:
    """Print what transfer.py would do with each file that is new or changed, and why."""
    planned = ("wait", scan.waiting), ("send", scan.send)
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
    if scan.full and (scan.send or scan.again):
        print("all in one task, which compares everything with the destination")
    unchanged = scan.files - len(scan.send) - len(scan.waiting) - scan.excluded
    print(f"leave: {unchanged} files: unchanged")
    print(f"leave: {scan.excluded} files: excluded")


def _total(sizes: Iterable[int]) -> str:
    known = list(sizes)
    return f"{len(known)} files, {decimal(sum(known))}"


def print_deletes(session: Session, arrived: dict[str, FileRecord]) -> None:
    """Print what delete.py would do with each file that was sent, and why, and with directories."""
    proven = _proven(session, arrived)
    for path, why in sorted(session.kept.paths, key=lambda kept: (str(kept[1]), kept[0])):
        # The reason may repeat what a server has said.
        print(printable(f"keep {path}: {why}"))
    for path in proven:
        size = decimal(arrived[path].size)
        print(f"delete {printable(path)} ({size}): its copy is proven")
    bare: list[str] = []
    known = session.run.settings
    if known.delete_empty_dirs and not session.store.under_way(known.src_dir):
        bare, can_rename = removing.empty_directories(session)
        bare = bare if can_rename or known.src_local_dir else []
    for directory in bare:
        print(f"remove {printable(directory)}: an empty directory")
    for reason, number in session.kept.counts.most_common():
        print(f"keep: {number} files: {reason.value}")
    print(f"delete: {_total(arrived[path].size for path in proven)}")
    print(f"remove: {len(bare)} directories that are empty now")


def _proven(session: Session, arrived: dict[str, FileRecord]) -> list[str]:
    """Return those of `arrived` that could be deleted now; the others are noted as kept."""
    proven, left = [], sorted(arrived)
    while left:
        most = session.run.settings.files_per_task
        group, left = removing.split(left, most, removing.DIRECTORIES_PER_GROUP)
        proven += removing.unchanged(session, {path: arrived[path] for path in group})
    return proven


def crontab(run: Run) -> int:
    """Print a line for each program, two transfers to a delete between them."""
    if login.SECRET in os.environ and not run.settings.client_secret_file:
        log.warning("cron will not have $%s: set CLIENT_SECRET_FILE instead.", login.SECRET)
    config = ["--config", run.settings.config_path] if run.options.config else []
    for minutes, program in (("7,37", "transfer.py"), ("22", "delete.py")):
        script = os.path.join(run.settings.code_path, program)
        if not os.path.isfile(script):  # only its state lives there
            script = str(Path(__file__).with_name(program))
        command = shlex.join([run.settings.python_path, script, *config])
        # An unescaped % ends a command in a crontab.
        print(f"{minutes} * * * * {command}".replace("%", r"\%"))
    return 0


def status(run: Run) -> int:
    """Print how things stand, as a table or, with --json, as the document of `standing`."""
    found = standing(run)
    if run.options.json:
        print(json.dumps(found, indent=1))
    else:
        Console(highlight=False, markup=False, emoji=False).print(_table(found))
    return 0


def standing(run: Run) -> dict[str, Any]:
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
    known = run.settings
    health = alerts.read(f"{known.datastore_path}.health")
    found: dict[str, Any] = {
        "source": f"{known.src_id}:{known.src_dir}",
        "destination": f"{known.dst_id}:{known.dst_dir}",
        **dict.fromkeys(("waiting", "under_way", "proven", "kept")),
        "last_good": health.last_good,
        "alerts": [
            {"kind": one.kind, "about": one.about, "text": printable(one.text), "since": one.since}
            for one in health.alerts
            if not one.resolved and one.severity == "alert"
        ],
    }
    try:
        with opening.opened(run) as session:
            found["under_way"] = _under_way(session)
            opening.require_ready(session)
            found |= _files(session)
    except Exception as error:  # noqa: BLE001 - what is remembered can be told all the same
        run.findings.fire(utils.explain(error, run))
    found["troubles"] = [
        {"kind": one.kind, "about": one.about, "text": printable(one.text)}
        for one in run.findings.alerts.values()
        if one.code
    ]
    return found


def _files(session: Session) -> dict[str, Any]:
    """Return those parts of `standing` that need a look at both endpoints."""
    scan = looking.scan(session)
    looking.report(session, scan)
    proven = _proven(session, proving.at_destination(session, proving.candidates(session)))
    unsent = {path: version for path, (version, _) in (scan.send | scan.waiting).items()}
    oldest = min(unsent, key=lambda path: unsent[path].mtime, default=None)
    return {
        "waiting": {
            "files": len(unsent),
            "bytes": sum(version.size for version in unsent.values()),
            "oldest": {"path": printable(oldest), "modified": unsent[oldest].mtime}
            if oldest
            else None,
        },
        "proven": len(proven),
        "kept": {reason.value: count for reason, count in session.kept.counts.most_common()},
    }


def _under_way(session: Session) -> list[dict[str, Any]]:
    found = []
    for task in session.store.open_tasks("transfer").values():
        document = None
        if task.task_id:
            try:
                document = watching.task_document(session.client, task.task_id)
            except (globus_sdk.GlobusError, watching.InvalidResponse) as error:
                session.run.findings.fire(utils.explain(error, session.run))
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
    waiting = found["waiting"]
    if waiting:
        table.add_row("waiting", f"{waiting['files']} files, {decimal(waiting['bytes'])}")
    if waiting and waiting["oldest"]:
        oldest = waiting["oldest"]
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
