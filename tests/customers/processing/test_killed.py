"""The pipeline is killed at any step and restarted: every accepted event is stored and processed exactly once."""

import random
import signal
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum

from customers.events.models import Event, EventReceipt, Outbox
from customers.feedback.models import Review
from customers.identity.models import Customer, IdentityMerge
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.orders.models import Order, OrderEvent, OrderLine
from customers.processing.models import ProcessingRun
from customers.processing.totals import read_totals
from customers.segments.event_counts.recounting import recount_all
from customers.segments.models import EventCount, EventSeries
from customers.warehouse.append import APPEND_FOLDER
from customers.warehouse.connection import open_warehouse
from tests.child_processes import kill_after_output, kill_child, start_child
from tests.customers.processing.event_makers import NOW, order, process, product, send, track
from tests.makers import make_product

pytestmark = pytest.mark.acceptance

EVENTS = 600
CUSTOMERS = 40
CHILD = """
from datetime import UTC, datetime
from customers.processing import batch, pipeline
from customers.warehouse import append
from tests.stopping_points import stop_at
pipeline.BATCH_SIZE = 100
AT = datetime(2026, 11, 24, 13, tzinfo=UTC)
"""
PRINT_STARTED = 'print("started", flush=True)\n'
RUN = "pipeline.process_events(at=AT)\n"
# A third of the batches waits for the end of the first refresh, another third for that of the second, however slow a refresh is.
WAIT_TWICE = """
import sys
link_identifiers, calls = batch.link_identifiers, []

def link_or_wait(*arguments, **options):
    calls.append(1)
    if len(calls) in (20, 40):
        sys.stdin.readline()
    return link_identifiers(*arguments, **options)

batch.link_identifiers = link_or_wait
"""
POINTS = {
    "events read": 'stop_at(batch, "read_events", after=True, calls=2)',
    "customers resolved": 'stop_at(batch, "resolve_event_customers", after=True, calls=2)',
    "orders written": 'stop_at(batch, "project_orders", after=True, calls=2)',
    "profiles written": 'stop_at(batch, "update_profiles", after=True, calls=2)',
    "events counted": 'stop_at(batch, "count_events", after=True, calls=2)',
    "removed from the outbox": 'stop_at(batch, "release_events", after=True, calls=2)',
    "draft written": 'stop_at(batch, "draft_events", after=True, calls=2)',
    "counted, not yet committed": 'stop_at(pipeline, "add_to_totals", after=True, calls=2)',
    "committed": 'stop_at(batch, "link_identifiers", after=False, calls=2)',
    "files not published": 'stop_at(batch, "publish_draft", after=False, calls=2)',
    "some files published": 'stop_at(append, "build_append_path", after=True, calls=4)',
    "files published": 'stop_at(batch, "publish_draft", after=True, calls=2)',
    "before the end is recorded": 'stop_at(pipeline.PipelineRun, "_finish", after=False, calls=1)',
}


@pytest.fixture
def root(settings: Any, tmp_path: Path) -> Path:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    return tmp_path / "warehouse"


def make_day() -> list[dict[str, Any]]:
    """Return views, logins, orders with refunds and reviews of customers on two devices; some sessions cross midnight."""
    items = []
    for number in range(EVENTS):
        customer = number % CUSTOMERS
        item: dict[str, Any] = {
            "messageId": f"m{number}",
            "anonymousId": f"v{customer}-{number % 2}",
            "timestamp": (NOW - timedelta(minutes=2 * (EVENTS - number))).isoformat(),
            "context": {"sessionId": f"s{customer}-{number // 200}"},
        }
        kind = number % 10
        if kind == 0:
            items.append({"type": "identify", **item, "userId": f"u{customer}"})
        elif kind == 1:
            items.append({**order(order_id=f"o{number}", products=[product(quantity=2)]), "userId": None, **item})
        elif kind == 2 and number > 10:
            items.append({**order("Order Refunded", f"o{number - 11}", total=5), "userId": None, **item})
        elif kind == 3:
            items.append({**track("Product Reviewed", {"product_id": "tea", "rating": 4}), "userId": None, **item})
        else:
            items.append({**track("Product Viewed", product(f"p{number % 7}")), "userId": None, **item})
    return items


def collect_outcome() -> dict[str, Any]:
    """Return the results that must be equal after any number of kills; database ids differ."""
    with open_warehouse() as tables:
        events = tables["events"]
        rows = events.select("id", "customer_id", "name", "occurred_at").to_pyarrow().to_pylist()
    in_warehouse = Counter(row["id"] for row in rows)
    return {
        "stored": Counter(Event.objects.values_list("message_id", flat=True)),
        "accepted": EventReceipt.objects.count(),
        "waiting": Outbox.objects.count(),
        "warehouse": sorted(in_warehouse) == sorted(Event.objects.values_list("id", flat=True)),
        "copies in the warehouse": set(in_warehouse.values()),
        "customers": (Customer.objects.count(), IdentityMerge.objects.count()),
        "event totals": CustomerProfile.objects.aggregate(
            Sum("events"), Sum("sessions"), Sum("orders"), Sum("revenue")
        ),
        "profiles": sorted(
            CustomerProfile.objects.values_list("events", "sessions", "orders", "revenue", "last_event_at")
        ),
        "orders": sorted(Order.objects.values_list("order_id", "status", "total", "refunded")),
        "lines": OrderLine.objects.count(),
        "order events": OrderEvent.objects.filter(folded=True).count(),
        "reviews": Review.objects.count(),
        "event counts": count_by_meaning(),
        "lifetime total": read_totals()["events"],
        "run total": ProcessingRun.objects.aggregate(events=Sum("events"))["events"],
    }


def count_by_meaning() -> dict[str, int]:
    """Return the events that conditions of segments count, of all customers."""
    meanings = dict(EventSeries.objects.filter(about="any").values_list("pk", "meaning"))
    counted: Counter[str] = Counter()
    for row in EventCount.objects.filter(series_id__in=meanings):
        counted[meanings[row.series_id]] += row.counts[-1][0]
    return dict(counted)


def send_day() -> None:
    make_product("tea")
    send(*make_day())


def check_outcome(outcome: dict[str, Any]) -> None:
    assert outcome["stored"] == Counter({f"m{number}": 1 for number in range(EVENTS)})
    assert (outcome["accepted"], outcome["waiting"]) == (EVENTS, 0)
    assert outcome["warehouse"]
    assert outcome["copies in the warehouse"] == {1}
    assert outcome["customers"][0] == CUSTOMERS
    assert outcome["event totals"]["events__sum"] == outcome["lifetime total"] == outcome["run total"] == EVENTS
    assert outcome["order events"] == 119
    assert (len(outcome["orders"]), outcome["lines"], outcome["reviews"]) == (60, 60, 60)
    assert [order[1:] for order in outcome["orders"] if order[1] == "partly_refunded"] != []
    assert outcome["event counts"] == {"view": 361, "review": 60, "purchase": 60}
    counts = sorted(EventCount.objects.values_list("customer_id", "series_id", "days", "counts"))
    recount_all()
    assert sorted(EventCount.objects.values_list("customer_id", "series_id", "days", "counts")) == counts
    profiles = outcome["profiles"]
    refresh_profiles(as_of=NOW + timedelta(days=1), started_at=NOW + timedelta(days=1))
    assert collect_outcome()["profiles"] == profiles


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("point", POINTS)
def test_kill_at_any_step_neither_loses_nor_duplicates_events(root: Path, point: str) -> None:
    send_day()
    child = start_child(CHILD + POINTS[point] + "\n" + RUN, WAREHOUSE_URL=str(root))
    kill_after_output(child, "stopped")
    process(NOW + timedelta(hours=1))
    check_outcome(collect_outcome())
    assert not any((root / APPEND_FOLDER).iterdir())
    assert "failed" in set(ProcessingRun.objects.values_list("status", flat=True))


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_repeated_kills_at_random_moments_neither_lose_nor_duplicate_events(root: Path) -> None:
    send_day()
    rng = random.Random(7)
    # if this process is delayed, a child stops before it has processed everything: every kill hits one that is at work
    pause = 'stop_at(batch, "link_identifiers", after=False, calls=4)\n'
    for _attempt in range(8):
        child = start_child(
            CHILD.replace("BATCH_SIZE = 100", "BATCH_SIZE = 15") + pause + PRINT_STARTED + RUN, WAREHOUSE_URL=str(root)
        )
        assert child.stdout is not None
        assert child.stdout.readline().strip() == "started"
        time.sleep(rng.uniform(0.02, 0.4))
        kill_child(child)
        assert child.returncode == -signal.SIGKILL
    process(NOW + timedelta(hours=1))
    check_outcome(collect_outcome())


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_all_profiles_can_be_refreshed_while_events_are_processed(root: Path) -> None:
    send_day()
    child = start_child(
        CHILD.replace("BATCH_SIZE = 100", "BATCH_SIZE = 10") + WAIT_TWICE + PRINT_STARTED + RUN, WAREHOUSE_URL=str(root)
    )
    assert child.stdout is not None
    assert child.stdin is not None
    assert child.stdout.readline().strip() == "started"
    for _refresh in range(2):
        assert child.poll() is None
        refresh_profiles(as_of=NOW + timedelta(days=1), started_at=NOW)
        child.stdin.write("refreshed\n")
        child.stdin.flush()
    while child.poll() is None:
        refresh_profiles(as_of=NOW + timedelta(days=1), started_at=NOW)
    _out, problems = child.communicate()
    assert child.returncode == 0, problems
    process(NOW + timedelta(hours=1))
    check_outcome(collect_outcome())
