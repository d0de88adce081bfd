"""Send messages by mail and by Apprise."""

from __future__ import annotations

import http.client
import logging
import smtplib
import socket
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import NamedTuple
from urllib.parse import urlsplit

from globus_auto.text import printable, sentence

PING_TIMEOUT = 10  # seconds

log = logging.getLogger(__name__)

CHANNEL_TIMEOUT = 30  # seconds
NO_APPRISE = f"ALERT_URLS needs Apprise; run: {sys.executable} -m pip install apprise"


class Notifier(NamedTuple):
    """Where messages go: mail by `host` (host or host:port), and Apprise's `urls`."""

    sender: str
    recipients: list[str]
    host: str
    urls: list[str]


def send(channels: Notifier, title: str, text: str) -> bool:
    """Send one message; return whether anything accepted it. Log failures."""
    taken = False
    if channels.recipients:
        try:
            _mail(channels, title, text)
            taken = True
        except Exception as error:  # noqa: BLE001 - it must change nothing else
            said = sentence(printable(str(error)))
            advice = "Check EMAIL_HOST: transfer.py --check tests it."
            log.error("Cannot send mail by %s: %s %s", channels.host, said, advice)
    if channels.urls:
        taken = notify_urls(channels.urls, title, text) > 0 or taken
    return taken


def _mail(channels: Notifier, title: str, text: str) -> None:
    from email.message import EmailMessage  # noqa: PLC0415 - see above
    from email.utils import format_datetime, make_msgid  # noqa: PLC0415

    message = EmailMessage()
    message["From"] = channels.sender
    message["To"] = ", ".join(channels.recipients)
    message["Subject"] = title
    message["Date"] = format_datetime(datetime.fromtimestamp(time.time(), timezone.utc))
    # Only the host's own name: its full name may need a slow name server.
    message["Message-ID"] = make_msgid(domain=socket.gethostname())
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    with mail_server(channels.host) as server:
        refused = server.send_message(message)
    if refused:
        log.error("%s refuses mail for %s", channels.host, printable(", ".join(refused)))


def try_mail(channels: Notifier) -> None:
    """Ask the mail server whether it accepts mail from the sender for all recipients; send nothing.

    Raise OSError, ValueError or SMTPException with its answer if it does not.
    """
    with mail_server(channels.host) as server:
        for ask, address in (
            (server.mail, channels.sender),
            *((server.rcpt, recipient) for recipient in channels.recipients),
        ):
            code, answer = ask(address)
            if not 200 <= code < 300:
                said = answer.decode("utf-8", "replace")
                raise smtplib.SMTPException(f"{code} {said}, for {address}")
        server.rset()


@contextmanager
def mail_server(address: str) -> Iterator[smtplib.SMTP]:
    """Yield a connection to the mail server at `address` (host or host:port).

    It is encrypted where that is offered, as mail servers do among themselves: whoever signed the
    certificate, since the alternative is to send in the clear. Raise OSError or SMTPException.
    """
    import smtplib  # noqa: PLC0415 - see above

    host, _, port = address.partition(":")
    with smtplib.SMTP(host, int(port or 25), timeout=CHANNEL_TIMEOUT) as server:
        server.ehlo()
        if server.has_extn("starttls"):
            server.starttls()
            server.ehlo()
        yield server


def notify_urls(urls: list[str], title: str, text: str) -> int:
    """Send one message by Apprise; return how many of `urls` accepted it. Log failures."""
    try:
        import apprise  # noqa: PLC0415 - an optional extra, slow to import
    except ImportError:
        log.error(NO_APPRISE)
        return 0
    taken, plain = 0, apprise.NotifyFormat.TEXT
    for number, url in enumerate(urls, 1):
        channel = apprise.Apprise()
        try:
            took = bool(channel.add(url) and channel.notify(text, title, body_format=plain))
        except Exception as error:  # noqa: BLE001 - it must change nothing else
            log.info("Channel %d of ALERT_URLS raised %s", number, type(error).__name__)
            took = False
        if not took:
            # The address itself may hold a password.
            log.error("Channel %d of ALERT_URLS did not take the message", number)
        taken += took
    return taken


def invalid_urls(urls: list[str]) -> list[int]:
    """Return the numbers of those of `urls` that Apprise, which must be there, cannot use."""
    import apprise  # noqa: PLC0415 - an optional extra, slow to import

    return [number for number, url in enumerate(urls, 1) if not apprise.Apprise.instantiate(url)]


def reach(url: str) -> str:
    """Connect to the server of `url`, or to its proxy, and return its name; request nothing.

    Raise OSError, ValueError or HTTPException if there is no connection.
    """
    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and not urllib.request.proxy_bypass(parts.hostname or ""):
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    encrypted = parts.scheme == "https"
    kind = http.client.HTTPSConnection if encrypted else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=CHANNEL_TIMEOUT)
    try:
        connection.connect()
    finally:
        connection.close()
    return connection.host


def ping(url: str, *, failed: bool) -> None:
    """Report the result of a run to PING_URL, which can neither delay nor fail the run."""
    if not url:
        return
    if failed:
        address, mark, query = url.partition("?")
        url = f"{address.rstrip('/')}/fail{mark}{query}"
    # A slow name server or service is left behind with its thread.
    fetching = threading.Thread(target=_fetch, args=(url,), daemon=True)
    fetching.start()
    fetching.join(PING_TIMEOUT)
    if fetching.is_alive():
        log.info("Cannot reach PING_URL: no answer within %d seconds", PING_TIMEOUT)


def _fetch(url: str) -> None:
    try:
        urllib.request.urlopen(url, timeout=PING_TIMEOUT).close()
    except (OSError, ValueError, OverflowError, http.client.HTTPException) as error:
        log.info("Cannot reach PING_URL: %s", type(error).__name__)
