"""The HTTP service: routes, answers and planned faults. It touches no file.

One thread handles one request after the other. Only the waiting (latency, late answers) and the
hooks run beside it, so they delay no other request.
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
from starlette.routing import Route as HttpRoute

from globus_auto.sandbox import documents, identity, operations, tokens
from globus_auto.sandbox.documents import APIError, Document, bad_request
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
CODE_PAGE = "/v2/web/auth-code"  # globus-sdk's redirect_uri for programs without a web server
NO_ANSWER = Response()  # marks an answer that is never sent


@dataclass(frozen=True)
class Route:
    """A route: its operation, the query parameters it supports, the service of its tokens."""

    method: str
    path: str
    operation: Callable[[Call], Document]
    parameters: str | None = ""  # None: the operation checks them
    service: str | None = tokens.TRANSFER


OAUTH, API = "/v2/oauth2", "/v0.10"
OPERATION, TASK = f"{API}/operation/endpoint/{{endpoint_id}}", f"{API}/task/{{task_id}}"
ROUTES = [  # tried in this order, so the busiest comes first
    Route("GET", f"{OPERATION}/ls", operations.ls, "path show_hidden filter orderby limit offset"),
    Route("GET", f"{API}/endpoint/{{endpoint_id}}", operations.endpoint),
    Route("GET", f"{OPERATION}/stat", operations.stat, "path"),
    Route("POST", f"{OPERATION}/mkdir", operations.mkdir),
    Route("POST", f"{OPERATION}/rename", operations.rename),
    Route("GET", f"{API}/submission_id", operations.submission_id),
    Route("POST", f"{API}/transfer", operations.transfer),
    Route("POST", f"{API}/delete", operations.delete),
    Route("GET", TASK, operations.task, "format"),
    Route("GET", f"{API}/task_list", operations.task_list, "filter orderby limit offset fields"),
    Route("POST", f"{TASK}/cancel", operations.cancel),
    Route("GET", f"{TASK}/event_list", operations.event_list, "filter limit offset"),
    Route("GET", f"{TASK}/successful_transfers", operations.successful_transfers, "marker"),
    Route("GET", f"{TASK}/skipped_errors", operations.skipped_errors, "marker"),
    Route("GET", "/.well-known/openid-configuration", operations.openid_configuration, "", None),
    Route("GET", "/jwk.json", operations.jwk, "", None),
    Route("GET", f"{OAUTH}/authorize", operations.authorize, None, None),
    Route("POST", f"{OAUTH}/token", operations.token, "", None),
    Route("POST", f"{OAUTH}/token/revoke", operations.revoke, "", None),
    Route("POST", f"{OAUTH}/token/validate", operations.validate, "", None),
    Route(
        "GET",
        "/v2/api/identities/{identity_id}/consents",
        operations.consents,
        "all",
        tokens.AUTH,
    ),
]
NO_ROUTE = Route("", "", operations.unknown, "", None)


class Sandbox:
    """The service, on 127.0.0.1; `with Sandbox(world) as sandbox:` starts and stops it.

    `port` 0 means a free port; a port in use raises OSError. `log` is called after each request
    with the request and the seconds it took. With `background`, tasks continue between requests.
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
        # Connections inherit this option. Without it, an answer in two parts would wait 40 ms.
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._log = log
        self._background = background
        self._failures: list[Exception] = []

    def __enter__(self) -> Sandbox:
        """Start the service; return when it answers requests."""
        routes = [
            HttpRoute(route.path, self._handler(route), methods=[route.method]) for route in ROUTES
        ]
        lost = self._handler(NO_ROUTE)
        app = Starlette(routes=routes, exception_handlers={404: lost, 405: lost})
        self._server = Server(app, self.world.engine.advance if self._background else None)
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._server.serve(sockets=[self._listener]))
        )
        self._thread.start()
        self._server.ready.wait()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Stop the service; raise what a hook raised meanwhile, unless the block itself failed."""
        self._server.stop()
        self._thread.join()
        if self._failures and error is None:
            raise self._failures[0]

    def environment(self) -> dict[str, str]:
        """Return the environment variables that point globus-sdk and the globus client here.

        The URLs end in a slash because globus-sdk appends the path of its login page unchanged.
        """
        names = [f"GLOBUS_SDK_SERVICE_URL_{service}" for service in ("AUTH", "TRANSFER")]
        return dict.fromkeys(names, f"{self.url}/")

    def _handler(self, route: Route) -> Callable[..., Coroutine[Any, Any, Response]]:
        """Return the handler of a route; Starlette also passes the error for an unknown path."""

        async def answer(http: HttpRequest, _error: Exception | None = None) -> Response:
            started = time.monotonic()
            pairs = http.query_params.multi_items()
            request = Request(http.method, http.url.path, route.operation.__name__, pairs)
            request.port = http.client.port if http.client else 0
            self.world.requests.append(request)
            raw = await http.body()
            try:
                request.body = _parse_body(raw, http.headers.get("content-type", ""))
                response = await self._answer(http, request, route)
            except APIError as error:
                response = _error_response(error, request.path)
            except identity.OAuthError as error:
                response = _response({"error": error.error}, 401 if error.credentials else 400)
            except Exception as error:  # noqa: BLE001  from a hook or a bug: __exit__ raises it
                self._failures.append(error)
                response = _error_response(APIError("InternalError", repr(error)), request.path)
            if response is not NO_ANSWER:
                request.status = response.status_code
            if self._log:
                self._log(request, time.monotonic() - started)
            return response

        return answer

    async def _answer(self, http: HttpRequest, request: Request, route: Route) -> Response:
        """Answer one request, with the faults planned for it."""
        world = self.world
        if route.service == tokens.TRANSFER and (wait := world.retry_after()):
            raise APIError("TooManyRequests", "Too many requests", retry_after=wait)
        fault = next(world.faults.take(request), Fault(request.route))
        if world.latency + fault.delay:
            await asyncio.sleep(world.latency + fault.delay)
        if fault.drop == "before":
            return await self._hang_up(http)
        if fault.status is not None and not fault.after:
            return _fault_response(fault, fault.status)
        await self._run_hooks(request, "before")
        try:
            response = self._carry_out(http, request, route)
        except (APIError, identity.OAuthError):
            if not fault.after:
                raise
        await self._run_hooks(request, "after")
        if fault.status is not None:
            return _fault_response(fault, fault.status)
        if fault.drop == "after":
            return await self._hang_up(http)
        if fault.truncate:
            return _response(bytes(response.body)[: len(response.body) // 2])
        return response

    def _carry_out(self, http: HttpRequest, request: Request, route: Route) -> Response:
        """Check the token and the query parameters, then run the operation of the route."""
        kind, _, secret = http.headers.get("authorization", "").partition(" ")
        caller = NOBODY
        if route.service:
            caller = self.world.identity.access_token(secret, route.service)
        names = [name for name, _ in request.pairs]
        for name in names:
            honoured = route.parameters is None or name in route.parameters.split()
            repeatable = name == "filter" and route.operation is operations.ls
            if not honoured or (names.count(name) > 1 and not repeatable):
                raise bad_request(f"'{name}': not supported by the sandbox")
        self.world.engine.advance()
        basic = _parse_basic(secret) if kind == "Basic" else None
        document = route.operation(
            Call(self.world, request, http.path_params, caller, basic, self.url)
        )
        if route.operation is operations.authorize:
            return self._login_response(**document)
        return _response(document, 202 if document.get("code") == "Accepted" else 200)

    def _login_response(self, code: str, state: str, redirect_uri: str) -> Response:
        """Show a code to paste, or redirect it to a program that waits for it on this machine."""
        if redirect_uri == self.url + CODE_PAGE:
            page = f"<title>Code</title><p>Paste this code:<p><code>{html.escape(code)}</code>"
            return HTMLResponse(page)
        if urlsplit(redirect_uri).hostname not in ("127.0.0.1", "localhost"):
            raise bad_request("'redirect_uri': only this service's own page and this machine")
        return RedirectResponse(f"{redirect_uri}?{urlencode({'code': code, 'state': state})}", 302)

    async def _run_hooks(self, request: Request, when: When) -> None:
        for planned in self.world.faults.take(request, when):
            if planned.hook:
                await asyncio.to_thread(planned.hook, request)

    async def _hang_up(self, http: HttpRequest) -> Response:
        """Close the connection without an answer."""
        self._server.hang_up(http.client)
        while (await http.receive())["type"] != "http.disconnect":
            continue
        return NO_ANSWER


NOBODY = tokens.Token("", "", "", "", 0.0)


def _parse_body(raw: bytes, content_type: str) -> Any:  # noqa: ANN401
    """Return a body parsed by its content type, form or JSON; None for an empty one."""
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True))
    try:
        return json.loads(raw) if raw else None
    except ValueError as error:
        raise bad_request("The body is not JSON") from error


def _parse_basic(text: str) -> tuple[str, str]:
    """Return the client id and secret of HTTP Basic authentication."""
    client, _, secret = base64.b64decode(text).decode().partition(":")
    return client, secret


def _fault_response(fault: Fault, status: int) -> Response:
    """Return the answer that a fault sends instead of the real one."""
    body = "" if fault.body is None else fault.body
    return _response(body, status, fault.headers, fault.content_type)


def _response(
    body: object,
    status: int = 200,
    headers: dict[str, str] | None = None,
    media_type: str | None = "application/json",
) -> Response:
    """Return an answer; bytes and str are sent unchanged, everything else as JSON."""
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    headers = {"Date": formatdate(time.time(), usegmt=True), **(headers or {})}
    return Response(content, status, headers, media_type=media_type)


def _error_response(error: APIError, path: str) -> Response:
    """Return the error document of an API error, with its HTTP status."""
    code, wait = error.code, error.extra.get("retry_after")
    status = STATUS.get(code) or (502 if code.startswith("ExternalError") else 400)
    document = {**documents.result(code, error.message, path), **error.extra}
    return _response(document, status, {"Retry-After": str(wait)} if wait else None)
