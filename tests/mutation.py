"""Deliberate mistakes in the code that decides: each must make a test fail.

    python tests/mutation.py [WORD]

tries those whose rule has WORD in its name, or all. It works on a copy in a temporary directory,
takes some minutes, and ends with 1 if a mistake survives or no longer fits the code.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

TIMEOUT = 120  # seconds: a test that hangs has noticed as well
ROOT = Path(__file__).resolve().parents[1]


class Mutant(NamedTuple):
    """A mistake in `file`: `old` becomes `new`; `tests` are expected to notice."""

    rule: str
    file: str
    old: str
    new: str
    tests: str


MUTANTS = [
    Mutant(
        "intent first",
        "tasks.py",
        "    if intents:\n        save()\n",
        "",
        "test_exactly_once.py",
    ),
    Mutant(
        "intent first, of deletes",
        "tasks.py",
        "    store.tasks[number] = task\n    save()\n",
        "    store.tasks[number] = task\n",
        "test_leftover_deletes.py",
    ),
    Mutant(
        "same submission id again",
        "tasks.py",
        "        submission_id=task.submission_id,\n        sync_level",
        "        submission_id=task.label[-36:][::-1],\n        sync_level",
        "test_exactly_once.py",
    ),
    Mutant(
        "racy entries are sent again",
        "choosing.py",
        "    elif is_racy(entry, task) and terms.began",
        "    elif False and terms.began",
        "test_choosing.py",
    ),
    Mutant(
        "racy entries are no proof",
        "choosing.py",
        "    if is_racy(entry, task):\n        return",
        "    if False:\n        return",
        "test_kept.py",
    ),
    Mutant(
        "racy entries, in the short cut for unchanged files",
        "choosing.py",
        "        number: task.listed_at - RACE_SECONDS for",
        "        number: task.listed_at + 9_999 for",
        "test_transfer_looks.py",
    ),
    Mutant(
        "skipped paths are not sent",
        "settling.py",
        "        if hits:\n            lost.append(path)",
        "        if False:\n            lost.append(path)",
        "test_settling.py",
    ),
    Mutant(
        "what is below a skipped directory is not sent",
        "settling.py",
        'path = path.rpartition("/")[0]\n',
        'path = ""\n',
        "test_settling.py",
    ),
    Mutant(
        "a list of skipped paths that is too short proves nothing",
        "settling.py",
        "return skipped if len(skipped) >= document.subtasks_skipped_errors else None",
        "return skipped",
        "test_settling.py",
    ),
    Mutant(
        "a path that this task was not given proves nothing",
        "settling.py",
        "    if not all(below(path, task.source_dir) for path in left_out):",
        "    if False:",
        "test_reasons.py",
    ),
    Mutant(
        "an unknown task proves nothing",
        "settling.py",
        "    if document is None:\n        lost = paths",
        "    if document is None:\n        lost = []",
        "test_settling.py",
    ),
    Mutant(
        "a failed task proves only what it lists, with the size",
        "settling.py",
        "return entry is not None and entry.size == size",
        "return entry is not None and size is not None",
        "test_settling.py",
    ),
    Mutant(
        "one full task at a time",
        "looking.py",
        "full=first or (wanted and not open_tasks)",
        "full=first or wanted",
        "test_transfer_full.py",
    ),
    Mutant(
        "a full task has everything",
        "datastore.py",
        "            task.full and task.open and below(path, task.source_dir)",
        "            False and below(path, task.source_dir)",
        "test_transfer_full.py test_kept.py",
    ),
    Mutant(
        "open tasks are no proof",
        "choosing.py",
        "    if task.open or under_way:\n        return",
        "    if under_way:\n        return",
        "test_kept.py test_reasons.py",
    ),
    Mutant(
        "deletes have a short deadline",
        "tasks.py",
        "deadline=now + deadline_seconds",
        "deadline=now + 100 * deadline_seconds",
        "test_delete.py",
    ),
    Mutant(
        "deletes are cancelled when they linger",
        "tasks.py",
        "    if ended.status in OPEN:\n        ended = cancel",
        "    if False:\n        ended = cancel",
        "test_delete.py",
    ),
    Mutant(
        "leftover deletes are cancelled",
        "opening.py",
        "        tasks.cancel_deletes(client, store, run.started)\n",
        "",
        "test_leftover_deletes.py",
    ),
    Mutant(
        "look at the destination: missing",
        "choosing.py",
        '    if found is None:\n        return "it is missing at',
        '    if False:\n        return "it is missing at',
        "test_kept.py",
    ),
    Mutant(
        "look at the destination: size",
        "choosing.py",
        "    if found.size != entry.size:",
        "    if False:",
        "test_kept.py",
    ),
    Mutant(
        "an empty destination drops nothing",
        "proving.py",
        "        if not barren:",
        "        if True:",
        "test_kept.py",
    ),
    Mutant(
        "last look at the source",
        "choosing.py",
        "    if not entry.is_of(found):\n        return f",
        "    if False:\n        return f",
        "test_delete.py test_kept.py",
    ),
    Mutant(
        "no way through a symlink",
        "removing.py",
        'if not reason and path.rpartition("/")[0] not in plain:',
        "if False:",
        "test_kept.py",
    ),
    Mutant(
        "names alike stay",
        "choosing.py",
        "    if alike:\n        return ALIKE",
        "    if False:\n        return ALIKE",
        "test_kept.py test_reasons.py",
    ),
    Mutant(
        "names alike at the source stay",
        "removing.py",
        "list(group), alone=True)",
        "list(group), alone=False)",
        "test_kept.py",
    ),
    Mutant(
        "move aside",
        "asides.py",
        "            client.operation_rename(store.source, directory, aside)",
        "            store.asides.pop(aside)\n            store.asides[directory] = directory",
        "test_empty_directories.py",
    ),
    Mutant(
        "look again at what stands aside",
        "removing.py",
        "if asides.seen_empty(session.look(known.src_id, [aside], lambda _name: True))",
        "if True",
        "test_empty_directories.py",
    ),
    Mutant(
        "asides are remembered first",
        "asides.py",
        "    save()\n    for aside, directory in list(",
        "    for aside, directory in list(",
        "test_asides.py test_empty_directories.py",
    ),
    Mutant(
        "locks",
        "locks.py",
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "test_locks.py",
    ),
    Mutant(
        "sum",
        "datastore.py",
        "    if hashlib.sha256(memoryview(data)[: end.start()]).hexdigest().encode() != end[1]:",
        "    if False:",
        "test_datastore.py",
    ),
    Mutant(
        "an error is never empty: listings",
        "listing.py",
        "    if len(document.DATA) < document.total:",
        "    if False:",
        "test_transfer_looks.py",
    ),
    Mutant(
        "an error is never gone: other 404s",
        "listing.py",
        "if (error.http_status == 404 and code in NOT_FOUND)",
        "if (error.http_status == 404)",
        "test_transfer_looks.py test_transfer_ready.py test_kept.py",
    ),
    Mutant(
        "an empty source forgets nothing",
        "looking.py",
        "    if looked.empty:\n        return",
        "    if False:\n        return",
        "test_transfer_looks.py",
    ),
    Mutant(
        "KEEP_DAYS",
        "choosing.py",
        "keeping.now - sent_at < keeping.keep_days * 86_400",
        "keeping.now - sent_at < keeping.keep_days * 8_640",
        "test_kept.py test_reasons.py",
    ),
    Mutant(
        "SETTLE_SECONDS",
        "choosing.py",
        "now - mtime >= settle_seconds",
        "now - mtime >= 0",
        "test_choosing.py",
    ),
    Mutant(
        "two places",
        "delete.py",
        "            proving.require_two_places(session, arrived)\n",
        "            assert proving\n",
        "test_delete.py",
    ),
]


def killed(mutant: Mutant, home: Path) -> str:
    """Try a mutant in the copy at `home`; return "killed", "SURVIVED" or "GONE"."""
    path = home / "globus_auto" / mutant.file
    code = path.read_text(encoding="utf-8")
    if code.count(mutant.old) != 1:
        return "GONE"
    path.write_text(code.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        tests = [f"tests/{name}" for name in mutant.tests.split()]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
        done = subprocess.run(
            command,
            cwd=home,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(home)},
            capture_output=True,
            check=False,
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        return "killed"
    finally:
        path.write_text(code, encoding="utf-8")
    return "SURVIVED" if done.returncode == 0 else "killed"


def main() -> int:
    """Try the mutants that were asked for; return 1 if one is not killed."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    well = True
    with tempfile.TemporaryDirectory(prefix="mutation.") as directory:
        home = Path(directory)
        for name in ("globus_auto", "tests"):
            skipped = shutil.ignore_patterns("__pycache__", "datastore", "*.lock")
            shutil.copytree(ROOT / name, home / name, ignore=skipped)
        shutil.copy(ROOT / "pyproject.toml", home)
        for mutant in MUTANTS:
            if word in mutant.rule:
                outcome = killed(mutant, home)
                well &= outcome == "killed"
                print(f"{outcome:9} {mutant.rule} ({mutant.file})", flush=True)
    return 0 if well else 1


if __name__ == "__main__":
    raise SystemExit(main())
