"""Names that globus_auto gives: directories with such a name are its own, never a user's."""

from __future__ import annotations

import hashlib
import re

# Names that begin so are never sent, and never pruned as empty directories.
OWN = ".globus_auto"
# The name of a directory while delete.py checks whether it is empty; random digits follow.
QUARANTINE = f"{OWN}_empty."
MARKER = re.compile(re.escape(OWN) + r"\.[0-9a-f]{12}")


def marker_name(source_id: str, source_dir: str) -> str:
    """Return the name of the marker that identifies a source directory at a destination."""
    source = f"{source_id}:{source_dir}".encode("utf-8", "surrogateescape")
    return f"{OWN}.{hashlib.sha256(source).hexdigest()[:12]}"
