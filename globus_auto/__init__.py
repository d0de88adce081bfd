"""Send new and changed files through Globus; delete at the source what provably arrived."""

__version__ = "1.0.0"

# The level of log lines that tell a decision about one file: in the log, and shown by -v.
DECISION = 15
