"""Two directories, the sandbox that serves them, and an unmodified globus-sdk client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import globus_sdk
import pytest

from globus_auto.sandbox.scopes import TRANSFER_ALL
from globus_auto.sandbox.server import Sandbox
from globus_auto.sandbox.world import Endpoint, World


class Site:
    """What a test of the sandbox needs."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.src, self.dst = home / "source", home / "destination"
        self.src.mkdir()
        self.dst.mkdir()
        self.world = World()
        self.source: Endpoint = self.world.add_endpoint(self.src, "source")
        self.destination: Endpoint = self.world.add_endpoint(
            self.dst, "destination", "GCSv5_mapped_collection"
        )
        self.account, self.secret = self.world.identity.add_service_account()
        self.client: globus_sdk.TransferClient
        self.url = ""

    def bearer(self) -> str:
        """Return an Authorization header with a new token of the service account."""
        form = {"scope": TRANSFER_ALL}
        tokens = self.world.identity.client_credentials(form, self.account, "")
        return f"Bearer {tokens['access_token']}"

    def write(self, name: str, content: bytes = b"content") -> Path:
        """Write a file at the source."""
        path = self.src / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def transfer(self, *items: tuple[Any, ...], **options: Any) -> str:
        """Submit a transfer of (source, destination[, recursive]); return the task's id."""
        data = globus_sdk.TransferData(self.source.id, self.destination.id, **options)
        for source, destination, *recursive in items:
            data.add_item(source, destination, **({"recursive": recursive[0]} if recursive else {}))
        return str(self.client.submit_transfer(data)["task_id"])

    def delete(self, *paths: str, **options: Any) -> str:
        """Submit a delete at the source; return the task's id."""
        data = globus_sdk.DeleteData(self.source.id, additional_fields=options)
        for path in paths:
            data.add_item(path)
        return str(self.client.submit_delete(data)["task_id"])

    def skipped_errors(self, task_id: str) -> dict[str, str]:
        """Return the paths that a task skipped, and the error code of each."""
        found = self.client.task_skipped_errors(task_id)
        return {each["source_path"]: each["error_code"] for each in found}

    def transferred(self, task_id: str) -> list[str]:
        """Return the source paths that a task transferred."""
        return [each["source_path"] for each in self.client.task_successful_transfers(task_id)]

    def event_codes(self, task_id: str) -> list[str]:
        """Return the codes of a task's events, newest first."""
        return [each["code"] for each in self.client.task_event_list(task_id)]

    def names(self, path: str = "/", **options: Any) -> list[str]:
        """Return the names in a listing of the source."""
        return [each["name"] for each in self.client.operation_ls(self.source.id, path, **options)]


def api_error(call: Any, *arguments: Any, **options: Any) -> tuple[int, str | None]:
    """Return the HTTP status and the code of the API error that a call must raise."""
    with pytest.raises(globus_sdk.GlobusAPIError) as caught:
        call(*arguments, **options)
    return caught.value.http_status, caught.value.code


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Yield a site whose client does not retry."""
    made = Site(tmp_path)
    with Sandbox(made.world) as sandbox:
        made.url = sandbox.url
        for name, value in sandbox.environment().items():
            monkeypatch.setenv(name, value)
        config = globus_sdk.GlobusAppConfig(token_storage="memory")
        with (
            globus_sdk.ClientApp(
                "tests", client_id=made.account, client_secret=made.secret, config=config
            ) as app,
            globus_sdk.TransferClient(app=app) as made.client,
        ):
            made.client.retry_config.max_retries = 0
            yield made
