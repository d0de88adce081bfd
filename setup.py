"""Metadata and dependencies; `pip install -e .` keeps the config.py that you edit in force."""

import re
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.sdist import sdist

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
# import-linter checks the layers of the architecture, build makes the sdist and the wheel.
TEST = [
    "aiosmtpd>=1.4.4",
    "build>=1",
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

HERE = Path(__file__).parent
[VERSION] = re.findall(
    '^__version__ = "(.*)"',
    (HERE / "globus_auto" / "__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
)
# Pictures are files of the repository, which a package index does not show.
DESCRIPTION = re.sub(r"^!\[.*\n", "", (HERE / "README.md").read_text("utf-8"), flags=re.MULTILINE)


class CompleteSdist(sdist):
    """An sdist with the tests, which run from it, and the other documents of a clone."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        """Copy `files`, and what is not part of the package, into the new directory `base_dir`."""
        more = [".pre-commit-config.yaml", "CONTRIBUTING.md"]
        for directory in (".ci", "tests"):
            found = [path for path in Path(directory).rglob("*") if path.is_file()]
            more += [str(path) for path in found if "__pycache__" not in path.parts]
        super().make_release_tree(base_dir, sorted({*files, *more}))


setup(
    name="globus_auto",
    version=VERSION,
    description="Cron-driven Globus transfers, and deletion of what is verified at the destination",
    long_description=DESCRIPTION,
    long_description_content_type="text/markdown",
    author="globus_auto contributors",
    license="BSD-3-Clause",
    license_files=["globus_auto/LICENSE"],
    keywords="globus transfer archive cron instrument beamline",
    classifiers=[
        "Development Status :: 5 - Production/Stable",
        "Environment :: Console",
        "Intended Audience :: Science/Research",
        "Intended Audience :: System Administrators",
        "Operating System :: MacOS",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Scientific/Engineering",
        "Topic :: System :: Archiving",
        "Typing :: Typed",
    ],
    cmdclass={"sdist": CompleteSdist},
    python_requires=">=3.10",
    packages=find_packages(include=["globus_auto", "globus_auto.*"]),
    package_data={"globus_auto": ["py.typed"]},
    # Alerts refer to README.md, also where there is no clone.
    data_files=[("share/doc/globus_auto", ["CHANGELOG.md", "README.md", "crontab.example"])],
    install_requires=RUNTIME,
    extras_require={
        "sandbox": SANDBOX,
        "alerts": ALERTS,
        "test": [*TEST, *SANDBOX, *ALERTS],
    },
    entry_points={
        "console_scripts": [
            "globus-auto-transfer = globus_auto.transfer:main",
            "globus-auto-delete = globus_auto.delete:main",
        ]
    },
)
