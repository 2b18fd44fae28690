"""A connection whose server does not answer is closed, and no other."""

from concurrent.futures import ThreadPoolExecutor, wait

import psycopg
import pytest
from django.db import connection

from config.foundation.database.wait_limits import WaitLimiter
from tests.waiting import DEADLINE_SECONDS, wait_until

pytestmark = pytest.mark.django_db


def open_connection() -> psycopg.Connection[tuple[object, ...]]:
    assert connection.connection is not None or connection.cursor()
    return psycopg.connect(
        connection.connection.info.dsn, password=connection.settings_dict["PASSWORD"], autocommit=True
    )


def test_a_statement_that_waits_too_long_fails() -> None:
    limiter = WaitLimiter()
    with open_connection() as waiting, open_connection() as idle, ThreadPoolExecutor(1) as executor:
        process = waiting.info.backend_pid
        with limiter.limit(lambda: waiting, seconds=0.2), limiter.limit(lambda: idle, seconds=0.2):
            statement = executor.submit(waiting.execute, "SELECT pg_sleep(600)")
            wait_until(lambda: limiter.check() == 1, what="the limit")
            with pytest.raises(psycopg.OperationalError):
                statement.result(timeout=DEADLINE_SECONDS)
        # the server has not noticed: it sleeps
        assert idle.execute("SELECT pg_terminate_backend(%s, 300000)", [process]).fetchone() == (True,)


def test_a_statement_that_sends_rows_may_take_longer() -> None:
    limiter = WaitLimiter()
    with (
        open_connection() as busy,
        ThreadPoolExecutor(1) as executor,
        limiter.limit(lambda: busy, seconds=DEADLINE_SECONDS),
    ):
        rows = busy.cursor().stream("SELECT n, repeat('x', 10000), pg_sleep(0.01) FROM generate_series(1, 60) n")
        number = executor.submit(lambda: sum(1 for _row in rows))
        while not number.done():
            assert limiter.check() == 0
            wait([number], timeout=0.01)
        assert number.result() == 60


def test_outside_the_block_nothing_is_closed() -> None:
    limiter = WaitLimiter()
    with open_connection() as waiting, ThreadPoolExecutor(1) as executor:
        with limiter.limit(lambda: waiting, seconds=0.0):
            pass
        statement = executor.submit(lambda: waiting.execute("SELECT pg_sleep(0.3)").fetchone())
        assert limiter.check() == 0
        assert statement.result(timeout=DEADLINE_SECONDS) is not None
