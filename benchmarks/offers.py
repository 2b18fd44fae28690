"""On-site offers under load: GET /customers/{id}/offers/ of a shop with many customers, on embedded servers of its own.

Five offers run at one placement: for two segments, for everyone with a limit of shows, for customers for whom it was queued, and one
with a holdout group; every customer has earlier decisions. The requests are due at random moments (open loop, 200 a second), and their
latencies count from then. Keys: p50_ms, p95_ms, p99_ms, max_ms, errors, requests_per_s; aim: p95 ≤ 20 ms. exposures: decisions stored
during the run. The load and the servers share the machine: load_average says how busy it was.
"""

import argparse
import json
import os
import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import log
from benchmarks.serving import run_load, run_web_server

RATE, SECONDS, WARM_SECONDS = 200.0, 20.0, 4.0
REQUESTS = 20_000
DECISIONS = 4  # earlier ones of a customer
REQUESTS_PER_MINUTE = 100_000_000

INSERT_CUSTOMERS = (
    "INSERT INTO identity_customer (id, {names}) SELECT n, {names} FROM identity_customer, generate_series(2, %s) n"
)
INSERT_USER_IDS = """
INSERT INTO identity_identifier ({names}) SELECT {values} FROM identity_identifier, generate_series(2, %s) n
"""
INSERT_PROFILES = """
INSERT INTO lifecycle_customerprofile (customer_id, {names}) SELECT c.id, {values} FROM identity_customer c
"""
INSERT_EXPOSURES = """
INSERT INTO offers_offerexposure (exposure_id, offer_id, arm, customer_id, anonymous_id, language, decided_at)
SELECT gen_random_uuid(), %s, 'shown', 1 + n %% %s, '', 'en', now() - (1 + n %% 40) * interval '1 day' FROM generate_series(1, %s) n
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=200_000)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--rate", type=float, default=RATE, help="requests per second")
    parser.add_argument("--whole", action="store_true", help="also run the worker and the scheduler")
    arguments = parser.parse_args()
    with run_embedded_servers("offers", report=log) as servers:
        folder = Path(os.environ["PERENNIAL_VAR"]).parent
        record = {"folder": str(folder), "api_key": make_shop(arguments.customers, folder)}
        del servers
        with run_web_server(arguments, record) as shop:
            run_load(shop, "offers:1", seconds=WARM_SECONDS, rate=arguments.rate, seed=99)
            since = datetime.now(UTC)
            figures = run_load(shop, "offers:1", seconds=arguments.seconds, rate=arguments.rate, seed=1)
        print(json.dumps(build_line(arguments, figures, since)))


def build_line(arguments: argparse.Namespace, figures: dict[str, Any], since: datetime) -> dict[str, Any]:
    from recommendations.offers.models import OfferExposure

    latencies = {name: round(figures["all"][name], 2) for name in ("p50_ms", "p95_ms", "p99_ms", "max_ms")}
    return {
        "customers": arguments.customers,
        "rate": arguments.rate,
        "requests_per_s": round(figures["requests_per_s"], 1),
        **latencies,
        "errors": figures["scenarios"]["offers"]["errors"] + sum(figures["problems"].values()),
        "exposures": OfferExposure.objects.filter(decided_at__gte=since).count(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def make_shop(customers: int, folder: Path) -> str:
    """Fill the database, write the requests, and return the key."""
    import django

    django.setup()
    from django.core.management import call_command

    began = time.perf_counter()
    call_command("migrate", verbosity=0)
    make_customers(customers)
    make_offers(customers)
    draws = random.Random(3)
    with (folder / "offers.jsonl").open("w", encoding="utf-8") as file:
        for _number in range(REQUESTS):
            target = f"/api/v1/customers/u{draws.randint(1, customers)}/offers/?placement=top"
            file.write(json.dumps(["GET", target, "", draws.choice(("en", "zh-CN"))]) + "\n")
    log(f"{customers:,} customers and their earlier decisions: {time.perf_counter() - began:.1f} s")
    return make_key()


def make_customers(customers: int) -> None:
    """Create customers u1, u2, …: the first by the models, the others as copies of its rows."""
    from django.db import connection

    from customers.identity.models import Customer, Identifier
    from customers.lifecycle.refresh.columns import make_default_columns

    first = Customer.objects.create(pk=1)
    Identifier.objects.create(customer=first, kind=Identifier.Kind.USER_ID, value="u1")
    defaults = {
        **dict(make_default_columns()),
        "orders": "c.id % 12",
        "stage": "(ARRAY['loyal', 'active', 'dormant'])[1 + c.id % 3]",
    }
    with connection.cursor() as cursor:
        names = ", ".join(list_columns(Customer, without=("id",)))
        cursor.execute(INSERT_CUSTOMERS.format(names=names), [customers])
        columns = list_columns(Identifier, without=("id",))
        copied = ", ".join({"customer_id": "n", "value": "'u' || n"}.get(column, column) for column in columns)
        cursor.execute(INSERT_USER_IDS.format(names=", ".join(columns), values=copied), [customers])
        cursor.execute(INSERT_PROFILES.format(names=", ".join(defaults), values=", ".join(defaults.values())))
        cursor.execute("ANALYZE")


def list_columns(model: Any, *, without: tuple[str, ...]) -> list[str]:
    return [field.column for field in model._meta.concrete_fields if field.column not in without]


def make_offers(customers: int) -> None:
    from django.db import connection

    from customers.segments.models import Segment
    from recommendations.offers.models import Offer, OfferContent, QueuedOffer

    now = datetime.now(UTC)
    segments = [
        Segment.objects.create(key=key, name=key, condition=condition)
        for key, condition in (
            ("loyal", {"field": "stage", "op": "eq", "value": "loyal"}),
            (
                "frequent",
                {
                    "all": [
                        {"field": "orders", "op": "gte", "value": 8},
                        {"field": "stage", "op": "ne", "value": "dormant"},
                    ]
                },
            ),
        )
    ]
    options: tuple[dict[str, Any], ...] = (
        {"segment": segments[0], "priority": 5, "max_shows_per_day": 3},
        {"segment": segments[1], "priority": 4, "max_shows_per_day": 3},
        {"is_individual": True, "priority": 3},
        {"priority": 2, "holdout_share": "0.2"},
        {"priority": 1, "holdout_share": 0, "max_shows_per_day": 0},
    )
    for number, fields in enumerate(options):
        offer = Offer.objects.create(
            key=f"offer-{number}", name=f"Offer {number}", status=Offer.Status.RUNNING, started_at=now, **fields
        )
        for language, title in (("en", "Free delivery today"), ("zh-hans", "今日免运费")):
            OfferContent.objects.create(offer=offer, language=language, title=title, url="/sale", button="OK")
        with connection.cursor() as cursor:
            cursor.execute(INSERT_EXPOSURES, [offer.pk, customers, customers * DECISIONS // len(options)])
        if offer.is_individual:
            QueuedOffer.objects.bulk_create(
                QueuedOffer(
                    offer=offer,
                    customer_id=pk,
                    origin_kind="flow",
                    origin_id=pk,
                    queued_at=now,
                    expires_at=now + timedelta(days=1),
                )
                for pk in range(1, customers, 50)
            )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def make_key() -> str:
    from config.access.keys import create_api_key
    from config.access.models import ApiKey

    key, plain = create_api_key(
        name=f"bench {uuid4().hex[:6]}", kind=ApiKey.Kind.SECRET, scopes=["campaigns:read"], now=datetime.now(UTC)
    )
    key.requests_per_minute = REQUESTS_PER_MINUTE
    key.save()
    return plain


if __name__ == "__main__":
    main()
