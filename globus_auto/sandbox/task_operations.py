"""What each route of Transfer for tasks does: submissions, their documents and their lists."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace

from globus_auto.sandbox import documents, filters, submissions, texts
from globus_auto.sandbox.call import Call
from globus_auto.sandbox.documents import APIError, Document, bad_request, convert, parse_moment


def submission_id(_call: Call) -> Document:
    """Return a new submission_id."""
    return {"DATA_TYPE": "submission_id", "value": str(uuid.uuid1())}


def transfer(call: Call) -> Document:
    """Accept a transfer."""
    return _submit(call, submissions.read("TRANSFER", call.request.body))


def delete(call: Call) -> Document:
    """Accept a delete."""
    return _submit(call, submissions.read("DELETE", call.request.body))


def _submit(call: Call, submission: submissions.Submission) -> Document:
    task, duplicate = call.world.submit(submission, call.caller)
    kind, code = submission.kind.lower(), "Accepted"
    message = f"The {kind} has been accepted and a task has been created and queued for execution"
    if duplicate:
        code, message = "Duplicate", f"This {kind} was submitted before under its submission_id"
    link = {"DATA_TYPE": "link", "rel": "related", "resource": "task", "title": "related task"}
    return {
        **call.result(code, message, f"{kind}_result"),
        "submission_id": submission.submission_id,
        "task_id": task.id,
        "task_link": {**link, "href": f"/v0.10/task/{task.id}?format=json"},
    }


def task(call: Call) -> Document:
    """Describe a task, and count the poll for its CompletionPolicy."""
    if call.text("format", "json") != "json":
        raise bad_request("'format': only json")
    document = call.task_document(call.task)
    call.task.polls += 1
    return document


def task_list(call: Call) -> Document:
    """List the caller's tasks."""
    found = [call.task_document(task) for task in call.world.task_list(call.caller.identity)]
    found = filters.tasks(found, call.text("filter"), call.text("orderby"))
    limit, offset = call.number("limit", 1000, 1, 1000), call.number("offset", 0)
    return documents.page("task_list", found, limit, offset)


def cancel(call: Call) -> Document:
    """Cancel a task."""
    if not call.task.in_progress:
        message = "The task completed before the cancel request was processed."
        return call.result("TaskComplete", message)
    call.task.finish(
        "FAILED", "CANCELED", "Canceled by the task owner", texts.description("CANCELED")
    )
    return call.result("Canceled", "The task has been cancelled successfully.")


def update(call: Call) -> Document:
    """Change the label or the deadline of a task in progress."""
    change, task = convert(call.request.body, submissions.TaskUpdate), call.task
    if not task.in_progress:
        raise APIError("Conflict", "The task has completed and can no longer be updated")
    if change.label is not None:
        task.submission = replace(task.submission, label=change.label)
    if change.deadline is not None:
        task.deadline = parse_moment(change.deadline, "deadline")
        task.submission = replace(task.submission, deadline=task.deadline)
    return call.result("Updated", "The task has been updated successfully")


def pause_info(call: Call) -> Document:
    """Describe why a task is paused; no collection here has a pause rule."""
    ends = ("source", "destination")
    messages = [f"{end}_pause_message{share}" for end in ends for share in ("", "_share")]
    _ = call.task  # there must be one
    return {"DATA_TYPE": "pause_info_limited", "pause_rules": [], **dict.fromkeys(messages)}


def event_list(call: Call) -> Document:
    """List the events of a task, newest first."""
    wanted = call.text("filter")
    if wanted not in ("", "is_error:0", "is_error:1"):
        raise bad_request(f"'filter': {wanted!r} is not supported")
    events = [] if call.task.history_deleted else reversed(call.task.events)
    found = [each for each in events if not wanted or each["is_error"] is (wanted[-1] == "1")]
    limit, offset = call.number("limit", 10, 1, 1000), call.number("offset", 0)
    return documents.page("event_list", found, limit, offset)


def successful_transfers(call: Call) -> Document:
    """List the files that a finished transfer copied."""
    return _finished(call, "successful_transfers", call.task.successes)


def skipped_errors(call: Call) -> Document:
    """List the paths that a finished transfer skipped."""
    return _finished(call, "skipped_errors", call.task.skipped)


def _finished(call: Call, data_type: str, found: list[Document]) -> Document:
    """Return the page of `found` that begins at the requested marker."""
    if call.task.in_progress:
        raise bad_request("The task has not completed yet")
    if time.time() < (call.task.completed or 0.0) + call.world.lists_delay:
        raise bad_request("The task has completed too recently for its lists")
    kept, marker = [] if call.task.history_deleted else found, call.number("marker", 0)
    end = marker + call.world.page_size
    following = end if end < len(kept) else None
    markers = {"marker": marker, "next_marker": following}
    return {"DATA_TYPE": data_type, **markers, "DATA": kept[marker:end]}
