"""Reasons and decisions: what the programs do with a file, and why."""

from __future__ import annotations

import enum
from typing import NamedTuple, TypeAlias


class Verdict(enum.Enum):
    """What transfer.py does with a file now."""

    TRANSFER = "transfer"
    DEFER = "defer"
    SKIP = "skip"


class TransferReason(enum.Enum):
    """Why a file is to be transferred."""

    NEW = "new"
    CHANGED = "changed"
    RACY = "modified within 2 s of the scan"
    OTHER_MAPPING = "transferred elsewhere before, and --full asks for everything"


class DeferReason(enum.Enum):
    """Why a file is not transferred yet."""

    IN_PROGRESS = "its last transfer is in progress"
    UNIT = "its unit is not ready"
    NOT_STABLE = "modified too recently"
    REJECTED = "Globus rejected it less than a day ago"
    COLLISION = "its copy would overwrite another file"
    POSSIBLE_COLLISION = "its copy may overwrite another file that is sent first"


class KeepReason(enum.Enum):
    """Why a file stays at the source."""

    IN_PROGRESS = "its transfer is in progress"
    LOST_TASK = "a task that Globus no longer shows may still be writing its copy"
    RACY = "modified within 2 s of the scan"
    EXCLUDED = "it is excluded"
    KEEP_DAYS = "transferred less than KEEP_DAYS ago"
    KEEP_MARKER = "a name that KEEP_MARKERS matches keeps it"
    COLLISION = "another name differs from its name only in case or Unicode form"
    UNVERIFIED = "Globus did not verify its checksum"
    UNIT = "its unit may not go as a whole yet"
    ALSO_AT = "another pair of ALSO_AT has no verified copy of it"
    NO_COLLECTION = "the collection that it was transferred to no longer exists"
    UNKNOWN_COPY = "the destination could not be asked about its copy"
    MISSING = "its copy is missing at the destination"
    OTHER_SIZE = "its copy has another size"
    NO_END = "its copy has another time, and the end of its task is not known"
    COPY_CHANGED = "its copy was changed after the transfer"
    COPY_OLDER = "its copy is older than the transfer"
    CHANGED = "it has changed since it was transferred"
    GONE = "it is gone from the source, or no longer a plain file"
    SYMLINK = "a symbolic link may lead to it"
    TOO_SLOW = "its directory could not be listed in time"
    UNKNOWN = "the source could not be asked about it"
    REJECTED = "Globus rejects its deletion"
    NOT_DELETED = "Globus could not delete it"
    NOT_COMPARED = "Globus has not compared it with its copy today"
    ALTERED = "its content has changed, though its size and mtime have not"
    ROOM = "there is room, or older files go first"
    ROOM_UNKNOWN = "how much room there is could not be found out"


# These reasons should pass; a file that stays for one of them for long needs attention.
PASSING = {
    *(KeepReason.COLLISION, KeepReason.RACY, KeepReason.CHANGED, KeepReason.GONE),
    *(KeepReason.SYMLINK, KeepReason.TOO_SLOW, KeepReason.UNKNOWN, KeepReason.ALSO_AT),
}


Reason: TypeAlias = TransferReason | DeferReason | KeepReason


class Why(NamedTuple):
    """A reason, and its detail as text for people, such as numbers."""

    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value


class Decision(NamedTuple):
    """What to do with a file: the reasons to transfer it, then the reason to defer it."""

    verdict: Verdict
    reasons: tuple[Why, ...] = ()

    def deferred(self, reason: DeferReason, detail: str = "") -> Decision:
        """Return this decision, deferred because of `reason`."""
        return Decision(Verdict.DEFER, (*self.reasons, Why(reason, detail)))

    @property
    def group(self) -> str:
        """The reasons without their details, as text."""
        return ", but ".join(why.reason.value for why in self.reasons)

    def __str__(self) -> str:
        return ", but ".join(map(str, self.reasons))


# Shared by all files: a first run may have a million.
SKIP = Decision(Verdict.SKIP)
NEW = Decision(Verdict.TRANSFER, (Why(TransferReason.NEW),))
