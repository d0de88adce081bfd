"""The rate limit of calls to Globus, which all threads share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import globus_sdk

from globus_auto.errors import InvalidResponse
from globus_auto.globus.errors import is_of_service

RATE_LIMIT_TRIES = 30
# Seconds. A Retry-After may ask for any time, by mistake or from a proxy; a run that obeyed it
# would hold its lock for as long, without a message.
RETRY_AFTER_MOST = 60
# Seconds for which 429s may hold up one call before the next of them ends the run.
RATE_LIMIT_SECONDS = 300
# After so many failures of the service itself in a row, it counts as down: globus-sdk tries each
# listing for a quarter of a minute, and a tree has thousands.
SERVICE_FAILURES = 5
# The share of the calls that is left for those outside the rate limiter, and because calls do not
# arrive as evenly as they start: one too many costs a second.
SPARED = 0.02


class RateLimiter:
    """A limit of calls per second, shared by all threads and spread evenly; 0 means no limit.

    It also counts how many calls of all threads the service has failed at in a row.
    """

    def __init__(self, calls_per_second: float) -> None:
        self._interval = (1 + SPARED) / calls_per_second if calls_per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        self._failures = 0

    def wait(self) -> None:
        """Wait until the next call may start."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._interval
        if start > now:
            time.sleep(start - now)

    def back_off(self, seconds: float) -> None:
        """Start no call of any thread for so many `seconds`: Globus asked for a pause."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def count(self, *, failed: bool) -> None:
        """Count a call at which the service failed; any other answer starts the count again."""
        with self._lock:
            self._failures = self._failures + 1 if failed else 0

    @property
    def service_down(self) -> bool:
        """Whether the service has failed at too many calls in a row to go on."""
        return self._failures >= SERVICE_FAILURES


def limited(
    limiter: RateLimiter, call: Callable[[], globus_sdk.GlobusHTTPResponse]
) -> globus_sdk.GlobusHTTPResponse:
    """Return what `call` returns, within the rate limit; back off in all threads after a 429.

    Raise what `call` raises. Raise a 429 as well once it has been the answer for RATE_LIMIT_SECONDS
    or RATE_LIMIT_TRIES times.
    """
    began = time.monotonic()
    tries = 0
    while True:
        tries += 1
        limiter.wait()
        try:
            response = call()
        except globus_sdk.TransferAPIError as error:
            if error.http_status != 429:
                limiter.count(failed=is_of_service(error))
                raise
            limiter.count(failed=False)
            seconds = _retry_after(error)
            waited = time.monotonic() - began
            if tries > RATE_LIMIT_TRIES or waited + seconds > RATE_LIMIT_SECONDS:
                raise
            limiter.back_off(seconds)
        except TypeError as error:
            # globus_sdk's retry rule raises this for a 5xx whose JSON is not an object with a code.
            raise InvalidResponse(f"Globus sent no whole error document: {error}") from error
        else:
            limiter.count(failed=False)
            return response


def _retry_after(error: globus_sdk.TransferAPIError) -> int:
    """Return for how many seconds a 429 asks to back off, 1 if it does not say."""
    try:
        seconds = int(error.headers.get("Retry-After", ""))
    except ValueError:
        # A date, which is useful only if both clocks agree, or nonsense.
        seconds = 1
    return min(max(seconds, 0), RETRY_AFTER_MOST)


def pauses(seconds: float) -> Iterator[None]:
    """Yield at once, then after growing pauses until they add up to `seconds`."""
    pause, slept = 0.5, 0.0
    yield
    while slept < seconds:
        time.sleep(pause)
        slept += pause
        pause = min(pause * 1.5, 10)
        yield
