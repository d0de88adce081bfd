"""Requests to the sandbox, and the faults planned for the next ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

ROUTE_NAMES = (
    "openid_configuration jwk authorize token revoke validate consents endpoint ls stat mkdir "
    "rename submission_id transfer delete task task_list cancel event_list successful_transfers "
    "skipped_errors userinfo introspect identities create_client delete_client endpoint_search "
    "update pause_info unknown"
)
PROXY_PAGE = """\
<html><head><title>{status} {phrase}</title></head>
<body><h1>{phrase}</h1><p>The proxy has no other answer to your request.</p></body></html>
"""
When = Literal["before", "after"]


@dataclass
class Request:
    """One request; `status` stays None while there is no answer, and if there never is one.

    `pairs` are the query parameters in order, `body` is the parsed JSON or form. `port` is the
    client's port, which identifies the connection.
    """

    method: str
    path: str
    route: str
    pairs: list[tuple[str, str]]
    body: Any = None
    status: int | None = None
    port: int = 0

    @property
    def query(self) -> dict[str, str]:
        """The query parameters by name, the last of each."""
        return dict(self.pairs)


Match = Callable[[Request], bool]
Hook = Callable[[Request], object]


@dataclass(eq=False)
class Fault:
    """A fault of the next `times` requests of a route (None: of all) for which `match` is true.

    * `status`: answer with it, with `headers`, `content_type` (None: without) and `body` (a JSON
      value, str or bytes; None: empty), and do nothing. With `after`, carry out the request first.
    * `delay`: answer that many seconds late.
    * `drop`: close the connection before or after the request has taken effect.
    * `truncate`: send half of the answer.
    * `hook`: a function to call before or after the effect, as `when` says.
    """

    route: str
    times: int | None = 1
    match: Match | None = None
    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str | None = "application/json"
    after: bool = False
    delay: float = 0.0
    drop: When | None = None
    truncate: bool = False
    hook: Hook | None = None
    when: When | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for a fault that would never have an effect."""
        if self.route not in ROUTE_NAMES.split():
            raise ValueError(f"no such route: {self.route}")
        if self.drop not in (None, "before", "after"):
            raise ValueError(f"drop: {self.drop}")
        if self.after and self.status is None:
            raise ValueError("after: needs a status")


class Faults:
    """The planned faults and hooks, each waiting for its request."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def add(self, route: str, **fault: Any) -> None:  # noqa: ANN401
        """Plan a fault, given by the fields of `Fault`. A request meets one fault, the oldest."""
        self._planned.append(Fault(route, **fault))

    def add_proxy(
        self,
        route: str,
        status: int = 403,
        times: int | None = 1,
        after: bool = False,
        html: bool = True,
        match: Match | None = None,
    ) -> None:
        """Plan that a proxy in front of Globus answers, with an HTML page or without a body.

        With `after` the request takes effect first, and Globus's answer is lost. `times` and
        `match` are those of `Fault`.
        """
        phrase = HTTPStatus(status).phrase
        answer: dict[str, Any] = {"body": "", "content_type": None}
        if html:
            body = PROXY_PAGE.format(status=status, phrase=phrase)
            answer = {"body": body, "content_type": "text/html"}
        self.add(route, status=status, times=times, after=after, match=match, **answer)

    def add_hook(self, route: str, call: Hook, *, when: When = "before", **fault: Any) -> None:  # noqa: ANN401
        """Plan to call `call(request)` in a thread, before or after the request takes effect.

        It may block without delaying other requests.
        """
        self.add(route, hook=call, when=when, **fault)

    def clear(self) -> None:
        """Discard everything planned."""
        self._planned.clear()

    def take(self, request: Request, when: When | None = None) -> Iterator[Fault]:
        """Yield what is planned for this request, and count each one down as it is taken.

        These are its faults, oldest first, or with `when` its hooks for that moment.
        """
        for fault in list(self._planned):
            matches = (fault.route, fault.when) == (request.route, when)
            if not matches or (fault.match and not fault.match(request)):
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._planned.remove(fault)
            yield fault
