"""What each route does: unpack the request, call one method of the world, build the answer.

This layer knows no HTTP: parameters and documents come in, a document goes out, and a rejection is
raised as APIError or OAuthError.
"""

from __future__ import annotations

import time
import uuid
from contextlib import AbstractContextManager
from dataclasses import dataclass

from globus_auto.sandbox import documents, filters, identity, renderers, submissions, texts, tokens
from globus_auto.sandbox.documents import APIError, Document, bad_request, convert
from globus_auto.sandbox.endpoints import Endpoint
from globus_auto.sandbox.faults import Request
from globus_auto.sandbox.tasks import Task
from globus_auto.sandbox.world import LISTING_LIMIT, World

MANY = 10**9


@dataclass(frozen=True)
class Call:
    """A request to carry out: who sent it, and the named parts of its path.

    `basic` is the id and secret of a client, `url` that of this service.
    """

    world: World
    request: Request
    parts: dict[str, str]
    caller: tokens.Token
    basic: tuple[str, str] | None
    url: str

    def text(self, name: str, default: str = "") -> str:
        """Return a query parameter."""
        return self.request.query.get(name, default)

    def number(self, name: str, default: int, least: int = 0, most: int = MANY) -> int:
        """Return a query parameter that must be an integer within these bounds."""
        text = self.text(name, str(default))
        if not text.isdecimal() or not least <= int(text) <= most:
            raise bad_request(f"'{name}': {text!r} is not a number from {least} to {most}")
        return int(text)

    def result(self, code: str, message: str, data_type: str = "result") -> Document:
        """Return the answer to an operation."""
        return {"DATA_TYPE": data_type, **documents.result(code, message, self.request.path)}

    def open_endpoint(self, failure: str) -> AbstractContextManager[Endpoint]:
        """Yield the endpoint named in the path; see `World.open_endpoint`."""
        return self.world.open_endpoint(self.parts["endpoint_id"], self.caller, failure)

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form."""
        return self.request.body if isinstance(self.request.body, dict) else {}

    @property
    def task(self) -> Task:
        """The task named in the path."""
        return self.world.task(self.parts["task_id"], self.caller.identity)

    def task_document(self, task: Task) -> Document:
        """Return the document of a task."""
        return renderers.task(
            task, [self.world.endpoints[each] for each in task.submission.endpoint_ids]
        )


def openid_configuration(call: Call) -> Document:
    """Return the URLs of Auth."""
    return {
        "issuer": call.url,
        "authorization_endpoint": f"{call.url}/v2/oauth2/authorize",
        "token_endpoint": f"{call.url}/v2/oauth2/token",
        "userinfo_endpoint": f"{call.url}/v2/oauth2/userinfo",
        "revocation_endpoint": f"{call.url}/v2/oauth2/token/revoke",
        "jwks_uri": f"{call.url}/jwk.json",
        "response_types_supported": ["code"],
        "id_token_signing_alg_values_supported": ["RS512"],
        "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "subject_types_supported": ["public"],
        "claims_supported": ["at_hash", "aud", "email", "exp", "name", "iat", "iss", "sub"],
    }


def jwk(_call: Call) -> Document:
    """Return the key that id_tokens are signed with."""
    return tokens.jwk()


def authorize(call: Call) -> Document:
    """Approve a login; return the code and the redirect_uri."""
    code = call.world.identity.approve(call.request.query)
    return {"code": code, "state": call.text("state"), "redirect_uri": call.text("redirect_uri")}


def token(call: Call) -> Document:
    """Exchange a code, a refresh token or a secret for access tokens."""
    form, people = call.form, call.world.identity
    client = people.check_client(*(call.basic or (form.get("client_id", ""), None)))
    if form.get("grant_type") == "authorization_code":
        return people.exchange(form, client, call.url)
    if form.get("grant_type") == "refresh_token":
        return people.refresh(form, client)
    if form.get("grant_type") == "client_credentials" and call.basic:
        return people.client_credentials(form, client, call.url)
    raise identity.OAuthError("unsupported_grant_type")


def revoke(call: Call) -> Document:
    """Revoke a token."""
    call.world.identity.revoke(call.form.get("token", ""))
    return {"active": False}


def validate(call: Call) -> Document:
    """Return whether a token is valid."""
    return {"active": call.world.identity.is_active(call.form.get("token", ""))}


def consents(call: Call) -> Document:
    """List the consents of the caller's identity."""
    if call.text("all", "False") != "False":
        raise bad_request("'all': the sandbox supports only False")
    if call.parts["identity_id"] != call.caller.identity:
        raise APIError("PermissionDenied", "These are not your consents")
    return call.world.identity.consents(call.caller.identity)


def endpoint(call: Call) -> Document:
    """Describe an endpoint."""
    return renderers.endpoint(call.world.endpoint(call.parts["endpoint_id"]), call.caller.identity)


def ls(call: Call) -> Document:
    """List a directory."""
    limit, offset = call.number("limit", LISTING_LIMIT, 1, LISTING_LIMIT), call.number("offset", 0)
    hidden, path = call.number("show_hidden", 1, 0, 1) == 1, call.text("path", "/~/")
    wanted = [value for name, value in call.request.pairs if name == "filter"]
    with call.open_endpoint("DirListingFailed") as collection:
        found = call.world.list_directory(collection, path)
    found = filters.files(found, show_hidden=hidden, wanted=wanted, orderby=call.text("orderby"))
    return {
        **documents.page("file_list", found, limit, offset),
        "endpoint": collection.id,
        "path": collection.directory_path(path, home=path.lstrip("/").startswith("~")),
        "absolute_path": collection.directory_path(path, home=False),
        "rename_supported": collection.rename_supported,
        "symlink_supported": True,
    }


def stat(call: Call) -> Document:
    """Describe one path."""
    with call.open_endpoint("StatFailed") as collection:
        return call.world.stat(collection, call.text("path"))


def mkdir(call: Call) -> Document:
    """Create a directory."""
    request = convert(call.request.body, submissions.Mkdir)
    with call.open_endpoint("MkdirFailed") as collection:
        collection.mkdir(request.path)
    message = "The directory was created successfully"
    return call.result("DirectoryCreated", message, "mkdir_result")


def rename(call: Call) -> Document:
    """Rename a file or directory."""
    request = convert(call.request.body, submissions.Rename)
    with call.open_endpoint("RenameFailed") as collection:
        collection.rename(request.old_path, request.new_path)
    return call.result("FileRenamed", "File or directory renamed successfully")


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
    """List the caller's tasks; `fields` selects the fields of their documents."""
    found = [call.task_document(task) for task in call.world.task_list(call.caller.identity)]
    found = filters.tasks(found, call.text("filter"), call.text("orderby"))
    try:
        if fields := call.text("fields"):
            found = [{field: each[field] for field in fields.split(",")} for each in found]
    except KeyError as error:
        raise bad_request(f"'fields': there is no field {error}") from error
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


def unknown(call: Call) -> Document:
    """Reject a route that is not emulated."""
    request = call.request
    message = f"The sandbox does not emulate {request.method} {request.path}"
    raise APIError("NotImplemented", message)
