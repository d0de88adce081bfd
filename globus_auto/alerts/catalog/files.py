"""Alerts about what is at the source and at the destination."""

from __future__ import annotations

from globus_auto.alerts.model import Alert
from globus_auto.text import access_advice, are, because, counted, sentence, some, they_stay

LASTING_SECONDS = 600  # what may pass by the next run is told if it has lasted that long
LOCAL_DIR_SECONDS = 3600


# Who must have access to a directory that is listed on this machine, by SRC_LOCAL_DIR.
LOCAL_USER = "the user who runs the programs on this machine"


def source_unlisted(source_dir: str, reason: str, *, local: bool, swapped: bool) -> Alert:
    """Return the alert that SRC_DIR cannot be listed, on this machine if `local`.

    `swapped`: both SRC_DIR and DST_DIR are missing, as where SRC_ID and DST_ID are swapped.
    """
    if swapped:
        otherwise = (
            "DST_DIR is missing at the destination, too: check whether SRC_ID and DST_ID are"
            " swapped, then SRC_DIR and DST_DIR."
        )
    else:
        otherwise = "Check SRC_DIR, and whether its disk is mounted."
    advice = access_advice(reason, otherwise, *([LOCAL_USER] if local else []))
    return Alert(
        kind="source",
        about=source_dir,
        title="source not readable",
        text=f"SRC_DIR {source_dir} cannot be listed. No files were marked as sent or deleted"
        f" because of this. {advice} {because(reason)}",
        recovery=f"SRC_DIR {source_dir} can be listed again.",
    )


def source_empty(source_dir: str, stall_hours: float) -> Alert:
    """Return the alert that SRC_DIR is empty though files were there."""
    return Alert(
        kind="source",
        about=source_dir,
        title="source empty",
        text=f"SRC_DIR {source_dir} is empty, though files were there before. Copies at the"
        " destination are not touched. Check whether its disk is mounted. If it was emptied on"
        f" purpose, do nothing: this alert ends when that has lasted for {stall_hours:g} h.",
        recovery=f"SRC_DIR {source_dir} has files again, or was emptied on purpose.",
    )


def directory_missing(directory: str) -> Alert:
    """Return the alert that a directory is listed, but cannot be found."""
    return Alert(
        kind="unlisted",
        about=directory,
        title="directory not found",
        text=f"{directory} is in the listing of its parent directory, but Globus says that it does"
        " not exist. What is in it is neither sent nor deleted. Check whether it is a mount that is"
        " offline, or has a name that Globus cannot reach.",
        recovery=f"{directory} can be listed again.",
        code=0,
        for_seconds=LASTING_SECONDS,
    )


def directory_unlisted(directory: str, reason: str, *, local: bool) -> Alert:
    """Return the alert that a directory cannot be listed, on this machine if `local`."""
    if local:
        advice = access_advice(reason, f"Check that {LOCAL_USER} can read it.", LOCAL_USER)
    else:
        otherwise = "Check that Globus can read it, and that it has at most 100,000 entries."
        advice = access_advice(reason, otherwise)
    return Alert(
        kind="unlisted",
        about=directory,
        title="directory not readable",
        text=f"{directory} cannot be listed. Nothing in it is sent or deleted until it can."
        f" {advice} {because(reason)}",
        recovery=f"{directory} can be listed again.",
    )


def local_dir_behind(local_dir: str, source_dir: str, names: list[str]) -> Alert:
    """Return the alert that SRC_LOCAL_DIR does not show `names`, which Globus shows."""
    return Alert(
        kind="mount",
        about=local_dir,
        title="SRC_LOCAL_DIR out of date",
        text=f"SRC_LOCAL_DIR {local_dir} does not show what Globus shows in {source_dir}:"
        f" {some(names)}. Files that it does not show are not sent. If it is a snapshot or an old"
        ' mount, mount the directory itself, or set SRC_LOCAL_DIR = "".',
        recovery="SRC_LOCAL_DIR shows what Globus shows, or is not used any more.",
        code=0,
        for_seconds=LOCAL_DIR_SECONDS,
    )


def names_clash(source_dir: str, names: list[str]) -> Alert:
    """Return the alert that files would overwrite the copies of others spelled differently."""
    count = len(names)
    return Alert(
        kind="spelling",
        about=source_dir,
        title="names clash at the destination",
        text=f"{counted(count, 'file')} {are(count)} not sent, since the destination treats another"
        f" name as the same: {some(names)}. What is there may be the only copy of another file."
        " Rename the files at the source.",
        recovery=f"No names in {source_dir} clash at the destination any more.",
    )


def name_unsendable(path: str) -> Alert:
    """Return the alert that Globus cannot take a name."""
    return Alert(
        kind="unsendable",
        about=path,
        title="name cannot be sent",
        text=f"Globus cannot take the name {path!r}: it has a line break, or is not UTF-8. It stays"
        " at the source. Rename it.",
        recovery=f"{path!r} was renamed or is gone.",
    )


def fingerprints_impossible(directory: str, names: list[str]) -> Alert:
    """Return the alert that Globus sends an impossible size or time of files, `names` with both."""
    count = len(names)
    return Alert(
        kind="unsendable",
        about=directory,
        title="impossible size or time of a file",
        text=f"Globus sends an impossible size or modification time of {counted(count, 'file')} in"
        f" {directory}: {some(names)}. {they_stay(count)} at the source and {are(count)} neither"
        " sent nor deleted. Set the modification time, for example by touch.",
        recovery=f"Globus sends the size and time of every file in {directory}.",
    )


def entries_ignored(directory: str, names: list[str]) -> Alert:
    """Return the note that some entries of a directory are neither files nor directories."""
    return Alert(
        kind="left alone",
        about=directory,
        title="entries ignored",
        text=f"Not sent from {directory}: {some(names)}.",
        recovery="",
        code=0,
        severity="note",
    )


def mtimes_in_future(directory: str, names: list[str]) -> Alert:
    """Return the note that some files have modification times in the future."""
    count = len(names)
    return Alert(
        kind="future",
        about=directory,
        title="modification times in the future",
        text=f"The modification time of {counted(count, 'file')} in {directory} is more than a day"
        f" in the future: {some(names)}. {'It is' if count == 1 else 'They are'} sent;"
        " SETTLE_SECONDS does not hold back such files.",
        recovery="",
        code=0,
        severity="note",
    )


def marker_not_made(collection: str, directory: str, reason: str) -> Alert:
    """Return the note that the marker cannot be made in DST_DIR."""
    return Alert(
        kind="marker",
        about=directory,
        title="no marker at the destination",
        text=f"No directory can be made in {directory} at {collection}. Files are sent all the"
        " same, but delete.py deletes nothing until the marker is there. Let Globus make"
        f" directories there. {because(reason)}",
        recovery="",
        code=0,
        severity="note",
    )


def destination_empty(
    endpoint: str, collection: str, directory: str, files: int, datastore_path: str
) -> Alert:
    """Return the alert that the destination is missing or empty though `files` were sent there."""
    return _destination(
        endpoint,
        directory,
        "destination empty",
        f"The destination {directory} at {collection} is missing or empty, though"
        f" {counted(files, 'file')} {'was' if files == 1 else 'were'} sent there."
        f" {they_stay(files)} at the source. Check whether its disk is mounted. To send them again,"
        f" delete {datastore_path} while no run is active. Only if they were moved elsewhere on"
        " purpose, for example to tape, set VERIFY_DESTINATION = False: then they are deleted at"
        " the source without this check.",
    )


def destination_unlisted(
    endpoint: str, collection: str, directory: str, directories: list[str], reason: str
) -> Alert:
    """Return the alert that `directories` of the destination cannot be listed."""
    advice = access_advice(reason, "Check that Globus can read them.")
    return _destination(
        endpoint,
        directory,
        "destination not readable",
        f"{some(directories)} at {collection} cannot be listed. What was sent there stays at the"
        f" source until it can be verified. {advice} {because(sentence(reason))}",
    )


def _destination(endpoint: str, directory: str, title: str, text: str) -> Alert:
    return Alert(
        kind="destination",
        about=f"{endpoint}:{directory}",
        title=title,
        text=text,
        recovery=f"What was sent to {directory} can be verified again, or is gone at the source.",
    )


def destination_gone(
    endpoint: str, source_dir: str, files: int, collection: str, destination: str
) -> Alert:
    """Return the alert that `files` went to a collection that no longer exists."""
    return Alert(
        kind="not at the destination",
        about=endpoint,
        title="destination no longer exists",
        text=f"{counted(files, 'file')} {'was' if files == 1 else 'were'} sent to {collection},"
        f" which no longer exists at Globus. {they_stay(files)} at the source and {are(files)} sent"
        f" to {destination}.",
        recovery=f"The files of {source_dir} were sent again.",
        shared=True,
    )


def copies_missing(directory: str, files: list[str]) -> Alert:
    """Return the alert that copies of `files`, names with a reason, are not as they were sent."""
    count = len(files)
    return Alert(
        kind="not at the destination",
        about=directory,
        title="copies missing or changed",
        text=f"{counted(count, 'file')} sent from {directory} {are(count)} not intact at the"
        f" destination: {some(files)}. {they_stay(count)} at the source and {are(count)} sent"
        " again. If this repeats, find out what removes or changes files there.",
        recovery=f"The files of {directory} were sent again.",
        shared=True,
    )


def copies_doubtful(endpoint: str, collection: str, files: list[str], newer_by: int) -> Alert:
    """Return the alert that copies of `files` prove nothing again; some are newer by seconds."""
    if newer_by:
        cause = (
            f"Some are up to {counted(newer_by, 'second')} newer than their transfer: check the"
            " clock of the destination, and whether something changes files there."
        )
    else:
        cause = "Check whether something changes or removes files there."
    count = len(files)
    return Alert(
        kind="doubtful",
        about=endpoint,
        title="copies not as sent",
        text=f"{counted(count, 'copy', 'copies')} at {collection} failed the checks: {some(files)}."
        f" The files stay at the source, and are sent again at most once a day. {cause}",
        recovery=f"All copies at {collection} pass the checks again.",
    )
