"""Alerts about what has not happened for too long."""

from __future__ import annotations

from globus_auto.alerts.model import Alert
from globus_auto.text import counted


def source_silent(source_dir: str, since: str, hours: float) -> Alert:
    """Return the alert that no file has appeared in SRC_DIR since a moment, for SILENT_HOURS."""
    return Alert(
        kind="silent",
        about=source_dir,
        title="no new files",
        text=f"No new file has appeared in {source_dir} since {since}, for more than SILENT_HOURS"
        f" ({hours:g} h). Files that are there are sent and deleted as usual. Check whether the"
        " instrument is running and writes to this directory. If such a pause is ordinary, set"
        " SILENT_HOURS to more.",
        recovery=f"A file has appeared in {source_dir}, or SILENT_HOURS was changed.",
        code=0,
    )


def file_undelivered(source_dir: str, path: str, since: str, tries: int) -> Alert:
    """Return the alert that a file was sent again and again since a moment, without a delivery."""
    return Alert(
        kind="undelivered",
        about=source_dir,
        title="file not delivered",
        text=f"{path} was sent {tries} times since {since}, but Globus never reported that it was"
        " delivered. It stays at the source and is sent again, as others may be. See in the log"
        " what became of its tasks, and check its directory at the destination.",
        recovery=f"The file in {source_dir} that was sent again and again is delivered, or gone.",
    )


def unit_unready(unit: str, missing: list[str], files: int, since: str) -> Alert:
    """Return the alert that a unit has had no marker for long, with what it lacks of them."""
    return Alert(
        kind="unit",
        about=unit,
        title="marker missing",
        text=f"{unit} is without {', '.join(missing)}, so {counted(files, 'file')} in it"
        f" {'is' if files == 1 else 'are'} not sent. Nothing has changed there since {since}. Check"
        " whether the instrument is done. If it is, make the marker, or correct READY_MARKERS.",
        recovery=f"{unit} is ready, or holds back no file.",
        code=0,
    )
