"""Looking at many directories at once: it ends when asked to, and its order changes nothing."""

import logging
import signal
import threading

import pytest

from tests.conftest import Lab

WORKERS = 4
NAMES = [f"d{number:02}/{name}" for number in range(20) for name in ("a", "b")]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_look_at_once_though_no_answer_comes(
    number: signal.Signals, lab: Lab
) -> None:
    lab.configure(LIST_CONCURRENCY=WORKERS)
    lab.sent(*NAMES)
    lab.write("new")
    before = lab.remembered()
    asked, answered = threading.Semaphore(0), threading.Event()

    def hold(_request: object) -> None:
        asked.release()
        answered.wait()

    lab.world.faults.add_hook(
        "ls", hold, times=None, match=lambda request: request.query["path"].startswith("/src/d")
    )
    try:
        with lab.start("transfer") as process:
            for _ in range(WORKERS):
                assert asked.acquire(timeout=60)
            process.send_signal(number)
            # It would wait for a minute for each answer.
            _, told = process.communicate(timeout=30)
    finally:
        answered.set()
    assert process.returncode == 1
    assert ("stopped by a signal" if number == signal.SIGTERM else "Interrupted") in told
    assert "Traceback" not in told
    assert (lab.remembered(), lab.submitted()) == (before, [])
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert "/src/new" in lab.entries()


def test_the_order_of_answers_changes_nothing_of_what_is_submitted(lab: Lab) -> None:
    lab.configure(LIST_CONCURRENCY=WORKERS)
    lab.sent("old")
    for name in NAMES:
        lab.write(name)
    # The first directories are answered last.
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
def test_each_worker_asks_through_one_connection_and_nobody_warns_of_pools(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    lab.configure(LIST_CONCURRENCY=32)
    lab.sent(*(f"d{number:03}/a" for number in range(200)))
    assert lab.transfer() == 0
    listings = [request for request in lab.world.requests if request.route == "ls"]
    assert len(listings) > 200
    # One more is that of the main thread.
    assert len({request.port for request in listings}) <= 32 + 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_one_directory_that_fails_holds_up_none_of_many(lab: Lab) -> None:
    lab.configure(LIST_CONCURRENCY=WORKERS)
    lab.sent("old", *NAMES)
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
