"""The catalogue of alerts, third part: what is at the source and at the destination, deletions."""

from __future__ import annotations

from globus_auto.alerts import Alert
from globus_auto.wording import some

LASTING_SECONDS = 600  # what may pass by the next run is told if it has lasted that long
MOUNT_SECONDS = 3600
LEFTOVER = "a leftover delete task below "

# The source


def source_unlisted(source_dir: str, reason: str) -> Alert:
    """Return the alert that SRC_DIR cannot be listed."""
    return Alert(
        kind="source",
        about=source_dir,
        text=f"SRC_DIR {source_dir} cannot be listed: {reason}. Nothing is"
        " concluded from that. Check SRC_DIR, and whether its disk is mounted.",
    )


def source_empty(source_dir: str, stall_hours: float) -> Alert:
    """Return the alert that SRC_DIR is empty though files were there."""
    return Alert(
        kind="source",
        about=source_dir,
        text=f"SRC_DIR {source_dir} is empty, though files were there before. Is its"
        f" disk mounted? Nothing is forgotten for {stall_hours:g} hours; if it was"
        " emptied on purpose, there is nothing to do.",
    )


def directory_missing(directory: str) -> Alert:
    """Return the alert that a directory is listed, but cannot be found."""
    return Alert(
        kind="unlisted",
        about=directory,
        text=f"{directory} is in the listing of the directory above it, but Globus"
        " says that there is no such directory. What is in it is neither sent nor"
        " deleted. See what it is: a mount that is away, or a name that Globus cannot"
        " reach?",
        code=0,
        for_seconds=LASTING_SECONDS,
    )


def directory_unlisted(directory: str, reason: str) -> Alert:
    """Return the alert that a directory cannot be listed."""
    return Alert(
        kind="unlisted",
        about=directory,
        text=f"{directory} cannot be listed: {reason}. What is below it is neither"
        " sent nor deleted until it can. Let Globus read it; where it has too many"
        " entries, spread them over several directories.",
    )


def local_dir_behind(local_dir: str, source_dir: str, names: list[str]) -> Alert:
    """Return the alert that SRC_LOCAL_DIR does not show `names`, which Globus shows."""
    return Alert(
        kind="mount",
        about=local_dir,
        text=f"SRC_LOCAL_DIR {local_dir} does not show what Globus shows in"
        f" {source_dir}: {some(names)}. Files that it does not show are not sent. Is it a"
        ' snapshot, or an old mount? Mount the directory itself, or set SRC_LOCAL_DIR = "".',
        code=0,
        for_seconds=MOUNT_SECONDS,
    )


def names_clash(source_dir: str, pairs: list[str]) -> Alert:
    """Return the alert that files would overwrite the copies of others spelled differently."""
    return Alert(
        kind="spelling",
        about=source_dir,
        text=f"Not sent, since the destination takes another name for the same:"
        f" {some(pairs)}. What stands there may be the only copy of another file. Rename"
        " the files at the source.",
    )


def name_unsendable(path: str) -> Alert:
    """Return the alert that Globus cannot take a name."""
    return Alert(
        kind="unsendable",
        about=path,
        text=f"{path!r} cannot go through Globus: its name has a line break or is not"
        " UTF-8. It stays at the source. Rename it.",
    )


def entries_ignored(directory: str, names: list[str]) -> Alert:
    """Return the note that some entries of a directory are neither files nor directories."""
    return Alert(
        kind="left alone",
        about=directory,
        text=f"Neither file nor directory, so left alone in {directory}: {some(names)}.",
        code=0,
        severity="note",
    )


def mtimes_in_future(directory: str, names: list[str]) -> Alert:
    """Return the note that some files have modification times in the future."""
    return Alert(
        kind="future",
        about=directory,
        text=f"Modified more than a day in the future, it is said, in {directory}:"
        f" {some(names)}. They are sent; SETTLE_SECONDS does not hold them back.",
        code=0,
        severity="note",
    )


# The destination


def marker_not_made(endpoint: str, directory: str, reason: str) -> Alert:
    """Return the note that the marker cannot be made in DST_DIR."""
    return Alert(
        kind="marker",
        about=directory,
        text=f"No directory can be made in {directory} at {endpoint} ({reason})."
        " Files are sent all the same, but delete.py deletes nothing until it is there.",
        code=0,
        severity="note",
    )


def destination_empty(endpoint: str, directory: str, files: int, datastore_path: str) -> Alert:
    """Return the alert that the destination is missing or empty though `files` were sent there."""
    return Alert(
        kind="destination",
        about=f"{endpoint}:{directory}",
        text=f"The destination {directory} is missing or empty, though {files} files"
        " were sent there. They stay at the source. Is its disk mounted? If it was cleared"
        f" on purpose, delete {datastore_path}, or set"
        " VERIFY_DESTINATION = False.",
    )


def destination_unlisted(
    endpoint: str, directory: str, directories: list[str], reason: str
) -> Alert:
    """Return the alert that `directories` of the destination cannot be listed."""
    return Alert(
        kind="destination",
        about=f"{endpoint}:{directory}",
        text=f"{endpoint} does not tell what has arrived in {some(directories)}"
        f" ({reason}). What was sent there stays at the source until it does.",
    )


def destination_gone(
    source_dir: str, files: int, endpoint: str, new_dir: str, new_endpoint: str
) -> Alert:
    """Return the alert that `files` went to a collection that no longer exists."""
    return Alert(
        kind="not at the destination",
        about=source_dir,
        text=f"{files} files were sent to the collection {endpoint}, which no longer"
        f" exists at Globus. They stay at the source and are sent to {new_dir} at {new_endpoint}.",
        shared=True,
    )


def copies_missing(directory: str, files: list[str]) -> Alert:
    """Return the alert that copies of `files`, names with a reason, are not as they were sent."""
    return Alert(
        kind="not at the destination",
        about=directory,
        text=f"Sent from {directory}, but not whole at the destination:"
        f" {some(files)}. They stay at the source and are sent again. If something"
        " takes files away there, set VERIFY_DESTINATION = False.",
        shared=True,
    )


def copies_doubtful(endpoint: str, files: list[str], newer_by: int) -> Alert:
    """Return the alert that copies of `files` prove nothing again; some are newer by seconds."""
    if newer_by:
        cause = (
            f" Some are up to {newer_by} seconds newer than their transfer: see whether the clock"
            " of the destination is right, and whether something changes files there."
        )
    else:
        cause = " See whether something changes or removes files there."
    return Alert(
        kind="doubtful",
        about=endpoint,
        text=f"{len(files)} copies at {endpoint} are not as they were sent, some of them again:"
        f" {some(files)}. The files stay at the source, and are sent again at most once"
        f" a day.{cause}",
    )


# Deletions


def files_kept_too_long(reason: str, paths: list[str], hours: float, hint: str) -> Alert:
    """Return the alert that `paths` have stayed at the source for too long."""
    return Alert(
        kind="kept",
        about=reason,
        text=f"{len(paths)} files were sent more than {hours:g} hours ago and cannot be"
        f" deleted at the source, since of each holds: {reason}. They are"
        f" {some(sorted(paths))}. {hint}",
    )


def delete_rejected(source_dir: str, path: str, details: str) -> Alert:
    """Return the alert that Globus rejects the deletion of one file."""
    return Alert(
        kind="delete failed",
        about=source_dir,
        text=f"Globus refused to delete {path} ({details}). Its copy is"
        " verified. Delete it by hand, or rename it.",
    )


def delete_failed(source_dir: str, reason: str, link: str) -> Alert:
    """Return the alert that a deletion of verified files failed."""
    return Alert(
        kind="delete failed",
        about=source_dir,
        text=f"Globus did not delete what is proven below {source_dir}"
        f"{reason}. The next run tries again; see that Globus may write there: {link}",
    )


def delete_never_ends(source_dir: str, link: str) -> Alert:
    """Return the alert that a deletion does not end although it was cancelled."""
    return Alert(
        kind="delete failed",
        about=f"{LEFTOVER}{source_dir}",
        text=f"Globus has not ended a delete task below {source_dir} although its deadline is"
        " over and it was cancelled. globus_auto no longer waits for it. Look at it, and cancel it,"
        f" at {link}",
        recovery="",
    )


def about_empty_directories(source_dir: str) -> str:
    """Return what alerts of empty directories are about, which others do not resolve."""
    return f"empty directories below {source_dir}"


def directories_not_removed(source_dir: str, reason: str) -> Alert:
    """Return the alert that Globus did not remove all empty directories."""
    return Alert(
        kind="delete failed",
        about=about_empty_directories(source_dir),
        text=f"Globus did not delete all empty directories below {source_dir}"
        f"{reason}. Those that stay are tried once a day. Let Globus write there, or set"
        " DELETE_EMPTY_DIRS = False.",
    )


def rename_unsupported(endpoint: str) -> Alert:
    """Return the note that the source cannot rename, so that empty directories stay."""
    return Alert(
        kind="rename",
        about=endpoint,
        text=f"The source endpoint {endpoint} cannot rename, so empty directories cannot be removed"
        " safely, and stay.",
        code=0,
        severity="note",
    )


# Directories in quarantine


def quarantine_stuck(quarantine: str, directory: str, reason: str) -> Alert:
    """Return the alert that a directory cannot get its name back now."""
    return Alert(
        kind="aside",
        about=directory,
        text=f"{quarantine}, which is {directory} moved aside, cannot be given its name back now"
        f" ({reason}). Nothing in it is lost; the next run tries again.",
        shared=True,
    )


def quarantine_name_taken(quarantine: str, directory: str) -> Alert:
    """Return the alert that the name of a directory was taken while it was in quarantine."""
    return Alert(
        kind="aside",
        about=quarantine,
        text=f"{directory} was moved to {quarantine} to see whether it was empty; it was not,"
        " and its old name has been taken since. Nothing in it is lost, sent or deleted."
        " Give it a name of its own, or move its files where they belong.",
        shared=True,
    )


def quarantine_forgotten(quarantine: str, names: list[str]) -> Alert:
    """Return the alert that nobody knows the name of a directory in quarantine any more."""
    return Alert(
        kind="aside",
        about=quarantine,
        text=f"{quarantine} was moved aside to see whether it was empty, and it is no longer"
        f" known what its name was. It has {some(names)}. Nothing in it is lost, sent or"
        " deleted. Give it a name of its own, or move its files where they belong.",
        shared=True,
    )
