r"""The error texts of Globus: in events, skipped errors and fatal errors.

Their form is that of recordings. An event has lines about the GridFTP command that failed, and the
reply of the server with its line ends written as \r\n. A skipped error has only the reply, with its
line ends percent-encoded. A fatal error has a few words without a path.
"""

from __future__ import annotations

from globus_auto.sandbox.endpoints import Endpoint

DESCRIPTIONS = {"VERIFY_CHECKSUM": "checksum verification failed"}
# The codes in server replies that differ from those of the events.
REPLY_CODES = {"FILE_NOT_FOUND": "PATH_NOT_FOUND", "ENDPOINT_ERROR": "INTERNAL_ERROR"}
OPERATIONS = {
    **dict.fromkeys(("MLST", "MLSD"), "list"),
    **dict.fromkeys(("RETR", "STOR", "MFMT"), "transfer"),
    "MKD": "make directories",
    "CKSM": "checksum",
    "DELE": "delete",
}


def description(code: str) -> str:
    """Return the description of an event code, such as `file not found`."""
    return DESCRIPTIONS.get(code) or code.replace("_", " ").lower()


def reply(code: str, command: str, number: int, error: str) -> str:
    """Return the reply of a GridFTP server to a command that failed with this errno and text."""
    lines = (
        f"550-GlobusError: v=1 c={REPLY_CODES.get(code, code)}",
        f"550-GridFTP-Errno: {number}",
        f"550-GridFTP-Reason: System error in {'stat' if command == 'MLST' else command.lower()}",
        f"550-GridFTP-Error-String: {error}",
        "550 End.",
    )
    return "".join(f"{line}\r\n" for line in lines)


def event_details(endpoint: Endpoint, command: str, path: str, server_reply: str) -> str:
    """Return the details of the event that reports this reply."""
    details = server_reply.replace("\r\n", "\\r\\n")
    return (
        f"Error ({OPERATIONS[command.split(maxsplit=1)[0]]})\n"
        f"Endpoint: {endpoint.name} ({endpoint.id})\n"
        f"Server: 127.0.0.1:443\n"
        f"File: {path}\n"
        f"Command: {command} {path}\n"
        f"Message: Fatal FTP Response\n"
        f"---\n"
        f"Details: {details}\n"
    )


def error_details(server_reply: str) -> str:
    """Return the error_details of the skipped error that reports this reply."""
    return server_reply.replace("\r\n", "%0D%0A")
