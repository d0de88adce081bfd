"""Tokens of Globus Auth, and the signed id_token of a login."""

from __future__ import annotations

import base64
import functools
import hashlib
import secrets
import time
import uuid
from dataclasses import dataclass, field

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from globus_auto.sandbox.documents import Document

AUTH, TRANSFER = "auth.globus.org", "transfer.api.globus.org"
TOKEN_SECONDS = 172800  # lifetime of an access token, as in all published answers
NAMESPACE = uuid.UUID("6c0c4f8e-8e70-4c87-9f0a-b5d8a64b4f11")  # of the ids derived from names


@dataclass
class Token:
    """An access or refresh token: its identity, client, service and scopes.

    `expires` is in seconds since 1970.
    """

    identity: str
    client: str
    server: str
    scope: str
    expires: float
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    def document(self) -> Document:
        """Return the token as the token endpoint sends it."""
        return {
            "access_token": self.secret,
            "scope": self.scope,
            "expires_in": TOKEN_SECONDS,
            "token_type": "Bearer",
            "resource_server": self.server,
        }


def stable_id(name: str) -> str:
    """Return an id derived from a name, always the same for the same name."""
    return str(uuid.uuid5(NAMESPACE, name))


def jwk() -> Document:
    """Return the public key that id_tokens are signed with, as `GET /jwk.json` does."""
    key = jwt.algorithms.RSAAlgorithm.to_jwk(_key().public_key(), as_dict=True)
    return {"keys": [{**key, "alg": "RS512", "use": "sig"}]}


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    """Return the signing key of this process; cached, because generating one is slow."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def base64_of(digest: bytes) -> str:
    """Return the URL-safe base64 form without padding."""
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_uuid(text: str) -> bool:
    """Return whether a text is a UUID."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def username(identity: str, *, is_client: bool) -> str:
    """Return the username of an identity; a service account has one of Globus's form."""
    return f"{identity}@{'clients.auth.globus.org' if is_client else 'sandbox.invalid'}"


def profile(token: Token) -> Document:
    """Return who the identity of a token is, as id_tokens and userinfo say it."""
    name = username(token.identity, is_client=token.identity == token.client)
    return {
        "sub": token.identity,
        "name": "Person of the sandbox",
        "organization": "sandbox",
        "preferred_username": name,
        "email": name,
        "identity_provider": stable_id("identity_provider"),
        "identity_provider_display_name": "sandbox",
    }


def id_token(token: Token, issuer: str) -> str:
    """Return the signed id_token of a login."""
    now = int(time.time())
    claims = {
        **profile(token),
        "iss": issuer,
        "aud": token.client,
        "iat": now,
        "exp": now + TOKEN_SECONDS,
        "at_hash": base64_of(hashlib.sha512(token.secret.encode()).digest()[:32]),
        "last_authentication": now,
    }
    return jwt.encode(claims, _key(), algorithm="RS512")
