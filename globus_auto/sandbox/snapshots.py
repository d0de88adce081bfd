"""Listings of storage that is eventually consistent: they show an earlier state."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
Key = tuple[str, str, str]  # endpoint id, operation, path below the endpoint's directory


class Snapshots:
    """The last answer about each path, and when it was read from disk.

    An answer (an error too, such as "not found") is repeated until it is `lag` seconds old by
    `time.time()`; then the path is read again. Each path and operation ages separately, so a
    listing may show a file that stat does not.
    """

    def __init__(self) -> None:
        self._taken: dict[Key, tuple[float, object]] = {}

    def get(self, key: Key, lag: float, read: Callable[[], Answer]) -> Answer:
        """Return what `read` returns, or what it returned up to `lag` seconds ago."""
        if lag <= 0:
            return read()
        taken, answer = self._taken.get(key, (float("-inf"), None))
        if time.time() - taken >= lag:
            try:
                answer = read()
            except OSError as error:
                answer = error
            self._taken[key] = time.time(), answer
        if isinstance(answer, OSError):
            raise answer
        return answer  # type: ignore[return-value]
