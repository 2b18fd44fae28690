"""Two finished campaigns of the demo with a known truth: a win-back message that works, and a newsletter that changes nothing.

They are launched by the real code. What customers did with the messages is made up, and so are the orders that the first one causes:
copies of earlier orders of recipients who would not have ordered. The campaigns and the source of the orders are marked as simulated.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from config.foundation.shop.profile import get_time_zone
from customers.events.models import Source
from customers.segments.models import Segment
from recommendations.campaigns.launch.transitions import launch
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.messaging.starters.installation import ensure_starter_templates
from recommendations.messaging.starters.texts import STARTERS

SOURCE_KEY = "simulated-campaigns"
QUIET_DAYS = 14
ATTRIBUTION_DAYS = 7

ADD_QUIET_CUSTOMERS = """
INSERT INTO segments_segmentmember (segment_id, customer_id, added_at)
SELECT %(segment)s, o.customer_id, %(at)s
FROM orders_order o JOIN identity_customer c ON c.id = o.customer_id AND c.erased_at IS NULL
WHERE o.kind = 'sale' AND o.placed_at < %(at)s
GROUP BY o.customer_id HAVING max(o.placed_at) < %(at)s - %(quiet)s
ON CONFLICT DO NOTHING
"""
# a customer's draws depend on the campaign and the customer only, so that every run of the demo makes up the same
DRAWS = """
SELECT d.id, d.customer_id,
       (hashtextextended(d.customer_id::text, %(seed)s) & 9007199254740991) / 9007199254740992.0 AS opening,
       (hashtextextended(d.customer_id::text, %(seed)s + 1) & 9007199254740991) / 9007199254740992.0 AS acting,
       (hashtextextended(d.customer_id::text, %(seed)s + 2) & 9007199254740991) / 9007199254740992.0 AS delay
FROM sending_delivery d WHERE d.origin_kind = 'campaign' AND d.origin_id = %(run)s AND d.status = 'pending'
"""
# the openers are those with a low draw; of them, those with a low second draw click; mail programs open a part of the others' messages
SIMULATE_REACTIONS = f"""
UPDATE sending_delivery d SET
    status = CASE WHEN x.acting > 0.994 THEN 'bounced' ELSE 'delivered' END,
    language = %(language)s, attempts = 1, claimed_at = %(at)s, sent_at = %(at)s + x.acting * interval '4 minutes',
    delivered_at = CASE WHEN x.acting <= 0.994 THEN %(at)s + interval '5 minutes' END,
    bounced_at = CASE WHEN x.acting > 0.994 THEN %(at)s + interval '5 minutes' END,
    opened_at = CASE WHEN x.opening < %(opened)s AND x.acting <= 0.994 THEN %(at)s + x.delay * interval '40 hours' END,
    machine_opened_at = CASE WHEN x.opening > 1 - %(machine)s AND x.acting <= 0.994 THEN %(at)s + interval '6 minutes' END,
    clicked_at = CASE WHEN x.opening < %(opened)s AND x.acting < %(clicked)s
                      THEN %(at)s + x.delay * interval '40 hours' + interval '1 minute' END,
    unsubscribed_at = CASE WHEN x.opening < %(opened)s AND x.acting BETWEEN 0.985 AND 0.994
                           THEN %(at)s + x.delay * interval '40 hours' + interval '2 minutes' END
FROM ({DRAWS}) AS x WHERE d.id = x.id
"""  # noqa: S608 — our own text
# who clicked and would not have ordered in the window, orders once more what the customer ordered last
INSERT_ORDERS = """
WITH responder AS (
    SELECT d.customer_id, d.clicked_at + interval '11 minutes' AS at,
           (SELECT o.id FROM orders_order o
            WHERE o.customer_id = d.customer_id AND o.kind = 'sale' AND o.placed_at < %(at)s
            ORDER BY o.placed_at DESC, o.id LIMIT 1) AS model_id
    FROM sending_delivery d
    WHERE d.origin_kind = 'campaign' AND d.origin_id = %(run)s AND d.clicked_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM orders_order o
        WHERE o.customer_id = d.customer_id AND o.kind = 'sale' AND o.placed_at >= %(at)s AND o.placed_at < %(at)s + %(window)s
    )
), inserted AS (
    INSERT INTO orders_order (source_id, order_id, customer_id, guest_email_hash, kind, status, placed_at, currency, subtotal, discount,
                              shipping, tax, total, refunded, coupon, channel, created_at)
    SELECT %(source)s, 'campaign-' || r.customer_id, r.customer_id, '', 'sale', 'placed', r.at, o.currency, o.subtotal, o.discount,
           o.shipping, o.tax, o.total, 0, '', o.channel, now()
    FROM responder r JOIN orders_order o ON o.id = r.model_id
    ON CONFLICT DO NOTHING
    RETURNING id, customer_id
)
INSERT INTO orders_orderline (order_id, line_number, product_id, quantity, unit_price, discount, total)
SELECT i.id, l.line_number, l.product_id, l.quantity, l.unit_price, l.discount, l.total
FROM inserted i JOIN responder r USING (customer_id) JOIN orders_orderline l ON l.order_id = r.model_id
"""


@dataclass(frozen=True)
class DemoCampaign:
    """A campaign to make up. opened, machine, clicked: shares of the recipients; clicked is one of those who open."""

    key: str
    template: str
    days_ago: int
    holdout_share: Decimal
    opened: float
    machine: float
    clicked: float
    seed: int
    has_effect: bool


CAMPAIGNS = (
    DemoCampaign("demo-win-back", "win-back", 35, Decimal("0.3"), 0.52, 0.2, 0.42, 100, has_effect=True),
    DemoCampaign("demo-newsletter", "welcome", 21, Decimal("0.1"), 0.37, 0.22, 0.11, 200, has_effect=False),
)


def load_campaigns(*, loaded_at: datetime, language: str = "en") -> int:
    """Create the campaigns that do not exist yet; return how many. In the active language."""
    created = 0
    for demo in CAMPAIGNS:
        with transaction.atomic():
            if not Campaign.objects.filter(key=demo.key).exists():
                load_campaign(demo, loaded_at=loaded_at, language=language)
                created += 1
    return created


def load_campaign(demo: DemoCampaign, *, loaded_at: datetime, language: str) -> None:
    """Launch a campaign in the past and make up what followed, in the caller's transaction: the sender never sees its messages."""
    day = loaded_at.astimezone(get_time_zone()).date() - timedelta(days=demo.days_ago)
    at = datetime.combine(day, time(10), get_time_zone())
    segment, name, description = describe_campaign(demo, at)
    known = {starter.key for starter in STARTERS}
    template_key = demo.template if demo.template in known else "welcome"
    campaign = Campaign.objects.create(
        key=demo.key,
        name=name,
        description=description,
        channel=Campaign.Channel.EMAIL,
        segment=segment,
        template=ensure_starter_templates([template_key])[template_key],
        holdout_share=demo.holdout_share,
        salt=f"{demo.key}-1",
        attribution_days=ATTRIBUTION_DAYS,
        is_simulated=True,
    )
    launch(campaign, by=None, now=at)
    run = campaign.runs.get()
    values: dict[str, Any] = {
        "run": run.pk,
        "at": at,
        "seed": demo.seed,
        "language": language,
        "opened": demo.opened,
        "machine": demo.machine,
        "clicked": demo.clicked,
        "window": timedelta(days=ATTRIBUTION_DAYS),
    }
    with connection.cursor() as cursor:
        cursor.execute(SIMULATE_REACTIONS, values)
        if demo.has_effect:
            cursor.execute(INSERT_ORDERS, {**values, "source": ensure_source().pk})
    CampaignRun.objects.filter(pk=run.pk).update(
        status=CampaignRun.Status.FINISHED, finished_at=at + timedelta(hours=1)
    )
    Campaign.objects.filter(pk=campaign.pk).update(status=Campaign.Status.ENDED, created_at=at - timedelta(days=1))


def describe_campaign(demo: DemoCampaign, at: datetime) -> tuple[Segment, str, str]:
    """Return the segment, the name and the description of a campaign."""
    if not demo.has_effect:
        segment, _created = Segment.objects.get_or_create(
            key="all-customers", defaults={"name": _("All customers"), "condition": {"all": []}}
        )
        text = _("Simulated, with a known truth: the newsletter causes no order at all.")
        return segment, _("Autumn newsletter"), text
    segment, _created = Segment.objects.get_or_create(
        key="demo-quiet",
        defaults={
            "name": _("No order for two weeks"),
            "description": _("The customers of a finished campaign of the demo."),
            "kind": Segment.Kind.STATIC,
        },
    )
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"segment": segment.pk, "at": at, "quiet": timedelta(days=QUIET_DAYS)}
        cursor.execute(ADD_QUIET_CUSTOMERS, values)
    text = _(
        "Simulated, with a known truth: whoever clicks and would not have ordered orders once more what they ordered last."
    )
    return segment, _("We miss you"), text


def ensure_source() -> Source:
    return Source.objects.get_or_create(
        key=SOURCE_KEY,
        defaults={"name": _("Campaigns (simulated)"), "kind": Source.Kind.IMPORT, "is_simulated": True},
    )[0]
