"""Send new and changed files with Globus; delete them from the source once they are verified."""

__version__ = "1.0.0"

# The level of log lines about one file: always in the log, on stderr only with -v.
DECISION = 15
