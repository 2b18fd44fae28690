"""The shop of benchmarks.actions: customers, their history, and two campaigns, a flow and an offer with a holdout group, generated in PostgreSQL.

The probability to order in the window is 0.1; an action adds 0.05 for a third of the customers, takes 0.03 from another third, and changes
nothing for the last. The thirds differ in their earlier orders.
"""

import time
from datetime import timedelta
from typing import Any

from benchmarks.neighbours import log
from benchmarks.segments import BLOCK, INSERT_COUNTS, NOW, TODAY

HOLDOUT_SHARE = 0.2
WINDOW_DAYS = 14
HOLDOUT_BUCKETS = 2000
CAMPAIGN_SHARE = 0.4  # of the assignments, for each of the two campaigns; the flow and the offer share the rest
DAYS_AGO = (70, 45, 30, 20)  # the two campaigns, the flow, the offer
INSERT_CUSTOMERS = "INSERT INTO identity_customer ({names}) SELECT {values} FROM generate_series(2, %(customers)s) AS n"
INSERT_IDENTIFIERS = """
INSERT INTO identity_identifier ({names}) SELECT {values} FROM identity_identifier i CROSS JOIN identity_customer c WHERE c.id <> i.customer_id
"""
INSERT_CONSENTS = """
INSERT INTO identity_consent ({names}) SELECT {values} FROM identity_consent s CROSS JOIN identity_customer c
WHERE c.id <> s.customer_id AND c.id %% 5 > 0
"""
INSERT_PROFILES = """
INSERT INTO lifecycle_customerprofile (customer_id, {names}) SELECT c.id, {values} FROM identity_customer c
"""
INSERT_ORDERS = """
INSERT INTO orders_order (source_id, order_id, customer_id, guest_email_hash, kind, status, placed_at, currency, subtotal, discount,
                          shipping, tax, total, refunded, coupon, channel, created_at)
SELECT %(source)s, 'early-' || c.id || '-' || n, c.id, '', 'sale', 'placed',
       %(now)s - interval '75 days' - (abs(hashint8(c.id * 31 + n)) %% (300 * 86400)) * interval '1 second',
       'USD', amount, 0, 0, 0, amount, 0, '', '', now()
FROM identity_customer c
CROSS JOIN LATERAL generate_series(1, (c.id %% 3)::int + (abs(hashint8(c.id)) %% 2)::int) AS n
CROSS JOIN LATERAL (SELECT round((20 + abs(hashint8(c.id * 7 + n)) %% 6000 / 100.0)::numeric, 2) AS amount) AS a
"""
# a pseudo-random number between 0 and 1 per customer and salt
DRAW = "((hashint8(c.id * 1000003 + {salt}) & 1048575) / 1048576.0)"
INSERT_ASSIGNMENTS = """
INSERT INTO measurement_assignment
    (kind, scope_id, customer_id, is_held_out, holdout_share, assigned_at, stage, rfm_group, language, predicted_value)
SELECT %(kind)s, %(scope)s, c.id, {held} < %(share)s, %(share)s, %(at)s, '', '', 'en', c.id %% 100
FROM identity_customer c WHERE {drawn} < %(part)s
"""
INSERT_EXPOSURES = """
INSERT INTO offers_offerexposure (exposure_id, offer_id, arm, customer_id, anonymous_id, language, decided_at)
SELECT gen_random_uuid(), %(scope)s, CASE WHEN {held} < %(share)s THEN 'held_out' ELSE 'shown' END, c.id, '', 'en', %(at)s
FROM identity_customer c WHERE {drawn} < %(part)s
"""
INSERT_DELIVERIES = """
INSERT INTO sending_delivery (origin_kind, origin_id, customer_id, template_version_id, channel, due_at, status, skip_reason, sent_at,
                              delivered_at, clicked_at)
SELECT 'campaign', %(run)s, a.customer_id, %(version)s, 'email', a.assigned_at, 'delivered', '', a.assigned_at, a.assigned_at,
       CASE WHEN a.customer_id %% 20 = 3 THEN a.assigned_at + interval '3 hours' END
FROM measurement_assignment a WHERE a.kind = 'campaign' AND a.scope_id = %(campaign)s AND NOT a.is_held_out
"""
INSERT_OUTCOMES = """
INSERT INTO orders_order (source_id, order_id, customer_id, guest_email_hash, kind, status, placed_at, currency, subtotal, discount,
                          shipping, tax, total, refunded, coupon, channel, created_at)
SELECT %(source)s, %(name)s || '-' || c.id, c.id, '', 'sale', 'placed', %(at)s + (1 + c.id %% 5) * interval '1 day',
       'USD', 40, 0, 0, 0, 40, 0, '', '', now()
FROM identity_customer c
WHERE {drawn} < %(part)s
  AND {bought} < 0.1 + CASE WHEN {held} < %(share)s THEN 0 ELSE (ARRAY[-0.03, 0, 0.05])[1 + c.id %% 3] END
"""
INSERT_LINES = """
INSERT INTO orders_orderline (order_id, line_number, product_id, quantity, unit_price, discount, total)
SELECT o.id, 1, (SELECT min(id) FROM catalog_product), 1, o.total, 0, o.total FROM orders_order o
"""


def make_shop(customers: int, assignments: int) -> None:
    """Generate everything."""
    from catalog.models import Product
    from customers.events.models import Source
    from customers.identity.models import Consent, Customer, Identifier
    from customers.lifecycle.refresh.columns import make_default_columns

    first = Customer.objects.create(created_at=NOW - timedelta(days=500), email="someone@example.com")
    copy_rows("identity_customer", INSERT_CUSTOMERS, {}, {"customers": customers}, source="identity_customer")
    Identifier.objects.create(kind="user_id", value="u1", customer=first)
    copy_rows("identity_identifier", INSERT_IDENTIFIERS, {"value": "'u' || c.id", "customer_id": "c.id"}, {})
    Consent.objects.create(
        customer=first, purpose="email", status="granted", recorded_at=NOW - timedelta(days=400), source="shop"
    )
    copy_rows("identity_consent", INSERT_CONSENTS, {"customer_id": "c.id"}, {})
    profile = {
        **dict(make_default_columns()),
        "stage": "(ARRAY['new', 'active', 'loyal', 'dormant'])[1 + c.id %% 4]",
        "value": "c.id %% 100",
    }
    run(INSERT_PROFILES.format(names=", ".join(profile), values=", ".join(profile.values())), {})
    Product.objects.create(product_id="p1", title="Product", price=40, currency="USD", cost=25)
    source = Source.objects.create(key="made", name="Made orders", kind=Source.Kind.IMPORT)
    run(INSERT_ORDERS, {"source": source.pk, "now": NOW}, "orders")
    make_actions(customers, assignments, source.pk)
    run(INSERT_LINES, {}, "order lines")
    make_counts()
    run("VACUUM ANALYZE", None, "vacuum")


def copy_rows(table: str, statement: str, changed: dict[str, str], parameters: Any, source: str = "") -> None:
    """Insert copies of the only row of a table. changed: SQL by column."""
    names = [name for (name,) in run(
        f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' AND column_name <> 'id'", None
    )]  # fmt: skip
    plain = {name: f"(SELECT s.{name} FROM {source} s WHERE s.id = 1)" if source else name for name in names}
    values = ", ".join(changed.get(name, plain[name]) for name in names)
    if table == "identity_consent":
        values = ", ".join(changed.get(name, f"s.{name}") for name in names)
    if table == "identity_identifier":
        values = ", ".join(changed.get(name, f"i.{name}") for name in names)
    run(statement.format(names=", ".join(names), values=values), parameters, table)


def make_actions(customers: int, assignments: int, source: int) -> None:
    """Generate the campaigns, the flow and the offer, who got them, and the orders after them."""
    part = CAMPAIGN_SHARE * assignments / customers
    version = make_template()
    campaigns = [make_campaign(f"campaign-{number}", DAYS_AGO[number], version) for number in range(2)]
    scopes = [("campaign", pk, part) for pk, _run in campaigns]
    scopes += [("flow", make_flow(), part / 4), ("offer", make_offer(), part / 4)]
    for salt, ((kind, scope, share), days) in enumerate(zip(scopes, DAYS_AGO, strict=True)):
        draws = {
            "drawn": DRAW.format(salt=7 * salt),
            "held": DRAW.format(salt=7 * salt + 1),
            "bought": DRAW.format(salt=7 * salt + 2),
        }
        values = {
            "kind": kind,
            "scope": scope,
            "part": share,
            "share": HOLDOUT_SHARE,
            "at": NOW - timedelta(days=days),
            "source": source,
            "name": f"{kind}-{scope}",
        }
        run((INSERT_EXPOSURES if kind == "offer" else INSERT_ASSIGNMENTS).format(**draws), values)
        run(INSERT_OUTCOMES.format(**draws), values)
    for campaign, run_pk in campaigns:
        run(INSERT_DELIVERIES, {"run": run_pk, "version": version.pk, "campaign": campaign})


def make_template() -> Any:
    from recommendations.messaging.models import MessageTemplate, TemplateVersion

    template = MessageTemplate.objects.create(key="hello", name="Hello")
    return TemplateVersion.objects.create(template=template, number=1, published_at=NOW - timedelta(days=100))


def make_campaign(key: str, days_ago: int, version: Any) -> tuple[int, int]:
    """Create a finished campaign to everyone; return its number and that of its run."""
    from customers.segments.models import Segment
    from recommendations.campaigns.models import Campaign, CampaignRun

    at = NOW - timedelta(days=days_ago)
    segment, _is_new = Segment.objects.get_or_create(
        key="everyone", defaults={"name": "Everyone", "condition": {"all": []}}
    )
    campaign = Campaign.objects.create(
        key=key,
        name=key.title(),
        channel=Campaign.Channel.EMAIL,
        segment=segment,
        template=version.template,
        status=Campaign.Status.ENDED,
        attribution_days=WINDOW_DAYS,
        holdout_share=str(HOLDOUT_SHARE),
    )
    finished = CampaignRun.objects.create(
        campaign=campaign,
        number=1,
        template_version=version,
        status=CampaignRun.Status.FINISHED,
        scheduled_for=at,
        started_at=at,
        finished_at=at,
        segment_key=segment.key,
        holdout_share=str(HOLDOUT_SHARE),
    )
    return campaign.pk, finished.pk


def make_flow() -> int:
    from recommendations.flows.models import Flow, FlowVersion

    flow = Flow.objects.create(
        key="win-back",
        name="Win back",
        status=Flow.Status.LIVE,
        holdout_share=str(HOLDOUT_SHARE),
        attribution_days=WINDOW_DAYS,
    )
    definition = {
        "schema": 1,
        "trigger": {"kind": "stage", "to": ["dormant"]},
        "filter": {"all": []},
        "reentry": {"rule": "after", "days": 30},
        "exits": [],
        "steps": [{"key": "hello", "kind": "message", "template": "hello"}],
    }
    FlowVersion.objects.create(flow=flow, number=1, definition=definition, published_at=NOW, is_current=True)
    return flow.pk


def make_offer() -> int:
    from recommendations.offers.models import Offer

    offer = Offer.objects.create(
        key="welcome-back",
        name="Welcome back",
        status=Offer.Status.RUNNING,
        holdout_share=str(HOLDOUT_SHARE),
        started_at=NOW - timedelta(days=40),
    )
    return offer.pk


def make_counts() -> None:
    """Generate the daily counts of views and additions to the cart."""
    from customers.segments.models import EventSeries

    started = time.perf_counter()
    run("CREATE TEMPORARY TABLE made_series (id int, share float8, days int, events int)", None)
    for meaning, share, days in (("view", 0.7, 15), ("cart", 0.4, 4)):
        series = EventSeries.objects.create(meaning=meaning, about="any", name="")
        run("INSERT INTO made_series VALUES (%s, %s, %s, 2)", [series.pk, share, days])
    [[low, high]] = run("SELECT min(id), max(id) FROM identity_customer", None)
    for start in range(low, high + 1, BLOCK):
        run(INSERT_COUNTS, {"low": start, "high": min(start + BLOCK - 1, high), "today": TODAY})
    log(f"event counts in {time.perf_counter() - started:.0f} s")


def run(statement: str, parameters: Any, name: str = "") -> list[tuple[Any, ...]]:
    from django.db import connection

    started = time.perf_counter()
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows = cursor.fetchall() if cursor.description else []
    if name:
        log(f"{name} in {time.perf_counter() - started:.0f} s")
    return rows
