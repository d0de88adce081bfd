"""The catalogue of alerts, first part: login, settings, collections, Globus, the programs.

One function is one alert, and its text is nowhere else. See also catalog_transfers.py and
catalog_files.py.
"""

from __future__ import annotations

from globus_auto.alerts import GLOBUS, Alert

# The login


def token_file_damaged(problem: str, login_command: str) -> Alert:
    """Return the alert that the token file cannot be used."""
    return _login(problem, f"Log in by: {login_command}")


def login_needs_terminal(login_command: str) -> Alert:
    """Return the alert that a login was asked for without a terminal."""
    return _login("There was no terminal to log in on.", f"On one run: {login_command}")


def login_without_code(login_command: str) -> Alert:
    """Return the alert that nobody entered an authorization code."""
    return _login("No authorization code was entered.", f"On a terminal run: {login_command}")


def login_of_another(new: str, stored: str, login_command: str) -> Alert:
    """Return the alert that the login is of the identity `new` instead of `stored`."""
    return _login(
        f"The new login is of another identity ({new}) than the one before ({stored}).",
        f"Log in as before, or remove the file at TOKEN_PATH first: {login_command}",
    )


def login_missing(login_command: str) -> Alert:
    """Return the alert that there is no login that Globus accepts."""
    return _login("There is no login that Globus accepts.", f"On a terminal run: {login_command}")


def login_revoked(login_command: str) -> Alert:
    """Return the alert that the stored login was revoked or has expired."""
    return _login(
        "Globus no longer accepts the stored login: it was revoked, or not used for six months.",
        f"On a terminal run: {login_command}",
    )


def login_code_rejected(details: str, login_command: str) -> Alert:
    """Return the alert that Globus Auth did not accept the authorization code."""
    return _login(
        f"Globus Auth did not take the authorization code ({details}): it was mistyped, used"
        " before or is too old.",
        f"On a terminal run: {login_command}",
    )


def login_rejected(details: str, login_command: str) -> Alert:
    """Return the alert that Globus Auth rejected the login."""
    return _login(
        f"Globus Auth refused the login ({details}). Check CLIENT_ID and, for a service account,"
        " its secret.",
        f"For a person's login run: {login_command}",
    )


def token_rejected(details: str, login_command: str) -> Alert:
    """Return the alert that Globus does not accept the access token."""
    return _login(f"Globus does not accept the login ({details}).", f"Run: {login_command}")


def _login(what: str, how: str) -> Alert:
    # The command comes last, so that it can be copied.
    text = f"{what} Until then nothing is sent or deleted. {how}"
    return Alert(kind="login", about=GLOBUS, text=text, code=3)


def consent_missing(collections: list[str], details: str, login_command: str) -> Alert:
    """Return the alert that a data_access consent is missing for `collections`."""
    return Alert(
        kind="consent",
        about=GLOBUS,
        text=f"Globus needs your consent to reach the files ({details}) of the endpoint"
        f" {' and '.join(collections) or 'that it names'}. Until then nothing is sent or deleted."
        f" On a terminal run: {login_command}",
        code=3,
    )


def session_expired(details: str, login_command: str) -> Alert:
    """Return the alert that a collection wants a person to log in again."""
    return Alert(
        kind="session",
        about=GLOBUS,
        text=f"The endpoint wants you to log in again, in person ({details}). Until then"
        " nothing is sent or deleted. A high-assurance collection ends sessions that no stored"
        " login can renew; use a service account or another collection for unattended work."
        f" For now, on a terminal run: {login_command}",
        code=3,
    )


# Settings


def setting_wrong(config_path: str, problem: str) -> Alert:
    """Return the alert that a setting is wrong."""
    return Alert(kind="settings", about=f"{config_path}: {problem}", text=problem, code=2)


def settings_unfit(source_dir: str, problem: str) -> Alert:
    """Return the alert that the settings do not fit what was sent before."""
    return Alert(kind="unfit settings", about=source_dir, text=problem, code=2)


# Collections and Globus


def endpoint_not_ready(endpoint: str, problem: str, code: int) -> Alert:
    """Return the alert that a collection cannot be used now."""
    return Alert(kind="endpoint", about=endpoint, text=problem, code=code)


def endpoint_unreachable(endpoint: str, details: str) -> Alert:
    """Return the alert that a call failed since a collection is out of reach."""
    return Alert(
        kind="endpoint",
        about=endpoint,
        text=f"An endpoint is out of reach ({details}). Nothing is lost, but nothing moves"
        " either: see whether it runs. The next run tries again.",
    )


def endpoint_unknown(details: str) -> Alert:
    """Return the alert that Globus knows no such collection."""
    return Alert(
        kind="unknown endpoint",
        about=GLOBUS,
        text=f"Globus knows no such endpoint ({details}). Check SRC_ID and DST_ID.",
        code=2,
    )


def service_unreachable(error: str) -> Alert:
    """Return the alert that Globus cannot be reached, or answers nonsense."""
    return Alert(
        kind="service",
        about=GLOBUS,
        text=f"Globus cannot be reached or did not answer as it should ({error}). Nothing is"
        " lost, and nothing is concluded from that; the next run tries again. If it lasts, see"
        " whether this machine has a network.",
    )


def service_error(details: str) -> Alert:
    """Return the alert that Globus answered a call with an error."""
    return Alert(
        kind="service",
        about=GLOBUS,
        text=f"Globus refused a call ({details}). Nothing is lost; the next run tries again.",
    )


def submission_unanswered(source_dir: str, reason: str) -> Alert:
    """Return the alert that it is not known whether Globus accepted a transfer."""
    return Alert(
        kind="service",
        about=GLOBUS,
        text=f"Globus did not say whether it accepted a transfer of {source_dir} ({reason})."
        " Nothing is lost; the next run submits the same task again.",
    )


# The programs and their files


def datastore_damaged(path: str, problem: str) -> Alert:
    """Return the alert that the datastore cannot be used."""
    return Alert(kind="datastore", about=path, text=f"{problem} Nothing was changed.", code=3)


def datastore_restored(path: str, dropped: int) -> Alert:
    """Return the alert that the datastore comes from a backup; `dropped` files are not trusted."""
    return Alert(
        kind="restored",
        about=path,
        text=f"The datastore {path} is older than the last one that"
        " was saved: it was restored from a backup. What it says was delivered may be out"
        f" of date, so {dropped} files are compared with the destination again before any"
        " is deleted. Nothing to do.",
        recovery="",
    )


def running_too_long(lock_path: str, problem: str) -> Alert:
    """Return the alert that another run has held a lock for too long."""
    return Alert(
        kind="lock",
        about=lock_path,
        text=f"{problem} Nothing else is sent or deleted until it ends. See what it waits for,"
        " or stop it: the next run finishes its work.",
    )


def stopped(program: str) -> Alert:
    """Return the alert that a signal stopped `program`."""
    return Alert(
        kind="stopped",
        about=program,
        text=f"{program}.py was stopped by a signal. The next run finishes its work.",
    )


def state_unusable(program: str, path: str, reason: str) -> Alert:
    """Return the alert that `program` cannot read or write one of its files."""
    return Alert(
        kind="state",
        about=program,
        text=f"{program}.py cannot read or write {path}: {reason}. It stopped there; the next run"
        " tries again.",
    )


def crashed(program: str, error: str) -> Alert:
    """Return the alert that `program` stopped at an error of its own."""
    return Alert(
        kind="crash",
        about=program,
        text=f"{program}.py stopped at an error that is its own: {error}. The next run tries"
        " again; the log has the details, please report them.",
    )
