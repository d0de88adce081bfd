"""Directory listings: what a collection shows in a directory, and walks of whole trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

import globus_sdk
import msgspec

from globus_auto.datastore import FileVersion
from globus_auto.errors import EndpointNotReady
from globus_auto.globus import documents, errors
from globus_auto.globus.documents import EndpointDocument, FileDocument, FileList
from globus_auto.globus.errors import ENDPOINT_DOWN, ENDPOINT_FAILED, NOT_FOUND, requires_login
from globus_auto.globus.limiter import RateLimiter, limited
from globus_auto.walk import DirectoryListing, Lister, ListingError, ListingResult, sendable

Shape = TypeVar("Shape")


@contextmanager
def globus_lister(
    new_client: Callable[[], globus_sdk.TransferClient], endpoint: str, limiter: RateLimiter
) -> Iterator[Lister]:
    """Yield a lister of directories at the collection `endpoint`, for use by one thread."""
    with new_client() as client:
        yield lambda path: list_directory(client, endpoint, path, limiter)


def list_directory(
    client: globus_sdk.TransferClient,
    endpoint: str,
    path: str,
    limiter: RateLimiter,
    pattern: str | None = None,
) -> ListingResult:
    """Return the content of the directory `path` at `endpoint`, or why it cannot be listed.

    With a `pattern`, ask only for names that match it, though not every collection may honour that.
    Raise EndpointNotReady, globus_sdk.GlobusAPIError, NetworkError or InvalidResponse if
    it is not this directory that fails, but the collection, the login, the network or the service.
    """
    wanted = globus_sdk.MISSING if pattern is None else f"name:~{pattern}"
    try:
        response = limited(limiter, lambda: client.operation_ls(endpoint, path=path, filter=wanted))
        return _directory(path, _converted(response, FileList), filtered=bool(pattern))
    except globus_sdk.TransferAPIError as error:
        return _listing_error(endpoint, path, error, limiter)
    except (msgspec.ValidationError, ValueError) as error:
        return ListingError(path, f"Globus sent no whole listing: {error}")


def listing_error(
    client: globus_sdk.TransferClient, endpoint: str, path: str, limiter: RateLimiter
) -> ListingError | None:
    """Return why the directory `path` at `endpoint` cannot be listed, or None if it can.

    Ask for one name only. Raise as list_directory does.
    """
    try:
        response = limited(limiter, lambda: client.operation_ls(endpoint, path=path, limit=1))
        # A 200 may also come from a proxy or portal, so check the content.
        _converted(response, FileList)
    except globus_sdk.TransferAPIError as error:
        return _listing_error(endpoint, path, error, limiter)
    except (msgspec.ValidationError, ValueError) as error:
        return ListingError(path, f"Globus sent no whole listing: {error}")
    return None


def stat_file(
    client: globus_sdk.TransferClient, endpoint: str, path: str, limiter: RateLimiter
) -> FileVersion | ListingError | None:
    """Return the fingerprint of the plain file `path` at `endpoint`, None if there is none.

    Return ListingError if that is unknown; raise as list_directory does.
    """
    try:
        response = limited(limiter, lambda: client.operation_stat(endpoint, path=path))
        document = _converted(response, FileDocument)
        is_plain = document.type == "file" and document.link_target is None
        return _version(document) if is_plain else None
    except globus_sdk.TransferAPIError as error:
        failure = _listing_error(endpoint, path, error, limiter)
        return None if failure.gone else failure
    except (msgspec.ValidationError, ValueError) as error:
        return ListingError(path, f"Globus sent no whole answer: {error}")


def exists(
    client: globus_sdk.TransferClient, endpoint: str, path: str, limiter: RateLimiter
) -> bool | None:
    """Return whether `path` exists at `endpoint`; None if that is unknown.

    Raise as list_directory does.
    """
    try:
        limited(limiter, lambda: client.operation_stat(endpoint, path=path))
    except globus_sdk.TransferAPIError as error:
        return False if _listing_error(endpoint, path, error, limiter).gone else None
    return True


def _converted(response: globus_sdk.GlobusHTTPResponse, shape: type[Shape]) -> Shape:
    """Return the answer as a `shape`; raise ValidationError or ValueError if it is not one."""
    if response.data is None:
        # globus_sdk uses orjson if it is installed, which rejects a whole listing for one odd name.
        raise ValueError("the answer is not valid JSON")
    return msgspec.convert(response.data, shape)


def _listing_error(
    endpoint: str, path: str, error: globus_sdk.TransferAPIError, limiter: RateLimiter
) -> ListingError:
    """Return what `error` means for the directory `path`.

    Raise EndpointNotReady if it concerns the whole collection. Raise `error` if it concerns more
    than that, or if the service is down. Only an error code of Globus means that a directory is
    gone: a proxy has its own 404.
    """
    code = error.code or ""
    details = errors.api_details(error)
    if (error.http_status == 404 and code in NOT_FOUND) or code.endswith(".NotDirectory"):
        # The message contains the path, which may contain any word.
        message = (error.message or "").replace(path, "")
        if not any(word in message for word in ENDPOINT_FAILED):
            return ListingError(path, "there is no such directory", gone=True, code=code)
        return ListingError(path, details, code=code)
    if error.http_status in (404, 429) or requires_login(error) or limiter.service_down:
        raise error
    if any(part in code for part in ENDPOINT_DOWN):
        raise EndpointNotReady(endpoint, "unreachable", details) from error
    return ListingError(path, details, code=code)


def _directory(path: str, document: FileList, *, filtered: bool) -> ListingResult:
    # It is not documented whether `total` counts names that a filter left out.
    if len(document.DATA) < document.total and not filtered:
        return ListingError(path, f"Globus listed {len(document.DATA)} of {document.total} entries")
    found = DirectoryListing(path, {}, {}, {}, [], document.rename_supported is not False)
    for entry in document.DATA:
        name = entry.name
        if name in ("", ".", "..") or "/" in name:
            return ListingError(path, f"Globus listed the impossible name {name!r}")
        if not sendable(name):
            found.unsendable.append(name)
        elif entry.link_target is not None or entry.type == "invalid_symlink":
            found.others[name] = "symlink"
        elif entry.type == "file":
            found.files[name] = _version(entry)
        elif entry.type == "dir":
            found.directories[name] = _seconds(entry.last_modified)
        else:
            found.others[name] = entry.type
    return found


def _version(document: FileDocument) -> FileVersion:
    if document.size is None or document.last_modified is None:
        raise ValueError(f"no size or time for {document.name!r}")
    return FileVersion(document.size, _seconds(document.last_modified))


def _seconds(moment: datetime | None) -> int:
    return documents.seconds(moment) or 0


def require_ready(client: globus_sdk.TransferClient, endpoint: str) -> EndpointDocument:
    """Return the document of the collection `endpoint`, if it shows no reason not to use it now.

    It shows whether Globus Connect Personal is running; for a Connect Server collection only a
    listing shows that. Raise EndpointNotReady, or what the call raises.
    """
    try:
        document = _converted(client.get_endpoint(endpoint), EndpointDocument)
    except (msgspec.ValidationError, ValueError) as error:
        raise EndpointNotReady(endpoint, "undescribed", str(error)) from error
    name = document.display_name
    if document.non_functional:
        raise EndpointNotReady(endpoint, "server", name=name)
    # Null for all other kinds of collections, and for guest collections of Connect Personal.
    personal = (document.entity_type or "").startswith("GCP_mapped")
    if document.gcp_connected is False or (personal and document.gcp_connected is None):
        raise EndpointNotReady(endpoint, "disconnected", name=name)
    if document.gcp_paused:
        raise EndpointNotReady(endpoint, "paused", name=name)
    return document
