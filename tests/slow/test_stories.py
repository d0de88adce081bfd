"""Stories: whatever people, instruments, Globus and the machine do, no file is ever lost.

A story is a random sequence of changes to files, of faults, and of runs of both programs against
the sandbox. After every step, the latest content of every file ever at the source is at the source
or at the destination. At the end of a story, without faults and after a few more runs, every file
is at the destination, and no verified file is at the source.

People (stories.py) create, append to, rename, move and remove files and directories, under odd
names. They rewrite files with equal size, within the same second or with an earlier mtime. They
replace a file by an empty or full directory or a symlink, and these by a file. They remove,
lengthen, truncate or alter copies, or restore older ones of equal size. They back up the state of
the programs, restore all of it or the datastore alone, or delete the datastore.

The destination of a story may keep no modification times, have a clock of its own, or ignore case.

Faults of tasks: they wait, are slow, stall, fail half-way, skip files, expire or become INACTIVE.
Globus forgets them (404), with or without their history, lists late what they did, or does not see
a directory in a recursive task. Submissions are rejected with 400 and 403, once or as long as they
have a certain file in them. Something is in the way of a file at the destination.

Faults of calls: any route answers 400, 403, 404, 409, 429, 500, 502 or 503, or an answer is
dropped before or after its effect, truncated, or lacks fields. A proxy answers in place of Globus,
before or after the effect. The listing of one directory fails. An endpoint is paused or switched
off, and comes back.

Faults of the machine: it is suspended at any request, while files change and time passes. The
clock jumps forwards and backwards. A program dies before or after any request or at any save, with
--full and --dry-run, too. Somebody edits settings between runs (EXCLUDE, SETTLE_SECONDS, KEEP_DAYS,
SRC_DIR, DST_DIR, SRC_LOCAL_DIR, VERIFY_DESTINATION, READY_MARKERS).

Somebody marks directories with DO_NOT_DELETE, and removes such markers. No run of delete.py removes
a file that is below a marker when the run begins.

With READY_MARKERS, directories are units. The instrument marks them as ready, and markers vanish.
No run of transfer.py records a file of a unit that has no marker when the run begins, or submits a
recursive task for that. No run of delete.py removes anything of a unit that then has a file which
is not recorded as it is.

Left out, since nobody could notice it: a rewrite with equal size and mtime, except within two
seconds of the scan; a change while a leftover delete task is open; an alteration of a copy with
equal size and mtime, or with an mtime before the end of a task that found the copy equal, or any at
all if VERIFY_DESTINATION is off.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from globus_auto import history
from globus_auto.datastore import Datastore
from globus_auto.files import OWN, below, fold, is_below_any, matcher, matches
from globus_auto.sandbox.world import CompletionPolicy
from globus_auto.steps import scan
from globus_auto.steps.units import Units
from tests.slow.stories import DIRECTORIES, NAMES, People, dying

STORIES = int(os.environ.get("GLOBUS_AUTO_STORIES", "300"))
PARTS = 6  # of which several cores run some each

PAIRS = [("/src", "/dst/one"), ("/src", "/dst/two"), ("/src/sub", "/dst/three")]
KEEP, READY = "DO_NOT_DELETE", "READY"
CHANGING = ["transfer", "delete", "rename", "mkdir", "cancel"]
ROUTES = [
    *CHANGING,
    "ls",
    "stat",
    "task",
    "task_list",
    "skipped_errors",
    "successful_transfers",
    "event_list",
    "submission_id",
    "endpoint",
]
API_ERRORS: list[dict[str, Any]] = [
    {"status": 400, "body": {"code": "ClientError.BadRequest", "message": "planned"}},
    {"status": 403, "body": {"code": "PermissionDenied", "message": "planned"}},
]
REPLIES: list[dict[str, Any]] = [
    *API_ERRORS,
    {"drop": "before", "times": 6},
    {"drop": "after", "times": 1},
    {"drop": "after", "times": 6},
    {"truncate": True},
    {"status": 200, "body": {}},
    {"status": 200, "body": []},
    {"status": 404, "body": {"code": "ClientError.NotFound", "message": "planned"}},
    {"status": 409, "body": {"code": "Conflict", "message": "planned"}},
    {"status": 429, "body": {"code": "TooManyRequests", "message": "planned"}, "times": 3},
    {"status": 500, "body": "planned", "times": 6},
    {"status": 502, "body": {"code": "ExternalError.DirListingFailed", "message": "planned"}},
    {"status": 503, "body": {"code": "ServiceUnavailable", "message": "planned"}, "times": 6},
]
DEATHS = st.sampled_from(["request", "answer", "save", "lines"])


class Story(People):
    """A random story of people, faults and both programs."""

    def __init__(self) -> None:
        super().__init__()
        self.in_the_way: list[Path] = []
        self.deleted: set[str] = set()
        self._leftover: set[str] = set()

    @initialize(
        keeps_mtimes=st.sampled_from([True, True, True, False]),
        clock=st.sampled_from([0, 0, 0, 3600, -3600]),
        ignores_case=st.sampled_from([False, False, False, True]),
        early=st.booleans(),
    )
    def storage_differs(
        self, keeps_mtimes: bool, clock: int, ignores_case: bool, early: bool
    ) -> None:
        """The storage of the destination has some properties; the source may be slow to scan."""
        if early:
            self.stack.enter_context(mock.patch.object(scan, "LONG_SECONDS", 0))
        self.lab.dst.keeps_mtimes = keeps_mtimes
        self.lab.dst.clock = clock
        self.lab.dst.ignores_case = ignores_case

    def teardown(self) -> None:
        """End the story: without faults and after a few runs, every file is delivered."""
        try:
            if self.latest:
                self._finish()
        finally:
            self.stack.close()

    # --- faults ----------------------------------------------------------------------------

    @rule(route=st.sampled_from(ROUTES), reply=st.sampled_from(REPLIES), nth=st.integers(0, 2))
    def fault(self, route: str, reply: dict[str, Any], nth: int) -> None:
        """One of the next calls of a route fails."""
        passed = [nth]

        def after_some(_request: Any) -> bool:
            passed[0] -= 1
            return passed[0] < 0

        self.world.faults.add(route, match=after_some, **{"times": 1, **reply})

    @rule(
        route=st.sampled_from([*ROUTES, *CHANGING]),
        status=st.sampled_from([200, 403, 404, 408, 413, 504]),
        after=st.booleans(),
        html=st.booleans(),
        times=st.integers(1, 6),
    )
    def proxy_answers(self, route: str, status: int, after: bool, html: bool, times: int) -> None:
        """A proxy answers in place of Globus, before or after the effect of the call."""
        # A proxy that rejects large requests does so before they reach Globus.
        after = after and status != 413
        self.world.faults.add_proxy(route, status, times=times, after=after, html=html)

    @rule(
        route=st.sampled_from([*ROUTES, "ls", "ls", "delete", "submission_id"]),
        nth=st.integers(0, 6),
        when=st.sampled_from(["before", "after"]),
        seconds=st.sampled_from([1000, 7200, 100_000]),
        name=st.sampled_from(NAMES),
        directory=st.sampled_from(DIRECTORIES),
    )
    def suspended(
        self, route: str, nth: int, when: Any, seconds: int, name: str, directory: str
    ) -> None:
        """The machine is suspended at some request, beyond the deadline of a delete task."""
        passed = [nth]

        def after_some(_request: Any) -> bool:
            passed[0] -= 1
            return passed[0] < 0

        def sleep(_request: Any) -> None:
            self.lab.advance(seconds)
            self._put(f"{directory}/{name}".lstrip("/"), 21, time.time())

        self.world.faults.add_hook(route, sleep, when=when, match=after_some)

    @rule(late=st.sampled_from([0, 60, 8000]), memory=st.sampled_from([None, None, 4000]))
    def lists_come_late(self, late: int, memory: int | None) -> None:
        """Globus lists late what a task did, and forgets tasks soon."""
        self.world.lists_delay = late
        self.world.task_memory = memory

    @rule(directory=st.sampled_from(["/src/sub", "/src/sub/deep", "/src/a"]))
    def directory_is_away(self, directory: str) -> None:
        """A recursive task does not see a directory, or a file."""
        self.world.miss_paths(directory)

    @rule(route=st.sampled_from(CHANGING), api_error=st.sampled_from(API_ERRORS))
    def refuse(self, route: str, api_error: dict[str, Any]) -> None:
        """Globus rejects a call."""
        self.world.faults.add(route, **api_error)

    @precondition(lambda self: self._files())
    @rule(data=st.data(), api_error=st.sampled_from(API_ERRORS))
    def refuse_file(self, data: Any, api_error: dict[str, Any]) -> None:
        """Globus rejects, for a while, every transfer with a certain file in it."""
        path = f"/src/{data.draw(st.sampled_from(self._files()))}"

        def has_it(request: Any) -> bool:
            return any(item["source_path"] == path for item in request.body["DATA"])

        self.world.faults.add("transfer", times=None, match=has_it, **api_error)

    @precondition(lambda self: self._files())
    @rule(data=st.data())
    def take_place(self, data: Any) -> None:
        """For a while a directory is in the way of a file at the destination."""
        place = self.lab.destination / "one" / data.draw(st.sampled_from(self._files()))
        with contextlib.suppress(FileExistsError, NotADirectoryError):
            place.mkdir(parents=True)
            self.in_the_way.append(place)

    @rule(directory=st.sampled_from([*(f"/src/{name}" for name in DIRECTORIES), "/dst/one"]))
    def directory_fails(self, directory: str) -> None:
        """A directory cannot be listed for a while."""
        body = {"code": "ExternalError.DirListingFailed.PermissionDenied", "message": "planned"}
        self.world.faults.add(
            "ls",
            times=3,
            status=502,
            body=body,
            match=lambda request: (
                request.query.get("path", "").rstrip("/") == directory.rstrip("/")
            ),
        )

    @rule(
        pace=st.sampled_from(
            [
                CompletionPolicy.at_once(),
                CompletionPolicy.after_polls(1),
                CompletionPolicy.after_polls(3),
            ]
        ),
        plan=st.sampled_from(["none", "stall", "fail", "skip", "inactive"]),
        files=st.integers(0, 2),
    )
    def tasks_differ(self, pace: Any, plan: str, files: int) -> None:
        """Tasks are slow; the next one stalls or fails half-way, or some file is skipped."""
        self.world.completion = pace
        if plan == "stall":
            self.world.stall_next(after_files=files)
        elif plan == "fail":
            self.world.fail_next(after_files=files)
        elif plan == "skip":
            self.world.skip_paths("/src/a", "/src/sub", "/src/sub/deep/a")
        elif plan == "inactive":
            for task in self.world.tasks.values():
                if task.status == "ACTIVE":
                    task.status = "INACTIVE"

    @rule(which=st.sampled_from(["src", "dst"]), paused=st.booleans())
    def endpoint_goes_away(self, which: str, paused: bool) -> None:
        """An endpoint is switched off, or paused."""
        setattr(getattr(self.lab, which), "paused" if paused else "connected", paused)

    @rule()
    def endpoints_come_back(self) -> None:
        """Both endpoints are ready again."""
        for endpoint in (self.lab.src, self.lab.dst):
            endpoint.connected, endpoint.paused = True, False

    @rule()
    def faults_pass(self) -> None:
        """All faults of Globus end."""
        self.world.faults.clear()
        self.world.skipped_paths.clear()
        self.world.missed_paths.clear()
        self.world.lists_delay, self.world.task_memory = 0, None
        self.endpoints_come_back()
        while self.in_the_way:
            with contextlib.suppress(OSError):
                self.in_the_way.pop().rmdir()
        self._resume()

    def _resume(self) -> None:
        for task in self.world.tasks.values():
            task.planned_failure = None
            if task.status == "INACTIVE":
                task.status = "ACTIVE"

    @precondition(lambda self: self.world.tasks)
    @rule(data=st.data(), all_of_it=st.booleans())
    def task_vanishes(self, data: Any, all_of_it: bool) -> None:
        """Globus forgets a task, or what it did."""
        task_id = data.draw(st.sampled_from(list(self.world.tasks)))
        if not all_of_it:
            self.world.tasks[task_id].history_lost = True
        elif self.world.tasks[task_id].submission.kind == "TRANSFER":
            del self.world.tasks[task_id]

    @rule(seconds=st.sampled_from([1, 3, 60, 3700, 90_000, 300_000, -3, -4000]))
    def clock_jumps(self, seconds: int) -> None:
        """Time passes, or somebody sets the clock."""
        self.lab.advance(seconds)

    @rule(
        exclude=st.sampled_from([[], ["*.tmp"], ["sub"]]),
        settle=st.sampled_from([0, 0, 30]),
        keep=st.sampled_from([0, 0, 1]),
        pair=st.sampled_from(PAIRS),
        verify=st.booleans(),
        mounted=st.booleans(),
        rescan=st.sampled_from([0, 1, 24]),
        ready=st.sampled_from([[], [f"*/{READY}"]]),
    )
    def settings_change(
        self,
        exclude: list[str],
        settle: int,
        keep: int,
        pair: tuple[str, str],
        verify: bool,
        mounted: bool,
        rescan: float,
        ready: list[str],
    ) -> None:
        """Somebody edits config.py."""
        here = self.lab.source / pair[0].removeprefix("/src").lstrip("/")
        self.lab.configure(
            EXCLUDE=exclude,
            SETTLE_SECONDS=settle,
            KEEP_DAYS=keep,
            SRC_DIR=pair[0],
            DST_DIR=pair[1],
            SRC_LOCAL_DIR=str(here) if mounted else "",
            VERIFY_DESTINATION=verify or self.damaged,
            RESCAN_HOURS=rescan,
            READY_MARKERS=ready,
        )

    # --- the programs ----------------------------------------------------------------------

    @rule(
        full=st.booleans(),
        dry=st.sampled_from([False, False, False, True]),
        death=st.none() | st.integers(0, 25),
        what=DEATHS,
    )
    def transfer(self, full: bool, dry: bool, death: int | None, what: str) -> None:
        """transfer.py runs; it may die."""
        options = ["--full"] * full + ["--dry-run"] * dry
        with self._units_behave(), dying(death, what):
            self._behaves(self.lab.transfer(*options))

    @rule(
        dry=st.sampled_from([False, False, False, True]),
        death=st.none() | st.integers(0, 40),
        what=DEATHS,
    )
    def delete(self, dry: bool, death: int | None, what: str) -> None:
        """delete.py runs; it may die."""
        marked = self._marked_files()
        with self._units_behave(), dying(death, what):
            self._behaves(self.lab.delete(*["--dry-run"] * dry))
        self._are_still_there(marked)

    @rule(programs=st.lists(st.sampled_from(["transfer", "delete"]), min_size=1, max_size=3))
    def all_goes_well(self, programs: list[str]) -> None:
        """All faults end, and the programs do their work."""
        self.faults_pass()
        self.world.completion = CompletionPolicy.at_once()
        for program in programs:
            marked = self._marked_files()
            with self._units_behave():
                self._behaves(getattr(self.lab, program)())
            self._are_still_there(marked)

    @rule(name=st.sampled_from(NAMES), directory=st.sampled_from(DIRECTORIES))
    def write_twice(self, name: str, directory: str) -> None:
        """A file is written, sent and rewritten within the second: its fingerprint is equal."""
        name = f"{directory}/{name}".lstrip("/")
        self._put(name, 20, time.time())
        self.transfer(False, False, None, "")
        if self._exists(name):
            self._write_again(name)

    @rule(directory=st.sampled_from(DIRECTORIES), name=st.sampled_from(["do_not_delete.txt", KEEP]))
    def mark(self, directory: str, name: str) -> None:
        """Somebody marks a directory with a file or a directory, if it is there."""
        place = self.lab.source / directory
        if place.is_dir() and not place.is_symlink():
            (place / name).mkdir(exist_ok=True) if name == KEEP else (place / name).touch()

    @rule()
    def unmark(self) -> None:
        """Somebody removes all markers."""
        for path in [*self.lab.source.rglob("*")]:
            if path.name.upper().startswith(KEEP):
                path.rmdir() if path.is_dir() else path.unlink()

    def _marked_files(self) -> set[str]:
        """Return the files below a marker in SRC_DIR that no leftover delete task may delete."""
        root = self.lab.settings["SRC_DIR"].removeprefix("/src").lstrip("/")
        leftover = {
            item.source
            for task in self.world.tasks.values()
            if task.in_progress and task.submission.kind == "DELETE"
            for item in task.submission.items
        }
        return {
            name
            for name in self._files()
            if f"/src/{name}" not in leftover
            and any(
                Path(way).is_relative_to(root) and self._is_marked(way)
                for way in _ways(name) - {name}
            )
        }

    def _is_marked(self, directory: str) -> bool:
        names = [path.name for path in (self.lab.source / directory).iterdir()]
        return any(name.upper().startswith(KEEP) for name in names)

    def _are_still_there(self, marked: set[str]) -> None:
        gone = {name for name in marked if not self._exists(name)}
        assert not gone, f"deleted below a marker: {gone}\n{self.lab.log()}"

    @rule(directory=st.sampled_from(DIRECTORIES[1:]))
    def get_ready(self, directory: str) -> None:
        """An instrument marks a directory as complete."""
        self._put(f"{directory}/{READY}", 8, time.time() - 60)

    @rule()
    def lose_markers(self) -> None:
        """The markers of all units vanish."""
        for name in [name for name in self._files() if Path(name).name == READY]:
            (self.lab.source / name).unlink()
            del self.latest[name]

    @rule(
        directory=st.sampled_from(["sub", "other dir"]),
        late=st.sampled_from(["sub/late", "other dir/late", "other dir/a", "note"]),
        death=st.none() | st.integers(0, 40),
    )
    def a_unit_is_delivered(self, directory: str, late: str, death: int | None) -> None:
        """An instrument fills a directory and marks it; it is delivered, and a file is written."""
        self.world.completion = CompletionPolicy.at_once()
        self.lab.configure(READY_MARKERS=[f"*/{READY}"], KEEP_DAYS=0, EXCLUDE=[])
        for name in ("a", "b c", READY):
            self._put(f"{directory}/{name}", 12, time.time() - 100)
        for _ in range(2):
            with self._units_behave():
                self._behaves(self.lab.transfer())
        self._put(late, 17, time.time() - 50)
        with self._units_behave(), dying(death, "request"):
            self._behaves(self.lab.delete())

    def _store(self) -> Datastore:
        """Return the datastore; an empty one if there is none."""
        if (self.lab.state / "datastore").exists():
            return self.lab.store()
        return Datastore(source=self.lab.src.id)

    @contextlib.contextmanager
    def _units_behave(self) -> Iterator[None]:
        """Check that a run sends nothing of unmarked units, and deletes nothing of incomplete ones.

        What an earlier run has recorded may be sent; what it has begun to delete may go.
        """
        known = self.lab.settings
        units = Units(known.get("READY_MARKERS", []), known["SRC_DIR"])
        before, there = self._store() if units else None, set(self._files())
        unready, incomplete = self._units(units, before) if before else (set(), {})
        submissions = {task.submission.submission_id for task in self.world.tasks.values()}
        yield
        if before is None:
            return
        after = self._store()
        for directory, records in after.files.items():
            old = before.files.read(directory)
            new = {
                name
                for name, record in records.items()
                if name not in old or record.size != old[name].size
            }
            assert not new or units.of(directory) not in unready, (directory, new)
        for task in after.tasks.values():
            if task.submission_id not in submissions | {
                each.submission_id for each in before.tasks.values()
            }:
                roots = (task.roots or [task.source_dir]) if task.recursive else []
                covered = {
                    unit for unit in unready for root in roots if below(unit, root.rstrip("/"))
                }
                assert not covered, f"a recursive task sends {covered}\n{self.lab.log()}"
        for unit, why in incomplete.items():
            names = {name for name in there if below(f"/src/{name}", unit)} - self._leftover
            gone = {name for name in names if not os.path.lexists(self.lab.source / name)}
            assert not gone, f"{gone} deleted in spite of {why}\n{self.lab.log()}"

    def _units(self, units: Units, store: Datastore) -> tuple[set[str], dict[str, str]]:
        """Return the units without a marker, and those with a file that is not as recorded."""
        unready, incomplete = set(), {}
        excludes = matcher(self.lab.settings.get("EXCLUDE", []))
        self._leftover = {
            item.source.removeprefix("/src/")
            for task in self.world.tasks.values()
            if task.in_progress and task.submission.kind == "DELETE"
            for item in task.submission.items
        }
        marked: set[str] = set()
        for place, directories, names in os.walk(self.lab.source):
            path = f"/src/{Path(place).relative_to(self.lab.source)}".removesuffix("/.")
            unit = units.of(path)
            if any(name.upper().startswith(KEEP) for name in (*directories, *names)):
                marked.add(path)
            if unit is None or matches(path, self.lab.settings["SRC_DIR"], excludes):
                continue
            if path == unit and READY not in (*names, *directories):
                unready.add(unit)
            for name in names:
                file = Path(place, name)
                if file.is_symlink() or excludes(name) or name.startswith(OWN):
                    continue
                status, record = file.stat(), store.record(f"{path}/{name}")
                found = record and (record.size, record.mtime)
                if found != (status.st_size, int(status.st_mtime)) and not is_below_any(
                    path, marked
                ):
                    incomplete[unit] = f"{path}/{name}"
        return unready, incomplete

    def _behaves(self, code: int) -> None:
        assert code in (0, 1, 2, 3)
        assert "an error that is its own" not in self.lab.log(), self.lab.log()

    # --- the invariants --------------------------------------------------------------------

    @invariant()
    def nothing_is_lost(self) -> None:
        """The latest content of every file is at the source or at the destination."""
        self.newest = max(self.newest, time.time())
        copies = {p.read_bytes() for p in self.lab.destination.rglob("*") if p.is_file()}
        # Where a program died, a directory may still be quarantined.
        originals = {p.read_bytes() for p in self.lab.source.rglob("*") if p.is_file()}
        for name, content in self.latest.items():
            assert content in copies or content in originals, f"{name} is lost\n{self.lab.log()}"

    @invariant()
    def each_deletion_has_its_lines(self) -> None:
        """What is deleted was delivered with that fingerprint, and the history says so first."""
        self.deleted = set()
        delivered = set()
        for line in history.lines(f"{self.lab.state}/history"):
            fact = history.parsed(line)
            assert fact, f"a damaged line: {line!r}"
            if fact.event == "delivered":
                delivered.add((fact.path, fact.size, fact.mtime))
            elif fact.event == "deleted":
                assert (fact.path, fact.size, fact.mtime) in delivered, line
                self.deleted.add(fact.path)

    def _finish(self) -> None:
        self.faults_pass()
        self.unmark()
        self.world.completion = CompletionPolicy.at_once()
        self.settings_change([], 0, 0, PAIRS[0], True, False, 24, [])
        self.rename_quarantines()
        self.lab.advance(200_000)
        codes = []
        for _ in range(4):
            codes.append(self.lab.transfer())
            self._resume()
            codes.append(self.lab.transfer())
            # Long enough for tasks with a file that the destination always rejects to expire.
            self.lab.advance(400_000)
            codes += [self.lab.transfer(), self.lab.delete()]
            self.lab.advance(4000)
        self.each_deletion_has_its_lines()
        copies = {p.read_bytes() for p in self.lab.destination.rglob("*") if p.is_file()}
        details = f"exit codes {codes}\n{self.lab.log()}"
        # The name of a directory or a symlink may also differ from that of a file only in case.
        there = {str(path.relative_to(self.lab.source)) for path in self.lab.source.rglob("*")}
        names = there | set(self.latest)
        for name, content in self.latest.items():
            if "\n" in name or self._refused(name) or self._ambiguous(name, names):
                continue
            similar = [other for other in names if fold(name) == fold(other)]
            # A file kept for a similar name is not compared with its copy, which may be altered.
            if len(similar) == 1 or not self.damaged:
                assert content in copies, f"{name!r} did not arrive; {details}"
            if len(similar) == 1:
                assert not self._exists(name), f"{name!r} was not deleted; {details}"
                # Without its datastore nobody knows what an interrupted run has deleted.
                told = self.restored or f"/src/{name}" in self.deleted
                assert told, f"the history does not say that {name!r} was deleted; {details}"

    def _ambiguous(self, name: str, names: set[str]) -> bool:
        """Return whether the destination takes a name in the path of a file for another name."""
        if not self.lab.dst.ignores_case:
            return False
        one = self.lab.destination / "one"
        everywhere = {str(path.relative_to(one)) for path in one.rglob("*")}
        everywhere |= {
            str(parent) for each in names for parent in [Path(each), *Path(each).parents]
        }
        ways = {str(parent) for parent in [Path(name), *Path(name).parents]}
        folds = {fold(way) for way in ways}
        return any(fold(other) in folds and other not in ways for other in everywhere)

    def _refused(self, name: str) -> bool:
        """Return whether a file or directory is in the way of a file at the destination."""
        path = self.lab.destination / "one" / name
        return path.is_dir() or any(parent.is_file() for parent in path.parents)


def _ways(name: str) -> set[str]:
    """Return a path and all directories above it."""
    return {str(way) for way in [Path(name), *Path(name).parents]}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_no_story_ends_with_a_lost_file(part: int) -> None:
    """Whatever happens, the invariants hold."""
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        type(f"Story{part}", (Story,), {}),  # each name has stories of its own
        settings=settings(
            max_examples=STORIES // PARTS,
            stateful_step_count=25,
            deadline=None,
            derandomize="GLOBUS_AUTO_STORIES" not in os.environ,
            print_blob=True,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
