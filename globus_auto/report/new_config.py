"""--init FILE: write a commented config file for one pair of directories."""

from __future__ import annotations

import ast
import os
import shlex
import sys

from globus_auto.context import PACKAGE, SITE_PACKAGES, command
from globus_auto.files import below, private, unsafe

# Every pair needs these, so they are not commented out.
NEEDED = (
    *("SRC_DIR", "DST_DIR", "SRC_ID", "DST_ID", "CLIENT_ID"),
    *("EMAIL_SENDER", "EMAIL_RECIPIENTS", "CODE_PATH"),
)

DOCSTRING = '''\
"""The settings of one pair of directories: run both programs with --config and this file.

Set what is not commented out. A setting that is commented out has the value that it shows: remove
its # to change it. Paths at collections are POSIX paths.
"""'''


def init(file: str) -> str | None:
    """Write a config file at the path `file`, make its CODE_PATH, and print the next commands.

    Return a sentence, and change nothing, if that cannot be done; an existing file is never
    replaced.
    """
    path = os.path.abspath(file)
    home = f"{path.removesuffix('.py')}.state/"
    try:
        problem = _problem(path, home) or _write(path, home)
    except OSError as error:
        problem = f"{error.filename or path} cannot be written: {error.strerror}"
    if problem:
        return problem
    program = shlex.join([*command(sys.executable, "transfer"), "--config", path])
    print(f"Wrote {path}. Its CODE_PATH is {home}")
    print("Set in it what is not commented out. Then run these commands, one after the other:")
    print(f"  {program} -n  # log in; show what would be transferred")
    print(f"  {program} --check --probe  # check the setup; send a test message")
    print(f"  {program} --crontab  # print the lines for your crontab")
    return None


def _problem(path: str, home: str) -> str | None:
    """Return why no config file may be written at `path`, with the CODE_PATH `home`, or None."""
    if not path.isprintable():
        return "a crontab cannot contain the name of this file: it is not printable text"
    if SITE_PACKAGES and below(path, str(SITE_PACKAGES)):
        return f"{SITE_PACKAGES} belongs to pip: choose a file elsewhere"
    for existing in (path, home.rstrip("/")):
        if os.path.lexists(existing):
            return f"{existing} exists already: choose another file"
    if not os.path.isdir(os.path.dirname(path)):
        return f"{os.path.dirname(path)} is not a directory"
    return unsafe(path)


def _write(path: str, home: str) -> str | None:
    """Make the directory and write the file; return why config.py cannot be used, or None.

    Raise OSError, and leave nothing behind, if they cannot be written.
    """
    base = PACKAGE / "config.py"
    try:
        text = config_text(base.read_text(encoding="utf-8"), home)
    except (SyntaxError, ValueError) as error:
        return f"{base} cannot be read: {error}"
    os.mkdir(home, 0o700)
    try:
        with open(path, "x", encoding="utf-8", opener=private) as config:
            try:
                config.write(text)
                config.flush()
            except OSError:
                os.unlink(path)
                raise
    except OSError:
        os.rmdir(home)
        raise
    return None


def config_text(base: str, code_path: str) -> str:
    """Return the text of a config file with the comments of `base`, which is that of config.py.

    The directories are left to be set. Raise SyntaxError or ValueError if `base` is no Python.
    """
    lines, module = base.splitlines(), ast.parse(base)
    given = {"SRC_DIR": '""', "DST_DIR": '""', "CODE_PATH": _quoted(code_path)}
    left = dict.fromkeys(NEEDED, '""') | {"EMAIL_RECIPIENTS": "[]"} | given
    for statement in reversed(module.body):
        if name := _setting(statement):
            text = ast.get_source_segment(base, statement) or ""
            value = given.get(name) or text.partition("=")[2].strip()
            mark = "" if name in NEEDED else "#"
            new = [f"{mark}{line}" for line in f"{name} = {value}".split("\n")]
            lines[statement.lineno - 1 : statement.end_lineno] = new
            left.pop(name, None)
    if ast.get_docstring(module) is not None:
        del lines[: module.body[0].end_lineno]
    lines += [f"{name} = {value}" for name, value in left.items()]
    return "\n".join([DOCSTRING, *lines, ""])


def _setting(statement: ast.stmt) -> str:
    """Return the name of the setting that a statement sets, "" if it sets none."""
    target: ast.expr | None = None
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target = statement.targets[0]
    elif isinstance(statement, ast.AnnAssign):
        target = statement.target
    return target.id if isinstance(target, ast.Name) and target.id.isupper() else ""


def _quoted(text: str) -> str:
    """Return `text` as a Python string, in double quotes if possible."""
    return repr(text) if '"' in text or "\\" in text else f'"{text}"'
