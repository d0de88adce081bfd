"""What each route of Auth does: unpack the request, call the identities, build the answer."""

from __future__ import annotations

from globus_auto.sandbox import profiles, tokens
from globus_auto.sandbox.call import Call
from globus_auto.sandbox.documents import APIError, Document, bad_request
from globus_auto.sandbox.scopes import OAuthError


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
    if form.get("grant_type") == "urn:globus:auth:grant_type:dependent_token":
        raise APIError("NotImplemented", "The sandbox does not emulate dependent tokens")
    raise OAuthError("unsupported_grant_type")


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


def userinfo(call: Call) -> Document:
    """Describe the identity of the caller."""
    if "openid" not in call.caller.scope.split():
        raise APIError("PermissionDenied", "The token does not have the scope openid")
    return profiles.userinfo(call.caller)


def introspect(call: Call) -> Document:
    """Describe a token to a client with a secret; `include` may ask for its session."""
    people, include = call.world.identity, call.form.get("include", "")
    people.check_client(*(call.basic or ("", "")))
    if include not in ("", "session_info"):
        raise bad_request(f"'include': {include!r} is not supported by the sandbox")
    token = people.find(call.form.get("token", ""))
    if token is None:
        return {"active": False}
    return profiles.introspection(token, call.url, session=bool(include))


def identities(call: Call) -> Document:
    """Find identities by `ids` or `usernames`; `provision` creates those that do not exist."""
    people = call.world.identity
    ids, names = (
        [each for each in call.text(name).lower().split(",") if each]
        for name in ("ids", "usernames")
    )
    if bool(ids) == bool(names):
        raise bad_request("'ids': needs either ids or usernames")
    if call.text("provision", "false").lower() in ("true", "1"):
        existing = people.usernames().values()
        new = [name for name in names if name not in existing]
        people.provisioned.update((tokens.stable_id(f"identity {name}"), name) for name in new)
    found = people.usernames().items()
    shown = [
        profiles.identity(each, name, used=each not in people.provisioned)
        for each, name in found
        if each in ids or name.lower() in names
    ]
    return {"identities": shown}


def create_client(call: Call) -> Document:
    """Register the client of one installation of an app."""
    wanted = call.form.get("client")
    if not isinstance(wanted, dict) or set(wanted) != {"template_id", "name"}:
        raise APIError("NotImplemented", "The sandbox creates only clients of a template_id")
    return call.world.identity.create_instance(str(wanted["template_id"]), str(wanted["name"]))


def delete_client(call: Call) -> Document:
    """Delete the client that sends the request."""
    people, client = call.world.identity, call.parts["client_id"]
    if call.basic is None or people.check_client(*call.basic) != client:
        raise APIError("NotImplemented", "The sandbox lets clients delete only themselves")
    people.delete_client(client)
    return {"client": {"id": client}}
