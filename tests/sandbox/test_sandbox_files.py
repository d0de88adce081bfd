"""Listings and the other operations on files, called through globus-sdk, checked on disk."""

import os
import time
from typing import Any

import globus_sdk
import pytest
import time_machine

from tests.sandbox.conftest import Site, api_error


def test_a_listing_shows_names_types_sizes_and_mtimes(site: Site) -> None:
    """Mtimes are in whole seconds, in UTC."""
    os.utime(site.write("a b.txt", b"12345"), (1_600_887_182.9, 1_600_887_182.9))
    site.write("Zoë/x")
    listing = site.client.operation_ls(site.source.id, "/")
    shown = [(each["name"], each["type"]) for each in listing]
    assert shown == [("Zoë", "dir"), ("a b.txt", "file")]
    assert (listing["path"], listing["absolute_path"]) == ("/", None)
    assert (listing["length"], listing["total"], listing["endpoint"]) == (2, 2, site.source.id)
    assert (listing["rename_supported"], listing["symlink_supported"]) == (True, False)
    assert listing["DATA"][1]["size"] == 5
    assert listing["DATA"][1]["last_modified"] == "2020-09-23 18:53:02+00:00"
    for path in ("/~/Zoë", "~/Zoë/", "/~//Zoë/.", "Zoë"):
        assert site.client.operation_ls(site.source.id, path)["path"] == "/~/Zoë/"
    assert site.client.operation_ls(site.source.id)["path"] == "/~/"


def test_a_listing_supports_filters_order_and_pages(site: Site) -> None:
    for name, size in (("a.txt", 3), ("b.dat", 2), (".hidden", 1), ("c.txt", 9)):
        site.write(name, b"x" * size)
    site.write("dir/x")
    assert site.names() == [".hidden", "a.txt", "b.dat", "c.txt", "dir"]
    assert site.names(show_hidden=False) == ["a.txt", "b.dat", "c.txt", "dir"]
    assert site.names(filter="name:~*.txt") == ["a.txt", "c.txt"]
    assert site.names(filter="name:a.txt,=b.dat") == ["a.txt", "b.dat"]
    assert site.names(filter="name:!a.txt,!~.h*/type:file") == ["b.dat", "c.txt"]
    assert site.names(filter=[{"type": "dir"}, {"name": "a.txt"}]) == ["a.txt", "dir"]
    assert site.names(filter="name:nothing") == []
    assert site.names(filter="last_modified:,2001-01-01") == []
    assert len(site.names(filter={"last_modified": ["2001-01-01", ""]})) == 5
    assert site.names(filter="type:file", orderby="size DESC") == [
        *("c.txt", "a.txt", "b.dat", ".hidden"),
    ]
    assert site.names(orderby=["type", "name DESC"])[:2] == ["dir", "c.txt"]
    page = site.client.operation_ls(site.source.id, "/", limit=2, offset=3)
    assert ([each["name"] for each in page], page["length"], page["total"]) == (
        ["c.txt", "dir"],
        2,
        5,
    )


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"filter": "size:>5"}, "filter"),
        ({"filter": "name"}, "filter"),
        ({"filter": "last_modified:soon,"}, "last_modified"),
        ({"orderby": "name UP"}, "orderby"),
        ({"orderby": "colour"}, "orderby"),
        ({"limit": 100_001}, "limit"),
        ({"limit": 0}, "limit"),
        ({"offset": -1}, "offset"),
        ({"local_user": "root"}, "local_user"),
        ({"query_params": {"no_such": 1}}, "no_such"),
        ({"query_params": {"path": ["/", "/x"]}}, "path"),
        ({"query_params": {"show_hidden": 2}}, "show_hidden"),
    ],
)
def test_an_unsupported_parameter_of_a_listing_is_rejected(
    site: Site, options: dict[str, Any], named: str
) -> None:
    """The error names the parameter."""
    with pytest.raises(globus_sdk.TransferAPIError, match=f"'{named}'") as caught:
        site.client.operation_ls(site.source.id, "/", **options)
    assert (caught.value.http_status, caught.value.code) == (400, "ClientError.BadRequest")
    assert len(caught.value.request_id or "") == 9


def test_symlinks_show_their_targets_and_never_lead_outside(site: Site) -> None:
    site.write("real/file", b"12345")
    (site.home / "secret").write_text("secret")
    for name, target in (
        ("to_file", "real/file"),
        ("to_dir", "real"),
        ("dangling", "gone"),
        ("out", "../secret"),
        ("up", ".."),
    ):
        (site.src / name).symlink_to(target)
    os.mkfifo(site.src / "pipe")
    found = {each["name"]: each for each in site.client.operation_ls(site.source.id, "/")}
    assert (found["to_file"]["type"], found["to_file"]["size"]) == ("file", 5)
    assert (found["to_file"]["link_target"], found["to_file"]["link_size"]) == ("real/file", 9)
    assert found["to_dir"]["type"] == found["up"]["type"] == "dir"
    assert found["dangling"]["type"] == "invalid_symlink"
    assert found["pipe"]["type"] == "pipe"
    assert site.names("/to_dir") == ["file"]
    for path in ("/up", "/../../up"):
        denied = api_error(site.client.operation_ls, site.source.id, path)
        assert denied == (403, "EndpointPermissionDenied")
    assert site.names("/../..") == site.names("/")
    assert site.client.operation_stat(site.source.id, "/out")["link_target"] == "../secret"
    task = site.transfer(("/out", "/got", False), skip_source_errors=True)
    assert site.skipped_errors(task) == {"/out": "PERMISSION_DENIED"}
    assert list(site.dst.iterdir()) == []
    denied = api_error(site.client.operation_rename, site.source.id, "/to_file", "/up/stolen")
    assert denied == (403, "EndpointPermissionDenied")


def test_paths_outside_the_mount_are_denied(site: Site) -> None:
    site.write("x/file")
    mounted = site.world.add_endpoint(site.src, "mounted", mount="/lab/data")
    assert site.client.operation_ls(mounted.id, "/lab/data/x")["path"] == "/lab/data/x/"
    assert site.client.operation_ls(mounted.id, "/~/x")["path"] == "/~/x/"
    for path in ("/", "/lab", "/lab/database", "/lab/data/.."):
        denied = api_error(site.client.operation_ls, mounted.id, path)
        assert denied == (403, "EndpointPermissionDenied")


def test_listings_can_lag_behind_the_disk(site: Site) -> None:
    stat = site.client.operation_stat
    site.write("a")
    with time_machine.travel(time.time(), tick=False) as clock:
        site.world.listing_lag = 30
        assert site.names() == site.names("/~/") == ["a"]
        assert api_error(stat, site.source.id, "/b") == (404, "NotFound")
        (site.src / "a").rename(site.src / "b")
        clock.shift(29)
        assert site.names() == ["a"]
        assert api_error(stat, site.source.id, "/b") == (404, "NotFound")
        clock.shift(1)
        assert site.names() == ["b"]
        assert stat(site.source.id, "/b")["size"] == 7
        site.write("c")
        assert site.names() == ["b"]
        site.source.listing_lag = 0
        assert site.names() == ["b", "c"]


def test_a_name_that_is_not_utf_8_is_listed_with_u_fffd(site: Site) -> None:
    with open(os.fsencode(site.src) + b"/bad\xff", "wb"):
        assert site.names() == ["bad\ufffd"]
    assert api_error(site.client.operation_ls, site.source.id, "/a\nb")[0] == 400
    task = site.transfer(("/", "/all", True), skip_source_errors=True)
    assert site.skipped_errors(task) == {"/bad\ufffd": "AMBIGUOUS_PATH"}


def test_each_failed_listing_has_its_own_error_code(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.write("file")
    ls, stat = site.client.operation_ls, site.client.operation_stat
    missing = "00000000-0000-0000-0000-000000000000"
    assert api_error(ls, site.source.id, "/gone") == (404, "ClientError.NotFound")
    assert api_error(stat, site.source.id, "/gone") == (404, "NotFound")
    assert api_error(stat, site.source.id, "/file/below") == (404, "NotFound")
    not_directory = (502, "ExternalError.DirListingFailed.NotDirectory")
    assert api_error(ls, site.source.id, "/file") == not_directory
    assert api_error(ls, missing, "/") == (404, "EndpointNotFound")
    site.world.listing_limit = 0
    assert api_error(ls, site.source.id, "/") == (502, "ExternalError.DirListingFailed.SizeLimit")
    monkeypatch.setattr(
        os, "scandir", lambda _path: (_ for _ in ()).throw(PermissionError(13, "no"))
    )
    denied = (502, "ExternalError.DirListingFailed.PermissionDenied")
    assert api_error(ls, site.source.id, "/") == denied
    monkeypatch.setattr(os, "scandir", lambda _path: (_ for _ in ()).throw(OSError(5, "broken")))
    assert api_error(ls, site.source.id, "/") == (502, "EndpointError")


def test_each_kind_of_offline_endpoint_has_its_own_error_code(site: Site) -> None:
    ls = site.client.operation_ls
    guest = site.world.add_endpoint(site.src, "guest", "GCP_guest_collection", host=site.source)
    server = site.world.add_endpoint(site.src, "server", "GCSv5_endpoint")
    assert api_error(ls, server.id, "/") == (409, "NotSupported")
    site.source.connected = site.destination.connected = False
    gone = (502, "ExternalError.DirListingFailed.GCDisconnected")
    assert api_error(ls, site.source.id, "/") == api_error(ls, guest.id, "/") == gone
    assert site.client.get_endpoint(site.source.id)["gcp_connected"] is False
    no_answer = (502, "ExternalError.DirListingFailed.ConnectFailed")
    assert api_error(ls, site.destination.id, "/") == no_answer
    assert api_error(site.transfer, ("/a", "/a")) == (409, "GCDisconnectedException")
    site.source.connected, site.source.paused = True, True
    assert site.client.get_endpoint(site.source.id)["gcp_paused"] is True
    assert api_error(ls, site.source.id, "/") == (502, "EndpointError")
    site.source.deleted = True
    assert api_error(site.client.get_endpoint, site.source.id) == (404, "EndpointDeleted")


def test_directories_are_created_and_renamed(site: Site) -> None:
    mkdir, rename = site.client.operation_mkdir, site.client.operation_rename
    assert mkdir(site.source.id, "/new")["code"] == "DirectoryCreated"
    assert api_error(mkdir, site.source.id, "/new") == (502, "ExternalError.MkdirFailed.Exists")
    assert api_error(mkdir, site.source.id, "/no/parent") == (404, "ClientError.NotFound")
    site.write("new/file")
    site.write("taken/file")
    assert rename(site.source.id, "/new", "/moved")["code"] == "FileRenamed"
    assert (site.src / "moved/file").read_bytes() == b"content"
    exists = (502, "ExternalError.RenameFailed.Exists")
    assert api_error(rename, site.source.id, "/moved", "/taken") == exists
    site.write("other", b"replaces")
    assert rename(site.source.id, "/other", "/taken/file")["code"] == "FileRenamed"
    assert (site.src / "taken/file").read_bytes() == b"replaces"
    assert api_error(rename, site.source.id, "/gone", "/other") == (404, "ClientError.NotFound")
    assert api_error(rename, site.source.id, "/", "/other") == (403, "EndpointPermissionDenied")
    assert api_error(rename, site.source.id, "/taken/file", "/moved") == exists
    site.source.mount = "/lab"
    with pytest.raises(
        globus_sdk.TransferAPIError, match="directory: /lab/taken/file -> /lab/moved'"
    ):
        rename(site.source.id, "/~/taken/file", "/lab/moved")
    site.source.mount = "/"
    site.source.rename_supported = False
    assert api_error(rename, site.source.id, "/moved", "/other") == (409, "NotSupported")
    assert site.client.operation_ls(site.source.id, "/")["rename_supported"] is False
    path = f"/v0.10/operation/endpoint/{site.source.id}/mkdir"
    for body in ({"DATA_TYPE": "mkdir"}, {"DATA_TYPE": "x", "path": "/x"}, {"path": "/x"}, [1]):
        assert api_error(site.client.post, path, data=body)[0] == 400
    body = {"DATA_TYPE": "mkdir", "path": "/x", "mode": "0700"}
    assert api_error(site.client.post, path, data=body)[0] == 400
    assert not (site.src / "x").exists()
