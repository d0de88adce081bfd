"""Notifiers: mail, encrypted if the server can; Apprise; and the pings to PING_URL."""

from __future__ import annotations

import contextlib
import fcntl
import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine

from tests.lab import Lab, files
from tests.mail import Mailbox, MailServer, self_signed

# Apprise imports it.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


class Encrypted(Mailbox):
    """The messages that a mail server has accepted, and whether they came encrypted."""

    def __init__(self) -> None:
        super().__init__()
        self.encrypted: list[bool] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.encrypted.append(session.ssl is not None)
        return await super().handle_DATA(server, session, envelope)


def test_mail_is_encrypted_where_the_server_offers_it(lab: Lab, tmp_path: Path) -> None:
    box = Encrypted()
    server = MailServer(
        box,
        hostname="127.0.0.1",
        port=0,
        tls_context=self_signed(tmp_path),
        require_starttls=True,
    )
    server.start()
    try:
        lab.configure(
            EMAIL_HOST=f"127.0.0.1:{server.port}",
            EMAIL_SENDER="beamline@example.org",
            EMAIL_RECIPIENTS=["one@example.org", "two@example.org"],
        )
        lab.src.connected = False
        assert lab.transfer() == 1
    finally:
        server.stop()
    assert box.encrypted == [True]
    assert box.read(0)["To"] == "one@example.org, two@example.org"


@pytest.mark.parametrize("sender", ["", "@", "nobody"])
def test_without_a_usable_sender_mail_comes_from_the_first_recipient(
    lab: Lab, mailbox: Mailbox, capsys: pytest.CaptureFixture[str], sender: str
) -> None:
    lab.configure(EMAIL_SENDER=sender, EMAIL_RECIPIENTS=["one@example.org", "two@example.org"])
    assert lab.transfer() == 2
    assert mailbox.read(0)["From"] == "one@example.org"
    assert "EMAIL_SENDER must be an email address" in mailbox.read(0).get_content()
    assert "Cannot send mail" not in capsys.readouterr().err


@pytest.mark.parametrize("sender", ["one@example.org", "Beamline 7 <b@x.org>", '"Doe, J" <a@b>'])
def test_a_sender_may_have_a_name(lab: Lab, mailbox: Mailbox, sender: str) -> None:
    lab.configure(EMAIL_SENDER=sender)
    lab.src.connected = False
    assert lab.transfer() == 1
    assert mailbox.read(0)["From"] == sender


class Choosy(Mailbox):
    """A mailbox whose server has no user that begins with "no"."""

    async def handle_RCPT(  # noqa: N802
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]
    ) -> str:
        if address.startswith("no"):
            return "550 unknown user"
        envelope.rcpt_tos.append(address)
        return "250 OK"


def test_a_refused_recipient_is_found_by_check_and_named_by_a_run(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other recipients get the mail."""
    box = Choosy()
    server = MailServer(box, hostname="127.0.0.1", port=0)
    server.start()
    try:
        lab.configure(
            EMAIL_HOST=f"127.0.0.1:{server.port}",
            EMAIL_SENDER="beamline@example.org",
            EMAIL_RECIPIENTS=["one@example.org", "nobody@example.org"],
        )
        assert lab.transfer("--check") == 1
        assert "(550 unknown user, for nobody@example.org)" in capsys.readouterr().out
        assert box.messages == []
        lab.src.connected = False
        assert lab.transfer() == 1
    finally:
        server.stop()
    said = capsys.readouterr().err
    assert f"127.0.0.1:{server.port} refuses mail for nobody@example.org" in said
    assert len(box.messages) == 1


class Web:
    """A web server on this machine: the requests that it received, and the status it answers."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, bytes]] = []
        self.status = 200
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                size = int(self.headers.get("Content-Length", 0))
                web.received.append((self.command, self.path, self.rfile.read(size)))
                self.send_response(web.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.place = f"127.0.0.1:{self.server.server_address[1]}"

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _ in self.received]


@pytest.fixture
def web() -> Iterator[Web]:
    """Start a web server."""
    started = Web()
    thread = threading.Thread(target=started.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield started
    started.server.shutdown()
    started.server.server_close()
    thread.join()


@pytest.fixture
def notifying(lab: Lab, web: Web) -> Lab:
    """Return a laboratory that sends its alerts to a web server, and has one to send."""
    lab.configure(ALERT_URLS=[f"json://me:pass-word@{web.place}/hook"])
    lab.src.connected = False
    return lab


def test_alert_urls_get_an_alert_once_and_its_end(notifying: Lab, web: Web) -> None:
    assert (notifying.transfer(), notifying.transfer()) == (1, 1)
    notifying.src.connected = True
    assert notifying.transfer() == 0
    (_, path, first), (_, _, last) = web.received
    assert path == "/hook"
    assert "PROBLEM: collection offline (source -> destination)" in json.loads(first)["title"]
    assert "is not connected to Globus" in json.loads(first)["message"]
    assert "RESOLVED" in json.loads(last)["message"]


def test_alert_urls_get_plain_text(notifying: Lab, web: Web) -> None:
    """A channel that shows HTML gets it escaped."""
    notifying.configure(ALERT_URLS=[f"json://{web.place}/hook?format=html"])
    assert notifying.transfer() == 1
    (_, _, sent) = web.received[0]
    assert "<br" in json.loads(sent)["message"]


def test_a_failing_alert_url_is_named_by_its_number(
    notifying: Lab, web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its address may hold a password. The next run tries it again."""
    web.status = 500
    assert notifying.transfer() == 1
    said = capsys.readouterr().err
    assert "Channel 1 of ALERT_URLS did not take the message" in said
    assert "Channel 1 of ALERT_URLS did not take the message" in notifying.log()
    assert "pass-word" not in said + notifying.log()
    web.status = 200
    assert notifying.transfer() == 1
    assert "PROBLEM: collection offline" in json.loads(web.received[-1][2])["title"]


def test_an_alert_that_one_notifier_sent_counts_as_sent(
    notifying: Lab, web: Web, mailbox: Mailbox, capsys: pytest.CaptureFixture[str]
) -> None:
    good = notifying.settings["ALERT_URLS"]
    notifying.configure(ALERT_URLS=["nosuchservice://pass-word", "json://127.0.0.1:1/", *good])
    assert (notifying.transfer(), notifying.transfer()) == (1, 1)
    assert len(mailbox.messages) == len(web.received) == 1
    said = capsys.readouterr().err
    assert [line for line in said.splitlines() if "Channel" in line] == [
        f"Channel {number} of ALERT_URLS did not take the message" for number in (1, 2)
    ]
    assert "pass-word" not in said


def test_each_run_of_each_program_pings_its_outcome(lab: Lab, web: Web) -> None:
    lab.configure(PING_URL=f"http://{web.place}/ping/{{program}}")
    assert (lab.transfer(), lab.delete()) == (0, 0)
    lab.src.connected = False
    assert (lab.transfer(), lab.delete()) == (1, 1)
    with pytest.raises(SystemExit):
        lab.transfer("--bogus")
    assert web.paths == [
        "/ping/transfer",
        "/ping/delete",
        "/ping/transfer/fail",
        "/ping/delete/fail",
    ]
    assert lab.transfer("--dry-run") == 1
    assert len(web.received) == 4, "a dry run pings nothing"


def test_a_start_during_another_run_pings_nothing(
    lab: Lab, web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does it print anything: only the log says why."""
    lab.configure(PING_URL=f"http://{web.place}/{{program}}")
    with (lab.state / "datastore.transfer.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert lab.transfer() == 0
        assert web.received == []
        assert lab.delete() == 0
    assert web.paths == ["/delete"]
    assert capsys.readouterr().err == ""
    assert "Exiting: another run" in lab.log()


@pytest.mark.parametrize("answer", ["refused", "status", "nonsense", "hung up", "port", "name"])
def test_an_unreachable_ping_url_changes_nothing(
    lab: Lab, web: Web, capsys: pytest.CaptureFixture[str], answer: str
) -> None:
    urls = {"refused": "http://127.0.0.1:1/", "port": "http://127.0.0.1:99999/"}
    lab.configure(PING_URL=urls.get(answer, f"http://{web.place}/a b"))
    web.status = 500 if answer == "status" else 200
    lab.write("a")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        if answer in ("nonsense", "hung up"):
            lab.configure(PING_URL=f"http://127.0.0.1:{listener.getsockname()[1]}/")
            thread = threading.Thread(target=reply, args=(listener, answer == "nonsense"))
            thread.start()
        assert lab.transfer() == 0
        if answer in ("nonsense", "hung up"):
            thread.join()
    assert capsys.readouterr().err == ""
    assert files(lab.destination) == {"a": b"data"}
    assert "Cannot reach PING_URL" in lab.log()


def reply(listener: socket.socket, nonsense: bool) -> None:
    """Answer one request, but not in HTTP."""
    with listener.accept()[0] as connection:
        connection.recv(1000)
        if nonsense:
            connection.sendall(b"nonsense\r\n\r\n")


@pytest.mark.slow
@pytest.mark.parametrize("drip", [b"", b"X"], ids=["silent", "dripping"])
def test_an_endless_answer_to_a_ping_is_abandoned(lab: Lab, drip: bytes) -> None:
    ended = threading.Event()

    def dawdle() -> None:
        with listener.accept()[0] as connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            with contextlib.suppress(OSError):  # the program has exited
                while not ended.wait(1):
                    connection.sendall(drip)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        lab.configure(PING_URL=f"http://127.0.0.1:{listener.getsockname()[1]}/")
        thread = threading.Thread(target=dawdle, daemon=True)
        thread.start()
        began = time_machine.escape_hatch.time.time()
        with lab.start("transfer") as process:
            said = process.communicate()
        took = time_machine.escape_hatch.time.time() - began
        ended.set()
        thread.join()
    assert (process.returncode, said) == (0, ("", ""))
    assert 10 <= took < 30
    assert "Cannot reach PING_URL" in lab.log()


def test_a_query_stays_at_the_end_of_ping_url(lab: Lab, web: Web) -> None:
    lab.configure(PING_URL=f"http://{web.place}/{{program}}/?key={{program}}")
    lab.src.connected = False
    assert lab.transfer() == 1
    assert web.paths == ["/transfer/fail?key=transfer"]


def test_check_reaches_the_server_of_ping_url_and_pings_nothing(
    lab: Lab, web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(PING_URL=f"http://{web.place}/secret/{{program}}")
    assert lab.transfer("--check", "--probe") == 0
    said = capsys.readouterr().out
    assert "ok       PING_URL: 127.0.0.1 can be reached; nothing was sent to it" in said
    assert web.paths == []
    for url in (
        "http://127.0.0.1:1/secret",
        "http://127.0.0.1:99999/secret",
        f"https://{web.place}",
    ):
        lab.configure(PING_URL=url)
        assert lab.transfer("--check") == 1
        said = capsys.readouterr().out
        assert "problem  PING_URL: its server cannot be reached. Check PING_URL and" in said
        assert "secret" not in said
    assert web.paths == []


def test_check_names_an_alert_url_that_apprise_cannot_use(
    lab: Lab, web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.configure(ALERT_URLS=[f"json://{web.place}/", "nosuch://pass-word"])
    assert lab.transfer("--check") == 1
    said = capsys.readouterr()
    assert "problem  ALERT_URLS: Apprise cannot use number 2; check ALERT_URLS" in said.out
    assert "pass-word" not in said.out + said.err
    assert web.received == []
