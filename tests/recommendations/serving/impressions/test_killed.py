"""After kill -9 of the storing process at any point, the next run loses and duplicates nothing."""

import os
import random
import signal
import time
from datetime import timedelta

import pytest
import redis

from recommendations.serving.impressions.store import store_impressions
from recommendations.serving.models import Impression
from tests.child_processes import kill_after_output, kill_child, start_child
from tests.makers import NOON
from tests.recommendations.serving.impressions.entries import make_entry, send_entries

pytestmark = pytest.mark.acceptance

ENTRIES = 400
CHILD = """
from datetime import UTC, datetime
from recommendations.serving.impressions import store, stream
from tests.stopping_points import stop_at, wait_to_be_killed
store.CHUNK = 50
AT = datetime(2026, 11, 24, 13, tzinfo=UTC)
"""
RUN = "store.store_impressions(at=AT)\n"
POINTS = {
    "read": 'stop_at(stream, "read_entries", after=True, calls=3)',
    "before the statement": 'stop_at(store, "insert_entries", after=False, calls=3)',
    "inside the transaction": (
        "import psycopg\nreal = psycopg.Cursor\nclass Slow(real):\n    calls = 0\n"
        "    def execute(self, *args, **kwargs):\n        result = super().execute(*args, **kwargs)\n"
        "        Slow.calls += 1\n        if Slow.calls == 3:\n            wait_to_be_killed()\n        return result\nstore.psycopg.Cursor = Slow"
    ),
    "committed": 'stop_at(store, "insert_entries", after=True, calls=3)',
    "before damaged entries are set aside": 'stop_at(stream, "set_aside_entries", after=False, calls=1)',
    "after damaged entries are set aside": 'stop_at(stream, "set_aside_entries", after=True, calls=1)',
    "before removal": 'stop_at(stream, "remove_entries", after=False, calls=3)',
    "after removal": 'stop_at(stream, "remove_entries", after=True, calls=3)',
}


def send_all() -> None:
    send_entries(*(make_entry(f"r{number:03}") for number in range(ENTRIES // 2)))
    send_entries(make_entry("damaged", first_rank=0))
    send_entries(*(make_entry(f"r{number:03}") for number in range(ENTRIES // 2, ENTRIES)))


def check_stored_once(valkey: redis.Redis) -> None:
    stored = list(Impression.objects.order_by("recommendation_id").values_list("recommendation_id", flat=True))
    assert stored == [f"r{number:03}" for number in range(ENTRIES)]
    assert (valkey.xlen("served"), valkey.xlen("served-damaged")) == (0, 1)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_step_loses_and_duplicates_nothing(valkey: redis.Redis, point: str) -> None:
    send_all()
    child = start_child(CHILD + POINTS[point] + "\n" + RUN, VALKEY_URL=os.environ["VALKEY_URL"])
    kill_after_output(child, "stopped")
    store_impressions(at=NOON + timedelta(hours=1))
    check_stored_once(valkey)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_repeated_kills_at_random_moments_lose_and_duplicate_nothing(valkey: redis.Redis) -> None:
    send_all()
    rng = random.Random(3)
    # if this process is delayed, a child stops before it has stored everything: every kill hits one that is at work
    pause = 'stop_at(store, "insert_entries", after=False, calls=20)\n'
    for _attempt in range(6):
        child = start_child(
            CHILD.replace("CHUNK = 50", "CHUNK = 3") + pause + 'print("begun", flush=True)\n' + RUN,
            VALKEY_URL=os.environ["VALKEY_URL"],
        )
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "begun"
        time.sleep(rng.uniform(0.005, 0.1))
        kill_child(child)
        assert child.returncode == -signal.SIGKILL
    store_impressions(at=NOON + timedelta(hours=1))
    check_stored_once(valkey)
