"""The lines for cron."""

from __future__ import annotations

import logging
import os
import shlex

from globus_auto.context import PACKAGE, RunContext
from globus_auto.globus import SECRET

log = logging.getLogger(__name__)


def crontab(context: RunContext) -> int:
    """Print a crontab line for each program: two transfers an hour, and a deletion between them."""
    if SECRET in os.environ and not context.settings.client_secret_file:
        log.warning("cron will not see $%s. Set CLIENT_SECRET_FILE instead.", SECRET)
    config = ["--config", context.settings.config_path] if context.options.config else []
    for minutes, program in (("7,37", "transfer.py"), ("22", "delete.py")):
        script = os.path.join(context.settings.code_path, program)
        if not os.path.isfile(script):  # CODE_PATH may hold only the state
            script = str(PACKAGE / program)
        command = shlex.join([context.settings.python_path, script, *config])
        # In a crontab an unescaped % ends the command.
        print(f"{minutes} * * * * {command}".replace("%", r"\%"))
    return 0
