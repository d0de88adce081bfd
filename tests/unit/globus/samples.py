"""Answers of Globus for tests without HTTP."""

from __future__ import annotations

import json

import globus_sdk
import requests


def api_error(
    status: int, code: str = "", *, message: str = "planned", **headers: str
) -> globus_sdk.TransferAPIError:
    """Return what globus-sdk raises for this answer; without a `code` it is not of Globus."""
    response = requests.Response()
    response.status_code = status
    response.headers.update({"Content-Type": "application/json", **headers})
    response._content = json.dumps({"code": code, "message": message} if code else {}).encode()
    response.request = requests.Request("POST", "https://transfer.api.globus.org/").prepare()
    return globus_sdk.TransferAPIError(response)
