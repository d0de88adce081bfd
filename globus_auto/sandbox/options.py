"""The options of `serve`, and what they change in the world."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable
from typing import Any

from globus_auto.sandbox.engine import CompletionPolicy
from globus_auto.sandbox.world import Endpoint, World

BOOLEANS = {"": True, "true": True, "1": True, "false": False, "0": False}  # values of policies
BOOLEAN_POLICIES = (
    "disable_verify",
    "force_verify",
    "refuses_encryption",
    "ignores_case",
    "ignores_form",
    "keeps_mtimes",
)
POLICIES: dict[str, Callable[[str], bool | float]] = {
    **dict.fromkeys(BOOLEAN_POLICIES, BOOLEANS.__getitem__),
    **dict.fromkeys(("clock", "listing_lag"), float),
}
FAULT_FIELDS: dict[str, Callable[[str], Any]] = {
    **dict.fromkeys(("status", "times", "truncate", "after"), int),
    **dict.fromkeys(("body", "drop"), str),
    "delay": float,
}
PROXY_FIELDS: dict[str, Callable[[str], Any]] = {
    "times": int,
    **dict.fromkeys(("after", "html"), BOOLEANS.__getitem__),
}


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m globus_auto.sandbox", description=description)
    serve = top.add_subparsers(required=True).add_parser(
        "serve", help="serve two directories as Globus collections until Ctrl-C"
    )
    serve.add_argument("--source", required=True, metavar="DIR", help="its collection is `source`")
    serve.add_argument(
        "--destination", required=True, metavar="DIR", help="its collection is `destination`"
    )
    serve.add_argument(
        "--mount",
        metavar="PATH",
        help="the Globus path of both directories; default: their paths on this machine",
    )
    serve.add_argument(
        "--app",
        action="append",
        default=[],
        metavar="ID",
        help="the client id of an app that people can log in with; default: any UUID",
    )
    serve.add_argument("--port", type=int, default=0, help="default: a free port")
    serve.add_argument(
        "--data-access",
        action="store_true",
        help="the destination requires the data_access consent",
    )
    _add_answers(serve.add_argument_group("answers"))
    _add_tasks(serve.add_argument_group("tasks"))
    _add_collections(serve.add_argument_group("collections"))
    return top


def _add_answers(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--latency", type=float, default=0.0, metavar="MS", help="delay every answer"
    )
    group.add_argument(
        "--calls-per-second", type=float, metavar="N", help="answer 429 above this rate"
    )
    group.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="ROUTE:NAME=VALUE,...",
        help="plan a fault, such as ls:status=502,times=3 or task:delay=5 or "
        "transfer:drop=after or ls:truncate=1",
    )
    group.add_argument(
        "--proxy",
        action="append",
        default=[],
        metavar="ROUTE:STATUS[,times=N][,after][,html=0]",
        help="let a proxy answer the next N requests (default 1) with an HTML page, or with html=0 "
        "without a body; with `after` the request takes effect first; such as ls:403 or "
        "transfer:504,after",
    )
    group.add_argument(
        "--listing-lag",
        type=float,
        default=0.0,
        metavar="S",
        help="show listings that are up to S seconds old",
    )
    group.add_argument(
        "--lists-late",
        type=float,
        default=0.0,
        metavar="S",
        help="reject successful_transfers and skipped_errors until S seconds after completion",
    )
    group.add_argument(
        "--task-memory", type=float, metavar="S", help="forget tasks S seconds after completion"
    )
    group.add_argument(
        "--task-list-memory", type=float, metavar="S", help="the same, but only in task_list"
    )
    group.add_argument(
        "--task-list-lag",
        type=float,
        default=0.0,
        metavar="S",
        help="hide tasks younger than S seconds from task_list",
    )


def _add_tasks(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--task-seconds", type=float, default=0.0, metavar="S", help="how long a task takes"
    )
    group.add_argument(
        "--bytes-per-second",
        type=float,
        metavar="N",
        help="how fast a task copies; default: as fast as it can",
    )
    group.add_argument(
        "--stall",
        metavar="CODE[:N]",
        help="make the first task stall with this event code, for ever or N times",
    )
    group.add_argument(
        "--fail", metavar="CODE", help="make the first task fail with this event code"
    )
    group.add_argument(
        "--skip",
        action="append",
        default=[],
        metavar="PATH",
        help="make this source path unreadable",
    )
    group.add_argument(
        "--miss",
        action="append",
        default=[],
        metavar="PATH",
        help="hide this source path from recursive transfers",
    )
    group.add_argument(
        "--verify-refused",
        action="store_true",
        help="with disable_verify, reject a transfer that asks for verification; default: accept "
        "it, and do not verify",
    )


def _add_collections(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--disconnect",
        metavar="source|destination[:S]",
        help="take a collection offline, after S seconds",
    )
    group.add_argument(
        "--policy",
        action="append",
        default=[],
        metavar="source|destination:NAME[=VALUE]",
        help=f"{', '.join(BOOLEAN_POLICIES)} (VALUE: true or false, default true); clock (VALUE: "
        "seconds ahead of this machine); listing_lag (VALUE: seconds, overrides --listing-lag)",
    )


def apply(world: World, options: argparse.Namespace) -> None:
    """Apply the options to the world; raise ValueError naming an option that is not valid."""
    world.latency = options.latency / 1000
    world.calls_per_second = options.calls_per_second
    world.completion = CompletionPolicy.after_seconds(options.task_seconds)
    world.bytes_per_second = options.bytes_per_second
    world.listing_lag = options.listing_lag
    world.lists_delay = options.lists_late
    world.task_memory = options.task_memory
    world.task_list_memory = options.task_list_memory
    world.task_list_lag = options.task_list_lag
    world.rejects_verify = options.verify_refused
    world.skip_paths(*options.skip)
    world.miss_paths(*options.miss)
    if options.fail:
        world.fail_next(options.fail)
    actions: list[tuple[str, Callable[[World, str], None]]] = [
        ("stall", _stall),
        ("fault", _fault),
        ("proxy", _proxy),
        ("policy", _policy),
        ("disconnect", _disconnect),
    ]
    for name, act in actions:
        given = getattr(options, name)
        for text in given if isinstance(given, list) else filter(None, [given]):
            try:
                act(world, text)
            except (KeyError, ValueError) as error:
                raise ValueError(f"--{name} {text}: {error} is not valid.") from error


def _stall(world: World, text: str) -> None:
    code, _, times = text.partition(":")
    world.stall_next(code, times=int(times) if times else None)


def _fault(world: World, text: str) -> None:
    """Plan a fault, given by the fields of `Fault`."""
    route, _, rest = text.partition(":")
    pairs = [part.split("=", 1) for part in rest.split(",")]
    world.faults.add(route, **{name: FAULT_FIELDS[name](value) for name, value in pairs})


def _proxy(world: World, text: str) -> None:
    route, _, rest = text.partition(":")
    status, *more = rest.split(",")
    pairs = [part.partition("=") for part in more]
    fields = {name: PROXY_FIELDS[name](value) for name, _, value in pairs}
    world.faults.add_proxy(route, int(status), **fields)


def _policy(world: World, text: str) -> None:
    which, _, rest = text.partition(":")
    name, _, value = rest.partition("=")
    setattr(_collection(world, which), name, POLICIES[name](value))


def _disconnect(world: World, text: str) -> None:
    which, _, seconds = text.partition(":")
    arguments = (_collection(world, which), "connected", False)
    timer = threading.Timer(float(seconds or 0), setattr, arguments)
    timer.daemon = True
    timer.start()


def _collection(world: World, name: str) -> Endpoint:
    return {endpoint.name: endpoint for endpoint in world.endpoints.values()}[name]
