"""The HTTP service: routes, answers and planned faults. It touches no file.

Everything happens in one thread, one request after the other, but for waiting (latency, late
answers) and hooks, which hold up nobody.
"""

from __future__ import annotations

import asyncio
import base64
import html
import json
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from globus_auto.sandbox import documents, identity, operations
from globus_auto.sandbox.documents import Document, RefusalError, bad_request
from globus_auto.sandbox.faults import Fault, Request, When
from globus_auto.sandbox.listener import Server
from globus_auto.sandbox.operations import Call
from globus_auto.sandbox.world import World

STATUS = {
    "ClientError.AuthenticationFailed": 401,
    **dict.fromkeys(("ConsentRequired", "EndpointPermissionDenied", "PermissionDenied"), 403),
    **dict.fromkeys(("ClientError.NotFound", "NotFound"), 404),
    **dict.fromkeys(("EndpointNotFound", "EndpointDeleted"), 404),
    **dict.fromkeys(("Conflict", "NotSupported", "TooManyPendingJobs"), 409),
    "GCDisconnectedException": 409,
    "TooManyRequests": 429,
    "InternalError": 500,
    "NotImplemented": 501,
    "EndpointError": 502,
}
CODE_PAGE = "/v2/web/auth-code"  # where globus-sdk sends a person whose program cannot listen
GONE = Response()  # stands for an answer that is never sent


@dataclass(frozen=True)
class Door:
    """A route: the query parameters it honours, and the service whose tokens it takes."""

    method: str
    path: str
    act: Callable[[Call], Document]
    options: str | None = ""  # None: `act` refuses what it does not honour
    service: str | None = identity.TRANSFER


OAUTH, API = "/v2/oauth2", "/v0.10"
OPERATION, TASK = f"{API}/operation/endpoint/{{endpoint_id}}", f"{API}/task/{{task_id}}"
DOORS = [  # tried in this order, so the busiest comes first
    Door("GET", f"{OPERATION}/ls", operations.ls, "path show_hidden filter orderby limit offset"),
    Door("GET", f"{API}/endpoint/{{endpoint_id}}", operations.endpoint),
    Door("GET", f"{OPERATION}/stat", operations.stat, "path"),
    Door("POST", f"{OPERATION}/mkdir", operations.mkdir),
    Door("POST", f"{OPERATION}/rename", operations.rename),
    Door("GET", f"{API}/submission_id", operations.submission_id),
    Door("POST", f"{API}/transfer", operations.transfer),
    Door("POST", f"{API}/delete", operations.delete),
    Door("GET", TASK, operations.task, "format"),
    Door("GET", f"{API}/task_list", operations.task_list, "filter orderby limit offset fields"),
    Door("POST", f"{TASK}/cancel", operations.cancel),
    Door("GET", f"{TASK}/event_list", operations.event_list, "filter limit offset"),
    Door("GET", f"{TASK}/successful_transfers", operations.successful_transfers, "marker"),
    Door("GET", f"{TASK}/skipped_errors", operations.skipped_errors, "marker"),
    Door("GET", "/.well-known/openid-configuration", operations.openid_configuration, "", None),
    Door("GET", "/jwk.json", operations.jwk, "", None),
    Door("GET", f"{OAUTH}/authorize", operations.authorize, None, None),
    Door("POST", f"{OAUTH}/token", operations.token, "", None),
    Door("POST", f"{OAUTH}/token/revoke", operations.revoke, "", None),
    Door("POST", f"{OAUTH}/token/validate", operations.validate, "", None),
    Door(
        "GET",
        "/v2/api/identities/{identity_id}/consents",
        operations.consents,
        "all",
        identity.AUTH,
    ),
]
NO_DOOR = Door("", "", operations.unknown, "", None)


class Sandbox:
    """The service, on 127.0.0.1; `with Sandbox(world) as sandbox:` starts and stops it.

    `port` 0 takes a free one; a port in use raises OSError. `log` is called after each request,
    with it and the seconds it took. `background` lets tasks go on between requests.
    """

    def __init__(
        self,
        world: World,
        port: int = 0,
        log: Callable[[Request, float], object] | None = None,
        *,
        background: bool = False,
    ) -> None:
        self.world = world
        # The option is inherited by connections: an answer in two parts would wait 40 ms.
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._log = log
        self._background = background
        self._failures: list[Exception] = []

    def __enter__(self) -> Sandbox:
        """Start; return when requests are answered."""
        routes = [Route(door.path, self._through(door), methods=[door.method]) for door in DOORS]
        lost = self._through(NO_DOOR)
        app = Starlette(routes=routes, exception_handlers={404: lost, 405: lost})
        self._server = Server(app, self.world.engine.advance if self._background else None)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[self._listener]))
        )
        self._thread.start()
        self._server.ready.wait()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Stop; raise what a hook raised in the meantime, if the block itself did not fail."""
        self._server.stop()
        self._thread.join()
        if self._failures and error is None:
            raise self._failures[0]

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point globus-sdk and the globus client here.

        The slash at the end matters: globus-sdk appends the path of its login page as it is.
        """
        names = [f"GLOBUS_SDK_SERVICE_URL_{service}" for service in ("AUTH", "TRANSFER")]
        return dict.fromkeys(names, f"{self.url}/")

    def _through(self, door: Door) -> Callable[..., Coroutine[Any, Any, Response]]:
        """Return what Starlette calls for a route (or, with the error, for the lack of one)."""

        async def answer(http: HttpRequest, _error: Exception | None = None) -> Response:
            started = time.monotonic()
            pairs = http.query_params.multi_items()
            asked = Request(http.method, http.url.path, door.act.__name__, pairs)
            asked.port = http.client.port if http.client else 0
            self.world.requests.append(asked)
            raw = await http.body()
            try:
                asked.body = _parsed(raw, http.headers.get("content-type", ""))
                response = await self._answer(http, asked, door)
            except RefusalError as refusal:
                response = _refused(refusal, asked.path)
            except identity.GrantError as refusal:
                response = _rendered({"error": refusal.error}, 401 if refusal.credentials else 400)
            except Exception as error:  # noqa: BLE001  a hook's, or a mistake here: none may be missed
                self._failures.append(error)
                response = _refused(RefusalError("InternalError", repr(error)), asked.path)
            if response is not GONE:
                asked.status = response.status_code
            if self._log:
                self._log(asked, time.monotonic() - started)
            return response

        return answer

    async def _answer(self, http: HttpRequest, asked: Request, door: Door) -> Response:
        """Answer one request, with the faults planned for it."""
        world = self.world
        if door.service == identity.TRANSFER and (wait := world.seconds_over_budget()):
            raise RefusalError("TooManyRequests", "Too many requests", retry_after=wait)
        fault = next(world.faults.due(asked), Fault(asked.route))
        if world.latency + fault.delay:
            await asyncio.sleep(world.latency + fault.delay)
        if fault.drop == "before":
            return await self._hang_up(http)
        if fault.status is not None and not fault.after:
            return _planned(fault, fault.status)
        await self._run_hooks(asked, "before")
        try:
            response = self._carry_out(http, asked, door)
        except (RefusalError, identity.GrantError):
            if not fault.after:
                raise
        await self._run_hooks(asked, "after")
        if fault.status is not None:
            return _planned(fault, fault.status)
        if fault.drop == "after":
            return await self._hang_up(http)
        if fault.truncate:
            return _rendered(bytes(response.body)[: len(response.body) // 2])
        return response

    def _carry_out(self, http: HttpRequest, asked: Request, door: Door) -> Response:
        """Check who asks, and that nothing is asked that would be ignored; then do it."""
        kind, _, secret = http.headers.get("authorization", "").partition(" ")
        caller = NOBODY
        if door.service:
            caller = self.world.identity.bearer(secret, door.service)
        names = [name for name, _ in asked.pairs]
        for name in names:
            honoured = door.options is None or name in door.options.split()
            repeatable = name == "filter" and door.act is operations.ls
            if not honoured or (names.count(name) > 1 and not repeatable):
                raise bad_request(f"'{name}': not supported by the local Globus")
        self.world.engine.advance()
        basic = _basic(secret) if kind == "Basic" else None
        document = door.act(Call(self.world, asked, http.path_params, caller, basic, self.url))
        if door.act is operations.authorize:
            return self._handed_over(**document)
        return _rendered(document, 202 if document.get("code") == "Accepted" else 200)

    def _handed_over(self, code: str, state: str, redirect_uri: str) -> Response:
        """Show a code to be pasted, or hand it to a program that waits for it on this machine."""
        if redirect_uri == self.url + CODE_PAGE:
            page = f"<title>Code</title><p>Paste this code:<p><code>{html.escape(code)}</code>"
            return HTMLResponse(page)
        if urlsplit(redirect_uri).hostname not in ("127.0.0.1", "localhost"):
            raise bad_request("'redirect_uri': only this service's own page and this machine")
        return RedirectResponse(f"{redirect_uri}?{urlencode({'code': code, 'state': state})}", 302)

    async def _run_hooks(self, asked: Request, when: When) -> None:
        for planned in self.world.faults.due(asked, when):
            if planned.hook:
                await asyncio.to_thread(planned.hook, asked)

    async def _hang_up(self, http: HttpRequest) -> Response:
        """Close the connection without a word."""
        self._server.hang_up(http.client)
        while (await http.receive())["type"] != "http.disconnect":
            continue
        return GONE


NOBODY = identity.Token("", "", "", "", 0.0)


def _parsed(raw: bytes, content_type: str) -> Any:  # noqa: ANN401
    """Return a body as its content type says: a form or JSON; an empty one is None."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        return json.loads(raw) if raw else None
    except ValueError as error:
        raise bad_request("The body is not JSON") from error


def _basic(text: str) -> tuple[str, str]:
    """Return the client id and secret of HTTP Basic authentication."""
    client, _, secret = base64.b64decode(text).decode().partition(":")
    return client, secret


def _planned(fault: Fault, status: int) -> Response:
    """Return the answer that a fault replaces the real one with."""
    body = "" if fault.body is None else fault.body
    return _rendered(body, status, fault.headers, fault.content_type)


def _rendered(
    body: object,
    status: int = 200,
    headers: dict[str, str] | None = None,
    media_type: str | None = "application/json",
) -> Response:
    """Return an answer: bytes and texts as they are, everything else as JSON."""
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    headers = {"Date": formatdate(time.time(), usegmt=True), **(headers or {})}
    return Response(content, status, headers, media_type=media_type)


def _refused(refusal: RefusalError, path: str) -> Response:
    """Return the error document of a refusal, under its HTTP status."""
    code, wait = refusal.code, refusal.extra.get("retry_after")
    status = STATUS.get(code) or (502 if code.startswith("ExternalError") else 400)
    document = {**documents.result(code, refusal.message, path), **refusal.extra}
    return _rendered(document, status, {"Retry-After": str(wait)} if wait else None)
