"""What makes both programs well-behaved cron jobs, and nothing about files or Globus tasks.

Options, locks, logging, exit codes, and the one place that turns an exception into a sentence.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shlex
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from globus_auto import __version__, datastore, logs
from globus_auto.alerts import (
    Alert,
    Alerts,
    AlertState,
    body,
    make_digest,
    mark_notified,
    open_state,
    read_state,
    subject,
    update_open_alerts,
)
from globus_auto.channels import Notifier, send
from globus_auto.locks import AlreadyRunning, locked
from globus_auto.settings import (
    Settings,
    SettingsConflict,
    SettingsError,
    peek,
    read_settings,
    unsafe,
)
from globus_auto.wording import utf8

log = logging.getLogger(__name__)

LOCK_TIMEOUT = 3600  # seconds that one program waits for the other
PING_TIMEOUT = 10  # seconds


class UsageError(Exception):
    """The command line makes no sense; the text says why."""


class StopSignal(Exception):
    """The program was asked to end by SIGTERM."""


class Parser(argparse.ArgumentParser):
    """A parser that leaves it to run() to report a wrong command line, by mail as well."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message}. See --help.")


def parser(program: str, description: str, epilog: str) -> Parser:
    """Return a parser with the options that both programs have."""
    result = Parser(
        prog=f"{program}.py",
        usage="%(prog)s [options]",
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    result.add_argument(
        "--config", metavar="FILE", help="read the settings that differ from config.py from FILE"
    )
    result.add_argument(
        "-n", "--dry-run", action="store_true", help="print what would be done and why; do nothing"
    )
    result.add_argument("-v", "--verbose", action="store_true", help="show every decision")
    result.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return result


def parsed(parser: Parser, argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options; `usage_error` among them is what is wrong with the command line."""
    if "GLOBUS_AUTO_CONFIG" in os.environ:
        parser.set_defaults(config=os.environ["GLOBUS_AUTO_CONFIG"] or None)
    parser.set_defaults(usage_error=None)
    try:
        return parser.parse_args(argv)
    except UsageError as error:
        lenient = argparse.ArgumentParser(add_help=False, exit_on_error=False)
        lenient.add_argument("--config", default=parser.get_default("config"))
        options = parser.parse_args([])
        with contextlib.suppress(argparse.ArgumentError):
            options.config = lenient.parse_known_args(argv)[0].config
        options.usage_error = str(error)
        return options


@dataclass
class RunContext:
    """One run of a program: what it was told, and what it finds.

    `started` is in seconds since 1970 UTC. `interactive` says that a person at a terminal may be
    asked, `watched` that one can see how far it is. `resources` are closed when the work has ended.
    """

    program: str
    options: argparse.Namespace
    settings: Settings
    alerts: Alerts
    interactive: bool
    shows_progress: bool
    started: int = field(default_factory=lambda: int(time.time()))
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    @property
    def dry(self) -> bool:
        """Whether this run may change nothing."""
        return bool(self.options.dry_run)

    @property
    def notifier(self) -> Notifier:
        """Where alerts go."""
        settings = self.settings
        return Notifier(
            settings.email_sender,
            settings.email_recipients,
            settings.email_host,
            settings.alert_urls,
        )

    @property
    def login_command(self) -> str:
        """What a person types on a terminal to log in."""
        script = Path(__file__).with_name("transfer.py")
        config = ["--config", self.settings.config_path] if self.options.config else []
        return shlex.join([self.settings.python_path, str(script), "--login", *config])

    @contextlib.contextmanager
    def store_locked(self) -> Iterator[None]:
        """Hold the datastore's lock, after waiting for the other program up to an hour."""
        path = f"{self.settings.datastore_path}.lock"
        with locked(path, timeout=LOCK_TIMEOUT) if not self.dry else contextlib.nullcontext():
            self.alerts.resolve("lock", path)
            yield

    @property
    def health_path(self) -> str:
        """Where alerts and what may be lost are remembered."""
        return f"{self.settings.datastore_path}.health"

    def load(self) -> datastore.Datastore:
        """Return the datastore, an empty one where there is none.

        Of one that was restored from a backup only what is no proof of a delivery is left. Raise
        datastore.DatastoreDamaged, or SettingsUnfit where the settings do not fit what it holds.
        """
        settings = self.settings
        # Read first: another program may save both meanwhile, and never looks restored then.
        newest = read_state(self.health_path).generation
        found = datastore.load(settings.datastore_path)
        store = found or datastore.Datastore(source=settings.src_id, generation=newest)
        self.alerts.resolve("datastore")
        if store.source != settings.src_id:
            raise SettingsConflict(
                f"SRC_ID is {settings.src_id}, but {settings.datastore_path} knows the files of"
                f" {store.source}. Set CODE_PATH to another directory for another source, or"
                " delete the datastore to start over."
            )
        self._require_own_config(store)
        self.require_own_destination(store.mappings)
        if store.generation < newest:
            self.restored(store)
            store.generation = newest
        else:
            self.alerts.resolve("restored", own=True)
        return store

    def restored(self, store: datastore.Datastore) -> None:
        """Drop what a datastore from a backup says was delivered: it may not hold any more."""
        dropped = store.drop_delivered()
        store.changed = store.restored = True
        self.alerts.fire(
            Alert(
                kind="restored",
                about=self.settings.datastore_path,
                text=f"The datastore {self.settings.datastore_path} is older than the last one that"
                " was saved: it was restored from a backup. What it says was delivered may be out"
                f" of date, so {dropped} files are compared with the destination again before any"
                " is deleted. Nothing to do.",
                once=True,
            )
        )

    def _require_own_config(self, store: datastore.Datastore) -> None:
        """Raise SettingsUnfit if another config file uses this CODE_PATH for other directories."""
        settings, other = self.settings, store.config
        path = utf8(settings.config_path)
        if other and other != path and os.path.exists(other):
            theirs = peek(other)
            if theirs.datastore_path == settings.datastore_path and theirs.pair != settings.pair:
                raise SettingsConflict(
                    f"{other} has the CODE_PATH of {path}, but other directories"
                    f" ({theirs.src_dir} to {theirs.dst_dir}). Give each its own CODE_PATH."
                )
        if other != path:
            store.config = path
            store.changed = bool(other)

    def require_own_destination(self, others: Iterable[datastore.Mapping]) -> None:
        """Raise SettingsUnfit if files would be sent to where those of `others` are."""
        settings = self.settings
        mine = datastore.Mapping(
            source_dir=settings.src_dir,
            destination=settings.dst_id,
            destination_dir=settings.dst_dir,
        )
        for other in others:
            if not mine.agrees_with(other):
                raise SettingsConflict(
                    f"{settings.src_dir} cannot be sent to {settings.dst_dir}: {other.source_dir} was"
                    f" sent to {other.destination_dir} at the same collection before, and files of"
                    " one could overwrite the only copies of the other's. Set another DST_DIR, or"
                    f" delete {settings.datastore_path}, which gives up this protection."
                )

    def save(self, store: datastore.Datastore) -> None:
        """Save the datastore, unless nothing may be changed."""
        if not self.dry and datastore.save(self.settings.datastore_path, store):
            newest = store.generation
            self.remember(
                lambda health: setattr(health, "generation", max(health.generation, newest))
            )

    def remember(self, change: Callable[[AlertState], object]) -> None:
        """Change what is remembered beside the datastore, unless nothing may be changed.

        It may be lost: where it cannot be written the work goes on; the end of the run says so.
        """
        if not self.dry:
            try:
                with open_state(self.health_path) as health:
                    change(health)
            except OSError as error:
                log.info("Cannot write %s: %s", self.health_path, error)


def run(program: str, options: argparse.Namespace, work: Callable[[RunContext], None]) -> int:
    """Do `work` as a well-behaved cron job and return the exit code.

    One run of a program at a time; every trouble becomes one sentence, in the log, on stderr and
    to whom it concerns.
    """
    alerts = Alerts(program)
    interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    with contextlib.ExitStack() as stack:
        stack.enter_context(logs.to_stderr(options.verbose, interactive))
        settings = _settings(program, options, alerts)
        context = RunContext(
            program, options, settings, alerts, interactive, shows_progress=interactive
        )
        notifies = True
        try:
            if not alerts.fired:
                stack.enter_context(logs.to_file(settings.log_path, options.verbose))
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
    with logs.to_stderr(options.verbose, interactive=False):
        settings = _settings(program, options, alerts)
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
        log.info("Left: %s", running)
        return
    context.alerts.fire(
        Alert(
            kind="lock",
            about=running.path,
            text=f"{running} Nothing else is sent or deleted until it ends. See what it waits for,"
            " or stop it: the next run finishes its work.",
        )
    )


def _settings(program: str, options: argparse.Namespace, alerts: Alerts) -> Settings:
    """Return the settings, as far as they can be used; note what is wrong with them."""
    if options.usage_error:
        alerts.fire(Alert(kind="usage", about=program, text=options.usage_error, code=2))
    alerts.resolve("usage", program)
    try:
        settings = read_settings(options.config)
    except SettingsError as error:
        for problem in error.problems:
            about = f"{error.usable.config_path}: {problem}"
            alerts.fire(Alert(kind="settings", about=about, text=problem, code=2))
        return error.usable
    alerts.resolve("settings", lambda about: about.startswith(f"{settings.config_path}: "))
    return settings


def explain(error: Exception, context: RunContext) -> Alert:
    """Return the alert for `error`: what happened, what it means, what to do."""
    settings = context.settings
    if isinstance(error, datastore.DamagedDatastore):
        return Alert(
            kind="datastore",
            about=settings.datastore_path,
            text=f"{error} Nothing was changed.",
            code=3,
        )
    if isinstance(error, SettingsConflict):
        return Alert(kind="unfit settings", about=settings.src_dir, text=str(error), code=2)
    if isinstance(error, StopSignal):
        return Alert(
            kind="stopped",
            about=context.program,
            text=f"{context.program}.py was stopped by a signal. The next run finishes its work.",
        )
    if isinstance(error, OSError):
        return Alert(
            kind="state",
            about=context.program,
            text=f"{context.program}.py cannot read or write {error.filename or settings.code_path}:"
            f" {error.strerror or error}. It stopped there; the next run tries again.",
        )
    from globus_auto import troubles  # noqa: PLC0415 - --help and --version need no Globus

    return troubles.explain(error, context.program, context.login_command)


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
    told = False
    try:
        # Nothing is written where others could have put a link in place of the file.
        if os.path.isabs(home) and os.path.isdir(home) and not unsafe(Path(home)):
            with open_state(context.health_path) as health:
                told = True
                _notify(context, health)
                if context.alerts.code == 0:
                    health.last_good[context.program] = context.started
    except OSError as error:
        log.error("Cannot remember which alerts were told: %s", error)
    if not told:
        _notify(context, AlertState())


def _notify(context: RunContext, health: AlertState) -> None:
    now = int(time.time())
    settings, notifier = context.settings, context.notifier
    host = socket.gethostname()
    pair = f"{settings.src_dir} -> {settings.dst_dir}" if settings.src_dir else settings.config_path
    health.alerts = update_open_alerts(health.alerts, context.alerts, now)
    what = make_digest(health.alerts, now, settings.email_repeat_hours * 3600)
    if not any(what) or not (notifier.recipients or notifier.urls):
        return
    title = subject(what, settings.email_subject, host, pair)
    if send(notifier, title, body(what, host, pair, settings.log_path)):
        health.alerts = mark_notified(health.alerts, what, now)


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
