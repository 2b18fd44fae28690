"""Times the export, the erasure and the proof of customers among many: ``python -m benchmarks.erasure --customers 1000000``.

The shop is made in a database and folders of its own, by SQL: every customer has a name, an address, identifiers, three events and a
message, and every other one an order. It prints one JSON line.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import log

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TOKENS = 200  # encrypting a name for each of a million customers would take longer than everything measured
DAYS = 60
REWRITTEN = 1000
SINGLE, PROVEN = 5, 99
CUSTOMERS = """
INSERT INTO identity_customer (id, created_at, first_seen_at, last_seen_at, name, email, phone, birthday, language, country, traits)
SELECT n, %(now)s, %(now)s, %(now)s, (%(names)s::text[])[1 + n %% %(tokens)s], (%(emails)s::text[])[1 + n %% %(tokens)s], '', '', 'en', 'DE', '{}'
FROM generate_series(1, %(customers)s) AS n
"""
IDENTIFIERS = """
INSERT INTO identity_identifier (kind, value, customer_id, created_at, linked_by)
SELECT kind, prefix || n, n, %(now)s, '' FROM generate_series(1, %(customers)s) AS n,
       (VALUES ('user_id', 'benchmark-user-'), ('anonymous_id', 'benchmark-visitor-')) AS k (kind, prefix)
"""
EVENTS = """
INSERT INTO events_event (source_id, message_id, type, name, user_id, anonymous_id, occurred_at, received_at, session_id, product_ids, currency,
                          properties, context, recommendation_id)
SELECT %(source)s, 'm-' || n || '-' || i, 'track', 'Product Viewed', 'benchmark-user-' || n, 'benchmark-visitor-' || n, at, at, 's-' || n,
       ARRAY['p-' || n %% 500], '', jsonb_build_object('query', 'tea ' || n %% 90), '{"library": {"name": "web"}}', ''
FROM generate_series(1, %(customers)s) AS n, generate_series(1, 3) AS i,
     LATERAL (SELECT %(now)s - make_interval(days => (n %% %(days)s)::int, mins => i) AS at) AS moment
"""
ORDERS = """
INSERT INTO orders_order (source_id, order_id, customer_id, guest_email_hash, kind, status, placed_at, currency, subtotal, discount, shipping, tax,
                          total, refunded, coupon, channel, created_at)
SELECT %(source)s, 'o-' || n, n, '', 'sale', 'placed', %(now)s - make_interval(days => (n %% %(days)s)::int), 'EUR', 20, 0, 0, 0, 20, 0, '', '',
       %(now)s
FROM generate_series(1, %(customers)s, 2) AS n
"""
MESSAGES = """
INSERT INTO measurement_assignment (kind, scope_id, customer_id, is_held_out, holdout_share, assigned_at, stage, rfm_group, language)
SELECT 'campaign', 1, n, false, 0, %(now)s, 'loyal', '', 'en' FROM generate_series(1, %(customers)s) AS n
"""


def make_shop(customers: int) -> int:
    """Fill the database; return the number of rows."""
    from django.db import connection

    from customers.events.models import Source
    from customers.identity.personal_data.encrypted_field import encrypt

    source = Source.objects.create(key="benchmark", name="Benchmark", kind="server", write_key_hash="0" * 64)
    values: dict[str, Any] = {
        "now": NOW, "customers": customers, "tokens": TOKENS, "days": DAYS, "source": source.pk,
        "names": [encrypt(f"Ada Benchmark{number}") for number in range(TOKENS)],
        "emails": [encrypt(f"ada{number}@benchmark.example") for number in range(TOKENS)],
    }  # fmt: skip
    rows = 0
    with connection.cursor() as cursor:
        for statement in (CUSTOMERS, IDENTIFIERS, EVENTS, ORDERS, MESSAGES):
            cursor.execute(statement, values)
            rows += cursor.rowcount
        cursor.execute("SELECT setval(pg_get_serial_sequence('identity_customer', 'id'), %s)", [customers])
        cursor.execute("ANALYZE")
    return rows


@contextmanager
def use_folders() -> Iterator[None]:
    """Put warehouse, models and files into temporary folders during the block."""
    from django.conf import settings

    with tempfile.TemporaryDirectory(prefix="perennial-erasure-") as folder:
        root = Path(folder)
        settings.WAREHOUSE_URL, settings.VAR_DIR = str(root / "warehouse"), root
        settings.MODELS_DIR, settings.EXPORTS_DIR, settings.MERCHANDISING_DIR = (
            root / "models",
            root / "exports",
            root / "rules",
        )
        yield


def erase(customer_ids: Sequence[int]) -> tuple[float, Any]:
    """Erase customers and return the seconds and the run."""
    from customers.erasure import runner

    began = time.perf_counter()
    run = runner.execute_run(runner.erase_customers(customer_ids, requested_by="benchmark").pk)
    if run.status != "done":
        raise SystemExit(run.error)
    return time.perf_counter() - began, run


def measure(customers: int) -> dict[str, Any]:
    """Return the figures of one shop."""
    from config.foundation.personal_data.registry import list_stores
    from customers.erasure import runner
    from customers.erasure.people import describe_person
    from customers.erasure.proof.verification import prove_run
    from customers.identity.models import Customer
    from customers.warehouse.export import export_warehouse

    runner.start_worker = lambda run_id: None
    rows = make_shop(customers)
    export_warehouse(started_at=NOW + timedelta(hours=1))
    person = describe_person(Customer.objects.get(pk=7))
    began = time.perf_counter()
    exported = sum(1 for store in list_stores() for _record in store.export(person))
    export_s = time.perf_counter() - began
    singles = [erase([7 + 11 * number])[0] for number in range(SINGLE)]
    rewrite_s, _run = erase(range(1000, 1000 + min(REWRITTEN, customers // 4)))
    # the other customers have names in common, so the proof would find names of others
    Customer.objects.filter(pk=PROVEN).update(name="Zoe Onlyname", email="zoe.onlyname@benchmark.example")
    _seconds, run = erase([PROVEN])
    began = time.perf_counter()
    proof = prove_run(run)
    return {
        "benchmark": "erasure", "customers": customers, "rows": rows, "export_s": round(export_s, 3), "exported_records": exported,
        "erasure_s": round(float(np.median(singles)), 2), "erasure_p95_s": round(float(np.quantile(singles, 0.95)), 2),
        "proof_s": round(time.perf_counter() - began, 2), "proof_findings": len(proof.findings),
        "rewrite_1000_s": round(rewrite_s, 2), "rewritten_customers": min(REWRITTEN, customers // 4),
        "slowest_steps": {step.store: round(step.seconds, 2) for step in run.steps.order_by("-seconds")[:4]},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=20_000)
    arguments = parser.parse_args()
    with run_embedded_servers("erasure", report=log, TWO_FACTOR_REQUIRED="false"):
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        with use_folders():
            print(json.dumps(measure(arguments.customers)))
        connection.close()


if __name__ == "__main__":
    main()
