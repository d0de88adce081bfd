"""What both programs need as cron jobs; nothing about files or Globus tasks.

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
import time
from collections.abc import Callable, Iterator, Sequence

from globus_auto import __version__, logs
from globus_auto.alerts import (
    Alerts,
    AlertState,
    body,
    catalog,
    open_state,
    ping,
    recall,
    send,
    subject,
    take_alerts,
)
from globus_auto.config_file import SettingsError, read_settings
from globus_auto.context import SITE_PACKAGES, RunContext
from globus_auto.errors import AlreadyRunning, StopSignal
from globus_auto.files import in_safe_directory
from globus_auto.logs import to_file, to_stderr
from globus_auto.settings import Settings
from globus_auto.text import printable

log = logging.getLogger(__name__)

# Where alerts about a config file are recorded, in its directory, if it cannot be read.
BESIDE = "datastore.health"


def parser(program: str, description: str, epilog: str) -> argparse.ArgumentParser:
    """Return a parser with the options that both programs have.

    It calls the program by the name under which pip has installed it, if it was started by that.
    """
    script = f"globus-auto-{program}"
    result = argparse.ArgumentParser(
        prog=script if os.path.basename(sys.argv[0]) == script else f"{program}.py",
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
    """Return the options; if one is unknown, name the nearest and exit with code 2.

    Exit with code 2 as well if there is no config file: config.py is only edited in a clone.
    """
    options, unknown = parser.parse_known_args(argv)
    if unknown:
        near = difflib.get_close_matches(unknown[0], parser._option_string_actions, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    if SITE_PACKAGES and not (options.config or getattr(options, "init", None)):
        parser.error(
            "pip has installed globus_auto, so there is no config.py to edit: use --init FILE, then"
            " --config FILE. globus-auto-transfer has --init."
        )
    return options


def run(program: str, options: argparse.Namespace, work: Callable[[RunContext], None]) -> int:
    """Do `work` as a cron job and return the exit code.

    One run of a program at a time; every trouble becomes one sentence, in the log, on stderr and
    to whom it concerns.
    """
    alerts = Alerts(program)
    interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    with contextlib.ExitStack() as stack:
        stack.enter_context(logs.to_stderr(options.verbose, interactive))
        try:
            settings = _settings(options, alerts)
            context = RunContext(
                program, options, settings, alerts, interactive, shows_progress=interactive
            )
            notifies = _work(context, work, stack)
            log.info("Ended %s with exit code %d", program, alerts.code)
            if notifies and not context.dry:
                _report(context)
                url = settings.ping_url.replace("{program}", program)
                ping(url, failed=alerts.code != 0)
        except KeyboardInterrupt:
            log.warning("Interrupted; what was begun is finished by the next run")
            return 1
    return alerts.code


def run_read_only(
    program: str, options: argparse.Namespace, command: Callable[[RunContext], int]
) -> int:
    """Run a read-only `command`, which prints its results, and return the exit code.

    It needs no lock, so it works while another run is at work, and nobody is sent mail.
    """
    alerts = Alerts(program)
    options.dry_run = True
    with to_stderr(options.verbose, interactive=False):
        try:
            settings = _settings(options, alerts)
            context = RunContext(
                program, options, settings, alerts, False, shows_progress=sys.stderr.isatty()
            )
            if alerts.fired:
                return alerts.code
            with context.resources:
                code = command(context)
                print(end="", flush=True)
            return max(code, alerts.code)
        except (BrokenPipeError, SystemExit):
            # rich raises SystemExit for a closed pipe.
            _discard_stdout()
            return alerts.code
        except Exception as error:  # noqa: BLE001 - each becomes an alert
            _report_error(context, error)
            return alerts.code
        except KeyboardInterrupt:
            return 1


def _work(
    context: RunContext, work: Callable[[RunContext], None], stack: contextlib.ExitStack
) -> bool:
    """Do `work`, unless settings are wrong; return whether to notify anybody of the result.

    The log stays open until `stack` is closed.
    """
    settings = context.settings
    try:
        if not context.alerts.fired:
            stack.enter_context(to_file(settings.log_path, context.options.verbose, context.dry))
            with _signals():
                context.note_exposed_files()
                _work_alone(context, work)
                print(end="", flush=True)
    except AlreadyRunning as running:
        too_long = running.too_long(context.started, settings.stall_hours * 3600)
        _report_lock(context, running, too_long)
        return too_long
    except Exception as error:  # noqa: BLE001 - each becomes an alert
        if context.dry and isinstance(error, BrokenPipeError):
            _discard_stdout()
        else:
            _report_error(context, error)
    return True


def _discard_stdout() -> None:
    """Let nothing more be written to stdout: nobody reads it any more, as after `| head -1`."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _work_alone(context: RunContext, work: Callable[[RunContext], None]) -> None:
    with context.program_locked():
        log.info("Began %s of %s", context.program, context.settings.src_dir)
        with context.resources:
            work(context)
    for kind in ("crash", "state", "stopped"):
        context.alerts.resolve(kind, context.program)


def _report_error(context: RunContext, error: Exception) -> None:
    alert = context.explain(error)
    if alert.kind == "crash":
        log.info("The traceback of what follows", exc_info=error)
    context.alerts.fire(alert)


def _report_lock(context: RunContext, running: AlreadyRunning, too_long: bool) -> None:
    if not too_long:
        log.info("Exiting: %s", running)
        return
    context.alerts.fire(catalog.running_too_long(running.path, running.pid, running.moment))


def _settings(options: argparse.Namespace, alerts: Alerts) -> Settings:
    """Return the usable settings; fire an alert for each wrong one."""
    problems: list[str] = []
    try:
        settings = read_settings(options.config)
    except SettingsError as error:
        settings, problems = error.usable, error.problems
    if not options.dry_run and os.path.isabs(settings.datastore_path):
        # In a dry run a person waits for an answer, even if earlier runs have said it.
        alerts.said = recall(f"{settings.datastore_path}.health", settings.email_repeat_hours)
    for problem in problems:
        alerts.fire(catalog.setting_wrong(settings.config_path, problem))
    if not problems:
        alerts.resolve("settings", lambda about: about.startswith(f"{settings.config_path}: "))
    return settings


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
    """Send new, due and resolved alerts, and remember that they were sent."""
    settings = context.settings
    beside = os.path.join(os.path.dirname(settings.config_path), BESIDE)
    # What a config file that cannot be read has as CODE_PATH is unknown: often its own directory.
    path = context.health_path if settings.code_path else beside
    notified = False
    try:
        if (settings.code_path or os.path.exists(beside)) and in_safe_directory(path):
            with open_state(path) as health:
                notified = True
                if path != beside and all(kind != "settings" for kind, _ in context.alerts.fired):
                    health.alerts += take_alerts(beside, f"{settings.config_path}: ")
                _notify(context, health)
                health.names = {
                    endpoint: context.names[endpoint]
                    for endpoint in (settings.src_id, settings.dst_id)
                    if endpoint in context.names
                } or health.names
                health.scan = context.scan or health.scan
                health.kept = context.kept or health.kept
                if context.alerts.code == 0:
                    health.last_good[context.program] = context.started
    except OSError as error:
        why = f"{error.filename}: {error.strerror}" if error.filename else error
        log.error("Cannot record which alerts were sent: %s", why)
    if not notified:
        _notify(context, AlertState())


def _notify(context: RunContext, health: AlertState) -> None:
    now = int(time.time())
    settings, notifier = context.settings, context.notifier
    host = socket.gethostname()
    repeat = settings.email_repeat_hours * 3600
    what = health.update(context.alerts, now, repeat)
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
        health.mark_sent(what, now, repeat)


def _pair(context: RunContext) -> str:
    """Return the pair for the subject: collection names, or directories."""
    settings = context.settings
    if not settings.src_dir:
        return settings.config_path
    names = [context.names.get(endpoint) for endpoint in (settings.src_id, settings.dst_id)]
    if None in names or names[0] == names[1]:
        return f"{settings.src_dir} -> {settings.dst_dir}"
    return f"{names[0]} -> {names[1]}"
