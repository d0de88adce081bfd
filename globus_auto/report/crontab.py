"""--crontab: the lines for cron."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator

from globus_auto.context import RunContext
from globus_auto.globus import SECRET

log = logging.getLogger(__name__)


def crontab(context: RunContext) -> int:
    """Print the lines for both programs, at times of this pair's own, and where cron mails to."""
    settings = context.settings
    if SECRET in os.environ and not settings.client_secret_file:
        log.warning("cron will not see $%s. Set CLIENT_SECRET_FILE instead.", SECRET)
    print(f"# globus_auto: {settings.src_dir} to {settings.dst_dir}")
    if settings.email_recipients:
        print(f"MAILTO={','.join(settings.email_recipients)}")
    else:
        print("#MAILTO=you@example.org")
    seed = "\n".join((settings.config_path, *settings.pair))
    for times, program, *options in schedule(seed):
        # In a crontab an unescaped % ends the command.
        print(f"{times} {context.command(program, *options)}".replace("%", r"\%"))
    return 0


def schedule(seed: str) -> Iterator[tuple[str, ...]]:
    """Yield the times of each line, the program, and its options.

    They are two transfers an hour, a deletion between them and, in a night of the weekend, a
    comparison of all files; on Monday the report. Pairs of another `seed` have other times, so that
    they do not all start at once. No two lines of a pair share a minute: of two runs of a program
    the later one would exit.
    """
    number = int(hashlib.sha256(seed.encode("utf-8", "surrogateescape")).hexdigest(), 16)
    number, minute = divmod(number, 30)
    number, hour = divmod(number, 5)
    yield f"{minute},{minute + 30} * * * *", "transfer"
    yield f"{(minute + 15) % 60} * * * *", "delete"
    yield f"{(minute + 22) % 60} {hour} * * {6 * (number % 2)}", "transfer", "--full"
    yield f"{(minute + 7) % 60} 7 * * 1", "transfer", "--report"
