"""The Globus client: the only place that calls Globus Transfer.

Each call keeps to the rate limit that all threads share, and each answer is checked before
anybody relies on it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any

import globus_sdk

from globus_auto.datastore import OPEN
from globus_auto.errors import CancelTimeout, EndpointNotReady, InvalidResponse
from globus_auto.files import FileVersion
from globus_auto.globus import listing
from globus_auto.globus.documents import (
    ROWS_MOST,
    EndpointDocument,
    Event,
    FileDocument,
    FileList,
    Shape,
    SkippedError,
    SuccessfulTransfer,
    TaskDocument,
    TaskList,
    checked,
    converted,
    identifier,
    paged,
)
from globus_auto.globus.limiter import RateLimiter, limited, pauses
from globus_auto.globus.tasks import is_ours
from globus_auto.walk import ListingError, ListingResult

LISTED_AT_MOST = 1000  # tasks: globus_sdk's paginator for task_list stops there as well
CANCEL_SECONDS = 60
# The code with which Globus reports that it made a directory.
MADE = "DirectoryCreated"


class Client:
    """Globus Transfer for one thread.

    All methods raise globus_sdk.TransferAPIError or NetworkError, and InvalidResponse for an
    answer that makes no sense. `list_directory`, `listing_error`, `stat_file` and `exists` raise
    only what concerns more than one path: the login, the network, the service, or, as
    EndpointNotReady, the collection.
    """

    def __init__(self, transfer: globus_sdk.TransferClient, limiter: RateLimiter) -> None:
        self._transfer = transfer
        self._limiter = limiter

    def close(self) -> None:
        """Close the connections."""
        self._transfer.close()

    def _call(
        self, method: Callable[..., globus_sdk.GlobusHTTPResponse], *args: object, **options: object
    ) -> globus_sdk.GlobusHTTPResponse:
        try:
            answer = limited(self._limiter, lambda: method(*args, **options))
            _ = answer.data  # globus_sdk parses it now
        except RecursionError as error:
            raise InvalidResponse("Globus sent JSON that is nested too deeply.") from error
        return answer

    # Directories

    def list_directory(self, endpoint: str, path: str, pattern: str | None = None) -> ListingResult:
        """Return the content of the directory `path` at `endpoint`, or why it cannot be listed.

        With a `pattern`, ask only for names that match it; not every collection may honour that.
        """
        wanted = globus_sdk.MISSING if pattern is None else f"name:~{pattern}"
        answer = self._ls(endpoint, path, filter=wanted)
        if isinstance(answer, ListingError):
            return answer
        return listing.directory(path, answer, filtered=bool(pattern))

    def listing_error(self, endpoint: str, path: str) -> ListingError | None:
        """Return why the directory `path` at `endpoint` cannot be listed, or None if it can.

        Ask for one name only.
        """
        answer = self._ls(endpoint, path, limit=1)
        return answer if isinstance(answer, ListingError) else None

    def _ls(self, endpoint: str, path: str, **options: object) -> FileList | ListingError:
        try:
            answer = self._call(self._transfer.operation_ls, endpoint, path=path, **options)
            # A 200 may also come from a proxy or portal, so check the content.
            return converted(answer.data, FileList)
        except globus_sdk.TransferAPIError as error:
            return self._why_unlisted(endpoint, path, error)
        except ValueError as error:
            return ListingError(path, f"Globus sent no whole listing: {error}")

    def stat_file(self, endpoint: str, path: str) -> FileVersion | ListingError | None:
        """Return the fingerprint of the plain file `path` at `endpoint`, None if there is none.

        Return ListingError if that is unknown.
        """
        try:
            answer = self._call(self._transfer.operation_stat, endpoint, path=path)
            document = converted(answer.data, FileDocument)
            is_plain = document.type == "file" and document.link_target is None
            return listing.file_version(document) if is_plain else None
        except globus_sdk.TransferAPIError as error:
            failure = self._why_unlisted(endpoint, path, error)
            return None if failure.gone else failure
        except ValueError as error:
            return ListingError(path, f"Globus sent no whole answer: {error}")

    def exists(self, endpoint: str, path: str) -> bool | None:
        """Return whether `path` exists at `endpoint`; None if that is unknown."""
        try:
            self._call(self._transfer.operation_stat, endpoint, path=path)
        except globus_sdk.TransferAPIError as error:
            return False if self._why_unlisted(endpoint, path, error).gone else None
        return True

    def _why_unlisted(
        self, endpoint: str, path: str, error: globus_sdk.TransferAPIError
    ) -> ListingError:
        down = self._limiter.service_down
        return listing.why_unlisted(endpoint, path, error, service_down=down)

    def make_directory(self, endpoint: str, path: str) -> bool:
        """Make the directory `path`; return whether Globus says that it did."""
        answer = self._call(self._transfer.operation_mkdir, endpoint, path).data
        return isinstance(answer, dict) and answer.get("code") == MADE

    def rename(self, endpoint: str, path: str, new_path: str) -> None:
        """Rename a file or directory."""
        self._call(self._transfer.operation_rename, endpoint, path, new_path)

    # Collections

    def collection(self, endpoint: str) -> EndpointDocument:
        """Return the document of the collection `endpoint`."""
        return checked(self._call(self._transfer.get_endpoint, endpoint).data, EndpointDocument)

    def require_ready(self, endpoint: str) -> EndpointDocument:
        """Return the document of a collection, if it shows no reason not to use it now.

        It shows whether Globus Connect Personal is running; for a Connect Server collection only a
        listing shows that. Raise EndpointNotReady if not, or if the document makes no sense.
        """
        try:
            document = self.collection(endpoint)
        except InvalidResponse as error:
            raise EndpointNotReady(endpoint, "undescribed", str(error)) from error
        if document.obstacle:
            raise EndpointNotReady(endpoint, document.obstacle, name=document.display_name)
        return document

    def require_data_access(self, endpoints: list[str]) -> None:
        """Require a data_access consent for each of `endpoints` at the next login."""
        self._transfer.add_app_data_access_scope(endpoints)

    def server_time(self, endpoint: str) -> float | None:
        """Return the time at Globus (seconds UTC), None if it sends no valid Date header.

        Any answer has it; this asks about the collection `endpoint`.
        """
        answer = self._call(self._transfer.get_endpoint, endpoint)
        try:
            return parsedate_to_datetime(answer.headers.get("Date", "")).timestamp()
        except (TypeError, ValueError):
            return None

    # Tasks

    def new_submission_id(self) -> str:
        """Return a new id under which Globus accepts one task, however often it is submitted.

        Source: docs.globus.org/api/transfer/task_submit, "Get a submission id".
        """
        return identifier(self._call(self._transfer.get_submission_id).data, "value")

    def submit(self, document: globus_sdk.TransferData | globus_sdk.DeleteData) -> str:
        """Submit a task; return its task id.

        Globus answers Accepted the first time, and Duplicate, with the same task id, whenever the
        same submission id comes again (docs.globus.org/api/transfer/task_submit). Raise
        InvalidResponse for any other answer.
        """
        is_transfer = isinstance(document, globus_sdk.TransferData)
        post = self._transfer.submit_transfer if is_transfer else self._transfer.submit_delete
        answer = self._call(post, document).data
        if not isinstance(answer, dict) or answer.get("code") not in ("Accepted", "Duplicate"):
            raise InvalidResponse("Globus answered a submission neither Accepted nor Duplicate.")
        return identifier(answer, "task_id")

    def recent_tasks(self, since: int) -> list[TaskDocument]:
        """Return globus_auto's tasks requested at or after `since` (seconds UTC), oldest first.

        Ask for one day more, since clocks differ. If there are more tasks than Globus lists at
        once, ask for those in progress separately. Source: globus_sdk, TransferClient.task_list.
        """
        start = datetime.fromtimestamp(max(since - 86_400, 0), timezone.utc).replace(tzinfo=None)
        found = self._listed(f"request_time:{start.isoformat(sep=' ', timespec='seconds')},")
        if len(found) >= LISTED_AT_MOST:
            found += self._listed("status:ACTIVE,INACTIVE")
        # Tasks of other programs are not checked: an odd one must not stop this run.
        ours = [checked(each, TaskDocument) for each in found if is_ours(each.get("label"))]
        return list({each.task_id: each for each in ours}.values())[::-1]

    def _listed(self, clause: str) -> list[dict[str, Any]]:
        """Return the newest transfer and delete tasks that match a filter `clause`."""
        page = self._call(
            self._transfer.task_list,
            limit=LISTED_AT_MOST,
            filter=f"type:TRANSFER,DELETE/{clause}",
            orderby="request_time DESC",
        )
        return checked(page.data, TaskList).DATA

    def task(self, task_id: str) -> TaskDocument:
        """Return the document of a task."""
        document = checked(self._call(self._transfer.get_task, task_id).data, TaskDocument)
        if document.task_id != task_id:
            raise InvalidResponse(f"Globus was asked for task {task_id} and described another.")
        return document

    def newest_event(self, task_id: str, *, errors: bool = False) -> Event | None:
        """Return the newest event of a task, or of its `errors` before its end; None without."""
        query = {"filter": "is_error:1"} if errors else None
        page = self._call(self._transfer.task_event_list, task_id, limit=10, query_params=query)
        events = paged(lambda _marker: {**page.data, "next_marker": None}, Event)
        return next((each for each in events if not (errors and each.is_end)), None)

    def skipped_errors(self, task_id: str, most: int = ROWS_MOST) -> list[SkippedError]:
        """Return the paths that a task skipped; raise EndlessList if they are more than `most`.

        Source: docs.globus.org/api/transfer/task, "Get skipped errors".
        """
        return self._paged(self._transfer.task_skipped_errors, task_id, SkippedError, most)

    def successful_transfers(self, task_id: str, most: int = ROWS_MOST) -> list[SuccessfulTransfer]:
        """Return the files that a task wrote; raise EndlessList if they are more than `most`.

        Source: docs.globus.org/api/transfer/task, "Get successful transfers".
        """
        method = self._transfer.task_successful_transfers
        return self._paged(method, task_id, SuccessfulTransfer, most)

    def _paged(
        self,
        method: Callable[..., globus_sdk.GlobusHTTPResponse],
        task_id: str,
        shape: type[Shape],
        most: int,
    ) -> list[Shape]:
        def fetch(marker: str | None) -> Any:  # noqa: ANN401 - any JSON value
            at = globus_sdk.MISSING if marker is None else marker
            return self._call(method, task_id, marker=at).data

        return paged(fetch, shape, most)

    def wait(
        self,
        task_id: str,
        seconds: float,
        progress: Callable[[TaskDocument], None] = lambda _document: None,
    ) -> TaskDocument:
        """Return a task's document once it is no longer ACTIVE, or its latest after `seconds`.

        Call `progress` with each document on the way.
        """
        for _ in pauses(seconds):
            document = self.task(task_id)
            progress(document)
            if document.status != "ACTIVE":
                break
        return document

    def request_cancel(self, task_id: str) -> None:
        """Ask Globus to cancel a task, without waiting for its end."""
        self._call(self._transfer.cancel_task, task_id)

    def cancel(self, task_id: str) -> TaskDocument:
        """Cancel a task and return its document once it has ended.

        Raise CancelTimeout if it has not ended after CANCEL_SECONDS.
        """
        self.request_cancel(task_id)
        for _ in pauses(CANCEL_SECONDS):
            document = self.task(task_id)
            if document.status not in OPEN:
                return document
        raise CancelTimeout(f"Globus has not ended task {task_id} although asked to cancel it.")
