"""--check: everything that a run will need, checked one by one, with the way out of trouble."""

from __future__ import annotations

import importlib.util
import os
import smtplib
import socket
import time
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from typing import Literal, NamedTuple

import globus_sdk

from globus_auto import (
    alerts,
    channels,
    datastore,
    listing,
    login,
    marker,
    utils,
)
from globus_auto.listing import Unlisted
from globus_auto.opening import Session
from globus_auto.utils import Run
from globus_auto.wording import printable

CLOCK_SECONDS = 30
TEST = "This is a test by globus_auto's --check --probe. Nothing is wrong.\n"


class Line(NamedTuple):
    """What was checked, how it is, and what to do; `code` is the exit code it asks for.

    `lists` says that a directory was listed.
    """

    level: Literal["ok", "warning", "problem"]
    what: str
    text: str
    code: int = 0
    lists: bool = False


def check(run: Run) -> int:
    """Print a line for everything that a run needs; return the highest exit code of a problem.

    Nothing is changed, but with --probe the marker is made at the destination, and a test message
    sent.
    """
    code = 0
    for line in _lines(run):
        print(f"{line.level:8} {line.what}: {printable(line.text)}")
        code = max(code, line.code)
    return code


def _lines(run: Run) -> Iterator[Line]:
    known = run.settings
    yield Line("ok", "settings", known.config_path)
    yield _state(run)
    yield from _told(run)
    try:
        store = run.load()
    except (datastore.DatastoreDamaged, alerts.AlertError) as error:
        yield _problem("datastore", utils.explain(error, run))
        store = datastore.Datastore(source=known.src_id)
    else:
        yield Line("ok", "datastore", f"{sum(map(len, store.files.values()))} files known")
    try:
        connection = login.connect(known, interactive=False)
    except Exception as error:  # noqa: BLE001 - each becomes a line
        yield _problem("login", utils.explain(error, run))
        return
    run.resources.callback(connection.close)
    session = Session(run, store, connection)
    accepted = _line("login", run, lambda: _accepted(session))
    yield accepted
    if accepted.code:
        return
    found = [*_endpoint(session, "source", known.src_id, known.src_dir)]
    found += _endpoint(session, "destination", known.dst_id, known.dst_dir)
    yield from found
    if sum(line.lists for line in found) == 2:
        yield Line("ok", "consents", "all that both endpoints ask for are given")
    if run.options.probe:
        yield _line("writing there", run, lambda: _write(session))


def _accepted(session: Session) -> Line:
    # A token that has been revoked looks good until it is shown to Globus.
    session.client.get_submission_id()
    return Line("ok", "login", "Globus accepts it")


def _line(what: str, run: Run, look: Callable[[], Line]) -> Line:
    """Return what `look` returns, or the problem that it raises."""
    try:
        return look()
    except Exception as error:  # noqa: BLE001 - each becomes a line
        return _problem(what, utils.explain(error, run))


def _problem(what: str, alert: alerts.Alert) -> Line:
    what = "consents" if alert.kind == "consent" else what
    return Line("problem", what, alert.text, alert.code or 1)


def _state(run: Run) -> Line:
    home = os.path.dirname(run.settings.datastore_path)
    if not os.access(home, os.W_OK):
        return Line("problem", "state directory", f"{home} cannot be written; see its rights.", 1)
    return Line("ok", "state directory", f"{home} can be written")


def _told(run: Run) -> Iterator[Line]:
    """Yield lines about how a person is told of trouble."""
    known = run.settings
    if known.email_recipients:
        yield _mail(run)
    if known.alert_urls:
        yield _channels(run)
    if not (known.email_recipients or known.alert_urls):
        text = "nobody is told of trouble: EMAIL_RECIPIENTS and ALERT_URLS are empty"
        yield Line("warning", "mail", text)


def _mail(run: Run) -> Line:
    known = run.settings
    try:
        with channels.mail_server(known.email_host) as server:
            server.noop()
    except (OSError, smtplib.SMTPException) as error:
        text = f"{known.email_host} does not take mail ({error}). Set EMAIL_HOST or ALERT_URLS."
        return Line("problem", "mail", text, 1)
    if not run.options.probe:
        return Line("ok", "mail", f"{known.email_host} answers; --probe sends a test message")
    if channels.deliver(run.channels._replace(urls=[]), _test_title(run), TEST):
        return Line("ok", "mail", f"a test message went to {', '.join(known.email_recipients)}")
    return Line("problem", "mail", "the test message was not taken; see above", 1)


def _test_title(run: Run) -> str:
    return f"[{run.settings.email_subject} {socket.gethostname()}] TEST: nothing is wrong"


def _channels(run: Run) -> Line:
    urls = run.settings.alert_urls
    if not importlib.util.find_spec("apprise"):
        return Line("problem", "ALERT_URLS", channels.NO_APPRISE, 1)
    if not run.options.probe:
        text = f"{len(urls)} channels are set; --probe sends a test message"
        return Line("ok", "ALERT_URLS", text)
    took = channels.notify(urls, _test_title(run), TEST)
    text = f"{took} of {len(urls)} channels took the test message"
    if took == len(urls):
        return Line("ok", "ALERT_URLS", text)
    return Line("problem", "ALERT_URLS", f"{text}; see above, and check their addresses", 1)


def _endpoint(session: Session, what: str, endpoint: str, directory: str) -> Iterator[Line]:
    """Yield lines about an endpoint, the clock it is asked by, and a directory there."""
    run = session.run
    try:
        asked_at = time.time()
        response = session.client.get_endpoint(endpoint)
        answered_at = time.time()
        document = listing.require_ready(session.client, endpoint)
        run.names[endpoint] = document.display_name or endpoint
    except Exception as error:  # noqa: BLE001 - each becomes a line
        yield _problem(what, utils.explain(error, run))
        return
    yield Line("ok", what, f"{document.display_name or endpoint} is ready")
    if what == "source":
        yield _clock(response, asked_at, answered_at)
    if document.disable_verify:
        name = document.display_name or endpoint
        text = f"{name} disables checksum verification by its policy: nothing would be deleted"
        yield Line("problem", what, f"{text}. Ask its administrator, or use another.", 1)
    if document.high_assurance:
        yield Line("warning", what, login.high_assurance(document.display_name or endpoint))
    yield _line(f"{what} directory", run, lambda: _directory(session, what, endpoint, directory))


def _clock(response: globus_sdk.GlobusHTTPResponse, asked_at: float, answered_at: float) -> Line:
    """Return a line about the difference to the service's clock, by its Date header."""
    try:
        said = parsedate_to_datetime(response.headers.get("Date", "")).timestamp()
    except (TypeError, ValueError):
        return Line("warning", "clock", "the service did not tell its time")
    # What it said may be as old as the question, or as new as the answer.
    ahead = max(asked_at - said, 0) or min(answered_at - said, 0)
    if abs(ahead) <= CLOCK_SECONDS:
        return Line("ok", "clock", "agrees with that of Globus")
    words = f"{abs(ahead):.0f} seconds {'ahead of' if ahead > 0 else 'behind'} that of Globus"
    return Line("warning", "clock", f"{words}: use network time, or fresh files may look old")


def _directory(session: Session, what: str, endpoint: str, directory: str) -> Line:
    refused = listing.refusal(session.client, endpoint, directory, session.limiter)
    if refused is None:
        return Line("ok", f"{what} directory", f"{directory} can be listed", lists=True)
    if refused.gone and what == "destination":
        text = f"{directory} will be made by the first transfer"
        return Line("ok", f"{what} directory", text, lists=True)
    name = "SRC_DIR" if what == "source" else "DST_DIR"
    text = f"{directory} cannot be listed. Check {name} and the rights there. {refused.reason}"
    return Line("problem", f"{what} directory", text, 1)


def _write(session: Session) -> Line:
    known = session.run.settings
    beside = listing.refusal(session.client, known.dst_id, known.dst_dir, session.limiter)
    if isinstance(beside, Unlisted) and beside.gone:
        text = f"{known.dst_dir} is missing, so nothing was tried there"
        return Line("warning", "writing there", text)
    reason = marker.make(session)
    if reason:
        text = f"no directory can be made in {known.dst_dir}. Let Globus write there. {reason}"
        return Line("problem", "writing there", text, 1)
    # Raises where it shows up at the source: then both are one directory.
    list(session.walk(known.src_id, [known.src_dir]))
    return Line("ok", "writing there", f"{known.dst_dir} has its marker, {marker.name_of(known)}")
