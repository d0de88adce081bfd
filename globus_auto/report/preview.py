"""Dry runs: what a real run would do, and why."""

from __future__ import annotations

from collections.abc import Iterable

from rich.filesize import decimal

from globus_auto.steps import candidates, findings, prune, scan
from globus_auto.steps.batches import Batches
from globus_auto.steps.plan import DeletionPlan, TransferPlan
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


def print_deletions(session: Session, plan: DeletionPlan) -> None:
    """Print what delete.py would do with each transferred file and empty directory, and why."""
    deletable = [path for deletion in Batches(session, plan) for path in deletion.paths]
    is_verified = session.context.settings.verify_destination
    reason = "its copy is verified" if is_verified else "it was transferred"
    for path, why in sorted(session.kept.paths, key=lambda kept: (str(kept[1]), kept[0])):
        # The reason may contain text that a server sent.
        print(printable(f"keep {path}: {why}"))
    for path in deletable:
        size = decimal(plan.verified[path].size)
        print(f"delete {printable(path)} ({size}): {reason}")
    pruning = prune.plan_pruning(session)
    directories = pruning.directories if pruning else []
    for directory in directories:
        print(f"remove {printable(directory)}: empty directory")
    for kept_for, number in session.kept.counts.most_common():
        print(f"keep: {counted(number, 'file')}: {kept_for.value}")
    print(f"delete: {total(plan.verified[path].size for path in deletable)}")
    print(f"remove: {counted(len(directories), 'empty directory', 'empty directories')}")


def deletable_files(session: Session) -> list[str]:
    """Return the paths of files that delete.py could delete now."""
    batches = Batches(session, candidates.plan_deletion(session))
    return [path for deletion in batches for path in deletion.paths]
