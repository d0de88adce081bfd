"""What each route does: unpack what was asked, call one method of the world, render the answer.

Nothing of HTTP is left here: parameters and documents come in, a document goes out, and what is
refused is raised as RefusalError or GrantError.
"""

from __future__ import annotations

from dataclasses import dataclass

from globus_auto.sandbox import documents, identity, listing, submissions
from globus_auto.sandbox.documents import Document, RefusalError, bad_request
from globus_auto.sandbox.engine import Task
from globus_auto.sandbox.faults import Request
from globus_auto.sandbox.world import LISTING_LIMIT, World

MANY = 10**9


@dataclass(frozen=True)
class Call:
    """A request to be carried out: what was asked, by whom, and the named parts of its path.

    `basic` is a client's id and secret, `url` where this service is.
    """

    world: World
    asked: Request
    parts: dict[str, str]
    caller: identity.Token
    basic: tuple[str, str] | None
    url: str

    def text(self, name: str, default: str = "") -> str:
        """Return a query parameter."""
        return self.asked.query.get(name, default)

    def number(self, name: str, default: int, least: int, most: int) -> int:
        """Return a query parameter that must be a whole number within bounds."""
        text = self.text(name, str(default))
        if not text.isdecimal() or not least <= int(text) <= most:
            raise bad_request(f"'{name}': {text!r} is not a number from {least} to {most}")
        return int(text)

    def fields(self, data_type: str, *names: str) -> list[str]:
        """Return the texts in a small JSON document; all must be there and no others."""
        body = self.asked.body if isinstance(self.asked.body, dict) else {}
        for name in {*body, *names, "DATA_TYPE"}:
            value = body.get(name)
            right = value == data_type if name == "DATA_TYPE" else name in names
            if not right or not isinstance(value, str):
                raise bad_request(f"'{name}': {value!r} is not supported in a {data_type} document")
        return [body[name] for name in names]

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form."""
        return self.asked.body if isinstance(self.asked.body, dict) else {}

    @property
    def task(self) -> Task:
        """The task named in the path."""
        return self.world.engine.find(self.parts["task_id"], self.caller.identity)


def openid_configuration(call: Call) -> Document:
    """Say where everything of Auth is."""
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
    """Show the key that id_tokens are signed with."""
    return identity.jwk()


def authorize(call: Call) -> Document:
    """Approve a login: the code, and where to bring it."""
    code = call.world.identity.approve(call.asked.query)
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
    raise identity.GrantError("unsupported_grant_type")


def revoke(call: Call) -> Document:
    """Revoke a token."""
    call.world.identity.revoke(call.form.get("token", ""))
    return {"active": False}


def validate(call: Call) -> Document:
    """Say whether a token would be accepted."""
    return {"active": call.world.identity.is_active(call.form.get("token", ""))}


def consents(call: Call) -> Document:
    """List what the caller's identity consented to."""
    if call.text("all", "False") != "False":
        raise bad_request("'all': only False is supported by the local Globus")
    if call.parts["identity_id"] != call.caller.identity:
        raise RefusalError("PermissionDenied", "These are not your consents")
    return call.world.identity.consents(call.caller.identity)


def endpoint(call: Call) -> Document:
    """Describe an endpoint."""
    return documents.endpoint(call.world.endpoint(call.parts["endpoint_id"]), call.caller.identity)


def ls(call: Call) -> Document:
    """List a directory."""
    limit = call.number("limit", LISTING_LIMIT, 1, LISTING_LIMIT)
    offset, hidden = call.number("offset", 0, 0, MANY), call.number("show_hidden", 1, 0, 1)
    filters = [value for name, value in call.asked.pairs if name == "filter"]
    path, endpoint_id = call.text("path", "/~/"), call.parts["endpoint_id"]
    entries = call.world.entries(endpoint_id, path, call.caller)
    found = listing.files(
        entries, show_hidden=hidden == 1, filters=filters, orderby=call.text("orderby")
    )
    page = documents.page("file_list", found, limit, offset)
    return documents.file_list(call.world.endpoint(endpoint_id), path, page)


def stat(call: Call) -> Document:
    """Describe one path."""
    return call.world.look(call.parts["endpoint_id"], call.text("path"), call.caller)


def mkdir(call: Call) -> Document:
    """Make a directory."""
    (path,) = call.fields("mkdir", "path")
    call.world.mkdir(call.parts["endpoint_id"], path, call.caller)
    told = ("DirectoryCreated", "The directory was created successfully")
    return documents.result(*told, call.asked.path, "mkdir_result")


def rename(call: Call) -> Document:
    """Rename a file or directory."""
    old, new = call.fields("rename", "old_path", "new_path")
    call.world.rename(call.parts["endpoint_id"], old, new, call.caller)
    told = ("FileRenamed", "File or directory renamed successfully")
    return documents.result(*told, call.asked.path)


def submission_id(_call: Call) -> Document:
    """Hand out an id for a submission."""
    return documents.submission_id()


def transfer(call: Call) -> Document:
    """Accept a transfer."""
    return _submitted(call, submissions.read("TRANSFER", call.asked.body))


def delete(call: Call) -> Document:
    """Accept a delete."""
    return _submitted(call, submissions.read("DELETE", call.asked.body))


def _submitted(call: Call, order: submissions.Order) -> Document:
    work, duplicate = call.world.submit(order, call.caller)
    return documents.submission(work, call.asked.path, duplicate=duplicate)


def task(call: Call) -> Document:
    """Describe a task; this is the look that tasks are paced by."""
    if call.text("format", "json") != "json":
        raise bad_request("'format': only json")
    document = _task_document(call.world, call.task)
    call.task.looks += 1
    return document


def task_list(call: Call) -> Document:
    """List the caller's tasks."""
    mine = call.world.engine.owned(call.caller.identity)
    found = [_task_document(call.world, each) for each in mine]
    chosen = listing.tasks(found, call.text("filter"), call.text("orderby"))
    if call.text("fields"):
        chosen = listing.trimmed(chosen, call.text("fields").split(","))
    limit = call.number("limit", 1000, 1, 1000)
    return documents.page("task_list", chosen, limit, call.number("offset", 0, 0, MANY))


def _task_document(world: World, work: Task) -> Document:
    names = [world.endpoints[each].name for each in work.order.endpoint_ids]
    return documents.task(work, *names)


def cancel(call: Call) -> Document:
    """Cancel a task."""
    told = ("TaskComplete", "The task completed before the cancel request was processed.")
    if call.world.engine.cancel(call.task):
        told = ("Canceled", "The task has been cancelled successfully.")
    return documents.result(*told, call.asked.path)


def event_list(call: Call) -> Document:
    """List what happened to a task."""
    chosen = listing.events(call.task.history(call.task.events), call.text("filter"))
    limit = call.number("limit", 10, 1, 1000)
    return documents.page("event_list", chosen, limit, call.number("offset", 0, 0, MANY))


def successful_transfers(call: Call) -> Document:
    """List the files that a finished transfer copied."""
    return _finished(call, "successful_transfers", call.task.successes)


def skipped_errors(call: Call) -> Document:
    """List the paths that a finished transfer left out."""
    return _finished(call, "skipped_errors", call.task.skipped)


def _finished(call: Call, data_type: str, found: list[Document]) -> Document:
    if call.task.is_open:
        raise bad_request("The task has not completed yet")
    marker, size = call.number("marker", 0, 0, MANY), call.world.page_size
    return documents.marked_page(data_type, call.task.history(found), marker, size)


def unknown(call: Call) -> Document:
    """Refuse a route that is not imitated."""
    asked = call.asked
    message = f"The local Globus does not imitate {asked.method} {asked.path}"
    raise RefusalError("NotImplemented", message)
