"""Endpoints: directories on disk, addressed by Globus paths.

A path at an endpoint begins with `/`, or with `/~/` (or `~/`), which is the endpoint's own
directory. It never leads out of that directory, neither by `..` nor by a symlink.
"""

from __future__ import annotations

import errno
import os
import posixpath
import re
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

from globus_auto.sandbox import names
from globus_auto.sandbox.documents import APIError, Document, bad_request
from globus_auto.sandbox.file_documents import file_document

# UTF-8, without CR, LF and NUL (docs: api/transfer/task_submit). A relative path begins at /~/.
PATH = re.compile(r"\A[^\r\n\0\ud800-\udfff]+\Z")
ENTITY_TYPES = """
    GCP_mapped_collection GCP_guest_collection
    GCSv5_endpoint GCSv5_mapped_collection GCSv5_guest_collection
"""


class OutsideError(PermissionError):
    """The error for a path that leads out of the endpoint's directory."""

    def __init__(self, path: str) -> None:
        super().__init__(errno.EACCES, "Path not allowed", path)


@dataclass
class Endpoint:
    """A directory served as an endpoint or collection; it may be changed while it is served.

    `entity_type` is one of ENTITY_TYPES. `mount` is the endpoint path of `directory`.
    `connected` and `paused` are the state of Globus Connect Personal; a Connect Server collection
    that is not `connected` does not answer. `data_access_required` applies only to collections for
    which Globus has that consent. `host` is the mapped collection of a guest collection; its
    policies apply to the guest collection too.

    `ignores_form`: names that differ only in Unicode form are one name here, as on HFS+;
    `ignores_case`: names that differ in case too, as on APFS. A file keeps the spelling that it
    was created with. `keeps_mtimes` false: preserve_timestamp has no effect on what is written
    here. `clock` is how many seconds the clock of this endpoint is ahead. `listing_lag` overrides
    that of the world. `lists_parents`: the directories above the mount can be listed, and show
    nothing but the way down to it.

    Policies: `disable_verify` and `force_verify` override the `verify_checksum` of a transfer,
    `refuses_encryption` its `encrypt_data`.
    """

    directory: Path
    name: str
    entity_type: str = "GCP_mapped_collection"
    mount: str = "/"
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    high_assurance: bool = False
    data_access_required: bool = False
    host: Endpoint | None = None
    connected: bool = True
    paused: bool = False
    rename_supported: bool = True
    deleted: bool = False
    ignores_case: bool = False
    ignores_form: bool = False
    keeps_mtimes: bool = True
    clock: float = 0.0
    listing_lag: float | None = None
    lists_parents: bool = False
    disable_verify: bool = False
    force_verify: bool = False
    refuses_encryption: bool = False

    def __post_init__(self) -> None:
        """Resolve the directory; raise ValueError for an unknown entity_type."""
        if self.entity_type not in ENTITY_TYPES.split():
            raise ValueError(f"no such entity_type: {self.entity_type}")
        self.root = os.path.realpath(self.directory, strict=True)

    @property
    def functional(self) -> bool:
        """Whether it gives access to data: a GCSv5 endpoint is not a collection."""
        return self.entity_type != "GCSv5_endpoint"

    @property
    def has_data_access(self) -> bool:
        """Whether there is a data_access scope for it (SDK guide: detecting data_access)."""
        return self.entity_type == "GCSv5_mapped_collection" and not self.high_assurance

    @property
    def offline_code(self) -> str | None:
        """The event code of tasks while this endpoint is offline or paused (docs: task_events)."""
        if self.host is not None and self.host.offline_code:
            return self.host.offline_code
        if not self.connected:
            personal = self.entity_type.startswith("GCP")
            return "GC_NOT_CONNECTED" if personal else "CONNECT_FAILED"
        return "GC_PAUSED" if self.paused else None

    def has_policy(self, name: str) -> bool:
        """Return whether a policy is set on this endpoint or on its host."""
        return bool(getattr(self, name)) or (self.host is not None and self.host.has_policy(name))

    def check_local_user(self, name: str | None, field: str) -> None:
        """Raise APIError for a local_user here, unless it is a collection that has them."""
        if name and self.entity_type != "GCSv5_mapped_collection":
            raise bad_request(f"'{field}': '{self.name}' has no local users")

    def relative_path(self, path: str) -> str:
        """Return `path` relative to the endpoint's directory, `""` for the directory itself.

        Raise APIError for an invalid path, OutsideError for one outside the mount.
        """
        if not PATH.match(path):
            raise bad_request(f"'path': {path!r} is empty, or contains CR, LF or NUL")
        path = absolute(path)
        if is_home(path):
            return posixpath.normpath("/" + path.lstrip("/")[1:].lstrip("/"))[1:]
        normal, mount = posixpath.normpath("/" + path.lstrip("/")), self.mount.rstrip("/")
        if not f"{normal}/".startswith(f"{mount}/"):
            raise OutsideError(path)
        return normal[len(mount) + 1 :]

    def directory_path(self, path: str) -> str:
        """Return the path of a directory as Globus shows it: absolute or in /~/, ending in /."""
        if self.next_to_mount(path):
            return posixpath.join(posixpath.normpath("/" + path.lstrip("/")), "")
        start = "/~/" if is_home(path) else self.mount
        return posixpath.join(start, self.relative_path(path), "")

    def shown_path(self, local_path: str) -> str:
        """Return the Globus path of a local path; one outside the directory stays as it is."""
        if not f"{local_path}/".startswith(self.root.rstrip("/") + "/"):
            return local_path
        return posixpath.join(self.mount, os.path.relpath(local_path, self.root)).removesuffix("/.")

    def next_to_mount(self, path: str) -> str | None:
        """Return what a directory above the mount shows: the next name of the mount's path.

        Return None for other directories, and if what is above the mount cannot be listed.
        """
        if not self.lists_parents or is_home(path):
            return None
        above = posixpath.join(posixpath.normpath("/" + path.lstrip("/")), "")
        mount = posixpath.join(self.mount, "")
        if mount == above or not mount.startswith(above):
            return None
        return mount[len(above) :].split("/")[0]

    def locate(self, path: str, *, follow: bool = True) -> str:
        """Return the local path of `path`; raise OutsideError if a symlink leads out.

        With `follow` false, a symlink at the end of the path is not followed.
        """
        below = self.relative_path(path)
        if self.ignores_case or self.ignores_form:
            local_path = names.find_existing(self.root, below, ignore_case=self.ignores_case)
        else:
            local_path = posixpath.join(self.root, below) if below else self.root
        real = os.path.realpath(
            local_path if follow or not below else posixpath.dirname(local_path)
        )
        if not f"{real}/".startswith(self.root.rstrip("/") + "/"):
            raise OutsideError(path)
        return local_path

    def list_directory(self, path: str, limit: int) -> list[Document]:
        """Return a file document for each entry of the directory `path`, at most `limit`."""
        if name := self.next_to_mount(path):
            return [file_document(name, self.root, os.lstat(self.root))]
        with os.scandir(self.locate(path)) as found:
            listed = [(each.name, each.path, each.stat(follow_symlinks=False)) for each in found]
        if len(listed) > limit:
            message = f"The directory holds more than {limit} entries, the limit of a listing"
            raise APIError("ExternalError.DirListingFailed.SizeLimit", message)
        return [file_document(name, local_path, status) for name, local_path, status in listed]

    def stat(self, path: str) -> Document:
        """Return the file document of one path."""
        local_path = self.locate(path, follow=False)
        name = "/" if local_path == self.root else posixpath.basename(local_path)
        return file_document(name, local_path, os.lstat(local_path))

    def mkdir(self, path: str) -> None:
        """Create one directory; its parent must exist."""
        local_path = self.locate(path, follow=False)
        os.mkdir(local_path)
        self.touch(local_path)

    def make_directories(self, local_path: str) -> None:
        """Create a local directory and its missing parents."""
        missing, above = [], local_path
        while not os.path.lexists(above):
            missing.append(above)
            above = posixpath.dirname(above)
        os.makedirs(local_path, exist_ok=True)
        for made in missing:
            self.touch(made)

    def touch(self, local_path: str) -> None:
        """Set the mtime of what was just written to the time of this endpoint's clock."""
        now = time.time() + self.clock
        os.utime(local_path, (now, now))

    def rename(self, old: str, new: str) -> None:
        """Give a file or directory a new name; a file there is replaced, as by the system call."""
        if not self.rename_supported:
            raise APIError("NotSupported", f"'{self.name}' cannot rename")
        source, target = self.locate(old, follow=False), self.locate(new, follow=False)
        if self.root in (source, target):
            raise OutsideError(old)
        os.lstat(source)
        if target == source:  # the same name, maybe in a new spelling: adopt it, as APFS does
            target = posixpath.join(posixpath.dirname(source), posixpath.basename(new.rstrip("/")))
        os.rename(source, target)


def is_home(path: str) -> bool:
    """Return whether a path begins at the endpoint's own directory: in /~/, or a relative one."""
    return not path.startswith("/") or path.lstrip("/").split("/")[0] == "~"


def absolute(path: str) -> str:
    """Return a path as Globus shows it: a relative one begins with /~/."""
    if path.startswith("/"):
        return path
    return f"/{path}" if path.split("/", maxsplit=1)[0] == "~" else f"/~/{path}"
