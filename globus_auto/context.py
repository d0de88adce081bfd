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
    AlertError,
    Alerts,
    AlertState,
    Notifier,
    catalog,
    open_state,
    read_state,
)
from globus_auto.datastore import Datastore, Mapping
from globus_auto.locks import locked
from globus_auto.settings import Settings, peek
from globus_auto.storage import save
from globus_auto.text import utf8

log = logging.getLogger(__name__)

LOCK_TIMEOUT = 3600  # seconds that one program waits for the other


@dataclass
class RunContext:
    """One run of a program: its options and settings, and the alerts that it fires.

    `started` is in seconds since 1970 UTC. `interactive` says that a person at a terminal may be
    asked, `watched` that one can see how far it is. `resources` are closed when the work has ended.
    `names` are the display names of collections by id, as far as they are known.
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

    def load(self) -> Datastore:
        """Return the datastore, an empty one where there is none.

        Of one that was restored from a backup only what is no proof of a delivery is left. Raise
        datastore.DatastoreDamaged, or AlertError where the settings do not fit what it holds.
        """
        settings = self.settings
        # Read first: another program may save both meanwhile, and never looks restored then.
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
        """Drop what a datastore from a backup says was delivered: it may not hold any more."""
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
        """Raise AlertError if files would be sent to where those of `others` are."""
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
        """Save the datastore, unless nothing may be changed."""
        if not self.dry and save(self.settings.datastore_path, store):
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
