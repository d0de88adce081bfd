"""The sandbox: an emulator of Globus on this machine. Without arguments it runs the demo."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

if __name__ == "__main__":
    from globus_auto import require_packages

    require_packages("sandbox", "starlette", "uvicorn")

from globus_auto.sandbox import options
from globus_auto.sandbox.faults import Request
from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.tokens import stable_id
from globus_auto.sandbox.world import World

BEFORE = """\
Serving {source} and {destination}. These are real directories:
what a task deletes or overwrites in them is gone. Use copies of your data.
While the service runs, anyone with an account on this machine can use it.
"""
READY = """
# For config.py. These values are the same at every start with these directories.
# To log in as a person instead of a service account, set CLIENT_ID = "{app}".
SRC_ID = "{source.id}"
DST_ID = "{destination.id}"
CLIENT_ID = "{client}"
SRC_DIR = {source_dir}
DST_DIR = {destination_dir}

# For the shell:
{exports}
export GLOBUS_CLIENT_SECRET={secret}

Ready at {url}. Press Ctrl-C to stop.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the demo or `serve`; return the exit code, 2 for wrong arguments."""
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments:
        from globus_auto.sandbox.demo import demo  # noqa: PLC0415  `serve` does not need it

        return demo()
    try:
        return _serve(options.parser(__doc__).parse_args(arguments))
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


def _serve(given: argparse.Namespace) -> int:
    """Serve until Ctrl-C or SIGTERM; raise ValueError with one sentence if it cannot start."""
    roots = [os.path.realpath(name) for name in (given.source, given.destination)]
    for root in roots:
        if not os.path.isdir(root):
            raise ValueError(f"{root} is not a directory.")
    if os.path.commonpath(roots) in roots:
        raise ValueError(f"{roots[0]} and {roots[1]} are one directory, or one contains the other.")
    world = World()
    kinds = {"source": "GCP_mapped_collection", "destination": "GCSv5_mapped_collection"}
    mounts = [given.mount or root for root in roots]
    if not all(mount.startswith("/") for mount in mounts):
        raise ValueError(f"--mount {given.mount}: the path must begin with a slash.")
    for root, mount, (name, kind) in zip(roots, mounts, kinds.items(), strict=True):
        world.add_endpoint(
            Path(root),
            name,
            kind,
            mount=mount,
            id=stable_id(f"{name} {root}"),
            data_access_required=given.data_access,
            lists_parents=True,
        )
    source, destination = world.endpoints.values()
    options.apply(world, given)
    client, secret = world.identity.add_service_account(stable_id("account"), stable_id("secret"))
    app = world.identity.add_native_app(stable_id("app"))
    for each in given.app:
        world.identity.add_native_app(each)
    world.identity.accepts_any_app = not given.app
    print(BEFORE.format(source=roots[0], destination=roots[1]), flush=True)
    # Block the signals before the thread of the service starts, so that only sigwait gets them.
    signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        sandbox = Sandbox(world, given.port, _print_line, background=True)
    except (OSError, OverflowError) as error:
        raise ValueError(f"Port {given.port} cannot be used: {error}.") from error
    with sandbox:
        variables = sandbox.environment().items()
        ready = READY.format(
            source=source,
            destination=destination,
            source_dir=json.dumps(mounts[0], ensure_ascii=False),
            destination_dir=json.dumps(mounts[1], ensure_ascii=False),
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


def _print_line(request: Request, seconds: float) -> None:
    """Print one request and its answer on one line."""
    moment = time.strftime("%H:%M:%S")
    path = " ".join([request.path, *(f"{name}={value}" for name, value in request.pairs)])
    status = request.status or "---"
    print(f"{moment} {status} {request.method} {path} {seconds * 1000:.0f} ms", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
