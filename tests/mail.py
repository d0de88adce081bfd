"""Mail servers that keep what they receive."""

from __future__ import annotations

import asyncio
import datetime
import email
import email.policy
import ssl
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Mailbox:
    """The messages that a mail server has accepted."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """Accept a message."""
        self.messages.append(envelope.content.decode())
        return "250 OK"

    def texts(self) -> list[str]:
        """Return the decoded bodies of the messages."""
        parse = email.message_from_string
        return [parse(each, policy=email.policy.default).get_content() for each in self.messages]

    def read(self, number: int) -> Any:
        """Return one message as an EmailMessage, with headers and text decoded."""
        return email.message_from_string(self.messages[number], policy=email.policy.default)


def counts(text: str) -> str:
    """Return what a message has: `1 new, 2 resolved`."""
    found: dict[str, int] = {}
    for line in text.splitlines():
        if line in ("NEW", "STILL OPEN", "RESOLVED"):
            found[line.lower()] = 0
        elif line.startswith("* "):
            found[list(found)[-1]] += 1
    return ", ".join(f"{number} {title}" for title, number in found.items())


class MailServer(Controller):
    """A mail server at a free port; `port` is its number."""

    def _trigger_server(self) -> None:
        assert isinstance(self.server, asyncio.Server)
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()  # type: ignore[no-untyped-call]  # aiosmtpd leaves types out


def self_signed(directory: Path) -> ssl.SSLContext:
    """Return a server's TLS context with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somewhere.example.org")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = directory / "server.pem"
    form = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, *form)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
