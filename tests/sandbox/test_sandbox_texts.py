"""The error texts in events, skipped errors and fatal errors are those of Globus."""

import os
from typing import Any, NoReturn

import pytest

from tests.sandbox.conftest import Site

REPLY = (
    "550-GlobusError: v=1 c=PATH_NOT_FOUND{end}550-GridFTP-Errno: 2{end}"
    "550-GridFTP-Reason: System error in stat{end}"
    "550-GridFTP-Error-String: No such file or directory{end}550 End.{end}"
)


def test_an_event_has_the_command_and_the_server_reply(site: Site) -> None:
    task = site.transfer(("/gone", "/x", False))
    event = site.client.task_event_list(task)["DATA"][0]
    assert (event["code"], event["description"]) == ("FILE_NOT_FOUND", "file not found")
    assert event["details"].splitlines() == [
        "Error (list)",
        f"Endpoint: source ({site.source.id})",
        "Server: 127.0.0.1:443",
        "File: /gone",
        "Command: MLST /gone",
        "Message: Fatal FTP Response",
        "---",
        "Details: " + REPLY.format(end="\\r\\n"),
    ]


def test_an_event_names_the_destination_and_its_directory(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(_path: str, **_options: Any) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "makedirs", denied)
    site.write("a")
    task = site.transfer(("/a", "/deep/er/a", False))
    lines = site.client.task_event_list(task)["DATA"][0]["details"].splitlines()
    assert lines[:2] == [
        "Error (make directories)",
        f"Endpoint: destination ({site.destination.id})",
    ]
    assert lines[3:5] == ["File: /deep/er/", "Command: MKD /deep/er/"]
    assert "c=PERMISSION_DENIED\\r\\n550-GridFTP-Errno: 13\\r\\n" in lines[-1]


def test_a_skipped_error_has_the_reply_with_encoded_line_ends(site: Site) -> None:
    site.write("dir/inside")
    task = site.transfer(
        ("/gone.txt", "/gone.txt", False),
        ("/gone", "/copy", True),
        ("/dir", "/file", False),
        skip_source_errors=True,
    )
    rows = {each["source_path"]: each for each in site.client.task_skipped_errors(task)}
    shown = [(path, row["destination_path"], row["is_directory"]) for path, row in rows.items()]
    assert shown == [
        ("/gone.txt", "/gone.txt", False),
        ("/gone/", "/copy/", True),
        ("/dir/", "/file/", True),
    ]
    for path in ("/gone.txt", "/gone/"):
        assert rows[path]["error_details"] == REPLY.format(end="%0D%0A")


@pytest.mark.parametrize(
    ("recursive", "code", "description"),
    [(True, "FILE_NOT_FOUND", "file not found"), (False, "IS_A_DIRECTORY", "is a directory")],
)
def test_a_fatal_error_is_a_few_words_without_a_path(
    site: Site, recursive: bool, code: str, description: str
) -> None:
    site.write("dir/inside")
    task = site.delete("/gone" if recursive else "/dir", recursive=recursive)
    fatal = site.client.get_task(task)["fatal_error"]
    assert fatal == {"code": code, "description": description}


def test_a_cancelled_task_has_the_description_canceled(site: Site) -> None:
    task = site.transfer(("/gone", "/x", False))
    site.client.cancel_task(task)
    fatal = site.client.get_task(task)["fatal_error"]
    assert fatal == {"code": "CANCELED", "description": "canceled"}
    event = site.client.task_event_list(task)["DATA"][0]
    assert (event["code"], event["details"]) == ("CANCELED", "Canceled by the task owner")


def test_verify_checksum_has_its_own_description(site: Site) -> None:
    site.write("a")
    site.world.stall_next("VERIFY_CHECKSUM")
    found = site.client.get_task(site.transfer(("/a", "/a")))
    assert found["nice_status"] == "VERIFY_CHECKSUM"
    assert found["nice_status_short_description"] == "checksum verification failed"
