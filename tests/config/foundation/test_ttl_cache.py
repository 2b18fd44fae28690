"""Cached lookups do not wait for a database that does not answer."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import OperationalError, connection
from psycopg_pool import PoolClosed

from config.foundation.ttl_cache import TtlCache, get_background_executor, run_in_background
from tests.waiting import DEADLINE_SECONDS


@pytest.mark.usefixtures("real_lookup_ages")
def test_no_call_waits_for_a_database_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds, answers, calls = 0.0, threading.Event(), []
    monkeypatch.setattr("config.foundation.ttl_cache.time.monotonic", lambda: seconds)
    answers.set()

    def load(key: str) -> str:
        calls.append(key)
        assert answers.wait(DEADLINE_SECONDS)
        return f"{key} {len(calls)}"

    cache = TtlCache(load)
    assert cache.get("a") == "a 1"
    answers.clear()
    seconds = 3.0
    assert cache.get("a") == "a 1"  # its refresh has begun
    seconds = 6.0
    assert cache.get("a") == "a 1"
    with pytest.raises(OperationalError):
        cache.get("b")
    answers.set()
    get_background_executor().submit(int).result(timeout=DEADLINE_SECONDS)  # after the refresh
    assert cache.get("a") == "a 2"
    assert calls == ["a", "a"]


def test_a_value_is_loaded_again_after_another_thread_closed_the_pool(transactional_db: None) -> None:
    answers = iter([PoolClosed("the pool is already closed"), "value"])

    def load(_key: str) -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's own
    assert TtlCache(load).get("a") == "value"
    connection.ensure_connection()  # the new pool works


@pytest.mark.usefixtures("real_lookup_ages")
def test_cached_values_are_returned_while_the_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the thread that refreshes recommendations does until its process has ended."""
    seconds = 0.0
    monkeypatch.setattr("config.foundation.ttl_cache.time.monotonic", lambda: seconds)
    executor = ThreadPoolExecutor(1)
    executor.shutdown()
    monkeypatch.setattr("config.foundation.ttl_cache.get_background_executor", lambda: executor)
    cache = TtlCache(str.upper)
    assert cache.get("a") == "A"
    seconds = 3.0
    assert cache.get("a") == "A"
    seconds = 20.0
    assert cache.get("a") == "A"
    assert not run_in_background(list)


@pytest.mark.django_db(transaction=True)
def test_a_machine_without_threads_refreshes_cached_values_in_the_request(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    seconds, values = 0.0, iter("xyz")
    executor = ThreadPoolExecutor(1, thread_name_prefix="refused")
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name.startswith("refused"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    monkeypatch.setattr("config.foundation.ttl_cache.time.monotonic", lambda: seconds)
    monkeypatch.setattr("config.foundation.ttl_cache.get_background_executor", lambda: executor)
    cache = TtlCache(lambda key: next(values))
    assert cache.get("a") == "x"
    seconds = 20.0
    assert cache.get("a") == "y"
    assert "can't start new thread" in caplog.text
    assert run_in_background(lambda: 1 / 0)  # logged, as in the background
    assert "ZeroDivisionError" in caplog.text
    monkeypatch.setattr(threading.Thread, "start", start)
    executor.submit(int).result(
        timeout=DEADLINE_SECONDS
    )  # the executor gets a thread, which finds the refused work in its queue
    executor.shutdown()
    assert cache.get("a") == "y"
    assert next(values) == "z", "no work ran twice"
