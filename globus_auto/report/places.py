"""--check of the directories: SRC_DIR, SRC_LOCAL_DIR, DST_DIR, and writing there."""

from __future__ import annotations

from globus_auto.files import joined, marker_name, with_parents
from globus_auto.report.screen import Line
from globus_auto.steps import marker
from globus_auto.steps.session import Session
from globus_auto.steps.source import require_same_directory
from globus_auto.text import DENIED, because, printable, sentence


def directory_line(session: Session, what: str, endpoint: str, directory: str) -> Line:
    """Return the line about whether SRC_DIR or DST_DIR can be listed."""
    refused = session.client.listing_error(endpoint, directory)
    if refused is None:
        return Line("ok", f"{what} directory", f"{directory} can be listed", lists=True)
    if refused.gone and what == "destination":
        text = f"{directory} does not exist yet; the first transfer creates it"
        return Line("ok", f"{what} directory", text, lists=True, missing=True)
    name = "SRC_DIR" if what == "source" else "DST_DIR"
    reason = because(sentence(refused.reason))
    text = f"{directory} cannot be listed. Check {name} and the permissions there. {reason}"
    missing = refused.gone or DENIED.search(reason) is not None
    return Line("problem", f"{what} directory", text, 1, missing=missing)


def local_line(session: Session) -> Line:
    """Return the line about whether SRC_LOCAL_DIR shows SRC_DIR; raise AlertError if not."""
    local_dir = session.context.settings.src_local_dir
    require_same_directory(session)
    behind = session.context.alerts.fired.get(("mount", local_dir))
    if behind:
        return Line("warning", "SRC_LOCAL_DIR", behind.text)
    return Line("ok", "SRC_LOCAL_DIR", f"{local_dir} shows what Globus shows in SRC_DIR")


def write_line(session: Session) -> Line:
    """Make the marker at the destination, as a run does, and return the line about that.

    Nothing may be deleted at the destination, so this leaves only what the first transfer makes as
    well: DST_DIR, if it is missing, and the marker.
    """
    settings = session.context.settings
    missing = _missing_directories(session)
    if missing and session.store.mapping(settings.mapping):
        text = (
            f"not tested: {settings.dst_dir} does not exist, though files were sent there before."
            " Check whether its disk is mounted."
        )
        return Line("warning", "write access", text)
    for path in missing:
        reason = marker.make_directory(session, settings.dst_id, path)
        if reason:
            return _refused(path, reason)
    reason = marker.make(session)
    if reason:
        return _refused(
            joined(settings.dst_dir, marker_name(settings.src_id, settings.src_dir)), reason
        )
    # Raises AlertError if the marker is at the source too: then both are one directory.
    list(session.walk(settings.src_id, [settings.src_dir]))
    text = f"{settings.dst_dir} has the marker {marker_name(settings.src_id, settings.src_dir)}"
    if missing:
        text += f"; created {', '.join(missing)}, as the first transfer would have"
    return Line("ok", "write access", text)


def _missing_directories(session: Session) -> list[str]:
    """Return DST_DIR and the directories above it that do not exist, topmost first."""
    settings, missing = session.context.settings, []
    for path in with_parents(settings.dst_dir):
        refused = session.client.listing_error(settings.dst_id, path)
        if not (refused and refused.gone):
            break
        missing.append(path)
    return missing[::-1]


def _refused(path: str, reason: str) -> Line:
    text = (
        f"Globus cannot create the directory {printable(path)}. Give the account that Globus uses"
        f" there write access. {reason}"
    )
    return Line("problem", "write access", text, 1)
