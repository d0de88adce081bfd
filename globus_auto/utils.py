"""What makes both programs well-behaved cron jobs, and nothing about files or Globus tasks.

Options, locks, logging, exit codes, and the one place that turns an exception into a sentence.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from globus_auto import __version__, logs
from globus_auto import alerts as alerts_module
from globus_auto.alerts import (
    Alert,
    AlertError,
    Alerts,
    AlertState,
    body,
    catalog,
    make_digest,
    mark_notified,
    open_state,
    send,
    subject,
    update_open_alerts,
)
from globus_auto.context import RunContext
from globus_auto.errors import AlreadyRunning, DamagedDatastore, NewerDatastore, StopSignal
from globus_auto.files import unsafe
from globus_auto.locks import locked
from globus_auto.logs import to_file, to_stderr
from globus_auto.settings import Settings, SettingsError, read_settings
from globus_auto.storage import VERSION
from globus_auto.text import printable

log = logging.getLogger(__name__)

PING_TIMEOUT = 10  # seconds


def parser(program: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """Return a parser with the options that both programs have."""
    result = argparse.ArgumentParser(
        prog=f"{program}.py",
        usage="%(prog)s [options]",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument(
        "--config", metavar="FILE", help="override the settings of config.py with those in FILE"
    )
    result.add_argument(
        "-n", "--dry-run", action="store_true", help="show what would be done, and why; do nothing"
    )
    result.add_argument("-v", "--verbose", action="store_true", help="show every decision")
    result.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return result


def parsed(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; exit with code 2, and the nearest option, where one is unknown."""
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        near = difflib.get_close_matches(unknown[0], parser._option_string_actions, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    return options


def run(program: str, options: argparse.Namespace, work: Callable[[RunContext], None]) -> int:
    """Do `work` as a well-behaved cron job and return the exit code.

    One run of a program at a time; every trouble becomes one sentence, in the log, on stderr and
    to whom it concerns.
    """
    alerts = Alerts(program)
    interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    with contextlib.ExitStack() as stack:
        stack.enter_context(logs.to_stderr(options.verbose, interactive))
        settings = _settings(options, alerts)
        context = RunContext(
            program, options, settings, alerts, interactive, shows_progress=interactive
        )
        notifies = True
        try:
            if not alerts.fired:
                stack.enter_context(to_file(settings.log_path, options.verbose))
                with _signals():
                    _work_alone(context, work)
        except AlreadyRunning as running:
            notifies = running.too_long(context.started, settings.stall_hours * 3600)
            _report_lock(context, running, notifies)
        except Exception as error:  # noqa: BLE001 - each becomes a sentence
            _report_error(context, error)
        except KeyboardInterrupt:
            log.warning("Interrupted; what was begun is finished by the next run")
            return 1
        log.info("Ended %s with exit code %d", program, alerts.code)
        if notifies and not context.dry:
            _report(context)
            _ping(context)
    return alerts.code


def run_read_only(
    program: str, options: argparse.Namespace, command: Callable[[RunContext], int]
) -> int:
    """Return the exit code of an `inquiry`, which may change nothing, for a person to read.

    It needs no lock, so it works while another run is at work, and nobody is sent mail.
    """
    alerts = Alerts(program)
    options.dry_run = True
    with to_stderr(options.verbose, interactive=False):
        settings = _settings(options, alerts)
        context = RunContext(
            program, options, settings, alerts, False, shows_progress=sys.stderr.isatty()
        )
        if alerts.fired:
            return alerts.code
        try:
            with context.resources:
                return max(command(context), alerts.code)
        except Exception as error:  # noqa: BLE001 - each becomes a sentence
            _report_error(context, error)
            return alerts.code
        except KeyboardInterrupt:
            return 1


def _work_alone(context: RunContext, work: Callable[[RunContext], None]) -> None:
    path = f"{context.settings.datastore_path}.{context.program}.lock"
    with locked(path, timeout=0) if not context.dry else contextlib.nullcontext():
        context.alerts.resolve("lock", path)
        log.info("Began %s of %s", context.program, context.settings.src_dir)
        with context.resources:
            work(context)
    for kind in ("crash", "state", "stopped"):
        context.alerts.resolve(kind, context.program)


def _report_error(context: RunContext, error: Exception) -> None:
    alert = explain(error, context)
    if alert.kind == "crash":
        log.info("The traceback of what follows", exc_info=error)
    context.alerts.fire(alert)


def _report_lock(context: RunContext, running: AlreadyRunning, too_long: bool) -> None:
    if not too_long:
        log.info("Exiting: %s", running)
        return
    context.alerts.fire(catalog.running_too_long(running.path, running.pid, running.moment))


def _settings(options: argparse.Namespace, alerts: Alerts) -> Settings:
    """Return the settings, as far as they can be used; note what is wrong with them."""
    try:
        settings = read_settings(options.config)
    except SettingsError as error:
        for problem in error.problems:
            alerts.fire(catalog.setting_wrong(error.usable.config_path, problem))
        return error.usable
    alerts.resolve("settings", lambda about: about.startswith(f"{settings.config_path}: "))
    return settings


def explain(error: Exception, context: RunContext) -> Alert:
    """Return the alert for `error`: what happened, what it means, what to do."""
    settings = context.settings
    if isinstance(error, AlertError):
        return error.alert
    if isinstance(error, NewerDatastore):
        return catalog.datastore_newer(error.path, error.version, VERSION)
    if isinstance(error, DamagedDatastore):
        return catalog.datastore_damaged(error.path, error.reason)
    if isinstance(error, StopSignal):
        return catalog.stopped(context.program)
    if isinstance(error, OSError):
        return catalog.state_unusable(
            context.program,
            str(error.filename or settings.code_path),
            str(error.strerror or error),
        )

    return alerts_module.explain(error, context)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise StopSignal

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(context: RunContext) -> None:
    """Tell whom it concerns what is new, due again or resolved, and remember that."""
    settings = context.settings
    home = os.path.dirname(settings.datastore_path)
    notified = False
    try:
        # Nothing is written where others could have put a link in place of the file.
        if os.path.isabs(home) and os.path.isdir(home) and not unsafe(Path(home)):
            with open_state(context.health_path) as health:
                notified = True
                _notify(context, health)
                health.names = {
                    endpoint: context.names[endpoint]
                    for endpoint in (settings.src_id, settings.dst_id)
                    if endpoint in context.names
                } or health.names
                if context.alerts.code == 0:
                    health.last_good[context.program] = context.started
    except OSError as error:
        log.error("Cannot record which alerts were sent: %s", error)
    if not notified:
        _notify(context, AlertState())


def _notify(context: RunContext, health: AlertState) -> None:
    now = int(time.time())
    settings, notifier = context.settings, context.notifier
    host = socket.gethostname()
    health.alerts = update_open_alerts(health.alerts, context.alerts, now)
    what = make_digest(health.alerts, now, settings.email_repeat_hours * 3600)
    if not any(what) or not (notifier.recipients or notifier.urls):
        return
    title = subject(what, settings.email_subject, host, _pair(context))
    directories = (
        f"{settings.src_dir} -> {settings.dst_dir}" if settings.src_dir else settings.config_path
    )
    source = (
        f"Sent by globus_auto on {host} for {printable(directories)}.\n"
        f"More is in {printable(settings.log_path)} there; README.md explains each alert."
    )
    if send(notifier, title, body(what, now, source)):
        health.alerts = mark_notified(health.alerts, what, now)


def _pair(context: RunContext) -> str:
    """Return what is sent where: names of collections, else directories."""
    settings = context.settings
    if not settings.src_dir:
        return settings.config_path
    names = [context.names.get(endpoint) for endpoint in (settings.src_id, settings.dst_id)]
    if None in names or names[0] == names[1]:
        return f"{settings.src_dir} -> {settings.dst_dir}"
    return f"{names[0]} -> {names[1]}"


def _ping(context: RunContext) -> None:
    """Tell the watcher at PING_URL how the run went; it can neither delay nor fail it."""
    url = context.settings.ping_url.replace("{program}", context.program)
    if not url:
        return
    if context.alerts.code:
        address, mark, query = url.partition("?")
        url = f"{address.rstrip('/')}/fail{mark}{query}"
    # A name server or watcher that dawdles is left behind with its thread.
    fetching = threading.Thread(target=_fetch, args=(url,), daemon=True)
    fetching.start()
    fetching.join(PING_TIMEOUT)
    if fetching.is_alive():
        log.info("Cannot reach PING_URL: no answer within %d seconds", PING_TIMEOUT)


def _fetch(url: str) -> None:
    # Imported here: --help and --version are done sooner than these are loaded.
    import http.client  # noqa: PLC0415
    import urllib.request  # noqa: PLC0415

    try:
        urllib.request.urlopen(url, timeout=PING_TIMEOUT).close()
    except (OSError, ValueError, OverflowError, http.client.HTTPException) as error:
        log.info("Cannot reach PING_URL: %s", type(error).__name__)
