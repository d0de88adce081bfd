"""File systems that take several spellings of a name for one: APFS, HFS+, NTFS, SMB shares."""

from __future__ import annotations

import os
import posixpath
import unicodedata


def folded(name: str, *, ignore_case: bool) -> str:
    """Return the same text for all spellings of a name, in one Unicode form and maybe one case."""
    name = unicodedata.normalize("NFD", name)
    # Folding the case may undo the normal form, so that is made again.
    return unicodedata.normalize("NFD", name.casefold()) if ignore_case else name


def existing(root: str, below: str, *, ignore_case: bool) -> str:
    """Return where `below` is under `root`, each component as it is spelled on disk.

    What does not exist keeps the spelling asked for. If several names on disk fit, the one that is
    spelled as asked is meant, otherwise the first.
    """
    place = root
    for name in filter(None, below.split("/")):
        asked = posixpath.join(place, name)
        if not os.path.lexists(asked):
            wanted = folded(name, ignore_case=ignore_case)
            try:
                found = sorted(os.listdir(place))
            except OSError:  # nothing is there, or it cannot be listed
                found = []
            fits = (each for each in found if folded(each, ignore_case=ignore_case) == wanted)
            asked = posixpath.join(place, next(fits, name))
        place = asked
    return place
