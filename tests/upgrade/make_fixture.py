"""Makes the data of an earlier version, with that version's own code: run it in a clone of that version (README.md)."""

import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, os.getcwd())

END = datetime(2026, 11, 20, 12, tzinfo=UTC)
CUSTOMERS, PRODUCTS, DAYS = 60, 25, 300
# keys of nobody: the addresses in the fixture belong to nobody either
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "FIELD_KEYS": "A" * 43 + "=",
    "HASH_KEY": "upgrade-fixture",
    "SECRET_KEY": "upgrade-fixture",
    "SHOP_CURRENCY": "EUR",
}
PROFILE = ("stage", "orders", "revenue", "rfm_group", "stage_since")
TOTALS = {
    "customers": "SELECT count(*) FROM identity_customer",
    "identifiers": "SELECT count(*) FROM identity_identifier",
    "events": "SELECT count(*) FROM events_event",
    "orders": "SELECT count(*) FROM orders_order",
    "money": "SELECT sum(total)::text FROM orders_orderline",
    "reviews": "SELECT count(*) FROM feedback_review",
    "stage_changes": "SELECT count(*) FROM lifecycle_stagetransition",
    "consents": "SELECT count(*) FROM identity_consent",
    "deliveries": "SELECT count(*) FROM sending_delivery",
}


def main() -> None:
    target = Path(sys.argv[1]).resolve()
    from config.embedded.postgres import find_binaries
    from config.embedded.servers import EmbeddedServers

    with tempfile.TemporaryDirectory(prefix="perennial-upgrade-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        servers = EmbeddedServers(folder / "var", report=print)
        try:
            urls = servers.ensure(postgres=True, valkey=True)
            os.environ |= {
                **ENVIRONMENT,
                "PERENNIAL_VAR": str(folder / "var"),
                "DATABASE_URL": str(urls.postgres),
                "VALKEY_URL": str(urls.valkey),
            }
            expected = make_data()
            command = [
                str(find_binaries() / "pg_dump"),
                "--no-owner",
                "--no-privileges",
                "--dbname",
                str(urls.postgres),
            ]
            dump = subprocess.run(command, check=True, capture_output=True).stdout
        finally:
            servers.release()
    lines = [line for line in dump.splitlines(keepends=True) if not line.startswith((b"\\restrict", b"\\unrestrict"))]
    (target / "data.sql.gz").write_bytes(gzip.compress(b"".join(lines), 9, mtime=0))
    (target / "expected.json").write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n")


def make_data() -> dict[str, Any]:
    """Send events through the collector's code, process them and compute the profiles; return the answers."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    from catalog.models import Product
    from customers.events.collector.ingest import ingest_items
    from customers.events.models import Source
    from customers.lifecycle.models import CustomerProfile
    from customers.lifecycle.refresh.nightly import refresh_profiles
    from customers.processing.pipeline import process_events

    call_command("migrate", verbosity=0)
    for number in range(PRODUCTS):
        Product.objects.create(
            product_id=f"p{number}", title=f"Product {number}", price=f"{number + 1}.25", currency="EUR"
        )
    source = Source.objects.create(key="shop", name="Shop", kind=Source.Kind.SERVER)
    items = [json.dumps(item).encode() for item in draw_items()]
    for start in range(0, len(items), 200):
        ingest_items(source=source, items=items[start : start + 200], call_type=None, sent_at=None, received_at=END)
    process_events(at=END)
    refresh_profiles(as_of=END, started_at=END)
    with connection.cursor() as cursor:
        totals = {}
        for name, statement in TOTALS.items():
            cursor.execute(statement)
            totals[name] = cursor.fetchone()[0]
        cursor.execute("SELECT customer_id, value FROM identity_identifier WHERE kind = 'user_id' ORDER BY value")
        names = dict(cursor.fetchall())
    profiles = {
        names[row["customer_id"]]: {name: str(row[name]) for name in PROFILE}
        for row in CustomerProfile.objects.values("customer_id", *PROFILE)
        if row["customer_id"] in names
    }
    return {"totals": totals, "profiles": profiles}


def draw_items() -> list[dict[str, Any]]:
    draws = random.Random(5)
    items: list[dict[str, Any]] = []
    for person in range(CUSTOMERS):
        user = f"u{person:02}"
        traits = {
            "email": f"{user}@shop.example",
            "name": f"Person {person}",
            "language": draws.choice(["en", "zh-hans"]),
        }
        items.append(
            {"type": "identify", "userId": user, "traits": traits, "messageId": f"{user}-i", "timestamp": at(DAYS)}
        )
        day = draws.uniform(0, DAYS)
        for number in range(draws.randrange(1, 6)):
            product = draws.randrange(PRODUCTS)
            view = {"product_id": f"p{product}"}
            items.append(track(user, f"v{number}", "Product Viewed", view, day + 0.1))
            line = {"product_id": f"p{product}", "quantity": draws.randrange(1, 4), "price": product + 1.25}
            order = {
                "order_id": f"{user}-{number}",
                "currency": "EUR",
                "total": line["quantity"] * line["price"],
                "products": [line],
            }
            items.append(track(user, f"o{number}", "Order Completed", order, day))
            day *= draws.uniform(0.3, 0.9)
        if person % 5 == 0:
            review = {"product_id": "p1", "review_id": f"r{person}", "rating": 1 + person % 4, "review_body": "Fine."}
            items.append(track(user, "r", "Product Reviewed", review, 1))
    return items


def track(user: str, name: str, event: str, properties: dict[str, Any], days: float) -> dict[str, Any]:
    return {
        "type": "track",
        "userId": user,
        "event": event,
        "messageId": f"{user}-{name}",
        "timestamp": at(days),
        "properties": properties,
    }


def at(days: float) -> str:
    """Return the moment so many days before the end."""
    return (END - timedelta(days=days)).isoformat()


if __name__ == "__main__":
    main()
