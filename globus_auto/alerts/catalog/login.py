"""Alerts about login, consents, sessions."""

from __future__ import annotations

import shlex

from globus_auto.alerts.model import GLOBUS, Alert


def token_file_damaged(path: str, error: str, login_command: str) -> Alert:
    """Return the alert that the token file cannot be used."""
    return _login(
        "token file damaged",
        f"The token file {path} cannot be used ({error}).",
        f"Remove it, then run on a terminal: `{login_command}`.",
    )


def token_file_older(path: str, login_command: str) -> Alert:
    """Return the alert that the token file has only a token, as of the programs for Python 2.7."""
    return _login(
        "login of the older programs",
        f"The token file {path} is from the older programs, for Python 2.7, and contains only a"
        " refresh token. This version needs a login of its own.",
        f"Run on a terminal: `mv {shlex.quote(path)} {shlex.quote(f'{path}.old')} &&"
        f" {login_command}`.",
    )


def login_needs_terminal(login_command: str) -> Alert:
    """Return the alert that a login was asked for without a terminal."""
    return _login(
        "login needs a terminal",
        "A login was asked for, but there is no terminal.",
        f"Run on a terminal: `{login_command}`.",
    )


def secret_missing(client_id: str, variable: str) -> Alert:
    """Return the alert that the secret of a service account is not set, by `variable` or a file."""
    return _login(
        "secret not set",
        f"CLIENT_ID {client_id} has logged in as a service account, but its secret is not set now."
        " Cron does not have the variables of your shell.",
        f"Write the secret into a file that only you can read, and set CLIENT_SECRET_FILE to it; or"
        f" set {variable} in the crontab.",
    )


def login_without_code(login_command: str) -> Alert:
    """Return the alert that nobody entered an authorization code."""
    return _login(
        "not logged in",
        "No authorization code was entered.",
        f"Run on a terminal: `{login_command}`.",
    )


def login_of_another(new: str, stored: str, login_command: str) -> Alert:
    """Return the alert that the login is of the identity `new` instead of `stored`."""
    return _login(
        "login of another identity",
        f"The new login belongs to another identity ({new}) than the stored one ({stored}).",
        "Log in as before, or remove the file at TOKEN_PATH to change the identity. Run on a"
        f" terminal: `{login_command}`.",
    )


def login_missing(login_command: str) -> Alert:
    """Return the alert that there is no login that Globus accepts."""
    return _login(
        "not logged in",
        "There is no login that Globus accepts.",
        f"Run on a terminal: `{login_command}`. For a service account, set CLIENT_SECRET_FILE"
        " instead.",
    )


def login_revoked(login_command: str) -> Alert:
    """Return the alert that the stored login was revoked or has expired."""
    return _login(
        "login expired",
        "Globus no longer accepts the stored login: it was revoked, or not used for six months.",
        f"Run on a terminal: `{login_command}`.",
    )


def login_code_rejected(details: str, login_command: str) -> Alert:
    """Return the alert that Globus Auth did not accept the authorization code."""
    return _login(
        "authorization code rejected",
        "Globus did not accept the authorization code: it was mistyped, used before, or is too"
        " old.",
        f"Run on a terminal: `{login_command}`. {details}",
    )


def login_rejected(details: str, login_command: str, secret: str) -> Alert:
    """Return the alert that Globus Auth rejected the login, with the secret of a service account.

    `secret` says what has it; it is "" for the login of a person.
    """
    if secret:
        how = (
            f"Check CLIENT_ID and the secret in {secret}: both must be of one application. You can"
            " add a new secret at https://app.globus.org/settings/developers."
        )
    else:
        how = f"Check CLIENT_ID, then run on a terminal: `{login_command}`."
    return _login("login rejected", "Globus rejected the login.", f"{how} {details}")


def token_rejected(details: str, login_command: str) -> Alert:
    """Return the alert that Globus does not accept the access token."""
    return _login(
        "login expired",
        "Globus does not accept the login.",
        f"Run on a terminal: `{login_command}`. {details}",
    )


def _login(title: str, what: str, how: str) -> Alert:
    return Alert(
        kind="login",
        about=GLOBUS,
        title=title,
        text=f"{what} Nothing is sent or deleted until you log in. {how}",
        recovery="Globus accepts the login again.",
        code=3,
    )


def consent_missing(collections: list[str], details: str, login_command: str) -> Alert:
    """Return the alert that a data_access consent is missing for `collections`."""
    return Alert(
        kind="consent",
        about=GLOBUS,
        title="consent missing",
        text=f"Globus needs your consent to reach the files of"
        f" {' and '.join(collections) or 'a collection'}. Nothing is sent or deleted until you"
        f" give it. Run on a terminal: `{login_command}`. {details}",
        recovery="Globus has every consent that it needs.",
        code=3,
    )


def session_expired(details: str, login_command: str) -> Alert:
    """Return the alert that a collection wants a person to log in again."""
    return Alert(
        kind="session",
        about=GLOBUS,
        title="session expired",
        text="A collection requires you to log in again, in person. Nothing is sent or deleted"
        " until you do. Sessions of high-assurance collections end, and no stored login can renew"
        " them: for unattended work use a service account or another collection. For now, run on a"
        f" terminal: `{login_command}`. {details}",
        recovery="The collections accept the session again.",
        code=3,
    )
