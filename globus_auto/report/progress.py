"""Progress of long work, on a terminal only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import ProgressColumn, TextColumn, TimeElapsedColumn

from globus_auto.context import RunContext
from globus_auto.globus import TaskDocument
from globus_auto.steps.session import Progress
from globus_auto.text import counted, sized
from globus_auto.walk import DirectoryListing, ListingResult

# Columns for the figures of a scan: a long path before them is cut, never the figures.
SCAN_FIGURES = 62


def progress_of(context: RunContext) -> Progress:
    """Return where the steps of a run report their progress: to a terminal, if there is one."""
    return TerminalProgress() if context.shows_progress else Progress()


class TaskProgress(NamedTuple):
    """How far a task is: files and bytes done, of how many, and bytes a second; None: unknown.

    `size` is what Globus still has to copy and has copied: files that it skips, because they are
    equal, are left out.
    """

    files_done: int
    files: int | None
    bytes_done: int
    size: int
    rate: float | None

    @property
    def share(self) -> float | None:
        """The share that is done, from 0 to 1, by bytes if their number is known."""
        if self.size:
            return min(self.bytes_done / self.size, 1)
        return min(self.files_done / self.files, 1) if self.files else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at the rate so far; None if that is unknown."""
        if not (self.size and self.rate):
            return None
        return max(self.size - self.bytes_done, 0) / self.rate

    def __str__(self) -> str:
        files = f"{self.files_done} of {counted(self.files, 'file')}" if self.files else ""
        left = self.seconds_left
        parts = [
            f"{self.share:.0%}" if self.share is not None else "",
            files or counted(self.files_done, "file"),
            sized(self.bytes_done) if self.bytes_done else "",
            f"{sized(self.rate)}/s" if self.rate else "",
            f"{clock(left)} left" if left else "",
        ]
        return ", ".join(part for part in parts if part)


def clock(seconds: float) -> str:
    """Return a time span as minutes and seconds, or as hours and minutes: 1:05, 2 h 10 min."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}:{rest:02}"
    return f"{minutes // 60} h {minutes % 60} min"


def progress_in(document: TaskDocument, size: int) -> TaskProgress:
    """Return the progress that the document of a task shows; the task has `size` bytes.

    0 bytes means that their number is unknown.
    """
    skipped = document.files_skipped or 0
    done = (document.files_transferred or 0) + skipped
    if document.status == "SUCCEEDED":  # delete tasks report no counts before they end
        done = document.files or done
    if document.files:
        size = round(size * max(document.files - skipped, 0) / document.files)
    copied = document.bytes_transferred or 0
    if document.status == "SUCCEEDED":
        size = copied
    return TaskProgress(done, document.files, copied, size, document.effective_bytes_per_second)


class TerminalProgress(Progress):
    """Progress on the terminal, in a line that goes away at the end.

    Whatever is logged meanwhile appears above that line.
    """

    @contextmanager
    def _line(self, what: str, *more: ProgressColumn) -> Iterator[Callable[[str], None]]:
        """Yield a function that shows figures after `what`, and then `more`."""
        # Lines that are logged are as long as they should be: rich wraps none of them.
        console = Console(stderr=True, soft_wrap=True)
        # Names of files may look like rich's markup.
        text = TextColumn("{task.description}: {task.fields[figures]}", markup=False)
        with Bar(text, *more, console=console, transient=True) as bar:
            line = bar.add_task(what, total=None, figures="begins")
            yield lambda figures: bar.update(line, figures=figures)

    def scan(self, results: Iterable[ListingResult], what: str) -> Iterator[ListingResult]:
        """Yield `results`, and count directories and files on the terminal."""
        room = max(Console(stderr=True).width - SCAN_FIGURES, 10)
        what = what if len(what) <= room else f"...{what[3 - room :]}"
        with self._line(what, TimeElapsedColumn()) as show:
            files = 0
            began = time.monotonic()
            for directories, result in enumerate(results, 1):
                files += len(result.files) if isinstance(result, DirectoryListing) else 0
                rate = directories / max(time.monotonic() - began, 0.1)
                found = counted(directories, "directory", "directories")
                show(f"{found}, {counted(files, 'file')}, {rate:.0f} directories/s")
                yield result

    @contextmanager
    def task(self, what: str, size: int = 0) -> Iterator[Callable[[TaskDocument], None]]:
        """Yield a function that shows a task's files, bytes, rate and time left on the terminal."""
        with self._line(what) as show:

            def show_document(document: TaskDocument) -> None:
                progress = progress_in(document, size)
                status = document.nice_status or document.status
                odd = "" if status in ("OK", "SUCCEEDED") else f", {status}"
                # `what` says how many files or directories a delete task has.
                is_delete = document.type == "DELETE"
                show(f"{progress.share or 0:.0%}{odd}" if is_delete else f"{progress}{odd}")

            yield show_document
