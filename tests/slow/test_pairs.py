"""Stories of two pairs with one source: at each deletion, two whole copies exist.

Each pair has the other in ALSO_AT, and either deletes. People do to files what they do in other
stories (stories.py), and damage copies at either destination; programs die at any request or save;
a pair excludes files, its datastore is restored or deleted, or its tasks are slow or fail.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from globus_auto.files import fold
from globus_auto.sandbox.world import CompletionPolicy
from tests.lab import Lab, another_pair, files
from tests.slow.stories import People, dying

STORIES = int(os.environ.get("GLOBUS_AUTO_PAIRS", "40"))
DEATHS = st.sampled_from(["request", "answer", "save", "lines"])
WHICH = st.integers(0, 1)
# Which pair is ahead, with which file of how many bytes; what the other does; a request of a death.
ROUNDS = st.tuples(
    WHICH,
    st.sampled_from(["a", "b c", "x.tmp", "sub/a"]),
    st.integers(8, 40),
    st.sampled_from(["not", "transfers", "delivers", "loses copies"]),
    st.none() | st.integers(0, 40),
)


class Pairs(People):
    """A random story of two pairs; `lacking` has what was to be deleted without two copies."""

    def __init__(self) -> None:
        super().__init__()
        other = another_pair(self.lab)
        self.pairs = [self.lab, other]
        self.lab.configure(ALSO_AT=[str(other.config)])
        other.configure(ALSO_AT=[str(self.lab.config)])
        self.lacking: list[str] = []
        self.deleted = 0
        self.world.faults.add_hook("delete", self._note_deletion, times=None)

    def _note_deletion(self, request: Any) -> None:
        if request.body["recursive"]:
            return
        copies = [set(files(pair.destination).values()) for pair in self.pairs]
        for item in request.body["DATA"]:
            path = self.lab.source / item["path"].removeprefix("/src/")
            if path.is_file():
                content = path.read_bytes()
                self.deleted += 1
                # A pair that excludes it is not asked.
                asked = [
                    each
                    for pair, each in zip(self.pairs, copies, strict=True)
                    if not (path.suffix == ".tmp" and pair.settings.get("EXCLUDE"))
                ]
                if not all(content in each for each in asked):
                    self.lacking.append(item["path"])

    def teardown(self) -> None:
        """End the story: after a few runs every file is at both destinations."""
        try:
            self._finish()
        finally:
            self.stack.close()

    @rule(data=st.data(), how=st.sampled_from(["remove", "lengthen", "cut"]))
    def damage_other_copy(self, data: Any, how: str) -> None:
        """Somebody removes or alters a copy at the second destination."""
        second, before = self.pairs[1], self.lab.destination
        gone = {name: each for name, each in self.latest.items() if not self._exists(name)}
        self.lab.destination = second.destination
        try:
            self.damage_copy(data=data, how=how)
        finally:
            self.lab.destination = before
        self.latest |= gone

    @rule(which=WHICH, what=st.sampled_from(["datastore", "nothing"]))
    def lose_datastore(self, which: int, what: str) -> None:
        """Somebody deletes the datastore of a pair, or restores an old one."""
        path = self.pairs[which].state / "datastore"
        old = path.with_name("datastore.old")
        if what == "nothing":
            path.unlink(missing_ok=True)
        elif old.exists():
            path.write_bytes(old.read_bytes())
        elif path.exists():
            old.write_bytes(path.read_bytes())

    @rule(which=WHICH, exclude=st.sampled_from([[], ["*.tmp"]]))
    def exclude(self, which: int, exclude: list[str]) -> None:
        """Somebody edits the config file of a pair."""
        self.pairs[which].configure(EXCLUDE=exclude)

    @rule(
        polls=st.sampled_from([0, 1, 3]),
        plan=st.sampled_from(["none", "none", "fail", "stall"]),
    )
    def tasks_differ(self, polls: int, plan: str) -> None:
        """Tasks are slow; the next one stalls or fails half-way."""
        self.world.completion = CompletionPolicy.after_polls(polls)
        if plan == "fail":
            self.world.fail_next(after_files=1)
        elif plan == "stall":
            self.world.stall_next(after_files=1)

    @rule(seconds=st.sampled_from([1, 3, 60, 3700, 90_000]))
    def time_passes(self, seconds: int) -> None:
        """Time passes."""
        self.lab.advance(seconds)

    @rule(which=WHICH, full=st.booleans(), death=st.none() | st.integers(0, 25), what=DEATHS)
    def transfer(self, which: int, full: bool, death: int | None, what: str) -> None:
        """transfer.py of a pair runs; it may die."""
        with dying(death, what):
            self._behaves(self.pairs[which].transfer(*["--full"] * full), self.pairs[which])

    @precondition(lambda self: self.latest)
    @rule(which=WHICH, death=st.none() | st.integers(0, 40), what=DEATHS)
    def delete(self, which: int, death: int | None, what: str) -> None:
        """delete.py of a pair runs; it may die."""
        with dying(death, what):
            self._behaves(self.pairs[which].delete(), self.pairs[which])

    @rule(which=WHICH)
    def all_goes_well(self, which: int) -> None:
        """All tasks end, both pairs transfer, and one deletes."""
        self._end_tasks()
        self.lab.advance(10)
        for pair in [*self.pairs, *self.pairs]:
            self._behaves(pair.transfer(), pair)
        self._behaves(self.pairs[which].delete(), self.pairs[which])

    @rule(rounds=st.lists(ROUNDS, min_size=1, max_size=6))
    def one_is_ahead(self, rounds: list[tuple[int, str, int, str, int | None]]) -> None:
        """A pair delivers a new file or version and deletes, whatever the other has of it."""
        for which, name, size, follows, death in rounds:
            pair, other = self.pairs[which], self.pairs[1 - which]
            self._end_tasks()
            self._put(name, size, time.time() - 100)
            runs = {"not": 0, "transfers": 1}.get(follows, 2)
            for each in [pair, pair, *[other] * runs]:
                self._behaves(each.transfer(), each)
            for place in other.destination.rglob("*") if follows == "loses copies" else ():
                if place.is_file() and place.read_bytes() in self._originals():
                    place.unlink()
            with dying(death, "request"):
                self._behaves(pair.delete(), pair)

    def _originals(self) -> set[bytes]:
        return {(self.lab.source / name).read_bytes() for name in self._files()}

    def _end_tasks(self) -> None:
        self.world.completion = CompletionPolicy.at_once()
        for task in self.world.tasks.values():
            task.planned_failure = None

    def _behaves(self, code: int, pair: Lab) -> None:
        assert code in (0, 1)
        assert "an error that is its own" not in pair.log(), pair.log()

    @invariant()
    def two_copies_exist_at_each_deletion(self) -> None:
        """Whatever a pair deletes has a whole copy at both destinations at that moment."""
        assert self.lacking == [], "".join(pair.log() for pair in self.pairs)

    def _finish(self) -> None:
        self._end_tasks()
        for pair in self.pairs:
            pair.configure(EXCLUDE=[])
        self.rename_quarantines()
        self.lab.advance(200_000)
        for _ in range(5):
            for pair in self.pairs:
                pair.transfer("--full")
                pair.transfer()
                self.lab.advance(100_000)
            for pair in self.pairs:
                pair.transfer()
                pair.delete()
        self.two_copies_exist_at_each_deletion()
        names = {str(path.relative_to(self.lab.source)) for path in self.lab.source.rglob("*")}
        folds = Counter(fold(name) for name in names | set(self.latest))
        log = "".join(pair.log() for pair in self.pairs)
        for name in self._files():
            if "\n" not in name and folds[fold(name)] == 1 and not self._in_the_way(name):
                raise AssertionError(f"{name!r} was not deleted\n{log}")

    def _in_the_way(self, name: str) -> bool:
        """Return whether a file or directory is in the way of a file at a destination."""
        places = [self.lab.destination / "one" / name, self.pairs[1].destination / name]
        return any(
            place.is_dir() or any(parent.is_file() for parent in place.parents) for place in places
        )


@pytest.mark.slow
def test_two_copies_exist_whenever_a_file_is_deleted() -> None:
    """Whatever happens, the invariant holds, and files are deleted all the same."""
    from hypothesis.stateful import run_state_machine_as_test

    deleted = 0

    class Counted(Pairs):
        def teardown(self) -> None:
            nonlocal deleted
            super().teardown()
            deleted += self.deleted

    run_state_machine_as_test(
        Counted,
        settings=settings(
            max_examples=STORIES,
            stateful_step_count=20,
            deadline=None,
            derandomize="GLOBUS_AUTO_PAIRS" not in os.environ,
            print_blob=True,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert deleted > STORIES
