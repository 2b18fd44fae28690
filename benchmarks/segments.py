"""Conditions on events over customers whose events are kept as daily counts, on an embedded PostgreSQL in a temporary folder.

Per condition: p50_s and p95_s of counting its customers, of the first page of the customers list (by predicted value), of the explanation
why one member is in it, and of saving it as a segment, which counts it; cpu_s of the database while counting, with parallel workers
(median), which other programs change less, and the count. worst_p95_s: of all conditions and operations. load: the system's load average
before and after. floor_scan_s: a bare sequential count of the rows that the broadest condition reads, in the same run. entry_seen_s: from
an event's arrival until the live segment contains its customer, with the two seconds of the schedule; entry_recorded_s: until the entry is
recorded in the segment's history, which starts flows, with the 22 seconds of both schedules. The counts are generated: per customer about
80 views on 20 days, 15 additions to the cart and 5 orders, in series of anything, categories, brands and products; --other-rows are counts
of further products that lie between them. --growth repeats it with a tenth of the customers, --folder keeps them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import log

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY = (NOW.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days
BLOCK = 20_000
OTHER_SERIES = 2_000
SCHEDULE_SECONDS = 2.0  # how often events are processed
RECORDING_SECONDS = 20.0  # how often entries are recorded


class MadeSeries(NamedTuple):
    """A series: the share of customers in it, their days with events, and the events of such a day."""

    meaning: str
    about: str
    name: str
    share: float
    days: int
    events: int


SERIES = (
    MadeSeries("view", "any", "", 1.0, 20, 4),
    MadeSeries("view", "category", "Grocery", 0.8, 10, 3),
    MadeSeries("view", "category", "Grocery > Coffee", 0.35, 3, 2),
    MadeSeries("view", "category", "Home", 0.6, 6, 2),
    MadeSeries("view", "brand", "Acme", 0.3, 3, 2),
    MadeSeries("view", "product", "coffee-1", 0.05, 2, 1),
    MadeSeries("cart", "any", "", 0.7, 10, 2),
    MadeSeries("cart", "category", "Grocery", 0.5, 5, 2),
    MadeSeries("cart", "category", "Grocery > Coffee", 0.15, 2, 1),
    MadeSeries("purchase", "any", "", 0.6, 8, 1),
    MadeSeries("purchase", "category", "Grocery", 0.5, 6, 1),
    MadeSeries("purchase", "category", "Grocery > Coffee", 0.2, 3, 1),
    MadeSeries("purchase", "product", "coffee-1", 0.02, 1, 1),
)
INSERT_CUSTOMERS = """
INSERT INTO identity_customer ({columns}) SELECT {values} FROM generate_series(1, %(customers)s) AS n
"""
INSERT_COUNTS = """
INSERT INTO segments_eventcount (customer_id, series_id, days, counts)
SELECT customer, series, array_agg(day ORDER BY day), array_agg(ARRAY[total, first, last] ORDER BY day)
FROM (
    SELECT customer, series, day, (sum(events) OVER (PARTITION BY customer, series ORDER BY day))::int AS total,
           first, LEAST(first + 3600, 86399) AS last
    FROM (
        SELECT DISTINCT ON (c.id, s.id, x.day) c.id AS customer, s.id AS series, x.day, 1 + (random() * 2 * (s.events - 1))::int AS events,
               (random() * 80000)::int AS first
        FROM generate_series(%(low)s, %(high)s) AS c (id)
        JOIN made_series s ON (hashint8(c.id::bigint * 1000003 + s.id) & 1048575) < s.share * 1048576
        CROSS JOIN LATERAL (
            SELECT (%(today)s - (730 * random() ^ 2)::int)::smallint AS day FROM generate_series(1, s.days + c.id * 0)
        ) AS x
    ) AS daily
) AS running
GROUP BY customer, series
ORDER BY random()
"""
INSERT_OTHERS = """
INSERT INTO segments_eventcount (customer_id, series_id, days, counts)
SELECT DISTINCT ON (c.id, s.id) c.id, s.id, ARRAY[%(today)s - (730 * random() ^ 2)::int]::smallint[], ARRAY[ARRAY[1, 40000, 40000]]
FROM generate_series(%(low)s, %(high)s) AS c (id)
CROSS JOIN LATERAL (
    SELECT %(first)s + (random() ^ 2 * (%(others)s - 1))::int AS id FROM generate_series(1, %(rows)s + c.id * 0)
) AS s
"""


def compare(field: str, op: str, value: Sequence[str] | None = None, **options: Any) -> dict[str, Any]:
    return {"field": field, "op": op, **({} if value is None else {"value": list(value)}), **options}


COFFEE = ["Grocery > Coffee"]
CONDITIONS: dict[str, Any] = {
    "viewed anything, 30 days": compare("viewed.any", "at_least", within_days=30),
    "viewed anything 10 times, 90 days": compare("viewed.any", "at_least", times=10, within_days=90),
    "viewed anything exactly 80 times, ever": compare("viewed.any", "exactly", times=80),
    "viewed a top category 5 times, 365 days": compare(
        "viewed.category", "at_least", ["Grocery"], times=5, within_days=365
    ),
    "viewed two categories 8 times, 90 days": compare(
        "viewed.category", "at_least", ["Grocery", "Home"], times=8, within_days=90
    ),
    "viewed a brand at most twice, between dates": compare(
        "viewed.brand", "at_most", ["Acme"], times=2, between=["2026-05-01", "2026-10-31"]
    ),
    "viewed a product, 30 days": compare("viewed.product", "at_least", ["coffee-1"], within_days=30),
    "added a category, never": compare("added.category", "never", COFFEE),
    "bought a category twice, 365 days": compare("bought.category", "at_least", COFFEE, times=2, within_days=365),
    "bought anything 5 times, ever": compare("bought.any", "at_least", times=5),
    "viewed then bought a category within 7 days": {
        "sequence": [{"field": "viewed.category", "value": COFFEE}, {"field": "bought.category", "value": COFFEE}],
        "gap_days": 7,
    },
    "viewed then added anything within 1 day": {
        "sequence": [{"field": "viewed.any"}, {"field": "added.any"}],
        "gap_days": 1,
    },
    "loyal, bought coffee, not in the last 30 days": {
        "all": [
            compare("stage", "in", ["loyal"]),
            compare("bought.category", "at_least", COFFEE),
            compare("bought.category", "never", COFFEE, within_days=30),
        ]
    },
}


def main() -> None:
    arguments = parse_arguments()
    smaller = measure_in_child(arguments, arguments.customers // 10) if arguments.growth else None
    line = measure(arguments, arguments.customers)
    if smaller is not None:
        line["tenth"] = {name: smaller[name] for name in ("customers", "worst_p95_s", "floor_scan_s", "conditions")}
        line["growth"] = round(line["worst_p95_s"] / smaller["worst_p95_s"], 2)
    print(json.dumps(line))


def measure_in_child(arguments: argparse.Namespace, customers: int) -> dict[str, Any]:
    """Measure in another process, because Django connects to the servers of its first import."""
    options = {"customers": customers, "other-rows": arguments.other_rows, "repeats": arguments.repeats}
    command = [sys.executable, "-m", "benchmarks.segments", *(f"--{name}={value}" for name, value in options.items())]
    line: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return line


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--other-rows", type=int, default=10, help="counts of other products per customer")
    parser.add_argument("--repeats", type=int, default=11)
    parser.add_argument("--folder", type=Path, help="keep the customers here, and reuse them")
    parser.add_argument("--growth", action="store_true", help="also measure a tenth of the customers")
    return parser.parse_args()


def measure(arguments: argparse.Namespace, customers: int) -> dict[str, Any]:
    with run_embedded_servers("segments", report=lambda _message: None, folder=arguments.folder):
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        started = time.perf_counter()
        series = find_broadest_series() or make_shop(customers, arguments.other_rows)
        made = time.perf_counter() - started
        load = os.getloadavg()[0]
        line = {
            "customers": customers,
            **measure_size(),
            "make_s": round(made, 1),
            **measure_conditions(arguments.repeats),
            "floor_scan_s": measure_floor(series, arguments.repeats),
            **measure_entry(),
            "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        }
        connection.close()
    return line


def run(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []


def find_broadest_series() -> int | None:
    """Return the number of the broadest series of a folder that has the customers already."""
    from customers.segments.models import EventSeries

    return EventSeries.objects.filter(meaning="view", about="any").values_list("pk", flat=True).first()


def make_shop(customers: int, other_rows: int) -> int:
    """Generate customers, profiles, series and counts; return the number of the broadest series."""
    from catalog.models import Category, Product
    from customers.identity.models import Customer
    from customers.lifecycle.refresh.columns import make_default_columns
    from customers.segments.models import EventSeries

    Customer.objects.create(created_at=NOW)
    columns = [column for (column,) in run(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'identity_customer' AND column_name <> 'id'"
    )]  # fmt: skip
    names = ", ".join(columns)
    run(
        f"INSERT INTO identity_customer ({names}) SELECT {names} FROM identity_customer, generate_series(2, %s)",
        [customers],
    )
    defaults = {
        **dict(make_default_columns()),
        "stage": "(ARRAY['new', 'active', 'loyal', 'dormant'])[1 + c.id %% 4]",
        "value": "(1000 * random() ^ 4)::numeric(14, 2)",
        "churn": "random()",
        "last_order_at": "now() - 700 * random() * interval '1 day'",
    }
    run(
        f"INSERT INTO lifecycle_customerprofile (customer_id, {', '.join(defaults)}) SELECT c.id, {', '.join(defaults.values())}"
        " FROM identity_customer c",
        [],
    )
    for path in ("Grocery", "Grocery > Coffee", "Home"):
        Category.objects.create(name=path, slug=path.lower().replace(" > ", "-"), path=path)
    Product.objects.create(
        product_id="coffee-1", title="Coffee", brand="Acme", category=Category.objects.get(path=COFFEE[0])
    )
    ids = [EventSeries.objects.create(meaning=each.meaning, about=each.about, name=each.name).pk for each in SERIES]
    others = EventSeries.objects.bulk_create(
        EventSeries(meaning="view", about="product", name=f"other-{number}") for number in range(OTHER_SERIES)
    )
    run("CREATE TEMPORARY TABLE made_series (id int, share float8, days int, events int)")
    for pk, each in zip(ids, SERIES, strict=True):
        run("INSERT INTO made_series VALUES (%s, %s, %s, %s)", [pk, each.share, each.days, each.events])
    [[low, high]] = run("SELECT min(id), max(id) FROM identity_customer")
    for start in range(low, high + 1, BLOCK):
        block = {"low": start, "high": min(start + BLOCK - 1, high), "today": TODAY}
        run(INSERT_COUNTS, block)
        if other_rows:
            run(INSERT_OTHERS, {**block, "rows": other_rows, "first": others[0].pk, "others": len(others)})
    run("VACUUM ANALYZE")
    return ids[0]


def measure_size() -> dict[str, Any]:
    [[rows, size]] = run(
        "SELECT sum(reltuples)::bigint, sum(pg_total_relation_size(c.oid))::bigint FROM pg_class c"
        " JOIN pg_inherits i ON i.inhrelid = c.oid WHERE i.inhparent = 'segments_eventcount'::regclass"
    )
    [[events]] = run(
        "SELECT sum(e.counts[cardinality(e.days)][1])::bigint FROM segments_eventcount e"
        " JOIN segments_eventseries s ON s.id = e.series_id WHERE s.about = 'any'"
    )
    return {"events": int(events), "counter_rows": int(rows), "counters_mb": int(size) // 2**20}


def measure_conditions(repeats: int) -> dict[str, Any]:
    from customers.segments.membership import count_matching

    backend = psutil.Process(run("SELECT pg_backend_pid()")[0][0])
    server = backend.parent()

    def read_cpu() -> float:
        """Return the CPU seconds of the connection and of all parallel workers that have ended."""
        return float(sum(backend.cpu_times()[:2]) + sum(server.cpu_times()[2:4] if server else ()))

    results: dict[str, Any] = {}
    for name, condition in CONDITIONS.items():
        cpu: list[float] = []
        count = 0

        def count_customers(condition: Any = condition, cpu: list[float] = cpu) -> None:
            nonlocal count
            cpu_before = read_cpu()
            count = count_matching(condition=condition, as_of=NOW)
            cpu.append(read_cpu() - cpu_before)

        timed = summarize(measure_times(count_customers, repeats))
        operations = {
            operation: summarize(measure_times(action, repeats))
            for operation, action in make_operations(condition).items()
        }
        results[name] = {**timed, **operations, "cpu_s": round(statistics.median(cpu), 3), "count": count}
        log(f"{name}: {results[name]}")
    worst = max(
        timed["p95_s"] for result in results.values() for timed in (result, *(result[key] for key in OPERATIONS))
    )
    return {"conditions": results, "worst_p95_s": worst}


OPERATIONS = ("list", "explain", "save")


def make_operations(condition: Any) -> dict[str, Callable[[], object]]:
    """Return what else is done with a condition, by its key in the results."""
    from customers.segments.customer_list.list_filter import ListFilter, query_listed
    from customers.segments.customer_list.pages import cut_page
    from customers.segments.editing import create_segment
    from customers.segments.explanation.membership_explanation import explain_segments
    from customers.segments.membership import count_members, query_matching
    from customers.segments.models import Segment

    member: Any = query_matching(condition=condition, as_of=NOW).order_by("pk").first()

    def show_page() -> None:
        cut_page(query_listed(ListFilter(condition=condition), as_of=NOW), sort="-value", number=1)

    def explain() -> None:
        segment = Segment(key="explained", condition=condition)
        [explanation] = explain_segments(customer=member, segments=[segment], as_of=NOW, with_personal=False)
        if not explanation.is_member:
            raise RuntimeError(f"the explanation does not agree with the membership: {explanation}")

    def save() -> None:
        segment = create_segment(name="Saved", description="", condition=condition)
        if count_members(segment=segment, as_of=NOW).error:
            raise RuntimeError(segment.error)
        segment.delete()

    return dict(zip(OPERATIONS, (show_page, explain, save), strict=True))


def measure_times(action: Callable[[], object], repeats: int) -> list[float]:
    """Return the seconds of each run."""
    seconds = []
    for _run in range(repeats):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return seconds


def summarize(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        "p50_s": round(statistics.median(ordered), 3),
        "p95_s": round(ordered[min(len(ordered) - 1, round(0.95 * (len(ordered) - 1)))], 3),
    }


def measure_floor(series: int, repeats: int) -> float:
    """Return the median seconds of a sequential count of one series, without any condition on its events."""

    def scan() -> Iterator[float]:
        for _ in range(repeats):
            began = time.perf_counter()
            run("SELECT count(*) FROM segments_eventcount WHERE series_id = %s", [series])
            yield time.perf_counter() - began

    return round(statistics.median(scan()), 3)


def measure_entry() -> dict[str, float]:
    """Return the seconds from an event until its customer is in a live segment, and until the entry is recorded.

    The schedules have just started a run when the event arrives.
    """
    from customers.events.collector.ingest import ingest_items
    from customers.events.models import Source
    from customers.identity.models import Customer, Identifier
    from customers.processing.pipeline import process_events
    from customers.segments.changed_customers import record_changed_customers
    from customers.segments.editing import create_segment
    from customers.segments.membership import count_members, query_matching

    name = f"entry-{time.time_ns()}"  # a folder can be measured again
    condition = compare("viewed.product", "at_least", [name])
    segment = create_segment(name=name, description="", condition=condition)
    count_members(segment=segment, as_of=NOW, with_history=True)
    Identifier.objects.create(kind=Identifier.Kind.USER_ID, value=name, customer=Customer.objects.order_by("pk")[0])
    source = Source.objects.create(key=name, name=name, kind=Source.Kind.SERVER)
    event = {"type": "track", "event": "Product Viewed", "userId": name, "properties": {"product_id": name}}
    began = time.perf_counter()
    ingest_items(source=source, items=[json.dumps(event).encode()], call_type=None, sent_at=None, received_at=NOW)
    process_events(at=NOW)
    if query_matching(condition=condition, as_of=NOW).count() != 1:
        raise RuntimeError("the customer of the event is not in the segment")
    seen = SCHEDULE_SECONDS + time.perf_counter() - began
    record_changed_customers(as_of=NOW)
    if segment.stays.count() != 1:
        raise RuntimeError("the entry is not recorded")
    recorded = SCHEDULE_SECONDS + RECORDING_SECONDS + time.perf_counter() - began
    return {"entry_seen_s": round(seen, 3), "entry_recorded_s": round(recorded, 3)}


if __name__ == "__main__":
    main()
