"""What Auth says about identities and clients (bodies of `globus_sdk.testing`)."""

from __future__ import annotations

import time

from globus_auto.sandbox.documents import Document
from globus_auto.sandbox.tokens import TOKEN_SECONDS, Token, profile, stable_id, username

__all__ = ["client_instance", "identity", "introspection", "userinfo", "username"]

# The scopes that userinfo needs to show a field.
SHOWN_FOR = {"sub": "openid", "email": "email"}


def userinfo(token: Token) -> Document:
    """Return what userinfo shows for the scopes of a token."""
    facts, scopes = profile(token), token.scope.split()
    shown = {name: fact for name, fact in facts.items() if SHOWN_FOR.get(name, "profile") in scopes}
    if any(scope.endswith(":view_identity_set") for scope in scopes):
        member = {**facts, "username": facts["preferred_username"]}
        del member["preferred_username"]
        shown["identity_set"] = [{**member, "last_authentication": None}]
    return shown


def introspection(token: Token, issuer: str, *, session: bool) -> Document:
    """Return the description of a valid token; with `session`, of its session too."""
    facts, issued = profile(token), int(min(token.expires, time.time() + TOKEN_SECONDS))
    answer = {
        "active": True,
        "token_type": "Bearer",
        "scope": token.scope,
        "client_id": token.client,
        "username": facts["preferred_username"],
        "name": facts["name"],
        "email": facts["email"],
        "exp": issued,
        "iat": issued - TOKEN_SECONDS,
        "nbf": issued - TOKEN_SECONDS,
        "sub": token.identity,
        "aud": [token.server, token.client],
        "iss": issuer,
    }
    if session:
        authentication = {
            "acr": None,
            "amr": None,
            "idp": facts["identity_provider"],
            "auth_time": issued - TOKEN_SECONDS,
            "custom_claims": {},
        }
        answer["session_info"] = {
            "session_id": stable_id(f"session {token.identity} {token.client}"),
            "authentications": {token.identity: authentication},
        }
    return answer


def identity(identity_id: str, name: str, *, used: bool) -> Document:
    """Return the document of an identity; one that was only provisioned is not `used`."""
    return {
        "id": identity_id,
        "username": name,
        "name": "Person of the sandbox" if used else None,
        "email": name if used else None,
        "organization": "sandbox" if used else None,
        "identity_provider": stable_id("identity_provider"),
        "identity_type": "login",
        "status": "used" if used else "unused",
    }


def client_instance(client_id: str, secret: str, template_id: str, name: str) -> Document:
    """Return the client of one installation of an app, with its secret."""
    credential = {
        "name": "Auto-created at client creation",
        "id": stable_id(f"credential {client_id}"),
        "client": client_id,
        "secret": secret,
    }
    client = {
        "id": client_id,
        "name": name,
        "parent_client": template_id,
        "project": None,
        "public_client": False,
        "client_type": "confidential_client",
        "visibility": "private",
        "grant_types": ["authorization_code", "client_credentials", "refresh_token"],
        "links": {"privacy_policy": None, "terms_and_conditions": None},
        "prompt_for_named_grant": False,
        "userinfo_from_effective_identity": True,
        **dict.fromkeys(("required_idp", "preselect_idp")),
        **{name: [] for name in ("fqdns", "scopes", "redirect_uris")},
    }
    return {"client": client, "included": {"client_credential": credential}}
