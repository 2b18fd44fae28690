"""Times the counts of the loyalty program over many customers: ``python -m benchmarks.loyalty --customers 100000``.

The shop is made in a database of its own, by SQL: every customer has eight orders of the last two years, half of them before the
program started. It prints one JSON line.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import log

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CUSTOMERS = """
INSERT INTO identity_customer (id, created_at, first_seen_at, last_seen_at, name, email, phone, birthday, language, country, traits)
SELECT n, %(now)s, %(now)s, %(now)s, '', '', '', '', 'en', 'DE', '{}' FROM generate_series(1, %(customers)s) AS n
"""
ORDERS = """
INSERT INTO orders_order (source_id, order_id, customer_id, guest_email_hash, kind, status, placed_at, currency, subtotal, discount,
                          shipping, tax, total, refunded, coupon, channel, created_at)
SELECT %(source)s, 'o-' || n || '-' || i, n, '', 'sale', CASE WHEN (n + i) %% 29 = 0 THEN 'cancelled' ELSE 'placed' END,
       %(now)s - make_interval(days => 90 * i - n %% 60), 'EUR', total, 0, 0, 0, total, 0, '', '', %(now)s
FROM generate_series(1, %(customers)s) AS n, generate_series(1, 8) AS i, LATERAL (SELECT 10 + (n::bigint * i * 7919) %% 190 AS total) t
"""


def make_shop(customers: int) -> None:
    """Fill the database, before the program starts."""
    from django.db import connection

    from customers.events.models import Source
    from customers.loyalty.models import LoyaltyLevel, LoyaltyProgram

    source = Source.objects.create(key="benchmark", name="Benchmark", kind=Source.Kind.IMPORT)
    parameters: dict[str, Any] = {"now": NOW, "customers": customers, "source": source.pk}
    with connection.cursor() as cursor:
        cursor.execute(CUSTOMERS, parameters)
        cursor.execute(ORDERS, parameters)
        cursor.execute("SELECT setval(pg_get_serial_sequence('identity_customer', 'id'), %s)", [customers])
        cursor.execute("ANALYZE")
    LoyaltyProgram.objects.create(pk=1, is_enabled=True, started_at=NOW - timedelta(days=365), expiry_months=6)
    for position, (key, spend) in enumerate([("base", 0), ("silver", 300), ("gold", 600)]):
        rate = Decimal(position + 2) / 2
        LoyaltyLevel.objects.create(key=key, name=key, position=position, min_spend=spend, points_per_unit=rate)


def measure(customers: int) -> dict[str, float]:
    """Return the seconds of each count."""
    from django.db import connection

    from customers.loyalty.counting import count_pending, recompute_all_levels, start_program
    from customers.loyalty.levels.preview import preview_levels
    from customers.loyalty.models import LevelChange, LoyaltyLevel, LoyaltyMember, PointEntry
    from customers.loyalty.overview import compute_figures
    from customers.loyalty.points.expiry import expire_points
    from customers.loyalty.program import load_program

    program = load_program()
    later = NOW + timedelta(days=300)
    steps: dict[str, Callable[[], object]] = {
        "first levels": lambda: start_program(now=NOW, reason="rules"),
        "levels again": lambda: recompute_all_levels(now=NOW),
        "preview": lambda: preview_levels(program=program, levels=list(LoyaltyLevel.objects.all()), at=NOW),
        "points of all orders": lambda: count_pending(now=NOW),
        "overview": lambda: compute_figures(now=NOW),
        "expiry": lambda: expire_points(now=later),
        "levels ten months later": lambda: recompute_all_levels(now=later),
    }
    seconds = {}
    for name, step in steps.items():
        started = time.perf_counter()
        result = step()
        seconds[name] = round(time.perf_counter() - started, 2)
        log(f"{name}: {seconds[name]} s ({result if isinstance(result, int) else ''})")
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE loyalty_loyaltymember, loyalty_pointentry")
    log(f"{PointEntry.objects.count()} entries, {LevelChange.objects.count()} level changes")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM loyalty_loyaltymember m WHERE balance <> COALESCE((SELECT sum(points) FROM loyalty_pointentry e "
            "WHERE e.customer_id = m.customer_id), 0)"
        )
        if (wrong := cursor.fetchone()[0]) or LoyaltyMember.objects.count() != customers:
            raise SystemExit(f"{wrong} balances differ from the ledger.")
    return seconds


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="keeps the database")
    arguments = parser.parse_args(argv)
    with run_embedded_servers("loyalty", report=log, folder=arguments.folder):
        import django
        from django.core.management import call_command

        django.setup()
        call_command("migrate", verbosity=0)
        log("making the shop")
        make_shop(arguments.customers)
        print(json.dumps({"customers": arguments.customers, "seconds": measure(arguments.customers)}))


if __name__ == "__main__":
    main()
