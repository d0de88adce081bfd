"""A request to carry out, as the operations see it.

The operations know no HTTP: parameters and documents come in, a document goes out, and a rejection
is raised as APIError or OAuthError.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from globus_auto.sandbox import documents, renderers, tokens
from globus_auto.sandbox.documents import Document, bad_request
from globus_auto.sandbox.endpoints import Endpoint
from globus_auto.sandbox.faults import Request
from globus_auto.sandbox.tasks import Task
from globus_auto.sandbox.world import World

FLAGS = {"true": True, "1": True, "false": False, "0": False}
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

    def flag(self, name: str, *, default: bool) -> bool:
        """Return a query parameter that must be a truth value: a word, or 1 or 0."""
        text = self.text(name, str(default)).lower()
        if text not in FLAGS:
            raise bad_request(f"'{name}': {text!r} is neither true nor false")
        return FLAGS[text]

    def result(self, code: str, message: str, data_type: str = "result") -> Document:
        """Return the answer to an operation."""
        return {"DATA_TYPE": data_type, **documents.result(code, message, self.request.path)}

    def open_endpoint(self, failure: str) -> AbstractContextManager[Endpoint]:
        """Yield the endpoint named in the path; see `World.open_endpoint`."""
        return self.world.open_endpoint(self.parts["endpoint_id"], self.caller, failure)

    @property
    def form(self) -> dict[str, Any]:
        """The fields of a form or of a JSON document."""
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
