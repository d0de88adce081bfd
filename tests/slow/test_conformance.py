"""Unmodified clients run on the sandbox: two versions of the `globus` client, and parsl.

Each is installed in a virtual environment of its own, because it pins its globus-sdk. The table in
tests/README.md says how each command ends.
"""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import World

pytestmark = pytest.mark.slow

README = Path(__file__).parents[1] / "README.md"
NOT_EMULATED = "501"
NO_SERVER = "the client asks the server of a collection, which the sandbox does not have"
# Run in the environment of the client: calls each command of the `globus` client that is not in the
# list, with a value for each required argument; prints their exit codes and output.
WALK = """
import json, sys, click
from click.testing import CliRunner
from globus_cli import main

(left_out, servers), identity, path, document = json.loads(sys.argv[1])
MORE = {
    "endpoint permission create": ["--anonymous"],
    "endpoint role create": ["--identity", identity],
    "gcp set-subscription-admin-verified": ["true"],
    "search query": ["-q", "x"],
    "search delete-by-query": ["-q", "x"],
    "timer create transfer": ["--interval", "1d"],
    "timer create flow": ["--interval", "1d"],
}

def leaves(command, names):
    if not isinstance(command, click.Group):
        return [(" ".join(names), command)]
    context = click.Context(command)
    inside = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [leaf for name, below in inside for leaf in leaves(below, [*names, name])]

def value(parameter):
    kind, words = type(parameter.type).__name__, (parameter.name or "").lower().split("_")
    if hasattr(parameter.type, "choices"):
        return list(parameter.type.choices)[0]
    if "Int" in kind:
        return "1"
    if "JSON" in kind or "File" in kind:
        return document
    if "Path" in kind and "Endpoint" in kind:
        return path
    if "UUID" in kind or "Identity" in kind or {"id", "principal"} & set(words):
        return identity
    return "x"

found = {}
for name, command in leaves(main, []):
    if name in left_out or any(f"{name} ".startswith(f"{group} ") for group in servers):
        continue
    words = ["GET", "/nothing"] if name.startswith("api ") and name != "api gcs" else []
    for parameter in command.params:
        if parameter.required and not words[:1] == ["GET"] and parameter.name != "status":
            flag = [parameter.opts[-1]] if isinstance(parameter, click.Option) else []
            words += [*flag, *[value(parameter)] * max(parameter.nargs, 1)]
    done = CliRunner().invoke(main, [*name.split(), *words, *MORE.get(name, [])], input="")
    found[name] = done.exit_code, f"{done.output} {done.exception or ''}"
print(json.dumps(found))
"""
PARSL = """
import sys, parsl
from parsl.config import Config
from parsl.data_provider.files import File
from parsl.data_provider.globus import GlobusStaging
from parsl.executors import ThreadPoolExecutor

source, destination, work, state = sys.argv[1:]

@parsl.python_app
def upper(inputs=(), outputs=()):
    with open(inputs[0]) as reader, open(outputs[0], "w") as writer:
        writer.write(reader.read().upper())

staging = GlobusStaging(destination, endpoint_path="/", local_path=work)
executor = ThreadPoolExecutor(label="threads", working_dir=work, storage_access=[staging])
with parsl.load(Config(executors=[executor], run_dir=state)):
    there = [File(f"globus://{source}/result")]
    upper(inputs=[File(f"globus://{source}/one")], outputs=there).outputs[0].result()
"""


class Site:
    """Two directories that a sandbox serves, and a home directory for a client."""

    def __init__(self, home: Path, sandbox: Sandbox) -> None:
        self.home, self.world = home, sandbox.world
        self.src, self.dst = home / "source", home / "destination"
        for directory in (self.src, self.dst, home / "home"):
            directory.mkdir()
        self.source = self.world.add_endpoint(self.src, "source").id
        self.destination = self.world.add_endpoint(
            self.dst, "destination", "GCSv5_mapped_collection"
        ).id
        self.environment = {
            **sandbox.environment(),
            "PATH": os.environ["PATH"],
            "HOME": str(home / "home"),
        }

    def log_in(self, command: list[str]) -> str:
        """Run a command that prints the URL of a login and reads the code; return its output."""
        with subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                assert process.stdout
                lines: list[str] = []
                while not lines or not lines[-1].startswith("http"):
                    lines.append(process.stdout.readline())
                    assert lines[-1], "".join(lines)
                with urllib.request.urlopen(lines[-1].strip()) as page:
                    code = re.search("<code>(.*)</code>", page.read().decode())
                assert code
                output, _ = process.communicate(f"{code[1]}\n", timeout=120)
            finally:
                process.kill()
        assert process.returncode == 0, output
        return output

    def run(self, *command: str, code: int = 0) -> str:
        """Run a command that must exit with `code`; return its output, errors last."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Yield a site whose tasks go on by themselves, and which any app may log in to."""
    world = World()
    world.identity.accepts_any_app = True
    with Sandbox(world, background=True) as sandbox:
        yield Site(tmp_path, sandbox)


def install(directory: Path, *requirements: str) -> Path:
    """Install packages in a new virtual environment; return its directory of programs."""
    subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
    pip = [str(directory / "bin/pip"), "install", "--quiet", *requirements]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if "Requires-Python" in done.stderr and done.returncode:
        pytest.skip(f"{requirements} cannot be installed for this version of Python")
    if done.returncode:
        pytest.fail(f"pip could not install {requirements}:\n{done.stderr}")
    return directory / "bin"


def table() -> dict[str, str]:
    """Return how commands end: the outcome of each command or group in the table."""
    rows = README.read_text(encoding="utf-8").partition("## The `globus` client")[2]
    rows = rows.partition("\n## ")[0]
    found = {}
    for outcome, commands in re.findall(r"(?m)^\| ([^`|]+) \| (`.*`) \|$", rows):
        found.update(dict.fromkeys(re.findall("`([^`]+)`", commands), outcome))
    return found


def outcome(name: str, listed: dict[str, str]) -> str:
    """Return the outcome listed for a command, or for the narrowest group that it belongs to."""
    words = name.split()
    groups = [" ".join(words[:length]) for length in range(len(words), 0, -1)]
    return next((listed[group] for group in groups if group in listed), "not listed")


@pytest.mark.parametrize("version", ["globus-cli==3.30.0", "globus-cli"])
def test_the_globus_client_works_as_with_globus(site: Site, tmp_path: Path, version: str) -> None:
    programs = install(tmp_path / "client", version)
    globus = str(programs / "globus")
    here, there = f"{site.source}:", f"{site.destination}:"

    def type_(*words: str, code: int = 0) -> str:
        return site.run(globus, *words, code=code)

    def task(*words: str) -> str:
        return str(json.loads(type_(*words, "--format", "json"))["task_id"])

    site.log_in([globus, "login", "--no-local-server"])
    assert "already logged in" in type_("login")
    person = f"{site.world.identity.person}@sandbox.invalid"
    assert type_("whoami") == f"{person}\n"
    assert person in type_("whoami", "--linked-identities")
    assert person in type_("session", "show")
    assert type_("get-identities", site.world.identity.person) == f"{person}\n"

    (site.src / "one").write_text("content")
    assert re.search(r"Display Name: +source\n", type_("endpoint", "show", site.source))
    assert site.destination in type_("endpoint", "search", "destination")
    assert type_("ls", here) == type_("ls", f"{here}/") == "one\n"
    assert re.search(r"Size: +7\n", type_("stat", f"{here}/one"))
    type_("mkdir", f"{here}~/new")
    type_("rename", site.source, "~/new", "~/newer")
    assert sorted(os.listdir(site.src)) == ["newer", "one"]

    done = task("transfer", f"{here}one", f"{there}deep/one", "--notify", "on")
    type_("task", "wait", done)
    assert (site.dst / "deep/one").read_text() == "content"
    assert re.search(r"Status: +SUCCEEDED\n", type_("task", "show", done))
    assert "/~/deep/one" in type_("task", "show", "--successful-transfers", done)
    events = type_("task", "event-list", done)
    assert [code for code in ("SUCCEEDED", "PROGRESS", "STARTED") if code not in events] == []
    assert done in type_("task", "list")
    assert "is not paused" in type_("task", "pause-info", done)
    assert "Conflict" in type_("task", "update", done, "--label", "late", code=1)

    waiting = task("transfer", f"{here}gone", f"{there}gone")
    assert type_("task", "update", waiting, "--label", "found") == "Success\n"
    assert re.search(r"Label: +found\n", type_("task", "show", waiting))
    assert "FILE_NOT_FOUND" in type_("task", "event-list", waiting)
    assert "cancelled successfully" in type_("task", "cancel", waiting)
    type_("task", "wait", waiting, code=1)
    assert len(type_("task", "generate-submission-id").strip()) == 36

    (site.dst / "deep/extra").write_text("")
    delete = "--delete" if "==" in version else "--delete-destination-extra"
    mirrored = ("--recursive", delete)
    type_("task", "wait", task("transfer", *mirrored, f"{here}newer", f"{there}deep"))
    assert os.listdir(site.dst / "deep") == []
    type_("rm", "--recursive", f"{here}newer")
    type_("task", "wait", task("delete", f"{here}one"))
    assert os.listdir(site.src) == []

    assert_table_fits(site, programs)
    type_("logout", "--yes")
    type_("whoami", code=4)


def assert_table_fits(site: Site, programs: Path) -> None:
    """Check that every other command ends as the table says."""
    listed = table()
    left_out = [name for name, ends in listed.items() if ends != NOT_EMULATED]
    servers = [name for name in left_out if listed[name] == NO_SERVER]
    document = site.home / "document.json"
    document.write_text("{}")
    given = [[left_out, servers], site.source, f"{site.source}:/x", str(document)]
    walk = site.run(str(programs / "python"), "-c", WALK, json.dumps(given))
    found: dict[str, Any] = json.loads(walk)
    wrong = {}
    for name, (code, text) in found.items():
        expected = outcome(name, listed)
        fits = code and ("501" in text or "NotImplemented" in text)
        if (expected != NOT_EMULATED or not fits) and "has been removed" not in text:
            wrong[name] = expected, text
    assert wrong == {}
    assert len(found) > 70


def test_parsl_stages_a_file_in_and_out_with_sdk_3(site: Site, tmp_path: Path) -> None:
    programs = install(tmp_path / "client", "parsl", "globus-sdk>=3,<4")
    (site.src / "one").write_text("content")
    ends = [site.source, site.destination, str(site.dst), str(site.home / "state")]
    site.log_in([str(programs / "python"), "-u", "-c", PARSL, *ends])
    assert (site.dst / "one").read_text() == "content"
    assert (site.src / "result").read_text() == "CONTENT"
    tasks = site.world.tasks.values()
    assert [task.status for task in tasks] == ["SUCCEEDED", "SUCCEEDED"]
    assert all(task.submission.options["notify_on_failed"] for task in tasks)
