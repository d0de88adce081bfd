"""The picture of the README: both programs on a terminal, in the sandbox.

`.venv/bin/python -m tests.terminal` draws it again.
"""

from __future__ import annotations

import html
import os
import re
import tempfile
import time
from pathlib import Path

import time_machine
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import World
from tests import ROOT
from tests.lab import Lab, put
from tests.processes import on_terminal

PICTURE = ROOT / "tests" / "terminal.svg"
COLUMNS = 90
MEBIBYTE = 2**20
SIZES = {
    "2026-11-22/grid_001.mrc": 8 * MEBIBYTE,
    "2026-11-22/grid_002.mrc": 4 * MEBIBYTE,
    "2026-11-22/notes.txt": 640,
}
CHANGED = "2026-11-22/notes.txt"
PROMPT = "\x1b[1;32m$ \x1b[0m\x1b[1m{}\x1b[0m"
COMMENT = "\x1b[36m# Somebody adds a line to notes.txt.\x1b[0m"
# Fonts that a machine has: none is fetched. Every character is placed by its column.
FONTS = 'ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace'


def serve_microscope(lab: Lab) -> None:
    """Set a source and a destination with the names of real ones, and write files."""
    source = lab.world.add_endpoint(lab.source, name="microscope", mount="/C/Data")
    destination = lab.world.add_endpoint(
        lab.destination,
        name="archive",
        entity_type="GCSv5_mapped_collection",
        mount="/archive/em1",
    )
    lab.configure(
        SRC_DIR="/C/Data", DST_DIR="/archive/em1", SRC_ID=source.id, DST_ID=destination.id
    )
    for name, size in SIZES.items():
        os.truncate(put(lab.source / name, b"", 0), size)
        os.utime(lab.source / name, (time.time() - 3600, time.time() - 3600))


def record(lab: Lab) -> str:
    """Return what a terminal shows of transfers and deletions, with its colours.

    The laboratory serves what `serve_microscope` has set.
    """
    shown: list[str] = []

    def run(program: str, *options: str) -> None:
        shown.extend([""] * bool(shown))
        shown.append(PROMPT.format(" ".join((f"{program}.py", *options))))
        with on_terminal(lab, program, *options, columns=COLUMNS) as terminal:
            assert terminal.code() == 0, terminal.lines()
            shown.extend(terminal.lines(colours=True)[:-1])

    run("transfer", "--wait")
    shown += ["", COMMENT]
    put(lab.source / CHANGED, b"x" * 680, time.time() - 60)
    run("transfer", "--status")
    run("delete")
    return "\n".join(shown)


def text_of(svg: str) -> str:
    """Return the text of a picture, a line for each of the terminal's."""
    lines: dict[int, str] = {}
    for number, text in re.findall(r'url\(#t-line-(\d+)\)">(.*?)</text>', svg):
        lines[int(number)] = lines.get(int(number), "") + html.unescape(text)
    last = max(lines)
    return "\n".join(lines.get(number, "") for number in range(last + 1)).replace("\xa0", " ")


def masked(text: str) -> str:
    """Return `text` without ids and times, which differ from run to run, and indentation."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID", text)
    text = re.sub(r"(?<=globus_auto\.)[0-9a-f]{12}", "HASH", text)
    text = re.sub(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(,\d{3})?", "TIME", text)
    return "\n".join(line.strip() for line in text.splitlines())


def draw(shown: str) -> str:
    """Return an SVG picture of a terminal with this text and its colours."""
    form = re.sub(r"@font-face {{.*?}}|<!--.*?-->", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace("Fira Code, monospace", FONTS).replace("font-family: arial", "")
    form = "\n".join(line.rstrip() for line in form.splitlines() if line.strip())
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(shown), soft_wrap=True)
    return console.export_svg(title="globus_auto", code_format=form, unique_id="t") + "\n"


def main() -> None:
    """Draw the picture."""
    with (
        tempfile.TemporaryDirectory(prefix="globus_auto_picture.") as home,
        time_machine.travel(time.time(), tick=True) as clock,
        Sandbox(world := World()) as sandbox,
    ):
        lab = Lab(Path(home), world, sandbox, clock)
        os.environ |= {**sandbox.environment(), "GLOBUS_CLIENT_SECRET": lab.secret}
        serve_microscope(lab)
        PICTURE.write_text(draw(record(lab)), encoding="utf-8")


if __name__ == "__main__":
    main()
