"""What was asked of the local Globus, and what shall go wrong when it is asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Literal

ROUTE_NAMES = (
    "openid_configuration jwk authorize token revoke validate consents endpoint ls stat mkdir "
    "rename submission_id transfer delete task task_list cancel event_list successful_transfers "
    "skipped_errors unknown"
)
PROXY_PAGE = """\
<html><head><title>{status} {phrase}</title></head>
<body><h1>{phrase}</h1><p>The proxy has no other answer to your request.</p></body></html>
"""
When = Literal["before", "after"]


@dataclass
class Request:
    """One request as it came in; `status` is None until it is answered, and if it never is.

    `pairs` are the query parameters in order, `body` is the parsed JSON or form, `port` is the
    client's: one for each connection.
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
    """What happens to the next `times` requests of a route (None: to all) that `match`, if given.

    `status` answers so, with `headers`, `content_type` (None: without) and `body` (a JSON value,
    str or bytes, None for none), and does nothing; with `after` it does first what was asked.
    `delay` answers that many seconds late. `drop` closes the connection before or after the effect.
    `truncate` sends half of the answer. A `hook` is called `when` it says.
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
        """Check what would be ignored otherwise."""
        if self.route not in ROUTE_NAMES.split():
            raise ValueError(f"no such route: {self.route}")
        if self.drop not in (None, "before", "after"):
            raise ValueError(f"drop: {self.drop}")
        if self.after and self.status is None:
            raise ValueError("after: needs a status")


class Faults:
    """Faults and hooks that wait for the requests they are planned for."""

    def __init__(self) -> None:
        self._planned: list[Fault] = []

    def add(self, route: str, **fault: Any) -> None:  # noqa: ANN401
        """Plan a fault, of the fields of `Fault`. One request meets one fault, the oldest."""
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
        """Let a proxy in front of Globus answer, with an HTML page or without a body.

        With `after` the request has its effect, and Globus's answer is lost. `times` and `match`
        are as in `Fault`.
        """
        phrase = HTTPStatus(status).phrase
        answer: dict[str, Any] = {"body": "", "content_type": None}
        if html:
            body = PROXY_PAGE.format(status=status, phrase=phrase)
            answer = {"body": body, "content_type": "text/html"}
        self.add(route, status=status, times=times, after=after, match=match, **answer)

    def add_hook(self, route: str, call: Hook, *, when: When = "before", **fault: Any) -> None:  # noqa: ANN401
        """Plan to run `call(request)` in a thread of the service, before or after the effect.

        It may block without holding up other requests.
        """
        self.add(route, hook=call, when=when, **fault)

    def clear(self) -> None:
        """Forget everything planned."""
        self._planned.clear()

    def take(self, request: Request, when: When | None = None) -> Iterator[Fault]:
        """Give, and use up one by one, what is planned for this request.

        That is its faults, oldest first, or with `when` its hooks of that moment.
        """
        for fault in list(self._planned):
            fits = (fault.route, fault.when) == (request.route, when)
            if not fits or (fault.match and not fault.match(request)):
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times <= 0:
                    self._planned.remove(fault)
            yield fault
