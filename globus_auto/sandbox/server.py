"""The HTTP service: requests, answers and planned faults. It touches no file.

One thread handles one request after the other. Only the waiting (latency, late answers) and the
hooks run beside it, so they delay no other request.
"""

from __future__ import annotations

import asyncio
import html
import socket
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlencode, urlsplit

from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route as HttpRoute

from globus_auto.sandbox import answers, auth_operations, documents, scopes, tokens
from globus_auto.sandbox.call import Call
from globus_auto.sandbox.documents import APIError, bad_request
from globus_auto.sandbox.faults import Fault, Request, When
from globus_auto.sandbox.listener import Server
from globus_auto.sandbox.routes import NO_ROUTE, ROUTES, Route
from globus_auto.sandbox.world import World

SERVICES = ("AUTH", "TRANSFER", "GROUPS", "SEARCH", "FLOWS", "TIMER", "COMPUTE")
CODE_PAGE = "/v2/web/auth-code"  # globus-sdk's redirect_uri for programs without a web server
GLOBUS = "https://auth.globus.org"  # older apps have its page as their redirect_uri
NO_ANSWER = Response()  # marks an answer that is never sent


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

        They name all services, so that no request for one that is not emulated leaves this machine.

        The URLs end in a slash because globus-sdk appends the path of its login page unchanged.
        """
        names = [f"GLOBUS_SDK_SERVICE_URL_{service}" for service in SERVICES]
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
                request.body = answers.parse_body(raw, http.headers.get("content-type", ""))
                response = await self._answer(http, request, route)
            except APIError as error:
                response = answers.error_response(error, request.path)
            except scopes.OAuthError as error:
                response = answers.response(
                    {"error": error.error}, 401 if error.credentials else 400
                )
            except Exception as error:  # noqa: BLE001  from a hook or a bug: __exit__ raises it
                self._failures.append(error)
                response = answers.error_response(
                    APIError("InternalError", repr(error)), request.path
                )
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
            return answers.fault_response(fault, fault.status)
        await self._run_hooks(request, "before")
        try:
            response = self._carry_out(http, request, route)
        except (APIError, scopes.OAuthError):
            if not fault.after:
                raise
        await self._run_hooks(request, "after")
        if fault.status is not None:
            return answers.fault_response(fault, fault.status)
        if fault.drop == "after":
            return await self._hang_up(http)
        if fault.truncate:
            return answers.response(bytes(response.body)[: len(response.body) // 2])
        return response

    def _carry_out(self, http: HttpRequest, request: Request, route: Route) -> Response:
        """Check the token and the query parameters, then run the operation of the route."""
        kind, _, secret = http.headers.get("authorization", "").partition(" ")
        caller = NOBODY
        if route.service:
            caller = self.world.identity.access_token(secret, route.service)
        names = [name for name, _ in request.pairs]
        for name in names if route is not NO_ROUTE else ():
            honoured = route.parameters is None or name in route.parameters.split()
            honoured = honoured or (name == "fields" and route.service == tokens.TRANSFER)
            repeatable = name == "filter" and route is ROUTES[0]
            if not honoured or (names.count(name) > 1 and not repeatable):
                raise bad_request(f"'{name}': not supported by the sandbox")
        self.world.engine.advance()
        basic = answers.parse_basic(secret) if kind == "Basic" else None
        document = route.operation(
            Call(self.world, request, http.path_params, caller, basic, self.url)
        )
        if route.operation is auth_operations.authorize:
            return self._login_response(**document)
        status = 202 if document.get("code") == "Accepted" else 200
        if "fields" in names:
            document = documents.select(document, request.query["fields"].split(","))
        return answers.response(document, status)

    def _login_response(self, code: str, state: str, redirect_uri: str) -> Response:
        """Show a code to paste, or redirect it to a program that waits for it on this machine."""
        if redirect_uri in (self.url + CODE_PAGE, GLOBUS + CODE_PAGE):
            page = f"<title>Code</title><p>Paste this code:<p><code>{html.escape(code)}</code>"
            return HTMLResponse(page)
        if urlsplit(redirect_uri).hostname not in ("127.0.0.1", "localhost"):
            raise bad_request("'redirect_uri': only this service's own page and this machine")
        answer = {"code": code, "state": state} if state else {"code": code}
        return RedirectResponse(f"{redirect_uri}?{urlencode(answer)}", 302)

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
