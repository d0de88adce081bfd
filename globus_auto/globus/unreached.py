"""Which host could not be reached, and why, in few words."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from http.client import BadStatusLine, RemoteDisconnected
from socket import gaierror
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies

import globus_sdk

MOST_CAUSES = 10


class Unreached(NamedTuple):
    """A host that could not be reached, the proxy on the way ("" if there is none), and why."""

    host: str
    proxy: str
    cause: str

    def __str__(self) -> str:
        return f"{self.host}{f' by the proxy {self.proxy}' if self.proxy else ''}: {self.cause}"


def unreached(error: globus_sdk.NetworkError) -> Unreached:
    """Return which host a request was sent to, and what the network said."""
    causes = list(_causes(error.underlying_exception))
    request = getattr(causes[0], "request", None)
    address = urlsplit(str(getattr(request, "url", "")))
    through_proxy = any(type(cause).__name__ == "ProxyError" for cause in causes)
    proxy = _host(getproxies().get(address.scheme, "")) if through_proxy else ""
    return Unreached(address.hostname or "Globus", proxy, _in_words(causes[-1]))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and its causes, as requests and urllib3 nest them."""
    found: BaseException | None = error
    for _ in range(MOST_CAUSES):
        if found is None:
            return
        yield found
        inside = (getattr(found, "reason", None), *found.args, found.__cause__)
        found = next((each for each in inside if isinstance(each, BaseException)), None)


def _host(proxy: str) -> str:
    """Return host and port of a proxy, without its password."""
    address = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return address.netloc.rpartition("@")[2]


def _in_words(cause: BaseException) -> str:
    if isinstance(cause, gaierror):
        return f"its name cannot be resolved ({cause.strerror})"
    if isinstance(cause, ssl.SSLError):
        return re.sub(r"^\[.*?\] *| *\(_ssl.*\)$", "", cause.strerror or str(cause))
    if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
        return "no answer in time"
    if isinstance(cause, RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(cause, BadStatusLine):
        return "its answer was not HTTP"
    strerror = cause.strerror if isinstance(cause, OSError) else None
    return strerror or str(cause) or type(cause).__name__
