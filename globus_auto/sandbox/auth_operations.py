"""What each route of Auth does: unpack the request, call the identities, build the answer."""

from __future__ import annotations

from globus_auto.sandbox import identity, tokens
from globus_auto.sandbox.call import Call
from globus_auto.sandbox.documents import APIError, Document, bad_request


def openid_configuration(call: Call) -> Document:
    """Return the URLs of Auth."""
    return {
        "issuer": call.url,
        "authorization_endpoint": f"{call.url}/v2/oauth2/authorize",
        "token_endpoint": f"{call.url}/v2/oauth2/token",
        "userinfo_endpoint": f"{call.url}/v2/oauth2/userinfo",
        "revocation_endpoint": f"{call.url}/v2/oauth2/token/revoke",
        "jwks_uri": f"{call.url}/jwk.json",
        "response_types_supported": ["code"],
        "id_token_signing_alg_values_supported": ["RS512"],
        "scopes_supported": ["openid", "email", "profile"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "subject_types_supported": ["public"],
        "claims_supported": ["at_hash", "aud", "email", "exp", "name", "iat", "iss", "sub"],
    }


def jwk(_call: Call) -> Document:
    """Return the key that id_tokens are signed with."""
    return tokens.jwk()


def authorize(call: Call) -> Document:
    """Approve a login; return the code and the redirect_uri."""
    code = call.world.identity.approve(call.request.query)
    return {"code": code, "state": call.text("state"), "redirect_uri": call.text("redirect_uri")}


def token(call: Call) -> Document:
    """Exchange a code, a refresh token or a secret for access tokens."""
    form, people = call.form, call.world.identity
    client = people.check_client(*(call.basic or (form.get("client_id", ""), None)))
    if form.get("grant_type") == "authorization_code":
        return people.exchange(form, client, call.url)
    if form.get("grant_type") == "refresh_token":
        return people.refresh(form, client)
    if form.get("grant_type") == "client_credentials" and call.basic:
        return people.client_credentials(form, client, call.url)
    raise identity.OAuthError("unsupported_grant_type")


def revoke(call: Call) -> Document:
    """Revoke a token."""
    call.world.identity.revoke(call.form.get("token", ""))
    return {"active": False}


def validate(call: Call) -> Document:
    """Return whether a token is valid."""
    return {"active": call.world.identity.is_active(call.form.get("token", ""))}


def consents(call: Call) -> Document:
    """List the consents of the caller's identity."""
    if call.text("all", "False") != "False":
        raise bad_request("'all': the sandbox supports only False")
    if call.parts["identity_id"] != call.caller.identity:
        raise APIError("PermissionDenied", "These are not your consents")
    return call.world.identity.consents(call.caller.identity)
