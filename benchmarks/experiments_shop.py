"""The shop of benchmarks.experiments: a campaign with a holdout group and the orders of its customers, generated in PostgreSQL."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql

from benchmarks.embedded_servers import run_embedded_servers
from benchmarks.neighbours import log

STARTED = datetime(2026, 10, 1, 10, tzinfo=UTC)
AS_OF = STARTED + timedelta(days=40)
ATTRIBUTION_DAYS = 30
HOLDOUT_SHARE = "0.1"
ORDER_SPAN_DAYS = 180  # before the end; 1.5 orders per customer on average
INSERT_CUSTOMERS = (
    "INSERT INTO identity_customer ({columns}) SELECT {values} FROM generate_series(1, %(customers)s) AS n"
)
INSERT_ORDERS = """
INSERT INTO orders_order (source_id, order_id, customer_id, guest_email_hash, kind, status, placed_at, currency, subtotal, discount,
                          shipping, tax, total, refunded, coupon, channel, created_at)
SELECT %(source)s, 'made-' || c.id || '-' || n, c.id, '', 'sale', 'placed',
       %(as_of)s - (abs(hashint8(c.id * 31 + n)) %% (%(days)s * 86400)) * interval '1 second',
       'USD', amount, 0, 0, 0, amount, 0, '', '', now()
FROM identity_customer c
CROSS JOIN LATERAL generate_series(1, CASE WHEN c.id %% 2 = 0 THEN 0 ELSE abs(hashint8(c.id)) %% 7 END) AS n
CROSS JOIN LATERAL (SELECT round((20 + abs(hashint8(c.id * 7 + n)) %% 6000 / 100.0)::numeric, 2) AS amount) AS a
"""
INSERT_LINES = """
INSERT INTO orders_orderline (order_id, line_number, product_id, quantity, unit_price, discount, total)
SELECT o.id, line, (SELECT min(id) FROM catalog_product) + o.id %% %(products)s, 1, o.total / 2, 0, o.total / 2
FROM orders_order o CROSS JOIN generate_series(1, 2) AS line
"""
INSERT_DELIVERIES = """
INSERT INTO sending_delivery (origin_kind, origin_id, customer_id, template_version_id, channel, due_at, status, skip_reason, sent_at,
                              delivered_at, clicked_at)
SELECT 'campaign', %(run)s, c.id, %(version)s, 'email', %(at)s, CASE WHEN held_out THEN 'skipped' ELSE 'delivered' END,
       CASE WHEN held_out THEN 'holdout' ELSE '' END, CASE WHEN NOT held_out THEN %(at)s END, CASE WHEN NOT held_out THEN %(at)s END,
       CASE WHEN NOT held_out AND c.id %% 20 = 3 THEN %(at)s + interval '3 hours' END
FROM identity_customer c CROSS JOIN LATERAL (SELECT {bucket} < %(buckets)s AS held_out) AS x
"""
INSERT_ASSIGNMENTS = """
INSERT INTO measurement_assignment
    (kind, scope_id, customer_id, is_held_out, holdout_share, assigned_at, stage, rfm_group, language, predicted_value)
SELECT 'campaign', %(campaign)s, customer_id, skip_reason = 'holdout', 0.1, %(at)s,
       (ARRAY['new', 'active', 'loyal', 'dormant'])[1 + customer_id %% 4], '', 'en', customer_id %% 100
FROM sending_delivery WHERE origin_kind = 'campaign'
"""
ASSIGNED = """
SELECT %(campaign)s::bigint AS scope_id, c.id AS customer_id, {bucket} < %(buckets)s AS is_held_out, %(share)s::float8 AS holdout_share
FROM identity_customer c
"""
PRODUCTS, HOLDOUT_BUCKETS = 1000, 1000


def time_results(customers: int) -> dict[str, Any]:
    """Return the seconds to count the results of a campaign with this many assigned customers, and those of one pass over its rows."""
    with run_embedded_servers("experiments", report=lambda _message: None):
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connection

        from recommendations.campaigns.results.summary import compute_results

        call_command("migrate", verbosity=0)
        campaign = make_campaign(customers)
        figures = []
        for _run in range(2):
            started = time.perf_counter()
            results = compute_results(campaign, as_of=AS_OF)
            figures.append(time.perf_counter() - started)
        started = time.perf_counter()
        execute(
            "SELECT sum(o.total) FROM sending_delivery d JOIN orders_order o USING (customer_id) WHERE d.origin_kind = 'campaign'"
        )
        floor = time.perf_counter() - started
        comparison = results.comparison
        log(f"{comparison.verdict}: {comparison.treated.customers} against {comparison.control.customers}")
        connection.close()
    return {
        "results_s": round(min(figures), 2),
        "results_cold_s": round(figures[0], 2),
        "floor_join_s": round(floor, 2),
        "assigned": customers,
    }


def make_campaign(customers: int) -> Any:
    """Generate everything; return the campaign."""
    from catalog.models import Product
    from customers.events.models import Source
    from customers.identity.models import Customer
    from customers.segments.models import Segment
    from recommendations.campaigns.models import Campaign, CampaignRun
    from recommendations.measurement.assignment import BUCKET_SQL
    from recommendations.measurement.assignment_records import Kind, record_audience
    from recommendations.messaging.models import MessageTemplate, TemplateVersion

    first = Customer.objects.create(created_at=STARTED - timedelta(days=400))
    names = [name for (name,) in execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'identity_customer' AND column_name <> 'id'"
    )]  # fmt: skip
    values = ", ".join(f"(SELECT c.{name} FROM identity_customer c WHERE c.id = {first.pk})" for name in names)
    execute(INSERT_CUSTOMERS.format(columns=", ".join(names), values=values), {"customers": customers - 1})
    Product.objects.bulk_create(
        Product(product_id=f"p{number}", title=f"Product {number}", price=40, currency="USD", cost=25)
        for number in range(PRODUCTS)
    )
    source = Source.objects.create(key="made", name="Made orders", kind=Source.Kind.IMPORT)
    template = MessageTemplate.objects.create(key="hello", name="Hello")
    version = TemplateVersion.objects.create(template=template, number=1, published_at=STARTED)
    segment = Segment.objects.create(key="everyone", name="Everyone", condition={"all": []})
    campaign = Campaign.objects.create(
        key="large",
        name="Large",
        channel=Campaign.Channel.EMAIL,
        segment=segment,
        template=template,
        status=Campaign.Status.ENDED,
        attribution_days=ATTRIBUTION_DAYS,
        holdout_share=HOLDOUT_SHARE,
    )
    run = CampaignRun.objects.create(
        campaign=campaign,
        number=1,
        template_version=version,
        status=CampaignRun.Status.FINISHED,
        scheduled_for=STARTED,
        started_at=STARTED,
        finished_at=STARTED + timedelta(hours=1),
        segment_key=segment.key,
        holdout_share=HOLDOUT_SHARE,
        counts={"segment": customers},
    )
    bucket = BUCKET_SQL % {"expressions": "'large:' || c.id"}
    record_audience(
        kind=Kind.CAMPAIGN,
        audience=sql.SQL(ASSIGNED.format(bucket=bucket)),
        parameters={"campaign": campaign.pk, "buckets": HOLDOUT_BUCKETS, "share": float(HOLDOUT_SHARE)},
        at=STARTED,
    )
    for name, statement, parameters in (
        ("orders", INSERT_ORDERS, {"source": source.pk, "as_of": AS_OF, "days": ORDER_SPAN_DAYS}),
        ("order lines", INSERT_LINES, {"products": PRODUCTS}),
        (
            "deliveries",
            INSERT_DELIVERIES.format(bucket=bucket),
            {"run": run.pk, "version": version.pk, "at": STARTED, "buckets": HOLDOUT_BUCKETS},
        ),
        ("assignments", INSERT_ASSIGNMENTS, {"campaign": campaign.pk, "at": STARTED}),
    ):
        started = time.perf_counter()
        execute(statement, parameters)
        log(f"{name} in {time.perf_counter() - started:.0f} s")
    execute("VACUUM ANALYZE")
    return campaign


def execute(statement: str, parameters: Any = None) -> list[tuple[Any, ...]]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
