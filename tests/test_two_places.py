"""Before anything is deleted, source and destination are shown to be two places."""

import shutil

import pytest

from tests.conftest import Lab, files, tree
from tests.test_delete import deleted, probed


def same(lab: Lab) -> None:
    """Make the destination another name of the source."""
    again = lab.world.add_endpoint(
        lab.source, name="again", entity_type="GCSv5_mapped_collection", mount="/again"
    )
    lab.configure(DST_ID=again.id, DST_DIR="/again")


@pytest.mark.parametrize("verify", [True, False])
def test_one_place_under_two_names_is_found_out_before_anything_is_deleted(
    verify: bool, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    same(lab)
    lab.configure(VERIFY_DESTINATION=verify)
    lab.send("a", "run/b")
    before = tree(lab.source)
    assert lab.delete() == 2
    assert "under another name" in capsys.readouterr().err
    assert deleted(lab) == []
    assert tree(lab.source) == before, "the probe is removed as well"
    assert lab.delete() == 2, "and it is found out each time"
    assert tree(lab.source) == before


def test_an_answer_that_does_not_say_that_the_probe_was_made_shows_nothing(lab: Lab) -> None:
    lab.send("a")
    lab.world.faults.add("mkdir", status=200, body={})
    assert lab.delete() == 1
    assert tree(lab.source).keys() == {"a"}
    assert lab.delete() == 0
    assert tree(lab.source) == {}


def test_the_probe_of_a_run_that_was_cut_short_is_removed(lab: Lab) -> None:
    lab.send("a")
    lab.world.faults.add("delete", status=503, times=None)
    assert lab.delete() == 1
    assert [name for name in tree(lab.destination) if "probe" in name]
    lab.world.faults.clear()
    lab.later(3600)
    assert lab.delete() == 0
    assert tree(lab.destination).keys() == {"a"}
    assert tree(lab.source) == {}


def test_the_two_places_of_a_pair_are_probed_once(lab: Lab) -> None:
    probed(lab)
    lab.send("a")
    lab.delete()
    made = [each.body["path"] for each in lab.world.requests if each.route == "mkdir"]
    assert len(made) == 1
    assert made[0].startswith("/dst/.globus_auto_probe.")
    assert not [name for name in tree(lab.destination) if "probe" in name]
    lab.configure(DST_DIR="/dst/other")
    lab.send("b")
    lab.delete()
    assert files(lab.source) == {}
    made = [each.body["path"] for each in lab.world.requests if each.route == "mkdir"]
    assert len(made) == 2
    assert made[1].startswith("/dst/other/")


@pytest.mark.parametrize("first", ["/dst/a", "/dst/z"])
def test_each_pair_of_places_is_probed_where_files_of_several_are_deleted(
    lab: Lab, first: str
) -> None:
    lab.configure(DST_DIR=first)
    lab.send("a")
    assert lab.delete() == 0
    lab.send("b")
    lab.configure(DST_DIR="/dst/m")
    lab.send("c")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    made = [each.body["path"] for each in lab.world.requests if each.route == "mkdir"]
    assert [path.partition("/.globus_auto_probe.")[0] for path in made] == [first, "/dst/m"]


@pytest.mark.parametrize(
    ("status", "body", "code", "kind"),
    [(401, {"code": "AuthenticationFailed"}, 3, "login"), (403, {}, 1, "endpoint")],
)
def test_why_no_probe_can_be_made_is_told(
    lab: Lab, status: int, body: dict[str, str], code: int, kind: str
) -> None:
    lab.send("a")
    lab.world.faults.add("mkdir", times=None, status=status, body=body)
    assert lab.delete() == code
    assert lab.alerts().keys() == {kind}
    assert files(lab.source).keys() == {"a"}


def test_a_probe_whose_answer_is_lost_is_made_all_the_same(lab: Lab) -> None:
    lab.send("a")
    lab.world.faults.add("mkdir", drop="after")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    assert not [name for name in tree(lab.destination) if "probe" in name]


def test_where_no_probe_can_be_made_nothing_is_deleted(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(VERIFY_DESTINATION=False, DST_DIR="/dst/copy")
    lab.send("a")
    shutil.rmtree(lab.destination / "copy")
    assert lab.delete() == 1
    assert "Nothing was deleted" in capsys.readouterr().err
    assert files(lab.source).keys() == {"a"}
    assert deleted(lab) == []


@pytest.mark.parametrize("body", [{}, {"code": "PermissionDenied", "message": "no"}])
def test_where_the_source_cannot_be_listed_for_the_probe_nothing_is_deleted(
    body: dict[str, str], lab: Lab
) -> None:
    lab.send("a")
    lab.world.faults.add(
        "ls", times=None, status=403, body=body, match=lambda each: each.query["path"] == "/src"
    )
    assert lab.delete() == 1
    assert files(lab.source).keys() == {"a"}
    assert deleted(lab) == []
    assert not [name for name in tree(lab.destination) if "probe" in name]
