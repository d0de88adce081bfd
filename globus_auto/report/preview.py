"""Dry runs: what a real run would do, and why."""

from __future__ import annotations

from collections.abc import Iterable

from rich.filesize import decimal

from globus_auto.datastore import FileRecord
from globus_auto.steps import findings, prune, remove, scan, verify
from globus_auto.steps.plan import TransferPlan
from globus_auto.steps.prune import DIRECTORIES_PER_GROUP
from globus_auto.steps.session import Session
from globus_auto.text import counted, printable


def plan_transfer(session: Session) -> TransferPlan:
    """Scan the source, and report what needs attention, as transfer.py does."""
    plan = scan.scan(session)
    findings.report(session, plan)
    return plan


def print_transfers(plan: TransferPlan) -> None:
    """Print what transfer.py would do with each new or changed file, and why."""
    planned = ("defer", plan.deferred), ("transfer", plan.transfers)
    for verb, found in planned:
        for path in sorted(found, key=lambda path: (found[path][1].group, path)):
            version, decision = found[path]
            print(f"{verb} {printable(path)} ({decimal(version.size)}): {decision}")
    for verb, found in planned:
        groups: dict[str, list[int]] = {}
        for version, decision in found.values():
            groups.setdefault(decision.group, []).append(version.size)
        for group, sizes in sorted(groups.items()):
            print(f"{verb}: {total(sizes)}: {group}")
    for verb, found in planned:
        print(f"{verb}: {total(version.size for version, _ in found.values())} in total")
    if plan.recursive and (plan.transfers or plan.forced):
        print("one recursive task, which compares every file with the destination")
    unchanged = plan.files - len(plan.transfers) - len(plan.deferred) - plan.excluded
    print(f"skip: {counted(unchanged, 'file')}: unchanged")
    print(f"skip: {counted(plan.excluded, 'file')}: excluded")


def total(sizes: Iterable[int]) -> str:
    """Return how many files there are, and their size, as text."""
    numbers = list(sizes)
    return f"{counted(len(numbers), 'file')}, {decimal(sum(numbers))}"


def print_deletions(session: Session, verified: dict[str, FileRecord]) -> None:
    """Print what delete.py would do with each transferred file and empty directory, and why."""
    deletable = find_deletable(session, verified)
    is_verified = session.context.settings.verify_destination
    reason = "its copy is verified" if is_verified else "it was transferred"
    for path, why in sorted(session.kept.paths, key=lambda kept: (str(kept[1]), kept[0])):
        # The reason may contain text that a server sent.
        print(printable(f"keep {path}: {why}"))
    for path in deletable:
        size = decimal(verified[path].size)
        print(f"delete {printable(path)} ({size}): {reason}")
    empty_trees: list[str] = []
    settings = session.context.settings
    if settings.delete_empty_dirs and not session.store.recursive_in_progress(settings.src_dir):
        empty_trees, can_rename = prune.empty_directories(session)
        empty_trees = empty_trees if can_rename or settings.src_local_dir else []
    for directory in empty_trees:
        print(f"remove {printable(directory)}: empty directory")
    for kept_for, number in session.kept.counts.most_common():
        print(f"keep: {counted(number, 'file')}: {kept_for.value}")
    print(f"delete: {total(verified[path].size for path in deletable)}")
    print(f"remove: {counted(len(empty_trees), 'empty directory', 'empty directories')}")


def deletable_files(session: Session) -> list[str]:
    """Return the paths of files that delete.py could delete now."""
    return find_deletable(session, verify.verify(session, verify.candidates(session)))


def find_deletable(session: Session, verified: dict[str, FileRecord]) -> list[str]:
    """Return those `verified` paths that could be deleted now; add the others to `session.kept`."""
    deletable, left = [], sorted(verified)
    while left:
        most = session.context.settings.files_per_task
        group, left = remove.split(left, most, DIRECTORIES_PER_GROUP)
        deletable += remove.unchanged(session, {path: verified[path] for path in group})
    return deletable
