"""The floor: walk a tree and stat every entry, nothing else: `python walk.py DIR`."""

import os
import sys


def walk(directory: str) -> int:
    """Return how many entries stand below `directory`."""
    waiting, count = [directory], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                entry.stat(follow_symlinks=False)
                count += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return count


if __name__ == "__main__":
    print(walk(sys.argv[1]))
