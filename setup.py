"""Metadata and dependencies; `pip install -e .` keeps the config.py that you edit in force."""

import re
from pathlib import Path

from setuptools import find_packages, setup

# .ci/run reads the lower bounds of these three lists from here, and runs the tests with them.
# globus-sdk talks to Globus: retries, login, token storage; before 4.2 its clients cannot be
# closed. msgspec reads and writes a datastore of a million files within seconds, typed. rich draws
# progress bars and tables.
RUNTIME = ["globus-sdk>=4.2,<5", "msgspec>=0.19", "rich>=13"]
# Starlette and uvicorn are the HTTP service of the sandbox.
SANDBOX = ["starlette>=0.37", "uvicorn>=0.29"]
# Apprise reaches the alert channels that are not plain mail.
ALERTS = ["apprise>=1.8"]
# aiosmtpd is a real mail server, hypothesis makes stories, time-machine sets the clock,
# globus-cli is an unmodified client that the sandbox must serve, responses what
# globus_sdk.testing, with its recorded answers, needs to be imported. pytest-xdist uses all cores,
# import-linter checks the layers of the architecture.
TEST = [
    "aiosmtpd>=1.4.4",
    "coverage[toml]>=7.10",
    "globus-cli>=3.30",
    "hypothesis>=6.100",
    "import-linter>=2.17",
    "mypy>=1.10",
    "pytest>=8",
    "pytest-xdist>=3.5",
    "responses>=0.25",
    "ruff>=0.5",
    "time-machine>=2.14",
]

# leather draws the benchmarks' picture, as a small SVG; globus-cli is one of the peers.
BENCH = ["globus-cli>=3.30", "leather>=0.4"]

PACKAGE = Path(__file__).parent / "globus_auto" / "__init__.py"
[VERSION] = re.findall('^__version__ = "(.*)"', PACKAGE.read_text(encoding="utf-8"), re.MULTILINE)

setup(
    name="globus_auto",
    version=VERSION,
    description="Cron-driven Globus transfers, and deletion of what is verified at the destination",
    long_description=(Path(__file__).parent / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    python_requires=">=3.10",
    packages=find_packages(include=["globus_auto", "globus_auto.*"]),
    package_data={"globus_auto": ["py.typed"]},
    install_requires=RUNTIME,
    extras_require={
        "sandbox": SANDBOX,
        "alerts": ALERTS,
        "bench": [*BENCH, *SANDBOX],
        "test": [*TEST, *SANDBOX, *ALERTS],
    },
    entry_points={
        "console_scripts": [
            "globus-auto-transfer = globus_auto.transfer:main",
            "globus-auto-delete = globus_auto.delete:main",
        ]
    },
)
