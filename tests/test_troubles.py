"""Each trouble is one alert, whatever it shows by, until that very trouble ends."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from globus_auto import datastore
from globus_auto.sandbox.world import Pace
from tests.conftest import Lab, Mailbox, another_destination, files, unmark

HOUR = 3600


def hours(lab: Lab, number: int) -> None:
    """Let both programs run every hour."""
    for _ in range(number):
        lab.transfer()
        lab.later(HOUR / 2)
        lab.delete()
        lab.later(HOUR / 2)


def told(mailbox: Mailbox) -> list[str]:
    """Return what the subjects of all messages count."""
    subjects = [mailbox.read(number)["Subject"] for number in range(len(mailbox.messages))]
    return [subject.split(": ")[1].partition(" (")[0] for subject in subjects]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, {"code": "ServiceUnavailable", "message": "maintenance"}, "service"),
        (403, {"code": "AuthPolicyFailed", "authorization_parameters": {"prompt": "login"}}, "ses"),
        (403, {"code": "ConsentRequired", "required_scopes": ["no id"]}, "consent"),
    ],
)
def test_where_only_transfers_are_refused_delete_does_not_resolve_that(
    lab: Lab, mailbox: Mailbox, status: int, body: Any, kind: str
) -> None:
    lab.sent("sent")
    lab.write("new")
    lab.world.faults.add("transfer", times=None, status=status, body=body)
    hours(lab, 6)
    assert told(mailbox) == ["1 new"]
    assert [each.startswith(kind) for each in lab.alerts()] == [True]
    lab.world.faults.clear()
    hours(lab, 2)
    assert told(mailbox) == ["1 new", "1 resolved"]
    assert files(lab.destination).keys() == {"sent", "new"}


def test_where_only_deletes_are_refused_transfer_does_not_resolve_that(
    lab: Lab, mailbox: Mailbox
) -> None:
    lab.sent("sent")
    lab.world.faults.add("delete", times=None, status=502, body={"code": "EndpointError"})
    hours(lab, 6)
    assert told(mailbox) == ["1 new"]
    assert "Globus refused a call (502, EndpointError" in lab.alerts()["service"]
    lab.world.faults.clear()
    hours(lab, 1)
    assert told(mailbox) == ["1 new", "1 resolved"]
    assert files(lab.source) == {}


def test_where_the_marker_cannot_be_made_delete_says_so(lab: Lab, mailbox: Mailbox) -> None:
    lab.sent("sent")
    unmark(lab.destination)
    lab.world.faults.add("mkdir", times=None, status=502, body={"code": "EndpointError"})
    hours(lab, 6)
    assert told(mailbox) == ["1 new", "1 new"]
    assert "No directory can be made in /dst at" in mailbox.texts()[0]
    assert "has no marker, and none can be made" in lab.alerts()["endpoint"]
    assert files(lab.source).keys() == {"sent"}
    lab.world.faults.clear()
    hours(lab, 1)
    assert told(mailbox)[2:] == ["1 resolved"]
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_a_mount_that_is_gone_is_one_alert_though_delete_never_looks_at_it(
    lab: Lab, mailbox: Mailbox
) -> None:
    lab.sent("sent")
    mount = lab.home / "mount"
    lab.configure(SRC_LOCAL_DIR=str(mount), DELETE_EMPTY_DIRS=False)
    hours(lab, 4)
    assert told(mailbox) == ["1 new"]
    mount.symlink_to(lab.source)
    hours(lab, 2)
    assert told(mailbox) == ["1 new", "1 resolved"]


def test_each_of_two_endpoints_has_its_alert_and_its_end(lab: Lab, mailbox: Mailbox) -> None:
    lab.src.connected = lab.dst.connected = False
    hours(lab, 2)
    lab.src.connected = True
    hours(lab, 2)
    assert told(mailbox) == ["2 new", "1 resolved"]
    assert "source" in mailbox.texts()[1]
    assert lab.dst.id in lab.alerts()["endpoint"]
    lab.dst.connected = True
    hours(lab, 1)
    assert told(mailbox)[2:] == ["1 resolved"]


@pytest.mark.parametrize("route", ["submission_id", "transfer"])
def test_an_endpoint_that_leaves_in_the_middle_of_a_run_is_one_alert(
    lab: Lab, mailbox: Mailbox, route: str
) -> None:
    lab.sent("sent")
    lab.write("new")
    lab.world.faults.hook(route, lambda _request: setattr(lab.src, "connected", False))
    hours(lab, 3)
    assert told(mailbox) == ["1 new"]
    lab.src.connected = True
    hours(lab, 3)
    assert told(mailbox) == ["1 new", "1 resolved"]
    assert files(lab.destination).keys() == {"sent", "new"}


def test_a_login_is_not_called_well_by_a_run_that_reached_nothing(
    lab: Lab, mailbox: Mailbox
) -> None:
    lab.sent("sent")
    lab.world.faults.add("endpoint", times=None, status=401, body={"code": "AuthenticationFailed"})
    hours(lab, 1)
    lab.world.faults.clear()
    lab.world.faults.add("endpoint", times=None, drop="before")
    hours(lab, 1)
    assert told(mailbox) == ["1 new", "1 new"]
    assert lab.alerts().keys() == {"login", "service"}
    lab.world.faults.clear()
    hours(lab, 1)
    assert told(mailbox)[2:] == ["2 resolved"]


@pytest.mark.slow
def test_a_stalled_transfer_that_expires_and_stalls_again_is_one_alert(
    lab: Lab, mailbox: Mailbox
) -> None:
    lab.sent("sent")
    lab.write("a")
    for _ in range(3):
        lab.world.stall_next("QUOTA_EXCEEDED", details="no room", kind="TRANSFER")
    hours(lab, 60)
    assert told(mailbox) == ["1 new", "1 lasting", "1 lasting"]
    assert lab.alerts().keys() == {"stalled"}
    for task in lab.world.tasks.values():
        task.plan = None
    hours(lab, 1)
    assert told(mailbox)[3:] == ["1 resolved"]
    assert files(lab.destination).keys() == {"sent", "a"}


def test_a_transfer_that_cannot_reach_an_endpoint_is_told_though_that_seems_to_be_ready(
    lab: Lab, mailbox: Mailbox
) -> None:
    lab.sent("sent")
    lab.world.stall_next("CONNECTION_RESET")
    lab.write("a")
    hours(lab, 20)
    assert told(mailbox) == ["1 new"]
    assert "CONNECTION_RESET" in mailbox.texts()[0]


def test_a_refused_file_that_is_gone_is_resolved_though_others_keep_coming(
    lab: Lab, mailbox: Mailbox
) -> None:
    lab.configure(KEEP_DAYS=9)
    lab.sent("sent")
    refusal = {"code": "ClientError.BadRequest", "message": "no such name"}
    lab.write("bad")
    lab.world.faults.add(
        "transfer", times=None, status=400, body=refusal, match=lambda asked: "/bad" in str(asked)
    )
    hours(lab, 2)
    (lab.source / "bad").unlink()
    for number in range(3):
        lab.write(f"good{number}")
        lab.world.pace = Pace.by_time(2 * HOUR)
        hours(lab, 1)
    assert told(mailbox) == ["1 new", "1 resolved"]


def test_nothing_is_resolved_by_a_look_that_is_not_whole(lab: Lab, mailbox: Mailbox) -> None:
    lab.sent("d/sent")
    lab.world.fail_next("NO_SPACE_LEFT")
    lab.write("d/a")
    lab.transfer()
    lab.world.faults.add(
        "ls",
        times=None,
        status=502,
        body={"code": "ExternalError.DirListingFailed.PermissionDenied"},
        match=lambda asked: asked.query["path"] == "/src/d",
    )
    assert [lab.transfer() for _ in range(2)] == [1, 1]
    assert told(mailbox) == ["2 new"]
    lab.world.faults.clear()
    assert [lab.transfer() for _ in range(2)] == [0, 0]
    assert told(mailbox)[1:] == ["1 resolved", "1 resolved"]


def test_one_place_under_two_names_is_one_alert(lab: Lab, mailbox: Mailbox) -> None:
    lab.sent("sent")
    root, lab.dst.root = lab.dst.root, lab.src.root
    hours(lab, 4)
    assert told(mailbox) == ["1 new"]
    assert "/dst is SRC_DIR, or inside it, under another" in lab.alerts()["unfit settings"]
    lab.dst.root = root
    unmark(lab.source)
    hours(lab, 1)
    assert told(mailbox)[1:] == ["1 resolved"]


def test_a_destination_that_is_no_longer_used_is_resolved(lab: Lab, mailbox: Mailbox) -> None:
    lab.sent("sent")
    (lab.destination / "sent").unlink()
    hours(lab, 1)
    assert told(mailbox) == ["1 new"]
    assert lab.alerts().keys() == {"destination"}
    another_destination(lab)
    (lab.source / "sent").unlink()
    lab.write("b")
    hours(lab, 3)
    assert told(mailbox) == ["1 new", "1 resolved"]


@pytest.mark.parametrize("removed", [False, True])
def test_a_directory_that_stood_aside_is_resolved_though_none_is_tidied_any_more(
    lab: Lab, mailbox: Mailbox, removed: bool
) -> None:
    lab.sent("kept")
    lab.configure(KEEP_DAYS=9)
    aside = lab.source / ".globus_auto_empty.0123456789ab"
    lab.write(f"{aside.name}/late")
    store = lab.store()
    store.quarantined[f"/src/{aside.name}"] = "/src/d"
    datastore.save(f"{lab.state}/datastore", store)
    lab.world.faults.add("rename", times=None, status=403, body={"code": "PermissionDenied"})
    lab.configure(DELETE_EMPTY_DIRS=False)
    hours(lab, 2)
    assert told(mailbox) == ["1 new"]
    assert lab.alerts().keys() == {"aside"}
    if removed:
        shutil.rmtree(aside)
    lab.world.faults.clear()
    hours(lab, 2)
    assert told(mailbox) == ["1 new", "1 resolved"]
    assert (lab.source / "d" / "late").exists() is not removed


def test_a_portal_that_answers_for_a_token_in_a_run_is_no_crash(logged_in: Lab) -> None:
    """A token that expires in the middle of a run is renewed there, where a portal answers."""
    lab = logged_in
    assert lab.transfer() == 0

    def expire(_request: object) -> None:
        lab.later(200_000)
        lab.world.faults.proxy("token", 200, times=None)

    lab.world.faults.hook("task_list", expire, when="after")
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"service"}
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert lab.alerts() == {}
