"""Concurrent scans: a signal ends them, and the order of answers changes nothing."""

import logging
import signal
import threading

import pytest

from tests.lab import Lab

WORKERS = 4
NAMES = [f"d{number:02}/{name}" for number in range(20) for name in ("a", "b")]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_scan_that_waits_for_answers(number: signal.Signals, lab: Lab) -> None:
    lab.configure(LIST_CONCURRENCY=WORKERS)
    lab.given_transferred(*NAMES)
    lab.write("new")
    before = lab.datastore_bytes()
    waiting, answered = threading.Semaphore(0), threading.Event()

    def hold(_request: object) -> None:
        waiting.release()
        answered.wait()

    lab.world.faults.add_hook(
        "ls", hold, times=None, match=lambda request: request.query["path"].startswith("/src/d")
    )
    try:
        with lab.start("transfer") as process:
            for _ in range(WORKERS):
                assert waiting.acquire(timeout=60)
            process.send_signal(number)
            # Without the signal it would wait a minute for each answer.
            _, stderr = process.communicate(timeout=30)
    finally:
        answered.set()
    assert process.returncode == 1
    assert ("stopped by a signal" if number == signal.SIGTERM else "Interrupted") in stderr
    assert "Traceback" not in stderr
    assert (lab.datastore_bytes(), lab.submitted()) == (before, [])
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert "/src/new" in lab.records()


def test_the_order_of_answers_does_not_change_a_submission(lab: Lab) -> None:
    lab.configure(LIST_CONCURRENCY=WORKERS)
    lab.given_transferred("old")
    for name in NAMES:
        lab.write(name)
    # The answers for the first directories come last.
    for number in range(WORKERS):
        lab.world.faults.add(
            "ls",
            match=lambda request, path=f"/src/d{number:02}": request.query["path"] == path,
            delay=(WORKERS - number) / 50,
        )
    assert lab.transfer() == 0
    (document,) = lab.submitted()
    assert [item["source_path"] for item in document["DATA"]] == [f"/src/{name}" for name in NAMES]


@pytest.mark.slow
def test_each_worker_uses_one_connection(lab: Lab, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing warns of connection pools."""
    lab.configure(LIST_CONCURRENCY=32)
    lab.given_transferred(*(f"d{number:03}/a" for number in range(200)))
    assert lab.transfer() == 0
    listings = [request for request in lab.world.requests if request.route == "ls"]
    assert len(listings) > 200
    # The main thread has one more.
    assert len({request.port for request in listings}) <= 32 + 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_one_failing_directory_delays_no_others(lab: Lab) -> None:
    lab.configure(LIST_CONCURRENCY=WORKERS)
    lab.given_transferred("old", *NAMES)
    for name in NAMES:
        lab.write(name, "changed")
    lab.world.faults.add(
        "ls",
        match=lambda request: request.query["path"] == "/src/d07",
        status=502,
        body={"code": "ExternalError.DirListingFailed", "message": "planned", "request_id": "x"},
        times=None,
    )
    assert lab.transfer() == 1
    (document,) = lab.submitted()
    sent = {item["source_path"] for item in document["DATA"]}
    assert sent == {f"/src/{name}" for name in NAMES if not name.startswith("d07/")}
