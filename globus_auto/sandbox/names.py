"""File systems that take several spellings of a name for one: APFS, HFS+, NTFS, SMB shares."""

from __future__ import annotations

import os
import posixpath
import unicodedata


def fold(name: str, *, ignore_case: bool) -> str:
    """Return the same text for all spellings of a name, in one Unicode form and maybe one case."""
    name = unicodedata.normalize("NFD", name)
    # Folding the case may undo the normal form, so that is made again.
    return unicodedata.normalize("NFD", name.casefold()) if ignore_case else name


def find_existing(root: str, below: str, *, ignore_case: bool) -> str:
    """Return where `below` is under `root`, each component as it is spelled on disk.

    What does not exist keeps the spelling asked for. If several names on disk fit, the one that is
    spelled as asked is meant, otherwise the first.
    """
    local_path = root
    for name in filter(None, below.split("/")):
        asked = posixpath.join(local_path, name)
        if not os.path.lexists(asked):
            wanted = fold(name, ignore_case=ignore_case)
            try:
                found = sorted(os.listdir(local_path))
            except OSError:  # nothing is there, or it cannot be listed
                found = []
            fits = (each for each in found if fold(each, ignore_case=ignore_case) == wanted)
            asked = posixpath.join(local_path, next(fits, name))
        local_path = asked
    return local_path
