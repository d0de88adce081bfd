"""How far a task is: share, rate and time left, from what Globus reports."""

from __future__ import annotations

from typing import Any

import pytest

from globus_auto.globus import TaskDocument
from globus_auto.report.progress import progress_in

TASK: dict[str, Any] = {"task_id": "t", "status": "ACTIVE", "files": 4}
HALF = {"files_transferred": 2, "bytes_transferred": 500_000, "effective_bytes_per_second": 5e4}


@pytest.mark.parametrize(
    ("document", "size", "said"),
    [
        (TASK | HALF, 1_000_000, "50%, 2 of 4 files, 500.0 kB, 50.0 kB/s, 0:10 left"),
        (TASK | HALF, 400_000_000, "0%, 2 of 4 files, 500.0 kB, 50.0 kB/s, 2 h 13 min left"),
        # Without the number of bytes the files count, and how long it takes is not known.
        (TASK | HALF, 0, "50%, 2 of 4 files, 500.0 kB, 50.0 kB/s"),
        # Files that are equal are not copied.
        (TASK | HALF | {"files_skipped": 2}, 1_000_000, "100%, 4 of 4 files, 500.0 kB, 50.0 kB/s"),
        (TASK, 1_000_000, "0%, 0 of 4 files"),
        (TASK | {"files": 1}, 10, "0%, 0 of 1 file"),
        (TASK | {"files": None}, 0, "0 files"),
        (TASK | {"files": None, "files_transferred": 1}, 0, "1 file"),
        (TASK | {"status": "SUCCEEDED"}, 0, "100%, 4 of 4 files"),
        (TASK | HALF | {"status": "SUCCEEDED"}, 9, "100%, 4 of 4 files, 500.0 kB, 50.0 kB/s"),
    ],
)
def test_progress_has_share_rate_and_time_left(
    document: dict[str, Any], size: int, said: str
) -> None:
    assert str(progress_in(TaskDocument(**document), size)) == said
