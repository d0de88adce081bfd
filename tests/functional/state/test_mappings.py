"""Mappings are recorded, and no other source may be sent into their destination."""

from __future__ import annotations

from pathlib import Path

import pytest

from globus_auto import delete, transfer
from tests.lab import Lab, files


def refused(lab: Lab, capsys: pytest.CaptureFixture[str]) -> str:
    """Check that both programs refuse the settings and change nothing; return the reason."""
    before = lab.datastore_bytes()
    capsys.readouterr()
    lab.world.requests.clear()
    assert [lab.transfer(), lab.delete()] == [2, 2]
    assert (lab.datastore_bytes(), lab.world.requests) == (before, [])
    return capsys.readouterr().err.splitlines()[0]


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        pytest.param("/src/two", "/dst/m/one", id="the same directory"),
        pytest.param("/src/two", "/dst/m/one/two", id="inside"),
        pytest.param("/src/two", "/dst/m", id="around"),
        pytest.param("/src", "/dst/m", id="around, another place"),
        pytest.param("/src/one/d", "/dst/m/one", id="part of the source"),
    ],
)
def test_a_destination_inside_another_mapping_is_refused(
    lab: Lab, capsys: pytest.CaptureFixture[str], source: str, destination: str
) -> None:
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/m/one" if source != "/src" else "/dst/m/x")
    lab.given_transferred("one/a", "one/d/b")
    assert lab.delete() == 0
    assert files(lab.source) == {}
    lab.write("two/a", "another file")
    lab.write("one/d/a", "another file")
    first = lab.settings["DST_DIR"]
    lab.configure(SRC_DIR=source, DST_DIR=destination)
    stderr = refused(lab, capsys)
    assert f"{source} cannot be sent to {destination}: /src/one was sent to {first}" in stderr
    assert "Set another DST_DIR." in stderr
    assert f"Deleting {lab.state}/datastore ends this protection" in stderr
    lab.configure(DST_DIR="/dst/n")
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert lab.alerts() == {}


def test_nested_mappings_with_equal_paths_are_allowed(lab: Lab) -> None:
    """Both put every path in the same place."""
    lab.configure(SRC_DIR="/src/d", DST_DIR="/dst/d")
    lab.given_transferred("d/a")
    lab.configure(SRC_DIR="/src", DST_DIR="/dst")
    lab.given_transferred("d/a", "b")
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert files(lab.source) == {}
    assert files(lab.destination) == {"d/a": b"data", "b": b"data"}
    lab.configure(SRC_DIR="/src/d", DST_DIR="/dst/d")
    lab.given_transferred("d/c")
    assert lab.delete() == 0
    assert (files(lab.source), lab.alerts()) == ({}, {})


def test_another_collection_may_have_the_same_directory(lab: Lab) -> None:
    lab.given_transferred("one/a")
    (lab.home / "other").mkdir()
    other = lab.world.add_endpoint(lab.home / "other", name="other", mount="/dst")
    lab.configure(SRC_DIR="/src/one", DST_ID=other.id)
    lab.given_transferred("one/b")
    assert files(lab.home / "other").keys() == {"b"}


def test_ordinary_editing_of_both_directories_in_one_config(lab: Lab) -> None:
    """A beamline changes its directories with each visit, and may change them back."""
    for name in ("visit1", "visit2", "visit1"):
        lab.configure(SRC_DIR=f"/src/{name}", DST_DIR=f"/dst/{name}")
        lab.given_transferred(f"{name}/a")
        assert lab.delete() == 0
    assert (files(lab.source), lab.alerts()) == ({}, {})
    assert files(lab.destination).keys() == {"visit1/a", "visit2/a"}
    assert len(lab.store().mappings) == 2


def test_deleting_the_datastore_gives_up_the_protection(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The marker is still there, and the alert says what to remove."""
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/m")
    lab.given_transferred("one/a")
    lab.write("two/b")
    lab.configure(SRC_DIR="/src/two")
    refused(lab, capsys)
    (lab.state / "datastore").unlink()
    assert lab.transfer() == 2
    (marker,) = (lab.destination / "m").glob(".globus_auto.*")
    assert f"remove /dst/m/{marker.name}" in lab.alerts()["unfit settings"]
    marker.rmdir()
    assert [lab.transfer(), lab.transfer()] == [0, 0]
    assert (files(lab.destination / "m").keys(), lab.alerts()) == ({"a", "b"}, {})


def second_config(lab: Lab, **changes: str) -> Path:
    """Write another config file with the same CODE_PATH; return its path."""
    path, settings = lab.home / "second.py", lab.settings | changes
    lines = [f"{name} = {value!r}\n" for name, value in settings.items()]
    path.write_text("".join(lines), encoding="utf-8")
    return path


@pytest.mark.parametrize("program", [transfer.main, delete.main])
def test_two_configs_with_one_code_path_are_refused(
    lab: Lab, capsys: pytest.CaptureFixture[str], program: object
) -> None:
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/one")
    lab.given_transferred("one/a")
    lab.write("two/b")
    second = second_config(lab, SRC_DIR="/src/two", DST_DIR="/dst/two")
    before = lab.datastore_bytes()
    assert callable(program)
    assert program(["--config", str(second)]) == 2
    stderr = capsys.readouterr().err
    assert f"{lab.config} has the same CODE_PATH as {second}, but other directories" in stderr
    assert "Give each config file its own CODE_PATH." in stderr
    assert (lab.datastore_bytes(), lab.submitted()) == (before, [])
    assert [lab.transfer(), lab.delete()] == [0, 0]
    assert lab.alerts() == {}


def remove(lab: Lab) -> None:
    lab.config.unlink()


def rename(lab: Lab) -> None:
    lab.config.rename(lab.home / "third.py")


def move(lab: Lab) -> None:
    (lab.home / "other").mkdir()
    lab.configure(CODE_PATH=f"{lab.home}/other/")


def follow(lab: Lab) -> None:
    lab.configure(SRC_DIR="/src/two", DST_DIR="/dst/two")


@pytest.mark.parametrize("act", [remove, rename, move, follow])
def test_a_config_that_no_longer_conflicts_is_ignored(lab: Lab, act: object) -> None:
    lab.configure(SRC_DIR="/src/one", DST_DIR="/dst/one")
    lab.given_transferred("one/a")
    lab.write("two/b")
    second = second_config(lab, SRC_DIR="/src/two", DST_DIR="/dst/two")
    assert callable(act)
    act(lab)
    assert transfer.main(["--config", str(second)]) == 0
    assert transfer.main(["--config", str(second)]) == 0
    assert files(lab.destination).keys() == {"one/a", "two/b"}
    assert lab.store().config == str(second), "this one from now on"
    third = second_config(lab, SRC_DIR="/src/one", DST_DIR="/dst/one").rename(lab.home / "new.py")
    assert transfer.main(["--config", str(third)]) == 0, "the second is gone"
    second_config(lab, SRC_DIR="/src/two", DST_DIR="/dst/two")
    assert transfer.main(["--config", str(second)]) == 2


def test_an_unreadable_recorded_config_is_ignored(lab: Lab) -> None:
    lab.given_transferred("a")
    second = second_config(lab)
    lab.config.write_text("SRC_DIR = ", encoding="utf-8")
    assert transfer.main(["--config", str(second)]) == 0
