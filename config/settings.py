"""All settings, read from environment variables. With an invalid value, the start fails with the variable's name and the valid values.

Without any variable, Perennial runs with its embedded servers and stores everything under ``var/``.
"""

import gc
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import date
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

from corsheaders.defaults import default_headers
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _
from kombu import Exchange, Queue

from config.backoffice.theme import UNFOLD  # noqa: F401 — a setting
from config.foundation.database.valkey_address import EXPECTED, SENTINEL, check_valkey_address, parse_sentinel_address
from config.foundation.keys.key_ids import check_field_keys, check_hash_keys, make_field_key
from config.foundation.keys.key_stores import KeyStoreError, build_key_store, unwrap_text
from config.foundation.keys.live_keys import KeyFileError, LiveKeys, split_keys
from config.foundation.setting_values.parsing import (
    read_clickhouse_address,
    read_currency,
    read_existing_file,
    read_existing_folder,
    read_file_store,
    read_first_day,
    read_hosts,
    read_local_folder,
    read_memory,
    read_private_hosts,
    read_product_address,
    read_public_address,
    read_sender,
    read_spark_master,
    read_time_zone,
    read_variable_value,
)

# Modules are never garbage: without garbage collection, importing takes a fifth less time. `ConfigConfig.ready` enables it again.
gc.disable()

BASE_DIR = Path(__file__).resolve().parent.parent


def read_variable[T](name: str, default: T, parse: Callable[[str], T], expected: str) -> T:
    """Return the parsed value of an environment variable, or ``default`` if it is unset or empty."""
    raw = os.environ.get(name, "").strip()
    return read_variable_value(name, raw, parse, expected) if raw else default


def read_bool(name: str, default: bool) -> bool:
    values = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}

    def parse(raw: str) -> bool:
        if raw.lower() not in values:
            raise ValueError("not a boolean")
        return values[raw.lower()]

    return read_variable(name, default, parse, "one of true, false, yes, no, on, off, 1, 0")


def read_int(name: str, default: int, *, low: int, high: int) -> int:
    def parse(raw: str) -> int:
        try:
            value = int(raw)
        except ValueError as error:
            raise ValueError("not a whole number") from error
        if not low <= value <= high:
            raise ValueError(f"{value} is outside {low} to {high}")
        return value

    return read_variable(name, default, parse, f"a whole number from {low} to {high}")


def read_float(name: str, default: float, *, low: float, high: float) -> float:
    def parse(raw: str) -> float:
        try:
            value = float(raw)
        except ValueError as error:
            raise ValueError("not a number") from error
        if not low <= value <= high:
            raise ValueError(f"{value} is outside {low} to {high}")
        return value

    return read_variable(name, default, parse, f"a number from {low} to {high}")


def read_breached_passwords(raw: str) -> str:
    """Return the path or address unchanged. Errors: ValueError if it is neither."""
    if not raw.startswith("https://") and not Path(raw).is_file():
        raise ValueError("neither an existing file nor an https address")
    return raw


def read_list(name: str, default: list[str]) -> list[str]:
    return read_variable(
        name,
        default,
        lambda raw: [part.strip() for part in raw.split(",") if part.strip()],
        "values separated by commas",
    )


def read_private_hosts_variable(name: str) -> list[str]:
    return read_variable(name, [], read_private_hosts, "host names separated by commas, such as erp.internal,10.0.0.5")


def read_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    def parse(raw: str) -> str:
        if raw not in choices:
            raise ValueError("unknown choice")
        return raw

    return read_variable(name, default, parse, "one of " + ", ".join(choices))


def read_path(name: str, default: Path) -> Path:
    return read_variable(name, default, lambda raw: Path(raw).expanduser().resolve(), "a folder")


def read_secret(name: str, file_name: str, make: Callable[[], str]) -> str:
    """Return a secret from the environment, or from ``var/secrets``, where it is created once and only this user can read it."""
    if value := os.environ.get(name, "").strip():
        return value
    path = VAR_DIR / "secrets" / file_name
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        pass
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f"{file_name}.{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(make())
        try:
            # link fails if the file exists, so that of two concurrent processes the first wins and both read the same secret
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} is not set and {path} cannot be written ({error}). Set {name}, or make the folder writable."
        ) from error


# Ends long statements; `up` sets it for the web server only.
DATABASE_STATEMENT_TIMEOUT = read_int("DATABASE_STATEMENT_TIMEOUT", 0, low=0, high=86_400)


def read_database_hosts(text: str) -> tuple[list[str], list[int]]:
    """Return the hosts and ports of "host:port,host:port"; an invalid port is 0."""
    hosts, ports = [], []
    for place in text.split(","):
        host, colon, port = place.rpartition(":")
        if not colon or port.endswith("]"):
            host, port = place, "5432"
        hosts.append(host.strip("[]"))
        ports.append(int(port) if port.isascii() and port.isdigit() and int(port) < 65_536 else 0)
    return hosts, ports


# After this many seconds of silence, PostgreSQL closes the session of a lost machine and releases its locks, and a machine closes its
# connection to a lost PostgreSQL.
DATABASE_KEEPALIVE_SECONDS = read_int("DATABASE_KEEPALIVE_SECONDS", 24, low=3, high=7_200)
# The kernel sends no keepalives while data from PostgreSQL is unconfirmed, and would retry sending it for a quarter of an hour.
# This limit is longer than the one above, because it also ends the session of a program that reads nothing for that long.
UNCONFIRMED_SECONDS = 5 * DATABASE_KEEPALIVE_SECONDS


def build_session_options() -> str:
    """Return what each session sets at its start: how long statements may take, and how soon a lost machine is noticed."""
    idle, interval = DATABASE_KEEPALIVE_SECONDS // 2, max(DATABASE_KEEPALIVE_SECONDS // 6, 1)
    options = [f"tcp_keepalives_idle={idle}", f"tcp_keepalives_interval={interval}", "tcp_keepalives_count=3"]
    options.append(f"tcp_user_timeout={UNCONFIRMED_SECONDS * 1000}")
    if DATABASE_STATEMENT_TIMEOUT:
        options.append(f"statement_timeout={DATABASE_STATEMENT_TIMEOUT * 1000}")
    return " ".join(f"-c {option}" for option in options)


def read_database(
    url: str, *, variable: str = "DATABASE_URL", without: str = "use the embedded server"
) -> dict[str, object]:
    """Return the parts of an address. variable: where it comes from; without: what happens if it is unset."""
    # by hand: urlsplit refuses the brackets of an IPv6 address that is not the only host
    scheme, _separator, rest = url.partition("://")
    place, _slash, path = rest.partition("/")
    credentials, _at, places = place.rpartition("@")
    user, _colon, password = credentials.partition(":")
    name = path.partition("?")[0].strip("/")
    hosts, ports = read_database_hosts(places)
    if scheme not in ("postgres", "postgresql") or not all(hosts) or not name or not all(ports):
        raise ImproperlyConfigured(
            f"{variable} is invalid. Set it to postgresql://user:password@host:port/name, with several host:port separated by commas if "
            f"one takes over from the other, or unset it to {without}."
        )
    # of several servers, the one that accepts writes
    attributes = {"target_session_attrs": "read-write"} if len(hosts) > 1 else {}
    return {
        "ENGINE": "django_prometheus.db.backends.postgresql",
        "NAME": unquote(name),
        "USER": unquote(user),
        "PASSWORD": unquote(password),
        "HOST": ",".join(hosts),
        "PORT": ",".join(map(str, ports)) if len(ports) > 1 else ports[0],
        "CONN_MAX_AGE": 0,
        # a connection from before a fail-over is replaced before a request uses it
        "CONN_HEALTH_CHECKS": len(hosts) > 1,
        "OPTIONS": {
            "pool": {"min_size": 0, "max_size": read_int("DATABASE_POOL", 16, low=1, high=500), "timeout": 3},
            # libpq's own timeout: a server that accepts connections and does not answer
            "connect_timeout": 3,
            "keepalives_idle": DATABASE_KEEPALIVE_SECONDS // 2,
            "keepalives_interval": max(DATABASE_KEEPALIVE_SECONDS // 6, 1),
            "keepalives_count": 3,
            **attributes,
            "options": build_session_options(),
        },
    }


def read_valkey(url: str) -> str:
    try:
        return check_valkey_address(url)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"VALKEY_URL is invalid: {error}. Set it to {EXPECTED}, or unset it to use the embedded server."
        ) from error


def read_keys(name: str, entries: list[str], file_name: str, check: Callable[[Sequence[str]], None]) -> LiveKeys:
    """Return keys of the environment, or of a file in ``var/secrets`` that a rotation may change while Perennial runs."""
    path = VAR_DIR / "secrets" / file_name
    try:
        keys = LiveKeys(name=name, entries=entries, path=path, store=KEY_STORE, check=check)
        keys.get()
    except (KeyFileError, KeyStoreError) as error:
        raise ImproperlyConfigured(str(error)) from error
    return keys


def read_wrapped_secret(name: str, file_name: str, make: Callable[[], str]) -> str:
    """Return a secret, which the key store may have wrapped."""
    try:
        return unwrap_text(KEY_STORE, read_secret(name, file_name, make))
    except KeyStoreError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def make_counter_folder(name: str) -> None:
    """Create the folder of a variable, if it is set, before the first counter is made: prometheus_client opens its files there."""
    if not (folder := os.environ.get(name, "").strip()):
        return
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}={folder!r} cannot be created: {error.strerror}. Set it to a folder that can be written, or unset it."
        ) from error
    from config.monitoring.metrics.counter_files import reserve_counter_files  # imports prometheus_client

    reserve_counter_files()


VAR_DIR = read_path("PERENNIAL_VAR", BASE_DIR / "var")
make_counter_folder("PROMETHEUS_MULTIPROC_DIR")
DEBUG = read_bool("DEBUG", False)
DEMO = read_bool("DEMO", False)
try:
    # Who keeps the key that unwraps the keys below: nobody (local), Vault's transit engine (vault), or a program (command).
    KEY_STORE = build_key_store(os.environ)
except ValueError as error:
    raise ImproperlyConfigured(str(error)) from error
SECRET_KEY = read_wrapped_secret("SECRET_KEY", "secret-key", lambda: secrets.token_urlsafe(50))
# Personal fields are encrypted by the first key and decrypted by all; emails and phones are hashed by the first and looked up by all.
read_secret("FIELD_KEYS", "field-keys", make_field_key)
FIELD_KEYS = read_keys("FIELD_KEYS", split_keys(os.environ.get("FIELD_KEYS", "")), "field-keys", check_field_keys)
hash_key_entries = split_keys(os.environ.get("HASH_KEYS", "")) or [
    key for key in (os.environ.get("HASH_KEY", "").strip(),) if key
]
if not hash_key_entries:
    read_secret("HASH_KEY", "hash-key", lambda: secrets.token_urlsafe(32))
HASH_KEYS = read_keys("HASH_KEYS", hash_key_entries, "hash-key", check_hash_keys)
# The first key when this process started. A rotation changes it: use config.foundation.keys.hash_keys instead.
HASH_KEY = HASH_KEYS[0].encode()
# Keys of old hash keys that only verify seals of the audit log; a finished rotation adds them.
SEAL_KEYS = read_list("SEAL_KEYS", [])
ALLOWED_HOSTS = read_variable(
    "ALLOWED_HOSTS",
    ["localhost", "127.0.0.1", "[::1]"],
    read_hosts,
    "host names separated by commas, such as shop.example,.shop.example",
)
CSRF_TRUSTED_ORIGINS = read_list("CSRF_TRUSTED_ORIGINS", [])
SHOP_NAME = read_variable("SHOP_NAME", "Perennial", str, "a name")
SHOP_CURRENCY = read_variable("SHOP_CURRENCY", "USD", read_currency, "a three-letter ISO 4217 code such as EUR")

# No event and no order can be older. The default is before the first web shops; stores with older order histories set it.
SHOP_FOUNDED = read_variable(
    "SHOP_FOUNDED",
    date(1990, 1, 1),
    read_first_day,
    "a past year such as 2009, or a past date such as 2009-05-17",
)

INSTALLED_APPS = [
    "django_cotton",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.import_export",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "corsheaders",
    "csp",
    "axes",
    "auditlog",
    "import_export",
    "django_celery_beat",
    "django_prometheus",
    "config.foundation.shop",
    "catalog",
    "customers.identity",
    "customers.events",
    "customers.orders",
    "customers.feedback",
    "customers.subscriptions",
    "customers.imports",
    "customers.warehouse",
    "customers.lifecycle",
    "customers.segments",
    "customers.demand",
    "customers.analytics",
    "customers.anomalies",
    "customers.intent",
    "customers.loyalty",
    "customers.processing",
    "customers.policy",
    "customers.erasure",
    "customers.privacy",
    "customers.connectors",
    "customers.destinations",
    "recommendations.experiments",
    "recommendations.measurement",
    "recommendations.training",
    "recommendations.merchandising",
    "recommendations.serving",
    "recommendations.messaging",
    "recommendations.sending",
    "recommendations.webhooks",
    "recommendations.offers",
    "recommendations.campaigns",
    "recommendations.suggestions",
    "recommendations.past_campaigns",
    "recommendations.flows",
    "recommendations.uplift",
    "recommendations.outcomes",
    "config.campaign_simulation",
    "config.monitoring",
    "config.encryption_keys",
    "config.retention",
    "oauth2_provider",
    "config.assistant",
    "config.shopping_agents",
    "config.access",
    "config.jobs",
    "config.backup",
    "config.digest",
    "config.onsite",
    "config.storefront",
    "config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.http.static_files.StaticFilesMiddleware",
    "config.http.compression.CompressionMiddleware",
    "django.middleware.http.ConditionalGetMiddleware",
    "config.http.caching.CacheControlMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "corsheaders.middleware.CorsMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "config.http.time_zone.ShopTimeZoneMiddleware",
    "django.middleware.common.CommonMiddleware",
    "config.foundation.admin.query_limits.limit_query_lengths",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "config.access.sessions.middleware.SessionGuardMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "config.access.audit.middleware.AuditMiddleware",
    "axes.middleware.AxesMiddleware",
    "config.access.test_mode.middleware.TestModeMiddleware",  # around everything that may write
    "config.access.idempotency.IdempotencyMiddleware",  # must be last, because it calls the view itself
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "config" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# A component knows its attributes and the context processors, not the variables of the page around it.
COTTON_ISOLATE_BY_DEFAULT = True

DATABASES = {
    "default": read_database(os.environ.get("DATABASE_URL") or "postgresql://perennial@127.0.0.1:54329/perennial")
}
# A connection pooler in transaction mode, such as PgBouncer. Web processes use it; workers, commands, locks of sessions and the
# collector's prepared statement go to DATABASE_URL, the server itself.
DATABASE_POOLER_URL = os.environ.get("DATABASE_POOLER_URL", "").strip()
if DATABASE_POOLER_URL:
    pooler = read_database(
        DATABASE_POOLER_URL, variable="DATABASE_POOLER_URL", without="connect to DATABASE_URL directly"
    )
    if os.environ.get("PERENNIAL_PROCESS") == "web":
        DATABASES["default"] |= {
            "ENGINE": "config.foundation.database.pooled",
            "POOLER": {
                "host": pooler["HOST"],
                "port": pooler["PORT"],
                "user": pooler["USER"],
                "password": pooler["PASSWORD"],
                "dbname": pooler["NAME"],
                "target_session_attrs": "any",  # the pooler knows which server accepts writes
            },
            "DISABLE_SERVER_SIDE_CURSORS": True,
        }
VALKEY_URL = read_valkey(os.environ.get("VALKEY_URL") or "redis://127.0.0.1:63799/0")
CACHES = {
    "default": {
        "BACKEND": "config.foundation.test_mode.cache.LiveModeCache",
        "LOCATION": VALKEY_URL,
        "KEY_PREFIX": "cache",
        "OPTIONS": {"pool_class": "config.foundation.database.valkey_address.ValkeyPool"},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": name}
    for name in (
        "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "django.contrib.auth.password_validation.MinimumLengthValidator",
        "django.contrib.auth.password_validation.CommonPasswordValidator",
        "django.contrib.auth.password_validation.NumericPasswordValidator",
        "config.access.passwords.shop_words.ShopWordValidator",
        "config.access.passwords.breached.BreachedPasswordValidator",
    )
]
# Limits of failed log-ins: of one user from one address, and from one address for all users. Both are counted for 15 minutes.
AXES_FAILURE_LIMIT = read_int("LOGIN_FAILURE_LIMIT", 5, low=1, high=100)
LOGIN_FAILURES_PER_ADDRESS = read_int("LOGIN_FAILURES_PER_ADDRESS", 50, low=1, high=100_000)
AXES_HANDLER = "config.access.log_in.AddressLimitHandler"
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False  # log-ins during a lock-out do not extend it
AXES_CLIENT_IP_CALLABLE = "config.access.log_in.get_request_address"
AXES_LOCKOUT_CALLABLE = "config.access.log_in.respond_locked_out"
AXES_SENSITIVE_PARAMETERS = ["username", "ip_address", "code", "current_code", "old_password"]
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = True

# Two-factor authentication for users who may see personal data. The demo prints a log-in that works without it.
TWO_FACTOR_REQUIRED = read_bool("TWO_FACTOR_REQUIRED", not DEMO)
TWO_FACTOR_EVERYBODY = read_bool("TWO_FACTOR_EVERYBODY", False)
# A file of SHA-1 hashes in ascending order, or the address of a service such as https://api.pwnedpasswords.com/range/
BREACHED_PASSWORDS = read_variable(
    "BREACHED_PASSWORDS", "", read_breached_passwords, "a file of SHA-1 hashes, or the https address of a service"
)
PASSWORD_RESET_TIMEOUT = 3600

LOGIN_REDIRECT_URL = "admin:index"  # the log-in page has no other target when it is opened directly

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "config" / "locale"]
FORMAT_MODULE_PATH = "config.formats"
TIME_ZONE = read_variable("TIME_ZONE", "UTC", read_time_zone, "a name such as Europe/Berlin or Asia/Shanghai")
USE_I18N = True
USE_TZ = True

STATIC_URL = "static/"
# `up` collects the static files here, with hashed names and compressed. Without them, WhiteNoise serves the source files.
STATIC_ROOT = read_path("STATIC_ROOT", VAR_DIR / "static")
STORAGES = {
    "default": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"file_permissions_mode": 0o600, "directory_permissions_mode": 0o700},
    },
    "staticfiles": {"BACKEND": "config.http.static_files.CollectedFilesStorage"},
}
STATICFILES_DIRS = [BASE_DIR / "config" / "static", ("plotly", Path(str(files("plotly"))) / "package_data")]
WHITENOISE_USE_FINDERS = DEBUG or not (STATIC_ROOT / "staticfiles.json").is_file()
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
MEDIA_ROOT = VAR_DIR / "media"
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
FILE_UPLOAD_TEMP_DIR = None
FILE_UPLOAD_HANDLERS = [
    "config.foundation.uploads.StaffUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
# Limits for one address in one web process. Raise both for a proxy in front that opens many connections or does not buffer bodies.
WEB_CONNECTIONS_PER_ADDRESS = read_int("WEB_CONNECTIONS_PER_ADDRESS", 512, low=1, high=100_000)
WEB_BODIES_PER_ADDRESS = read_int("WEB_BODIES_PER_ADDRESS", 32, low=1, high=100_000)

SESSION_ENGINE = "config.access.sessions.store"
SESSION_IDLE_MINUTES = read_int("SESSION_IDLE_MINUTES", 60, low=1, high=10_080)
SESSION_MAX_HOURS = read_int("SESSION_MAX_HOURS", 12, low=1, high=720)
# Browsers keep the cookie for a day longer, so that the log-in page can say why the session ended.
SESSION_COOKIE_AGE = (SESSION_MAX_HOURS + 24) * 3600
SESSION_COOKIE_HTTPONLY = True
# Every response over plain HTTP is a redirect or a refusal, except the health checks: config/http/transport.py.
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = read_bool("HTTPS_ONLY", False)
# Browsers then accept these cookies from this host over HTTPS only.
COOKIE_PREFIX = "__Host-" if SECURE_SSL_REDIRECT else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
LANGUAGE_COOKIE_SECURE = SECURE_SSL_REDIRECT
SECURE_REDIRECT_EXEMPT = [r"^health/(live|ready)/?$"]
HSTS_SECONDS = read_int("HSTS_SECONDS", 31_536_000, low=0, high=63_072_000)
SECURE_HSTS_SECONDS = HSTS_SECONDS if SECURE_SSL_REDIRECT else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = read_bool("HSTS_INCLUDE_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = read_bool("HSTS_PRELOAD", False)
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if read_bool("BEHIND_TLS_PROXY", False) else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# One exception: Plotly and unfold write style elements. Alpine.js evaluates expressions by backoffice/expressions.js, so scripts need none.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "script-src": ["'self'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:", "https:", "blob:"],
        "font-src": ["'self'", "data:"],
        "worker-src": ["'self'", "blob:"],
        "object-src": ["'none'"],
        "frame-ancestors": ["'none'"],
        "base-uri": ["'self'"],
        "form-action": ["'self'"],
    }
}
CORS_URLS_REGEX = (
    r"^/api/v1/(recommendations|rank|search|forms|push-subscriptions|privacy/policy|offers/exposures"
    r"|visitors/.+/offers|customers/.+/offers)/.*$"
)
CORS_ALLOW_HEADERS = (*default_headers, "x-user-token")
CORS_EXPOSE_HEADERS = ("Retry-After", "X-Request-ID", "Perennial-Test-Mode")
CORS_ALLOWED_ORIGINS = read_list("CORS_ALLOWED_ORIGINS", [])

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "config.access.authentication.KeyAuthentication",
        "config.access.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "config.access.permissions.HasScope",
        "config.foundation.rest.known_names.HasKnownParameters",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["config.access.throttling.KeyRateThrottle"],
    "DEFAULT_PAGINATION_CLASS": "config.foundation.rest.pagination.CursorPagination",
    "DEFAULT_FILTER_BACKENDS": ["config.foundation.rest.known_names.StrictFilterBackend"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["config.foundation.rest.parsers.BoundedJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "config.access.schema.ProblemAwareSchema",
    "DEFAULT_METADATA_CLASS": "config.foundation.rest.metadata.NameAndDescription",
    "EXCEPTION_HANDLER": "config.foundation.rest.problems.handle_api_error",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,  # the Accept header chooses the format; ?format= would be an unknown parameter
    "COERCE_DECIMAL_TO_STRING": True,
}
# per address and minute, in each web process, for sources that everyone can use: browsers, apps and mini-programs
COLLECTOR_REQUESTS_PER_MINUTE = read_int("COLLECTOR_REQUESTS_PER_MINUTE", 1_200, low=1, high=100_000_000)
COLLECTOR_BYTES_PER_MINUTE = read_int("COLLECTOR_BYTES_PER_MINUTE", 20_000_000, low=1_000, high=10_000_000_000)
COLLECTOR_VISITORS_PER_MINUTE = read_int("COLLECTOR_VISITORS_PER_MINUTE", 300, low=1, high=100_000_000)
TRUSTED_PROXY_COUNT = read_int("TRUSTED_PROXY_COUNT", 0, low=0, high=10)
# Whether everyone may read the OpenAPI document and its pages; otherwise a secret key or a log-in to the back office is needed.
PUBLIC_API_DOCS = read_bool("PUBLIC_API_DOCS", DEMO)
# The token with which Prometheus reads /metrics. If it is empty, only clients on this machine and users of the back office can read them.
METRICS_TOKEN = read_variable("METRICS_TOKEN", "", str, "a secret text")
API_REQUESTS_PER_MINUTE = read_int("API_REQUESTS_PER_MINUTE", 120_000, low=1, high=100_000_000)
SPECTACULAR_SETTINGS = {
    "TITLE": "Perennial",
    "DESCRIPTION": "Customer retention for online shops: customer activity, lifecycle, recommendations, segments and campaigns.",
    "VERSION": "1.0.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["config.access.permissions.MayReadApiDocs"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "config.access.schema.insert_verbatim_schemas",
    ],
    # Names for choices that several serializers share, under one field name or several.
    "ENUM_NAME_OVERRIDES": {
        "DeliveryStatusEnum": "recommendations.sending.models.Delivery.Status",
        "AddressStatusEnum": ["added", "removed", "unchanged", "rejected"],
        "BulkStatusEnum": ["created", "updated", "unchanged", "rejected"],
        "MessageTestMetricEnum": "recommendations.campaigns.models.Campaign.TestMetric",
        "MessageTestOutcomeEnum": "recommendations.campaigns.models.CampaignRun.TestOutcome",
        "MetricEnum": "recommendations.experiments.models.Experiment.Metric",
        "OutcomeEnum": "recommendations.offers.outcomes.Outcome",
        "ComparisonVerdictEnum": [
            *("no_runs", "no_holdout", "uneven_groups", "increase", "decrease", "no_effect", "too_few"),
        ],
        "GuardVerdictEnum": ["harm", "no_harm", "too_few"],
        "OrderKindEnum": "customers.orders.models.Order.Kind",
        "OrderStatusEnum": "customers.orders.models.Order.Status",
        "ConsentPurposeEnum": "customers.identity.models.Consent.Purpose",
        "SurveyKindEnum": "customers.feedback.models.SurveyAnswer.Kind",
        "SegmentKindEnum": "customers.segments.models.Segment.Kind",
        "PrivacyRequestKindEnum": "customers.privacy.models.RequestKind",
        "StageEnum": "customers.lifecycle.models.Stage",
        "RfmGroupEnum": "customers.lifecycle.models.RfmGroup",
        "StageReasonEnum": "customers.lifecycle.models.StageTransition.Reason",
        "NextOrderReasonEnum": "customers.lifecycle.models.NextOrderReason",
        "NoModelReasonEnum": "customers.lifecycle.models.ScoreModel.Reason",
    },
}

# Programs that members of the team connect to the MCP server: tokens are short, for this server only, and stored as hashes. With
# MCP_CLIENT_REGISTRATION, programs register themselves; a person decides on the consent page in any case.
OAUTH2_PROVIDER = {
    "SCOPES": {
        "assistant:read": _("Read figures, segments, campaigns and masked customers, as far as your permissions allow"),
        "assistant:draft": _("Create drafts of segments, campaigns, flows and rules; nothing is launched"),
        "assistant:personal": _(
            "See names, addresses and other personal data of customers, if your permissions allow it"
        ),
    },
    "DEFAULT_SCOPES": ["assistant:read"],
    "PKCE_REQUIRED": True,
    "AUTHORIZATION_CODE_EXPIRE_SECONDS": 60,
    "ACCESS_TOKEN_EXPIRE_SECONDS": 15 * 60,
    "REFRESH_TOKEN_EXPIRE_SECONDS": 14 * 24 * 3600,
    "REFRESH_TOKEN_REUSE_PROTECTION": True,
    "ALLOW_LOCALHOST_LOOPBACK": True,
    "OAUTH2_RESPONSE_TYPES_SUPPORTED": ["code"],
    "OAUTH2_GRANT_TYPES_SUPPORTED": ["authorization_code", "refresh_token"],
    "OAUTH2_TOKEN_ENDPOINT_AUTH_METHODS_SUPPORTED": ["none", "client_secret_post", "client_secret_basic"],
    "DCR_ENABLED": read_bool("MCP_CLIENT_REGISTRATION", True),
    "DCR_REGISTRATION_PERMISSION_CLASSES": ["config.assistant.oauth.registration.LimitedRegistration"],
    **dict.fromkeys(
        (
            "COMPLIANT_BCP_RFC9700_IMPLICIT_GRANT",
            "COMPLIANT_BCP_RFC9700_PASSWORD_GRANT",
            "COMPLIANT_BCP_RFC9700_PKCE_METHOD",
            "COMPLIANT_BCP_RFC9700_ACCESS_TOKEN_TRANSPORT",
            "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS",
            "COMPLIANT_BCP_RFC9700_TOKEN_STORAGE",
        ),
        True,
    ),
}

# Programs on a person's own machine listen on http://127.0.0.1; config/assistant/oauth/registration.py refuses http elsewhere.
SILENCED_SYSTEM_CHECKS = ["oauth2_provider.W008"]

# The OpenAI-compatible endpoint of a language model, for the page Ask; empty: none. ASSISTANT_URL is its base, such as
# http://127.0.0.1:11434/v1, and ASSISTANT_KEY its key, if it needs one.
ASSISTANT_URL = read_variable("ASSISTANT_URL", "", read_public_address, "an address such as http://127.0.0.1:11434/v1")
ASSISTANT_KEY = read_variable("ASSISTANT_KEY", "", str, "a secret text")
ASSISTANT_MODEL = read_variable("ASSISTANT_MODEL", "", str, "the name of a model")

WAREHOUSE_URL = read_variable(
    "WAREHOUSE_URL", str(VAR_DIR / "warehouse"), read_local_folder, "a folder, such as /srv/perennial/warehouse"
)
# How the files of the warehouse are kept. DuckLake would allow several machines to write; it has no extension for DuckDB 2 yet.
WAREHOUSE = read_choice("WAREHOUSE", "parquet", ("parquet", "ducklake"))
if WAREHOUSE == "ducklake":
    raise ImproperlyConfigured(
        "WAREHOUSE='ducklake' cannot be used: the ducklake extension exists for DuckDB 1.5, and Perennial uses DuckDB 2.0 (decision 109). "
        "Set it to parquet, or unset it; several machines can read and write a folder that all of them mount (WAREHOUSE_URL)."
    )
# The engine that answers analytics questions: duckdb in this process, spark or clickhouse (docs/engines.md). The memory and thread limits
# apply to DuckDB and to Spark in this process.
WAREHOUSE_ENGINE = read_choice("WAREHOUSE_ENGINE", "duckdb", ("duckdb", "spark", "clickhouse"))
WAREHOUSE_MEMORY = read_variable("WAREHOUSE_MEMORY", "2GB", read_memory, "an amount such as 2GB or 800MB")
WAREHOUSE_THREADS = read_int("WAREHOUSE_THREADS", 2, low=1, high=1024)
# The master of a Spark cluster (spark://host:7077, local[2]) or the address of a Spark Connect server (sc://host:15002).
SPARK_MASTER = read_variable(
    "SPARK_MASTER",
    "local[2]",
    read_spark_master,
    "local[2], yarn, or an address such as spark://host:7077 or sc://host:15002",
)
CLICKHOUSE_URL = read_variable(
    "CLICKHOUSE_URL",
    "http://127.0.0.1:8123/default",
    read_clickhouse_address,
    "an address such as http://user:password@host:8123/database",
)
MODELS_DIR = read_path("MODELS_DIR", VAR_DIR / "models")
MERCHANDISING_DIR = read_path("MERCHANDISING_DIR", VAR_DIR / "merchandising")
EXPORTS_DIR = read_path("EXPORTS_DIR", VAR_DIR / "exports")
# Where machines with folders of their own exchange models and other files: any fsspec address, such as s3://bucket/perennial.
# Empty: one machine, or all mount the folders above.
FILE_STORE = read_variable("FILE_STORE", "", read_file_store, "an fsspec address such as s3://bucket/perennial")
# The scheduled backup: its folder (empty: none), how many backups stay, and after how many hours without one an alarm is raised.
# With a passphrase, a new folder is encrypted; if the passphrase is lost, so are the backups.
BACKUP_DIR = read_variable("BACKUP_DIR", "", lambda raw: str(Path(raw).expanduser().resolve()), "a folder")
BACKUP_PASSPHRASE = read_variable("BACKUP_PASSPHRASE", "", str, "a secret text")
BACKUP_KEEP = read_int("BACKUP_KEEP", 14, low=1, high=10_000)
BACKUP_MAX_AGE_HOURS = read_int("BACKUP_MAX_AGE_HOURS", 36, low=1, high=8_760)
# Product feeds that are fetched by URL: their largest size, and the host names that may have private addresses.
FEED_MAX_MB = read_int("FEED_MAX_MB", 500, low=1, high=100_000)
FEED_PRIVATE_HOSTS = read_private_hosts_variable("FEED_PRIVATE_HOSTS")

# Predicted value: the share of revenue that remains with the shop, and the monthly discount rate of future revenue.
VALUE_MARGIN = read_float("VALUE_MARGIN", 1.0, low=0.0, high=1.0)
VALUE_MONTHLY_DISCOUNT = read_float("VALUE_MONTHLY_DISCOUNT", 0.01, low=0.0, high=1.0)

# The folder of a Chronos-2 model, which then competes with the other models for the demand forecast; it needs the package chronos-forecasting.
CHRONOS_PATH: Path | None = read_variable("CHRONOS_PATH", None, read_existing_folder, "the folder of a Chronos-2 model")

# The window in days of the second RFM score, shown next to the all-time score.
RFM_WINDOW_DAYS = read_int("RFM_WINDOW_DAYS", 365, low=1, high=36_500)

# The budget of one training: seconds, and memory in addition to what the program itself needs.
TRAINING_SECONDS = read_int("TRAINING_SECONDS", 300, low=1, high=86_400)
# The first training of a new shop is short, so that the first recommendations appear soon; nightly trainings have the time above.
FIRST_TRAINING_SECONDS = read_int("FIRST_TRAINING_SECONDS", 90, low=1, high=86_400)
TRAINING_MEMORY_MB = read_int("TRAINING_MEMORY_MB", 2048, low=64, high=1_000_000)
# The traits that may influence recommendations for a customer without a history, in addition to language, country and device.
COLD_START_TRAITS = read_list(
    "COLD_START_TRAITS",
    ["age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count"]
    if DEMO
    else [],
)
# The attributes of the catalog that browsers may filter by, boost and see as facets ("*": all); by default, those of variants.
# Feeds store every column that is not a field as an attribute, including those that only the shop should see, such as custom_label_0.
VARIANT_ATTRIBUTES = (
    "age_group,color,colour,condition,flavor,flavour,gender,manufacturer,material,package_size,pattern,rating,scent,size,size_system,"
    "size_type,style,颜色,尺码,尺寸,材质,规格,口味,款式,图案,厂商"
)
PUBLIC_ATTRIBUTES = frozenset(read_list("PUBLIC_ATTRIBUTES", VARIANT_ATTRIBUTES.split(",")))
# The share of for-you positions that try new products (0: none), and for how many days after its publication a product is new.
RECOMMEND_EXPLORATION_SHARE = read_float("RECOMMEND_EXPLORATION_SHARE", 0.1, low=0.0, high=0.5)
RECOMMEND_NEW_DAYS = read_int("RECOMMEND_NEW_DAYS", 30, low=1, high=3650)
# How many orders or customers a reason such as "often bought together" needs; with fewer, a weaker wording is used.
RECOMMEND_MIN_SUPPORT = read_int("RECOMMEND_MIN_SUPPORT", 5, low=2, high=1_000_000)
# The time limit of a response; if scores are not ready by then, the fallback is used.
RECOMMEND_DEADLINE_MS = read_float("RECOMMEND_DEADLINE_MS", 50.0, low=20.0, high=10_000.0)
# For how many days clicks and purchases are attributed to a recommendation, and for how long impressions and shown offers are
# stored.
RECOMMEND_ATTRIBUTION_DAYS = read_int("RECOMMEND_ATTRIBUTION_DAYS", 7, low=1, high=90)
IMPRESSION_RETENTION_DAYS = read_int("IMPRESSION_RETENTION_DAYS", 400, low=1, high=3650)
# Promotion criteria: minimum shares of the active model's coverage and of its accuracy for new customers, and the maximum latency.
PROMOTION_COVERAGE_SHARE = read_float("PROMOTION_COVERAGE_SHARE", 0.5, low=0.0, high=10.0)
PROMOTION_COLD_START_SHARE = read_float("PROMOTION_COLD_START_SHARE", 0.8, low=0.0, high=10.0)
PROMOTION_LATENCY_MS = read_float("PROMOTION_LATENCY_MS", 250.0, low=1.0, high=60_000.0)

CELERY_BROKER_URL = VALKEY_URL
# Imports, trainings and everything else that may take minutes must not delay what runs every few seconds, such as sending messages, nor
# the other way round. A worker without --queues takes the tasks of both queues.
LONG_QUEUE, FREQUENT_QUEUE = "celery", "frequent"
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in (LONG_QUEUE, FREQUENT_QUEUE)]
CELERY_TASK_DEFAULT_QUEUE = LONG_QUEUE
CELERY_TASK_ROUTES = ["config.schedule.choose_queue"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, object] = {"visibility_timeout": 3600, "global_keyprefix": "celery:"}
if VALKEY_URL.startswith(SENTINEL):
    valkey_service = parse_sentinel_address(VALKEY_URL)
    CELERY_BROKER_URL = valkey_service.broker_url
    CELERY_BROKER_TRANSPORT_OPTIONS |= {
        "master_name": valkey_service.service,
        "sentinel_kwargs": valkey_service.sentinel_options,
    }
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BEAT_SCHEDULER = "config.shared_scheduler:SharedScheduler"
CELERY_TIMEZONE = TIME_ZONE
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
DJANGO_CELERY_BEAT_TZ_AWARE = True

# Without a mail server, mails are written to the log, and the log-in page offers no password reset.
EMAIL_HOST = read_variable("EMAIL_HOST", "", str, "the host name of a mail server")
EMAIL_TLS = read_choice("EMAIL_TLS", "starttls", ("starttls", "tls", "off"))
EMAIL_USE_TLS, EMAIL_USE_SSL = EMAIL_TLS == "starttls", EMAIL_TLS == "tls"
EMAIL_PORT = read_int("EMAIL_PORT", {"starttls": 587, "tls": 465, "off": 25}[EMAIL_TLS], low=1, high=65_535)
EMAIL_HOST_USER = read_variable("EMAIL_USER", "", str, "the user name at the mail server")
EMAIL_HOST_PASSWORD = read_variable("EMAIL_PASSWORD", "", str, "the password at the mail server")
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = read_variable(
    "DEFAULT_FROM_EMAIL", "perennial@localhost", read_sender, "an address such as shop@example.com"
)
# config/apps.py imports it when it is set, because backends may need the settings
EMAIL_BACKEND = read_variable(
    "EMAIL_BACKEND",
    f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend",
    str,
    "a Django e-mail backend",
)

# The address under which customers reach this server, for the links in messages; and how many connections send messages at once.
PUBLIC_URL = read_variable(
    "PUBLIC_URL", "http://127.0.0.1:8000", read_public_address, "an address such as https://mail.shop.example"
)
# The page of a product in the shop, for products whose catalog entry has no URL, in messages and in responses; {product_id} is replaced.
PRODUCT_URL = read_variable(
    "PRODUCT_URL",
    f"{PUBLIC_URL}/shop/product/?id={{product_id}}" if DEMO else "",
    read_product_address,
    "an address such as https://shop.example/products/{product_id}",
)
# Host names of webhooks and providers that may have private addresses, for which plain http is allowed too.
WEBHOOK_PRIVATE_HOSTS = read_private_hosts_variable("WEBHOOK_PRIVATE_HOSTS")
# A font file for the images of products in emails; default: Inter, and a Chinese font of the server if it has one.
CARD_FONT = read_variable("CARD_FONT", "", read_existing_file, "the path of a font file")
SENDING_CONNECTIONS = read_int("SENDING_CONNECTIONS", 4, low=1, high=64)

# The keys of providers for django-anymail, such as ANYMAIL_POSTMARK_SERVER_TOKEN; ANYMAIL_WEBHOOK_SECRET is "user:password" of its webhooks.
ANYMAIL = {
    name.removeprefix("ANYMAIL_"): value for name, value in os.environ.items() if name.startswith("ANYMAIL_") and value
}

# Statements that take longer are logged without their values and listed under Settings › Jobs › Slow statements; 0: none.
SLOW_QUERY_SECONDS = read_float("SLOW_QUERY_SECONDS", 1.0, low=0.0, high=86_400.0)

LOG_LEVEL = read_choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"))
LOG_FORMAT = read_choice("LOG_FORMAT", "line", ("line", "json"))
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "config.logs.LineFormatter"}, "json": {"()": "config.logs.JsonFormatter"}},
    "filters": {"due_tasks": {"()": "config.logs.DueTaskFilter"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "axes": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
        "celery.app.trace": {"level": "WARNING"},
        # beat logs a line per task start, which is one every two seconds
        "celery.beat": {"level": "INFO", "filters": ["due_tasks"]},
        "celery.worker.strategy": {"level": "WARNING"},
    },
}
