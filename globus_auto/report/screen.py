"""What reports print: wrapped and coloured on a terminal, one line each in a pipe."""

from __future__ import annotations

from typing import Literal, NamedTuple

from rich.console import Console
from rich.text import Text

from globus_auto.text import printable, wrapped

Level = Literal["ok", "warning", "problem"]
STYLES: dict[Level, str] = {"ok": "green", "warning": "yellow", "problem": "bold red"}


class Line(NamedTuple):
    """What was checked, the result, and how to fix it; `code` is the exit code of a problem.

    `lists` says that a directory was listed, or can be created; `missing` that there is none,
    or that it may not be read.
    """

    level: Level
    what: str
    text: str
    code: int = 0
    lists: bool = False
    missing: bool = False


class Screen:
    """Standard output. rich shows colours only on a terminal, and none with NO_COLOR."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)
        self._width = self._console.width if self._console.is_terminal else None

    def print(self, text: str = "", indent: int = 0, head: str = "", style: str = "") -> None:
        """Print `head` in `style`, then `text`, as one line; on a terminal wrapped at blanks.

        Lines after the first are indented. Both may contain what a server or a user has named.
        """
        line = head + printable(text)
        if self._width:
            line = wrapped(line, self._width, indent)
        if head and self._width:
            self._console.print(Text.assemble((line[: len(head)], style), line[len(head) :]))
        else:
            print(line)

    def show(self, line: Line) -> None:
        """Print a line of a check."""
        head = f"{line.level:8} "
        self.print(f"{line.what}: {line.text}", len(head), head, STYLES[line.level])
