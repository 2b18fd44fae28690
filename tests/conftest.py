"""Start PostgreSQL and Valkey for every test run, unless DATABASE_URL and VALKEY_URL are set."""

import decimal
import gc
import logging
import math
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import django
import pytest
import redis
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.test.utils import _TestState
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from redis.connection import Connection

from config.embedded.servers import EmbeddedServers, check_address
from config.translations import compile_catalog
from tests.database import APPEND_ONLY, QuickFlush, drop_template, make_copying_creator, make_template
from tests.migrated_servers import copy_migrated_servers, find_migrated_servers
from tests.waiting import compute_wait_for_next_hour

# The optimizers of tests work on a handful of numbers. On a busy machine each of their calls would wait for the other threads of
# OpenBLAS and OpenMP, which makes a refresh of a sample shop take ten times as long.
for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

SERVERS = pytest.StashKey[EmbeddedServers]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set the environment, then set Django up; pytest-django would do so before the servers' URLs are known."""
    config.addinivalue_line("markers", "slow: takes more than a second or two; deselect with -m 'not slow'")
    config.addinivalue_line("markers", "browser: drives Chromium; skipped where there is none")
    config.addinivalue_line(
        "markers",
        "acceptance: kills processes, starts whole servers, drives a browser or SDKs, or fuzzes over HTTP; run by make acceptance",
    )
    if config.option.help or config.option.version:
        return
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker:
        worker_number = int(worker.removeprefix("gw"))
        use_own_valkey_database(worker_number + 1)
        collect_other_folders_first(config, worker_number)
    else:
        start_temporary_servers(config)
        compile_catalog()
        if getattr(config.option, "numprocesses", None):
            return  # workers would inherit the variable below and read the settings before choosing their database
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    # A busy machine would log any statement as slow.
    os.environ.setdefault("SLOW_QUERY_SECONDS", "3600")
    # Tests log in without a second factor; those of two-factor authentication turn it on.
    os.environ.setdefault("TWO_FACTOR_REQUIRED", "false")
    register_lookup_caches()
    stop_clocks_of_rate_limiters()
    close_dropped_valkey_connections()
    django.setup()
    wait_longer_for_connections()
    share_static_files()
    make_mail_patient()
    # Hashing a password slowly is a quarter of a second in each test that makes a user.
    PBKDF2PasswordHasher.iterations = 1000
    # The first example may have to wait until a kernel is compiled, or until a busy machine gets to it, also while it is drawn. The
    # same examples in every run; --hypothesis-profile=thorough searches for new ones.
    patient: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    hypothesis_settings.register_profile("perennial", derandomize=True, max_examples=50, **patient)
    hypothesis_settings.register_profile("thorough", max_examples=500, **patient)
    hypothesis_settings.load_profile("perennial")


def make_mail_patient() -> None:
    """Wait for mail servers longer than ten seconds, which a busy machine may need to answer."""
    from django.conf import settings

    settings.EMAIL_TIMEOUT = 300


def collect_other_folders_first(config: pytest.Config, worker: int) -> None:
    """Let each worker of a whole run begin with another of the largest folders: pytest compiles each module once, and the others load it.

    In the same order, all workers of a new clone would compile the same modules at the same time.
    """
    if config.args == config.getini("testpaths"):
        folders = [path for path in Path(__file__).parent.iterdir() if path.is_dir()]
        folders.sort(key=lambda path: (-len(list(path.rglob("test_*.py"))), path.name))
        first = worker % len(folders)
        config.args = [str(path) for path in (*folders[first:], *folders[:first])]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip modules without acceptance tests when only these run: importing all takes each worker long."""
    if config.option.markexpr != "acceptance" or not fnmatch(collection_path.name, "test_*.py"):
        return None
    return True if "acceptance" not in collection_path.read_text(encoding="utf-8") else None


def start_temporary_servers(config: pytest.Config) -> None:
    """Start the servers and put their URLs into the environment, which xdist workers inherit."""
    if "PERENNIAL_VAR" not in os.environ:
        os.environ["PERENNIAL_VAR"] = tempfile.mkdtemp(prefix="perennial-tests-")
        var = Path(os.environ["PERENNIAL_VAR"])
        config.add_cleanup(lambda: shutil.rmtree(var))
    folder = Path(os.environ["PERENNIAL_VAR"]) / "servers"
    is_migrated = "DATABASE_URL" not in os.environ and not folder.exists() and find_migrated_servers() is not None
    if is_migrated:
        copy_migrated_servers(folder)
    servers = EmbeddedServers(folder, throw_away=True, report=lambda message: None)
    config.add_cleanup(servers.release)
    for variable in ("DATABASE_URL", "VALKEY_URL"):
        if variable in os.environ:
            check_address(variable, os.environ[variable])
    addresses = servers.ensure(postgres="DATABASE_URL" not in os.environ, valkey="VALKEY_URL" not in os.environ)
    if addresses.postgres:
        os.environ["DATABASE_URL"] = addresses.postgres
    os.environ["TEST_TEMPLATE_DATABASE"] = template = f"test_migrated_{os.getpid()}"
    config.add_cleanup(lambda: drop_template(os.environ["DATABASE_URL"], template))
    if is_migrated:
        make_template(os.environ["DATABASE_URL"], template)
    if addresses.valkey:
        os.environ["VALKEY_URL"] = addresses.valkey


def use_own_valkey_database(number: int) -> None:
    os.environ["VALKEY_URL"] = urlunsplit(urlsplit(os.environ["VALKEY_URL"])._replace(path=f"/{number}"))


LOOKUP_CACHES: weakref.WeakSet[Any] = weakref.WeakSet()


def register_lookup_caches() -> None:
    """Remember every TtlCache that a module or a test makes, so that its rows can be forgotten with the test."""
    from config.foundation.ttl_cache import TtlCache

    initialize = TtlCache.__init__

    def initialize_and_register(cache: Any, *arguments: Any) -> None:
        initialize(cache, *arguments)
        LOOKUP_CACHES.add(cache)

    TtlCache.__init__ = initialize_and_register  # type: ignore[method-assign]


RATE_LIMITERS: weakref.WeakSet[Any] = weakref.WeakSet()


def stop_clocks_of_rate_limiters() -> None:
    """Let no window end during a test, and remember every RateLimiter, so that its counts can be forgotten with the test.

    A test that makes a limiter with a clock of its own decides when a window ends.
    """
    from config.foundation import rate_limiter
    from config.foundation.rate_limiter import RateLimiter

    initialize = RateLimiter.__init__

    def initialize_and_register(limiter: Any, *, clock: Any = lambda: 0.0, **options: Any) -> None:
        initialize(limiter, clock=clock, **options)
        RATE_LIMITERS.add(limiter)

    RateLimiter.__init__ = initialize_and_register  # type: ignore[method-assign]
    rate_limiter._local_limiter = RateLimiter()  # the first one was made with its module


def close_dropped_valkey_connections() -> None:
    """Close the sockets of the Valkey clients that a test drops.

    The objects of a client refer to each other. The garbage collector frees them much later, in some orders the socket before its
    connection, and the warning about the unclosed socket then fails whichever test is running.
    """
    connect = Connection._connect

    def connect_and_watch(connection: Any) -> Any:
        opened = connect(connection)
        weakref.finalize(connection, opened.close).atexit = False
        return opened

    Connection._connect = connect_and_watch  # type: ignore[method-assign]


def wait_longer_for_connections() -> None:
    """Let the database take a minute to accept a connection: on a busy machine, it may need longer than web processes wait."""
    from django.conf import settings

    options: Any = settings.DATABASES["default"]["OPTIONS"]
    options["pool"]["timeout"] = options["connect_timeout"] = 60


def share_static_files() -> None:
    """Look for the static files once: each test's client makes a middleware, which reads the state of hundreds of files."""
    from django.conf import settings

    from config.http.static_files import StaticFilesMiddleware

    add_files_from_finders = StaticFilesMiddleware.add_files_from_finders
    found: dict[str, dict[str, Any]] = {}

    def add_shared_files(middleware: Any) -> None:
        names = [
            name for name in dir(settings) if name.startswith(("DEBUG", "FORCE_SCRIPT_NAME", "STATIC", "WHITENOISE"))
        ]
        key = repr([(name, getattr(settings, name)) for name in names])
        if key not in found:
            own, middleware.files = middleware.files, {}
            add_files_from_finders(middleware)
            found[key], middleware.files = middleware.files, own
        middleware.files |= found[key]

    StaticFilesMiddleware.add_files_from_finders = add_shared_files  # type: ignore[method-assign]


# pytest sets the first around every test, scikit-learn the second when the first test needs it
VOLATILE_VARIABLES = ("PYTEST_CURRENT_TEST", "KMP_INIT_AT_FORK")
HANDLED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD)


def read_process_state() -> dict[str, object]:
    """Return the state that each test must restore: environment, working directory, handlers, Celery's application and settings."""
    state: dict[str, object] = {
        f"environment variable {name}": value for name, value in os.environ.items() if name not in VOLATILE_VARIABLES
    }
    state["working directory"] = Path.cwd()
    state |= {f"handler of {number.name}": signal.getsignal(number) for number in HANDLED_SIGNALS}
    state["default timeout of sockets"] = socket.getdefaulttimeout()
    state["precision of decimals"] = decimal.getcontext().prec
    state["recursion limit"] = sys.getrecursionlimit()
    state["disabled logging"] = logging.root.manager.disable
    if "config.celery" in sys.modules:
        from celery import current_app

        state["current Celery application"] = current_app.main
    if "django.conf" in sys.modules:
        from django.conf import settings

        if settings.configured:
            from django.utils import timezone

            state["current time zone"] = timezone.get_current_timezone_name()
            values = vars(settings._wrapped)
            # pytest-django writes the names of the test databases into DATABASES when the first test needs one;
            # axes stores a lazy object in AXES_USERNAME_FORM_FIELD, whose repr changes at the first log-in
            volatile = ("DATABASES", "AXES_USERNAME_FORM_FIELD")
            names = [name for name in values if name.isupper() and name not in volatile]
            state |= {f"setting {name}": repr(values[name]) for name in names}
    return state


BEFORE, AFTER = pytest.StashKey[dict[str, object]](), pytest.StashKey[dict[str, object]]()
IS_SET_UP = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Record the state of the process before the first fixture of the test, which is that after the test before.

    No test starts in the last seconds of an hour, so that the date stays the same while it runs.
    """
    time.sleep(compute_wait_for_next_hour(time.time()))
    item.stash[BEFORE] = item.session.stash.get(AFTER, None) or read_process_state()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Fail a test that does not restore what `read_process_state` reads."""
    result = yield
    before, after = item.stash[BEFORE], read_process_state()
    item.session.stash[AFTER] = after
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    # Django's test environment changes some settings with the first test of the process and restores them with the last.
    if nextitem is None or IS_SET_UP not in item.session.stash:
        changed = [name for name in changed if not name.startswith("setting ")]
    if hasattr(_TestState, "saved_data"):  # not yet after a test that was skipped
        item.session.stash[IS_SET_UP] = True
    if changed:
        pytest.fail(f"The test leaves changed: {', '.join(changed)}", pytrace=False)
    return result


def pytest_collection_finish() -> None:
    """Let the garbage collector leave out the modules and thousands of collected tests, and look for cycles less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_sessionfinish() -> None:
    """Stop the browser that browser tests have shared."""
    if "tests.chromium" in sys.modules:
        sys.modules["tests.chromium"].chromium.stop()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings: None) -> None:
    """Copy the database that the first worker has migrated."""
    from django.db import connection

    if "TEST_TEMPLATE_DATABASE" in os.environ:
        folder, template = Path(os.environ["PERENNIAL_VAR"]), os.environ["TEST_TEMPLATE_DATABASE"]
        connection.creation.create_test_db = make_copying_creator(connection.creation, template, folder)  # type: ignore[method-assign]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Let tests that commit empty the tables quickly, and those of the audit log at all; its other triggers stay active."""
    from django.db import connection
    from django.test import TransactionTestCase

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in APPEND_ONLY:
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER audit_log_no_truncate")
        cursor.execute("ALTER TABLE identity_consent DISABLE TRIGGER consent_no_truncate")
        cursor.execute("ALTER TABLE loyalty_pointentry DISABLE TRIGGER loyalty_entry_no_truncate")
        quick_flush = QuickFlush(connection)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda test_case: quick_flush.flush())
        yield


@pytest.fixture
def valkey() -> Iterator[redis.Redis]:
    """Yield a client on this worker's own database, empty before and after the test."""
    with redis.Redis.from_url(os.environ["VALKEY_URL"]) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture(autouse=True, scope="session")
def patient_valkey_clients() -> Iterator[None]:
    """Wait half a minute for Valkey: on a busy machine, it may answer later than requests wait for it. Tests of the time limit make their client.

    The pause after a failure stays short, so that tests may stop a server and start it again.
    """
    from config import health
    from config.foundation import valkey
    from config.monitoring import server_state

    class PatientValkeyClient(valkey.ValkeyClient):
        def __init__(self, url: str, timeout: float = valkey.TIMEOUT_SECONDS) -> None:
            super().__init__(url, max(timeout, 30.0))
            self._pause = valkey.PAUSE_TIMEOUTS * timeout

    valkey.get_client.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(valkey, "ValkeyClient", PatientValkeyClient)
        patch.setattr(health, "VALKEY_SECONDS", 30.0)
        patch.setattr(server_state, "TIMEOUT_SECONDS", 30.0)
        yield


@pytest.fixture(autouse=True)
def repeatable_random_bytes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test the same salts, keys and UUIDs in every run: with a few customers, one salt in thirty holds all of them out."""
    make_bytes = random.Random(request.node.nodeid).randbytes
    monkeypatch.setattr(os, "urandom", make_bytes)
    monkeypatch.setattr(random, "_urandom", make_bytes)  # from which `secrets` reads


@pytest.fixture(autouse=True)
def default_language() -> Iterator[None]:
    """Reset the language, because a request in Chinese leaves it active in the thread."""
    from django.utils import translation

    translation.deactivate()
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def forgotten_lookups() -> Iterator[None]:
    """Forget keys, origins, accounts and offers with the test: the next one would otherwise find its rows for five seconds."""
    yield
    for cache in tuple(LOOKUP_CACHES):
        cache.forget()
        cache._down_until = 0.0


@pytest.fixture(autouse=True)
def lasting_lookups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let cached lookups last as long as a test whose transaction reads them, however slow the machine.

    Otherwise, whichever request finds one expired would make one more query. A test that sets the clock of the cache requests
    ``real_lookup_ages``; in a test that commits, expired lookups are read in the background.
    """
    from config.foundation import ttl_cache

    marker = request.node.get_closest_marker("django_db")
    commits = marker is not None and marker.kwargs.get("transaction")
    if not commits and not {"live_server", "real_lookup_ages", "transactional_db"}.intersection(request.fixturenames):
        for name in ("TTL_SECONDS", "REFRESH_SECONDS"):
            monkeypatch.setattr(ttl_cache, name, math.inf)


@pytest.fixture
def real_lookup_ages() -> None:
    """Let cached lookups expire, as outside of tests."""


@pytest.fixture(autouse=True)
def forgotten_blocks() -> None:
    """Read anew whose events are blocked: for a second, the process would still block those whom the test before has erased."""
    module = sys.modules.get("customers.identity.erased.blocked_identifiers")
    if module is not None:
        module.blocked_index.expire()


@pytest.fixture(autouse=True)
def forgotten_requests() -> None:
    """Count the requests of each test apart: all tests have the same address."""
    for limiter in tuple(RATE_LIMITERS):
        limiter.reset()


@pytest.fixture(autouse=True)
def forgotten_damage() -> None:
    """Forget which models seemed damaged: tests share trainings, and a late request of a browser finds no folder after its test has ended."""
    module = sys.modules.get("recommendations.serving.state.loader")
    if module is not None:
        module.loader.damaged_at.clear()


@pytest.fixture(scope="module", autouse=True)
def forgotten_serving_state() -> None:
    """Forget the products and the model that tests of another file have loaded; those of one file may share them."""
    module = sys.modules.get("recommendations.serving.state.loader")
    if module is not None:
        module.loader.state = None


@pytest.fixture(autouse=True)
def forgotten_templates() -> None:
    """Compile the templates of each test anew: a test that restores a backup lets ids begin again, so they do not name one version."""
    module = sys.modules.get("recommendations.messaging.rendering.compiled_template")
    if module is not None:
        module.forget_compiled()


@pytest.fixture(autouse=True)
def shop_of_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read the shop from the environment: a test of stored shop settings requests the fixture ``stored_shop``.

    Otherwise, whichever request finds the cache expired would make one more query.
    """
    from config.foundation.shop import profile

    if "stored_shop" in request.fixturenames:
        profile.forget_shop()
    else:
        monkeypatch.setattr(profile, "_cache", SimpleNamespace(get=lambda key: None, forget=lambda: None))


@pytest.fixture(autouse=True)
def default_consent_rules(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Apply the default settings of consent: a test of stored ones requests the fixture ``stored_consent_settings``."""
    from customers.identity.consent import regions

    if "stored_consent_settings" in request.fixturenames:
        regions.forget_consent_rules()
    else:
        monkeypatch.setattr(regions, "_cache", SimpleNamespace(get=lambda key: None, forget=lambda: None))


@pytest.fixture
def stored_consent_settings() -> Iterator[None]:
    """Read the settings of consent of the database, as outside of tests."""
    from customers.identity.consent import regions

    yield
    regions.forget_consent_rules()


@pytest.fixture(autouse=True)
def own_breakers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Count failures of servers for each test apart: Valkey keeps them."""
    from config.foundation.circuit_breakers import breaker

    monkeypatch.setattr(breaker, "PREFIX", f"breaker:{request.node.nodeid}:")


@pytest.fixture(autouse=True)
def figures_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep no figures, and wait for all of them, however slow the machine: the next test has other rows."""
    from config.foundation import slow_figures

    monkeypatch.setattr(slow_figures, "SLOW_SECONDS", math.inf)
    monkeypatch.setattr(slow_figures, "WAIT_MS", 0)  # no limit


@pytest.fixture(autouse=True)
def patient_statements(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let statements of requests take ten minutes, because a busy machine would leave their work to a job.

    A test of their time limit requests the fixture ``usual_statements``.
    """
    from config.foundation import slow_figures

    if "usual_statements" in request.fixturenames:
        return
    monkeypatch.setattr(slow_figures, "WAIT_MS", 600_000)
    campaign_runs = sys.modules.get("recommendations.campaigns.launch.runs")
    if campaign_runs is not None:
        monkeypatch.setattr(campaign_runs, "MAX_STATEMENT_MS_IN_REQUEST", 600_000)


@pytest.fixture
def usual_statements() -> None:
    """Keep the time limits of the statements of requests."""


@pytest.fixture(autouse=True)
def one_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let all requests of a test count in one minute of the rate limits, without those of other tests.

    Otherwise, a minute may end before a limit is reached, or the requests of many tests may reach one.
    """
    from config.access import throttling
    from config.foundation import rate_limiter

    now = time.time()
    monkeypatch.setattr(rate_limiter, "_local_limiter", rate_limiter.RateLimiter(clock=lambda: now))
    monkeypatch.setattr(throttling.KeyRateThrottle, "get_now", staticmethod(lambda: now))
    fast_path = sys.modules.get("config.fast_path")
    if fast_path is not None:
        monkeypatch.setattr(fast_path, "time", SimpleNamespace(time=lambda: now))


@pytest.fixture(autouse=True)
def lasting_sessions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no time pass for the sessions of users: a minute later, any page would make one more query, which stores their activity.

    Tests of the end of sessions set the times of a session back.
    """
    from config.access.sessions import lifetime, middleware

    now = time.time()
    for module in (lifetime, middleware):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: now))


@pytest.fixture
def one_second(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Let Django's clock advance by a microsecond at each reading, and return the beginning of this second.

    A test that makes rows of today and shows a page of the last days would otherwise fail at midnight, and one that counts the
    queries of a page at the end of a minute.
    """
    from django.utils import timezone

    beginning, readings = datetime.now(UTC).replace(microsecond=0), count()
    monkeypatch.setattr(timezone, "now", lambda: beginning + timedelta(microseconds=next(readings)))
    return beginning


@pytest.fixture(autouse=True)
def written_impressions() -> None:
    """Write the impressions of the test before, whose thread would otherwise add them to the Valkey of this one."""
    module = sys.modules.get("recommendations.serving.impressions.writer")
    if module is not None:
        writer = module.process_queue.writer
        writer.waiting.clear()
        writer.flush()  # waits for those that the thread is sending


@pytest.fixture
def stored_shop() -> Iterator[None]:
    """Read the shop settings of the database, as outside of tests."""
    from config.foundation.shop import profile

    yield
    profile.forget_shop()


@pytest.fixture(autouse=True)
def stopped_searcher() -> Iterator[None]:
    """Stop the search refresh thread with its test; in the next one it would load models before they exist."""
    yield
    searcher_module = sys.modules.get("recommendations.serving.search.searcher")
    if searcher_module is not None and searcher_module.searcher.thread is not None:
        searcher_module.searcher.stop()
        vars(searcher_module.searcher).update(vars(searcher_module.Searcher()))


# seconds that the long tests of a module take together; the tests of a module stay together, because they share its fixtures
LONG_MODULES = {
    # acceptance
    "access/test_schemathesis.py": 150,
    "browser/test_storefront.py": 85,
    "browser/test_navigation.py": 110,
    "serving/test_faults.py": 90,
    "browser/test_pages.py": 60,
    "journeys/": 140,
    "processing/test_killed.py": 80,
    "collector/running/": 100,
    "config/test_up_command.py": 50,
    "web_server/test_server.py": 50,
    "training/test_train.py": 45,
    "demo/test_complete_journey.py": 40,
    "sending/test_crashes.py": 30,
    "upgrade/test_upgrade.py": 30,
    "embedded/test_fail_over.py": 25,
    "browser/test_privacy.py": 25,
    "browser/test_alarms.py": 25,
    "config/test_reload.py": 15,
    "browser/test_segments.py": 25,
    "clients/test_recommendation_snippets.py": 20,
    "config/clickstream/test_simulation.py": 20,
    "browser/test_home_rows.py": 20,
    "browser/test_recommendations.py": 20,
    "flows/test_killed.py": 20,
    "impressions/test_killed.py": 15,
    # the other tests
    "propensity/test_scoring.py": 100,
    "access/test_personal_data_walk.py": 80,
    "access/test_hostile_input.py": 50,
    "config/test_patterns.py": 30,
    "serving/test_freshness.py": 25,
    "clv/test_scoring.py": 25,
    "browser/test_account_pages.py": 25,
    "clv/test_backtest.py": 15,
    "clv/test_held_coverage.py": 15,
    "resolution/test_resolution_model.py": 10,
}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> Iterator[None]:
    """Let all workers have the tests in the same order, whatever they collected first."""
    items.sort(key=lambda item: item.nodeid)
    result = yield
    distribute_long_modules(config, items)
    return result


def distribute_long_modules(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each worker its share of the long modules, longest first, so that no worker starts one when the others have finished."""
    n_workers = getattr(config, "workerinput", {}).get("workercount", 1)
    by_module: dict[str, list[pytest.Item]] = {}
    for item in items:
        module = next((module for module in LONG_MODULES if module in item.nodeid), "")
        by_module.setdefault(module, []).append(item)
    short = by_module.pop("", [])
    shares: list[tuple[int, list[pytest.Item]]] = [(0, [])] * n_workers
    for module in sorted(by_module, key=lambda module: -LONG_MODULES[module]):
        least = min(range(n_workers), key=lambda worker: shares[worker][0])
        seconds, worker_items = shares[least]
        shares[least] = seconds + LONG_MODULES[module], [*worker_items, *by_module[module]]
    # xdist gives each worker the next part of the list, all of equal length; what a worker has not begun, another may take over
    ordered: list[pytest.Item] = []
    for worker, (_seconds, worker_items) in enumerate(shares, start=1):
        n_short = max(worker * len(items) // n_workers - len(ordered) - len(worker_items), 0)
        ordered += [*worker_items, *short[:n_short]]
        del short[:n_short]
    items[:] = [*ordered, *short]
