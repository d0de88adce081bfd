"""Progress bars for long work, on a terminal only."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from globus_auto.context import RunContext
from globus_auto.globus import TaskDocument
from globus_auto.steps.session import Progress
from globus_auto.walk import DirectoryListing, ListingResult


def progress_of(context: RunContext) -> Progress:
    """Return where the steps of a run report their progress: to a terminal, if there is one."""
    return TerminalProgress() if context.shows_progress else Progress()


class TerminalProgress(Progress):
    """Progress bars on the terminal."""

    def scan(self, results: Iterable[ListingResult], what: str) -> Iterator[ListingResult]:
        """Yield `results`, and count directories and files on the terminal."""
        text = (
            "{task.description}: {task.fields[directories]} directories, {task.fields[files]} files"
        )
        # File names may look like rich's markup.
        columns = (
            TextColumn(text, markup=False),
            TextColumn("{task.fields[rate]:.0f} directories/s"),
            TimeElapsedColumn(),
        )
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            line = bar.add_task(what, total=None, directories=0, files=0, rate=0.0)
            files = 0
            began = time.monotonic()
            for directories, result in enumerate(results, 1):
                files += len(result.files) if isinstance(result, DirectoryListing) else 0
                rate = directories / max(time.monotonic() - began, 0.1)
                bar.update(line, directories=directories, files=files, rate=rate)
                yield result

    @contextmanager
    def task(self, what: str) -> Iterator[Callable[[TaskDocument], None]]:
        """Yield a function that shows a task's files and bytes on the terminal."""
        # The whole line must fit in 80 columns, or rich cuts the figures.
        columns = (
            TextColumn("{task.description}: {task.fields[figures]}", markup=False),
            BarColumn(bar_width=10),
            TimeElapsedColumn(),
        )
        with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
            line = bar.add_task(what, total=None, figures="submitting")

            def show(document: TaskDocument) -> None:
                done = (document.files_transferred or 0) + (document.files_skipped or 0)
                if document.status == "SUCCEEDED":  # delete tasks report no counts before they end
                    done = document.files or done
                size = decimal(document.bytes_transferred or 0)
                status = document.nice_status or document.status
                figures = f"{done} of {document.files or 'unknown'} files, {size}, {status}"
                bar.update(line, completed=done, total=document.files, figures=figures)

            yield show
