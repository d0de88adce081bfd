"""Clients, identities, tokens and consents, as in Globus Auth.

Grants and their errors are those of docs.globus.org/api/auth/reference and of
`globus_sdk.services.auth`. There is one person, who approves every login.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import time
import uuid
from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

import msgspec

from globus_auto.sandbox import profiles, scopes
from globus_auto.sandbox.documents import APIError, Document, bad_request, convert, moment
from globus_auto.sandbox.scopes import TRANSFER_ALL, OAuthError
from globus_auto.sandbox.tokens import (
    AUTH,
    TOKEN_SECONDS,
    Token,
    base64_of,
    id_token,
    is_uuid,
    stable_id,
)


class LoginRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The query of an authorize request (`globus_sdk.services.auth`, flow_managers)."""

    client_id: str
    redirect_uri: str
    scope: str
    response_type: Literal["code"]
    state: str = ""
    code_challenge: str = ""
    code_challenge_method: Literal["S256"] = "S256"
    access_type: Literal["online", "offline"] = "online"
    prefill_named_grant: str = ""
    prompt: str = ""


class Identity:
    """The state of Globus Auth. `person` is the identity that logs in; tests may change it.

    `accepts_any_app`: every UUID that is no other client is an app that people can log in with.
    `provisioned` are further identities: the username of each id.
    `has_data_access` returns whether a collection has a data_access scope.
    """

    def __init__(self, has_data_access: Callable[[str], bool]) -> None:
        self.person = stable_id("person")
        self.accepts_any_app = False
        self.provisioned: dict[str, str] = {}
        self._instances: set[str] = set()  # clients of installations, which people log in with
        self._revoked: set[str] = set()
        self._has_data_access = has_data_access
        self._clients: dict[str, str | None] = {}  # client id: secret, None for an app
        self._logins: dict[str, tuple[str, LoginRequest]] = {}  # code: identity, request
        self._access: dict[str, Token] = {}
        self._refresh: dict[str, Token] = {}
        # (identity, client, path of scopes): number, time of the consent
        self._consents: dict[tuple[str, str, tuple[str, ...]], tuple[int, float]] = {}
        self._numbers = itertools.count(1)

    def add_service_account(
        self, client_id: str | None = None, secret: str | None = None
    ) -> tuple[str, str]:
        """Register a client with a secret; return both."""
        account = client_id or str(uuid.uuid4()), secret or secrets.token_urlsafe(32)
        self._clients[account[0]] = account[1]
        return account

    def add_native_app(self, client_id: str | None = None) -> str:
        """Register an app that people log in with; return its client id."""
        client_id = client_id or str(uuid.uuid4())
        self._clients[client_id] = None
        return client_id

    def expire_access_tokens(self) -> None:
        """Make every access token expire."""
        self._access.clear()

    def revoke_refresh_tokens(self) -> None:
        """Revoke every refresh token."""
        self._refresh.clear()

    def revoke_consents(self) -> None:
        """Revoke every data_access consent, as a person can in the web app."""
        self._consents = {key: kept for key, kept in self._consents.items() if len(key[2]) == 1}

    def code_for(self, authorize_url: str) -> str:
        """Approve the login at this URL and return the code to paste."""
        return self.approve(dict(parse_qsl(urlsplit(authorize_url).query, keep_blank_values=True)))

    def approve(self, query: dict[str, str]) -> str:
        """Return the code for an authorize request; raise APIError naming what is wrong."""
        request = convert(query, LoginRequest)
        if request.client_id not in self._instances and not self._is_app(request.client_id):
            raise bad_request(f"'client_id': there is no app {request.client_id}")
        try:
            scopes.parse(request.scope, self._has_data_access)
        except OAuthError as error:
            raise bad_request(f"'scope': {error}") from error
        code = secrets.token_urlsafe(16)
        self._logins[code] = self.person, request
        return code

    def check_client(self, client_id: str, secret: str | None) -> str:
        """Return `client_id` if it is registered and this is its secret; apps have none."""
        if secret is None and self._is_app(client_id):
            return client_id
        if secret is None or self._clients.get(client_id) != secret:
            raise OAuthError("invalid_client", credentials=True)
        return client_id

    def create_instance(self, template_id: str, name: str) -> Document:
        """Register a client of its own for an installation of an app, as `globus login` does."""
        if not self._is_app(template_id):
            raise APIError("NotFound", f"There is no app {template_id}")
        client_id, secret = self.add_service_account()
        self._instances.add(client_id)
        return profiles.client_instance(client_id, secret, template_id, name)

    def delete_client(self, client_id: str) -> None:
        """Delete a client and revoke its tokens."""
        del self._clients[client_id]
        self._instances.discard(client_id)
        for kept in (self._access, self._refresh):
            for secret in [each for each, token in kept.items() if token.client == client_id]:
                del kept[secret]

    def usernames(self) -> dict[str, str]:
        """Return the username of each identity: the person, the clients, the provisioned ones."""
        accounts = [each for each, secret in self._clients.items() if secret is not None]
        names = {each: profiles.username(each, is_client=True) for each in accounts}
        person = {self.person: profiles.username(self.person, is_client=False)}
        return {**self.provisioned, **names, **person}

    def _is_app(self, client_id: str) -> bool:
        """Return whether people can log in with this client id without a secret."""
        if client_id in self._clients:
            return self._clients[client_id] is None
        return self.accepts_any_app and is_uuid(client_id)

    def exchange(self, form: dict[str, str], client_id: str, issuer: str) -> Document:
        """Return tokens for a code; a code serves once. `issuer` is the service's own URL."""
        person, request = self._logins.pop(form.get("code", ""), ("", None))
        challenge = ""
        if request is not None and request.code_challenge:
            challenge = base64_of(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        shown = (client_id, form.get("redirect_uri"), challenge)
        if request is None or shown != (
            request.client_id,
            request.redirect_uri,
            request.code_challenge,
        ):
            raise OAuthError("invalid_grant", credentials=True)
        offline = request.access_type == "offline"
        tokens = self._grant(person, client_id, request.scope, issuer, offline=offline)
        return {**tokens, "state": request.state} if request.state else tokens

    def refresh(self, form: dict[str, str], client_id: str) -> Document:
        """Return a new access token for a refresh token, which stays the same."""
        token = self._refresh.get(form.get("refresh_token", ""))
        if token is None or token.client != client_id:
            raise OAuthError("invalid_grant")
        fresh = self._issue(token.identity, token.client, token.server, token.scope)
        return {**fresh.document(), "refresh_token": token.secret, "other_tokens": []}

    def client_credentials(self, form: dict[str, str], client_id: str, issuer: str) -> Document:
        """Return tokens for a service account."""
        return self._grant(client_id, client_id, form.get("scope", ""), issuer, offline=False)

    def revoke(self, secret: str) -> None:
        """Revoke one access or refresh token; an unknown one is no error."""
        if self._access.pop(secret, None) or self._refresh.pop(secret, None):
            self._revoked.add(secret)

    def find(self, secret: str) -> Token | None:
        """Return the valid access or refresh token with this secret."""
        token = self._access.get(secret) or self._refresh.get(secret)
        return token if token is not None and time.time() < token.expires else None

    def is_active(self, secret: str) -> bool:
        """Return whether an access or refresh token is valid."""
        return self.find(secret) is not None

    def access_token(self, secret: str, server: str) -> Token:
        """Return the access token with this secret; raise APIError if `server` rejects it."""
        token = self._access.get(secret)
        if server == AUTH and secret in self._revoked:
            raise APIError("PermissionDenied", "The token was revoked")
        if token is None or time.time() >= token.expires or token.server != server:
            raise APIError("ClientError.AuthenticationFailed", "Token is not active")
        return token

    def has_consent(self, caller: Token, scope: str) -> bool:
        """Return whether the caller's client has a consent to `scope` under Transfer."""
        return (caller.identity, caller.client, (TRANSFER_ALL, scope)) in self._consents

    def consents(self, identity: str) -> Document:
        """Return the consents of an identity (docs: api/auth, identity consents)."""
        shown = []
        for (person, client, path), (number, created) in self._consents.items():
            if person != identity:
                continue
            above = [self._consents[person, client, path[:end]][0] for end in range(1, len(path))]
            consent = {
                "id": number,
                "dependency_path": [*above, number],
                "scope": stable_id(path[-1]),
                "scope_name": path[-1],
                "client": client,
                "effective_identity": person,
                "status": "approved",
                **dict.fromkeys(("created", "updated", "last_used"), moment(created)),
                "allows_refresh": True,
                "auto_approved": False,
                "atomically_revocable": len(path) > 1,
            }
            shown.append(consent)
        return {"consents": shown}

    def _grant(
        self, identity: str, client: str, text: str, issuer: str, *, offline: bool
    ) -> Document:
        """Record consents to the scopes and return one token per service, Auth's first."""
        servers: dict[str, list[str]] = {}
        for scope in scopes.parse(text, self._has_data_access):
            name = scope.scope_string
            servers.setdefault(scopes.server_of(name), []).append(name)
            for path in [(name,), *((name, below.scope_string) for below in scope.dependencies)]:
                consent = next(self._numbers), time.time()
                self._consents.setdefault((identity, client, path), consent)
        answers = []
        for server in sorted(servers, key=lambda name: (name != AUTH, name)):
            token = self._issue(identity, client, server, " ".join(servers[server]))
            answer = token.document()
            if offline:
                kept = Token(identity, client, server, token.scope, float("inf"))
                self._refresh[kept.secret] = kept
                answer["refresh_token"] = kept.secret
            if "openid" in servers[server]:
                answer["id_token"] = id_token(token, issuer)
            answers.append(answer)
        return {**answers[0], "other_tokens": answers[1:]}

    def _issue(self, identity: str, client: str, server: str, scope: str) -> Token:
        token = Token(identity, client, server, scope, time.time() + TOKEN_SECONDS)
        self._access[token.secret] = token
        return token
