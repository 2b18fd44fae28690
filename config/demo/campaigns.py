"""Six campaigns of the demo with a known truth: two monthly ones that work, not sent to the global holdout group; a win-back message that
works; a newsletter that changes nothing; a reminder whose window is still open; and a message to so few customers that its effect
remains unknown.

They are launched by the real code. What customers did with the messages is made up, and so are the orders that they cause: copies of
earlier orders of recipients who would not have ordered. Customers with a recent last order react more, so that a model can learn whom to
contact. The campaigns and the source of the orders are marked as simulated, and the true effect is stored.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from heapq import heapify, heappop, heappush
from typing import Any

from django.db import connection, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from config.campaign_simulation.truth import TrueEffect, compare_with_truth
from config.campaign_simulation.unsubscribes import withdraw_unsubscribed
from config.demo.customers import CONSENT_SOURCES
from config.demo.global_holdout import find_holdout_start
from config.foundation.number_formats import format_full_day
from config.foundation.shop.profile import get_time_zone
from customers.events.models import Source
from customers.segments.models import Segment
from recommendations.campaigns.launch.runs import finish_run, start_due_run
from recommendations.campaigns.launch.transitions import launch
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.messaging.starters.installation import ensure_starter_templates
from recommendations.messaging.starters.texts import STARTERS
from recommendations.sending.tracking.reactions import request_reaction_counts

SOURCE_KEY = "simulated-campaigns"

ADD_MEMBERS = """
INSERT INTO segments_segmentmember (segment_id, customer_id, added_at)
SELECT %(segment)s, o.customer_id, %(at)s
FROM orders_order o JOIN identity_customer c ON c.id = o.customer_id AND c.erased_at IS NULL
WHERE o.kind = 'sale' AND o.placed_at < %(at)s
GROUP BY o.customer_id HAVING {condition}
{order}
ON CONFLICT DO NOTHING
"""
# a customer's draws depend on the campaign and the customer only, so that every run of the demo makes up the same data
DRAWS = """
SELECT d.id, d.customer_id,
       (hashtextextended(d.customer_id::text, %(seed)s) & 9007199254740991) / 9007199254740992.0 AS opening,
       (hashtextextended(d.customer_id::text, %(seed)s + 1) & 9007199254740991) / 9007199254740992.0 AS acting,
       (hashtextextended(d.customer_id::text, %(seed)s + 2) & 9007199254740991) / 9007199254740992.0 AS delay,
       %(opened)s * CASE WHEN EXISTS (
           SELECT FROM orders_order o
           WHERE o.customer_id = d.customer_id AND o.placed_at >= %(at)s - interval '40 days' AND o.placed_at < %(at)s
       ) THEN 1.2 ELSE 0.5 END AS opened
FROM sending_delivery d WHERE d.origin_kind = 'campaign' AND d.origin_id = %(run)s AND d.status = 'pending'
"""
# recipients with a low draw open; those among them with a low second draw click; mail programs open some of the other messages
SIMULATE_REACTIONS = f"""
UPDATE sending_delivery d SET
    status = CASE WHEN x.acting > 0.994 THEN 'bounced' ELSE 'delivered' END,
    language = %(language)s, attempts = 1, claimed_at = %(at)s, sent_at = %(at)s + x.acting * interval '4 minutes',
    delivered_at = CASE WHEN x.acting <= 0.994 THEN %(at)s + interval '5 minutes' END,
    bounced_at = CASE WHEN x.acting > 0.994 THEN %(at)s + interval '5 minutes' END,
    opened_at = CASE WHEN x.opening < x.opened AND x.acting <= 0.994 THEN %(at)s + x.delay * interval '40 hours' END,
    machine_opened_at = CASE WHEN x.opening > 1 - %(machine)s AND x.acting <= 0.994 THEN %(at)s + interval '6 minutes' END,
    clicked_at = CASE WHEN x.opening < x.opened AND x.acting < %(clicked)s
                      THEN %(at)s + x.delay * interval '40 hours' + interval '1 minute' END,
    unsubscribed_at = CASE WHEN x.opening < x.opened AND x.acting BETWEEN 0.985 AND 0.994
                           THEN %(at)s + x.delay * interval '40 hours' + interval '2 minutes' END
FROM ({DRAWS}) AS x WHERE d.id = x.id
"""  # noqa: S608 — our own text
# a customer who clicked and would not have ordered in the window repeats their largest order of the previous three months
INSERT_ORDERS = """
WITH responder AS (
    SELECT d.customer_id, d.clicked_at + interval '11 minutes' AS at,
           (SELECT o.id FROM orders_order o
            WHERE o.customer_id = d.customer_id AND o.kind = 'sale' AND o.placed_at < %(at)s
            AND o.placed_at >= %(at)s - interval '90 days'
            ORDER BY o.total DESC, o.id LIMIT 1) AS model_id
    FROM sending_delivery d
    WHERE d.origin_kind = 'campaign' AND d.origin_id = %(run)s AND d.clicked_at IS NOT NULL AND NOT EXISTS (
        SELECT FROM orders_order o
        WHERE o.customer_id = d.customer_id AND o.kind = 'sale' AND o.placed_at >= %(at)s AND o.placed_at < %(at)s + %(window)s
    )
), inserted AS (
    INSERT INTO orders_order (source_id, order_id, customer_id, guest_email_hash, kind, status, placed_at, currency, subtotal, discount,
                              shipping, tax, total, refunded, coupon, channel, created_at)
    SELECT %(source)s, %(key)s || '-' || r.customer_id, r.customer_id, '', 'sale', 'placed', r.at, o.currency, o.subtotal, o.discount,
           o.shipping, o.tax, o.total, 0, '', o.channel, now()
    FROM responder r JOIN orders_order o ON o.id = r.model_id WHERE r.at < %(loaded)s
    ON CONFLICT DO NOTHING
    RETURNING id, customer_id, total
), lines AS (
    INSERT INTO orders_orderline (order_id, line_number, product_id, quantity, unit_price, discount, total)
    SELECT i.id, l.line_number, l.product_id, l.quantity, l.unit_price, l.discount, l.total
    FROM inserted i JOIN responder r USING (customer_id) JOIN orders_orderline l ON l.order_id = r.model_id
)
SELECT count(*), coalesce(sum(total), 0) FROM inserted
"""
COUNT_GROUPS = """
SELECT count(*), count(*) FILTER (WHERE skip_reason <> 'holdout') FROM sending_delivery
WHERE origin_kind = 'campaign' AND origin_id = %s AND claim <> 'launch'
"""


@dataclass(frozen=True)
class DemoCampaign:
    """A campaign to make up.

    Attributes:
        condition, order: SQL that chooses the members of a fixed segment by their orders before the start; without it, all customers.
        segment_name: of the fixed segment; it may contain the day of the start.
        later_condition: of the segment after the simulated runs, which makes it dynamic, so that real runs reach the customers who match then.
        opened, machine, clicked: shares of the recipients; clicked is one of those who open.
        days_ago: of the first run. holdout_days: instead, the first run is this many days after the global holdout group began.
        is_recurring: monthly; all runs whose attribution window is over are made up, and at least the first one.
    """

    key: str
    template: str
    holdout_share: Decimal
    opened: float
    machine: float
    clicked: float
    seed: int
    has_effect: bool
    name: str | Promise
    truth: str | Promise
    segment_name: str | Promise = ""
    condition: str = ""
    order: str = ""
    later_condition: dict[str, Any] | None = None
    attribution_days: int = 7
    is_recurring: bool = False
    days_ago: int = 0
    holdout_days: int | None = None


OFFER_TRUTH = _(
    "Simulated, with a known effect: customers who click and would not otherwise have ordered within a week repeat "
    "their largest order of the previous three months."
)
CAMPAIGNS = (
    DemoCampaign(
        key="demo-offers",
        template="welcome",
        holdout_days=4,
        holdout_share=Decimal("0.1"),
        opened=0.55,
        machine=0.2,
        clicked=0.5,
        seed=500,
        has_effect=True,
        name=_("Offers of the month"),
        truth=OFFER_TRUTH,
        is_recurring=True,
    ),
    DemoCampaign(
        key="demo-voucher",
        template="welcome",
        holdout_days=18,
        holdout_share=Decimal("0.1"),
        opened=0.55,
        machine=0.2,
        clicked=0.5,
        seed=600,
        has_effect=True,
        name=_("Voucher for the weekend"),
        truth=OFFER_TRUTH,
        is_recurring=True,
    ),
    DemoCampaign(
        key="demo-win-back",
        template="win-back",
        days_ago=35,
        holdout_share=Decimal("0.3"),
        opened=0.62,
        machine=0.2,
        clicked=0.55,
        seed=100,
        has_effect=True,
        name=_("We miss you"),
        truth=_(
            "Simulated, with a known effect: customers who click and would not otherwise have ordered repeat their largest "
            "order of the previous three months."
        ),
        segment_name=_("No order in the week before %(day)s"),
        condition="max(o.placed_at) < %(at)s - interval '7 days'",
    ),
    DemoCampaign(
        key="demo-newsletter",
        template="welcome",
        days_ago=42,
        holdout_share=Decimal("0.5"),
        opened=0.37,
        machine=0.22,
        clicked=0.11,
        seed=200,
        has_effect=False,
        name=_("Autumn newsletter"),
        truth=_("Simulated, with a known effect: the newsletter causes no orders at all."),
        attribution_days=28,  # with it and half of the customers held out, "no effect" can be shown
    ),
    DemoCampaign(
        key="demo-top-customers",
        template="vip",
        days_ago=12,
        holdout_share=Decimal("0.2"),
        opened=0.6,
        machine=0.2,
        clicked=0.3,
        seed=300,
        has_effect=True,
        name=_("Preview for the best customers"),
        truth=_(
            "Simulated, with a known effect. Too few customers received the message for that effect to be measured."
        ),
        segment_name=_("The 60 customers with the highest revenue"),
        condition="true",
        order="ORDER BY sum(o.total) DESC, o.customer_id LIMIT 60",
    ),
    DemoCampaign(
        key="demo-refill",
        template="replenishment",
        days_ago=4,
        holdout_share=Decimal("0.2"),
        opened=0.5,
        machine=0.2,
        clicked=0.25,
        seed=400,
        has_effect=True,
        name=_("Time to refill"),
        truth=_("The first run is simulated: some customers place an order only because of the message."),
        segment_name=_("Last order 6 to 20 days ago"),
        condition="max(o.placed_at) < %(at)s - interval '6 days' AND max(o.placed_at) > %(at)s - interval '20 days'",
        later_condition={
            "all": [
                {"field": "last_order_at", "op": "older_than_days", "value": 6},
                {"field": "last_order_at", "op": "within_days", "value": 20},
            ]
        },
        attribution_days=14,
        is_recurring=True,
    ),
)


def load_campaigns(*, loaded_at: datetime, language: str = "en") -> int:
    """Create the campaigns that do not exist yet; return how many. Texts are in the active language.

    The runs of all campaigns are made up in the order of time, so that who unsubscribes from one campaign gets no later message of any.
    All of it is one transaction: the sender never sees the messages. The truth is stored only for campaigns with one run, because the
    results of several runs are combined.
    """
    known = set(Campaign.objects.filter(key__in=[demo.key for demo in CAMPAIGNS]).values_list("key", flat=True))
    missing = {demo.key: demo for demo in CAMPAIGNS if demo.key not in known}
    truths: dict[str, tuple[CampaignRun, TrueEffect]] = {}
    with transaction.atomic():
        due = [(find_start(demo, loaded_at), demo.key) for demo in missing.values()]
        heapify(due)
        while due:
            at, key = heappop(due)
            demo = missing[key]
            campaign = start_campaign_run(demo, at=at)
            result = simulate_run(demo, campaign, at=at, loaded_at=loaded_at, language=language)
            truths.setdefault(key, result)
            following = campaign.next_scheduled_for
            if following is not None and following + timedelta(days=demo.attribution_days) <= loaded_at:
                heappush(due, (following, key))
        for demo in missing.values():
            if demo.later_condition is not None:
                make_dynamic(Segment.objects.get(key=f"{demo.key}-customers"), demo.later_condition)
    if missing:
        request_reaction_counts()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE sending_delivery, measurement_assignment")  # without it, the results take seconds
    for run, truth in truths.values():
        if run.campaign.runs.count() == 1:
            compare_with_truth(run, truth, as_of=loaded_at)
    return len(missing)


def find_start(demo: DemoCampaign, loaded_at: datetime) -> datetime:
    """Return the time of the first run: ten in the morning of its day."""
    day = loaded_at.astimezone(get_time_zone()).date() - timedelta(days=demo.days_ago)
    if demo.holdout_days is not None:
        day = find_holdout_start(loaded_at).date() + timedelta(days=demo.holdout_days)
    return datetime.combine(day, time(10), get_time_zone())


def start_campaign_run(demo: DemoCampaign, *, at: datetime) -> Campaign:
    """Launch a campaign in the past, or start its next run if it exists already; return it."""
    campaign = Campaign.objects.filter(key=demo.key).first()
    if campaign is None:
        campaign = create_campaign(demo, at=at)
        launch(campaign, by=None, now=at)
        Campaign.objects.filter(pk=campaign.pk).update(created_at=at - timedelta(days=1))
    else:
        start_due_run(campaign.pk, now=at)
        campaign.refresh_from_db()
    return campaign


def create_campaign(demo: DemoCampaign, *, at: datetime) -> Campaign:
    known = {starter.key for starter in STARTERS}
    template_key = demo.template if demo.template in known else "welcome"
    return Campaign.objects.create(
        key=demo.key,
        name=str(demo.name),
        description=str(demo.truth),
        channel=Campaign.Channel.EMAIL,
        segment=ensure_segment(demo, at),
        template=ensure_starter_templates([template_key])[template_key],
        holdout_share=demo.holdout_share,
        salt=f"{demo.key}-1",
        attribution_days=demo.attribution_days,
        kind=Campaign.Kind.RECURRING if demo.is_recurring else Campaign.Kind.ONCE,
        frequency=Campaign.Frequency.MONTHLY,
        month_day=at.day,
        is_simulated=True,
    )


def simulate_run(
    demo: DemoCampaign, campaign: Campaign, *, at: datetime, loaded_at: datetime, language: str
) -> tuple[CampaignRun, TrueEffect]:
    """Make up what customers did with the messages of the latest run; return the run and the true effect."""
    run = campaign.runs.latest("number")
    values: dict[str, Any] = {
        "run": run.pk,
        "key": demo.key if run.number == 1 else f"{demo.key}-{run.number}",
        "at": at,
        "loaded": loaded_at,
        "seed": demo.seed + 10 * (run.number - 1),
        "language": language,
        "opened": demo.opened,
        "machine": demo.machine,
        "clicked": demo.clicked,
        "window": timedelta(days=demo.attribution_days),
    }
    with connection.cursor() as cursor:
        cursor.execute(SIMULATE_REACTIONS, values)
        withdraw_unsubscribed(run.pk, source=CONSENT_SOURCES[language])
        cursor.execute(COUNT_GROUPS, [run.pk])
        customers, recipients = cursor.fetchone()
        orders, revenue = 0, Decimal(0)
        if demo.has_effect:
            cursor.execute(INSERT_ORDERS, {**values, "source": ensure_source().pk})
            orders, revenue = cursor.fetchone()
    finish_run(run, now=at + timedelta(hours=1))
    return run, TrueEffect(customers, orders / max(recipients, 1), float(revenue) / max(recipients, 1))


def ensure_segment(demo: DemoCampaign, at: datetime) -> Segment:
    """Return the segment of a campaign; a fixed one has the customers who matched at the start."""
    if not demo.condition:
        return Segment.objects.get_or_create(
            key="all-customers", defaults={"name": gettext("All customers"), "condition": {"all": []}}
        )[0]
    fixed: dict[str, Any] = {"kind": Segment.Kind.STATIC, "condition": {}}
    segment, _created = Segment.objects.update_or_create(
        key=f"{demo.key}-customers",
        defaults=fixed,
        create_defaults={
            **fixed,
            "name": str(demo.segment_name) % {"day": format_full_day(at.date())},
            "description": gettext("The customers of one of the demo's simulated campaigns."),
        },
    )
    with connection.cursor() as cursor:
        statement = ADD_MEMBERS.format(condition=demo.condition, order=demo.order)
        cursor.execute(statement, {"segment": segment.pk, "at": at})
    return segment


def make_dynamic(segment: Segment, condition: dict[str, Any]) -> None:
    """Replace the list of a segment by a condition."""
    segment.members.all().delete()
    segment.kind, segment.condition = Segment.Kind.DYNAMIC, condition
    segment.save(update_fields=["kind", "condition"])


def ensure_source() -> Source:
    return Source.objects.get_or_create(
        key=SOURCE_KEY,
        defaults={"name": gettext("Campaigns (simulated)"), "kind": Source.Kind.IMPORT, "is_simulated": True},
    )[0]
