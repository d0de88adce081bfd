"""The command line: `serve` two directories as a local Globus, or, without a word, the demo."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from globus_auto.sandbox.engine import Pace
from globus_auto.sandbox.faults import Request
from globus_auto.sandbox.identity import named_id
from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import World

BEFORE = """\
Serving {source} and {destination}, which are real:
what a task deletes or overwrites there is gone. Work on copies.
Anybody logged in to this machine can reach the service while it runs.
"""
READY = """
# For config.py; the same at every start with these directories. For a person's login instead of a
# service account: CLIENT_ID = "{app}"
SRC_ID = "{source.id}"
DST_ID = "{destination.id}"
CLIENT_ID = "{client}"
SRC_DIR = {source_dir}
DST_DIR = {destination_dir}

# For the shell:
{exports}
export GLOBUS_CLIENT_SECRET={secret}

Ready at {url}. Ctrl-C stops it.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo or `serve`; return the exit code: 2 for what was asked wrongly."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments:
        from globus_auto.sandbox.demo import demo  # noqa: PLC0415  serving does not need it

        return demo()
    try:
        return _serve(_parser().parse_args(arguments))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m globus_auto.sandbox", description=__doc__)
    serve = parser.add_subparsers(required=True).add_parser(
        "serve", help="serve two directories as a local Globus until Ctrl-C"
    )
    serve.add_argument("--source", required=True, metavar="DIR")
    serve.add_argument("--destination", required=True, metavar="DIR")
    serve.add_argument("--port", type=int, default=0, help="default: a free one")
    serve.add_argument("--latency", type=float, default=0.0, metavar="MS", help="before answers")
    serve.add_argument("--calls-per-second", type=float, metavar="N", help="more get 429")
    serve.add_argument(
        "--task-seconds", type=float, default=0.0, metavar="S", help="how long a task takes"
    )
    serve.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="ROUTE:NAME=VALUE,...",
        help="plan a fault: ls:status=502,times=3 task:delay=5 transfer:drop=after ls:truncate=1",
    )
    serve.add_argument("--stall", metavar="CODE", help="let the first task stall with this event")
    serve.add_argument("--fail", metavar="CODE", help="let the first task fail with this event")
    serve.add_argument(
        "--skip", action="append", default=[], metavar="PATH", help="an unreadable source path"
    )
    serve.add_argument(
        "--disconnect", metavar="source|destination[:S]", help="the endpoint goes away, after S s"
    )
    serve.add_argument(
        "--data-access", action="store_true", help="the destination asks for that consent"
    )
    return parser


def _serve(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; raise ValueError with one sentence if that is not possible."""
    roots = [os.path.realpath(name) for name in (options.source, options.destination)]
    for root in roots:
        if not os.path.isdir(root):
            raise ValueError(f"{root} is not a directory.")
    if os.path.commonpath(roots) in roots:
        raise ValueError(f"{roots[0]} and {roots[1]} are one directory, or one is in the other.")
    world = World()
    kinds = {"source": "GCP_mapped_collection", "destination": "GCSv5_mapped_collection"}
    for root, (name, kind) in zip(roots, kinds.items(), strict=True):
        ids = {"mount": root, "id": named_id(f"{name} {root}")}  # paths as they are here
        world.add_endpoint(Path(root), name, kind, **ids, data_access_required=options.data_access)
    source, destination = world.endpoints.values()
    _plan(world, options)
    client, secret = world.identity.add_service_account(named_id("account"), named_id("secret"))
    app = world.identity.add_native_app(named_id("app"))
    print(BEFORE.format(source=roots[0], destination=roots[1]), flush=True)
    # Blocked before the service's thread starts, so that they wait for sigwait and nobody else.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        sandbox = Sandbox(world, options.port, _print_line, background=True)
    except (OSError, OverflowError) as error:
        raise ValueError(f"Port {options.port} cannot be used: {error}.") from error
    with sandbox:
        variables = sandbox.environment().items()
        ready = READY.format(
            source=source,
            destination=destination,
            source_dir=json.dumps(roots[0], ensure_ascii=False),
            destination_dir=json.dumps(roots[1], ensure_ascii=False),
            client=client,
            secret=secret,
            app=app,
            url=sandbox.url,
            exports="\n".join(f"export {name}={url}" for name, url in variables),
        )
        print(ready, flush=True)
        signal.sigwait((signal.SIGINT, signal.SIGTERM))
    print("Stopped.", flush=True)
    return 0


def _plan(world: World, options: argparse.Namespace) -> None:
    """Let go wrong what the options say; a fault is given by the names of `Faults.add`."""
    world.latency = options.latency / 1000
    world.calls_per_second = options.calls_per_second
    world.pace = Pace.by_time(options.task_seconds)
    world.skip_paths(*options.skip)
    if options.stall:
        world.stall_next(options.stall)
    if options.fail:
        world.fail_next(options.fail)
    kinds = {"status": int, "times": int, "delay": float, "body": str, "drop": str, "truncate": int}
    for text in options.fault:
        route, _, rest = text.partition(":")
        try:
            pairs = [part.split("=", 1) for part in rest.split(",")]
            world.faults.add(route, **{name: kinds[name](value) for name, value in pairs})
        except (KeyError, ValueError) as error:
            raise ValueError(f"--fault {text}: {error} is not understood.") from error
    if options.disconnect:
        which, _, seconds = options.disconnect.partition(":")
        names = {endpoint.name: endpoint for endpoint in world.endpoints.values()}
        try:
            away = (names[which], "connected", False)
            timer = threading.Timer(float(seconds or 0), setattr, away)
        except (KeyError, ValueError) as error:
            raise ValueError(f"--disconnect: {error} is not understood.") from error
        timer.daemon = True
        timer.start()


def _print_line(request: Request, seconds: float) -> None:
    """Print one request as it was answered."""
    moment = time.strftime("%H:%M:%S")
    path = " ".join([request.path, *(f"{name}={value}" for name, value in request.pairs)])
    status = request.status or "---"
    print(f"{moment} {status} {request.method} {path} {seconds * 1000:.0f} ms", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
