"""--find: what happened to a file, as the history and the datastore know it; offline."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator

import msgspec

from globus_auto import globus, history
from globus_auto.context import RunContext
from globus_auto.datastore import Datastore, FileRecord
from globus_auto.files import joined, matcher
from globus_auto.history import Fact
from globus_auto.text import counted, moment, printable

SPECIAL = re.compile(r"[*?]|\[[^]]*\]?")  # what has a meaning of its own in a shell pattern


def find(context: RunContext) -> int:
    """Print the life of each file that the pattern matches; with --json, its history lines."""
    pattern = context.options.find
    if context.options.json:
        found = 0
        for found, (line, _) in enumerate(_facts(context, pattern), 1):  # noqa: B007
            sys.stdout.write(f"{line.decode()}\n")
    else:
        found = _print_lives(context, pattern)
    if not found:
        print(
            f"Nothing that is recorded matches {printable(pattern)}; transfer.py -n shows what"
            " would be sent.",
            file=sys.stderr,
        )
    return 0


def _print_lives(context: RunContext, pattern: str) -> int:
    """Print the lives of all matching files; return how many there are."""
    lives: dict[str, list[Fact]] = {}
    for _, fact in _facts(context, pattern):
        lives.setdefault(fact.path, []).append(fact)
    store = context.load()
    records = dict(_records(store, _matching(pattern)))
    paths = sorted(lives.keys() | records.keys())
    for path in paths:
        print(printable(path))
        for fact in history.unique(lives.get(path, ())):
            _print_fact(context, fact)
        print(f"  {_present(store, records.get(path), lives.get(path, []))}")
    return len(paths)


def _matching(pattern: str) -> Callable[[str], bool]:
    """Return whether a path matches: a shell pattern for its end, or any part of it."""
    fits = matcher([pattern, f"*/{pattern}"])
    return lambda path: pattern in path or fits(path)


def _facts(context: RunContext, pattern: str) -> Iterator[tuple[bytes, Fact]]:
    """Yield the lines of matching paths, with their facts, oldest first."""
    matches = _matching(pattern)
    # Only lines with this part of the pattern, as JSON has it, need to be read.
    needle = msgspec.json.encode(max(SPECIAL.split(pattern), key=len))[1:-1]
    for line in history.lines(context.settings.history_path, needle):
        fact = history.parsed(line)
        if fact and matches(fact.path):
            yield line, fact


def _records(store: Datastore, matches: Callable[[str], bool]) -> Iterator[tuple[str, FileRecord]]:
    for directory, records in store.files.items():
        for name, record in records.items():
            path = joined(directory, name)
            if matches(path):
                yield path, record


def _print_fact(context: RunContext, fact: Fact) -> None:
    where = ""
    if fact.copy and fact.event in ("delivered", "lost"):
        endpoint, _, path = fact.copy.partition(":")
        word = "to" if fact.event == "delivered" else "at"
        where = printable(f" {word} {context.names.get(endpoint, endpoint)}:{path}")
    details = []
    if fact.size is not None:
        details.append(counted(fact.size, "byte"))
    if fact.mtime is not None:
        details.append(f"modified {moment(fact.mtime)}")
    if fact.checksum:
        details.append(fact.checksum)
    said = f" ({', '.join(details)})" if details else ""
    print(f"  {fact.at}  {fact.event}{where}{said}")
    if fact.task:
        print(f"  {'':20}  {globus.link(fact.task)}")


def _present(store: Datastore, record: FileRecord | None, facts: list[Fact]) -> str:
    """Return what holds now, as far as the datastore says."""
    if record is None:
        last = facts[-1].event if facts else ""
        if last in ("deleted", "pruned"):
            return "now: deleted at the source"
        return "now: not recorded; transfer.py -n shows whether it would be sent"
    task = store.tasks[record.task]
    if not task.in_progress:
        return "now: delivered"
    link = globus.link(task.task_id) if task.task_id else "not yet accepted by Globus"
    return f"now: in progress since {moment(task.submitted_at)}, {link}"
