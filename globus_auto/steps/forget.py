"""Drop the records of files that are gone from the source."""

from __future__ import annotations

from globus_auto import history
from globus_auto.files import below, joined, matcher, matches
from globus_auto.steps.plan import TransferPlan
from globus_auto.steps.session import Session


def forget(session: Session, plan: TransferPlan) -> None:
    """Drop the records of files that are gone from the source, unless their task is in progress.

    Drop nothing below a directory that could not be listed, and nothing while SRC_DIR is suddenly
    empty. Save only if delete.py would report these files as kept for too long: missing files start
    nothing, so otherwise the next change saves this as well.
    """
    settings, store = session.context.settings, session.store
    if _is_suddenly_empty(session, plan):
        return
    excluded = matcher(settings.exclude)
    seen = plan.listed | plan.trusted
    gone = plan.missing
    for directory in store.files:
        if not below(directory, settings.src_dir):
            continue
        if plan.empty:
            # Excluded files are gone as well.
            gone += [joined(directory, name) for name in store.files.read(directory)]
        elif directory in seen or matches(directory, settings.src_dir, excluded):
            continue
        elif plan.covers(directory):
            names = store.files.read(directory)
            gone += [joined(directory, name) for name in names if not excluded(name)]
    held = _held(session)
    overdue = any(_is_overdue(session, path) for path in gone)
    for path in gone:
        if path not in held:
            store.forget(path)
    if overdue:
        session.save()


def _is_overdue(session: Session, path: str) -> bool:
    """Return whether a file was delivered more than STALL_HOURS ago."""
    context, record = session.context, session.store.record(path)
    ended = session.store.tasks[record.task].ended_at if record else None
    return ended is not None and context.started - ended > context.settings.stall_hours * 3600


def _is_suddenly_empty(session: Session, plan: TransferPlan) -> bool:
    """Return whether SRC_DIR is empty although it had files, and for less than STALL_HOURS.

    Its disk may not be mounted. If you emptied it on purpose, you need not do anything else: after
    that time its files are forgotten.
    """
    context = session.context
    since = context.read_health().empty_since
    if not (plan.empty and remembers(session)):
        if since is not None:
            context.remember(lambda health: setattr(health, "empty_since", None))
        return False
    # A time in the future comes from a clock that was wrong.
    if since is None or since > context.started:
        context.remember(lambda health: setattr(health, "empty_since", context.started))
        return True
    return context.started - since < context.settings.stall_hours * 3600


def remembers(session: Session) -> bool:
    """Return whether any record is of a file in SRC_DIR that globus_auto has not deleted itself."""
    root, store = session.context.settings.src_dir, session.store
    has_any = any(below(directory, root) for directory in store.files)
    removed = _held(session) | _deleted_elsewhere(session) if has_any else set()
    return any(
        joined(directory, name) not in removed
        for directory in store.files
        if below(directory, root)
        for name in store.files.read(directory)
    )


def _deleted_elsewhere(session: Session) -> set[str]:
    """Return the paths of files that pairs of ALSO_AT have deleted as this pair has sent them."""
    store, found = session.store, set()
    ended = [task.ended_at for task in store.tasks.values() if task.ended_at]
    since = history.moment(min(ended, default=session.context.started))[:7]
    for other in session.context.settings.others:
        for line in history.lines(other.history_path, b'"deleted"', since):
            fact = history.parsed(line)
            record = store.record(fact.path) if fact else None
            if fact and record and (fact.size, fact.mtime) == (record.size, record.mtime):
                found.add(fact.path)
    return found


def _held(session: Session) -> set[str]:
    """Return the paths of leftover delete tasks: what they deleted must first be in the history."""
    leftovers = session.store.tasks_in_progress("delete").values()
    return {path for task in leftovers for path in task.deletes or ()}
