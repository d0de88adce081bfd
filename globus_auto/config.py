"""Everything about your transfer that globus_auto needs to know: constants only.

Edit this file, or leave it as it is and give both programs `--config FILE`, where FILE is a
Python file like this one that sets only what differs (its own CODE_PATH always).
Paths at endpoints are POSIX paths. All times are UTC, all sizes bytes.
"""

# --- what goes where --------------------------------------------------------------------------

# The directory whose contents are sent, as the source endpoint names it: an absolute path.
SRC_DIR = ""

# The directory they are sent to. Only what is inside SRC_DIR is copied, so end this path with the
# name that the copy should have: "/archive/run1", not "/archive". It is made where it is missing.
DST_DIR = ""

# The ids of both endpoints (Globus also says collections): the web app shows each as "UUID".
SRC_ID = ""
DST_ID = ""

# --- who asks Globus --------------------------------------------------------------------------

# The id of the application that you registered with Globus for this purpose.
CLIENT_ID = ""

# For a service account instead of a person's login: a file, readable by you alone, that holds the
# client secret. The environment variable GLOBUS_CLIENT_SECRET does the same.
CLIENT_SECRET_FILE = ""

# --- who is told ------------------------------------------------------------------------------

# Alerts come from this address and go to these. With no recipients there is no mail.
EMAIL_SENDER = ""
EMAIL_RECIPIENTS: list[str] = []

# An alert that lasts is repeated after this many hours.
EMAIL_REPEAT_HOURS = 24

# A task without any news for this many hours is an alert, and so is a run that lasts longer.
STALL_HOURS = 24

# Other channels, and mail servers that need a login, in Apprise's notation.
ALERT_URLS: list[str] = []

# Fetched after each good run, with "/fail" appended after a bad one; "{program}" becomes
# "transfer" or "delete". For a service that notices when cron itself has died.
PING_URL = ""

# --- where this program lives -----------------------------------------------------------------

# The directory of datastore, log, locks and tokens, with a slash at its end;
# "" is the directory of this file.
CODE_PATH = ""

# The Python that cron starts; "" is the one that runs now.
PYTHON_PATH = ""

# --- what is sent, and what is deleted --------------------------------------------------------

# Names of files and directories to leave alone, as shell patterns: ["*.tmp", ".*"].
EXCLUDE: list[str] = []

# Leave a file alone until it has not been modified for this many seconds. Set it longer than the
# longest pause that your instrument makes while it has a file open.
SETTLE_SECONDS = 0

# Keep a file at the source for this many days after it was sent.
KEEP_DAYS = 0

# Look for the file at the destination before it is deleted at the source. False only where
# something takes files away there.
VERIFY_DESTINATION = True

# Let delete.py remove empty directories below SRC_DIR.
DELETE_EMPTY_DIRS = True

# Where SRC_DIR is mounted on this machine, if it is: listed directly, thousands of times
# faster than through Globus.
SRC_LOCAL_DIR = ""

# --- the rest need not be edited --------------------------------------------------------------

# The mail server, as host or host:port; encrypted where the server offers it.
EMAIL_HOST = "localhost"
# The first word of a subject, before the name of this machine.
EMAIL_SUBJECT = "globus_auto"

# Names below CODE_PATH, or absolute paths.
DATASTORE_PATH = "datastore"
TOKEN_PATH = "refresh_token"
LOG_PATH = "globus_auto.log"

# The most files that one task is given.
FILES_PER_TASK = 5000

# Listings asked for at once, and calls a second; Globus allows a user 20. 0 sets no limit.
LIST_CONCURRENCY = 8
LIST_CALLS_PER_SECOND = 20

# Globus gives up a delete after this many minutes, so that none lingers while files change.
DELETE_DEADLINE_MINUTES = 15
