"""Dry runs: what a real run would do, and why."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias

from globus_auto.report.screen import Screen
from globus_auto.steps import deletable, findings, prune, scan
from globus_auto.steps.batches import Batches
from globus_auto.steps.plan import DeletionPlan, TransferPlan
from globus_auto.steps.session import Session
from globus_auto.text import counted, sized


def plan_transfer(session: Session) -> TransferPlan:
    """Scan the source, and report what needs attention, as transfer.py does."""
    plan = scan.scan(session, lambda _session, _plan: False)
    findings.report(session, plan)
    return plan


def print_transfers(session: Session, plan: TransferPlan) -> None:
    """Print what transfer.py would do: totals, then each directory; with -v each file, and why."""
    screen = Screen()
    by_directory: _Directories = {}
    for verb, found in (("transfer", plan.transfers), ("defer", plan.deferred)):
        screen.print(f"{verb}: {total(planned.version.size for _, planned in found.items())}")
        groups: dict[str, list[int]] = {}
        for path, (version, decision) in sorted(found.items(), key=lambda item: item[0]):
            groups.setdefault(decision.group, []).append(version.size)
            why = f"{verb} {path} ({sized(version.size)}): {decision}"
            _add(by_directory, path, verb, version.size, why)
        for group, sizes in sorted(groups.items()):
            screen.print(f"  {total(sizes)}: {group}", 4)
    if plan.recursive and (plan.transfers or plan.forced):
        whole = "" if plan.roots is None else " of the units that are ready"
        screen.print(f"one recursive task{whole}, which compares every file with the destination")
    unchanged = plan.files - len(plan.transfers) - len(plan.deferred) - plan.excluded
    screen.print(f"skip: {counted(unchanged, 'file')}: unchanged")
    screen.print(f"skip: {counted(plan.excluded, 'file')}: excluded")
    _print_directories(screen, by_directory, session.context.options.verbose)


def print_deletions(session: Session, plan: DeletionPlan) -> None:
    """Print what delete.py would do: totals, then each directory; with -v each file, and why."""
    screen = Screen()
    by_directory: _Directories = {}
    deletable = [path for deletion in Batches(session, plan) for path in deletion.paths]
    is_verified = session.context.settings.verify_destination
    reason = "its copy is verified" if is_verified else "it was transferred"
    for path, why in sorted(session.kept.paths):
        _add(by_directory, path, "keep", None, f"keep {path}: {why}")
    for path in deletable:
        size = plan.verified[path].size
        _add(by_directory, path, "delete", size, f"delete {path} ({sized(size)}): {reason}")
    pruning = prune.plan_pruning(session)
    directories = pruning.directories if pruning else []
    screen.print(f"delete: {total(plan.verified[path].size for path in deletable)}")
    if plan.by_age:
        text = "The sizes are those of the files; a run measures the disk after each group of them"
        screen.print(f"  {text}, and deletes more if too little is free", 4)
    screen.print(f"remove: {counted(len(directories), 'empty directory', 'empty directories')}")
    screen.print(f"keep: {counted(session.kept.counts.total(), 'file')}")
    for kept_for, number in session.kept.counts.most_common():
        screen.print(f"  {counted(number, 'file')}: {kept_for.value}", 4)
    _print_directories(screen, by_directory, session.context.options.verbose)
    for directory in directories:
        screen.print(f"remove {directory}: empty directory", 4)


def total(sizes: Iterable[int | None]) -> str:
    """Return how many files there are, and their size unless one is None, as text."""
    numbers = list(sizes)
    sizes_only = [number for number in numbers if number is not None]
    size = f", {sized(sum(sizes_only))}" if len(sizes_only) == len(numbers) else ""
    return counted(len(numbers), "file") + size


# By directory: the sizes of files by what would be done with them, and a line for each file.
_Directories: TypeAlias = dict[str, tuple[dict[str, list[int | None]], list[str]]]


def _add(found: _Directories, path: str, verb: str, size: int | None, line: str) -> None:
    sizes, lines = found.setdefault(path.rpartition("/")[0] or "/", ({}, []))
    sizes.setdefault(verb, []).append(size)
    lines.append(line)


def _print_directories(screen: Screen, found: _Directories, verbose: bool) -> None:
    """Print what would be done in each directory; if `verbose`, with each file."""
    for directory, (sizes, lines) in sorted(found.items()):
        done = "; ".join(f"{verb} {total(each)}" for verb, each in sizes.items())
        screen.print(f"{directory}: {done}", 4)
        for line in lines if verbose else ():
            screen.print(f"  {line}", 4)


def deletable_files(session: Session) -> list[str]:
    """Return the paths of files that delete.py could delete now."""
    batches = Batches(session, deletable.plan_deletion(session))
    return [path for deletion in batches for path in deletion.paths]
