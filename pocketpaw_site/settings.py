"""Settings: one file; deployments differ only in environment variables (docs/settings.md lists them).

Two profiles, one code. Embedded: no `REDIS_URL`, SQLite, nothing to install. Server: `DATABASE_URL`
(PostgreSQL) and `REDIS_URL`, any number of web processes and workers on any number of machines.
"""

import hashlib
import os
import socket
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.conf import global_settings
from environs import validate

from agents.backends.programs.allowed import commands
from agents.backends.programs.mcp_settings import McpCommand, mcp_commands, mcp_variables
from agents.backends.programs.sandbox_files import sandbox_paths, skills_folder
from pocketpaw_site import api_settings
from pocketpaw_site.environment import (
    CHECKOUT,
    folder_identity,
    host,
    is_loopback,
    named_class,
    network,
    prepare_data_dir,
    read_environment,
    server_address,
    stored_secret,
)
from pocketpaw_site.log_settings import logging_settings

env = read_environment()
env.add_parser(name="commands", func=commands)
env.add_parser(name="mcp_commands", func=mcp_commands)
env.add_parser(name="mcp_variables", func=mcp_variables)
env.add_parser(name="sandbox_paths", func=sandbox_paths)
env.add_parser(name="skills_folder", func=skills_folder)

BASE_DIR = CHECKOUT
# Whether this process is the web server or a worker, which differ in loaded modules and database settings.
IN_WEB_PROCESS = os.environ.get("MISSION_CONTROL_PROCESS") == "web"
IN_WORKER = os.environ.get("MISSION_CONTROL_PROCESS") == "worker"
DATA_DIR = prepare_data_dir(
    env.path("MISSION_CONTROL_DATA_DIR", BASE_DIR / "var"), folders=["logs", "projects", "staticfiles"]
)

# ---------------------------------------------------------------- access
DEBUG = env.bool("DJANGO_DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "") or stored_secret(DATA_DIR / "secret_key")
HOST = env.str("HOST", "127.0.0.1").strip()
PORT = env.int("PORT", 8000, validate=validate.Range(0, 65535))
ALLOWED_HOSTS: list[str] = env.names("ALLOWED_HOSTS", f"localhost,127.0.0.1,[::1],{HOST}")
CSRF_TRUSTED_ORIGINS: list[str] = env.names("CSRF_TRUSTED_ORIGINS", "")
BEHIND_TLS = env.bool("BEHIND_TLS", False)
if BEHIND_TLS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
# With BEHIND_TLS: for how long browsers must use HTTPS for this host, and whether plain HTTP is redirected.
SECURE_HSTS_SECONDS = (
    env.int("HSTS_SECONDS", 30 * 86_400, validate=validate.Range(0, 63_072_000)) if BEHIND_TLS else 0
)
HTTPS_REDIRECT = env.bool("HTTPS_REDIRECT", True)
# The path below which a proxy serves the product, such as /mission; empty if it has its own host name.
ROOT_PATH = env.str(
    "ROOT_PATH",
    "",
    validate=validate.Regexp(
        r"(?:/[A-Za-z0-9._~-]+)*\Z", error="Must be a path such as /mission, without a trailing slash."
    ),
)
FORCE_SCRIPT_NAME = ROOT_PATH or None
SESSION_COOKIE_PATH = CSRF_COOKIE_PATH = f"{ROOT_PATH}/"
# A browser sends the cookies of a host to all its ports, so each installation has its own names.
_INSTALLATION = hashlib.sha256(f"cookies of {SECRET_KEY}".encode()).hexdigest()[:8]
SESSION_COOKIE_NAME = f"mc_session_{_INSTALLATION}"
CSRF_COOKIE_NAME = f"mc_csrf_{_INSTALLATION}"
MESSAGES_COOKIE_NAME = f"mc_messages_{_INSTALLATION}"
MESSAGE_STORAGE = "pocketpaw_site.http.InstallationMessages"
# The number of failed logins before a pause, and its length (pocketpaw_site/authentication.py).
LOGIN_FAILURES = env.int("MISSION_CONTROL_LOGIN_FAILURES", 10, validate=validate.Range(1, 1000))
LOGIN_LOCK_SECONDS = env.int("MISSION_CONTROL_LOGIN_LOCK_SECONDS", 300, validate=validate.Range(1, 86400))
# How many proxies add to X-Forwarded-For: the client is that many from its end; earlier entries are not trusted.
NUM_PROXIES = env.int("NUM_PROXIES", 1 if BEHIND_TLS else 0, validate=validate.Range(0, 20))
# The addresses and networks that may read /metrics without a login.
METRICS_ALLOWED_ADDRESSES = env.names("METRICS_ALLOWED_ADDRESSES", "", subcast=network)

# ---------------------------------------------------------------- Mission Control's own
# The name of this machine, shown with runs and workers.
HOST_NAME = (env.str("MISSION_CONTROL_HOST_NAME", "") or socket.gethostname())[:255]
# The worker processes of this machine's `manage.py worker`; 0: one more than the limit of runs.
WORKERS = env.int("MISSION_CONTROL_WORKERS", 0, validate=validate.Range(0, 1001))
# The number of slots. Written to the database at start if the variable is set; the admin can change it at any
# time.
MAX_CONCURRENT_TASKS = env.int("MISSION_CONTROL_MAX_CONCURRENT_TASKS", 5, validate=validate.Range(1, 1000))
MAX_CONCURRENT_TASKS_GIVEN = bool(os.environ.get("MISSION_CONTROL_MAX_CONCURRENT_TASKS"))
RUN_TIMEOUT_SECONDS = env.int(
    "MISSION_CONTROL_RUN_TIMEOUT_SECONDS", 4 * 3600, validate=validate.Range(1, 7 * 86400)
)
# How long a worker's silence is tolerated. A worker that cannot renew its lease for so long, while workers of
# other machines are alive, cancels its own agent. Longer than the longest wait for the database (20 s).
LEASE_SECONDS = env.float("MISSION_CONTROL_LEASE_SECONDS", 24.0, validate=validate.Range(0.5, 3600))
# How long a worker tries to store its agent's output and the run's end while the database does not answer.
DATABASE_PATIENCE_SECONDS = env.float(
    "MISSION_CONTROL_DATABASE_PATIENCE_SECONDS", 300.0, validate=validate.Range(0, 86400)
)
# How long an agent that sends heartbeats may be silent before it is shown as offline.
HEARTBEAT_SECONDS = env.int("MISSION_CONTROL_HEARTBEAT_SECONDS", 300, validate=validate.Range(1, 7 * 86400))
# How often changes may be requested for a task before it must be approved or changed by hand.
MAX_REVIEW_ROUNDS = env.int("MISSION_CONTROL_MAX_REVIEW_ROUNDS", 5, validate=validate.Range(1, 1000))
# The interval of the reminders of an undecided review.
REVIEW_REMINDER_HOURS = env.int("MISSION_CONTROL_REVIEW_REMINDER_HOURS", 24, validate=validate.Range(1, 8760))
DEFAULT_BACKEND = env.str("MISSION_CONTROL_DEFAULT_BACKEND", "claude_agent_sdk")
# The backend of the default planner, which is created if needed. Empty: the default backend.
PLANNER_BACKEND = env.str("MISSION_CONTROL_PLANNER_BACKEND", "")
PLAN_MAX_TASKS = env.int("MISSION_CONTROL_PLAN_MAX_TASKS", 100, validate=validate.Range(1, 500))
# How long the planner may be silent while a request waits for the analysis of a goal.
GOAL_SILENCE_SECONDS = env.float("MISSION_CONTROL_GOAL_SILENCE_SECONDS", 60.0, validate=validate.Range(0.5, 3600))
PROMPT_BUDGET_CHARS = env.int(
    "MISSION_CONTROL_PROMPT_BUDGET_CHARS", 200_000, validate=validate.Range(1_000, 5_000_000)
)
MAX_OUTPUT_CHARS = env.int(
    "MISSION_CONTROL_MAX_OUTPUT_CHARS", 5_000_000, validate=validate.Range(1_000, 5_000_000)
)
# Further limits of each run; an agent may have stricter ones. 0: no limit.
MAX_IDLE_SECONDS = env.int("MISSION_CONTROL_MAX_IDLE_SECONDS", 1800, validate=validate.Range(0, 7 * 86400))
MAX_TOTAL_TOKENS = env.int("MISSION_CONTROL_MAX_TOTAL_TOKENS", 0, validate=validate.Range(0, 1_000_000_000))
MAX_COST_USD = env.float("MISSION_CONTROL_MAX_COST_USD", 0.0, validate=validate.Range(0, 1_000_000))
# How often a temporarily failed call of an agent is retried; the first pause, which grows.
RETRIES = env.int("MISSION_CONTROL_RETRIES", 4, validate=validate.Range(0, 20))
RETRY_SECONDS = env.float("MISSION_CONTROL_RETRY_SECONDS", 2.0, validate=validate.Range(0.05, 300))
# Whether a run is parked while its account's quota is used up. The longest wait, whatever the provider says, and
# the first pause if it does not say until when.
PARK_ON_QUOTA = env.bool("MISSION_CONTROL_PARK_ON_QUOTA", True)
MAX_PARK_SECONDS = env.int("MISSION_CONTROL_MAX_PARK_SECONDS", 7 * 86400, validate=validate.Range(60, 31 * 86400))
PARK_RETRY_SECONDS = env.float("MISSION_CONTROL_PARK_RETRY_SECONDS", 300.0, validate=validate.Range(1, 3600))
# How long a run keeps its slot while an agent waits for an answer, before it is parked; and how long a question is
# open if its agent does not say.
QUESTION_HOLD_SECONDS = env.float("MISSION_CONTROL_QUESTION_HOLD_SECONDS", 30.0, validate=validate.Range(0, 86400))
QUESTION_EXPIRY_SECONDS = env.int(
    "MISSION_CONTROL_QUESTION_EXPIRY_SECONDS", 86400, validate=validate.Range(1, 366 * 86400)
)
SAMPLE_PROJECT = env.bool("MISSION_CONTROL_SAMPLE", True)
# How many event streams (`GET …/runs/{id}/stream`) one user may have open in each web process.
MAX_STREAMS_PER_USER = env.int("MISSION_CONTROL_MAX_STREAMS_PER_USER", 100, validate=validate.Range(1, 10_000))
MAX_BODY_BYTES = DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
# Files for the working folders of agents; a request with all of them may be this large (http.py: `body_limit`).
MAX_FILE_BYTES, MAX_FILES_AT_ONCE = 25 * 1024 * 1024, 10
MAX_UPLOAD_BYTES = MAX_FILE_BYTES * MAX_FILES_AT_ONCE + 1024 * 1024
PROJECTS_DIR = DATA_DIR / "projects"
CACHES_DIR = DATA_DIR / "caches"  # what the tools of agents download, for each project
CONVERSATIONS_DIR = DATA_DIR / "conversations"  # of agents' programs in the sandbox
# A third party's backend is a name and the dotted path of its class.
MISSION_CONTROL_BACKENDS: dict[str, str] = dict(
    env.names("MISSION_CONTROL_EXTRA_BACKENDS", "", subcast=named_class)
)
# Programs that agents may run by name: the names of presets, or a JSON object (docs/backends/command.md).
MISSION_CONTROL_COMMANDS: dict[str, dict[str, Any]] = env.commands("MISSION_CONTROL_COMMANDS", "")
# Whether the product looks for agents on this machine, and where it expects model servers (host:port).
FIND_AGENTS = env.bool("MISSION_CONTROL_FIND_AGENTS", True)
FIND_MODEL_SERVERS = [
    address
    for address in env.names(
        "MISSION_CONTROL_FIND_MODEL_SERVERS",
        "127.0.0.1:11434,127.0.0.1:1234,127.0.0.1:8000,127.0.0.1:8080",
        subcast=server_address,
    )
    if address != f"127.0.0.1:{PORT}"  # the product itself
]
# Who decides which programs agents may run and which keys they have: `auto` also lets a superuser decide, on the
# page, where nobody but this machine's users can reach the product; `environment` never does.
CONNECTIONS = env.str("MISSION_CONTROL_CONNECTIONS", "auto", validate=validate.OneOf(["auto", "environment"]))
CONNECTIONS_BY_PAGE = (
    CONNECTIONS == "auto" and not (BEHIND_TLS or NUM_PROXIES) and all(map(is_loopback, {HOST, *ALLOWED_HOSTS}))
)
AGENT_ISOLATION = env.str(
    "MISSION_CONTROL_AGENT_ISOLATION",
    "auto",
    validate=validate.Regexp(
        r"(?:auto|bubblewrap|none|user:[a-z_][a-z0-9_.-]{0,31})\Z",
        error="Must be auto, bubblewrap, user:<name> or none.",
    ),
)

# ---------------------------------------------------------------- applications
# Daphne's app adds nothing but a `runserver` that speaks ASGI, and costs a process 13 MB and 0.3 s.
INSTALLED_APPS = [
    *(["daphne"] if "runserver" in sys.argv[1:2] else []),
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "django_filters",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "axes",
    "django_q",
    "agents",
    "mission_control",
    "pocketpaw_site",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "pocketpaw_site.http.Compression",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "pocketpaw_site.http.Health",
    "pocketpaw_site.http.HttpsOnly",
    "pocketpaw_site.http.Whereabouts",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "mission_control.web.middleware.VisibleTricks",
    "pocketpaw_site.http.OutageResponses",
    "pocketpaw_site.authentication.LoginLimits",
]

ROOT_URLCONF = "pocketpaw_site.urls"
ASGI_APPLICATION = "pocketpaw_site.asgi.application"
APPEND_SLASH = True

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "loaders": [
                (
                    "django.template.loaders.cached.Loader",
                    ["pocketpaw_site.templates.Loader", "django.template.loaders.app_directories.Loader"],
                )
            ],
            "builtins": ["mission_control.templatetags.markup"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "mission_control.web.shared.views.rights",
            ],
        },
    },
]

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["pocketpaw_site.authentication.LimitedLogin"]
PASSWORD_HASHERS = ["pocketpaw_site.authentication.Hasher", *global_settings.PASSWORD_HASHERS[1:]]
AXES_HANDLER = "pocketpaw_site.authentication.Failures"
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"], "ip_address", "username"]
AXES_FAILURE_LIMIT = LOGIN_FAILURES
AXES_COOLOFF_TIME = timedelta(seconds=LOGIN_LOCK_SECONDS)
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # otherwise an attacker could lock the user out for ever
AXES_CLIENT_IP_CALLABLE = "pocketpaw_site.authentication.counted_address"
AXES_LOCKOUT_CALLABLE = "pocketpaw_site.authentication.refuse"
AXES_SENSITIVE_PARAMETERS = [
    *["username", "ip_address", "csrfmiddlewaretoken"],
    *["old_password", "new_password1", "new_password2"],
]
AXES_DISABLE_ACCESS_LOG = True  # no row for each login: the log has a line
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
SILENCED_SYSTEM_CHECKS = ["axes.W002"]  # its middleware is here, as the base of LoginLimits
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "board"
LOGOUT_REDIRECT_URL = "login"

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

STATIC_URL = f"{ROOT_PATH}/static/"
STATIC_ROOT = DATA_DIR / "staticfiles"
WHITENOISE_USE_FINDERS = True  # served from the source folders: nothing to collect before the first start

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

# ---------------------------------------------------------------- database
# The web process uses psycopg's pool, each worker one lasting connection (a pool does not survive a fork).
DATABASE_WAIT_SECONDS = 20
DATABASE_POOL_SIZE = env.int("DATABASE_POOL_SIZE", 20, validate=validate.Range(1, 1000))

DATABASES = {"default": env.dj_db_url("DATABASE_URL", f"sqlite:///{DATA_DIR / 'mission_control.sqlite3'}")}
_database = DATABASES["default"]
EMBEDDED_DATABASE = _database["ENGINE"] == "django.db.backends.sqlite3"
if EMBEDDED_DATABASE:
    _database["ENGINE"] = "pocketpaw_site.sqlite"  # Django's, but the transactions of a process take turns
    # IMMEDIATE: a transaction takes the write lock at its start, so that it cannot fail at its end.
    # FULL: what the API has acknowledged survives a power cut; for workers' event batches NORMAL is enough.
    # A thread of the web process keeps its connection, but a file that was replaced is noticed within a minute.
    _database["CONN_MAX_AGE"] = 60 if IN_WEB_PROCESS else None
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": DATABASE_WAIT_SECONDS,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=" + ("NORMAL;" if IN_WORKER else "FULL;"),
    }
    # Tests use a file, too: races are real only between connections.
    _database["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    _database["ENGINE"] = "pocketpaw_site.postgresql"  # Django's, with a pool that recovers at once
    _database["CONN_MAX_AGE"] = 0 if IN_WEB_PROCESS else 60
    _database["CONN_HEALTH_CHECKS"] = True
    # A server or network that silently disappears is detected within about ten seconds, instead of 15 minutes.
    _database["OPTIONS"] = {
        "application_name": f"mission_control {os.environ.get('MISSION_CONTROL_PROCESS', 'command')}",
        "connect_timeout": 5,
        "tcp_user_timeout": 10_000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        **_database.get("OPTIONS", {}),
    }
    if IN_WEB_PROCESS:
        _database["OPTIONS"]["pool"] = {
            "min_size": 1,
            "max_size": DATABASE_POOL_SIZE,
            "timeout": 15,
        }

# Distinguishes the workers of this installation and folder from those of any other, including a restored copy.
DATA_FOLDER_ID = folder_identity(
    DATA_DIR / "folder_id", *(_database.get(part) for part in ("HOST", "PORT", "NAME"))
)

# Which model servers agents may name in `base_url`, as host or host:port; empty: any.
MODEL_SERVERS: list[str] = env.names("MISSION_CONTROL_MODEL_SERVERS", "", subcast=host)
# MCP servers for agents (docs/tools.md): programs that agents may start by name; variables that headers may use,
# each with the host that may receive it; the hosts that agents may name, inside the network too (empty: any public
# one).
MCP_COMMANDS: dict[str, McpCommand] = env.mcp_commands("MISSION_CONTROL_MCP_COMMANDS", "")
MCP_VARIABLES: frozenset[tuple[str, str]] = env.mcp_variables("MISSION_CONTROL_MCP_VARIABLES", "")
MCP_HOSTS: list[str] = env.names("MISSION_CONTROL_MCP_HOSTS", "", subcast=host)
# The operator's folder of skills, which all agents can read.
SKILLS_DIR: Path | None = env.skills_folder("MISSION_CONTROL_SKILLS", "")
# Paths that an isolated program never sees.
CLOSED_TO_AGENTS = [BASE_DIR, DATA_DIR]
if EMBEDDED_DATABASE:
    CLOSED_TO_AGENTS.append(Path(_database["NAME"]))
if env_file := os.environ.get("MISSION_CONTROL_ENV_FILE"):
    CLOSED_TO_AGENTS.append(Path(env_file))
# Paths that every isolated program sees.
SANDBOX_PATHS = env.sandbox_paths("MISSION_CONTROL_SANDBOX_PATHS", "", closed=CLOSED_TO_AGENTS)

# ---------------------------------------------------------------- channel layers
# "default" carries what workers publish to every web process; "process" is local to each web process: on it the
# relay passes on what the process's sockets and streams subscribe to. In the embedded profile the two are one.
REDIS_URL = env.str("REDIS_URL", "")
# Two installations may share a Redis server: their names differ by their secret keys.
REDIS_PREFIX = "mission_control." + hashlib.sha256(SECRET_KEY.encode()).hexdigest()[:12]
_IN_MEMORY = {
    "BACKEND": "mission_control.compat.channels.ProcessLayer",
    "CONFIG": {"capacity": 2_000},
}
CHANNEL_LAYERS = {"default": _IN_MEMORY, "process": _IN_MEMORY}
if REDIS_URL:
    CHANNEL_LAYERS["default"] = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {
            "hosts": [{"address": REDIS_URL, "socket_connect_timeout": 2, "socket_timeout": 5}],
            "prefix": REDIS_PREFIX,
            "symmetric_encryption_keys": [SECRET_KEY],
        },
    }

# ---------------------------------------------------------------- jobs
# These depend on each other: own deadline < timeout < retry; one delivery; one spare worker beside the slots.
Q_CLUSTER: dict[str, Any] = {
    "name": "mission_control",
    "orm": "default",
    "broker_class": "mission_control.queue.broker.WakeupBroker",
    "workers": MAX_CONCURRENT_TASKS + 1,
    "queue_limit": 1,
    "bulk": 1,
    "timeout": RUN_TIMEOUT_SECONDS + 120,
    "retry": RUN_TIMEOUT_SECONDS + 240,
    "max_attempts": 1,
    "ack_failures": True,
    "catch_up": False,
    "save_limit": -1,
    "recycle": 500,
    "daemonize_workers": False,
    "label": "Jobs",
    "log_level": "WARNING",
}

# ---------------------------------------------------------------- REST
REST_FRAMEWORK = {**api_settings.REST_FRAMEWORK, "NUM_PROXIES": NUM_PROXIES}
SPECTACULAR_SETTINGS = api_settings.SPECTACULAR_SETTINGS
# The prefix marks our tokens, so that they can be removed from agents' output.
REST_KNOX = {"TOKEN_PREFIX": "mct_", "AUTH_HEADER_PREFIX": "Bearer", "TOKEN_TTL": None, "AUTO_REFRESH": False}
KNOX_TOKEN_MODEL = "mission_control.AccessToken"  # noqa: S105 - a model's name
# knox's migrations create the table of its own model, which ours replaces.
MIGRATION_MODULES = {"knox": None}

# ---------------------------------------------------------------- logs
LOG_LEVEL = env.str("LOG_LEVEL", "INFO", validate=validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"]))
LOGGING = logging_settings(DATA_DIR / "logs", LOG_LEVEL)
