"""The options of `serve`: what each changes in the world, and which are not valid."""

from pathlib import Path

import pytest

from globus_auto.sandbox import options
from globus_auto.sandbox.__main__ import main
from tests.sandbox.conftest import Site, api_error

ENDS = ("serve", "--source", "s", "--destination", "d")


def apply(site: Site, *words: str) -> None:
    """Apply these options to the world of the site."""
    options.apply(site.world, options.parser("").parse_args([*ENDS, *words]))


def test_without_options_the_world_is_unchanged(site: Site) -> None:
    before = {**vars(site.world), "completion": None}
    ends = [vars(site.source).copy(), vars(site.destination).copy()]
    apply(site)
    assert {**vars(site.world), "completion": None} == before
    assert [vars(site.source), vars(site.destination)] == ends


def test_a_policy_is_set_on_the_named_collection(site: Site) -> None:
    apply(
        site,
        *("--policy", "destination:disable_verify", "--policy", "destination:clock=-2.5"),
        *("--policy", "destination:keeps_mtimes=false", "--policy", "source:ignores_case=true"),
        *("--policy", "source:listing_lag=9", "--verify-refused"),
    )
    there, here = site.destination, site.source
    assert (there.disable_verify, there.clock, there.keeps_mtimes) == (True, -2.5, False)
    assert (here.ignores_case, here.listing_lag, here.disable_verify) == (True, 9.0, False)
    assert site.world.rejects_verify is True


def test_options_set_delays_and_memory_of_the_world(site: Site) -> None:
    apply(
        site,
        *("--lists-late", "1", "--listing-lag", "2", "--task-memory", "3"),
        *("--task-list-memory", "4", "--task-list-lag", "5", "--miss", "/a/", "--miss", "/b"),
    )
    world = site.world
    assert (world.lists_delay, world.listing_lag, world.task_memory) == (1, 2, 3)
    assert (world.task_list_memory, world.task_list_lag) == (4, 5)
    assert world.missed_paths == {"/a", "/b"}


def test_the_proxy_option_plans_proxy_answers(site: Site) -> None:
    apply(site, "--proxy", "ls:404,times=2", "--proxy", "mkdir:504,after,html=0")
    assert [api_error(site.names) for _ in range(2)] == [(404, None)] * 2
    assert site.names() == []
    assert api_error(site.client.operation_mkdir, site.source.id, "/x") == (504, None)
    assert site.names() == ["x"]


def test_the_stall_option_can_limit_the_number_of_stalls(site: Site) -> None:
    apply(site, "--stall", "TIMEOUT:2")
    site.write("a")
    task = site.transfer(("/a", "/a"))
    assert site.client.get_task(task)["nice_status"] == "TIMEOUT"
    assert site.client.get_task(task)["status"] == "SUCCEEDED"


@pytest.mark.parametrize(
    "option",
    [
        "--policy=both:disable_verify",
        "--policy=source:colour",
        "--policy=source:ignores_case=perhaps",
        "--policy=source:clock=soon",
        "--proxy=ls",
        "--proxy=nowhere:403",
        "--proxy=ls:403,colour=red",
        "--stall=TIMEOUT:often",
    ],
)
def test_an_invalid_option_is_named_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    ends = ("--source", str(tmp_path / "a"), "--destination", str(tmp_path / "b"))
    assert main(["serve", *ends, option]) == 2
    error = capsys.readouterr().err
    assert error.startswith(option.replace("=", " ", 1))
    assert error.count("\n") == 1
