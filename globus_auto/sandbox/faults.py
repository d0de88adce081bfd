"""What was asked of the local Globus, and what shall go wrong when it is asked again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

ROUTE_NAMES = (
    "openid_configuration jwk authorize token revoke validate consents endpoint ls stat mkdir "
    "rename submission_id transfer delete task task_list cancel event_list successful_transfers "
    "skipped_errors unknown"
)
When = Literal["before", "after"]


@dataclass
class Request:
    """One request as it came in; `status` is None until it is answered, and if it never is.

    `pairs` are the query parameters in order, `body` is the parsed JSON or form.
    """

    method: str
    path: str
    route: str
    pairs: list[tuple[str, str]]
    body: Any = None
    status: int | None = None

    @property
    def query(self) -> dict[str, str]:
        """The query parameters by name, the last of each."""
        return dict(self.pairs)


Match = Callable[[Request], bool]
Hook = Callable[[Request], object]


@dataclass
class Fault:
    """What happens to a request.

    `status` answers so, with `headers` and `body` (a JSON value, str or bytes, None for none), and
    does nothing. `delay` answers that many seconds late. `drop` closes the connection before or
    after the effect. `truncate` sends half of the answer.
    """

    status: int | None = None
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drop: When | None = None
    truncate: bool = False

    def __post_init__(self) -> None:
        """Check what would be ignored otherwise."""
        if self.drop not in (None, "before", "after"):
            raise ValueError(f"drop: {self.drop}")


@dataclass
class _Planned:
    route: str
    what: Fault | tuple[When, Hook]
    times: int | None
    match: Match | None


class Faults:
    """Faults and hooks that wait for the requests they are planned for.

    Each is for the next `times` requests of a route (None: for all) that `match`, if given.
    """

    def __init__(self) -> None:
        self._planned: list[_Planned] = []

    def add(
        self,
        route: str,
        *,
        times: int | None = 1,
        match: Match | None = None,
        **fault: Any,  # noqa: ANN401
    ) -> None:
        """Plan a fault, of the fields of `Fault`. One request meets one fault, the oldest."""
        self._plan(_Planned(route, Fault(**fault), times, match))

    def hook(
        self,
        route: str,
        call: Hook,
        *,
        when: When = "before",
        times: int | None = 1,
        match: Match | None = None,
    ) -> None:
        """Plan to run `call(request)` in a thread of the service, before or after the effect.

        It may block without holding up other requests.
        """
        self._plan(_Planned(route, (when, call), times, match))

    def clear(self) -> None:
        """Forget everything planned."""
        self._planned.clear()

    def fault(self, request: Request) -> Fault:
        """Return, and use up, the fault planned for this request; without one, an empty fault."""
        for planned in self._due(request):
            if isinstance(planned.what, Fault):
                self._use(planned)
                return planned.what
        return Fault()

    def hooks(self, request: Request, when: When) -> list[Hook]:
        """Return, and use up, the hooks planned for this moment of this request."""
        due = []
        for planned in self._due(request):
            if not isinstance(planned.what, Fault) and planned.what[0] == when:
                self._use(planned)
                due.append(planned.what[1])
        return due

    def _plan(self, planned: _Planned) -> None:
        if planned.route not in ROUTE_NAMES.split():
            raise ValueError(f"no such route: {planned.route}")
        self._planned.append(planned)

    def _due(self, request: Request) -> list[_Planned]:
        mine = [planned for planned in self._planned if planned.route == request.route]
        return [planned for planned in mine if planned.match is None or planned.match(request)]

    def _use(self, planned: _Planned) -> None:
        if planned.times is not None:
            planned.times -= 1
            if planned.times <= 0:
                self._planned.remove(planned)
