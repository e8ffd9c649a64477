"""Eve's settings, all from the environment.

Every variable is typed, and may be given as ``NAME_FILE``, a file that holds it (:mod:`eve_site.environment`). Mistakes are said by the numbered
checks of :mod:`eve_site.checks`. docs/settings.md lists all variables.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django_stubs_ext
from csp.constants import NONE, SELF

from common.sentences import gettext_lazy as _

from .channel_redis import channel_connection
from .environment import Environment
from .logs import logging_config, logs_configure

BASE_DIR = Path(__file__).resolve().parent.parent

django_stubs_ext.monkeypatch()  # Django's own generic classes, such as ModelAdmin[User], can be subscripted at run time

DAY_SECONDS = 24 * 3600

ENVIRONMENT = env = Environment(os.environ)

# ---------------------------------------------------------------------------------------------- Where things are

STATE_DIR = env.folder("EVE_STATE_DIR", BASE_DIR / "var")
DEBUG = env.flag("EVE_DEBUG", default=False)
SECRET_KEY = env.text("EVE_SECRET_KEY")
PUBLIC_URL = env.origin("EVE_PUBLIC_URL", "http://127.0.0.1:8000")
"""The address that people and agents use: scheme, host and port, nothing behind."""
BIND = env.address("EVE_BIND", "127.0.0.1")
PORT = env.whole("EVE_PORT", 8000, least=1, most=65535)
EMBEDDED = env.flag("EVE_EMBEDDED", default=True)
"""Whether the server runs the watcher and the operation worker itself."""
TRUSTED_PROXIES = env.networks("EVE_TRUSTED_PROXIES")
"""Addresses or networks whose X-Forwarded-* headers are believed."""

_public = urlsplit(PUBLIC_URL)
_host = f"[{_public.hostname}]" if ":" in (_public.hostname or "") else _public.hostname or "127.0.0.1"
ALLOWED_HOSTS = env.texts("EVE_ALLOWED_HOSTS", sorted({_host, "127.0.0.1", "localhost", "[::1]"}))
ALLOWED_ORIGINS = [PUBLIC_URL.lower(), *(origin.lower() for origin in env.origins("EVE_ALLOWED_ORIGINS"))]
"""Exact origins (scheme, host, port) of pages that may open websockets and post forms."""
CSRF_TRUSTED_ORIGINS = ALLOWED_ORIGINS

# ---------------------------------------------------------------------------------------------- What Eve is made of

INSTALLED_APPS = [
    "daphne",
    "accounts.apps.EveAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_tasks",
    "csp",
    "eve_site",
    "common",
    "accounts",
    "operations",
    "hypervisors",
    "vms",
    "consoles",
    "notifications",
]

MIDDLEWARE = [
    "common.middleware.RequestContextMiddleware",
    "eve_site.loops.RedirectLoopMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "eve_site.form_addresses.FormAddressMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "accounts.middleware.SessionUseMiddleware",
    "accounts.middleware.SecondFactorMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

ROOT_URLCONF = "eve_site.urls"
ASGI_APPLICATION = "eve_site.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "common.answers.Templates",
        "NAME": "django",  # as DRF and others call it
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "common.templatetags.eve",
                "common.templatetags.sentences",
            ],
        },
    }
]

# ---------------------------------------------------------------------------------------------- Data

_SQLITE_OPTIONS: dict[str, Any] = {
    "timeout": 20,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON;",
}
_database = env.database("DATABASE_URL", f"sqlite:///{STATE_DIR / 'db.sqlite3'}")
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["OPTIONS"] = {**_SQLITE_OPTIONS, **_database.get("OPTIONS", {})}
else:
    _database.setdefault("CONN_MAX_AGE", 0)
    _database.setdefault("CONN_HEALTH_CHECKS", True)
DATABASES = {"default": _database}
THREADS_KEEP_CONNECTIONS_SECONDS = 60
"""For threads that live as long as the process (:class:`common.threads.DatabaseThreads`)."""

REDIS_URL = env.redis("REDIS_URL")
CHANNEL_LAYERS: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": [channel_connection(REDIS_URL)], "capacity": 1000},
    }
    if REDIS_URL
    else {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1000}}
}
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "common.cache.DispensableRedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {"socket_timeout": 2, "socket_connect_timeout": 2},
    }
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# ---------------------------------------------------------------------------------------------- Signing in

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
PASSWORD_RESET_TIMEOUT = 3600
LOGIN_TOKEN_SECONDS = env.whole("EVE_LOGIN_TOKEN_SECONDS", DAY_SECONDS, least=600, most=90 * DAY_SECONDS)
LOGIN_LIMIT_WINDOW_SECONDS = env.whole("EVE_LOGIN_LIMIT_WINDOW_SECONDS", 900, least=60, most=DAY_SECONDS)
LOGIN_LIMIT_PER_ACCOUNT = env.whole("EVE_LOGIN_LIMIT_PER_ACCOUNT", 10, least=1, most=1000)
LOGIN_LIMIT_PER_ADDRESS = env.whole("EVE_LOGIN_LIMIT_PER_ADDRESS", 30, least=1, most=10_000)
SECOND_FACTOR_LIMIT = env.whole("EVE_SECOND_FACTOR_LIMIT", 5, least=1, most=100)
"""Wrong second factors of one account in EVE_LOGIN_LIMIT_WINDOW_SECONDS."""
STAFF_SECOND_FACTOR = env.flag("EVE_STAFF_SECOND_FACTOR", default=False)
"""Whether staff without a second factor get no further than to where one is set up."""
INVITE_STRANGERS = env.flag("EVE_INVITE_STRANGERS", default=True)
"""Whether owners of projects may invite people without an account, who then make one by a link in a mail."""

# ---------------------------------------------------------------------------------------------- The wire to browsers

_is_https = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _is_https
SESSION_COOKIE_NAME = "__Host-eve-session" if _is_https else "eve-session"
CSRF_COOKIE_NAME = "__Host-eve-csrf" if _is_https else "eve-csrf"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_ENGINE = "accounts.session_store"
SESSION_COOKIE_AGE = 14 * DAY_SECONDS
SECURE_SSL_REDIRECT = _is_https
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$", r"^static/"]
"""Styles too: a page that says why https does not arrive here has to look like one."""
SECURE_HSTS_SECONDS = env.whole(
    "EVE_HSTS_SECONDS", 365 * DAY_SECONDS if _is_https else 0, least=0, most=3650 * DAY_SECONDS
)
SECURE_HSTS_INCLUDE_SUBDOMAINS = env.flag("EVE_HSTS_INCLUDE_SUBDOMAINS", default=False)
SECURE_HSTS_PRELOAD = env.flag("EVE_HSTS_PRELOAD", default=False)
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]
"""Subdomains and preload lists concern more than Eve: an operator opts in."""
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
_websocket_origins = [origin.replace("http", "ws", 1) for origin in ALLOWED_ORIGINS]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF, *_websocket_origins],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}

STATIC_URL = "static/"
STATIC_ROOT = STATE_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
WHITENOISE_MAX_AGE = 60
"""So many seconds after an upgrade a browser may still run scripts of before; then it asks whether they have changed."""
WHITENOISE_IMMUTABLE_FILE_TEST = r"/vendor/(?!icons-)[^/]+-[0-9.]+/"
"""What has its version in its address. The icons' is the version of what they are taken from."""

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = env.time_zone("EVE_TIME_ZONE", "UTC")

TASKS = {"default": {"BACKEND": "operations.backend.OperationsBackend"}}

DEFAULT_FROM_EMAIL = env.text("EVE_EMAIL_FROM", "eve@localhost")
# Without a mail server nothing is sent: Django's console backend would write links that set passwords into the log.
_email = env.mailer("EVE_EMAIL_URL", "dummymail://")
EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST = _email.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = _email.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = _email.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = _email.get("EMAIL_HOST_PASSWORD") or ""
EMAIL_USE_TLS = _email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = _email.get("EMAIL_USE_SSL", False)
EMAIL_TIMEOUT = 20
SENDS_MAIL = bool(env.text("EVE_EMAIL_URL"))

API_REQUESTS_PER_MINUTE = env.whole("EVE_API_REQUESTS_PER_MINUTE", 3000, least=0, most=10_000_000)
"""From one user; 0: any number."""
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.TokenAuthentication",
        "accounts.authentication.PageSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_THROTTLE_CLASSES": ["accounts.api.throttles.UserThrottle"],
    "DEFAULT_RENDERER_CLASSES": ["common.answers.JsonRenderer"],
    "DEFAULT_PARSER_CLASSES": ["common.parsers.JsonParser"],
    "DEFAULT_PAGINATION_CLASS": "common.paging.PagePagination",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "eve_site.api_errors.exception_handler",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Eve",
    "DESCRIPTION": "Virtual machines, their state and their consoles.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "eve_site.schema.problems_described",
    ],
    "ENUM_NAME_OVERRIDES": {
        "HypervisorStateEnum": "hypervisors.models.HypervisorState",
        "VmStateEnum": "vms.models.VmState",
        "PowerActionEnum": "vms.api.serializers.ACTIONS",
        "OperationStateEnum": "operations.models.OperationState",
        "RoleEnum": "accounts.models.Role",
        "AuditOutcomeEnum": "accounts.models.AuditOutcome",
        "NicKindEnum": "vms.models.NicKind",
        "ImageKindEnum": "vms.models.ImageKind",
        "ImageStateEnum": "vms.models.ImageState",
        "ConsoleModeEnum": "consoles.models.ConsoleMode",
        "ConsoleKindEnum": "consoles.models.ConsoleKind",
        "NotificationKindEnum": "notifications.models.Kind",
        "ChosenKindEnum": "notifications.api.serializers.KINDS",
        "NotificationWayEnum": "notifications.models.Way",
        "DeliveryStateEnum": "notifications.models.DeliveryState",
    },
}

# ---------------------------------------------------------------------------------------------- Hypervisors

CA_DIR = env.folder("EVE_CA_DIR", STATE_DIR / "ca")
AGENT_CONNECT_TIMEOUT_SECONDS = env.number("EVE_AGENT_CONNECT_TIMEOUT_SECONDS", 5.0, least=0.1, most=60)
AGENT_REQUEST_TIMEOUT_SECONDS = env.number("EVE_AGENT_REQUEST_TIMEOUT_SECONDS", 30.0, least=1, most=600)
RESYNC_SECONDS = env.whole("EVE_RESYNC_SECONDS", 60, least=5, most=3600)

# ---------------------------------------------------------------------------------------------- Operations

LONG_OPERATIONS_PER_PROJECT = env.whole("EVE_LONG_OPERATIONS_PER_PROJECT", 3, least=1, most=1000)
"""How many machines a project may have made at once, and how many images and copies; what is more waits."""
OPERATION_DAYS = env.whole("EVE_OPERATION_DAYS", 90, least=0, most=3650)
"""As long an operation is kept after it ended; 0: for ever."""

# ---------------------------------------------------------------------------------------------- Machines

PROJECTS_PER_USER = env.whole("EVE_PROJECTS_PER_USER", 5, least=0, most=100_000)
"""How many projects somebody may own who is no staff, beside the personal one; each has a quota of its own. 0: any number."""
QUOTA = {
    "vms": env.whole("EVE_QUOTA_VMS", 20, least=0, most=100_000),
    "vcpus": env.whole("EVE_QUOTA_VCPUS", 64, least=0, most=1_000_000),
    "memory_bytes": env.whole("EVE_QUOTA_MEMORY_GIB", 128, least=0, most=1_000_000) * 2**30,
    "disk_bytes": env.whole("EVE_QUOTA_DISK_GIB", 2000, least=0, most=1_000_000) * 2**30,
    "snapshots": env.whole("EVE_QUOTA_SNAPSHOTS", 100, least=0, most=1_000_000),
    "images": env.whole("EVE_QUOTA_IMAGES", 20, least=0, most=100_000),
}
"""Of a project that has no limits of its own; 0: any amount."""
IMAGE_MAX_BYTES = env.whole("EVE_IMAGE_MAX_GIB", 64, least=1, most=16_384) * 2**30
"""The longest file that an image may be."""
UPLOAD_HOURS = env.whole("EVE_UPLOAD_HOURS", 24, least=0, most=8760)
"""After that long without a piece, an upload is given up and what has arrived is deleted; 0: never."""
SHUTDOWN_SECONDS = env.whole("EVE_SHUTDOWN_SECONDS", 120, least=1, most=900)
"""After that long a guest that was asked to shut down, and still runs, is said to have ignored it."""
IMAGE_FETCH_LEAST_BYTES = env.whole("EVE_IMAGE_FETCH_LEAST_KIB", 64, least=0, most=1_048_576) * 2**10
"""So many bytes a second a server that an image is fetched from has to send, over a minute; 0: any number."""
IMAGE_FETCH_HOURS = env.whole("EVE_IMAGE_FETCH_HOURS", 6, least=1, most=240)
"""After that long a fetch is given up."""
IMAGE_ALLOW_PRIVATE = env.flag("EVE_IMAGE_ALLOW_PRIVATE", default=False)
"""Whether images may be fetched from loopback, link-local and private addresses: any owner of a project could then look around there."""
DEFAULT_POOL = env.text("EVE_DEFAULT_POOL", "default")
"""The storage pool that new disks are made in, where a host has it."""
DEFAULT_NETWORK = env.text("EVE_DEFAULT_NETWORK", "default")
"""The libvirt network that a new VM is plugged into, where nothing else is asked for and its host has it."""
VCPU_ROOM = env.whole("EVE_VCPU_ROOM", 2, least=1, most=64)
"""How many times its vCPUs a VM may be given while it runs, as far as its host has them."""
MEMORY_ROOM = env.whole("EVE_MEMORY_ROOM", 1, least=1, most=64)
"""How many times its memory. More than 1 trusts guests: what a guest was not given is taken by its own balloon driver."""
MEMORY_OVERCOMMIT = env.number("EVE_MEMORY_OVERCOMMIT", 1.0, least=0.1, most=10)
"""How much memory may be promised to a host's VMs, as a share of what it has."""
HOST_MEMORY_BYTES = env.whole("EVE_HOST_MEMORY_MIB", 1024, least=0, most=1_048_576) * 2**20
"""What of its memory a host keeps for itself."""

# ---------------------------------------------------------------------------------------------- Live pages

LIVE_SOCKETS_PER_USER = env.whole("EVE_LIVE_SOCKETS_PER_USER", 64, least=1, most=1000)
"""Of open pages, in one process; further ones go on without being live."""

# ---------------------------------------------------------------------------------------------- Notifications

NOTIFY_AWAY_SECONDS = env.whole("EVE_NOTIFY_AWAY_SECONDS", 60, least=0, most=DAY_SECONDS)
"""As long a host has to be away, short returns included, before that is told."""
NOTIFY_BACK_SECONDS = env.whole("EVE_NOTIFY_BACK_SECONDS", 300, least=0, most=DAY_SECONDS)
"""As long it has to be back without a break before that is told."""
NOTIFY_LOOK_SECONDS = env.whole("EVE_NOTIFY_LOOK_SECONDS", 15, least=1, most=3600)
"""How often quotas and certificates are looked at."""
NOTIFY_QUOTA_PERCENT = env.whole("EVE_NOTIFY_QUOTA_PERCENT", 80, least=1, most=99)
"""From this share of a limit on it counts as nearly used up."""
NOTIFICATION_DAYS = env.whole("EVE_NOTIFICATION_DAYS", 90, least=1, most=3650)
"""As long notifications and deliveries are kept."""
WEBHOOK_ALLOW_PRIVATE = env.flag("EVE_WEBHOOK_ALLOW_PRIVATE", default=False)
"""Whether webhooks may lead to loopback, link-local and private addresses: any owner of a project could then send requests there."""
WEBHOOK_CA_BUNDLE = env.text("EVE_WEBHOOK_CA_BUNDLE")
"""Certificates of authorities that are trusted beside the system's, in PEM."""

# ---------------------------------------------------------------------------------------------- Consoles

CONSOLE_TICKET_SECONDS = env.whole("EVE_CONSOLE_TICKET_SECONDS", 30, least=5, most=300)
CONSOLE_IDLE_SECONDS = env.whole("EVE_CONSOLE_IDLE_SECONDS", 30 * 60, least=0, most=7 * DAY_SECONDS)
CONSOLE_TOTAL_SECONDS = env.whole("EVE_CONSOLE_TOTAL_SECONDS", 8 * 3600, least=0, most=30 * DAY_SECONDS)
CONSOLE_RECHECK_SECONDS = env.whole("EVE_CONSOLE_RECHECK_SECONDS", 30, least=1, most=60)
CONSOLES_PER_VM = env.whole("EVE_CONSOLES_PER_VM", 16, least=1, most=1000)
CONSOLES_PER_USER = env.whole("EVE_CONSOLES_PER_USER", 32, least=1, most=1000)
SCREENSHOTS_PER_VM = env.whole("EVE_SCREENSHOTS_PER_VM", 30, least=0, most=1000)
SCREENSHOT_BYTES_PER_VM = env.whole("EVE_SCREENSHOTS_MIB_PER_VM", 8, least=4, most=1024) * 2**20

# ---------------------------------------------------------------------------------------------- Metrics and logs

METRICS_VMS = env.whole("EVE_METRICS_VMS", 1000, least=0, most=100_000)
"""Of how many machines Prometheus is told at most; each has a series for each figure."""

LOG_LEVEL = env.choice("EVE_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_FORMAT = env.choice("EVE_LOG_FORMAT", "json", ("json", "console"))
LOGGING = logging_config(level=LOG_LEVEL, is_json=LOG_FORMAT == "json")
logs_configure()
