"""Alerts about transfer tasks and their submission."""

from __future__ import annotations

from globus_auto.alerts.model import Alert
from globus_auto.text import access_advice, are, counted, some, they_stay

OUT_OF_REACH = ("endpoint", "service")
# What a task meets where a collection is offline: the alert is about the collection, and it passes.
OFFLINE = (
    "GC_NOT_CONNECTED",
    "GC_PAUSED",
    "CONNECT_FAILED",
    "CONNECTION_BROKEN",
    "CONNECTION_RESET",
)
# What does not pass until somebody makes room.
NO_ROOM = ("QUOTA_EXCEEDED", "NO_SPACE_LEFT")


# Kinds of alerts that explain why a task did not end in time.
BLOCKERS = (*OUT_OF_REACH, "stalled", "inactive", "login", "consent", "session")


def transfer_blocked(source_dir: str, paths: list[str]) -> Alert:
    """Return the alert that transfers of `paths` never reached Globus in several runs."""
    count = len(paths)
    them = "it" if count == 1 else "them"
    return Alert(
        kind="refused",
        about=f"blocked files of {source_dir}",
        title="transfer blocked",
        text=f"A transfer of {some(paths)} never reached Globus in several runs, though other"
        f" requests did: something between this machine and Globus, such as a proxy, blocks {them}."
        f" {they_stay(count)} at the source and {are(count)} tried again once a day. Rename {them},"
        f" exclude {them} by EXCLUDE, or let requests to Globus pass.",
        recovery=f"No transfer of {source_dir} is rejected any more.",
        shared=True,
    )


def transfer_rejected(source_dir: str, paths: list[str], details: str, *, malformed: bool) -> Alert:
    """Return the alert that Globus rejected transfers of `paths`, if empty of several files each.

    `malformed`: because of those files; otherwise because of the destination, or the request.
    """
    what = some(paths) or f"files of {source_dir}"
    if malformed:
        count = len(paths)
        hint = (
            f"{they_stay(count)} at the source and {are(count)} tried again once a day. Rename or"
            f" EXCLUDE {'it' if count == 1 else 'them'}."
        )
    else:
        hint = (
            "Nothing leaves the source, and the next run tries again. Check that you may write at"
            " the destination."
        )
    return Alert(
        kind="refused",
        about=source_dir,
        title="transfer rejected",
        text=f"Globus rejected the transfer of {what}. {hint} {details}",
        recovery=f"No transfer of {source_dir} is rejected any more.",
        shared=True,
    )


def transfers_conflict(source_dir: str, details: str, grace_seconds: float) -> Alert:
    """Return the alert that Globus takes no transfers now, due after `grace_seconds`."""
    return Alert(
        kind="conflict",
        about=source_dir,
        title="transfers not accepted",
        text=f"Globus does not accept transfers of {source_dir} now: a transfer of the same paths"
        " is in progress, or too many of your tasks are. New files stay at the source, and each run"
        " tries again. See your tasks in the Globus web app, and cancel any that are stuck."
        f" {details}",
        recovery=f"Globus accepts transfers of {source_dir} again.",
        code=0,
        for_seconds=grace_seconds,
        shared=True,
    )


def full_postponed(source_dir: str, in_progress: int) -> Alert:
    """Return the alert that --full found transfers in progress."""
    return Alert(
        kind="full",
        about=source_dir,
        title="--full postponed",
        text=f"--full was postponed: {counted(in_progress, 'transfer')} of {source_dir}"
        f" {are(in_progress)} in progress. New and changed files were sent as usual. Run it again"
        " later.",
        recovery="",
    )


def transfer_suspended(source_dir: str, destination_dir: str, error: str, link: str) -> Alert:
    """Return the alert that Globus suspended a transfer until a person acts."""
    return Alert(
        kind="inactive",
        about=source_dir,
        title="transfer suspended",
        text=f"A transfer from {source_dir} to {destination_dir} is suspended until you act. Its"
        f" files stay at the source. Renew the login or consent that Globus asks for at {link}"
        f" {error}".rstrip(),
        recovery=f"Transfers of {source_dir} make progress again.",
        code=3,
        shared=True,
    )


def transfer_stalled(
    source_dir: str, destination_dir: str, status: str, error: str, link: str
) -> Alert:
    """Return the alert that a transfer meets errors that do not pass."""
    if status in NO_ROOM:
        advice = "Make room at the destination, or raise the quota."
    else:
        advice = access_advice(error, "")
    return _stalled(
        source_dir,
        f"A transfer from {source_dir} to {destination_dir} makes no progress because of an error."
        f" Its files stay at the source, and Globus keeps trying. {advice} See the task at"
        f" {link}"
        f" {error}".replace("  ", " "),
        OUT_OF_REACH if status in OFFLINE else (),
    )


def transfer_silent(
    source_dir: str, destination_dir: str, hours: float, event: str, link: str
) -> Alert:
    """Return the alert that a transfer has had no event for `hours`."""
    return _stalled(
        source_dir,
        f"Globus has reported nothing about a transfer from {source_dir} to {destination_dir} for"
        f" {counted(round(hours), 'hour')}. Its files stay at the source. See what holds it up, or"
        f" cancel it, at {link} {event}".rstrip(),
        OUT_OF_REACH,
    )


def _stalled(source_dir: str, text: str, inhibited_by: tuple[str, ...]) -> Alert:
    return Alert(
        kind="stalled",
        about=source_dir,
        title="transfer stalled",
        text=text,
        recovery=f"Transfers of {source_dir} make progress again.",
        inhibited_by=inhibited_by,
        shared=True,
    )


def status_unknown(source_dir: str, details: str) -> Alert:
    """Return the alert that Globus did not say what became of a transfer."""
    return Alert(
        kind="unknown status",
        about=source_dir,
        title="unknown status of a transfer",
        text=f"Globus did not say what became of a transfer of {source_dir}. No files were marked"
        f" as sent or deleted because of this. The next run asks again. {details}",
        recovery="Globus reports what became of every transfer.",
        inhibited_by=("service",),
    )


def transfer_failed(
    source_dir: str, destination_dir: str, code: str | None, error: str, link: str
) -> Alert:
    """Return the alert that a transfer failed."""
    inhibited_by = BLOCKERS if code == "EXPIRED" else OUT_OF_REACH if code in OFFLINE else ()
    return _failed(
        source_dir,
        "transfer failed",
        f"A transfer from {source_dir} to {destination_dir} failed. Files that it did not deliver"
        f" stay at the source and are sent again. If it goes on, see the task at {link}"
        f" {error}".rstrip(),
        inhibited_by,
    )


def result_unavailable(source_dir: str, link: str) -> Alert:
    """Return the alert that Globus does not list what a transfer did."""
    return _failed(
        source_dir,
        "result of a transfer unknown",
        f"Globus does not list what a transfer of {source_dir} has sent and what it has skipped, so"
        " its files stay at the source and are sent again; what has arrived is not copied twice."
        f" The task is at {link}",
    )


def files_undelivered(source_dir: str, paths: list[str]) -> Alert:
    """Return the alert that `paths` were sent and are not known to be delivered."""
    count = len(paths)
    return _failed(
        source_dir,
        "delivery not confirmed",
        f"{counted(count, 'file')} may not have arrived: {some(paths)}. {they_stay(count)} at the"
        f" source, and the next run sends {'it' if count == 1 else 'them'} again.",
    )


def _failed(source_dir: str, title: str, text: str, inhibited_by: tuple[str, ...] = ()) -> Alert:
    return Alert(
        kind="failed",
        about=source_dir,
        title=title,
        text=text,
        recovery=f"Transfers of {source_dir} no longer fail.",
        inhibited_by=inhibited_by,
        shared=True,
    )


def files_skipped(directory: str, files: list[str]) -> Alert:
    """Return the alert that Globus could not read `files`, names with an error code."""
    count = len(files)
    them = "it" if count == 1 else "them"
    return Alert(
        kind="skipped",
        about=directory,
        title="files skipped",
        text=f"Globus skipped {counted(count, 'file')} in {directory}, which it could not read."
        f" {they_stay(count)} at the source and {are(count)} tried again. Let Globus read {them},"
        f" or exclude {them} by EXCLUDE: {some(files)}.",
        recovery=f"Globus no longer skips files in {directory}.",
        shared=True,
    )


def checksums_unverified(destination: str, source_dir: str, link: str) -> Alert:
    """Return the alert that Globus did not compare checksums after a transfer."""
    return Alert(
        kind="unverified",
        about=destination,
        title="checksums not verified",
        text=f"Globus did not verify checksums after it copied files of {source_dir}: the policy of"
        " one of the collections disables verification. The files have arrived, but stay at the"
        " source. Ask the collection's administrator to allow verification, or use another"
        " collection; then delete the datastore, and everything is compared again. The task is at"
        f" {link}",
        recovery="No file is kept any more because its checksum was not verified.",
    )


def transfer_unencrypted(destination: str, source_dir: str, link: str) -> Alert:
    """Return the alert that Globus did not encrypt a transfer."""
    return Alert(
        kind="unencrypted",
        about=destination,
        title="transfer not encrypted",
        text=f"Globus did not encrypt a transfer of {source_dir}, although it was asked to. The"
        " files have arrived. Ask the administrators of the collections why. The task is at"
        f" {link}",
        recovery="Globus encrypts transfers again.",
        shared=True,
    )
