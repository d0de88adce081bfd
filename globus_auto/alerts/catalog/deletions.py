"""Alerts about deletions, and directories in quarantine."""

from __future__ import annotations

from globus_auto.alerts.model import Alert
from globus_auto.text import DENIED, because, capital, counted, sentence, some, they_stay

LEFTOVER = "a leftover delete task below "


NO_HINT = "Run delete.py -n -v to see the details of each file."
# By the name of the reason.
HINTS = {
    "COLLISION": "Rename all but one of the files with such names.",
    "CHANGED": "If nothing writes to them, check that SRC_LOCAL_DIR shows the same files, with the"
    " same times, as SRC_DIR.",
    "UNKNOWN": "Check that Globus may list the directories that contain them. If one has too many"
    " entries, spread them over several directories.",
    "TOO_SLOW": "Spread the files over several directories.",
    "ALSO_AT": "delete.py -n -v shows which pair lacks which files. Check that its transfer.py"
    " runs; with --full it also sends copies again that are missing there.",
}


def files_kept_too_long(name: str, reason: str, paths: list[str], hours: float) -> Alert:
    """Return the alert that `paths` have stayed at the source for too long.

    `name` is that of the reason, as a member of an enumeration, and `reason` says it in words.
    """
    count = len(paths)
    # transfer.py forgets files that are gone; an emptied source has its own alert meanwhile.
    gone = name == "GONE"
    return Alert(
        kind="kept",
        about=reason,
        title="files kept too long",
        text=f"{counted(count, 'file')} {'was' if count == 1 else 'were'} sent more than {hours:g}"
        f" h ago and cannot be deleted at the source: {some(sorted(paths))}. The reason for"
        f" each: {reason}. {HINTS.get(name, NO_HINT)}",
        recovery=f"No file is kept too long any more for this reason: {reason}.",
        code=0 if gone else 1,
        for_seconds=hours * 3600 if gone else 0,
        inhibited_by=("source",) if gone else (),
    )


def room_lacking(local_dir: str, share: float, least: float, holds: list[str]) -> Alert:
    """Return the alert that a disk is too full though nothing more may be deleted.

    `share` is what is free of it, and `least` FREE_PERCENT; `holds` is what stays at the source.
    """
    return _room(
        local_dir,
        "disk too full",
        f"Only {share:.1f} % of the disk of SRC_LOCAL_DIR {local_dir} is free, less than"
        f" FREE_PERCENT = {least:g}, and delete.py may delete nothing more. At the source stay:"
        f" {'; '.join(holds) or 'no files that it knows'}. Make room there before it is full, and"
        " check what holds up these files.",
    )


def room_unknown(local_dir: str, reason: str) -> Alert:
    """Return the alert that nobody knows how much of a disk is free."""
    return _room(
        local_dir,
        "free space unknown",
        f"How much of the disk of SRC_LOCAL_DIR {local_dir} is free could not be found out. Until"
        " it can be, files stay at the source. Check the disk, or set FREE_PERCENT = 0: then files"
        f" are deleted whatever is free. {because(sentence(reason))}",
    )


def _room(local_dir: str, title: str, text: str) -> Alert:
    return Alert(
        kind="room",
        about=local_dir,
        title=title,
        text=text,
        recovery=f"The disk of SRC_LOCAL_DIR {local_dir} has room.",
    )


def comparison_failed(source_dir: str, error: str, link: str) -> Alert:
    """Return the alert that Globus could not compare files with their copies."""
    return Alert(
        kind="comparison",
        about=source_dir,
        title="comparison failed",
        text=f"Globus could not compare files of {source_dir} with their copies before their"
        " deletion. They stay at the source, and are compared again tomorrow."
        f" {f'{because(error)} ' if error else ''}See {link}.",
        code=1,
        recovery=f"Globus can compare files of {source_dir} with their copies again.",
    )


def copies_repaired(source_dir: str, paths: list[str], link: str) -> Alert:
    """Return the alert that copies at the destination had changed, and were replaced."""
    count = len(paths)
    return Alert(
        kind="repaired",
        about=source_dir,
        title="copies had changed",
        text=f"Globus compared files of {source_dir} with their copies before their deletion:"
        f" {counted(count, 'copy', 'copies')} had changed at the destination, with equal size and"
        f" time, and {'was' if count == 1 else 'were'} replaced: {some(paths)}. Find out what"
        f" changes files there, or check its disks. See {link}.",
        code=1,
        recovery="",
    )


def sources_altered(source_dir: str, paths: list[str]) -> Alert:
    """Return the alert that files at the source no longer have the content that was sent."""
    return Alert(
        kind="altered",
        about=source_dir,
        title="files altered at the source",
        text=f"{counted(len(paths), 'file')} in {source_dir} no longer"
        f" {'has' if len(paths) == 1 else 'have'} the content that was sent first, though size and"
        f" time are equal: {some(paths)}. The copy now has the content of the source. Check which"
        " content is right. A file stays at the source until its time or size changes: touch it to"
        " send and delete it.",
        code=1,
        recovery=f"No file in {source_dir} is altered any more with equal size and time.",
    )


def delete_rejected(source_dir: str, paths: list[str], details: str) -> Alert:
    """Return the alert that Globus rejects the deletion of each of `paths`."""
    one = len(paths) == 1
    return _delete(
        source_dir,
        "deletion rejected",
        f"Globus rejected the deletion of {some(paths)}. {they_stay(len(paths))} at the source."
        f" Rename {'it' if one else 'them'}; or check {'its copy' if one else 'their copies'}"
        f" yourself and delete {'it' if one else 'them'} by hand. {details}",
    )


def delete_failed(source_dir: str, error: str, link: str) -> Alert:
    """Return the alert that a deletion of verified files failed."""
    if DENIED.search(error):
        advice = "Let the account that Globus uses there write in the directories of these files."
    else:
        advice = "Check that Globus may delete there."
    return _delete(
        source_dir,
        "delete failed",
        f"Globus did not delete verified files below {source_dir}: the task failed, or did not end"
        " within two minutes. What it did not delete stays at the source, and the next run tries"
        f" again. {advice} The task is at {link} {error}".rstrip(),
    )


def _delete(source_dir: str, title: str, text: str) -> Alert:
    return Alert(
        kind="delete failed",
        about=source_dir,
        title=title,
        text=text,
        recovery=f"Verified files below {source_dir} can be deleted again.",
    )


def delete_never_ends(source_dir: str, link: str) -> Alert:
    """Return the alert that a deletion does not end although it was cancelled."""
    return Alert(
        kind="delete failed",
        about=f"{LEFTOVER}{source_dir}",
        title="delete task does not end",
        text=f"Globus still shows a delete task below {source_dir}, although its deadline has"
        " passed and globus_auto cancelled it. It deletes nothing more, and no run waits for it."
        f" You can cancel it again at {link}",
        recovery="",
    )


def about_empty_directories(source_dir: str) -> str:
    """Return what alerts of empty directories are about, which others do not resolve."""
    return f"empty directories below {source_dir}"


def directories_not_removed(source_dir: str, error: str, writer: str = "Globus") -> Alert:
    """Return the alert that not all empty directories were removed; `writer` must be able to."""
    return Alert(
        kind="delete failed",
        about=about_empty_directories(source_dir),
        title="empty directories not removed",
        text=f"Not all empty directories below {source_dir} could be deleted. Those that stay are"
        f" tried once a day. Let {writer} write there, or set DELETE_EMPTY_DIRS = False."
        f" {error}".rstrip(),
        recovery=f"Empty directories below {source_dir} are removed again.",
    )


def rename_unsupported(endpoint: str, collection: str) -> Alert:
    """Return the note that the source cannot rename, so that empty directories stay."""
    return Alert(
        kind="rename",
        about=endpoint,
        title="collection cannot rename",
        text=f"{capital(collection)} cannot rename, so empty directories cannot be removed safely,"
        " and stay.",
        recovery="",
        code=0,
        severity="note",
    )


def quarantine_stuck(quarantine: str, directory: str, reason: str) -> Alert:
    """Return the alert that a directory cannot get its name back now."""
    return _quarantine(
        directory,
        f"The directory {directory} was renamed to {quarantine} to check that it is empty, and"
        " cannot get its name back now. Nothing in it is lost; the next run tries again. "
        f"{because(reason)}",
        recovery=f"{directory} is out of quarantine.",
    )


def quarantine_name_taken(quarantine: str, directory: str) -> Alert:
    """Return the alert that the name of a directory was taken while it was in quarantine."""
    return _quarantine(
        quarantine,
        f"The directory {directory} was renamed to {quarantine} to check that it is empty. It is"
        " not, and its old name has been taken since. Nothing in it is lost, sent or deleted. Give"
        " it a new name, or move its files where they belong.",
        recovery=f"{quarantine} is out of quarantine.",
    )


def quarantine_forgotten(quarantine: str, names: list[str]) -> Alert:
    """Return the alert that nobody knows the name of a directory in quarantine any more."""
    return _quarantine(
        quarantine,
        f"{quarantine} was renamed to check that it is empty, and its old name is not known any"
        f" more. It contains {some(names)}. Nothing in it is lost, sent or deleted. Give it a new"
        " name, or move its files where they belong.",
        recovery=f"{quarantine} is out of quarantine.",
    )


def _quarantine(about: str, text: str, recovery: str) -> Alert:
    return Alert(
        kind="quarantine",
        about=about,
        title="directory in quarantine",
        text=text,
        recovery=recovery,
        shared=True,
    )
