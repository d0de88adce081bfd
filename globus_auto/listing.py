"""Directory listings: what a collection shows in a directory, and walks of whole trees."""

from __future__ import annotations

import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import Literal, NamedTuple, TypeAlias, TypeVar

import globus_sdk
import msgspec

from globus_auto import refusals, watching
from globus_auto.datastore import FileVersion, joined
from globus_auto.watching import InvalidResponse

# The codes of a 404 that is about the path; other codes are about the collection
# (docs.globus.org/api/transfer/file_operations, section "Errors").
NOT_FOUND = ("ClientError.NotFound", "NotFound")
# Parts of codes that mean that the whole collection is unreachable.
ENDPOINT_DOWN = ("GCDisconnected", "GCPaused", "ConnectFailed", "OperationPaused")
RATE_LIMIT_TRIES = 30
# Seconds. A Retry-After may ask for any time, by mistake or from a proxy; a run that obeyed it
# would hold its lock for as long, without a message.
RETRY_AFTER_MOST = 60
# Seconds for which 429s may hold up one call before the next of them ends the run.
RATE_LIMIT_SECONDS = 300
# After so many failures of the service itself in a row, it counts as down: globus-sdk tries each
# listing for a quarter of a minute, and a tree has thousands.
SERVICE_FAILURES = 5
# Words in the message of a 404 whose cause is a failed collection: the path may well exist.
ENDPOINT_FAILED = ("ENDPOINT_ERROR", "INTERNAL_ERROR")
# Seconds to wait for workers when a scan stops early; one of them may be in a call that hangs.
STOP_SECONDS = 1.0
# The share of the calls that is left for those outside the rate limiter, and because calls do not
# arrive as evenly as they start: one too many costs a second.
SPARED = 0.02
UNSENDABLE = re.compile("[\r\n\ufffd\ud800-\udfff]")


class DirectoryListing(NamedTuple):
    """The content of one directory: plain files, directories with their mtimes, and the rest.

    mtimes are in seconds UTC. `others` maps symlinks, devices and sockets to what they are.
    `unsendable` are the names that Globus cannot transfer; they are in none of the other fields.
    """

    path: str
    files: dict[str, FileVersion]
    directories: dict[str, int]
    others: dict[str, str]
    unsendable: list[str]
    rename_supported: bool = True

    @property
    def empty(self) -> bool:
        """Whether the directory contains nothing at all."""
        return not (self.files or self.directories or self.others or self.unsendable)

    @property
    def names(self) -> set[str]:
        """All names that Globus can transfer."""
        return {*self.files, *self.directories, *self.others}


class ListingError(NamedTuple):
    """What could not be listed, and why: the text, and the `code` of Globus if there is one.

    `gone`: there is no such directory. `collides`: another name in the directory of the file could
    be the same file at the destination.
    """

    path: str
    reason: str
    gone: bool = False
    collides: bool = False
    code: str = ""


ListingResult: TypeAlias = "DirectoryListing | ListingError"
Lister: TypeAlias = Callable[[str], ListingResult]
Shape = TypeVar("Shape")


Obstacle = Literal["undescribed", "server", "disconnected", "paused", "unreachable"]


class EndpointNotReady(Exception):
    """A collection of this `name`, as far as it is known, cannot be used now."""

    def __init__(
        self, endpoint: str, obstacle: Obstacle, details: str = "", name: str | None = None
    ) -> None:
        super().__init__(f"{name or endpoint} is {obstacle}. {details}".strip())
        self.endpoint = endpoint
        self.obstacle = obstacle
        self.details = details
        self.name = name


class FileDocument(msgspec.Struct):
    """A file or directory in a listing, as Globus sends it.

    Source: docs.globus.org/api/transfer/file_operations.
    """

    name: str
    type: str
    size: int | None = None
    last_modified: datetime | None = None
    link_target: str | None = None


class FileList(msgspec.Struct):
    """A listing, as Globus sends it."""

    DATA: list[FileDocument]
    total: int
    rename_supported: bool | None = None


class EndpointDocument(msgspec.Struct):
    """The document of a collection, as Globus sends it.

    Source: globus-sdk, TransferClient.get_endpoint.
    """

    id: str
    entity_type: str | None = None
    display_name: str | None = None
    gcp_connected: bool | None = None
    gcp_paused: bool | None = None
    non_functional: bool | None = None
    high_assurance: bool | None = None
    disable_verify: bool | None = None


class RateLimiter:
    """A limit of calls per second, shared by all threads and spread evenly; 0 means no limit.

    It also counts how many calls of all threads the service has failed at in a row.
    """

    def __init__(self, calls_per_second: float) -> None:
        self._interval = (1 + SPARED) / calls_per_second if calls_per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        self._failures = 0

    def wait(self) -> None:
        """Wait until the next call may start."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._interval
        if start > now:
            time.sleep(start - now)

    def back_off(self, seconds: float) -> None:
        """Start no call of any thread for so many `seconds`: Globus asked for a pause."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def count(self, *, failed: bool) -> None:
        """Count a call at which the service failed; any other answer starts the count again."""
        with self._lock:
            self._failures = self._failures + 1 if failed else 0

    @property
    def service_down(self) -> bool:
        """Whether the service has failed at too many calls in a row to go on."""
        return self._failures >= SERVICE_FAILURES


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
    Raise EndpointNotReady, globus_sdk.GlobusAPIError, NetworkError or watching.InvalidResponse if
    it is not this directory that fails, but the collection, the login, the network or the service.
    """
    wanted = globus_sdk.MISSING if pattern is None else f"name:~{pattern}"
    try:
        response = _limited(
            limiter, lambda: client.operation_ls(endpoint, path=path, filter=wanted)
        )
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
        response = _limited(limiter, lambda: client.operation_ls(endpoint, path=path, limit=1))
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
        response = _limited(limiter, lambda: client.operation_stat(endpoint, path=path))
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
        _limited(limiter, lambda: client.operation_stat(endpoint, path=path))
    except globus_sdk.TransferAPIError as error:
        return False if _listing_error(endpoint, path, error, limiter).gone else None
    return True


def _limited(
    limiter: RateLimiter, call: Callable[[], globus_sdk.GlobusHTTPResponse]
) -> globus_sdk.GlobusHTTPResponse:
    """Return what `call` returns, within the rate limit; back off in all threads after a 429.

    Raise what `call` raises. Raise a 429 as well once it has been the answer for RATE_LIMIT_SECONDS
    or RATE_LIMIT_TRIES times.
    """
    began = time.monotonic()
    tries = 0
    while True:
        tries += 1
        limiter.wait()
        try:
            response = call()
        except globus_sdk.TransferAPIError as error:
            if error.http_status != 429:
                limiter.count(failed=_is_of_service(error))
                raise
            limiter.count(failed=False)
            seconds = _retry_after(error)
            waited = time.monotonic() - began
            if tries > RATE_LIMIT_TRIES or waited + seconds > RATE_LIMIT_SECONDS:
                raise
            limiter.back_off(seconds)
        except TypeError as error:
            # globus_sdk's retry rule raises this for a 5xx whose JSON is not an object with a code.
            raise InvalidResponse(f"Globus sent no whole error document: {error}") from error
        else:
            limiter.count(failed=False)
            return response


def _retry_after(error: globus_sdk.TransferAPIError) -> int:
    """Return for how many seconds a 429 asks to back off, 1 if it does not say."""
    try:
        seconds = int(error.headers.get("Retry-After", ""))
    except ValueError:
        # A date, which is useful only if both clocks agree, or nonsense.
        seconds = 1
    return min(max(seconds, 0), RETRY_AFTER_MOST)


def _is_of_service(error: globus_sdk.TransferAPIError) -> bool:
    """Return whether the service itself failed, and not the collection that it asked.

    globus_sdk distinguishes the two by the same codes when it decides whether to try again
    (globus_sdk.services.transfer.transport). A 501 is the service's answer to the call as such.
    """
    code = error.code or ""
    from_collection = "ExternalError" in code or "EndpointError" in code
    return error.http_status >= 500 and error.http_status != 501 and not from_collection


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
    details = refusals.api_details(error)
    if (error.http_status == 404 and code in NOT_FOUND) or code.endswith(".NotDirectory"):
        # The message contains the path, which may contain any word.
        message = (error.message or "").replace(path, "")
        if not any(word in message for word in ENDPOINT_FAILED):
            return ListingError(path, "there is no such directory", gone=True, code=code)
        return ListingError(path, details, code=code)
    if error.http_status in (404, 429) or refusals.requires_login(error) or limiter.service_down:
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
    return watching.seconds(moment) or 0


def sendable(name: str) -> bool:
    """Return whether Globus can transfer this name: no CR or LF, and valid UTF-8.

    In a name from Globus, U+FFFD replaces bytes that are not UTF-8. Source:
    docs.globus.org/api/transfer, "file_operations" and "task_submit", on paths.
    """
    return not UNSENDABLE.search(name)


def walk(
    open_lister: Callable[[], AbstractContextManager[Lister]],
    roots: Iterable[str],
    enter: Callable[[str], bool] = lambda _name: False,
    workers: int = 1,
) -> Iterator[ListingResult]:
    """Yield the listings of `roots` and of all directories below them for which `enter` is true.

    `enter` is called with the name of a directory. With several `workers`, the listings come in the
    order in which Globus answers. A directory that cannot be listed does not stop the others. Raise
    what a lister raises.
    """
    if workers == 1:
        yield from _walk_alone(open_lister, roots, enter)
        return
    jobs: queue.SimpleQueue[str | None] = queue.SimpleQueue()
    results: queue.SimpleQueue[ListingResult | BaseException] = queue.SimpleQueue()
    stopped = threading.Event()

    def work() -> None:
        try:
            with open_lister() as list_one:
                while (path := jobs.get()) is not None and not stopped.is_set():
                    results.put(list_one(path))
        except BaseException as error:  # noqa: BLE001 - raised again where the results are read
            results.put(error)

    waiting = 0
    for root in roots:
        jobs.put(root)
        waiting += 1
    # Daemon threads, so that a hanging call does not keep an interrupted program from exiting.
    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(workers, 64))]
    for thread in threads:
        thread.start()
    try:
        while waiting:
            result = results.get()
            if isinstance(result, BaseException):
                raise result
            waiting -= 1
            if isinstance(result, DirectoryListing):
                for name in result.directories:
                    if enter(name):
                        jobs.put(joined(result.path, name))
                        waiting += 1
            yield result
    except BaseException:
        stopped.set()
        raise
    finally:
        for _ in threads:
            jobs.put(None)
        # Each worker closes its connections when its call has ended, so wait for them.
        end = time.monotonic() + STOP_SECONDS
        # A scan that is not closed explicitly may be ended by any thread, even one of these.
        for thread in set(threads) - {threading.current_thread()}:
            thread.join(max(end - time.monotonic(), 0) if stopped.is_set() else None)


def _walk_alone(
    open_lister: Callable[[], AbstractContextManager[Lister]],
    roots: Iterable[str],
    enter: Callable[[str], bool],
) -> Iterator[ListingResult]:
    waiting = sorted(roots, reverse=True)
    with open_lister() as list_one:
        while waiting:
            result = list_one(waiting.pop())
            if isinstance(result, DirectoryListing):
                waiting += [joined(result.path, name) for name in result.directories if enter(name)]
            yield result


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
