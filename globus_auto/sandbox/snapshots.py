"""Listings of storage that is eventually consistent: they show the state of some time ago."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
Key = tuple[str, str, str]  # endpoint id, operation, path below the endpoint's directory


class Snapshots:
    """What each path showed when it was last looked at on disk, and when that was.

    A path is looked at when it is first asked for. That answer, also that there is nothing, is
    repeated until it is `lag` seconds old by `time.time()`; then the path is looked at again. Paths
    and operations go out of date each for itself, so a listing may show a file that stat does not.
    """

    def __init__(self) -> None:
        self._taken: dict[Key, tuple[float, object]] = {}

    def get(self, key: Key, lag: float, read: Callable[[], Answer]) -> Answer:
        """Return what `look` returns, or what it returned up to `lag` seconds ago."""
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
