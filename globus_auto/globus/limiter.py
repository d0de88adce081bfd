"""The rate limit of calls to Globus, which all threads share."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator

import globus_sdk

from globus_auto.errors import InvalidResponse
from globus_auto.globus.errors import is_of_service, is_overloaded

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
# Calls at once: more connections than these are of no use to anybody.
CALLS_AT_ONCE = 64
# As many more than a mean needs, because calls do not all take as long as the mean.
AT_ONCE_SHARE = 1.25
# Seconds that a call takes, before any was measured, and the share of the last one in the mean.
USUAL_LATENCY, NEWEST_SHARE = 0.25, 0.125
# Tries of a call for which a collection is overloaded.
OVERLOADED_TRIES = 6


class RateLimiter:
    """A limit of calls per second, shared by all threads and spread evenly; 0 means no limit.

    It also says how many calls at once are of use, `most_at_once` at most (0: CALLS_AT_ONCE), and
    counts how many calls of all threads the service has failed at in a row.
    """

    def __init__(self, calls_per_second: float, most_at_once: int = 0) -> None:
        self._interval = (1 + SPARED) / calls_per_second if calls_per_second else 0.0
        self._next = 0.0
        self._lock = threading.Lock()
        self._failures = 0
        self._latency = 0.0
        self._most = min(most_at_once or CALLS_AT_ONCE, CALLS_AT_ONCE)
        # After a refusal it is halved, and grows by about one in the time of as many calls.
        self._accepted = float(self._most)
        self._refused_at = 0.0

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
    def calls_at_once(self) -> int:
        """How many calls at once use the limit at the measured latency: Little's law."""
        needed: float = self._most
        if self._interval:
            latency = self._latency or USUAL_LATENCY
            needed = math.ceil(AT_ONCE_SHARE * latency / self._interval) + 1
        return max(1, min(self._most, int(self._accepted), int(needed)))

    def answered(self, began: float) -> None:
        """Measure a call that began at `began`, by the monotonic clock."""
        seconds = time.monotonic() - began
        with self._lock:
            share = NEWEST_SHARE if self._latency else 1
            self._latency += share * (seconds - self._latency)
            self._accepted = min(self._most, self._accepted + 1 / self._accepted)

    def refused(self, began: float) -> None:
        """Halve the calls at once: Globus or a collection refused a call that began at `began`.

        It counts once for all calls that were under way together.
        """
        with self._lock:
            if began >= self._refused_at:
                self._refused_at = time.monotonic()
                self._accepted = max(1.0, min(self._accepted, self.calls_at_once) / 2)

    @property
    def service_down(self) -> bool:
        """Whether the service has failed at too many calls in a row to go on."""
        return self._failures >= SERVICE_FAILURES


def limited(
    limiter: RateLimiter, call: Callable[[], globus_sdk.GlobusHTTPResponse]
) -> globus_sdk.GlobusHTTPResponse:
    """Return what `call` returns, within the rate limit; back off in all threads after a 429.

    Do the same if the collection is overloaded. Raise what `call` raises; a 429 only once it has
    been the answer for RATE_LIMIT_SECONDS or RATE_LIMIT_TRIES times, and that the collection is
    overloaded only after OVERLOADED_TRIES.
    """
    began = time.monotonic()
    tries = 0
    while True:
        tries += 1
        limiter.wait()
        called = time.monotonic()
        try:
            response = call()
        except globus_sdk.TransferAPIError as error:
            overloaded = is_overloaded(error)
            if overloaded or error.http_status == 429:
                limiter.refused(called)
            if error.http_status != 429 and not (overloaded and tries < OVERLOADED_TRIES):
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
            limiter.answered(called)
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
