"""The token file, which several processes may use at once."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn, TypeVar

from globus_sdk.token_storage import JSONTokenStorage, TokenStorageData

from globus_auto import files
from globus_auto.errors import DamagedTokenFile, OlderTokenFile
from globus_auto.files import private
from globus_auto.text import register_secret

# Rewriting the token file takes milliseconds. Who holds its lock for longer than this is suspended.
LOCK_SECONDS = 60
LOCK_PAUSE = 0.02  # seconds
# What globus_sdk raises for a file that it did not write.
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
# All that the older programs, for Python 2.7, kept in it.
ONLY_A_TOKEN = re.compile(rb"\s*([\"']?)[\w.~+/=-]{20,}\1\s*")
Result = TypeVar("Result")


class TokenFile(JSONTokenStorage):
    """globus_sdk's JSON token storage, safe for several threads and processes at once.

    Each change reads, alters and replaces the file under its own lock, `<path>.lock`, so no process
    overwrites what another stored. If the process is killed or the disk is full, the file stays as
    it was. Raise DamagedTokenFile if the file cannot be read, and OSError if it cannot be written
    or another process holds its lock for LOCK_SECONDS.
    """

    def __init__(self, filepath: str, namespace: str) -> None:
        super().__init__(filepath, namespace=namespace)
        self._lock = threading.Lock()

    def store_token_data_by_resource_server(
        self, token_data_by_resource_server: Mapping[str, TokenStorageData]
    ) -> None:
        """Replace the tokens of these resource servers in the file."""
        register_tokens(token_data_by_resource_server)
        self._rewrite(
            lambda copy: copy.store_token_data_by_resource_server(token_data_by_resource_server)
        )

    def get_token_data_by_resource_server(self) -> dict[str, TokenStorageData]:
        """Return the tokens in the file by resource server; none if there is no file."""
        try:
            found = super().get_token_data_by_resource_server()
        except (OSError, *UNREADABLE) as error:
            self._refuse(error)
        register_tokens(found)
        return found

    def remove_token_data(self, resource_server: str) -> bool:
        """Remove the tokens of one resource server; return whether there were any."""
        return self._rewrite(lambda copy: copy.remove_token_data(resource_server))

    def _rewrite(self, change: Callable[[JSONTokenStorage], Result]) -> Result:
        """Apply `change` to a copy of the file, then replace the file with the copy."""
        with self._lock, self._locked():
            self._remove_leftovers()
            temporary = f"{self.filepath}.{secrets.token_hex(8)}.new"
            try:
                self._copy_to(temporary)
                try:
                    result = change(JSONTokenStorage(temporary, namespace=self.namespace))
                except UNREADABLE as error:
                    self._refuse(error)
                _fsync(temporary)
                os.replace(temporary, self.filepath)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            _fsync(os.path.dirname(self.filepath) or ".")
            return result

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock between processes; the kernel releases it when the process ends."""
        path = f"{self.filepath}.lock"
        with open(path, "a", opener=files.private, encoding="ascii") as file:
            waited = 0.0
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    # A suspended process holds the lock until it is resumed or killed.
                    if waited >= LOCK_SECONDS:
                        reason = f"another process has kept it locked for {LOCK_SECONDS} seconds"
                        raise TimeoutError(errno.ETIMEDOUT, reason, path) from None
                time.sleep(LOCK_PAUSE)
                waited += LOCK_PAUSE
            yield

    def _copy_to(self, temporary: str) -> None:
        """Copy the file, if it exists, to a new file that only the owner may read."""
        with (
            contextlib.suppress(FileNotFoundError),
            open(self.filepath, "rb") as file,
            open(temporary, "xb", opener=private) as copy,
        ):
            shutil.copyfileobj(file, copy)

    def _remove_leftovers(self) -> None:
        """Remove temporary files of killed processes; under the lock no other process uses one."""
        directory, name = os.path.split(self.filepath)
        # Version 1.0 used one name for all of them, without the digits.
        leftover = re.compile(re.escape(name) + r"(\.[0-9a-f]{16})?\.new")
        for name in os.listdir(directory or "."):
            if leftover.fullmatch(name):
                Path(directory, name).unlink(missing_ok=True)

    def _refuse(self, error: Exception) -> NoReturn:
        with contextlib.suppress(OSError):
            if ONLY_A_TOKEN.fullmatch(Path(self.filepath).read_bytes()):
                raise OlderTokenFile(self.filepath) from None
        # The text of `error` may contain part of a token.
        raise DamagedTokenFile(self.filepath, type(error).__name__) from error


def _fsync(path: str) -> None:
    """Flush a file or a directory to disk, so that it survives a power failure."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def register_tokens(tokens: Mapping[str, TokenStorageData]) -> None:
    """Register tokens as secrets, which no log or message shows."""
    for token in tokens.values():
        register_secret(token.access_token)
        register_secret(token.refresh_token or "")
