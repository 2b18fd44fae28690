"""A Valkey server that is full evicts recent activity and caches, and still queues and runs tasks."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
import redis
from celery import Celery
from django.conf import settings as django_settings

from config.embedded.server_process import ServerError
from config.embedded.valkey import MEMORY_VARIABLE, read_max_memory
from config.embedded.valkey_memory import find_memory_problem
from config.foundation.valkey import get_client, run_pipeline
from customers.events.recent.interactions import (
    clear_interactions,
    link_identifiers,
    read_recent_interactions,
    remember_interactions,
)
from tests.config.jobs.workers import run_worker
from tests.customers.events.recent.event_rows import make_event_row
from tests.valkey_server import run_valkey
from tests.waiting import wait_until

LIMIT_MB = 16


@pytest.fixture(scope="module")
def small_valkey() -> Iterator[str]:
    """Yield the URL of a server with little memory."""
    with ExitStack() as stack:
        with patch.dict(os.environ, {MEMORY_VARIABLE: str(LIMIT_MB)}):
            url = stack.enter_context(run_valkey())
        yield url


@pytest.fixture
def full_valkey(small_valkey: str, settings: Any) -> Iterator[redis.Redis]:
    """Yield a client of the small server, which the recent activity uses during the test."""
    settings.VALKEY_URL = small_valkey
    get_client.cache_clear()
    with redis.Redis.from_url(small_valkey) as client:
        client.flushall()
        yield client
    get_client.cache_clear()


def make_app(url: str, done: list[int]) -> Celery:
    """Return an application with the broker settings of Perennial."""
    app = Celery("full", broker=url, set_as_current=False)
    app.conf.update(
        broker_transport_options=django_settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        task_ignore_result=True,
        task_acks_late=django_settings.CELERY_TASK_ACKS_LATE,
        worker_prefetch_multiplier=1,
    )

    @app.task(name="append", shared=False)  # other applications would get it too
    def append(number: int) -> None:
        done.append(number)

    return app


def flood(valkey: redis.Redis, *, visitors: int) -> None:
    """Send events of new visitors until the server has evicted some of their lists."""
    for start in range(0, visitors, 2000):
        remember_interactions(
            make_event_row(f"p{number % 7}{'x' * 80}", user_id="", anonymous_id=f"a{start + number}-{kind}")
            for number in range(2000)
            for kind in ("x", "y")
        )
        if valkey.info("stats")["evicted_keys"]:
            return
    pytest.fail(f"The server has not evicted anything after {visitors} visitors.")


def test_a_flood_of_recent_activity_evicts_recents_and_no_tasks(full_valkey: redis.Redis, small_valkey: str) -> None:
    done: list[int] = []
    app = make_app(small_valkey, done)
    app.send_task("append", [1])  # waits while the server becomes full
    flood(full_valkey, visitors=500_000)
    assert full_valkey.info("memory")["used_memory"] <= LIMIT_MB * 1024**2 * 1.05
    app.send_task("append", [2])  # is sent to the full server
    with run_worker(app):
        wait_until(lambda: len(done) == 2, what="both tasks")
    assert sorted(done) == [1, 2]
    # and the newest activity is there
    remember_interactions([make_event_row("new", user_id="u1", anonymous_id="")])
    assert [item.product_id for item in read_recent_interactions(identifiers=[("user_id", "u1")])] == ["new"]


def test_everything_but_queues_expires_and_no_queue_does(full_valkey: redis.Redis, small_valkey: str) -> None:
    from config.access.throttling import count_requests
    from recommendations.serving.impressions.stream import append_entries

    rows = [
        make_event_row("p1", user_id="u1", anonymous_id="a1"),
        make_event_row("p1", user_id="", anonymous_id="a2"),
        make_event_row("p1", user_id="", anonymous_id="a3", meaning="dismissal"),
    ]
    denied = make_event_row("p1", user_id="", anonymous_id="a4")
    denied.is_personalized = False
    remember_interactions([*rows, denied])
    link_identifiers(groups=[[("user_id", "u1"), ("anonymous_id", "a5")]])
    clear_interactions(identifiers=[("user_id", "u6")])
    count_requests("key:1", minute=1)
    run_pipeline(lambda pipe: pipe.set("cache:1:progress", 1, ex=int(timedelta(hours=1).total_seconds())))
    append_entries([b"entry"])
    app = make_app(small_valkey, [])
    app.send_task("append", [1], countdown=0, task_id=uuid4().hex)
    lasting = {key.decode() for key in full_valkey.scan_iter() if full_valkey.ttl(key) == -1}
    assert {name for name in lasting if not name.startswith("celery:")} == {"recent-epoch", "served"}
    assert "celery:celery" in lasting
    expiring = {key.decode().split(":")[0] for key in full_valkey.scan_iter()} - {
        name.split(":")[0] for name in lasting
    }
    assert expiring == {"recent", "dismissed", "denied", "group", "group-of", "throttle", "cache"}


@pytest.mark.parametrize("value", ["15", "-1", "much", "1e3", "9999999"])
def test_an_invalid_memory_limit_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, value)
    with pytest.raises(ServerError, match=MEMORY_VARIABLE):
        read_max_memory()


def test_a_server_that_may_lose_or_stop_tasks_is_reported(full_valkey: redis.Redis, small_valkey: str) -> None:
    assert find_memory_problem(small_valkey) == ""
    try:
        for policy, problem in (("allkeys-lru", "loses tasks"), ("noeviction", "stops running tasks")):
            full_valkey.config_set("maxmemory-policy", policy)
            assert problem in find_memory_problem(small_valkey)
        full_valkey.config_set("maxmemory", 0)
        assert "no memory limit" in find_memory_problem(small_valkey)
    finally:
        full_valkey.config_set("maxmemory", LIMIT_MB * 1024**2)
        full_valkey.config_set("maxmemory-policy", "volatile-lru")
    assert "could not be read" in find_memory_problem("redis://127.0.0.1:1/0")
