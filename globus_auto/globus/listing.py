"""What an answer of Globus says about one directory."""

from __future__ import annotations

from datetime import datetime

import globus_sdk
import msgspec

from globus_auto.errors import EndpointNotReady
from globus_auto.files import FileVersion
from globus_auto.globus import documents, errors
from globus_auto.globus.documents import FileDocument, FileList, Fingerprint
from globus_auto.globus.errors import ENDPOINT_DOWN, ENDPOINT_FAILED, NOT_FOUND, requires_login
from globus_auto.text import shortened
from globus_auto.walk import DirectoryListing, ListingError, ListingResult, sendable

IMPOSSIBLE_LENGTH = 80  # characters of what Globus sent as size and time


def why_unlisted(
    endpoint: str, path: str, error: globus_sdk.TransferAPIError, *, service_down: bool
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
    if error.http_status in (404, 429) or requires_login(error) or service_down:
        raise error
    if any(part in code for part in ENDPOINT_DOWN):
        raise EndpointNotReady(endpoint, "unreachable", details) from error
    return ListingError(path, details, code=code)


def directory(path: str, document: FileList, *, filtered: bool) -> ListingResult:
    """Return a listing from Globus as a DirectoryListing, or why it is of no use."""
    # It is not documented whether `total` counts names that a filter left out.
    if len(document.DATA) < document.total and not filtered:
        return ListingError(path, f"Globus listed {len(document.DATA)} of {document.total} entries")
    found = DirectoryListing(path, {}, {}, {}, [], {}, document.rename_supported is not False)
    for entry in document.DATA:
        name = entry.name
        if name in ("", ".", "..") or "/" in name:
            return ListingError(path, f"Globus listed the impossible name {shortened(repr(name))}")
        if not sendable(name):
            found.unsendable.append(name)
        elif entry.link_target is not None or entry.type == "invalid_symlink":
            found.others[name] = "symlink"
        elif entry.type == "file":
            try:
                found.files[name] = file_version(entry)
            except ValueError as error:
                found.others[name] = "file"
                found.unknown[name] = str(error)
        elif entry.type == "dir":
            found.directories[name] = _directory_mtime(entry)
        else:
            found.others[name] = entry.type
    return found


def file_version(document: FileDocument) -> FileVersion:
    """Return the fingerprint in `document`; raise ValueError if its size or time is impossible."""
    try:
        found = msgspec.convert(document, Fingerprint, from_attributes=True)
        return FileVersion(found.size, documents.seconds(found.last_modified) or 0)
    except (ValueError, OverflowError, msgspec.ValidationError) as error:
        size, moment = document.size, document.last_modified
        raise ValueError(f"size {size}, modified {moment}"[:IMPOSSIBLE_LENGTH]) from error


def _directory_mtime(document: FileDocument) -> int:
    """Return the mtime of a directory, 0 if it is missing or impossible."""
    try:
        moment = msgspec.convert(document.last_modified, datetime | None)
        return documents.seconds(moment) or 0
    except (ValueError, OverflowError, msgspec.ValidationError):
        return 0
