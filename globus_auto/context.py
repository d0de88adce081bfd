"""One run of a program: its settings, its alerts, and the datastore that it loads and saves."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shlex
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from globus_auto import storage
from globus_auto.alerts import (
    Alert,
    AlertError,
    Alerts,
    AlertState,
    KeptSummary,
    Notifier,
    ScanSummary,
    catalog,
    explain,
    open_state,
    read_state,
)
from globus_auto.config_file import exposed_files, is_installed, peek, unsafe_log
from globus_auto.datastore import Datastore, Mapping, TaskRecord
from globus_auto.locks import holder, locked, show_progress
from globus_auto.settings import Settings
from globus_auto.storage import Deletion
from globus_auto.text import utf8

log = logging.getLogger(__name__)

PACKAGE = Path(__file__).parent
# The directory into which pip has installed this package, if it has: nothing is written there.
SITE_PACKAGES = PACKAGE.parent if is_installed() else None
LOCK_TIMEOUT = 3600  # seconds that one program waits for the other, without progress


def command(python: str, program: str) -> list[str]:
    """Return the command that starts a program: its console script if pip has installed it."""
    script = os.path.join(os.path.dirname(python), f"globus-auto-{program}")
    if SITE_PACKAGES and os.path.isfile(script):
        return [script]
    return [python, str(PACKAGE / f"{program}.py")]


@dataclass
class RunContext:
    """One run of a program: its options and settings, and the alerts that it fires.

    `started` is in seconds since 1970 UTC. `interactive` says that a person at a terminal may be
    asked, `shows_progress` that a terminal is there. `resources` are closed at the end of the run.
    `names` are the display names of collections by id, as far as they are known. `scan` and `kept`
    are what this run found, to be remembered. `saved_at` is when the datastore was loaded or saved
    last, in seconds UTC.
    """

    program: str
    options: argparse.Namespace
    settings: Settings
    alerts: Alerts
    interactive: bool
    shows_progress: bool
    started: int = field(default_factory=lambda: int(time.time()))
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    names: dict[str, str] = field(default_factory=dict)
    scan: ScanSummary | None = None
    kept: KeptSummary | None = None
    saved_at: int = field(default_factory=lambda: int(time.time()))

    def explain(self, error: Exception) -> Alert:
        """Return the alert for `error`: what happened, what it means, what to do."""
        return explain(error, self)

    def collection(self, endpoint: str) -> str:
        """Return a collection in words: source or destination, and its name, or its id."""
        source, destination = self.settings.src_id, self.settings.dst_id
        part = ""
        if endpoint in (source, destination) and source != destination:
            part = "source " if endpoint == source else "destination "
        return f"the {part}collection {self.name(endpoint)}"

    def name(self, endpoint: str) -> str:
        """Return the name of a collection, or its id if the name is not known."""
        return self.names.get(endpoint, endpoint)

    def other_pairs(self) -> list[RunContext]:
        """Return the pairs of ALSO_AT, to be read only."""
        options = argparse.Namespace(**{**vars(self.options), "dry_run": True})
        return [
            RunContext(
                self.program,
                options,
                settings,
                Alerts(self.program, unheard=True),
                interactive=False,
                shows_progress=False,
                started=self.started,
                names=self.names,
            )
            for settings in self.settings.others
        ]

    def active_runs(self) -> dict[str, tuple[int, int]]:
        """Return PID and start (seconds UTC) of each program that is running now, by its name."""
        path = self.settings.datastore_path
        found = {name: holder(f"{path}.{name}.lock") for name in ("transfer", "delete")}
        return {name: run for name, run in found.items() if run}

    def exposed_files(self) -> Iterator[Alert]:
        """Yield a note for each file that others can read, or the log that they could replace."""
        for path in exposed_files(self.settings):
            yield catalog.secrets_readable(path)
        if problem := unsafe_log(self.settings):
            yield catalog.log_replaceable(self.settings.log_path, problem)

    def note_exposed_files(self) -> None:
        """Fire the notes of `exposed_files`; they are sent once."""
        for note in self.exposed_files():
            self.alerts.fire(note)
        self.alerts.resolve("permissions")

    @property
    def dry(self) -> bool:
        """Whether this run may change nothing."""
        return bool(self.options.dry_run)

    @property
    def notifier(self) -> Notifier:
        """Where messages go."""
        settings = self.settings
        recipients = settings.email_recipients
        return Notifier(
            # Where EMAIL_SENDER is what is wrong, the alert about that still needs a sender.
            settings.email_sender or next(iter(recipients), ""),
            recipients,
            settings.email_host,
            settings.alert_urls,
        )

    @property
    def login_command(self) -> str:
        """The command that logs in on a terminal."""
        return self.command("transfer", "--login")

    def command(self, program: str, *options: str) -> str:
        """Return the command that starts a program with the config file in use, for a shell."""
        config = ["--config", self.settings.config_path] if self.options.config else []
        return shlex.join([*command(self.settings.python_path, program), *options, *config])

    @contextlib.contextmanager
    def store_locked(self) -> Iterator[None]:
        """Hold the datastore's lock; wait for the other program up to an hour without progress."""
        path = f"{self.settings.datastore_path}.lock"
        with locked(path, timeout=LOCK_TIMEOUT) if not self.dry else contextlib.nullcontext():
            self.alerts.resolve("lock", path)
            yield

    @contextlib.contextmanager
    def program_locked(self) -> Iterator[None]:
        """Hold the lock that lets one run of this program work at a time; raise AlreadyRunning."""
        path = f"{self.settings.datastore_path}.{self.program}.lock"
        with locked(path, timeout=0) if not self.dry else contextlib.nullcontext():
            self.alerts.resolve("lock", path)
            yield

    def show_progress(self) -> None:
        """Show the other program, which may wait for this one, that this one makes progress."""
        if not self.dry:
            show_progress(f"{self.settings.datastore_path}.lock")

    @property
    def deletion_path(self) -> str:
        """The path of datastore.delete: the batch being deleted."""
        return f"{self.settings.datastore_path}.delete"

    @property
    def health_path(self) -> str:
        """The path of datastore.health, which may be lost."""
        return f"{self.settings.datastore_path}.health"

    def load(self) -> Datastore:
        """Return the datastore, or an empty one if there is no file.

        Of one that was restored from a backup only what is no proof of a delivery is left. Raise
        DamagedDatastore, or AlertError where the settings do not fit what it holds.
        """
        settings = self.settings
        # Read this first: if the other program saves both meanwhile, nothing seems restored.
        health = read_state(self.health_path)
        newest = health.generation
        self.names |= {key: name for key, name in health.names.items() if key not in self.names}
        found = storage.load(settings.datastore_path)
        store = found or Datastore(source=settings.src_id, generation=newest)
        self.alerts.resolve("datastore")
        if store.source != settings.src_id:
            raise AlertError(
                catalog.source_changed(
                    settings.src_dir, settings.src_id, settings.datastore_path, store.source
                )
            )
        self._require_own_config(store)
        self.require_own_destination(store.mappings)
        if store.generation < newest:
            self.restored(store)
            store.generation = newest
        else:
            self.alerts.resolve("restored")
        return store

    def restored(self, store: Datastore) -> None:
        """Drop the delivered records of a restored datastore: they may be out of date."""
        dropped = store.drop_delivered()
        store.changed = store.restored = True
        self.alerts.fire(catalog.datastore_restored(self.settings.datastore_path, dropped))

    def _require_own_config(self, store: Datastore) -> None:
        """Raise AlertError if another config file uses this CODE_PATH for other directories."""
        settings, other = self.settings, store.config
        path = utf8(settings.config_path)
        if other and other != path and os.path.exists(other):
            theirs = peek(other)
            if theirs.datastore_path == settings.datastore_path and theirs.pair != settings.pair:
                directories = f"{theirs.src_dir} to {theirs.dst_dir}"
                raise AlertError(
                    catalog.code_path_shared(settings.src_dir, path, other, directories)
                )
        if other != path:
            store.config = path
            store.changed = bool(other)

    def require_own_destination(self, others: Iterable[Mapping]) -> None:
        """Raise AlertError if files would be sent to a destination of `others`."""
        settings = self.settings
        mine = Mapping(
            source_dir=settings.src_dir,
            destination=settings.dst_id,
            destination_dir=settings.dst_dir,
        )
        for other in others:
            if not mine.agrees_with(other):
                raise AlertError(
                    catalog.destination_in_use(
                        settings.src_dir,
                        settings.dst_dir,
                        other.source_dir,
                        other.destination_dir,
                        settings.datastore_path,
                    )
                )

    def save(self, store: Datastore) -> None:
        """Save the datastore, unless this is a dry run."""
        if self.dry:
            return
        written = storage.save(self.settings.datastore_path, store)
        self.saved_at = int(time.time())
        storage.end_deletion(self.deletion_path)
        if written:
            newest = store.generation
            self.remember(
                lambda health: setattr(health, "generation", max(health.generation, newest))
            )

    def begin_deletion(self, task: TaskRecord | None) -> None:
        """Record the batch that is about to be deleted, or none; it replaces the one before.

        Together with the history this records all deletions until the datastore is saved.
        """
        storage.begin_deletion(self.deletion_path, self.saved_at, task)

    def add_deletion_id(self, task_id: str) -> None:
        """Add the id of its task to the record of the batch being deleted."""
        storage.add_task_id(self.deletion_path, task_id)

    def read_deletion(self) -> Deletion | None:
        """Return the batch that an interrupted run was deleting, or None."""
        return storage.load_deletion(self.deletion_path)

    def read_health(self) -> AlertState:
        """Return what is remembered beside the datastore, and may be lost."""
        return read_state(self.health_path)

    def remember(self, change: Callable[[AlertState], object]) -> None:
        """Change datastore.health, unless this is a dry run.

        It may be lost: where it cannot be written the work goes on; the end of the run says so.
        """
        if not self.dry:
            try:
                with open_state(self.health_path) as health:
                    change(health)
            except OSError as error:
                log.info("Cannot write %s: %s", self.health_path, error)
