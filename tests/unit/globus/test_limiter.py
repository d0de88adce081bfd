"""The rate limit: calls are spread evenly, and a 429 makes all threads back off."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import globus_sdk
import pytest

from globus_auto.globus.limiter import RateLimiter, limited
from tests.unit.globus.samples import api_error


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds of each wait, which takes no time; the clock stands still between them."""
    found: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0 + sum(found))
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def test_calls_are_spread_evenly_over_each_second(waits: list[float]) -> None:
    """A little below the limit, since calls arrive less evenly than they start."""
    ten_per_second = RateLimiter(10)
    for _ in range(11):
        ten_per_second.wait()
    assert waits == pytest.approx([0.102] * 10)


def test_without_a_limit_no_call_waits(waits: list[float]) -> None:
    unlimited = RateLimiter(0)
    for _ in range(100):
        unlimited.wait()
    assert waits == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, [7]),
        ({"Retry-After": "0"}, []),
        ({"Retry-After": "-5"}, []),
        ({"Retry-After": "86400"}, [60]),
        ({"Retry-After": "Tue, 24 Nov 2026 10:00:00 GMT"}, [1]),
        ({"Retry-After": "soon"}, [1]),
        ({}, [1]),
    ],
)
def test_a_429_is_obeyed_within_reason(
    waits: list[float], headers: dict[str, str], seconds: list[float]
) -> None:
    answers: list[Any] = [api_error(429, "TooManyRequests", **headers), "an answer"]
    assert limited(RateLimiter(0), lambda: given(answers)) == "an answer"
    assert waits == seconds


def given(answers: list[Any]) -> Any:
    """Return or raise the first of `answers`; the last one stays."""
    answer = answers.pop(0) if len(answers) > 1 else answers[0]
    if isinstance(answer, Exception):
        raise answer
    return answer


@pytest.mark.parametrize(("after", "number"), [("60", 5), ("20", 15), ("1", 30), ("0", 0)])
def test_a_service_that_is_always_busy_is_given_up(
    waits: list[float], after: str, number: int
) -> None:
    """After 30 tries or five minutes, whichever comes first."""
    answers: list[Any] = [api_error(429, "TooManyRequests", **{"Retry-After": after})]
    with pytest.raises(globus_sdk.TransferAPIError):
        limited(RateLimiter(0), lambda: given(answers))
    assert (len(waits), sum(waits) <= 300) == (number, True)


@pytest.mark.parametrize(
    ("answers", "down"),
    [
        ([500] * 5, True),
        ([500] * 4, False),
        ([500, 500, 500, 500, 404, 500], False),
        ([404] * 9, False),
        ([429, *[500] * 5], True),
    ],
)
def test_five_failures_in_a_row_mean_that_the_service_is_down(
    waits: list[float], answers: list[int], down: bool
) -> None:
    shared = RateLimiter(0)
    codes = {404: "NotFound", 429: "TooManyRequests", 500: "InternalError"}
    errors: list[Any] = [api_error(status, codes[status]) for status in answers]
    for _ in range(len(answers) - answers.count(429)):  # a 429 is tried again at once
        with pytest.raises(globus_sdk.TransferAPIError):
            limited(shared, lambda: given(errors))
    assert shared.service_down is down
    assert len(waits) == answers.count(429)


@pytest.mark.parametrize(
    ("rate", "most", "latency", "number"),
    [
        (20, 0, 0.01, 2),
        (20, 0, 0.25, 8),
        (20, 0, 1, 26),
        (20, 0, 2, 51),
        (20, 0, 9, 64),
        (20, 8, 2, 8),
        (20, 8, 0.01, 2),
        (20, 1, 2, 1),
        (0, 0, 2, 64),
        (0, 8, 2, 8),
    ],
)
def test_as_many_calls_at_once_as_the_rate_and_the_latency_need(
    waits: list[float], rate: float, most: int, latency: float, number: int
) -> None:
    shared = RateLimiter(rate, most)
    call(shared, waits, latency)
    assert shared.calls_at_once == number


def call(shared: RateLimiter, waits: list[float], latency: float) -> None:
    """Make a call that lasts `latency` seconds."""
    limited(shared, lambda: waits.append(latency))  # type: ignore[arg-type, return-value]


def test_the_calls_at_once_follow_the_latency_both_ways(waits: list[float]) -> None:
    shared = RateLimiter(20)
    assert shared.calls_at_once == 8  # before any was measured
    for latency, number in ((2, 51), (0.25, 8), (1, 26)):
        for _ in range(60):
            call(shared, waits, latency)
        assert abs(shared.calls_at_once - number) <= 1


@pytest.mark.parametrize(
    "refuse",
    [
        lambda: api_error(429, "TooManyRequests"),
        lambda: api_error(502, "ExternalError.DirListingFailed.EndpointTooBusy"),
        lambda: api_error(502, "EndpointError", message="550 v=1 c=ENDPOINT_TOO_BUSY"),
    ],
    ids=["429", "code", "message"],
)
def test_a_refusal_halves_the_calls_at_once(
    waits: list[float], refuse: Callable[[], Exception]
) -> None:
    """It counts once for calls that were under way together; then they grow again slowly."""
    shared = RateLimiter(20)
    for _ in range(60):
        call(shared, waits, 2)
    answers: list[Any] = [refuse(), "an answer"]
    assert limited(shared, lambda: given(answers)) == "an answer"
    assert shared.calls_at_once == 25
    shared.refused(0.0)
    assert shared.calls_at_once == 25
    for _ in range(30):
        call(shared, waits, 2)
    assert shared.calls_at_once == 26
    for _ in range(10):
        shared.refused(time.monotonic())
    assert shared.calls_at_once == 1


def test_a_collection_that_stays_too_busy_is_given_up(waits: list[float]) -> None:
    answers: list[Any] = [api_error(502, "EndpointTooBusy")]
    with pytest.raises(globus_sdk.TransferAPIError):
        limited(RateLimiter(0), lambda: given(answers))
    assert waits == [1] * 5
