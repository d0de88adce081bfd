"""Alerts about collections, and Globus itself."""

from __future__ import annotations

from globus_auto.alerts.model import GLOBUS, Alert
from globus_auto.text import DENIED, access_advice, because, capital

# Of an earlier destination, too, where others go on.
FILES_WAIT = "Nothing is lost: files that need it are neither sent nor deleted meanwhile."


def collection_disconnected(endpoint: str, collection: str) -> Alert:
    """Return the alert that a Globus Connect Personal is not connected."""
    return _collection(
        endpoint,
        collection,
        "collection offline",
        f"{capital(collection)} is not connected to Globus. {FILES_WAIT} Start Globus Connect"
        " Personal there.",
    )


def collection_paused(endpoint: str, collection: str) -> Alert:
    """Return the alert that a Globus Connect Personal is paused."""
    return _collection(
        endpoint,
        collection,
        "collection paused",
        f"{capital(collection)} is paused. {FILES_WAIT} Unpause Globus Connect Personal there.",
    )


def collection_unreachable(endpoint: str, collection: str, details: str) -> Alert:
    """Return the alert that Globus cannot reach a collection."""
    if "OperationPaused" in details:
        advice = "Its administrator has paused it: ask when it will be available."
    else:
        advice = "Check whether its server is running; the next run tries again."
    return _collection(
        endpoint,
        collection,
        "collection unreachable",
        f"Globus cannot reach {collection}. {FILES_WAIT} {advice} {details}",
    )


def collection_undescribed(endpoint: str, collection: str, error: str) -> Alert:
    """Return the alert that Globus sent no usable document of a collection."""
    return _collection(
        endpoint,
        collection,
        "invalid answer from Globus",
        f"Globus sent no valid description of {collection}. {FILES_WAIT} The next run tries"
        f" again. Error: {error}",
    )


def collection_unlisted(
    endpoint: str, collection: str, setting: str, directory: str, reason: str
) -> Alert:
    """Return the alert that SRC_DIR or DST_DIR, the `setting`, cannot be listed through Globus."""
    advice = access_advice(
        reason, "Check that the collection is up, and that the directory is there and mounted."
    )
    if DENIED.search(reason):
        advice = f"Check {setting}, and whether SRC_ID and DST_ID are swapped. {advice}"
    return _collection(
        endpoint,
        collection,
        "directory not readable",
        f"{setting} {directory} at {collection} cannot be listed. {FILES_WAIT} {advice}"
        f" {because(reason)}",
    )


def collection_is_server(endpoint: str, collection: str) -> Alert:
    """Return the alert that SRC_ID or DST_ID is that of a server."""
    return Alert(
        kind="endpoint",
        about=endpoint,
        title="not a collection",
        text=f"{capital(collection)} holds no files itself: it is a server. Nothing is sent or"
        " deleted. Set the id of one of its collections.",
        recovery=f"{capital(collection)} can be used.",
        code=2,
    )


def local_dir_unlisted(endpoint: str, collection: str, local_dir: str, reason: str) -> Alert:
    """Return the alert that SRC_LOCAL_DIR cannot be listed."""
    advice = access_advice(reason, "Check whether it is mounted.", "the user who runs the programs")
    return _collection(
        endpoint,
        collection,
        "SRC_LOCAL_DIR not readable",
        f"SRC_LOCAL_DIR {local_dir} cannot be listed. No files were marked as sent or deleted"
        f" because of this. {advice} Reason: {reason}.",
    )


def local_dir_differs(endpoint: str, collection: str, local_dir: str, source_dir: str) -> Alert:
    """Return the alert that SRC_LOCAL_DIR shows nothing of what SRC_DIR has."""
    return _collection(
        endpoint,
        collection,
        "SRC_LOCAL_DIR is not SRC_DIR",
        f"SRC_LOCAL_DIR {local_dir} and SRC_DIR {source_dir} have no name in common. No files were"
        " marked as sent or deleted because of this. Check that both are the same directory, and"
        " that it is mounted.",
    )


def marker_missing(endpoint: str, collection: str, directory: str) -> Alert:
    """Return the alert that a destination has no marker, so that nothing is deleted."""
    return _collection(
        endpoint,
        collection,
        "no marker at the destination",
        f"{directory} at {collection} has no marker, and none can be made, so it cannot be shown"
        " to be another directory than SRC_DIR. Nothing was deleted. Let Globus make directories"
        " there.",
    )


def _collection(endpoint: str, collection: str, title: str, text: str) -> Alert:
    return Alert(
        kind="endpoint",
        about=endpoint,
        title=title,
        text=text,
        recovery=f"{capital(collection)} can be used again.",
    )


def collection_unknown(settings: list[str], endpoint: str, details: str) -> Alert:
    """Return the alert that Globus knows no such collection, of which `settings` has the id."""
    names = " and ".join(settings) or "SRC_ID and DST_ID"
    return Alert(
        kind="unknown endpoint",
        about=GLOBUS,
        title="unknown collection",
        text=f"Globus knows no such collection: {endpoint}. Nothing is sent or deleted. Correct"
        f" {names}: the Globus web app shows the UUID of each collection. {details}",
        recovery="Globus knows both collections.",
        code=2,
    )


def service_unreachable(host: str, proxy: str, cause: str) -> Alert:
    """Return the alert that `host` of Globus cannot be reached, by `proxy` if that is not empty."""
    if proxy:
        way, check = f" by the proxy {proxy}", "the proxy, and its address in this environment"
    else:
        way, check = "", "the network and the firewall of this machine"
    return _service(
        "Globus unreachable",
        f"Globus cannot be reached: {host}{way}: {cause}. Nothing is lost, and no files were"
        " marked as sent or deleted because of this. The next run tries again. If it lasts, check"
        f" {check}.",
    )


def service_answer_invalid(error: str) -> Alert:
    """Return the alert that an answer makes no sense, and may not be of Globus."""
    return _service(
        "invalid answer from Globus",
        "An answer to a request was not valid. Nothing is lost, and no files were marked as sent or"
        " deleted because of this. The next run tries again. If it lasts, check whether something"
        f" on the way answers for Globus, such as a proxy or a login page. Error: {error}",
    )


def delete_not_cancelled(error: str) -> Alert:
    """Return the alert that a delete task does not end although it was cancelled."""
    return _service(
        "delete task not cancelled",
        "Globus has not ended a delete task that globus_auto cancelled. Until it ends, or its"
        " deadline passes (DELETE_DEADLINE_MINUTES), nothing is sent or deleted. The next run tries"
        f" again. {error}",
    )


def service_error(details: str) -> Alert:
    """Return the alert that Globus answered a call with an error."""
    return _service(
        "error from Globus",
        "Globus answered a request with an error. Nothing is lost, and the next run tries again."
        f" {details}",
    )


def submission_unanswered(source_dir: str, details: str) -> Alert:
    """Return the alert that it is not known whether Globus accepted a transfer."""
    return _service(
        "submission not answered",
        f"Globus did not say whether it accepted a transfer of {source_dir}. Nothing is lost: the"
        f" next run submits the same task again. {details}",
    )


def _service(title: str, text: str) -> Alert:
    return Alert(
        kind="service", about=GLOBUS, title=title, text=text, recovery="Globus answers again."
    )
