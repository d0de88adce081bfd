"""ALSO_AT: one source, several destinations; a file goes once all have a whole copy of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from globus_auto import config_file, storage
from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, another_pair, deleted, files, put, unmark

DAY = 86_400  # seconds
KEPT = "another pair of ALSO_AT has no verified copy of it: "


@pytest.fixture
def other(lab: Lab) -> Lab:
    """Return the other pair; the laboratory itself has it in ALSO_AT."""
    pair = another_pair(lab)
    lab.configure(ALSO_AT=[str(pair.config)])
    return pair


@pytest.fixture
def kept(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, str]]:
    """Return a function that runs delete.py -v, and returns what of ALSO_AT keeps which files."""

    def run(code: int = 0) -> dict[str, str]:
        capsys.readouterr()
        assert lab.delete("-v") == code
        lines = capsys.readouterr().err.splitlines()
        found = [line[len("Keep /src/") :] for line in lines if line.startswith("Keep /src/")]
        reasons = dict(line.split(": ", 1) for line in found)
        assert all(reason.startswith(KEPT) for reason in reasons.values())
        return {name: reason[len(KEPT) :].partition(", ")[2] for name, reason in reasons.items()}

    return run


Kept = Callable[..., dict[str, str]]


def deliver(*pairs: Lab) -> None:
    """Let each pair transfer all files, and poll the result."""
    for pair in pairs:
        assert (pair.transfer(), pair.transfer()) == (0, 0)


def test_a_file_goes_once_both_destinations_have_it(lab: Lab, other: Lab, kept: Kept) -> None:
    lab.write("a")
    lab.write("d/b")
    deliver(lab)
    assert kept() == {"a": "not delivered", "d/b": "not delivered"}
    deliver(other)
    assert kept() == {}
    assert files(lab.source) == {}
    assert files(lab.destination) == files(other.destination) == {"a": b"data", "d/b": b"data"}


def test_both_pairs_may_delete(lab: Lab, other: Lab) -> None:
    other.configure(ALSO_AT=[str(lab.config)])
    lab.write("a")
    deliver(other)
    assert other.delete() == 0
    assert files(lab.source) == {"a": b"data"}
    deliver(lab)
    assert other.delete() == 0
    assert files(lab.source) == {}
    deliver(lab, other)
    assert (lab.delete(), other.delete()) == (0, 0)
    assert lab.alerts() == other.alerts() == {}


def has_changed(lab: Lab, _other: Lab) -> None:
    lab.write("a", "a newer content")
    deliver(lab)


def was_racy(lab: Lab, other: Lab) -> None:
    lab.write("a", "written just now", age=0)
    assert other.transfer() == 0
    lab.advance(60)
    deliver(lab)
    assert other.delete() == 0, "it is polled, and not sent again"


def was_restored(_lab: Lab, other: Lab) -> None:
    before = (other.state / "datastore").read_bytes()
    other.write("b")
    assert other.transfer() == 0
    (other.state / "datastore").write_bytes(before)
    (other.source / "b").unlink()


def was_restored_with_all_state(lab: Lab, other: Lab) -> None:
    """Only Globus knows of a newer task."""
    health = (other.state / "datastore.health").read_bytes()
    lab.advance(60)
    was_restored(lab, other)
    (other.state / "datastore.health").write_bytes(health)


def is_damaged(_lab: Lab, other: Lab) -> None:
    (other.state / "datastore").write_bytes(b"{}")


def is_newer(_lab: Lab, other: Lab) -> None:
    (other.state / "datastore").write_bytes(b'{"version": 3')


def is_of_another_source(lab: Lab, other: Lab) -> None:
    store = other.store()
    store.source = lab.dst.id
    storage.save(f"{other.state}/datastore", store)


def is_in_progress(lab: Lab, other: Lab) -> None:
    """Of one that was sent again, the copy is being written."""
    lab.world.completion = CompletionPolicy.after_polls(99)
    assert other.transfer("--full") == 0
    lab.world.completion = CompletionPolicy.at_once()


def is_missing(_lab: Lab, other: Lab) -> None:
    (other.state / "datastore").unlink()


def copy_is_missing(_lab: Lab, other: Lab) -> None:
    (other.destination / "a").unlink()
    put(other.destination / "b", "another copy", 1)


def copy_is_cut(_lab: Lab, other: Lab) -> None:
    put(other.destination / "a", "cut", 1)


def copy_is_changed(_lab: Lab, other: Lab) -> None:
    put(other.destination / "a", "DATA", 2e9)


def has_twin(_lab: Lab, other: Lab) -> None:
    """Its copy may have been overwritten by that of a file that only the other pair sends."""
    other.write("A")
    deliver(other)
    (other.source / "A").unlink()


def is_unverified(lab: Lab, other: Lab) -> None:
    """Globus did not verify the checksum."""
    store = other.store()
    (task,) = store.tasks.values()
    task.verify_checksum = False
    storage.save(f"{other.state}/datastore", store)
    lab.advance(1)


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (has_changed, "delivered with another size or time"),
        (was_racy, "modified within 2 s of the scan"),
        (was_restored, "not delivered"),
        (was_restored_with_all_state, "not delivered"),
        (is_damaged, "whose datastore cannot be used"),
        (is_newer, "whose datastore cannot be used"),
        (is_of_another_source, "whose datastore cannot be used"),
        (is_missing, "not delivered"),
        (copy_is_missing, "its copy is missing at the destination"),
        (copy_is_cut, "its copy has another size: 3 bytes instead of 4"),
        (copy_is_changed, "its copy was changed after the transfer: "),
        (is_in_progress, "its transfer is in progress"),
        (has_twin, "another name differs from its name only in case or Unicode form"),
        (is_unverified, "Globus did not verify its checksum"),
    ],
)
def test_a_file_stays_without_a_whole_copy_of_the_other_pair(
    harm: Callable[[Lab, Lab], None], why: str, lab: Lab, other: Lab, kept: Kept
) -> None:
    """Nothing of the other pair is touched, and its alerts are its own."""
    lab.write("a")
    deliver(lab, other)
    harm(lab, other)
    before = {path.name: path.read_bytes() for path in other.state.glob("datastore*")}
    found = kept()
    assert found.keys() == {"a"}
    assert found["a"].startswith(why)
    assert lab.alerts() == {}
    assert before == {path.name: path.read_bytes() for path in other.state.glob("datastore*")}
    assert deleted(lab) == []


def test_a_destination_that_cannot_be_asked_is_an_alert_until_it_can(
    lab: Lab, other: Lab, kept: Kept
) -> None:
    lab.write("a")
    deliver(lab, other)
    other.dst.connected = False
    assert kept(1) == {"a": "the destination could not be asked about its copy"}
    assert lab.alerts().keys() == {"endpoint"}
    other.dst.connected = True
    assert (kept(), lab.alerts(), files(lab.source)) == ({}, {}, {})


def test_a_pair_that_excludes_a_file_is_not_asked(lab: Lab, other: Lab, kept: Kept) -> None:
    other.configure(EXCLUDE=["*.tmp", "raw"])
    for name in ("a", "b.tmp", "raw/c"):
        lab.write(name)
    deliver(lab)
    assert kept() == {"a": "not delivered"}
    assert files(lab.source).keys() == {"a"}


def test_each_of_several_pairs_is_asked(lab: Lab, other: Lab, kept: Kept) -> None:
    third = another_pair(lab, "third")
    lab.configure(ALSO_AT=[str(other.config), str(third.config)])
    lab.write("a")
    deliver(lab, other)
    assert kept() == {"a": "not delivered"}
    deliver(third)
    (third.destination / "a").unlink()
    put(third.destination / "x", "", 1)
    assert kept() == {"a": "its copy is missing at the destination"}
    assert third.transfer("--full") == 0
    deliver(third)
    assert (kept(), files(lab.source)) == ({}, {})


def test_copies_that_move_on_to_tape_are_not_looked_for(lab: Lab, other: Lab, kept: Kept) -> None:
    """Each pair has its own VERIFY_DESTINATION."""
    lab.write("a")
    deliver(lab, other)
    (other.destination / "a").unlink()
    put(other.destination / "x", "", 1)
    lab.configure(VERIFY_DESTINATION=False)
    assert kept() == {"a": "its copy is missing at the destination"}
    other.configure(VERIFY_DESTINATION=False)
    assert (kept(), files(lab.source)) == ({}, {})


def test_one_place_is_one_copy_whatever_the_settings_are(lab: Lab, other: Lab, kept: Kept) -> None:
    """The other pair sent it to the destination of this one before, also in time."""
    there, there_id = other.settings["DST_DIR"], other.settings["DST_ID"]
    other.configure(DST_DIR="/dst", DST_ID=lab.dst.id)
    lab.configure(ALSO_AT=[])
    lab.write("a")
    deliver(other, lab)
    lab.configure(ALSO_AT=[str(other.config)])
    other.configure(DST_DIR=there, DST_ID=there_id)
    assert kept() == {"a": "sent to the same place"}


def test_nothing_goes_without_the_marker_of_the_other_pair(lab: Lab, other: Lab) -> None:
    """It shows that the source is not the destination of that pair under another name."""
    lab.write("a")
    deliver(lab, other)
    unmark(other.destination)
    body = {"code": "PermissionDenied", "message": "planned"}
    lab.world.faults.add("mkdir", times=None, status=403, body=body)
    assert lab.delete() == 1
    assert "marker" in lab.alerts()["endpoint"]
    assert files(lab.source).keys() == {"a"}
    lab.world.faults.clear()
    assert (lab.delete(), files(lab.source)) == (0, {})


def test_a_file_that_another_pair_never_delivers_is_an_alert(lab: Lab, other: Lab) -> None:
    lab.write("a")
    lab.write("b")
    deliver(lab)
    lab.advance(23 * 3600)
    assert (lab.delete(), lab.alerts()) == (0, {})
    lab.advance(2 * 3600)
    assert lab.delete() == 1
    text = lab.alerts()["kept"]
    assert "2 files were sent more than 24 h ago and cannot be deleted at the source" in text
    assert "Check that its transfer.py runs" in text
    deliver(other)
    assert (lab.delete(), lab.alerts(), files(lab.source)) == (0, {}, {})


def test_files_that_another_pair_has_deleted_are_no_alert(lab: Lab, other: Lab) -> None:
    """They have records until the next scan, and the source is empty for a good reason."""
    other.configure(ALSO_AT=[str(lab.config)])
    lab.write("a")
    lab.write("d/b")
    deliver(lab, other)
    lab.advance(2 * DAY)
    assert (other.delete(), files(lab.source)) == (0, {})
    assert (lab.delete(), lab.alerts()) == (0, {})
    assert (lab.transfer(), lab.alerts(), lab.records()) == (0, {}, set())


def test_a_source_that_nobody_emptied_is_still_an_alert(lab: Lab, other: Lab) -> None:
    lab.write("a")
    lab.write("b")
    deliver(lab, other)
    other.configure(ALSO_AT=[str(lab.config)])
    (lab.source / "b").unlink()
    assert (other.delete(), files(lab.source)) == (0, {})
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"source"}


def test_a_task_that_begins_while_a_datastore_is_read_does_not_count(
    lab: Lab, other: Lab, kept: Kept
) -> None:
    """A datastore that is older than Globus's list was read too early, or was restored."""
    lab.real_time()
    lab.write("a")
    deliver(lab, other)
    lab.write("b")
    codes: list[int] = []
    lists: list[Any] = []

    def is_second(request: Any) -> bool:
        # The first is the list of this pair itself.
        lists.append(request)
        return len(lists) == 2

    def begin(_request: Any) -> None:
        with other.start("transfer") as process:
            codes.append(process.wait())

    lab.world.faults.add_hook("task_list", begin, match=is_second)
    assert kept() == {}
    assert (codes, files(lab.source).keys()) == ([0], {"b"})


UNFIT: list[tuple[dict[str, Any], list[str], str]] = [
    ({}, ["second.py"], "'second.py' must be an absolute path, of a config file"),
    (
        {},
        ["{home}/nowhere.py"],
        "/nowhere.py cannot be used. {home}/nowhere.py cannot be read",
    ),
    ({}, ["{home}/config.py"], "/config.py has the datastore of this pair"),
    ({}, ["{home}/second.py"] * 2, "/second.py has the destination of {home}/second.py"),
    ({"SRC_DIR": "/src/d"}, ["{home}/second.py"], "/second.py has another source: SRC_ID and SRC"),
    ({"SRC_ID": "{dst}"}, ["{home}/second.py"], "/second.py has another source"),
    ({"KEEP_DAYS": -1}, ["{home}/second.py"], "cannot be used. KEEP_DAYS = -1.0 must be between"),
    ({"DST_DIR": "/dst", "DST_ID": "{dst}"}, ["{home}/second.py"], "has the destination of {home}"),
]


@pytest.mark.parametrize(("changes", "paths", "sentence"), UNFIT)
def test_an_unfit_file_is_refused_in_one_sentence(
    lab: Lab, other: Lab, changes: dict[str, Any], paths: list[str], sentence: str
) -> None:
    def filled(text: Any) -> Any:
        return text.format(home=lab.home, dst=lab.dst.id) if isinstance(text, str) else text

    other.configure(**{name: filled(value) for name, value in changes.items()})
    lab.configure(ALSO_AT=[filled(path) for path in paths])
    with pytest.raises(config_file.SettingsError) as caught:
        config_file.read_settings(str(lab.config))
    (problem,) = caught.value.problems
    assert problem.startswith("ALSO_AT: ")
    assert filled(sentence) in problem
    assert (lab.transfer(), lab.delete()) == (2, 2)


def test_two_pairs_may_have_each_other(lab: Lab, other: Lab) -> None:
    """ALSO_AT of the others is not followed: it may be wrong."""
    other.configure(
        ALSO_AT=[str(lab.config), "nowhere"], SRC_DIR="//src/", SRC_ID=lab.src.id.upper()
    )
    (found,) = config_file.read_settings(str(lab.config)).others
    assert (found.dst_dir, found.others) == ("/second", [])


def test_check_asks_for_the_other_destinations(
    lab: Lab, other: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The login of the pair that deletes must be able to list them."""
    assert lab.transfer("--check") == 0
    capsys.readouterr()
    other.dst.connected = False
    assert lab.transfer("--check") == 1
    assert "problem  destination" in capsys.readouterr().out
