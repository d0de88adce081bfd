"""Every alert of the catalogue, made from samples of what its functions take."""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Callable
from typing import Any

from globus_auto.alerts.catalog import (
    collections,
    deletions,
    files,
    login,
    overdue,
    programs,
    transfers,
)
from globus_auto.alerts.model import Alert

MODULES = (programs, login, collections, transfers, files, overdue, deletions)
SAMPLES: dict[str, list[Any]] = {
    "str": ["sample"],
    "str | None": [None, "EXPIRED"],
    "list[str]": [["one"], ["one", "two"]],
    "int": [1, 2],
    "float": [1.0, 24.0],
    "bool": [False, True],
}


def functions() -> list[Callable[..., Alert]]:
    """Return the functions of the catalogue."""
    return [
        function
        for module in MODULES
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if function.__module__ == module.__name__
        and not name.startswith("_")
        and inspect.signature(function).return_annotation == "Alert"
    ]


def alerts_of(function: Callable[..., Alert]) -> list[Alert]:
    """Return the alerts that a function of the catalogue makes of all samples."""
    parameters = inspect.signature(function).parameters
    samples = [SAMPLES[parameter.annotation] for parameter in parameters.values()]
    return [
        function(**dict(zip(parameters, chosen, strict=True)))
        for chosen in itertools.product(*samples)
    ]


def every_alert() -> list[Alert]:
    """Return all alerts that there can be, by samples."""
    return [alert for function in functions() for alert in alerts_of(function)]
