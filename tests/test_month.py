"""A month at destinations that make it hard to tell whether a copy is the right one: no loops."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.conftest import Lab, files

HOUR, DAY = 3600, 86_400  # seconds
DAYS, RUNS_A_DAY = 30, 8


def times_sent(lab: Lab) -> Counter[str]:
    """Return how often each file was sent: named by a task, or copied by a recursive one."""
    sent: Counter[str] = Counter()
    for task in lab.world.tasks.values():
        if task.submission.kind != "TRANSFER":
            continue
        if task.submission.items[0].recursive:
            sent.update(document["source_path"] for document in task.successes)
        else:
            sent.update(item.source for item in task.submission.items)
    return sent


@pytest.mark.slow
@pytest.mark.parametrize(
    "storage",
    [
        {"keeps_mtimes": False},
        {"keeps_mtimes": False, "clock": HOUR},
        {"ignores_case": True},
        {"keeps_mtimes": False, "clock": HOUR, "ignores_case": True},
    ],
    ids=["no times", "an hour ahead", "no case", "all of it"],
)
def test_in_a_month_each_file_is_sent_at_most_three_times(
    lab: Lab, storage: dict[str, Any]
) -> None:
    """Files appear every few hours; Globus's list of tasks forgets after a day; --full weekly."""
    for name, value in storage.items():
        setattr(lab.dst, name, value)
    lab.world.task_list_memory = DAY
    lab.configure(DST_DIR="/dst/archive")
    written = 0
    for day in range(DAYS):
        for turn in range(RUNS_A_DAY):
            if turn % 3 == 0:
                written += 1
                lab.write(f"run {day}/scan {written}", f"content {written}", age=60)
            full = ["--full"] * (day % 7 == 6 and turn == 0)
            assert lab.transfer(*full) in (0, 1)
            lab.later(HOUR)
            assert lab.delete() in (0, 1)
            lab.later(2 * HOUR - 0.1)
    for _ in range(4):
        lab.transfer()
        lab.later(DAY)
        lab.delete()
    assert files(lab.source) == {}
    assert len(files(lab.destination)) == written
    assert lab.alerts() == {}
    sent = times_sent(lab)
    assert len(sent) == written
    assert max(sent.values()) <= 3, sent.most_common(3)
    # A copy whose time tells nothing is sent twice: Globus finds it equal the second time.
    wanted = 1 if lab.dst.keeps_mtimes or not lab.dst.clock else 2
    assert Counter(sent.values()).most_common(1)[0][0] <= wanted
