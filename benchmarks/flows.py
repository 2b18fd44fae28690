"""Flows with many people inside, on an embedded PostgreSQL in a temporary folder.

--people customers are triggered at the same time and enter one flow: a wait, a random split, and a message in one branch. entries_per_s: triggers
processed per second, with the filter and the re-entry rule. timers_per_s: people who arrive at the first wait, and later pass it and queue
their messages, per second. lag_p99_s: how late a timer fires when the timers of ten minutes are spread evenly and the job runs every two
seconds. peak_mb: the largest memory of this process; growth_mb: how much of it came after the first seconds of entries and timers.
Progress and the rates of each ten seconds are on stderr. floor_updates_per_s: bare updates of the due time of 100,000 rows, in the same run.
"""

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.embedded_servers import run_embedded_servers

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LAG_PEOPLE = 20_000  # timers of the ten minutes in which the lag is measured
TICK = timedelta(seconds=2)
FLOOR_ROWS = 100_000
SLICE = 10.0  # seconds
STEPS = [
    {"key": "pause", "kind": "wait", "for": {"hours": 3}},
    {
        "key": "test",
        "kind": "split",
        "weights": {"a": 50, "b": 50},
        "branches": {"a": [{"key": "reminder", "kind": "message", "template": "hello"}], "b": []},
    },
    {"key": "result", "kind": "wait", "for": {"days": 3}},
]
INSERT_CUSTOMERS = "INSERT INTO identity_customer ({columns}) SELECT {values} FROM generate_series(1, %s) AS n"
INSERT_SIGNALS = """
INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
SELECT 'event', 'cart', id, '', 'event:' || id, %s, '{"name": "Product Added", "properties": {"price": 12}, "is_claim": false}'
FROM identity_customer ORDER BY id
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=1_000_000)
    arguments = parser.parse_args()
    with run_embedded_servers("flows", report=lambda _message: None):
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        line = measure(arguments.people)
        connection.close()
    print(json.dumps(line))


def execute(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def measure(people: int) -> dict[str, Any]:
    from recommendations.flows.execution.reactions import process_signals
    from recommendations.flows.execution.stepping import run_due_steps
    from recommendations.sending.models import Delivery

    make_shop(people)
    execute(INSERT_SIGNALS, [NOW])
    report(f"{people} signals")
    later = NOW + timedelta(hours=3)
    entries = measure_slices("entries", lambda: process_signals(now=NOW, seconds=SLICE).entered)
    arrivals = measure_slices("arrivals at the wait", lambda: run_due_steps(now=NOW, seconds=SLICE).stays)
    timers = measure_slices("timers", lambda: run_due_steps(now=later, seconds=SLICE).stays)
    sent = Delivery.objects.count()
    lags = measure_lag(min(people, LAG_PEOPLE))
    peak_mb = read_peak()
    return {
        "people": entries.done,
        "entries_per_s": round(entries.done / entries.seconds),
        "timers_per_s": round((arrivals.done + timers.done) / (arrivals.seconds + timers.seconds)),
        "lag_p99_s": round(sorted(lags)[int(len(lags) * 0.99)], 2),
        "peak_mb": peak_mb,
        "growth_mb": max(part.growth_mb for part in (entries, arrivals, timers)),
        "messages": sent,
        "floor_updates_per_s": measure_floor(),
    }


@dataclass
class Slices:
    """What one part did: the number, the seconds, and the memory that came after the first slice."""

    done: int = 0
    seconds: float = 0.0
    growth_mb: int = 0


def measure_slices(name: str, work: Callable[[], int]) -> Slices:
    """Repeat ``work``, which takes about ten seconds, until nothing is left, and report the rate of each slice."""
    result, first_peak = Slices(), 0
    while True:
        started = time.perf_counter()
        done = work()
        seconds = time.perf_counter() - started
        if not done:
            return result
        result.done += done
        result.seconds += seconds
        first_peak = first_peak or read_peak()
        result.growth_mb = read_peak() - first_peak
        report(f"{name}: {result.done} at {done / seconds:.0f}/s, {read_peak()} MB")


def read_peak() -> int:
    """Return the largest memory of this process so far, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def make_shop(people: int) -> None:
    """Generate customers, a template and a live flow."""
    from customers.identity.models import Customer
    from recommendations.flows.publishing import create_flow, publish_flow
    from recommendations.messaging.models import MessageTemplate, TemplateVersion

    Customer.objects.create(created_at=NOW)
    names = [name for (name,) in execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'identity_customer' AND column_name <> 'id'"
    )]  # fmt: skip
    columns = ", ".join(names)
    values = ", ".join(f"(SELECT c.{name} FROM identity_customer c ORDER BY c.id LIMIT 1)" for name in names)
    execute(INSERT_CUSTOMERS.format(columns=columns, values=values), [people - 1])
    execute("ANALYZE identity_customer")
    template = MessageTemplate.objects.create(key="hello", name="Hello")
    TemplateVersion.objects.create(template=template, number=1, published_at=NOW)
    definition = {
        "schema": 1,
        "trigger": {
            "kind": "event",
            "event": "Product Added",
            "where": [{"property": "price", "op": "at_least", "value": 10}],
        },
        "filter": {"all": []},
        "reentry": {"rule": "after", "days": 30},
        "goal": {"kind": "event", "event": "order_placed"},
        "exits": [],
        "steps": STEPS,
    }
    publish_flow(flow=create_flow(name="Basket", definition=definition), now=NOW)


def measure_lag(people: int) -> list[float]:
    """Spread timers over ten minutes, run the due steps every two simulated seconds, and return how late each fired.

    Everyone else is at the last wait, which ends days later.

    The time of a run is the time of its tick plus the time that the work before it took.
    """
    from recommendations.flows.execution.stepping import run_due_steps

    start = NOW + timedelta(days=1)
    generator = random.Random(7)
    chosen = [
        row[0]
        for row in execute("SELECT id FROM flows_flowentry WHERE status = 'active' ORDER BY id LIMIT %s", [people])
    ]
    due = [start + timedelta(seconds=600 * generator.random()) for _id in chosen]
    execute(
        "UPDATE flows_flowentry e SET due_at = r.due FROM unnest(%s::bigint[], %s::timestamptz[]) AS r (id, due) WHERE e.id = r.id",
        [chosen, due],
    )
    lags: list[float] = []
    tick, waiting = start, sorted(due)
    while waiting:
        tick += TICK
        began = time.perf_counter()
        run_due_steps(now=tick)
        took = time.perf_counter() - began
        fired = [moment for moment in waiting if moment <= tick]
        lags += [(tick - moment).total_seconds() + took for moment in fired]
        waiting = waiting[len(fired) :]
    return lags


def measure_floor() -> int:
    """Return the bare updates per second of the same rows."""
    started = time.perf_counter()
    ((count,),) = execute("""
        WITH changed AS (
            UPDATE flows_flowentry SET due_at = due_at + interval '1 second'
            WHERE id IN (SELECT id FROM flows_flowentry LIMIT %s) RETURNING id
        ) SELECT count(*) FROM changed
    """, [FLOOR_ROWS])  # fmt: skip
    return round(count / (time.perf_counter() - started))


if __name__ == "__main__":
    main()
