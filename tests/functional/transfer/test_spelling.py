"""Names that are one at the destination: no copy overwrites that of another file."""

from __future__ import annotations

import shutil
import unicodedata

import pytest

from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, files
from tests.mail import Mailbox

NFC, NFD = (unicodedata.normalize(form, "Größe") for form in ("NFC", "NFD"))


@pytest.fixture(name="lab")
def lab_that_ignores_case(lab: Lab) -> Lab:
    """Return a laboratory whose destination ignores case and Unicode form."""
    lab.dst.ignores_case = True
    return lab


def listed_there(lab: Lab) -> list[str]:
    """Return the directories of the destination that were listed in full."""
    return [
        each.query["path"]
        for each in lab.world.requests
        if each.route == "ls"
        and lab.dst.id in each.path
        and not {"limit", "filter"} & {*each.query}
    ]


@pytest.mark.parametrize(
    ("old", "new", "there"),
    [
        pytest.param("a.txt", "A.TXT", "a.txt", id="case"),
        pytest.param(NFC, NFD, NFC, id="form"),
        pytest.param(NFD, NFC, NFD, id="the other form"),
        pytest.param("d/x/a", "d/x/A", "d/x/a", id="below"),
        pytest.param("Run/a", "run/a", "Run", id="directory in another case"),
        pytest.param("Run/a", "run/b", "Run", id="another file in such a directory"),
        pytest.param("r/Größe/x/a", "r/GRÖSSE/x/a", "r/Größe", id="a letter that becomes two"),
    ],
)
def test_another_spelling_is_held_back_until_it_is_renamed(
    lab: Lab, mailbox: Mailbox, old: str, new: str, there: str
) -> None:
    """The copy at the destination is the only one left of the first file."""
    lab.given_transferred(old, "z/other")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    lab.write(new, "a different file")
    lab.write("z/fine")
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [1, 1, 0]
    assert files(lab.source) == {new: b"a different file"}
    copies = {old: b"data", "z/other": b"data", "z/fine": b"data"}
    assert files(lab.destination) == copies
    (message,) = mailbox.texts()
    assert f"/src/{new} (there: /dst/{there})" in message
    assert "Rename the files at the source." in message
    (lab.source / new).rename(lab.source / "renamed")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination) == copies | {"renamed": b"a different file"}
    assert "RESOLVED" in mailbox.texts()[1]
    assert lab.alerts() == {}


def test_a_destination_that_ignores_only_form_keeps_both_cases(lab: Lab) -> None:
    lab.dst.ignores_case, lab.dst.ignores_form = False, True
    lab.given_transferred("a", NFC)
    assert lab.delete() == 0
    lab.write("A")
    lab.write(NFD, "a different file")
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [1, 1, 0]
    assert files(lab.destination) == {"a": b"data", "A": b"data", NFC: b"data"}
    assert files(lab.source).keys() == {NFD}


def test_a_case_sensitive_destination_holds_nothing_back(lab: Lab) -> None:
    lab.dst.ignores_case = False
    lab.given_transferred("a", "Run/a")
    assert lab.delete() == 0
    lab.world.requests.clear()
    lab.write("A")
    lab.write("run/a")
    assert lab.transfer() == 0
    assert listed_there(lab) == []
    lab.write(NFD)
    assert lab.transfer() == 0
    assert listed_there(lab) == ["/dst"], "a name with two Unicode forms is checked"
    assert files(lab.destination).keys() == {"a", "A", "Run/a", "run/a", NFD}
    assert lab.alerts() == {}


def test_a_changed_file_is_sent_in_its_own_spelling(lab: Lab) -> None:
    lab.given_transferred("a", "Run/B")
    lab.write("a", "changed")
    lab.write("Run/B", "changed too")
    assert lab.transfer() == 0
    assert files(lab.destination) == {"a": b"changed", "Run/B": b"changed too"}


@pytest.mark.parametrize("options", [(), ("--full",)])
def test_the_first_run_leaves_held_names_out_and_sends_the_rest(
    lab: Lab, options: tuple[str, ...]
) -> None:
    (lab.destination / "A[1].txt").write_text("of somebody else")
    lab.write("a[1].txt", "another file")
    lab.write("d/a[1].txt", "has the same name")
    lab.write("b")
    assert lab.transfer(*options) == 1
    (document,) = lab.submitted()
    assert document["DATA"][0]["recursive"] is (options != ()) or len(document["DATA"]) == 2
    assert [lab.transfer(), lab.transfer()] == [1, 1]
    assert files(lab.destination) == {
        "A[1].txt": b"of somebody else",
        "d/a[1].txt": b"has the same name",
        "b": b"data",
    }
    assert lab.delete() == 0
    assert files(lab.source) == {"a[1].txt": b"another file"}
    (lab.source / "a[1].txt").rename(lab.source / "c")
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_full_is_by_items_where_case_is_ignored(lab: Lab) -> None:
    """A recursive task would send what the scan defers, and what comes after the scan."""
    lab.configure(SETTLE_SECONDS=600)
    lab.write("r/a", "the only copy", age=5000)
    lab.write("r/b", age=5000)
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    lab.write("r/A", "still being written", age=10)
    lab.write("r/c", age=5000)
    lab.world.faults.add_hook("submission_id", lambda _: lab.write("R/a", "late", age=5000))
    assert [lab.transfer("--full"), lab.transfer()] == [0, 1]
    assert not any(item["recursive"] for item in lab.submitted()[-1]["DATA"])
    assert files(lab.destination) == {"r/a": b"the only copy", "r/b": b"data", "r/c": b"data"}
    assert "No recursive task" in lab.log()


def test_the_first_run_is_by_items_where_case_is_ignored(lab: Lab) -> None:
    lab.write("r/a", "one")
    lab.world.faults.add_hook("submission_id", lambda _: lab.write("r/A", "two"))
    assert [lab.transfer(), lab.transfer()] == [0, 1]
    assert files(lab.destination) == {"r/a": b"one"}


def test_a_first_run_with_an_unlisted_directory_is_by_items(lab: Lab) -> None:
    """The alert says that nothing in it is sent."""
    lab.dst.ignores_case = False
    lab.write("a")
    lab.write("d/b")
    lab.world.faults.add(
        "ls",
        status=403,
        body={"code": "EndpointPermissionDenied"},
        match=lambda request: request.query["path"].rstrip("/") == "/src/d",
    )
    assert [lab.transfer(), lab.delete()] == [1, 0]
    assert files(lab.destination) == {"a": b"data"}


@pytest.mark.parametrize("back", ["--full", "rewritten"])
def test_a_file_sent_elsewhere_collides_like_a_new_one(lab: Lab, back: str) -> None:
    lab.given_transferred("a", "x")
    assert lab.delete() == 0
    (lab.home / "elsewhere").mkdir()
    other = lab.world.add_endpoint(lab.home / "elsewhere", "elsewhere")
    first = lab.settings["DST_ID"]
    lab.configure(DST_ID=other.id, DST_DIR="/", KEEP_DAYS=9)
    lab.write("A", "something else")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    lab.configure(DST_ID=first, DST_DIR="/dst")
    if back == "rewritten":
        lab.write("A", "something new")
    assert lab.transfer(*[back] * (back == "--full")) == 1
    assert files(lab.destination)["a"] == b"data"


def test_a_move_to_such_a_destination_sends_one_of_two_spellings(lab: Lab) -> None:
    (lab.home / "elsewhere").mkdir()
    other = lab.world.add_endpoint(lab.home / "elsewhere", "elsewhere")
    first = lab.settings["DST_ID"]
    lab.configure(DST_ID=other.id, DST_DIR="/", KEEP_DAYS=2)
    lab.write("a", "first")
    lab.write("A", "other")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.home / "elsewhere") == {"a": b"first", "A": b"other"}
    lab.configure(DST_ID=first, DST_DIR="/dst")
    assert [lab.transfer("--full"), lab.transfer("--full")] == [0, 1]
    assert files(lab.destination) == {"A": b"other"}


def test_a_second_spelling_waits_only_for_what_is_being_sent(lab: Lab) -> None:
    """Copies that were moved away, as to tape, do not come back."""
    lab.configure(KEEP_DAYS=60, VERIFY_DESTINATION=False)
    lab.given_transferred("Run/a", "other")
    shutil.rmtree(lab.destination / "Run")
    lab.write("run/b")
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination).keys() == {"other", "run/b"}


def test_a_file_and_a_directory_of_another_spelling_collide(lab: Lab, mailbox: Mailbox) -> None:
    """In one task, the directory would be in the way of the file, and of all others."""
    for name in ("run", "Run/x", "other"):
        lab.write(name)
    assert [lab.transfer(), lab.transfer()] == [0, 1]
    assert files(lab.destination).keys() == {"Run/x", "other"}
    assert "/src/run (there: /dst/Run)" in mailbox.texts()[0]


def test_full_compares_all_at_a_case_sensitive_destination(lab: Lab) -> None:
    lab.dst.ignores_case = False
    lab.given_transferred("run/a", "Run/b")
    (lab.destination / "run/a").write_text("altered", encoding="utf-8")
    assert [lab.transfer("--full"), lab.transfer()] == [0, 0]
    assert files(lab.destination) == {"run/a": b"data", "Run/b": b"data"}


def test_a_changed_file_comes_before_a_new_one_of_another_spelling(lab: Lab) -> None:
    """In one task, one would replace the copy of the other."""
    lab.configure(KEEP_DAYS=1)
    lab.given_transferred("A", "z")
    (lab.destination / "A").unlink()
    lab.write("A", "changed", age=500)
    lab.write("a", "new", age=500)
    assert [lab.transfer(), lab.transfer()] == [0, 1]
    assert files(lab.destination) == {"A": b"changed", "z": b"data"}


@pytest.mark.parametrize("new", ["run/a", "run/b"])
def test_a_destination_that_is_unmounted_keeps_its_names(lab: Lab, new: str) -> None:
    """Globus does its work later, when the disk is there again."""
    lab.configure(DST_DIR="/dst/disk/em1")
    (lab.destination / "disk" / "em1").mkdir(parents=True)
    lab.given_transferred("Run/a", "z")
    assert lab.delete() == 0
    (lab.destination / "disk").rename(lab.home / "unplugged")
    lab.world.completion = CompletionPolicy.after_polls(1)
    lab.write(new, "other")
    lab.write("fine")
    lab.write("Run/c")
    assert lab.transfer() == 1
    (lab.home / "unplugged").rename(lab.destination / "disk")
    assert [lab.transfer(), lab.transfer()] == [1, 1]
    copies = files(lab.destination / "disk" / "em1")
    assert copies == {"Run/a": b"data", "z": b"data", "fine": b"data", "Run/c": b"data"}


def test_a_new_destination_that_ignores_case_gets_all_again_one_by_one(lab: Lab) -> None:
    """The first task is recursive; what came after the scan may have replaced another's copy."""
    lab.configure(DST_DIR="/dst/new")
    lab.dst.keeps_mtimes = False
    lab.write("A", "one", age=300)
    lab.write("z")
    lab.world.completion = CompletionPolicy.after_polls(1)
    assert lab.transfer() == 0
    lab.write("a", "two", age=3)
    for _ in range(3):
        lab.transfer()
        lab.delete()
    (lab.source / "a").rename(lab.source / "b")
    for _ in range(3):
        lab.transfer()
        lab.delete()
    assert sorted(files(lab.destination).values()) == [b"data", b"one", b"two"]


def test_a_destination_that_was_removed_is_known_to_ignore_case(lab: Lab) -> None:
    lab.configure(DST_DIR="/dst/em1", KEEP_DAYS=2)
    (lab.destination / "em1").mkdir()
    lab.given_transferred("A", "z")
    shutil.rmtree(lab.destination / "em1")
    lab.write("new")
    assert lab.transfer("--full") == 0
    assert not any(item["recursive"] for item in lab.submitted()[-1]["DATA"])


def test_names_with_two_forms_that_full_would_send_keep_it_from_being_recursive(lab: Lab) -> None:
    lab.dst.ignores_case, lab.dst.ignores_form = False, True
    lab.configure(SETTLE_SECONDS=600)
    lab.write(NFC, "the only copy", age=5000)
    lab.write("z", age=5000)
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 0, 0]
    lab.write(NFD, "still being written", age=10)
    assert [lab.transfer("--full"), lab.transfer()] == [0, 0]
    assert files(lab.destination)[NFC] == b"the only copy"


def test_a_new_directory_waits_for_a_file_in_progress(lab: Lab) -> None:
    """Else the file would be in the way, and hold up all other files of that task."""
    lab.given_transferred("z")
    lab.world.completion = CompletionPolicy.after_polls(2)
    lab.write("Fun")
    assert lab.transfer() == 0
    lab.write("fun/x")
    lab.write("important")
    for _ in range(4):
        lab.transfer()
    assert files(lab.destination).keys() == {"z", "Fun", "important"}
    assert lab.alerts().keys() == {"spelling"}


def test_without_a_marker_another_name_shows_that_case_counts(lab: Lab) -> None:
    lab.dst.ignores_case = False
    lab.world.faults.add("mkdir", times=None, status=403, body={"code": "PermissionDenied"})
    lab.given_transferred("a")
    (lab.destination / "a").write_text("altered", encoding="utf-8")
    assert [lab.transfer("--full"), lab.transfer()] == [0, 0]
    assert files(lab.destination) == {"a": b"data"}


def test_a_missing_destination_holds_nothing_back(lab: Lab) -> None:
    lab.configure(DST_DIR="/dst/copy")
    lab.write("a")
    assert lab.transfer() == 0
    assert listed_there(lab) == []
    assert files(lab.destination).keys() == {"copy/a"}


def test_in_a_huge_directory_each_name_is_checked(lab: Lab) -> None:
    lab.given_transferred("d/a", "d/b", "d/c")
    assert lab.delete() == 0
    lab.world.listing_limit = 2
    lab.write("d/A", "a different file")
    lab.write("d/new")
    assert [lab.transfer(), lab.transfer()] == [1, 1]
    assert files(lab.destination).keys() == {"d/a", "d/b", "d/c", "d/new"}
    assert files(lab.destination)["d/a"] == b"data"


def test_a_name_that_cannot_be_checked_is_held_back(lab: Lab) -> None:
    lab.given_transferred("d/a")
    assert lab.delete() == 0
    lab.write("d/A", "a different file")
    for route in ("ls", "stat"):
        lab.world.faults.add(
            route,
            times=None,
            status=403,
            body={"code": "EndpointPermissionDenied"},
            match=lambda request: request.query["path"].startswith("/dst/d"),
        )
    assert lab.transfer() == 1
    assert files(lab.destination) == {"d/a": b"data"}
    lab.world.faults.clear()
    assert lab.transfer() == 1
    assert files(lab.destination) == {"d/a": b"data"}


def test_of_two_spellings_of_a_directory_one_is_sent(lab: Lab, mailbox: Mailbox) -> None:
    """Both would be one directory there, in which a new file could replace a copy of the other."""
    lab.write("run/ready", "of the first run")
    lab.write("Run/a")
    lab.write("z/fine")
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.destination) == {"Run/a": b"data", "z/fine": b"data"}
    assert mailbox.texts() == [], "whether the destination ignores case is not known yet"
    lab.write("Run/ready", "of another")
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [1, 1, 0]
    assert files(lab.source) == {"run/ready": b"of the first run"}
    assert files(lab.destination)["Run/ready"] == b"of another"
    (message,) = mailbox.texts()
    assert "/src/run/ready (there: /dst/Run)" in message


def test_of_two_spellings_of_a_file_one_is_sent(lab: Lab) -> None:
    """Else the one that stays would be taken for delivered when the other is renamed."""
    lab.configure(VERIFY_DESTINATION=False)
    lab.dst.keeps_mtimes = False
    lab.write("a", "first")
    lab.write("A", "other")
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [0, 1, 0]
    (lab.source / "A").rename(lab.source / "renamed")
    assert [lab.transfer(), lab.transfer(), lab.delete()] == [1, 1, 0]
    assert files(lab.source) == {"a": b"first"}
    assert files(lab.destination) == {"A": b"other", "renamed": b"other"}


def test_an_empty_directory_of_another_spelling_is_not_made(lab: Lab) -> None:
    """In a recursive task, the empty one may come first and give its name to the other's copy."""
    lab.configure(DST_DIR="/dst/new")
    lab.write("run/ready", "of the first run")
    (lab.source / "Run").mkdir()
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination) == {"new/run/ready": b"of the first run"}


def test_a_case_sensitive_destination_gets_both_spellings(lab: Lab) -> None:
    lab.dst.ignores_case = False
    for name in ("a", "A", "run/a", "Run/a", NFC, NFD):
        lab.write(name)
    assert [lab.transfer(), lab.transfer(), lab.transfer()] == [0, 0, 0]
    assert files(lab.destination).keys() == {"a", "A", "run/a", "Run/a", NFC, NFD}
    assert lab.alerts() == {}
