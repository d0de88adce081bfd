"""What makes both programs well-behaved cron jobs, and nothing about files or Globus tasks.

Options, locks, logging, exit codes, and the one place that turns an exception into a sentence.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
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

from globus_auto import __version__, alerts, catalog, datastore, logs, settings
from globus_auto.channels import Channels, deliver
from globus_auto.locks import AlreadyRunning, locked
from globus_auto.wording import printable, utf8

log = logging.getLogger(__name__)

LOCK_TIMEOUT = 3600  # seconds that one program waits for the other
PING_TIMEOUT = 10  # seconds


class Stopped(Exception):
    """The program was asked to end by SIGTERM."""


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


@dataclass
class Run:
    """One run of a program: what it was told, and what it finds.

    `started` is in seconds since 1970 UTC. `interactive` says that a person at a terminal may be
    asked, `watched` that one can see how far it is. `resources` are closed when the work has ended.
    `names` are the display names of collections by id, as far as Globus has told them.
    """

    program: str
    options: argparse.Namespace
    settings: settings.Settings
    findings: alerts.Findings
    interactive: bool
    watched: bool
    started: int = field(default_factory=lambda: int(time.time()))
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    names: dict[str, str] = field(default_factory=dict)

    def collection(self, endpoint: str) -> str:
        """Return what a person knows a collection by: its part, its name and its id."""
        source, destination = self.settings.src_id, self.settings.dst_id
        part = ""
        if endpoint in (source, destination) and source != destination:
            part = "source " if endpoint == source else "destination "
        name = self.names.get(endpoint)
        return f"the {part}collection " + (f"{name} (id {endpoint})" if name else endpoint)

    @property
    def dry(self) -> bool:
        """Whether this run may change nothing."""
        return bool(self.options.dry_run)

    @property
    def channels(self) -> Channels:
        """Where alerts go."""
        known = self.settings
        return Channels(
            known.email_sender, known.email_recipients, known.email_host, known.alert_urls
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
            self.findings.resolve("lock", path)
            yield

    @property
    def health_path(self) -> str:
        """Where alerts and what may be lost are remembered."""
        return f"{self.settings.datastore_path}.health"

    def load(self) -> datastore.Datastore:
        """Return the datastore, an empty one where there is none.

        Of one that was restored from a backup only what is no proof of a delivery is left. Raise
        datastore.DatastoreDamaged, or AlertError where the settings do not fit what it holds.
        """
        known = self.settings
        # Read first: another program may save both meanwhile, and never looks restored then.
        health = alerts.read(self.health_path)
        newest = health.generation
        self.names |= {key: name for key, name in health.names.items() if key not in self.names}
        found = datastore.load(known.datastore_path)
        store = found or datastore.Datastore(source=known.src_id, generation=newest)
        self.findings.resolve("datastore")
        if store.source != known.src_id:
            raise alerts.AlertError(
                catalog.source_changed(
                    known.src_dir, known.src_id, known.datastore_path, store.source
                )
            )
        self._require_own_config(store)
        self.require_own_destination(store.mappings)
        if store.generation < newest:
            self.restored(store)
            store.generation = newest
        else:
            self.findings.resolve("restored")
        return store

    def restored(self, store: datastore.Datastore) -> None:
        """Drop what a datastore from a backup says was delivered: it may not hold any more."""
        dropped = store.drop_delivered()
        store.changed = store.restored = True
        self.findings.fire(catalog.datastore_restored(self.settings.datastore_path, dropped))

    def _require_own_config(self, store: datastore.Datastore) -> None:
        """Raise AlertError if another config file uses this CODE_PATH for other directories."""
        known, other = self.settings, store.config
        path = utf8(known.config_path)
        if other and other != path and os.path.exists(other):
            theirs = settings.peek(other)
            if theirs.datastore_path == known.datastore_path and theirs.pair != known.pair:
                directories = f"{theirs.src_dir} to {theirs.dst_dir}"
                raise alerts.AlertError(
                    catalog.code_path_shared(known.src_dir, path, other, directories)
                )
        if other != path:
            store.config = path
            store.changed = bool(other)

    def require_own_destination(self, others: Iterable[datastore.Mapping]) -> None:
        """Raise AlertError if files would be sent to where those of `others` are."""
        known = self.settings
        mine = datastore.Mapping(
            source_dir=known.src_dir, destination=known.dst_id, destination_dir=known.dst_dir
        )
        for other in others:
            if not mine.agrees_with(other):
                raise alerts.AlertError(
                    catalog.destination_in_use(
                        known.src_dir,
                        known.dst_dir,
                        other.source_dir,
                        other.destination_dir,
                        known.datastore_path,
                    )
                )

    def save(self, store: datastore.Datastore) -> None:
        """Save the datastore, unless nothing may be changed."""
        if not self.dry and datastore.save(self.settings.datastore_path, store):
            newest = store.generation
            self.remember(
                lambda health: setattr(health, "generation", max(health.generation, newest))
            )

    def remember(self, change: Callable[[alerts.AlertState], object]) -> None:
        """Change what is remembered beside the datastore, unless nothing may be changed.

        It may be lost: where it cannot be written the work goes on; the end of the run says so.
        """
        if not self.dry:
            try:
                with alerts.opened(self.health_path) as health:
                    change(health)
            except OSError as error:
                log.info("Cannot write %s: %s", self.health_path, error)


def run(program: str, options: argparse.Namespace, work: Callable[[Run], None]) -> int:
    """Do `work` as a well-behaved cron job and return the exit code.

    One run of a program at a time; every trouble becomes one sentence, in the log, on stderr and
    to whom it concerns.
    """
    findings = alerts.Findings(program)
    interactive = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    with contextlib.ExitStack() as stack:
        stack.enter_context(logs.to_stderr(options.verbose, interactive))
        known = _settings(options, findings)
        this = Run(program, options, known, findings, interactive, watched=interactive)
        speaks = True
        try:
            if not findings.alerts:
                stack.enter_context(logs.to_file(known.log_path, options.verbose))
                with _signals():
                    _work_alone(this, work)
        except AlreadyRunning as busy:
            speaks = busy.too_long(this.started, known.stall_hours * 3600)
            _note_busy(this, busy, speaks)
        except Exception as error:  # noqa: BLE001 - each becomes a sentence
            _note(this, error)
        except KeyboardInterrupt:
            log.warning("Interrupted; what was begun is finished by the next run")
            return 1
        log.info("Ended %s with exit code %d", program, findings.code)
        if speaks and not this.dry:
            _report(this)
            _ping(this)
    return findings.code


def inquire(program: str, options: argparse.Namespace, inquiry: Callable[[Run], int]) -> int:
    """Return the exit code of an `inquiry`, which may change nothing, for a person to read.

    It needs no lock, so it works while another run is at work, and nobody is sent mail.
    """
    findings = alerts.Findings(program)
    options.dry_run = True
    with logs.to_stderr(options.verbose, interactive=False):
        known = _settings(options, findings)
        this = Run(program, options, known, findings, False, watched=sys.stderr.isatty())
        if findings.alerts:
            return findings.code
        try:
            with this.resources:
                return max(inquiry(this), findings.code)
        except Exception as error:  # noqa: BLE001 - each becomes a sentence
            _note(this, error)
            return findings.code
        except KeyboardInterrupt:
            return 1


def _work_alone(this: Run, work: Callable[[Run], None]) -> None:
    path = f"{this.settings.datastore_path}.{this.program}.lock"
    with locked(path, timeout=0) if not this.dry else contextlib.nullcontext():
        this.findings.resolve("lock", path)
        log.info("Began %s of %s", this.program, this.settings.src_dir)
        with this.resources:
            work(this)
    for kind in ("crash", "state", "stopped"):
        this.findings.resolve(kind, this.program)


def _note(this: Run, error: Exception) -> None:
    alert = explain(error, this)
    if alert.kind == "crash":
        log.info("The traceback of what follows", exc_info=error)
    this.findings.fire(alert)


def _note_busy(this: Run, busy: AlreadyRunning, too_long: bool) -> None:
    if not too_long:
        log.info("Exiting: %s", busy)
        return
    this.findings.fire(catalog.running_too_long(busy.path, busy.pid, busy.moment))


def _settings(options: argparse.Namespace, findings: alerts.Findings) -> settings.Settings:
    """Return the settings, as far as they can be used; note what is wrong with them."""
    try:
        known = settings.load(options.config)
    except settings.SettingsError as error:
        for problem in error.problems:
            findings.fire(catalog.setting_wrong(error.usable.config_path, problem))
        return error.usable
    findings.resolve("settings", lambda about: about.startswith(f"{known.config_path}: "))
    return known


def explain(error: Exception, this: Run) -> alerts.Alert:
    """Return the alert for `error`: what happened, what it means, what to do."""
    known = this.settings
    if isinstance(error, alerts.AlertError):
        return error.alert
    if isinstance(error, datastore.DatastoreNewer):
        return catalog.datastore_newer(error.path, error.version, datastore.VERSION)
    if isinstance(error, datastore.DatastoreDamaged):
        return catalog.datastore_damaged(error.path, error.reason)
    if isinstance(error, Stopped):
        return catalog.stopped(this.program)
    if isinstance(error, OSError):
        return catalog.state_unusable(
            this.program,
            str(error.filename or known.code_path),
            str(error.strerror or error),
        )
    from globus_auto import troubles  # noqa: PLC0415 - --help and --version need no Globus

    return troubles.explain(error, this)


@contextlib.contextmanager
def _signals() -> Iterator[None]:
    def stop(_number: int, _frame: object) -> None:
        raise Stopped

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(this: Run) -> None:
    """Tell whom it concerns what is new, due again or resolved, and remember that."""
    known = this.settings
    home = os.path.dirname(known.datastore_path)
    told = False
    try:
        # Nothing is written where others could have put a link in place of the file.
        if os.path.isabs(home) and os.path.isdir(home) and not settings.unsafe(Path(home)):
            with alerts.opened(this.health_path) as health:
                told = True
                _tell(this, health)
                health.names = {
                    endpoint: this.names[endpoint]
                    for endpoint in (known.src_id, known.dst_id)
                    if endpoint in this.names
                } or health.names
                if this.findings.code == 0:
                    health.last_good[this.program] = this.started
    except OSError as error:
        log.error("Cannot remember which alerts were told: %s", error)
    if not told:
        _tell(this, alerts.AlertState())


def _tell(this: Run, health: alerts.AlertState) -> None:
    now = int(time.time())
    known, channels = this.settings, this.channels
    host = socket.gethostname()
    health.alerts = alerts.updated(health.alerts, this.findings, now)
    what = alerts.digest(health.alerts, now, known.email_repeat_hours * 3600)
    if not any(what) or not (channels.recipients or channels.urls):
        return
    title = alerts.subject(what, known.email_subject, host, _pair(this))
    directories = f"{known.src_dir} -> {known.dst_dir}" if known.src_dir else known.config_path
    source = (
        f"Sent by globus_auto on {host} for {printable(directories)}.\n"
        f"More is in {printable(known.log_path)} there; README.md explains each alert."
    )
    if deliver(channels, title, alerts.body(what, now, source)):
        health.alerts = alerts.told(health.alerts, what, now)


def _pair(this: Run) -> str:
    """Return what is sent where: names of collections, else directories."""
    known = this.settings
    if not known.src_dir:
        return known.config_path
    names = [this.names.get(endpoint) for endpoint in (known.src_id, known.dst_id)]
    if None in names or names[0] == names[1]:
        return f"{known.src_dir} -> {known.dst_dir}"
    return f"{names[0]} -> {names[1]}"


def _ping(this: Run) -> None:
    """Tell the watcher at PING_URL how the run went; it can neither delay nor fail it."""
    url = this.settings.ping_url.replace("{program}", this.program)
    if not url:
        return
    if this.findings.code:
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
