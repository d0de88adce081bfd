"""The catalogue of alerts, second part: transfer tasks and their submission."""

from __future__ import annotations

from globus_auto.alerts import Alert
from globus_auto.wording import some

OUT_OF_REACH = ("endpoint", "service")
# Kinds of alerts that explain why a task did not end in time.
IN_THE_WAY = (*OUT_OF_REACH, "stalled", "inactive", "login", "consent", "session")
# What a task meets where an endpoint is out of reach: that is told of the endpoint, and passes.
AWAY = ("GC_NOT_CONNECTED", "GC_PAUSED", "CONNECT_FAILED", "CONNECTION_BROKEN", "CONNECTION_RESET")

# Submissions


def transfer_never_arrived(source_dir: str, what: str) -> Alert:
    """Return the alert that a submission never reached Globus in several runs."""
    return Alert(
        kind="refused",
        about=source_dir,
        text=f"A transfer of {what} never reached Globus in several runs, though other"
        " requests do: something between this machine and Globus, such as a proxy, does not let"
        " it through. The file stays at the source, and is tried once a day. Exclude it by"
        " EXCLUDE, rename it, or let requests to Globus pass.",
        shared=True,
    )


def transfer_rejected(source_dir: str, what: str, details: str, *, malformed: bool) -> Alert:
    """Return the alert that Globus rejected a transfer.

    `malformed`: because of a file that Globus cannot take; otherwise because of the place.
    """
    if malformed:
        hint = "It is tried once a day. Exclude it by EXCLUDE, or rename it."
    else:
        hint = "The next run tries again. See that you may write there."
    return Alert(
        kind="refused",
        about=source_dir,
        text=f"Globus refused to transfer {what} ({details}). It stays at the source. {hint}",
        shared=True,
    )


def transfers_conflict(source_dir: str, code: str, message: str, grace_seconds: float) -> Alert:
    """Return the alert that Globus takes no transfers now, due after `grace_seconds`."""
    return Alert(
        kind="conflict",
        about=source_dir,
        text=f"Globus does not take transfers of {source_dir} now ({code}, {message})."
        " Its files wait at the source for a later run. If that has lasted for"
        f" {grace_seconds / 3600:g} hours, look at your tasks in the web app.",
        code=0,
        for_seconds=grace_seconds,
        shared=True,
    )


def full_postponed(source_dir: str, in_progress: int) -> Alert:
    """Return the alert that --full found transfers in progress."""
    return Alert(
        kind="full",
        about=source_dir,
        text=f"--full waits: {in_progress} transfers of {source_dir} are under way."
        " What is new was sent as usual. Nothing to do: run it again when they have ended.",
    )


# Tasks in progress


def transfer_suspended(source_dir: str, what: str, reason: str, link: str) -> Alert:
    """Return the alert that Globus suspended a transfer until a person acts."""
    return Alert(
        kind="inactive",
        about=source_dir,
        text=f"{what} is suspended until you act{reason}. Its files wait at the"
        f" source. Renew the login or consent that Globus asks for at {link}",
        code=3,
        shared=True,
    )


def transfer_stalled(source_dir: str, what: str, status: str, reason: str, link: str) -> Alert:
    """Return the alert that a transfer meets errors that do not pass."""
    return Alert(
        kind="stalled",
        about=source_dir,
        text=f"{what} is in trouble{reason}. Its files wait at the source, and Globus goes on"
        f" trying. See what it says at {link}",
        inhibited_by=OUT_OF_REACH if status in AWAY else (),
        shared=True,
    )


def transfer_silent(source_dir: str, what: str, hours: float, reason: str, link: str) -> Alert:
    """Return the alert that a transfer has had no event for `hours`."""
    return Alert(
        kind="stalled",
        about=source_dir,
        text=f"{what} has had no news for {hours:.0f} hours{reason}. Its"
        f" files wait at the source. See what holds it up, or cancel it, at {link}",
        inhibited_by=OUT_OF_REACH,
        shared=True,
    )


def status_unknown(source_dir: str, reason: str) -> Alert:
    """Return the alert that Globus did not say what became of a transfer."""
    return Alert(
        kind="unclear",
        about=source_dir,
        text=f"Globus did not say what became of a transfer of {source_dir} ({reason})."
        " Nothing is concluded from that; the next run asks again.",
        inhibited_by=("service",),
    )


# Ended tasks


def transfer_failed(source_dir: str, what: str, code: str | None, reason: str, link: str) -> Alert:
    """Return the alert that a transfer failed."""
    return Alert(
        kind="failed",
        about=source_dir,
        text=f"{what} failed{reason}. What it did not send stays at the source and is sent again."
        f" If that goes on, see what it says at {link}",
        inhibited_by=IN_THE_WAY if code == "EXPIRED" else OUT_OF_REACH if code in AWAY else (),
        shared=True,
    )


def result_unavailable(source_dir: str, link: str) -> Alert:
    """Return the alert that Globus does not list what a transfer did."""
    return Alert(
        kind="failed",
        about=source_dir,
        text=f"Globus does not tell what a transfer of {source_dir} did and what it left out,"
        f" so its files are sent again; those that have arrived are not copied twice: {link}",
        shared=True,
    )


def files_undelivered(source_dir: str, paths: list[str]) -> Alert:
    """Return the alert that `paths` were sent and are not known to be delivered."""
    return Alert(
        kind="failed",
        about=source_dir,
        text=f"{len(paths)} files are not known to have arrived: {some(paths)}. They stay at"
        " the source, and the next run sends them again.",
        shared=True,
    )


def files_skipped(directory: str, files: list[str]) -> Alert:
    """Return the alert that Globus could not read `files`, names with an error code."""
    return Alert(
        kind="skipped",
        about=directory,
        text=f"Globus skipped in {directory}: {some(files)}. They stay at the source and"
        " are tried again; see that Globus may read them.",
        shared=True,
    )


def checksums_unverified(destination: str, source_dir: str, link: str) -> Alert:
    """Return the alert that Globus did not compare checksums after a transfer."""
    return Alert(
        kind="unverified",
        about=destination,
        text=f"Globus did not verify checksums of the files of {source_dir} after it copied"
        " them: the policy of one of the collections disables verification. Such files stay at"
        " the source. Ask the collection's administrator to allow it, or use another collection;"
        f" then delete the datastore, and all is compared again. {link}",
    )


def transfer_unencrypted(destination: str, source_dir: str, link: str) -> Alert:
    """Return the alert that Globus did not encrypt a transfer."""
    return Alert(
        kind="unencrypted",
        about=destination,
        text=f"Globus did not encrypt a transfer of {source_dir}, although it was"
        " asked to. The files have arrived. Ask the administrator of the collections why,"
        f" with this link: {link}",
        shared=True,
    )
