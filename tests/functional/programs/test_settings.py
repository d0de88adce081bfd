"""Settings: which are refused, how they are normalised, and who may own the files.

A refusal is exit code 2, one sentence for each setting, and no request to Globus.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from globus_auto import config_file
from tests.lab import Lab, files, searchable
from tests.mail import Mailbox, counts
from tests.processes import LEFT

FOREIGN = 12345  # a uid and gid that nobody has
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"SRC_DIR": ""}, "SRC_DIR is not set"),
    ({"SRC_DIR": "src"}, "must be an absolute path"),
    ({"SRC_DIR": "~/data"}, "must be an absolute path"),
    ({"SRC_DIR": "/src/../etc"}, "must not contain '..'"),
    ({"SRC_DIR": "/"}, "whole collection or home"),
    ({"SRC_DIR": "/~/"}, "whole collection or home"),
    ({"SRC_DIR": "//~/."}, "whole collection or home"),
    ({"SRC_DIR": "/src\nBcc: x"}, "characters that Globus does not accept"),
    ({"SRC_DIR": "/src\udcff"}, "characters that Globus does not accept"),
    ({"SRC_DIR": None}, "SRC_DIR must be a string in quotes; it is of type NoneType"),
    ({"DST_DIR": ""}, "DST_DIR is not set"),
    ({"DST_DIR": "copy"}, "must be an absolute path"),
    ({"DST_DIR": "/.."}, "must not contain '..'"),
    ({"DST_DIR": "/dst\r"}, "characters that Globus does not accept"),
    ({"SRC_ID": ""}, "SRC_ID is not set"),
    ({"SRC_ID": "my endpoint"}, "SRC_ID = 'my endpoint' must be a UUID"),
    ({"DST_ID": ""}, "DST_ID is not set"),
    ({"DST_ID": "0" * 32}, "must be a UUID"),
    ({"CLIENT_ID": ""}, "CLIENT_ID is not set"),
    ({"CLIENT_ID": "{}"}, "must be a UUID"),
    ({"CODE_PATH": "state/"}, "must be an absolute path and end with a slash"),
    ({"CODE_PATH": "/tmp"}, "must be an absolute path and end with a slash"),
    ({"CODE_PATH": "/nowhere/at/all/"}, "is not a directory"),
    ({"CODE_PATH": 1}, "CODE_PATH must be a string in quotes"),
    ({"PYTHON_PATH": "/nowhere/python"}, "must be the absolute path of a file"),
    ({"EMAIL_SENDER": "me@example.org\nBcc: x"}, "EMAIL_SENDER must be a single line"),
    ({"EMAIL_RECIPIENTS": ["a@example.org"]}, "EMAIL_SENDER must be an email address"),
    ({"EMAIL_RECIPIENTS": ["a@b"], "EMAIL_SENDER": "@"}, "EMAIL_SENDER must be an email address"),
    ({"EMAIL_RECIPIENTS": ["a@b"], "EMAIL_SENDER": "a@"}, "EMAIL_SENDER must be an email address"),
    ({"EMAIL_RECIPIENTS": ["a@b"], "EMAIL_SENDER": "Do, J <a@b>"}, "EMAIL_SENDER must be an email"),
    ({"EMAIL_RECIPIENTS": ["a@"], "EMAIL_SENDER": "a@b"}, "'a@' is not an email address"),
    ({"EMAIL_RECIPIENTS": "a@example.org"}, "EMAIL_RECIPIENTS must be a list of strings"),
    ({"EMAIL_RECIPIENTS": ["staff"], "EMAIL_SENDER": "a@b"}, "'staff' is not an email address"),
    ({"EMAIL_RECIPIENTS": ["a@b\nBcc: c@d"], "EMAIL_SENDER": "a@b"}, "is not an email address"),
    ({"EMAIL_SUBJECT": "one\ntwo"}, "EMAIL_SUBJECT must be a single line"),
    ({"EMAIL_HOST": ""}, "must be host or host:port"),
    ({"EMAIL_HOST": "smtp://mail"}, "must be host or host:port"),
    ({"EMAIL_HOST": "mail:99999"}, "must be host or host:port"),
    ({"EMAIL_REPEAT_HOURS": 0}, "EMAIL_REPEAT_HOURS = 0"),
    ({"STALL_HOURS": -1}, "STALL_HOURS = -1"),
    ({"STALL_HOURS": 2e9}, "STALL_HOURS = 2000000000.0 must be between"),
    ({"EXCLUDE": ["*.tmp", "a/b"]}, "'a/b' must be a pattern for a single name"),
    ({"EXCLUDE": [""]}, "must be a pattern for a single name"),
    ({"EXCLUDE": "*.tmp"}, 'EXCLUDE must be a list of strings, e.g. ["*.tmp"]; it is of type str'),
    ({"KEEP_MARKERS": ["DO_NOT_DELETE", "*/KEEP"]}, "KEEP_MARKERS: '*/KEEP' must be a pattern for"),
    ({"KEEP_MARKERS": [""]}, "KEEP_MARKERS: '' must be a pattern for a single name"),
    ({"KEEP_MARKERS": "KEEP*"}, "KEEP_MARKERS must be a list of strings"),
    ({"READY_MARKERS": "*/done"}, "READY_MARKERS must be a list of strings"),
    (
        {"READY_MARKERS": ["/src/*/done"]},
        "READY_MARKERS: '/src/*/done' must be a path below SRC_DIR",
    ),
    ({"READY_MARKERS": ["*/../done"]}, "READY_MARKERS: '*/../done' must be a path below SRC_DIR"),
    ({"READY_MARKERS": ["**/done"]}, "READY_MARKERS: '**/done' must be a path below SRC_DIR"),
    ({"READY_MARKERS": ["*/"]}, "READY_MARKERS: '*/' must be a path below SRC_DIR"),
    ({"READY_MARKERS": [""]}, "READY_MARKERS: '' must be a path below SRC_DIR"),
    ({"READY_MARKERS": ["*/done", "ok"]}, "READY_MARKERS: all patterns must have the same number"),
    ({"SETTLE_SECONDS": -1}, "SETTLE_SECONDS = -1"),
    ({"SETTLE_SECONDS": "60"}, "SETTLE_SECONDS must be a number, without quotes"),
    ({"KEEP_DAYS": -0.5}, "KEEP_DAYS = -0.5"),
    ({"KEEP_DAYS": True}, "KEEP_DAYS must be a number; it is of type bool"),
    ({"SILENT_HOURS": -1}, "SILENT_HOURS = -1.0 must be between 0 and"),
    ({"SILENT_HOURS": "24"}, "SILENT_HOURS must be a number, without quotes"),
    ({"SILENT_HOURS": False}, "SILENT_HOURS must be a number; it is of type bool"),
    ({"VERIFY_DESTINATION": "no"}, 'VERIFY_DESTINATION must be True, False or "checksum"'),
    ({"DELETE_EMPTY_DIRS": 0}, "DELETE_EMPTY_DIRS must be True or False"),
    ({"SRC_LOCAL_DIR": "mnt/data"}, "SRC_LOCAL_DIR = 'mnt/data' must be an absolute path"),
    ({"FREE_PERCENT": 20}, "FREE_PERCENT needs SRC_LOCAL_DIR: SRC_DIR must be mounted"),
    ({"FREE_PERCENT": 100, "SRC_LOCAL_DIR": "/mnt"}, "FREE_PERCENT = 100.0 must be between 0 and"),
    ({"FREE_PERCENT": -1}, "FREE_PERCENT = -1.0 must be between 0 and 99"),
    ({"FREE_PERCENT": "20"}, "FREE_PERCENT must be a number, without quotes"),
    ({"ALSO_AT": "/b.py"}, 'ALSO_AT must be a list of strings, e.g. ["*.tmp"]; it is of type str'),
    ({"ALSO_AT": ["/nowhere/b.py"]}, "ALSO_AT: /nowhere/b.py cannot be used. /nowhere/b.py cannot"),
    ({"CLIENT_SECRET_FILE": "nowhere"}, "does not exist: write the client secret into it"),
    ({"ALERT_URLS": ["mailto.hidden"]}, "ALERT_URLS: each address must look like"),
    ({"ALERT_URLS": "json://me:hidden@host"}, "ALERT_URLS must be a list of strings"),
    ({"PING_URL": "ftp://host/hidden"}, "PING_URL must start with https:// or http://"),
    ({"DATASTORE_PATH": ""}, "DATASTORE_PATH is not set"),
    ({"TOKEN_PATH": ""}, "TOKEN_PATH is not set"),
    ({"LOG_PATH": ""}, "LOG_PATH is not set"),
    ({"FILES_PER_TASK": 0}, "FILES_PER_TASK = 0"),
    ({"FILES_PER_TASK": 2.5}, "FILES_PER_TASK must be a whole number"),
    ({"LIST_CONCURRENCY": -1}, "LIST_CONCURRENCY = -1"),
    ({"LIST_CALLS_PER_SECOND": -0.1}, "LIST_CALLS_PER_SECOND = -0.1"),
    ({"DELETE_DEADLINE_MINUTES": 0}, "DELETE_DEADLINE_MINUTES = 0"),
    ({"EXLUDE": []}, "sets EXLUDE, which is not a setting. Did you mean EXCLUDE?"),
    ({"ZZZZ": 1}, "sets ZZZZ, which is not a setting."),
]


@pytest.mark.parametrize(
    ("changes", "sentence"), REFUSED, ids=[f"{next(iter(c))}-{s[-24:]}" for c, s in REFUSED]
)
def test_a_wrong_setting_is_refused_in_one_sentence(
    lab: Lab, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], sentence: str
) -> None:
    lab.write("a")
    lab.configure(**changes)
    assert lab.transfer() == 2
    said = capsys.readouterr().err.splitlines()
    said = [line for line in said if not line.startswith("Cannot send mail")]
    assert len(said) == 1
    assert sentence in said[0]
    assert "hidden" not in said[0], "an address may have a password in it"
    assert lab.world.requests == []
    assert not (lab.state / "datastore").exists()


def test_both_programs_report_all_wrong_settings_at_once(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(SRC_DIR="/", DST_ID="x", KEEP_DAYS=-1, EXCLUDE=["/"], ALERT_URLS="x", ZZZ=1)
    assert lab.transfer() == 2
    assert len(capsys.readouterr().err.splitlines()) == 6
    assert lab.delete() == 2
    assert capsys.readouterr().err == "", "said once"
    assert len(mailbox.messages) == 1, "all in one message, once"
    assert mailbox.read(0).get_content().count("\n* ") == 6


def test_corrected_settings_are_reported_as_resolved(lab: Lab, mailbox: Mailbox) -> None:
    lab.configure(KEEP_DAYS=-1)
    assert lab.delete() == 2
    lab.configure(KEEP_DAYS=1)
    assert lab.delete() == 0
    assert "RESOLVED" in mailbox.read(-1).get_content()
    assert lab.health()["alerts"] == []


def test_a_wrong_mail_setting_does_not_stop_the_mail(lab: Lab, mailbox: Mailbox) -> None:
    lab.configure(EMAIL_SUBJECT="two\nlines")
    assert lab.transfer() == 2
    assert "EMAIL_SUBJECT must be a single line" in mailbox.read(0).get_content()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--xyzzy"], "unrecognized arguments: --xyzzy\n"),
        (["--dry"], "unrecognized arguments: --dry (did you mean --dry-run?)"),
        (["--verbos", "more"], "--verbos more (did you mean --verbose?)"),
        (["--config"], "argument --config: expected one argument"),
    ],
)
@pytest.mark.parametrize("program", ["transfer", "delete"])
def test_a_wrong_command_line_is_exit_2_and_no_alert(
    lab: Lab,
    mailbox: Mailbox,
    capsys: pytest.CaptureFixture[str],
    program: str,
    options: list[str],
    said: str,
) -> None:
    with pytest.raises(SystemExit) as exited:
        getattr(lab, program)(*options)
    assert exited.value.code == 2
    told = capsys.readouterr().err
    assert told.startswith(f"usage: {program}.py [options]\n{program}.py: error: ")
    assert said in told
    assert (mailbox.messages, list(lab.state.iterdir())) == ([], [])


@pytest.mark.parametrize(
    ("option", "needed"), [("--probe", "--check"), ("--json", "--status or --find")]
)
def test_an_option_that_needs_another_says_so(
    lab: Lab, capsys: pytest.CaptureFixture[str], option: str, needed: str
) -> None:
    with pytest.raises(SystemExit) as exited:
        lab.transfer(option)
    assert exited.value.code == 2
    assert f"error: {option} needs {needed}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "both"),
    [
        (["--check", "--login"], "--check and --login"),
        (["--status", "--login"], "--status and --login"),
        (["--crontab", "--login"], "--crontab and --login"),
        (["--status", "--check"], "--check and --status"),
        (["--status", "--json", "--full"], "--status and --full"),
        (["--crontab", "--wait"], "--crontab and --wait"),
        (["--find", "a", "--report"], "--find and --report"),
        (["--find", "a", "--login"], "--find and --login"),
    ],
)
def test_an_option_that_would_be_ignored_is_refused(
    lab: Lab, capsys: pytest.CaptureFixture[str], options: list[str], both: str
) -> None:
    with pytest.raises(SystemExit) as exited:
        lab.transfer(*options)
    assert exited.value.code == 2
    assert f"error: {both} cannot be used together\n" in capsys.readouterr().err
    assert lab.world.requests == []


def test_a_relative_file_is_one_of_the_working_directory(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(lab.home)
    assert config_file.read_settings("config.py").config_path == str(lab.config)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a copy of the package with the modes of a clone under umask 002."""
    copy = tmp_path / "clone" / "globus_auto"
    shutil.copytree(config_file.CONFIG.parent, copy, ignore=shutil.ignore_patterns(*LEFT))
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o775 if path.is_dir() else 0o664)
    return copy


def problems_of(file: Path) -> list[str]:
    """Return the problems of the settings in `file`."""
    with pytest.raises(config_file.SettingsError) as caught:
        config_file.read_settings(str(file))
    return caught.value.problems


@pytest.mark.parametrize("line", ["", "CODE_PATH = ''\n"])
def test_a_file_must_set_code_path(lab: Lab, line: str) -> None:
    del lab.settings["CODE_PATH"]
    lab.configure()
    with lab.config.open("a", encoding="utf-8") as config:
        config.write(line)
    assert problems_of(lab.config) == [
        f"{lab.config} must set CODE_PATH: each config file needs its own."
    ]


def test_an_unreadable_config_is_mailed_as_config_py_says(
    lab: Lab, mailbox: Mailbox, clone: Path
) -> None:
    """Nothing is recorded: CODE_PATH is not known, and no run has recorded anything beside it."""
    with (clone / "config.py").open("a", encoding="utf-8") as config:
        mail = ("EMAIL_HOST", "EMAIL_SENDER", "EMAIL_RECIPIENTS")
        config.write("".join(f"{name} = {lab.settings[name]!r}\n" for name in mail))
    lab.config.write_text("!", encoding="utf-8")
    command = [sys.executable, str(clone / "delete.py"), "--config", str(lab.config)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2
    assert "cannot be read: SyntaxError" in mailbox.read(0).get_content()
    assert not list(clone.glob("datastore.health*"))


@pytest.mark.parametrize("moved", [False, True])
def test_a_config_that_vanished_is_mailed_once_and_resolved(
    lab: Lab, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, moved: bool
) -> None:
    """By either program; until it is back, that is recorded beside it, wherever CODE_PATH is."""
    base = lab.home / "base.py"
    mail = ("EMAIL_HOST", "EMAIL_SENDER", "EMAIL_RECIPIENTS")
    base.write_text("".join(f"{name} = {lab.settings[name]!r}\n" for name in mail))
    monkeypatch.setattr(config_file, "CONFIG", base)
    (lab.home / "datastore.health").write_text("{}")
    if not moved:
        lab.configure(CODE_PATH=f"{lab.home}/")
    text = lab.config.read_text(encoding="utf-8")
    lab.config.unlink()
    assert [lab.transfer(), lab.transfer()] == [2, 2]
    lab.config.write_text(text, encoding="utf-8")
    assert (lab.delete(), lab.transfer()) == (0, 0)
    assert [counts(text) for text in mailbox.texts()] == ["1 new", "1 resolved"]
    assert '"kind": "settings"' not in (lab.home / "datastore.health").read_text()


def test_settings_missing_in_a_config_are_those_of_config_py(lab: Lab) -> None:
    assert config_file.read_settings(str(lab.config)).files_per_task == 5000


def test_directories_ids_and_paths_are_normalised(lab: Lab) -> None:
    lab.configure(
        SRC_DIR="//a//b/./c/",
        DST_DIR="/~/x/",
        SRC_ID=lab.src.id.upper(),
        SRC_LOCAL_DIR="/mnt//x/",
        TOKEN_PATH="/elsewhere/token",
    )
    loaded = config_file.read_settings(str(lab.config))
    assert (loaded.src_dir, loaded.dst_dir) == ("/a/b/c", "/~/x")
    assert loaded.src_id == lab.src.id
    assert loaded.src_local_dir == "/mnt/x"
    assert loaded.datastore_path == f"{lab.state}/datastore"
    assert loaded.token_path == "/elsewhere/token"
    assert loaded.python_path == sys.executable


@pytest.mark.parametrize(
    ("source", "destination"),
    [("/a", "/a"), ("/a", "/a/"), ("/a/b", "//a"), ("/a", "/a/b/c"), ("/a/./b", "/a/b")],
)
def test_nested_directories_on_one_endpoint_are_refused(
    lab: Lab, source: str, destination: str
) -> None:
    """So are equal ones."""
    lab.configure(SRC_DIR=source, DST_DIR=destination, DST_ID=lab.src.id.upper())
    (problem,) = problems_of(lab.config)
    assert "they must be distinct directories" in problem
    lab.configure(DST_ID=lab.dst.id)
    config_file.read_settings(str(lab.config))


def test_directories_side_by_side_on_one_endpoint_are_accepted(lab: Lab) -> None:
    lab.configure(SRC_DIR="/a/run", DST_DIR="/a/run2", DST_ID=lab.src.id)
    config_file.read_settings(str(lab.config))


@pytest.fixture(params=["file", "directory"])
def guarded(request: pytest.FixtureRequest, lab: Lab) -> Path:
    """Return the config file or the state directory: what cron trusts."""
    return lab.config if request.param == "file" else lab.state


def test_a_world_writable_config_or_directory_is_refused(lab: Lab, guarded: Path) -> None:
    guarded.chmod(guarded.stat().st_mode | 0o002)
    (problem,) = problems_of(lab.config)
    assert f"{guarded}" in problem
    assert "is writable by everybody" in problem


def test_a_world_writable_config_or_directory_is_not_used(lab: Lab, mailbox: Mailbox) -> None:
    lab.state.chmod(0o777)
    assert lab.transfer() == 2
    assert "is writable by everybody" in mailbox.read(0).get_content()
    assert list(lab.state.iterdir()) == []
    lab.state.chmod(0o755)
    ran = lab.home / "ran"
    lab.config.write_text(f"open({str(ran)!r}, 'w').close()\n", encoding="utf-8")
    lab.config.chmod(0o666)
    assert "is writable by everybody" in problems_of(lab.config)[0]
    assert not ran.exists()


@as_root
def test_a_config_or_directory_of_another_user_is_refused(lab: Lab, guarded: Path) -> None:
    os.chown(guarded, FOREIGN, -1)
    (problem,) = problems_of(lab.config)
    assert f"{guarded}" in problem
    assert "belongs to another user (uid 12345)" in problem


def test_a_group_may_write_if_it_is_the_owners_own(lab: Lab, guarded: Path) -> None:
    guarded.chmod(guarded.stat().st_mode | 0o020)
    assert lab.transfer() == 0


@as_root
def test_a_config_writable_by_another_group_is_refused(lab: Lab, guarded: Path) -> None:
    os.chown(guarded, -1, FOREIGN)
    config_file.read_settings(str(lab.config))
    guarded.chmod(guarded.stat().st_mode | 0o020)
    (problem,) = problems_of(lab.config)
    assert f"{guarded}" in problem
    assert "is writable by a group" in problem


@pytest.mark.parametrize(
    ("mode", "text", "sentence"),
    [
        (0o640, "secret", "is readable by other users"),
        (0o604, "secret", "is readable by other users"),
        (0o600, " \n", "is empty"),
        (0o600, "\xff", "cannot be read"),
    ],
)
def test_an_exposed_empty_or_unreadable_secret_is_refused(
    lab: Lab, mode: int, text: str, sentence: str
) -> None:
    file = lab.state / "secret"
    file.write_bytes(text.encode("latin-1"))
    file.chmod(mode)
    lab.configure(CLIENT_SECRET_FILE="secret")
    (problem,) = problems_of(lab.config)
    assert sentence in problem
    assert f"CLIENT_SECRET_FILE {file}" in problem


def test_a_clone_under_umask_002_works(lab: Lab, clone: Path) -> None:
    """It uses the config.py beside the script, and keeps its state there."""
    with (clone / "config.py").open("a", encoding="utf-8") as config:
        config.write("".join(f"{k} = {v!r}\n" for k, v in lab.settings.items() if k != "CODE_PATH"))
    lab.write("a")
    command = [sys.executable, str(clone / "transfer.py")]
    done = subprocess.run(command, capture_output=True, cwd="/", check=False, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert files(lab.destination) == {"a": b"data"}
    assert (clone / "datastore").exists(), 'CODE_PATH = "" is the folder of config.py'


@pytest.mark.parametrize("name", ["DATASTORE_PATH", "TOKEN_PATH", "CLIENT_SECRET_FILE"])
def test_a_file_that_others_could_replace_is_refused(lab: Lab, name: str) -> None:
    """Wherever a setting moves it. A secret file may not even be readable."""
    shared = lab.home / "shared"
    shared.mkdir()
    (shared / "x").write_text("secret", encoding="ascii")
    (shared / "x").chmod(0o600)
    lab.configure(**{name: str(shared / "x")})
    assert config_file.read_settings(str(lab.config))
    for path in (shared, shared / "x")[: 1 if name == "CLIENT_SECRET_FILE" else 2]:
        path.chmod(path.stat().st_mode | 0o022)
        (problem,) = problems_of(lab.config)
        assert problem.startswith(
            f"{name}: {path} is writable by everybody. Run `chmod o-w {path}`"
        )
        path.chmod(path.stat().st_mode & ~0o022)


def test_a_history_that_others_could_replace_is_refused(lab: Lab) -> None:
    history = lab.home / "shared" / "history"
    history.mkdir(parents=True)
    lab.configure(HISTORY_PATH=str(history))
    assert config_file.read_settings(str(lab.config))
    history.parent.chmod(0o777)
    (problem,) = problems_of(lab.config)
    assert problem.startswith(f"HISTORY_PATH: {history.parent} is writable by everybody, so others")


def test_a_log_that_others_could_replace_is_a_note(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    shared = lab.home / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    lab.configure(LOG_PATH=str(shared / "log"))
    assert lab.transfer() == 0
    assert capsys.readouterr().err == ""
    assert f"Others could change the log {shared}/log." in lab.alerts()["permissions"]
    lab.configure(LOG_PATH="globus_auto.log")
    assert lab.transfer() == 0
    assert lab.alerts() == {}


@pytest.mark.parametrize("which", ["config", "token"])
def test_readable_secrets_are_a_note_and_a_warning(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str], which: str
) -> None:
    """The note is sent once, with the next message."""
    token = lab.state / "refresh_token"
    assert lab.transfer() == 0
    exposed = {"config": lab.config, "token": token}[which]
    exposed.chmod(0o644)
    with searchable(lab.state):
        assert (lab.transfer(), lab.alerts()) == (0, {}) or which == "token"
        lab.configure(PING_URL="http://127.0.0.1:1/secret" if which == "config" else "")
        assert lab.transfer() == 0
        assert lab.alerts()["permissions"].startswith(f"Other users can read {exposed}, which")
        capsys.readouterr()
        assert lab.transfer("--check") == (1 if which == "config" else 0)
        assert f"warning  permissions: Other users can read {exposed}" in capsys.readouterr().out
        assert mailbox.messages == []
        lab.src.connected = False
        assert (lab.transfer(), lab.transfer()) == (1, 1)
        lab.src.connected = True
        assert lab.transfer() == 0
    texts = mailbox.texts()
    assert [text.count("Other users can read") for text in texts] == [1, 0]
    exposed.chmod(0o600)
    assert (lab.transfer(), lab.alerts()) == (0, {})
