"""Logs: one line for each task, plan and group of decisions; stderr has what needs attention."""

from __future__ import annotations

import contextlib
import logging.handlers
import os
import shutil
import sys
import time
from collections.abc import Iterator
from typing import TextIO

from globus_auto import files, text
from globus_auto.text import redact, wrapped

LOG_BYTES, LOG_FILES = 10_000_000, 5


class Readable(logging.Formatter):
    """A formatter that writes one line per record, whatever a file's name contains.

    Tracebacks keep their lines.
    """

    converter = staticmethod(time.gmtime)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line of `record`."""
        record.message = text.printable(record.message)
        return super().formatMessage(record)

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of `record` and its traceback, redacted: it may contain secrets."""
        return redact(super().format(record))


class TerminalLines(Readable):
    """A formatter for people: on a terminal it breaks long lines at blanks."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line of `record`, as wide as the terminal."""
        line = super().formatMessage(record)
        return wrapped(line, shutil.get_terminal_size().columns) if sys.stderr.isatty() else line


class Stderr(logging.StreamHandler):  # type: ignore[type-arg]
    """A handler that writes to what sys.stderr is at that moment.

    While a progress bar is shown, rich replaces sys.stderr, and writes lines above the bar.
    """

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        """Where to write now."""
        return sys.stderr


class LogFile(logging.handlers.RotatingFileHandler):
    """The log file, with mode 0600; the first failure to write it is reported on stderr."""

    failed = False

    def _open(self) -> logging.StreamHandler:  # type: ignore[override, type-arg]
        return open(  # type: ignore[return-value]
            self.baseFilename, self.mode, encoding=self.encoding, opener=files.private
        )

    def shouldRollover(self, record: logging.LogRecord) -> bool:  # noqa: N802 - logging's name
        """Return whether the file is full, by its size alone: this formats `record` only once."""
        del record
        assert self.stream
        return os.fstat(self.stream.fileno()).st_size >= self.maxBytes

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Report on stderr why `record` is missing from the log, the first time only."""
        if not self.failed:
            self.failed = True
            print(f"Cannot write {self.baseFilename}: {sys.exc_info()[1]}", file=sys.stderr)
        del record

    def close(self) -> None:
        """Close the file; what a full disk cannot hold is lost."""
        with contextlib.suppress(OSError):
            super().close()


@contextlib.contextmanager
def to_stderr(verbose: bool, interactive: bool) -> Iterator[None]:
    """Log warnings to stderr, on a terminal (`interactive`) also progress; with `verbose` all."""
    handler = Stderr()
    handler.setFormatter(TerminalLines("%(message)s"))
    handler.setLevel(logging.DEBUG if verbose else logging.INFO if interactive else logging.WARNING)
    with _handler(handler):
        yield


@contextlib.contextmanager
def to_file(path: str, verbose: bool, dry: bool = False) -> Iterator[None]:
    """Log to the rotating file at `path`, with `verbose` all, file by file; "" means no file.

    Each line of a `dry` run says so, since nothing of what it says was done.
    """
    if not path:
        yield
        return
    handler = LogFile(path, maxBytes=LOG_BYTES, backupCount=LOG_FILES, encoding="utf-8")
    mark = "dry run: " if dry else ""
    handler.setFormatter(Readable(f"%(asctime)sZ %(process)d %(levelname)s {mark}%(message)s"))
    handler.setLevel(logging.DEBUG if verbose else logging.INFO)
    with _handler(handler):
        yield


@contextlib.contextmanager
def _handler(handler: logging.Handler) -> Iterator[None]:
    ours = logging.getLogger("globus_auto")
    ours.propagate = False
    ours.addHandler(handler)
    _listen(ours)
    try:
        yield
    finally:
        ours.removeHandler(handler)
        handler.close()
        _listen(ours)


def _listen(logger: logging.Logger) -> None:
    """Set the level so that `logger` makes no record for nobody: there may be a million."""
    wanted = min((each.level for each in logger.handlers), default=logging.DEBUG)
    # Level 0 would mean the level of the parent logger.
    logger.setLevel(max(wanted, logging.DEBUG))
