"""Logins, consents and tokens, as `UserApp` and `ClientApp` of globus-sdk see them."""

import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import globus_sdk
import pytest
import time_machine
from globus_sdk.globus_app import UserApp
from globus_sdk.login_flows import CommandLineLoginFlowManager
from globus_sdk.token_storage import JSONTokenStorage
from globus_sdk.token_storage.validating_token_storage import (
    IdentityMismatchError,
    UnmetScopeRequirementsError,
)

from tests.sandbox.conftest import Site, api_error

SECOND_PROCESS = """
import sys, globus_sdk
path, app_id, endpoint = sys.argv[1:]
config = globus_sdk.GlobusAppConfig(
    token_storage=globus_sdk.token_storage.JSONTokenStorage(path), request_refresh_tokens=True,
    token_validation_error_handler=None)
with globus_sdk.UserApp("tests", client_id=app_id, config=config) as app:
    with globus_sdk.TransferClient(app=app) as client:
        print(client.get_endpoint(endpoint)["display_name"])
"""


class Browser(CommandLineLoginFlowManager):
    """Opens the login URL over HTTP, and pastes the code shown on the page."""

    def print_authorize_url(self, authorize_url: str) -> None:
        with urllib.request.urlopen(authorize_url) as page:
            found = re.search("<code>(.*)</code>", page.read().decode())
        assert found
        self.code = found[1]

    def prompt_for_code(self) -> str:
        return str(self.code)


class Person:
    """Someone who logs in: each call returns a new UserApp with tokens in a file, and a client."""

    def __init__(self, site: Site) -> None:
        self.app_id = site.world.identity.add_native_app()
        self.path = str(site.home / "tokens.json")
        self.opened: list[globus_sdk.TransferClient | UserApp] = []

    def __call__(
        self, login: type[CommandLineLoginFlowManager] = Browser, **options: Any
    ) -> tuple[UserApp, globus_sdk.TransferClient]:
        config = globus_sdk.GlobusAppConfig(
            token_storage=JSONTokenStorage(self.path),
            request_refresh_tokens=True,
            login_flow_manager=login,
            **options,
        )
        app = UserApp("tests", client_id=self.app_id, config=config)
        client = globus_sdk.TransferClient(app=app)
        client.retry_config.max_retries = 1  # a 401 is met with a new token
        self.opened.extend((client, app))
        return app, client


@pytest.fixture
def person(site: Site) -> Iterator[Person]:
    """Yield a person whose apps and clients are closed in the end."""
    made = Person(site)
    site.world.requests.clear()
    yield made
    for each in made.opened:
        each.close()


def routes(site: Site) -> list[str]:
    """Return the routes requested since the last call."""
    names = [each.route for each in site.world.requests]
    site.world.requests.clear()
    return names


def test_a_second_process_uses_the_tokens_of_a_pasted_code(site: Site, person: Person) -> None:
    """It needs no login of its own."""
    _, client = person()
    assert client.get_endpoint(site.source.id)["id"] == site.source.id
    assert routes(site) == ["authorize", "token", "openid_configuration", "jwk", "endpoint"]
    tokens = json.loads(Path(person.path).read_text())["data"]["DEFAULT"]
    assert sorted(tokens) == ["auth.globus.org", "transfer.api.globus.org"]
    assert tokens["auth.globus.org"]["identity_id"] == site.world.identity.person
    command = [sys.executable, "-c", SECOND_PROCESS, person.path, person.app_id, site.source.id]
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert again.stdout == "source\n"
    assert routes(site) == ["endpoint"]


def test_a_refresh_token_renews_expired_access_tokens(site: Site, person: Person) -> None:
    """The refresh token stays the same."""
    _, client = person()
    client.get_endpoint(site.source.id)
    before = json.loads(Path(person.path).read_text())["data"]["DEFAULT"]["transfer.api.globus.org"]
    site.world.identity.expire_access_tokens()
    routes(site)
    client.get_endpoint(site.source.id)
    assert routes(site) == ["endpoint", "token", "endpoint"]
    after = json.loads(Path(person.path).read_text())["data"]["DEFAULT"]["transfer.api.globus.org"]
    assert after["refresh_token"] == before["refresh_token"]
    assert after["access_token"] != before["access_token"]
    with time_machine.travel(time.time() + 172_801, tick=True):
        _, later = person()
        later.get_endpoint(site.source.id)
        assert routes(site) == ["token", "endpoint"]
        with globus_sdk.NativeAppAuthClient(person.app_id) as auth:
            valid = auth.post("/v2/oauth2/token/validate", data={"token": "x"}, encoding="form")
            assert valid["active"] is False
            form = {"token": after["refresh_token"]}
            assert (
                auth.post("/v2/oauth2/token/validate", data=form, encoding="form")["active"] is True
            )


def test_a_revoked_refresh_token_is_an_invalid_grant(site: Site, person: Person) -> None:
    app, client = person(token_validation_error_handler=None)
    app.login()
    site.world.identity.expire_access_tokens()
    site.world.identity.revoke_refresh_tokens()
    with pytest.raises(globus_sdk.AuthAPIError) as caught:
        client.get_endpoint(site.source.id)
    assert (caught.value.http_status, caught.value.raw_json) == (400, {"error": "invalid_grant"})
    app.login(force=True)
    assert client.get_endpoint(site.source.id)["id"] == site.source.id
    app.logout()
    assert app.login_required()


def test_a_consent_is_required_granted_and_revoked(site: Site, person: Person) -> None:
    site.destination.data_access_required = True
    app, client = person(token_validation_error_handler=None)
    app.login()
    with pytest.raises(globus_sdk.TransferAPIError) as caught:
        client.operation_ls(site.destination.id, "/")
    assert (caught.value.http_status, caught.value.code) == (403, "ConsentRequired")
    scopes = caught.value.info.consent_required.required_scopes
    assert site.destination.id in scopes[0]
    app.add_scope_requirements({client.resource_server: scopes})
    with pytest.raises(UnmetScopeRequirementsError):
        client.operation_ls(site.destination.id, "/")
    app.login()
    assert list(client.operation_ls(site.destination.id, "/")) == []
    again, other = person(token_validation_error_handler=None)
    other.add_app_data_access_scope([site.destination.id])
    routes(site)
    assert list(other.operation_ls(site.destination.id, "/")) == []
    assert "consents" in routes(site)
    assert not again.login_required()
    site.world.identity.revoke_consents()
    assert api_error(client.operation_ls, site.destination.id, "/") == (403, "ConsentRequired")
    site.destination.high_assurance = True
    assert list(client.operation_ls(site.destination.id, "/")) == []


def test_a_login_by_another_person_is_an_identity_mismatch(site: Site, person: Person) -> None:
    app, _ = person()
    app.login()
    site.world.identity.person = "11111111-2222-3333-4444-555555555555"
    with pytest.raises(IdentityMismatchError):
        app.login(force=True)


def test_a_service_account_gets_a_consent_by_requesting_it(site: Site) -> None:
    site.destination.data_access_required = True
    with pytest.raises(globus_sdk.TransferAPIError, match="ConsentRequired"):
        site.transfer(("/a", "/a"))
    site.client.add_app_data_access_scope(site.destination.id)
    with globus_sdk.ConfidentialAppAuthClient(site.account, site.secret) as auth:
        scope = globus_sdk.scopes.GCSCollectionScopes(site.destination.id).data_access
        scopes = globus_sdk.scopes.TransferScopes.all.with_dependency(scope.with_optional(True))
        auth.oauth2_client_credentials_tokens(scopes)
    site.write("a")
    assert site.transferred(site.transfer(("/a", "/a"))) == ["/a"]


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "invalid_grant"),
        ({"grant_type": "authorization_code", "code": "x"}, 401, "invalid_grant"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, 400, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "a[b"}, 400, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": "https://x/y"}, 400, "unknown_scope"),
    ],
)
def test_a_wrong_grant_has_the_error_code_of_oauth(
    site: Site, form: dict[str, str], status: int, error: str
) -> None:
    with globus_sdk.ConfidentialAppAuthClient(site.account, site.secret) as auth:
        with pytest.raises(globus_sdk.AuthAPIError) as caught:
            auth.oauth2_token(form)
        assert (caught.value.http_status, caught.value.raw_json) == (status, {"error": error})
        revoked = auth.oauth2_revoke_token("x")
        assert revoked["active"] is False
    with globus_sdk.ConfidentialAppAuthClient(site.account, "wrong") as auth:
        with pytest.raises(globus_sdk.AuthAPIError) as caught:
            auth.oauth2_token(form)
        assert (caught.value.http_status, caught.value.raw_json) == (
            401,
            {"error": "invalid_client"},
        )


def test_only_some_collections_have_a_data_access_scope(site: Site) -> None:
    """Requesting it of another endpoint is an unknown_scope."""
    with globus_sdk.ConfidentialAppAuthClient(site.account, site.secret) as auth:
        scope = globus_sdk.scopes.GCSCollectionScopes(site.source.id).data_access
        scopes = globus_sdk.scopes.TransferScopes.all.with_dependency(scope)
        with pytest.raises(globus_sdk.AuthAPIError) as caught:
            auth.oauth2_client_credentials_tokens(scopes)
        assert caught.value.raw_json == {"error": "unknown_scope"}


def test_the_login_page_rejects_unsupported_parameters(site: Site) -> None:
    """It redirects a code only to this machine, and a code is valid once."""
    app_id = site.world.identity.add_native_app()
    with globus_sdk.NativeAppAuthClient(app_id) as auth:
        auth.oauth2_start_flow(redirect_uri="http://localhost:1/done", requested_scopes="openid")
        url = auth.oauth2_get_authorize_url()
        code = site.world.identity.code_for(url)
        assert auth.oauth2_exchange_code_for_tokens(code)["scope"] == "openid"
        again = api_error(auth.oauth2_exchange_code_for_tokens, code)
        assert again[0] == 401

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_arguments: Any) -> None:
            return None

    def status(changed: str) -> tuple[int, str]:
        try:
            with urllib.request.build_opener(Stay()).open(changed) as answer:
                return answer.status, ""
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers.get("Location") or error.read().decode()

    found = status(url)
    assert (found[0], found[1].partition("?")[0]) == (302, "http://localhost:1/done")
    for change, named in (
        ("&session_required_mfa=True", "session_required_mfa"),
        ("&client_id=x", "client_id"),
        ("&client_id=", "client_id"),
        ("&scope=nonsense", "scope"),
        ("&code_challenge_method=plain", "code_challenge_method"),
        ("&redirect_uri=http%3A%2F%2Fexample.org", "redirect_uri"),
    ):
        parts = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url + change).query, True))
        found = status(f"{url.partition('?')[0]}?{urllib.parse.urlencode(parts)}")
        assert found[0] == 400
        assert f"'{named}'" in found[1]
