"""File systems on which several spellings are one name: APFS, HFS+, NTFS, SMB shares."""

from __future__ import annotations

import os
import posixpath
import unicodedata


def fold(name: str, *, ignore_case: bool) -> str:
    """Return the same text for all spellings of a name that differ in Unicode form, or in case."""
    name = unicodedata.normalize("NFD", name)
    # Folding the case may undo the normal form, so normalize again.
    return unicodedata.normalize("NFD", name.casefold()) if ignore_case else name


def find_existing(root: str, below: str, *, ignore_case: bool) -> str:
    """Return the path of `below` under `root`, with each component as it is spelled on disk.

    A name that does not exist keeps its spelling. If several names on disk match, the exact one is
    used, otherwise the first.
    """
    local_path = root
    for name in filter(None, below.split("/")):
        child = posixpath.join(local_path, name)
        if not os.path.lexists(child):
            wanted = fold(name, ignore_case=ignore_case)
            try:
                found = sorted(os.listdir(local_path))
            except OSError:  # missing, or it cannot be listed
                found = []
            matches = (each for each in found if fold(each, ignore_case=ignore_case) == wanted)
            child = posixpath.join(local_path, next(matches, name))
        local_path = child
    return local_path
