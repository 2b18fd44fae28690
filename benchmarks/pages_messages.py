"""The messages of benchmarks.pages: campaigns, flows, deliveries and related rows, as many as in a shop with a million customers.

Everything is generated in the database, with the shares of a real shop: 200 campaigns with two million deliveries, the largest of them to
600,000 customers; 20 flows with 500,000 entries, 300,000 of them in one flow; a customer with 700 orders and 300 messages.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from benchmarks.neighbours import log
from benchmarks.pages_shop import read_number

CAMPAIGNS = 200
RECURRING = range(2, 7)  # campaigns with four runs
LARGEST, RECURRING_SIZE = 600_000, 50_000
DELIVERIES = 2_000_000
FLOWS, LARGEST_FLOW, OTHER_FLOW = 20, 300_000, 10_500
TEMPLATES, VERSIONS = 50, 5
SUPPRESSIONS, OUTBOX, EXPOSURES, NOTIFICATIONS, CODES = 200_000, 100_000, 1_000_000, 1_000_000, 500_000
ORDERS_OF_ONE, MESSAGES_OF_ONE = 700, 300
STEPS = [
    {"key": "pause", "kind": "wait", "for": {"hours": 3}},
    {"key": "reminder", "kind": "message", "template": "template-1"},
    {"key": "result", "kind": "wait", "for": {"days": 3}},
]
DEFINITION = {
    "schema": 1,
    "trigger": {"kind": "event", "event": "Product Added"},
    "filter": {"all": []},
    "reentry": {"rule": "after", "days": 30},
    "goal": {"kind": "event", "event": "order_placed"},
    "exits": [],
    "steps": STEPS,
}
# u: a number from 0 to 1 that decides what happened to a delivery
OUTCOMES = """
CASE WHEN u < 0.1 THEN 'skipped' WHEN u < 0.13 THEN 'bounced' WHEN u < 0.132 THEN 'failed' ELSE 'delivered' END AS status,
CASE WHEN u < 0.08 THEN 'holdout' WHEN u < 0.1 THEN 'frequency_cap' ELSE '' END AS skip_reason,
CASE WHEN u >= 0.1 THEN at END AS sent_at,
CASE WHEN u >= 0.132 THEN at + interval '1 minute' END AS delivered_at,
CASE WHEN u >= 0.6 THEN at + interval '2 hours' END AS opened_at,
CASE WHEN u BETWEEN 0.4 AND 0.5 THEN at + interval '1 minute' END AS machine_opened_at,
CASE WHEN u >= 0.94 THEN at + interval '3 hours' END AS clicked_at,
CASE WHEN u >= 0.995 THEN at + interval '4 hours' END AS unsubscribed_at,
CASE WHEN u < 0.132 AND u >= 0.13 THEN 'The server does not answer.' ELSE '' END AS error
"""
COLUMNS = (
    "origin_kind, origin_id, customer_id, template_version_id, channel, due_at, claimed_at, attempts, status, skip_reason, sent_at,"
    " delivered_at, opened_at, machine_opened_at, clicked_at, unsubscribed_at, error"
)
VALUES = (
    "customer_id, version_id, 'email', at, sent_at, 1, status, skip_reason, sent_at, delivered_at, opened_at, machine_opened_at,"
    " clicked_at, unsubscribed_at, error"
)
INSERT_CAMPAIGN_DELIVERIES = f"""
INSERT INTO sending_delivery ({COLUMNS}) SELECT 'campaign', origin_id, {VALUES} FROM (
    SELECT r.id AS origin_id, c.id AS customer_id, r.template_version_id AS version_id, r.started_at AS at,
           (abs(hashint8(c.id * 1009 + r.id)) %% 100000) / 100000.0 AS u
    FROM campaigns_campaignrun r
    JOIN campaigns_campaign p ON p.id = r.campaign_id AND p.key LIKE 'benchmark-%%'
    CROSS JOIN LATERAL (
        SELECT c.id FROM identity_customer c
        WHERE c.id > (r.id * 7919) %% %(spread)s ORDER BY c.id LIMIT (r.counts ->> 'segment')::int
    ) AS c
) AS made CROSS JOIN LATERAL (SELECT {OUTCOMES}) AS outcome
"""
INSERT_ENTRIES = """
INSERT INTO flows_flowentry (flow_id, version_id, customer_id, occurrence, event, triggered_at, entered_at, status, step_key, is_waiting,
                             outcome, due_at, finished_at)
SELECT %(flow)s, %(version)s, c.id, 'event:' || c.id, '{"name": "Product Added"}', at, at,
       CASE WHEN u < 0.2 THEN 'active' WHEN u < 0.35 THEN 'goal' WHEN u < 0.4 THEN 'exited' ELSE 'completed' END,
       CASE WHEN u < 0.1 THEN 'pause' ELSE 'result' END, u < 0.2, '', at + interval '3 days',
       CASE WHEN u >= 0.2 THEN at + interval '3 days' END
FROM (
    SELECT id, (abs(hashint8(id * 31 + %(flow)s)) %% 100000) / 100000.0 AS u,
           now() - (abs(hashint8(id + %(flow)s)) %% 8640000) * interval '1 second' AS at
    FROM identity_customer ORDER BY id LIMIT %(people)s
) AS c
"""
INSERT_STEP_RUNS = """
INSERT INTO flows_flowsteprun (entry_id, version_id, step_key, outcome, at)
SELECT e.id, e.version_id, s.key, s.outcome, e.entered_at + s.after
FROM flows_flowentry e
CROSS JOIN (VALUES ('pause', 'done', interval '3 hours'), ('reminder', 'done', interval '3 hours'), ('result', 'done', interval '3 days'))
     AS s (key, outcome, after)
WHERE e.version_id = %(version)s AND (e.step_key = 'result' OR e.status <> 'active') AND (s.key <> 'result' OR e.status = 'completed')
ORDER BY e.id
"""
INSERT_STEP_COUNTS = """
INSERT INTO flows_flowstepcount (version_id, step_key, outcome, count)
SELECT version_id, '', 'entered', count(*) FROM flows_flowentry WHERE version_id = %(version)s GROUP BY 1
UNION ALL SELECT version_id, '', status, count(*) FROM flows_flowentry
    WHERE version_id = %(version)s AND status <> 'active' GROUP BY 1, status
UNION ALL SELECT version_id, step_key, outcome, count(*) FROM flows_flowsteprun WHERE version_id = %(version)s GROUP BY 1, 2, 3
UNION ALL SELECT version_id, 'pause', 'arrived', count(*) FROM flows_flowentry WHERE version_id = %(version)s GROUP BY 1
"""
INSERT_FLOW_DELIVERIES = f"""
INSERT INTO sending_delivery ({COLUMNS}) SELECT 'flow', origin_id, {VALUES} FROM (
    SELECT r.id AS origin_id, e.customer_id, %(template_version)s AS version_id, r.at,
           (abs(hashint8(r.id)) %% 100000) / 100000.0 AS u
    FROM flows_flowsteprun r JOIN flows_flowentry e ON e.id = r.entry_id WHERE r.version_id = %(version)s AND r.step_key = 'reminder'
) AS made CROSS JOIN LATERAL (SELECT {OUTCOMES}) AS outcome
"""
INSERT_OF_ONE = f"""
INSERT INTO sending_delivery ({COLUMNS}) SELECT 'api', n, {VALUES} FROM (
    SELECT n, %(customer)s AS customer_id, %(template_version)s AS version_id, now() - n * interval '1 day' AS at,
           (abs(hashint8(n)) %% 100000) / 100000.0 AS u
    FROM generate_series(1, %(messages)s) AS n
) AS made CROSS JOIN LATERAL (SELECT {OUTCOMES}) AS outcome
"""
OTHERS = {
    "suppressions": """
        INSERT INTO sending_suppression (kind, value_hash, reason, source, added_at)
        SELECT 'email', encode(sha256(n::text::bytea), 'hex'), (ARRAY['hard_bounce', 'unsubscribed', 'complaint', 'import'])[1 + n %% 4],
               CASE WHEN n %% 4 = 3 THEN 'file-' || n %% 10 || '.csv 2026-10-01 10:00:00' ELSE '' END, now() - n * interval '3 minutes'
        FROM generate_series(1, %(suppressions)s) AS n""",
    "exposures of offers": """
        INSERT INTO offers_offerexposure (exposure_id, offer_id, arm, customer_id, anonymous_id, language, decided_at, clicked_at, closed_at)
        SELECT gen_random_uuid(), o.id, CASE WHEN n %% 10 = 0 THEN 'held_out' ELSE 'shown' END,
               CASE WHEN n %% 3 > 0 THEN 1 + abs(hashint8(n)) %% %(spread)s END, CASE WHEN n %% 3 = 0 THEN 'visitor-' || n / 2 ELSE '' END,
               'en', now() - n * interval '6 seconds', CASE WHEN n %% 30 = 1 THEN now() - n * interval '6 seconds' END,
               CASE WHEN n %% 7 = 1 THEN now() - n * interval '6 seconds' END
        FROM generate_series(1, %(exposures)s) AS n
        JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS position, count(*) OVER () AS offers FROM offers_offer
              WHERE key LIKE 'benchmark-%%') AS o ON o.position = (n %% 100 * n %% 100) %% o.offers""",
    "notifications of webhooks": """
        INSERT INTO webhooks_webhooknotification
            (endpoint_id, key, type, payload, created_at, status, attempts, next_attempt_at, delivered_at, error)
        SELECT e.id, 'benchmark-' || n, 'message.delivered', '{"delivery": 1}', now() - n * interval '10 seconds',
               CASE WHEN n %% 1000 = 0 THEN 'dead' WHEN n < 200 THEN 'pending' ELSE 'delivered' END, 1, now(), now(), ''
        FROM generate_series(1, %(notifications)s) AS n
        JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM webhooks_webhookendpoint) AS e ON e.position = n %% 5""",
    "coupon codes": """
        INSERT INTO messaging_couponcode (pool_id, code, customer_id, delivery_id, claimed_at)
        SELECT p.id, 'CODE-' || n, CASE WHEN n %% 3 = 0 THEN 1 + n %% %(spread)s END, CASE WHEN n %% 3 = 0 THEN n END,
               CASE WHEN n %% 3 = 0 THEN now() END
        FROM generate_series(1, %(codes)s) AS n
        JOIN (SELECT id, row_number() OVER (ORDER BY id) - 1 AS position FROM messaging_couponpool) AS p ON p.position = n %% 10""",
    "counts of coupon codes": """
        UPDATE messaging_couponpool p SET code_count = c.total, claimed_count = c.claimed
        FROM (SELECT pool_id, count(*) AS total, count(claimed_at) AS claimed FROM messaging_couponcode GROUP BY pool_id) AS c
        WHERE c.pool_id = p.id""",
    "messages of the outbox": """
        INSERT INTO sending_outboxmessage (delivery_id, customer_id, channel, recipient, subject, headers, html, text, created_at)
        SELECT NULL, 1 + n %% %(spread)s, channel, recipient, subject, headers, html, text, created_at - n * interval '1 minute'
        FROM sending_outboxmessage CROSS JOIN generate_series(1, %(outbox)s) AS n WHERE id = %(message)s""",
    "orders of one customer": """
        INSERT INTO orders_order ({order_columns}) SELECT {order_values}
        FROM (SELECT * FROM orders_order WHERE customer_id = %(customer)s ORDER BY id LIMIT 1) AS o
        CROSS JOIN generate_series(1, %(orders)s) AS n""",
}


def fill_messages() -> None:
    """Generate everything, unless the database has it."""
    from recommendations.campaigns.models import Campaign

    if Campaign.objects.filter(key__startswith="benchmark-").exists():
        return
    versions = make_templates()
    make_campaigns(versions)
    flows = make_flows()
    values = make_owners() | {
        "suppressions": SUPPRESSIONS,
        "outbox": OUTBOX,
        "exposures": EXPOSURES,
        "notifications": NOTIFICATIONS,
        "codes": CODES,
        "template_version": versions[0],
        "messages": MESSAGES_OF_ONE,
        "orders": ORDERS_OF_ONE,
    }
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("SET session_replication_role = replica")  # no triggers and checks: all keys are valid
        values["customer"] = read_number(connection, "SELECT min(id) FROM identity_customer")
        values["spread"] = read_number(connection, "SELECT max(id) / 3 FROM identity_customer")
        insert(connection, "deliveries of campaigns", INSERT_CAMPAIGN_DELIVERIES, values)
        for flow_id, version_id, people in flows:
            parameters = {**values, "flow": flow_id, "version": version_id, "people": people}
            for statement in (INSERT_ENTRIES, INSERT_STEP_RUNS, INSERT_STEP_COUNTS, INSERT_FLOW_DELIVERIES):
                connection.execute(statement, parameters)
        insert(connection, "deliveries to one customer", INSERT_OF_ONE, values)
        columns = read_order_columns(connection)
        order_values = {"placed_at": "o.placed_at - n * interval '1 day'", "order_id": "o.order_id || '-more-' || n"}
        for name, statement in OTHERS.items():
            filled = statement.replace("{order_columns}", ", ".join(columns)).replace(
                "{order_values}", ", ".join(order_values.get(column, f"o.{column}") for column in columns)
            )
            insert(connection, name, filled, values)
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def insert(connection: psycopg.Connection, name: str, statement: str, values: dict[str, Any]) -> None:
    started = time.monotonic()
    cursor = connection.execute(statement, values)
    log(f"{cursor.rowcount:,} {name} in {time.monotonic() - started:.0f} s.")


def read_order_columns(connection: psycopg.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT attname FROM pg_attribute WHERE attrelid = 'orders_order'::regclass AND attnum > 0 AND NOT attisdropped"
        " AND attgenerated = '' AND attname <> 'id'"
    )
    return [name for (name,) in rows]


def make_templates() -> list[int]:
    """Create templates with published versions; return the newest version of each."""
    from recommendations.messaging.models import MessageTemplate, TemplateContent, TemplateVersion

    now = datetime.now(UTC)
    source = "<mjml><mj-body><mj-section><mj-column><mj-text>Hello</mj-text></mj-column></mj-section><mj-footer></mj-footer></mj-body></mjml>"
    templates = MessageTemplate.objects.bulk_create(
        MessageTemplate(key=f"template-{number}", name=f"Template {number}") for number in range(1, TEMPLATES + 1)
    )
    versions = TemplateVersion.objects.bulk_create(
        TemplateVersion(template=template, number=number, published_at=now)
        for template in templates
        for number in range(1, VERSIONS + 1)
    )
    TemplateContent.objects.bulk_create(
        TemplateContent(version=version, language=language, subject="Hello", source=source)
        for version in versions
        for language in ("en", "zh-hans")
    )
    return [version.pk for version in versions if version.number == VERSIONS]


def make_campaigns(versions: list[int]) -> None:
    """Create campaigns and their runs: the first is the largest, a few recur, the others share the rest; the last five are drafts."""
    from customers.segments.models import Segment
    from recommendations.campaigns.models import Campaign, CampaignRun
    from recommendations.messaging.models import TemplateVersion

    segment = Segment.objects.order_by("pk").first()
    now = datetime.now(UTC)
    templates = dict(TemplateVersion.objects.in_bulk(versions))
    small = (DELIVERIES - LARGEST - len(RECURRING) * 4 * RECURRING_SIZE) // (CAMPAIGNS - 1 - len(RECURRING))
    campaigns = Campaign.objects.bulk_create(
        Campaign(
            key=f"benchmark-{number}",
            name=f"Campaign {number}",
            channel=Campaign.Channel.EMAIL,
            segment=segment,
            template_id=templates[versions[number % len(versions)]].template_id,
            kind=Campaign.Kind.RECURRING if number in RECURRING else Campaign.Kind.ONCE,
            status=Campaign.Status.DRAFT if number > CAMPAIGNS - 5 else Campaign.Status.ENDED,
        )
        for number in range(1, CAMPAIGNS + 1)
    )
    runs = []
    for number, campaign in enumerate(campaigns[:-5], 1):
        size = LARGEST if number == 1 else RECURRING_SIZE if number in RECURRING else small
        for run in range(1, 5 if number in RECURRING else 2):
            started = now - timedelta(days=2 * number % 300 + 7 * (4 - run), hours=number)
            runs.append(
                CampaignRun(
                    campaign=campaign,
                    number=run,
                    template_version_id=versions[number % len(versions)],
                    status=CampaignRun.Status.FINISHED,
                    scheduled_for=started,
                    started_at=started,
                    segment_key=campaign.segment.key,
                    holdout_share=campaign.holdout_share,
                    counts={"segment": size, "queued": int(size * 0.92), "held_out": int(size * 0.08)},
                )
            )
    CampaignRun.objects.bulk_create(runs)


def make_flows() -> list[tuple[int, int, int]]:
    """Create live flows; return the flow, its version and the number of its people."""
    from recommendations.flows.models import Flow, FlowVersion

    now = datetime.now(UTC)
    flows = Flow.objects.bulk_create(
        Flow(key=f"benchmark-{number}", name=f"Flow {number}", status=Flow.Status.LIVE, published_at=now)
        for number in range(1, FLOWS + 1)
    )
    versions = FlowVersion.objects.bulk_create(
        FlowVersion(flow=flow, number=1, definition=DEFINITION, published_at=now, is_current=True) for flow in flows
    )
    return [
        (version.flow_id, version.pk, OTHER_FLOW if number else LARGEST_FLOW) for number, version in enumerate(versions)
    ]


def make_owners() -> dict[str, Any]:
    """Create what the other rows belong to; return the ID of a message of the outbox."""
    from recommendations.messaging.models import CouponPool
    from recommendations.offers.models import Offer, OfferContent
    from recommendations.sending.models import OutboxMessage
    from recommendations.webhooks.models import WebhookEndpoint

    offers = Offer.objects.bulk_create(
        Offer(key=f"benchmark-{number}", name=f"Offer {number}", status=Offer.Status.RUNNING) for number in range(20)
    )
    OfferContent.objects.bulk_create(
        OfferContent(offer=offer, language="en", title="Ten percent off") for offer in offers
    )
    WebhookEndpoint.objects.bulk_create(
        WebhookEndpoint(name=f"Endpoint {number}", url="https://shop.example/hook", event_types=["message.delivered"])
        for number in range(5)
    )
    CouponPool.objects.bulk_create(CouponPool(key=f"pool-{number}", name=f"Pool {number}") for number in range(10))
    message = OutboxMessage.objects.create(
        channel="email",
        recipient="ann@example.com",
        subject="Hello",
        html="<p>Hello</p>" * 20,
        text="Hello",
        created_at=datetime.now(UTC),
    )
    return {"message": message.pk}


def list_message_urls() -> list[str]:
    """Return the URLs of the largest campaign, a recurring one, a draft, the largest flow, and of what belongs to them."""
    from django.urls import reverse

    from recommendations.campaigns.models import Campaign
    from recommendations.flows.models import Flow
    from recommendations.messaging.models import CouponPool, MessageTemplate
    from recommendations.offers.models import Offer
    from recommendations.sending.models import Delivery, OutboxMessage

    campaigns = dict(Campaign.objects.values_list("key", "pk"))
    keys = ("benchmark-1", "benchmark-2", f"benchmark-{CAMPAIGNS}")
    urls = [reverse("admin:campaigns_campaign_change", args=[campaigns[key]]) for key in keys if key in campaigns] or [
        reverse("admin:campaigns_campaign_change", args=[pk]) for pk in sorted(campaigns.values())[:1]
    ]
    if (largest := campaigns.get("benchmark-1")) is not None:
        urls += [reverse("admin:campaigns_campaign_people", args=[largest, group]) for group in ("sent", "clicked")]
        urls.append(reverse("admin:campaigns_campaign_edit", args=[campaigns[f"benchmark-{CAMPAIGNS}"]]))
    flow = Flow.objects.filter(key="benchmark-1").first() or Flow.objects.order_by("pk").first()
    if flow is not None:
        urls.append(reverse("flows:flow", args=[flow.pk]))
    if flow is not None and flow.key == "benchmark-1":
        people = reverse("flows:people", args=[flow.pk])
        urls += [f"{people}?version=1&step=result&state={state}" for state in ("waiting", "passed", "left", "failed")]
    for view, model in (
        ("message_templates:editor", MessageTemplate),
        ("message_templates:versions", MessageTemplate),
        ("message_templates:preview", MessageTemplate),
        ("message_templates:coupon-pool", CouponPool),
        ("onsite_offers:offer", Offer),
        ("outbox:message", OutboxMessage),
    ):
        if (pk := model._default_manager.order_by("-pk").values_list("pk", flat=True).first()) is not None:
            urls.append(reverse(view, args=[pk]))
    if (
        pk := Delivery.objects.filter(status="failed").order_by("-pk").values_list("pk", flat=True).first()
    ) is not None:
        urls.append(reverse("outbox:problem", args=[pk]))
    return urls
