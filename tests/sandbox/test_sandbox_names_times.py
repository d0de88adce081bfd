"""Endpoints where several spellings are one name, that keep no mtimes, or whose clock is off."""

import os
import time
import unicodedata

import pytest
import time_machine

from tests.sandbox.conftest import Site, api_error

COMPOSED = unicodedata.normalize("NFC", "Zoë")
DECOMPOSED = unicodedata.normalize("NFD", "Zoë")


def test_a_name_in_another_case_is_the_existing_file(site: Site) -> None:
    site.write(f"Run 1/{DECOMPOSED}.TXT", b"12345")
    here = (site.source.id, f"/RUN 1/{COMPOSED}.txt")
    assert api_error(site.client.operation_stat, *here) == (404, "NotFound")
    site.source.ignores_case = True
    assert site.client.operation_stat(*here)["name"] == f"{DECOMPOSED}.TXT"
    assert site.names("/run 1") == site.names("/~/rUN 1/") == [f"{DECOMPOSED}.TXT"]
    made = api_error(site.client.operation_mkdir, site.source.id, "/run 1")
    assert made == (502, "ExternalError.MkdirFailed.Exists")
    site.client.operation_mkdir(site.source.id, "/run 1/New")
    assert sorted(os.listdir(site.src / "Run 1")) == ["New", f"{DECOMPOSED}.TXT"]
    site.transfer((f"/run 1/{COMPOSED}.txt", "/copy", False))
    assert (site.dst / "copy").read_bytes() == b"12345"
    site.delete(here[1])
    site.delete("/RUN 1", recursive=True)
    assert os.listdir(site.src) == []


def test_a_copy_to_another_case_keeps_the_existing_spelling(site: Site) -> None:
    """The content is overwritten."""
    site.destination.ignores_case = True
    site.write("dir/file", b"first")
    site.write("DIR/FILE", b"second")
    site.write("DIR/Other", b"third")
    site.transfer(("/dir/file", "/dir/file", False), ("/DIR", "/DIR", True))
    arrived = {str(path.relative_to(site.dst)): path for path in site.dst.rglob("*")}
    assert sorted(arrived) == ["dir", "dir/Other", "dir/file"]
    assert arrived["dir/file"].read_bytes() == b"second"


def test_a_rename_replaces_a_name_in_another_case(site: Site) -> None:
    site.source.ignores_case = True
    site.write("one")
    site.write("two")
    rename, here = site.client.operation_rename, site.source.id
    rename(here, "/ONE", "/TWO")
    assert os.listdir(site.src) == ["two"]
    rename(here, "/two", "/Two")
    rename(here, "/Two", "/Two")
    assert os.listdir(site.src) == ["Two"]


def test_an_endpoint_can_ignore_only_the_unicode_form(site: Site) -> None:
    site.source.ignores_form = True
    site.write(COMPOSED)
    site.write("Upper")
    assert site.client.operation_stat(site.source.id, f"/{DECOMPOSED}")["name"] == COMPOSED
    assert api_error(site.client.operation_stat, site.source.id, "/upper") == (404, "NotFound")
    assert api_error(site.client.operation_stat, site.source.id, "/Upper/x") == (404, "NotFound")


@pytest.mark.parametrize("keeps", [True, False])
def test_preserve_timestamp_needs_an_endpoint_that_keeps_mtimes(site: Site, keeps: bool) -> None:
    site.destination.keeps_mtimes = keeps
    os.utime(site.write("a"), (1_600_000_000, 1_600_000_000))
    with time_machine.travel(1_800_000_000, tick=False):
        site.transfer(("/a", "/a", False), preserve_timestamp=True)
        site.transfer(("/a", "/b", False), preserve_timestamp=False)
    mtimes = [int((site.dst / name).stat().st_mtime) for name in "ab"]
    assert mtimes == [1_600_000_000 if keeps else 1_800_000_000, 1_800_000_000]


def test_mtimes_come_from_the_clock_of_the_endpoint(site: Site) -> None:
    site.destination.clock = 90.0
    site.write("a")
    (site.src / "empty").mkdir()
    with time_machine.travel(1_800_000_000, tick=False):
        site.transfer(("/a", "/a", False), ("/empty", "/deep/empty", True))
        site.client.operation_mkdir(site.destination.id, "/made")
        assert time.time() == 1_800_000_000
    for name in ("a", "deep/empty", "made"):
        assert (site.dst / name).stat().st_mtime == 1_800_000_090
