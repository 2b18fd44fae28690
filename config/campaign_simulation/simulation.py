"""Campaigns to customers whose reaction is known: launched, queued and sent by the real code, with orders drawn by the known truth."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal

import numpy as np
from django.db import connection

from config.campaign_simulation.models import SimulatedTruth
from config.campaign_simulation.population import (
    DAY_SECONDS,
    OrderStream,
    Population,
    apply_message,
    draw_orders,
    draw_population,
)
from config.campaign_simulation.sending import isolate_sending, send_all, send_to_sink
from config.campaign_simulation.storage import CAMPAIGN_PREFIX, CONSENT_SOURCE, store_customers, store_orders
from config.campaign_simulation.truth import TrueEffect, compare_with_truth
from config.campaign_simulation.unsubscribes import withdraw_unsubscribed
from config.foundation.array_types import Flags
from config.foundation.progress import Progress, ignore_progress
from config.foundation.shop.profile import get_time_zone
from customers.lifecycle.facts.amounts import get_amount_currency
from customers.segments.models import Segment
from recommendations.campaigns.launch.runs import finish_run
from recommendations.campaigns.launch.transitions import launch
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.messaging.starters.installation import ensure_starter_templates
from recommendations.sending.tracking.reactions import request_reaction_counts

MIN_GAP_DAYS = 8  # between two campaigns: no frequency cap applies, and no window overlaps
TEMPLATE_KEY = "welcome"

READ_GROUPS = """
SELECT customer_id, skip_reason <> 'holdout', sent_at IS NOT NULL
FROM sending_delivery WHERE origin_kind = 'campaign' AND origin_id = %s AND claim <> 'launch'
"""
SIMULATE_REACTIONS = """
UPDATE sending_delivery d SET
    status = 'delivered', delivered_at = d.sent_at + interval '1 minute',
    opened_at = CASE WHEN x.opening < 0.35 THEN d.sent_at + x.delay * interval '30 hours' END,
    clicked_at = CASE WHEN x.opening < 0.12 THEN d.sent_at + x.delay * interval '30 hours' + interval '1 minute' END,
    unsubscribed_at = CASE WHEN x.opening > 0.997 THEN d.sent_at + x.delay * interval '30 hours' END
FROM (
    SELECT id, (hashtextextended(customer_id::text, %(seed)s) & 9007199254740991) / 9007199254740992.0 AS opening,
           (hashtextextended(customer_id::text, %(seed)s + 1) & 9007199254740991) / 9007199254740992.0 AS delay
    FROM sending_delivery WHERE origin_kind = 'campaign' AND origin_id = %(run)s AND sent_at IS NOT NULL
) AS x WHERE d.id = x.id
"""


@dataclass(frozen=True)
class SimulationPlan:
    """What to simulate. effect: the mean effect on the probability to order. days: of orders before the first campaign."""

    customers: int = 5_000
    campaigns: int = 3
    effect: float = 0.03
    seed: int = 1
    days: int = 180
    holdout_share: float = 0.2
    window_days: int = 7

    @property
    def gap(self) -> timedelta:
        return timedelta(days=max(self.window_days + 1, MIN_GAP_DAYS))

    def list_starts(self, now: datetime) -> list[datetime]:
        """Return the starts of the campaigns, each at ten in the morning; the window of the last one has already ended."""
        last = now.astimezone(get_time_zone()).date() - timedelta(days=self.window_days + 1)
        days = [last - self.gap * number for number in reversed(range(self.campaigns))]
        return [datetime.combine(day, time(10), get_time_zone()) for day in days]

    def draw(self) -> Population:
        """Return the customers. The same plan draws the same ones.

        Raises:
            ValueError: the effect is not possible.
        """
        generator = np.random.default_rng([self.seed, 0])
        return draw_population(self.customers, effect=self.effect, window_days=self.window_days, generator=generator)


def simulate_campaigns(
    plan: SimulationPlan, *, now: datetime, progress: Progress = ignore_progress
) -> list[SimulatedTruth]:
    """Store customers, orders and campaigns; return the truth of each campaign together with its results.

    Everything is stored in one transaction, so that an interrupted simulation leaves nothing.

    Raises:
        ValueError: the effect is not possible. OtherMessagesWaitError: real messages wait to be sent.
    """
    population, starts = plan.draw(), plan.list_starts(now)
    generator = np.random.default_rng([plan.seed, 1])
    start = starts[0] - timedelta(days=plan.days)
    stream = draw_orders(population, days=(now - start) / timedelta(days=1), generator=generator)
    currency = get_amount_currency()
    stored, truths = 0, []
    with send_to_sink(), isolate_sending():
        segment, customer_ids = store_customers(population, since=start)
        rows = {customer_id: row for row, customer_id in enumerate(customer_ids)}
        since = -1.0
        for number, at in enumerate(starts, start=1):
            second = (at - start) / timedelta(seconds=1)
            end = second + plan.window_days * DAY_SECONDS
            stored += store_slice(stream, since, second, customer_ids, start=start, number=stored, currency=currency)
            run = send_campaign(plan, segment, number=number, at=at)
            groups = read_groups(run, rows, len(population))
            stream = apply_message(stream, population, sent=groups.sent, at=second, generator=generator)
            stored += store_slice(stream, second, end, customer_ids, start=start, number=stored, currency=currency)
            truths.append(compare_with_truth(run, groups.compute_true_effect(population), as_of=now))
            since = end
            progress(number, len(starts))
        store_slice(stream, since, np.inf, customer_ids, start=start, number=stored, currency=currency)
        request_reaction_counts()
    return truths


def store_slice(
    stream: OrderStream,
    since: float,
    until: float,
    customer_ids: list[int],
    *,
    start: datetime,
    number: int,
    currency: str,
) -> int:
    """Store the orders from one second to another, numbered after the first ``number``; return how many."""
    chosen = stream.select((stream.seconds >= since) & (stream.seconds < until))
    store_orders(chosen, customer_ids, start=start, first_number=number + 1, currency=currency)
    return len(chosen.seconds)


def send_campaign(plan: SimulationPlan, segment: Segment, *, number: int, at: datetime) -> CampaignRun:
    """Launch a campaign at a moment of the past and send its messages; what customers do with them is made up."""
    campaign = Campaign.objects.create(
        key=f"{CAMPAIGN_PREFIX}{number}",
        name=f"Simulated campaign {number}",
        description=(
            f"Simulated, with a known truth: the message changes the probability to order within {plan.window_days} days "
            f"by {plan.effect * 100:+.2f} percentage points on average."
        ),
        channel=Campaign.Channel.EMAIL,
        segment=segment,
        template=ensure_starter_templates([TEMPLATE_KEY])[TEMPLATE_KEY],
        holdout_share=Decimal(str(plan.holdout_share)),
        salt=f"simulated-{plan.seed}-{number}",
        attribution_days=plan.window_days,
        is_simulated=True,
    )
    launch(campaign, by=None, now=at)
    run = campaign.runs.get()
    send_all(now=at)
    finish_run(run, now=at + timedelta(hours=1))
    with connection.cursor() as cursor:
        cursor.execute(SIMULATE_REACTIONS, {"run": run.pk, "seed": plan.seed * 1_000 + number * 2})
    withdraw_unsubscribed(run.pk, source=CONSENT_SOURCE)
    Campaign.objects.filter(pk=campaign.pk).update(created_at=at - timedelta(days=1))
    run.refresh_from_db()
    return run


@dataclass(frozen=True)
class RunGroups:
    """Per customer: who could get the message, who was assigned to get it, and who got it."""

    eligible: Flags
    recipients: Flags
    sent: Flags

    def compute_true_effect(self, population: Population) -> TrueEffect:
        """Return the mean effect on the customers of both groups × the share of the recipients who got the message."""
        share = int(self.sent.sum()) / max(int(self.recipients.sum()), 1)
        return TrueEffect(
            customers=int(self.eligible.sum()),
            conversion=float(population.effects[self.eligible].mean() * share),
            revenue=float(population.revenue_effects[self.eligible].mean() * share),
        )


def read_groups(run: CampaignRun, rows: dict[int, int], customers: int) -> RunGroups:
    """Read the groups of a run. Raises ValueError if nobody could get its message."""
    with connection.cursor() as cursor:
        cursor.execute(READ_GROUPS, [run.pk])
        found = cursor.fetchall()
    if not found:
        raise ValueError("Nobody could get the message: check the global holdout group and the consents.")
    positions = np.array([rows[customer_id] for customer_id, _is_recipient, _is_sent in found])
    eligible, recipients, sent = (np.zeros(customers, bool) for _group in range(3))
    eligible[positions] = True
    recipients[positions] = [is_recipient for _customer, is_recipient, _sent in found]
    sent[positions] = [is_sent for _customer, _recipient, is_sent in found]
    return RunGroups(eligible, recipients, sent)
