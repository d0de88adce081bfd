"""Print, for pip, the lowest versions that setup.py allows, and the tools that the tests need.

Run it where the package is installed: its metadata has the bounds of setup.py. What a user can
install is pinned to the lower bound: the package itself, the sandbox and the alert channels.
"""

from __future__ import annotations

from importlib.metadata import requires

from packaging.requirements import Requirement

SHIPPED = ("", "sandbox", "alerts")
# globus-cli pins a later globus-sdk; the linters do not run here.
LEFT_OUT = ("globus-cli", "import-linter", "mypy", "ruff")


def wanted(requirement: Requirement, *extras: str) -> bool:
    """Return whether the package asks for it, alone or with one of `extras`."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras)


def lowest(requirement: Requirement) -> str:
    """Return the requirement of just its lower bound; raise ValueError if there is not one."""
    [bound] = [each.version for each in requirement.specifier if each.operator == ">="]
    return f"{requirement.name}=={bound}"


def main() -> None:
    """Print one requirement a line."""
    found = [Requirement(line) for line in requires("globus_auto") or ()]
    shipped = {each.name: lowest(each) for each in found if wanted(each, *SHIPPED)}
    tools = {
        each.name: f"{each.name}{sorted(each.extras) or ''}{each.specifier}".replace("'", "")
        for each in found
        if wanted(each, "test") and each.name not in LEFT_OUT
    }
    print("\n".join((tools | shipped).values()))


if __name__ == "__main__":
    main()
