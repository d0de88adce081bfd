"""The config files of the examples in README.md work on the sandbox, at another place."""

from __future__ import annotations

import os
import re

import pytest

from tests import ROOT
from tests.lab import Lab, files

DAY = 86_400  # seconds
SECTION = (ROOT / "README.md").read_text("utf-8").partition("\n## Examples\n")[2]
EXAMPLES = re.findall(r"^```python\n(.*?)^```\n", SECTION.partition("\n## ")[0], re.M | re.S)


def use(lab: Lab, number: int) -> None:
    """Use an example, with the ids and the local directories of the laboratory."""
    text, home = EXAMPLES[number], lab.home / "archive"
    source, destination = (
        re.search(rf'^{name} = "(.*)"', text, re.M) for name in ("SRC_DIR", "DST_DIR")
    )
    assert source and destination
    home.mkdir()
    lab.destination = home
    lab.settings |= {
        "SRC_ID": lab.world.add_endpoint(lab.source, name="instrument", mount=source[1]).id,
        "DST_ID": lab.world.add_endpoint(home, name="archive", mount=destination[1]).id,
    }
    own = {name: lab.settings[name] for name in ("SRC_ID", "DST_ID", "CLIENT_ID", "CODE_PATH")}
    if "SRC_LOCAL_DIR" in text:
        own["SRC_LOCAL_DIR"] = str(lab.source)
    lines = [f"{name} = {value!r}\n" for name, value in own.items()]
    lab.config.write_text(text + "".join(lines), encoding="utf-8")


def test_each_example_has_ten_lines() -> None:
    assert [len(text.splitlines()) for text in EXAMPLES] == [10, 10, 10]


def test_the_microscope(lab: Lab) -> None:
    """What is being written waits, and what was sent stays for two weeks."""
    use(lab, 0)
    for name in ("grid/image.mrc", "grid/image.tmp", "~$notes.docx"):
        lab.write(name, age=6000)
    lab.write("grid/new.mrc", age=5000)
    assert lab.transfer() == 0
    assert files(lab.destination).keys() == {"grid/image.mrc"}
    lab.advance(600)
    assert (lab.transfer(), lab.transfer(), lab.delete()) == (0, 0, 0)
    assert len(files(lab.source)) == 4
    lab.advance(15 * DAY)
    assert lab.transfer() == 0
    assert lab.alerts().keys() == {"silent"}
    assert lab.delete() == 0
    assert files(lab.source).keys() == {"grid/image.tmp", "~$notes.docx"}
    assert files(lab.destination).keys() == {"grid/image.mrc", "grid/new.mrc"}


def test_the_sequencer(lab: Lab) -> None:
    """A run is sent and deleted as a whole."""
    use(lab, 1)
    lab.write("run1/Data/1.bcl")
    lab.write("run1/Thumbnail_Images/1.jpg")
    assert (lab.transfer(), files(lab.destination)) == (0, {})
    lab.advance(DAY)
    lab.write("run1/Data/2.bcl")
    lab.write("run1/RTAComplete.txt")
    assert (lab.transfer(), lab.transfer()) == (0, 0)
    run = {"run1/Data/1.bcl", "run1/Data/2.bcl", "run1/RTAComplete.txt"}
    assert files(lab.destination).keys() == run
    lab.advance(6 * DAY)
    assert (lab.delete(), files(lab.source).keys() >= run) == (0, True)
    lab.advance(2 * DAY)
    assert (lab.delete(), files(lab.source).keys()) == (0, {"run1/Thumbnail_Images/1.jpg"})
    assert lab.alerts() == {}


def test_the_beamline(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verified files stay until the disk is full; then the oldest go, once they were compared."""

    def statvfs(_path: str) -> os.statvfs_result:
        free = 100 - sum(len(content) for content in files(lab.source).values())
        return os.statvfs_result((1, 1, 100, free, free, 0, 0, 0, 0, 255))

    monkeypatch.setattr(os, "statvfs", statvfs)
    use(lab, 2)
    for age, name in enumerate("edcba"):
        lab.write(f"scan/{name}", b"." * 16, age=1000 + age)
    assert (lab.transfer(), lab.transfer(), lab.delete(), lab.delete()) == (0, 0, 0, 0)
    assert len(files(lab.source)) == 5
    lab.write("scan/f", b"." * 16, age=500)
    assert (lab.transfer(), lab.transfer()) == (0, 0)
    assert [lab.delete() for _ in range(3)] == [0, 0, 0]
    assert files(lab.source).keys() == {f"scan/{name}" for name in "bcdef"}
    assert files(lab.destination).keys() == {f"scan/{name}" for name in "abcdef"}
