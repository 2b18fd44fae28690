"""Start PostgreSQL and Valkey for every test run, unless DATABASE_URL and VALKEY_URL are set."""

import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import django
import pytest
import redis

from config.embedded.servers import EmbeddedServers, check_address
from config.translations import compile_catalog

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
        use_own_valkey_database(int(worker.removeprefix("gw")) + 1)
    else:
        start_temporary_servers(config)
        compile_catalog()
        if getattr(config.option, "numprocesses", None):
            return  # workers would inherit the variable below and read the settings before choosing their database
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    # Tests log in without a second factor; those of two-factor authentication turn it on.
    os.environ.setdefault("TWO_FACTOR_REQUIRED", "false")
    django.setup()


def start_temporary_servers(config: pytest.Config) -> None:
    """Start the servers and put their URLs into the environment, which xdist workers inherit."""
    if "PERENNIAL_VAR" not in os.environ:
        os.environ["PERENNIAL_VAR"] = tempfile.mkdtemp(prefix="perennial-tests-")
        var = Path(os.environ["PERENNIAL_VAR"])
        config.add_cleanup(lambda: shutil.rmtree(var))
    servers = EmbeddedServers(
        Path(os.environ["PERENNIAL_VAR"]) / "servers", throw_away=True, report=lambda message: None
    )
    config.add_cleanup(servers.release)
    for variable in ("DATABASE_URL", "VALKEY_URL"):
        if variable in os.environ:
            check_address(variable, os.environ[variable])
    addresses = servers.ensure(postgres="DATABASE_URL" not in os.environ, valkey="VALKEY_URL" not in os.environ)
    if addresses.postgres:
        os.environ["DATABASE_URL"] = addresses.postgres
    if addresses.valkey:
        os.environ["VALKEY_URL"] = addresses.valkey


def use_own_valkey_database(number: int) -> None:
    os.environ["VALKEY_URL"] = urlunsplit(urlsplit(os.environ["VALKEY_URL"])._replace(path=f"/{number}"))


# pytest sets the first around every test, scikit-learn the second when the first test needs it
VOLATILE_VARIABLES = ("PYTEST_CURRENT_TEST", "KMP_INIT_AT_FORK")


def read_process_state() -> dict[str, object]:
    """Return the state that each test must restore: environment, working directory and Django's settings."""
    state: dict[str, object] = {
        f"environment variable {name}": value for name, value in os.environ.items() if name not in VOLATILE_VARIABLES
    }
    state["working directory"] = Path.cwd()
    if "django.conf" in sys.modules:
        from django.conf import settings

        if settings.configured:
            values = vars(settings._wrapped)
            # pytest-django writes the names of the test databases into DATABASES when the first test needs one;
            # axes stores a lazy object in AXES_USERNAME_FORM_FIELD, whose repr changes at the first log-in
            volatile = ("DATABASES", "AXES_USERNAME_FORM_FIELD")
            names = [name for name in values if name.isupper() and name not in volatile]
            state |= {f"setting {name}": repr(values[name]) for name in names}
    return state


BEFORE = pytest.StashKey[dict[str, object]]()
IS_SET_UP = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    """Record the state of the process before the first fixture of the test."""
    item.stash[BEFORE] = read_process_state()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Fail a test that does not restore the environment, the settings or the working directory for the tests after it."""
    result = yield
    before, after = item.stash[BEFORE], read_process_state()
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    # Django's test environment changes some settings with the first test of the process and restores them with the last.
    if nextitem is None or IS_SET_UP not in item.session.stash:
        changed = [name for name in changed if not name.startswith("setting ")]
    item.session.stash[IS_SET_UP] = True
    if changed:
        pytest.fail(f"The test leaves changed: {', '.join(changed)}", pytrace=False)
    return result


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Let tests that commit empty the tables of the audit log afterwards; its other triggers stay active in all tests."""
    from django.db import connection

    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for table in ("auditlog_logentry", "access_auditseal"):
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER audit_log_no_truncate")


@pytest.fixture
def valkey() -> Iterator[redis.Redis]:
    """Yield a client on this worker's own database, empty before and after the test."""
    with redis.Redis.from_url(os.environ["VALKEY_URL"]) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture(autouse=True)
def default_language() -> Iterator[None]:
    """Reset the language, because a request in Chinese leaves it active in the thread."""
    from django.utils import translation

    translation.deactivate()
    yield
    translation.deactivate()


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
def figures_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep no figures, however slow the machine: the next test has other rows."""
    from config.foundation import slow_figures

    monkeypatch.setattr(slow_figures, "SLOW_SECONDS", math.inf)


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


# half a minute or more each, longest first
LONGEST = (
    "journeys/test_kill_and_restart.py",
    "access/test_schemathesis.py",
    "benchmarks/test_lifecycle.py",
    "browser/test_pages.py",
    "demo/test_complete_journey.py",
    "serving/test_faults.py",
    "processing/test_killed.py",
    "benchmarks/test_serving.py",
    "browser/test_home_page.py",
    "events/collector/test_faults.py",
    "browser/test_storefront.py",
    "propensity/test_scoring.py",
    "benchmarks/test_propensity.py",
    "training/test_train.py",
    "order_events/test_projection.py",
)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the longest tests first on each worker, so that no worker starts one when the others have finished."""
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    position = {
        id(item): next((n for n, path_part in enumerate(LONGEST) if path_part in item.nodeid), len(LONGEST))
        for item in items
    }
    longest = sorted((item for item in items if position[id(item)] < len(LONGEST)), key=lambda item: position[id(item)])
    short = [item for item in items if position[id(item)] == len(LONGEST)]
    share = len(items) / max(workers, 1)
    ordered: list[pytest.Item] = []
    for worker in range(workers):
        # the tests of a module stay together, because they share its fixtures
        worker_tests = [item for item in longest if position[id(item)] % workers == worker]
        n_short = max(round((worker + 1) * share) - len(ordered) - len(worker_tests), 0)
        ordered += [*worker_tests, *short[:n_short]]
        del short[:n_short]
    items[:] = [*ordered, *short]
