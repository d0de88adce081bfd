"""What people ask for: --check, --status, dry runs, and progress."""

from __future__ import annotations

from globus_auto.report.check import check
from globus_auto.report.crontab import crontab
from globus_auto.report.find import find
from globus_auto.report.new_config import init
from globus_auto.report.preview import print_deletions, print_transfers
from globus_auto.report.progress import progress_of
from globus_auto.report.status import status
from globus_auto.report.summary import report

__all__ = [
    "check",
    "crontab",
    "find",
    "init",
    "print_deletions",
    "print_transfers",
    "progress_of",
    "report",
    "status",
]
