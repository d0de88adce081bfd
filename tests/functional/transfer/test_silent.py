"""SILENT_HOURS: an instrument that falls silent is an alert until a file appears."""

from __future__ import annotations

import pytest

from tests.lab import Lab
from tests.mail import Mailbox

HOUR = 3600


@pytest.fixture
def silent(lab: Lab) -> Lab:
    """Return a laboratory that has been silent for long enough, with one alert."""
    lab.configure(SILENT_HOURS=24)
    lab.given_transferred("a", "d/b")
    lab.advance(23 * HOUR)
    assert (lab.transfer(), lab.alerts()) == (0, {})
    lab.advance(HOUR)
    assert lab.transfer() == 0
    assert lab.alerts().keys() == {"silent"}
    return lab


def test_silence_is_one_mail_until_a_file_appears(
    mailbox: Mailbox, silent: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    for _ in range(3):
        silent.advance(HOUR)
        assert (silent.transfer(), silent.delete()) == (0, 0)
    assert capsys.readouterr().err == ""
    silent.write("c")
    assert silent.transfer() == 0
    assert [text.count("silent") for text in mailbox.texts()] == [1, 1]
    assert "RESOLVED" in mailbox.texts()[1]
    assert silent.alerts() == {}


def test_deletions_neither_begin_nor_end_silence(silent: Lab) -> None:
    """Neither those of delete.py nor yours, of the newest file or all files."""
    assert silent.delete() == 0
    assert not list(silent.source.iterdir())
    assert (silent.transfer(), silent.alerts().keys()) == (0, {"silent"})
    silent.write("c")
    silent.write("old", age=48 * HOUR)
    assert (silent.transfer(), silent.alerts()) == (0, {})
    silent.advance(23 * HOUR)
    (silent.source / "c").unlink()
    assert (silent.transfer(), silent.alerts()) == (0, {})
    silent.advance(HOUR)
    assert (silent.transfer(), silent.alerts().keys()) == (0, {"silent"})


@pytest.mark.parametrize("deleted", [False, True])
def test_a_copy_with_an_old_time_ends_silence(silent: Lab, deleted: bool) -> None:
    """Also where delete.py has deleted more files than come now."""
    if deleted:
        assert silent.delete() == 0
    silent.write("copied", age=1000 * HOUR)
    assert (silent.transfer(), silent.alerts()) == (0, {})
    silent.advance(24 * HOUR)
    assert (silent.transfer(), silent.alerts().keys()) == (0, {"silent"})


@pytest.mark.parametrize("name", ["b.tmp", ".globus_auto.x"])
def test_an_excluded_file_does_not_end_silence(silent: Lab, name: str) -> None:
    silent.configure(EXCLUDE=["*.tmp"])
    silent.write(name)
    assert silent.transfer() == 0
    assert "silent" in silent.alerts()


def test_a_time_in_the_future_is_no_new_file_when_it_comes(silent: Lab) -> None:
    """The file appears once; its time does not keep the alert away until then."""
    silent.write("ahead", age=-72 * HOUR)
    assert (silent.transfer(), silent.alerts().keys() - {"future"}) == (0, set())
    silent.advance(24 * HOUR)
    assert silent.transfer() == 0
    assert "silent" in silent.alerts()


def test_a_file_that_fails_again_and_again_does_not_hide_silence(lab: Lab) -> None:
    lab.configure(SILENT_HOURS=2)
    lab.given_transferred("a")
    lab.write("b")
    for _ in range(4):
        lab.world.fail_next()
        lab.transfer()
        lab.advance(HOUR)
    assert "silent" in lab.alerts()


def test_only_a_scan_of_everything_shows_silence(lab: Lab) -> None:
    """Unless it is known that a directory cannot be listed."""
    lab.configure(SILENT_HOURS=24)
    lab.given_transferred("a", "d/b")
    lab.advance(24 * HOUR)
    denied = {"code": "PermissionDenied", "message": "no", "request_id": "r", "resource": "/"}
    lab.world.faults.add(
        "ls",
        times=None,
        status=403,
        body=denied,
        match=lambda request: request.query["path"] == "/src/d",
    )
    assert (lab.transfer(), lab.alerts().keys()) == (1, {"unlisted"})
    assert (lab.transfer(), lab.alerts().keys()) == (1, {"unlisted", "silent"})
    lab.write("a", "newer")
    assert (lab.transfer(), lab.alerts().keys()) == (1, {"unlisted"})
    lab.advance(24 * HOUR)
    lab.world.faults.clear()
    assert (lab.transfer(), lab.alerts().keys()) == (0, {"silent"})


def test_a_source_that_is_not_there_is_not_silent_too(lab: Lab) -> None:
    """One problem, one alert; a disk that is mounted again shows no new files."""
    lab.configure(SILENT_HOURS=24)
    lab.given_transferred("a", "b")
    lab.source.rename(lab.home / "unmounted")
    lab.source.mkdir()
    lab.advance(25 * HOUR)
    assert (lab.transfer(), lab.alerts().keys()) == (1, {"source"})
    lab.source.rmdir()
    (lab.home / "unmounted").rename(lab.source)
    assert (lab.transfer(), lab.alerts().keys()) == (0, {"silent"})


def test_an_empty_source_falls_silent(lab: Lab) -> None:
    lab.configure(SILENT_HOURS=24)
    assert (lab.transfer(), lab.alerts()) == (0, {})
    lab.advance(24 * HOUR)
    assert (lab.transfer(), lab.alerts().keys()) == (0, {"silent"})


@pytest.mark.parametrize(
    "change",
    [{"SILENT_HOURS": 0}, {"SILENT_HOURS": 72}, {"SRC_DIR": "/src/d", "DST_DIR": "/dst/d"}],
)
def test_other_settings_end_silence(silent: Lab, change: dict[str, object]) -> None:
    """Another source directory begins with its first scan."""
    silent.configure(**change)
    assert (silent.transfer(), silent.alerts()) == (0, {})


def test_a_dry_run_shows_silence_and_remembers_nothing(
    silent: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    silent.write("c")
    before = silent.health()
    assert silent.transfer("-n") == 0
    assert silent.health() == before
    (silent.source / "c").unlink()
    capsys.readouterr()
    assert silent.transfer("-n") == 0
    assert "silent: No new file has appeared in /src" in capsys.readouterr().err


def test_what_somebody_else_deletes_hides_no_new_files(lab: Lab) -> None:
    """Such as the other pair of this source, which has delivered them as well."""
    lab.configure(SILENT_HOURS=5)
    lab.write("stays")
    for number in range(12):
        lab.write(f"{number}", age=2000 * HOUR * (number + 1))
        assert (lab.transfer(), lab.transfer(), lab.alerts()) == (0, 0, {})
        (lab.source / f"{number}").unlink()
        lab.advance(HOUR)
    for _ in range(6):
        lab.advance(HOUR)
        assert lab.transfer() == 0
    assert lab.alerts().keys() == {"silent"}
