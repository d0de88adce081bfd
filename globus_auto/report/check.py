"""--check: test everything that a run needs, and say how to fix what is wrong."""

from __future__ import annotations

import http.client
import importlib.util
import os
import smtplib
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator

from globus_auto import globus
from globus_auto.alerts import (
    NO_APPRISE,
    Alert,
    invalid_urls,
    notify_urls,
    reach,
    send,
    try_mail,
)
from globus_auto.context import RunContext
from globus_auto.datastore import Datastore
from globus_auto.report.places import directory_line, local_line, write_line
from globus_auto.report.screen import STYLES, Line, Screen
from globus_auto.steps.session import Progress, Session
from globus_auto.text import counted

CLOCK_SECONDS = 30
SWAPPED = "neither can be listed: check whether SRC_ID and DST_ID are swapped"
TEST = "This is a test by globus_auto's --check --probe. Nothing is wrong.\n"


def check(context: RunContext) -> int:
    """Print a line for everything that a run needs; return the highest exit code of a problem.

    Change nothing. Only with --probe, make the marker at the destination and send a test message.
    """
    screen = Screen()
    levels: Counter[str] = Counter()
    code = 0
    for line in _lines(context):
        screen.show(line)
        levels[line.level] += 1
        code = max(code, line.code)
    screen.print(head=_verdict(levels), style=STYLES["problem" if code else "ok"])
    return code


def _verdict(levels: Counter[str]) -> str:
    """Return the last line: ready, or how many problems there are; and how many warnings."""
    problems, warnings = levels["problem"], levels["warning"]
    parts = [counted(problems, "problem") if problems else "ready"]
    parts += [counted(warnings, "warning")] if warnings else []
    return ", ".join(parts)


def _lines(context: RunContext) -> Iterator[Line]:
    settings = context.settings
    yield Line("ok", "settings", settings.config_path)
    yield _state(context)
    for note in context.exposed_files():
        yield Line("warning", "permissions", note.text)
    yield from _notification_lines(context)
    try:
        store = context.load()
    except Exception as error:  # noqa: BLE001 - each becomes a line
        yield _problem("datastore", context.explain(error))
        store, is_loaded = Datastore(source=settings.src_id), False
    else:
        is_loaded = True
        files = sum(len(records) for _, records in store.files.items())
        yield Line("ok", "datastore", f"{counted(files, 'file')} recorded")
    try:
        connection = globus.connect(settings, interactive=False)
    except Exception as error:  # noqa: BLE001 - each becomes a line
        yield _problem("login", context.explain(error))
        return
    context.resources.callback(connection.close)
    session = Session(context, store, connection, Progress())
    accepted = _line("login", context, lambda: _login_accepted(session))
    yield accepted
    if accepted.code:
        return
    found = [*_endpoint(session, "source", settings.src_id, settings.src_dir)]
    found += _endpoint(session, "destination", settings.dst_id, settings.dst_dir)
    yield from found
    if sum(line.missing for line in found) == 2:
        yield Line("warning", "directories", SWAPPED)
    for other in settings.others:
        yield from _endpoint(session, "destination", other.dst_id, other.dst_dir)
    if sum(line.lists for line in found) == 2:
        yield Line("ok", "consents", "both collections have all consents that they need")
    if context.options.probe and is_loaded:
        yield _line("write access", context, lambda: write_line(session))
    elif context.options.probe:
        # Only the datastore shows whether anything else is sent there.
        text = "not tested: that needs the datastore"
        yield Line("warning", "write access", text)


def _login_accepted(session: Session) -> Line:
    # A revoked token looks valid until Globus checks it.
    session.client.new_submission_id()
    return Line("ok", "login", f"accepted by Globus: {session.connection.identity}")


def _line(what: str, context: RunContext, check: Callable[[], Line]) -> Line:
    """Return the line that `check` returns, or a problem line for the exception it raises."""
    try:
        return check()
    except Exception as error:  # noqa: BLE001 - each becomes a line
        return _problem(what, context.explain(error))


def _problem(what: str, alert: Alert) -> Line:
    what = "consents" if alert.kind == "consent" else what
    return Line("problem", what, alert.text, alert.code or 1)


def _state(context: RunContext) -> Line:
    home = os.path.dirname(context.settings.datastore_path)
    if not os.access(home, os.W_OK):
        return Line(
            "problem",
            "state directory",
            f"{home} is not writable. Check its permissions, and that CODE_PATH is a directory of"
            " the user who runs the programs.",
            1,
        )
    return Line("ok", "state directory", f"{home} is writable")


def _notification_lines(context: RunContext) -> Iterator[Line]:
    """Yield lines about the ways in which alerts are sent."""
    settings = context.settings
    if settings.email_recipients:
        yield _mail(context)
    if settings.alert_urls:
        yield _channels(context)
    if settings.ping_url:
        yield _ping(context)
    if not (settings.email_recipients or settings.alert_urls):
        text = "no alerts are sent: EMAIL_RECIPIENTS and ALERT_URLS are empty"
        yield Line("warning", "mail", text)


def _mail(context: RunContext) -> Line:
    settings = context.settings
    try:
        try_mail(context.notifier)
    except (OSError, ValueError, smtplib.SMTPException) as error:
        text = f"{settings.email_host} does not accept mail. Set EMAIL_HOST or ALERT_URLS ({error})"
        return Line("problem", "mail", text, 1)
    if not context.options.probe:
        return Line(
            "ok", "mail", f"{settings.email_host} accepts mail; --probe sends a test message"
        )
    if send(context.notifier._replace(urls=[]), _test_title(context), TEST):
        return Line("ok", "mail", f"sent a test message to {', '.join(settings.email_recipients)}")
    return Line("problem", "mail", "the test message was not accepted; see the messages above", 1)


def _test_title(context: RunContext) -> str:
    return f"[{context.settings.email_subject} {socket.gethostname()}] TEST: nothing is wrong"


def _channels(context: RunContext) -> Line:
    urls = context.settings.alert_urls
    if not importlib.util.find_spec("apprise"):
        return Line("problem", "ALERT_URLS", NO_APPRISE, 1)
    if invalid := invalid_urls(urls):
        text = f"Apprise cannot use number {', '.join(map(str, invalid))}; check ALERT_URLS"
        return Line("problem", "ALERT_URLS", text, 1)
    if not context.options.probe:
        text = f"{counted(len(urls), 'address', 'addresses')} valid; --probe sends a test message"
        return Line("ok", "ALERT_URLS", text)
    accepted = notify_urls(urls, _test_title(context), TEST)
    text = f"test messages sent: {accepted} of {len(urls)}"
    if accepted == len(urls):
        return Line("ok", "ALERT_URLS", text)
    return Line("problem", "ALERT_URLS", f"{text}; see the messages above, and check ALERT_URLS", 1)


def _ping(context: RunContext) -> Line:
    """Return a line about the server of PING_URL; even a test would count as a good run there."""
    try:
        host = reach(context.settings.ping_url.replace("{program}", context.program))
    except (OSError, ValueError, http.client.HTTPException) as error:
        # Do not repeat the address: it may contain a password.
        text = f"its server cannot be reached. Check PING_URL and the network ({error})"
        return Line("problem", "PING_URL", text, 1)
    return Line("ok", "PING_URL", f"{host} can be reached; nothing was sent to it")


def _endpoint(session: Session, what: str, endpoint: str, directory: str) -> Iterator[Line]:
    """Yield lines about a collection, Globus's clock (once), and a directory there."""
    context = session.context
    try:
        document = session.client.require_ready(endpoint)
        context.names[endpoint] = document.display_name or endpoint
    except Exception as error:  # noqa: BLE001 - each becomes a line
        yield _problem(what, context.explain(error))
        return
    yield Line("ok", what, f"{document.display_name or endpoint} is ready")
    if what == "source":
        yield _line("clock", context, lambda: _clock(session, endpoint))
    if document.disable_verify:
        name = document.display_name or endpoint
        text = (
            f"the policy of {name} disables checksum verification, so delete.py would delete"
            " nothing. Ask its administrator to allow it, or use another collection."
        )
        yield Line("problem", what, text, 1)
    if document.high_assurance:
        yield Line("warning", what, globus.high_assurance(document.display_name or endpoint))
    listed = _line(
        f"{what} directory", context, lambda: directory_line(session, what, endpoint, directory)
    )
    yield listed
    if what == "source" and context.settings.src_local_dir and listed.lists:
        yield _line("SRC_LOCAL_DIR", context, lambda: local_line(session))


def _clock(session: Session, endpoint: str) -> Line:
    """Return a line about the difference between this machine's clock and Globus's."""
    asked_at = time.time()
    sent_at = session.client.server_time(endpoint)
    answered_at = time.time()
    if sent_at is None:
        return Line("warning", "clock", "not checked: Globus sent no valid Date header")
    # Globus may have set the Date at any moment between the request and the response.
    ahead = max(asked_at - sent_at, 0) or min(answered_at - sent_at, 0)
    if abs(ahead) <= CLOCK_SECONDS:
        return Line("ok", "clock", "agrees with Globus's clock")
    words = f"{abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} Globus's clock"
    advice = "Synchronise this machine's clock, or new files may look old"
    return Line("warning", "clock", f"{words}. {advice}.")
