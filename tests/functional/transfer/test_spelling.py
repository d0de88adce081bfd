"""Names that are one at the destination: no copy overwrites that of another file."""

from __future__ import annotations

import unicodedata

import pytest

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
    """A file with a record has its copy there: nothing is listed for it."""
    lab.given_transferred("a", "Run/B")
    lab.world.requests.clear()
    lab.write("a", "changed")
    lab.write("Run/B", "changed too")
    assert lab.transfer() == 0
    assert listed_there(lab) == []
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


def test_full_leaves_held_names_out_of_its_one_task(lab: Lab) -> None:
    lab.given_transferred("Run/a")
    assert lab.delete() == 0
    lab.write("run/a", "a different file")
    lab.write("b")
    assert lab.transfer("--full") == 1
    document = lab.submitted()[-1]
    assert document["DATA"][0]["recursive"] is True
    assert {"a", ".globus_auto*"} <= {rule["name"] for rule in document["filter_rules"]}
    assert lab.transfer() == 1
    assert files(lab.destination) == {"Run/a": b"data", "b": b"data"}


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
    lab.write("run/ready", "of the first run")
    (lab.source / "Run").mkdir()
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert files(lab.destination) == {"run/ready": b"of the first run"}


def test_a_case_sensitive_destination_gets_both_spellings(lab: Lab) -> None:
    lab.dst.ignores_case = False
    for name in ("a", "A", "run/a", "Run/a", NFC, NFD):
        lab.write(name)
    assert [lab.transfer(), lab.transfer(), lab.transfer()] == [0, 0, 0]
    assert files(lab.destination).keys() == {"a", "A", "run/a", "Run/a", NFC, NFD}
    assert lab.alerts() == {}
