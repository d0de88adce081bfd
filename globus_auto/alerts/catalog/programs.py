"""Alerts about settings, the programs and their files.

In this package one function is one alert, and its text is nowhere else: what happened, what it
means for the data, what to do; then what Globus says, with its codes.
"""

from __future__ import annotations

import os
import shlex

from globus_auto.alerts.model import Alert, Kind
from globus_auto.text import DENIED, counted


def setting_wrong(config_path: str, problem: str) -> Alert:
    """Return the alert that a setting is wrong."""
    return Alert(
        kind="settings",
        about=f"{config_path}: {problem}",
        title="wrong settings",
        text=f"{problem} Nothing is sent or deleted until this is corrected in {config_path}.",
        recovery=f"The settings in {config_path} are valid again.",
        code=2,
        shared=True,
    )


def source_changed(source_dir: str, source_id: str, datastore_path: str, stored_id: str) -> Alert:
    """Return the alert that the datastore belongs to another source."""
    return _unfit(
        source_dir,
        "datastore of another source",
        f"SRC_ID is {source_id}, but the datastore {datastore_path} holds the files of"
        f" {stored_id}. Nothing was sent or deleted. For another source, set CODE_PATH to"
        " another directory; or delete the datastore to start over. If you did not mean to change"
        " SRC_ID, change it back.",
    )


def code_path_shared(source_dir: str, config: str, other: str, directories: str) -> Alert:
    """Return the alert that the config file `other` uses the same CODE_PATH."""
    return _unfit(
        source_dir,
        "CODE_PATH used twice",
        f"{other} has the same CODE_PATH as {config}, but other directories ({directories})."
        " Nothing was sent or deleted. Give each config file its own CODE_PATH.",
    )


def destination_in_use(
    source_dir: str, destination_dir: str, other: str, other_destination: str, datastore_path: str
) -> Alert:
    """Return the alert that files of the directory `other` could be overwritten."""
    return _unfit(
        source_dir,
        "DST_DIR in use",
        f"{source_dir} cannot be sent to {destination_dir}: {other} was sent to"
        f" {other_destination} at the same collection. One destination is the other, or is inside"
        " it, so files could overwrite the only copies of other files. Nothing was sent or deleted."
        f" Set another DST_DIR. Deleting {datastore_path} ends this protection; do that only if"
        " those copies no longer matter.",
    )


def source_is_destination(
    source_dir: str, directory: str, marker: str, destination_dir: str
) -> Alert:
    """Return the alert that source and destination are not distinct directories."""
    return _unfit(
        source_dir,
        "DST_DIR seems to be in SRC_DIR",
        f"{directory}/{marker} at the source is an empty directory that globus_auto makes only in"
        f" DST_DIR: {destination_dir} is SRC_DIR, or inside it, under another name. Nothing was"
        " sent or deleted. Set another DST_DIR, then remove that one empty directory with rmdir. If"
        " somebody copied files back to the source, only remove that one empty directory. Delete"
        " nothing else.",
    )


def destination_of_another(source_dir: str, destination_dir: str, marker: str) -> Alert:
    """Return the alert that another source is sent to DST_DIR, as its `marker` there shows."""
    return _unfit(
        source_dir,
        "DST_DIR of another source",
        f"{destination_dir} belongs to another source directory than {source_dir}: it contains"
        " another marker. Files of both would overwrite each other there. Nothing was sent or"
        f" deleted. Set another DST_DIR; or, if nothing else writes there, remove {marker} at the"
        " destination.",
    )


def _unfit(source_dir: str, title: str, text: str) -> Alert:
    return Alert(
        kind="unfit settings",
        about=source_dir,
        title=title,
        text=text,
        recovery="The settings fit what was sent before.",
        code=2,
    )


def datastore_damaged(path: str, reason: str) -> Alert:
    """Return the alert that the datastore cannot be used."""
    if DENIED.search(reason):
        return _datastore(
            path,
            "datastore not readable",
            f"The datastore {path} cannot be read. Nothing was changed, sent or deleted. Check its"
            " permissions: it must belong to the user who runs the programs. Do not delete it."
            f" Reason: {reason}.",
        )
    return _datastore(
        path,
        "datastore damaged",
        f"The datastore {path} is damaged: {reason}. Nothing was changed, sent or deleted. Restore"
        " it from a backup, or delete it to start over: then every file at the source is compared"
        " with the destination again, and earlier destinations are no longer protected.",
    )


def datastore_newer(path: str, version: int, readable: int) -> Alert:
    """Return the alert that a newer version of globus_auto wrote the datastore."""
    return _datastore(
        path,
        "datastore of a newer version",
        f"The datastore {path} was written by a newer globus_auto: its version is {version}, and"
        f" this one reads up to {readable}. Nothing was changed, sent or deleted. Upgrade this"
        " installation.",
    )


def datastore_older(path: str, form: str, files: list[str]) -> Alert:
    """Return the alert that the programs for Python 2.7 wrote the datastore, in these `files`."""
    home, name = os.path.split(path)
    old = shlex.quote(f"{name}.old")
    names = shlex.join(map(os.path.basename, files))
    return _datastore(
        path,
        "datastore of the older programs",
        f"The older programs, for Python 2.7, wrote the datastore {path} ({form}). This version"
        " cannot read it. Nothing was changed, sent or deleted. Move it away: run"
        f" `cd {shlex.quote(home)} && mkdir {old} && mv {names} {old}`. Then"
        " transfer.py compares every file at the source with the destination, and copies only what"
        " differs; delete.py deletes no file before that.",
    )


def _datastore(path: str, title: str, text: str) -> Alert:
    return Alert(
        kind="datastore",
        about=path,
        title=title,
        text=text,
        recovery=f"The datastore {path} can be read again.",
        code=3,
    )


def datastore_restored(path: str, dropped: int) -> Alert:
    """Return the alert that the datastore comes from a backup; `dropped` files are not trusted."""
    return Alert(
        kind="restored",
        about=path,
        title="datastore restored from a backup",
        text=f"The datastore {path} is older than the last one that was saved: it was restored from"
        " a backup. Its records of deliveries may be out of date, so"
        f" {counted(dropped, 'file')} will be compared with the destination again before any is"
        " deleted. Nothing to do.",
        recovery="",
    )


def secrets_readable(path: str) -> Alert:
    """Return the note that other users can read a file with secrets."""
    return _permissions(
        path,
        "secrets are readable",
        f"Other users can read {path}, which contains secrets: whoever has them can use your login"
        f" or your alert channels. Run `chmod go-r {shlex.quote(path)}`.",
    )


def log_replaceable(path: str, problem: str) -> Alert:
    """Return the note that others could change or replace the log."""
    return _permissions(
        path,
        "log can be replaced",
        f"Others could change the log {path}. Nothing is sent or deleted because of what it says,"
        f" but do not rely on it. {problem}",
    )


def _permissions(path: str, title: str, text: str) -> Alert:
    return Alert(
        kind="permissions",
        about=path,
        title=title,
        text=text,
        recovery="",
        code=0,
        severity="note",
    )


def running_too_long(lock_path: str, pid: str, since: str) -> Alert:
    """Return the alert that another run has held a lock for too long."""
    return Alert(
        kind="lock",
        about=lock_path,
        title="run takes too long",
        text=f"Another run (PID {pid}) has been running since {since}. Runs that need its lock"
        f" {lock_path} do nothing until it ends. The log shows what it does. You can stop it: the"
        " next run finishes its work.",
        recovery="The run that took too long has ended.",
    )


def stopped(program: str) -> Alert:
    """Return the alert that a signal stopped `program`."""
    return _ended(
        "stopped",
        program,
        "run stopped",
        f"{program}.py was stopped by a signal. Nothing is lost: the next run finishes its work.",
    )


def state_unusable(program: str, path: str, reason: str) -> Alert:
    """Return the alert that `program` cannot read or write one of its files."""
    if DENIED.search(reason):
        advice = (
            "Check its permissions, and that CODE_PATH is a directory of the user who runs the"
            " programs."
        )
    else:
        advice = "Check the room on its disk, and its permissions."
    return _ended(
        "state",
        program,
        "file not readable or writable",
        f"{program}.py cannot read or write {path}, and stopped. Nothing is lost: the next run"
        f" tries again. {advice} Reason: {reason}.",
    )


def history_unwritable(path: str, reason: str) -> Alert:
    """Return the alert that no line can be added to the history."""
    return Alert(
        kind="history",
        about=path,
        title="history not writable",
        text=f"The history in {path} cannot be written. Files are transferred all the same, but"
        " nothing is deleted at the source until it can be written again."
        f" {'Check' if DENIED.search(reason) else 'Check the room on its disk, and'} its"
        f" permissions. Reason: {reason}.",
        code=1,
        recovery=f"The history in {path} can be written again, and has a line for each delivered"
        " file.",
        shared=True,
    )


def crashed(program: str, error: str) -> Alert:
    """Return the alert that `program` stopped at an error of its own."""
    return _ended(
        "crash",
        program,
        "internal error",
        f"{program}.py stopped because of an error in globus_auto itself. Nothing is lost: the next"
        f" run tries again. Please report it, with the lines in the log. Error: {error}.",
    )


def _ended(kind: Kind, program: str, title: str, text: str) -> Alert:
    return Alert(
        kind=kind,
        about=program,
        title=title,
        text=text,
        recovery=f"{program}.py has done its work again.",
    )
