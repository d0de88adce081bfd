"""Each problem is one alert, whatever its symptoms, until that problem ends."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from globus_auto import storage
from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, another_destination, files, unmark
from tests.mail import Mailbox, counts

HOUR = 3600


def hours(lab: Lab, number: int) -> None:
    """Run both programs every hour."""
    for _ in range(number):
        lab.transfer()
        lab.advance(HOUR / 2)
        lab.delete()
        lab.advance(HOUR / 2)


def counted(mailbox: Mailbox) -> list[str]:
    """Return how many alerts all messages have."""
    return [counts(text) for text in mailbox.texts()]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, {"code": "ServiceUnavailable", "message": "maintenance"}, "service"),
        (403, {"code": "AuthPolicyFailed", "authorization_parameters": {"prompt": "login"}}, "ses"),
        (403, {"code": "ConsentRequired", "required_scopes": ["no id"]}, "consent"),
    ],
)
def test_delete_does_not_resolve_a_rejected_transfer(
    lab: Lab, mailbox: Mailbox, status: int, body: Any, kind: str
) -> None:
    lab.given_transferred("sent")
    lab.write("new")
    lab.world.faults.add("transfer", times=None, status=status, body=body)
    hours(lab, 6)
    assert counted(mailbox) == ["1 new"]
    assert [each.startswith(kind) for each in lab.alerts()] == [True]
    lab.world.faults.clear()
    hours(lab, 2)
    assert counted(mailbox) == ["1 new", "1 resolved"]
    assert files(lab.destination).keys() == {"sent", "new"}


def test_transfer_does_not_resolve_a_rejected_deletion(lab: Lab, mailbox: Mailbox) -> None:
    lab.given_transferred("sent")
    lab.world.faults.add("delete", times=None, status=502, body={"code": "EndpointError"})
    hours(lab, 6)
    assert counted(mailbox) == ["1 new"]
    assert "Code: EndpointError (HTTP 502)." in lab.alerts()["service"]
    lab.world.faults.clear()
    hours(lab, 1)
    assert counted(mailbox) == ["1 new", "1 resolved"]
    assert files(lab.source) == {}


def test_delete_reports_that_no_marker_can_be_made(lab: Lab, mailbox: Mailbox) -> None:
    lab.given_transferred("sent")
    unmark(lab.destination)
    lab.world.faults.add("mkdir", times=None, status=502, body={"code": "EndpointError"})
    hours(lab, 6)
    assert counted(mailbox) == ["2 new"]
    assert "No directory can be made in /dst at" in mailbox.texts()[0]
    assert "has no marker, and none can be made" in lab.alerts()["endpoint"]
    assert files(lab.source).keys() == {"sent"}
    lab.world.faults.clear()
    hours(lab, 1)
    assert counted(mailbox)[1:] == ["1 resolved"]
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_a_missing_mount_is_one_alert(lab: Lab, mailbox: Mailbox) -> None:
    """Even though delete.py does not scan it."""
    lab.given_transferred("sent")
    mount = lab.home / "mount"
    lab.configure(SRC_LOCAL_DIR=str(mount), DELETE_EMPTY_DIRS=False)
    hours(lab, 4)
    assert counted(mailbox) == ["1 new"]
    mount.symlink_to(lab.source)
    hours(lab, 2)
    assert counted(mailbox) == ["1 new", "1 resolved"]


def test_two_offline_endpoints_are_resolved_one_by_one(lab: Lab, mailbox: Mailbox) -> None:
    lab.src.connected = lab.dst.connected = False
    hours(lab, 2)
    lab.src.connected = True
    hours(lab, 2)
    assert counted(mailbox) == ["2 new", "1 resolved"]
    assert "source" in mailbox.texts()[1]
    assert "destination collection destination" in lab.alerts()["endpoint"]
    lab.dst.connected = True
    hours(lab, 1)
    assert counted(mailbox)[2:] == ["1 resolved"]


@pytest.mark.parametrize("route", ["submission_id", "transfer"])
def test_an_endpoint_lost_during_a_run_is_one_alert(lab: Lab, mailbox: Mailbox, route: str) -> None:
    lab.given_transferred("sent")
    lab.write("new")
    lab.world.faults.add_hook(route, lambda _request: setattr(lab.src, "connected", False))
    hours(lab, 3)
    assert counted(mailbox) == ["1 new"]
    lab.src.connected = True
    hours(lab, 3)
    assert counted(mailbox) == ["1 new", "1 resolved"]
    assert files(lab.destination).keys() == {"sent", "new"}


def test_a_run_that_reached_nothing_resolves_no_login_alert(lab: Lab, mailbox: Mailbox) -> None:
    lab.given_transferred("sent")
    lab.world.faults.add("endpoint", times=None, status=401, body={"code": "AuthenticationFailed"})
    hours(lab, 1)
    lab.world.faults.clear()
    lab.world.faults.add("endpoint", times=None, drop="before")
    hours(lab, 1)
    assert counted(mailbox) == ["1 new", "1 new"]
    assert lab.alerts().keys() == {"login", "service"}
    lab.world.faults.clear()
    hours(lab, 1)
    assert counted(mailbox)[2:] == ["2 resolved"]


@pytest.mark.slow
def test_a_transfer_that_stalls_repeatedly_is_one_alert(lab: Lab, mailbox: Mailbox) -> None:
    """It expires, is submitted again and stalls again."""
    lab.given_transferred("sent")
    lab.write("a")
    for _ in range(3):
        lab.world.stall_next("QUOTA_EXCEEDED", details="no room", kind="TRANSFER")
    hours(lab, 60)
    assert counted(mailbox) == ["1 new", "1 still open", "1 still open"]
    assert lab.alerts().keys() == {"stalled"}
    for task in lab.world.tasks.values():
        task.planned_failure = None
    hours(lab, 1)
    assert counted(mailbox)[3:] == ["1 resolved"]
    assert files(lab.destination).keys() == {"sent", "a"}


def test_a_task_that_cannot_reach_an_endpoint_is_one_alert(lab: Lab, mailbox: Mailbox) -> None:
    """Even though the endpoint seems to be ready."""
    lab.given_transferred("sent")
    lab.world.stall_next("CONNECTION_RESET")
    lab.write("a")
    hours(lab, 20)
    assert counted(mailbox) == ["1 new"]
    assert "CONNECTION_RESET" in mailbox.texts()[0]


def test_a_rejected_file_that_is_gone_is_resolved(lab: Lab, mailbox: Mailbox) -> None:
    """Even though other files keep arriving."""
    lab.configure(KEEP_DAYS=9)
    lab.given_transferred("sent")
    api_error = {"code": "ClientError.BadRequest", "message": "no such name"}
    lab.write("bad")
    lab.world.faults.add(
        "transfer",
        times=None,
        status=400,
        body=api_error,
        match=lambda request: "/bad" in str(request),
    )
    hours(lab, 2)
    (lab.source / "bad").unlink()
    for number in range(3):
        lab.write(f"good{number}")
        lab.world.completion = CompletionPolicy.after_seconds(2 * HOUR)
        hours(lab, 1)
    assert counted(mailbox) == ["1 new", "1 resolved"]


def test_an_incomplete_scan_resolves_nothing(lab: Lab, mailbox: Mailbox) -> None:
    lab.given_transferred("d/sent")
    lab.world.fail_next("NO_SPACE_LEFT")
    lab.write("d/a")
    lab.transfer()
    lab.world.faults.add(
        "ls",
        times=None,
        status=502,
        body={"code": "ExternalError.DirListingFailed.PermissionDenied"},
        match=lambda request: request.query["path"] == "/src/d",
    )
    assert [lab.transfer() for _ in range(2)] == [1, 1]
    assert counted(mailbox) == ["2 new"]
    lab.world.faults.clear()
    assert [lab.transfer() for _ in range(2)] == [0, 0]
    assert counted(mailbox)[1:] == ["1 resolved", "1 resolved"]


def test_one_directory_under_two_names_is_one_alert(lab: Lab, mailbox: Mailbox) -> None:
    lab.given_transferred("sent")
    root, lab.dst.root = lab.dst.root, lab.src.root
    hours(lab, 4)
    assert counted(mailbox) == ["1 new"]
    assert "/dst is SRC_DIR, or inside it, under another" in lab.alerts()["unfit settings"]
    lab.dst.root = root
    unmark(lab.source)
    hours(lab, 1)
    assert counted(mailbox)[1:] == ["1 resolved"]


def test_a_destination_that_is_no_longer_used_is_resolved(lab: Lab, mailbox: Mailbox) -> None:
    lab.given_transferred("sent")
    (lab.destination / "sent").unlink()
    hours(lab, 1)
    assert counted(mailbox) == ["1 new"]
    assert lab.alerts().keys() == {"destination"}
    another_destination(lab)
    (lab.source / "sent").unlink()
    lab.write("b")
    hours(lab, 3)
    assert counted(mailbox) == ["1 new", "1 resolved"]


@pytest.mark.parametrize("removed", [False, True])
def test_a_quarantine_is_resolved_with_pruning_turned_off(
    lab: Lab, mailbox: Mailbox, removed: bool
) -> None:
    """Once the directory has its name back, or is gone."""
    lab.given_transferred("kept")
    lab.configure(KEEP_DAYS=9)
    quarantine = lab.source / ".globus_auto_empty.0123456789ab"
    lab.write(f"{quarantine.name}/late")
    store = lab.store()
    store.quarantined[f"/src/{quarantine.name}"] = "/src/d"
    storage.save(f"{lab.state}/datastore", store)
    lab.world.faults.add("rename", times=None, status=403, body={"code": "PermissionDenied"})
    lab.configure(DELETE_EMPTY_DIRS=False)
    hours(lab, 2)
    assert counted(mailbox) == ["1 new"]
    assert lab.alerts().keys() == {"quarantine"}
    if removed:
        shutil.rmtree(quarantine)
    lab.world.faults.clear()
    hours(lab, 2)
    assert counted(mailbox) == ["1 new", "1 resolved"]
    assert (lab.source / "d" / "late").exists() is not removed


def test_a_portal_that_answers_for_a_token_in_a_run_is_no_crash(logged_in: Lab) -> None:
    """The token expires during a run, and a portal answers the request for another."""
    lab = logged_in
    assert lab.transfer() == 0

    def expire(_request: object) -> None:
        lab.advance(200_000)
        lab.world.faults.add_proxy("token", 200, times=None)

    lab.world.faults.add_hook("task_list", expire, when="after")
    assert lab.transfer() == 1
    assert lab.alerts().keys() == {"service"}
    lab.world.faults.clear()
    assert lab.transfer() == 0
    assert lab.alerts() == {}
