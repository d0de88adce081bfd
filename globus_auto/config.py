"""The settings of globus_auto: constants only.

Edit this file. Or leave it unchanged and run both programs with `--config FILE`: FILE is a Python
file like this one that sets only what differs, and always its own CODE_PATH.
Paths at collections are POSIX paths.
"""

# --- what is transferred, and where to --------------------------------------------------------

# The source directory: an absolute path, as the source collection shows it. Its contents are
# transferred, not the directory itself.
SRC_DIR = ""

# The destination directory: an absolute path, as the destination collection shows it. Only what is
# inside SRC_DIR is copied, so end this path with the name that the copy should have:
# "/archive/run1", not "/archive". Globus makes it if it does not exist.
DST_DIR = ""

# The UUID of the source collection, from its page in the Globus web app.
SRC_ID = ""

# The UUID of the destination collection.
DST_ID = ""

# --- login ------------------------------------------------------------------------------------

# The UUID of the application that you registered at https://app.globus.org/settings/developers.
CLIENT_ID = ""

# Only for a service account: a file with the client secret, as an absolute path or below
# CODE_PATH. Only you may be able to read it (chmod 600). "" means that the environment variable
# GLOBUS_CLIENT_SECRET is used or, if that is not set, the login of a person.
CLIENT_SECRET_FILE = ""

# --- which files are transferred and deleted --------------------------------------------------

# Names of files and directories that are neither transferred nor deleted: a list of shell patterns
# for one name, without a slash, e.g. ["*.tmp", ".*"].
EXCLUDE: list[str] = []

# A file is transferred only when it has not been modified for this many seconds. Choose more than
# the longest pause of your instrument while it has a file open; 0 means at once.
SETTLE_SECONDS = 0

# A file stays at the source for this many days after its transfer has ended; 0 means not at all.
KEEP_DAYS = 0

# While one of these names is in a directory, in any case, all that is in it and below stays at the
# source: a list of shell patterns for one name. In SRC_DIR itself it is a pause of all deletion.
KEEP_MARKERS: list[str] = ["DO_NOT_DELETE*"]

# Before a file is deleted at the source, check that its copy is at the destination. "checksum":
# Globus also compares the contents of both first, which reads them again. False: delete without any
# check, only where files are removed there on purpose, e.g. by a tape archive.
VERIFY_DESTINATION: bool | str = True

# The config files of other pairs that send the same source elsewhere: a list of absolute paths. A
# file is deleted only when each of them has delivered it, and its copy there is verified as well.
ALSO_AT: list[str] = []

# delete.py removes empty directories below SRC_DIR.
DELETE_EMPTY_DIRS = True

# The directory at which SRC_DIR is mounted on this machine: an absolute path. It is scanned
# thousands of times faster than through Globus. "" means that SRC_DIR is not mounted here.
SRC_LOCAL_DIR = ""

# Verified files stay at the source while this share of its disk is free, in percent; below it, the
# oldest are deleted until it is free again. Needs SRC_LOCAL_DIR. 0 means that no file stays for it.
FREE_PERCENT = 0

# --- alerts -----------------------------------------------------------------------------------

# The address that alert mail comes from.
EMAIL_SENDER = ""

# The addresses that alert mail goes to: a list of strings. An empty list means no mail.
EMAIL_RECIPIENTS: list[str] = []

# Alerts that are still open are sent again after this many hours.
EMAIL_REPEAT_HOURS = 24

# You get an alert if a transfer makes no progress, a file cannot be deleted, or a run does not end
# for this many hours.
STALL_HOURS = 24

# Other channels for alerts, and mail servers that require a login: Apprise URLs, as a list of
# strings.
ALERT_URLS: list[str] = []

# A URL that is fetched after each run, with "/fail" appended if the exit code is not 0. "{program}"
# in it becomes "transfer" or "delete". Use it with a service that notices when cron itself stops.
PING_URL = ""

# --- for an instrument that nobody watches ----------------------------------------------------

# You get an alert if no new file has appeared in SRC_DIR for this many hours. Choose more than an
# ordinary pause, such as a weekend; 0 means never.
SILENT_HOURS = 0

# A directory is transferred only when these files are in it, which the instrument writes when it is
# done, and is deleted as a whole: patterns for paths below SRC_DIR, e.g. ["*/RTAComplete.txt"].
READY_MARKERS: list[str] = []

# --- this installation ------------------------------------------------------------------------

# The directory of the datastore, the log, the locks and the tokens: an absolute path with a slash
# at the end. "" means the directory of this file. A file used with --config must always set it.
CODE_PATH = ""

# The Python interpreter that --crontab and the login instructions show: an absolute path. "" means
# the one that is running.
PYTHON_PATH = ""

# --- you rarely need to change these ----------------------------------------------------------

# The mail server: host or host:port (port 25 if you leave it out). Mail to it is encrypted if it
# offers that.
EMAIL_HOST = "localhost"

# The first word of the subject of alert mail, before the name of this machine.
EMAIL_SUBJECT = "globus_auto"

# The datastore, which records what was transferred: an absolute path, or one below CODE_PATH.
DATASTORE_PATH = "datastore"

# The file that stores the login: an absolute path, or one below CODE_PATH.
TOKEN_PATH = "refresh_token"

# The log file: an absolute path, or one below CODE_PATH.
LOG_PATH = "globus_auto.log"

# The directory of the history, which records what happened to each file: an absolute path,
# or one below CODE_PATH.
HISTORY_PATH = "history"

# The largest number of files in one task; a recursive task has no limit.
FILES_PER_TASK = 5000

# A directory without subdirectories that has not been modified since it was listed is listed again
# only once in so many hours. For many directories; 0 means in each run.
RESCAN_HOURS = 0

# How many directories are listed through Globus at once, at most. 0 means as many as
# LIST_CALLS_PER_SECOND needs at the latency of the answers.
LIST_CONCURRENCY = 0

# How many calls a second list directories through Globus, which allows 20 per user. 0 means no
# limit.
LIST_CALLS_PER_SECOND = 20

# Globus abandons a delete task that has not ended after this many minutes, so that none lingers
# while files change. A whole number, at least 1.
DELETE_DEADLINE_MINUTES = 15
