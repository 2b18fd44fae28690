"""The customers of past campaigns with a holdout group, whose attribution window is over."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from psycopg import sql

from config.foundation.array_types import Flags, Floats, Ints
from recommendations.campaigns.models import Campaign, CampaignRun
from recommendations.uplift.features import build_matrix, read_members

MAX_CAMPAIGNS = 20  # the newest
MAX_ROWS = 200_000  # of all campaigns; above, customers are drawn by a hash
SAMPLE_PARTS = 10_000
# Each customer once per campaign, as assigned; the window ends for all after the last run. The hash of the sample is not that of the
# holdout group. Who was merged from both groups is left out.
MEMBERS = sql.SQL("""
    SELECT x.*, EXISTS (
               SELECT FROM orders_order o WHERE o.customer_id = x.customer_id AND o.kind = 'sale' AND o.status <> 'cancelled'
               AND o.placed_at >= x.since AND o.placed_at < x.until
           ) AS has_ordered
    FROM (
        SELECT a.scope_id, a.customer_id, NOT bool_or(a.is_held_out) AS is_treated, max(a.holdout_share) AS share,
               min(a.assigned_at) AS since, e.until, max(a.predicted_value) AS predicted_value
        FROM measurement_assignment a
        JOIN (SELECT r.campaign_id, max(r.started_at) + c.attribution_days * interval '1 day' AS until
              FROM campaigns_campaignrun r JOIN campaigns_campaign c ON c.id = r.campaign_id
              WHERE c.id = ANY(%(campaigns)s) GROUP BY r.campaign_id, c.attribution_days) e ON e.campaign_id = a.scope_id
        WHERE a.kind = 'campaign' AND a.scope_id = ANY(%(campaigns)s) AND a.holdout_share > 0 AND a.assigned_at < e.until
          AND abs(hashint8(a.customer_id)::bigint) %% 10000 < %(parts)s
        GROUP BY a.scope_id, a.customer_id, e.until HAVING bool_or(a.is_held_out) = bool_and(a.is_held_out)
    ) x
""")


@dataclass(frozen=True, eq=False)
class PastCustomers:
    """n assignments of customers to recipients or holdout group.

    campaign, customer: IDs, (n,). treated, ordered: (n,). propensity: (n,), the share of recipients. matrix: (n, k), see FEATURES.
    """

    campaign: Ints
    customer: Ints
    treated: Flags
    ordered: Floats
    propensity: Floats
    matrix: Floats

    def __len__(self) -> int:
        return len(self.campaign)

    def select(self, rows: "np.ndarray") -> "PastCustomers":
        return PastCustomers(
            self.campaign[rows],
            self.customer[rows],
            self.treated[rows],
            self.ordered[rows],
            self.propensity[rows],
            self.matrix[rows],
        )


def list_past_campaigns(as_of: datetime) -> list[Campaign]:
    """Return the newest campaigns with a finished run that had a holdout group and whose window is over, newest first."""
    campaigns = (
        Campaign.objects.filter(runs__status=CampaignRun.Status.FINISHED, runs__holdout_share__gt=0)
        .exclude(status=Campaign.Status.CANCELED)
        .distinct()
        .order_by("-created_at", "-id")
        .select_related("segment")
        .prefetch_related("runs")[: 3 * MAX_CAMPAIGNS]
    )
    return [campaign for campaign in campaigns if list_finished_runs(campaign, as_of)][:MAX_CAMPAIGNS]


def list_finished_runs(campaign: Campaign, as_of: datetime) -> list[CampaignRun]:
    """Return the runs to learn from. If one is not over, none is: a customer's window reaches to the end of the last run."""
    runs = list(campaign.runs.all())
    is_over = all(
        run.status in (CampaignRun.Status.FINISHED, CampaignRun.Status.CANCELED)
        and (as_of - run.started_at).days >= campaign.attribution_days
        for run in runs
    )
    return (
        [run for run in runs if run.status == CampaignRun.Status.FINISHED and run.holdout_share > 0] if is_over else []
    )


def read_past_customers(campaigns: list[Campaign], as_of: datetime) -> PastCustomers:
    """Return the customers of these campaigns with what was known of them at the start; a sample if there are many."""
    runs = [run for campaign in campaigns for run in list_finished_runs(campaign, as_of)]
    expected = sum(int(run.counts.get("queued", 0)) + int(run.counts.get("held_out", 0)) for run in runs)
    parts = SAMPLE_PARTS if expected <= MAX_ROWS else max(int(SAMPLE_PARTS * MAX_ROWS / expected), 1)
    parameters = {"campaigns": [campaign.pk for campaign in campaigns], "parts": parts}
    rows = read_members(MEMBERS, parameters) if campaigns else []
    columns: list[Any] = [np.array([row[index] for row in rows]) for index in (0, 1, 2, 3, 7)]
    campaign, customer, treated, share, ordered = columns
    return PastCustomers(
        campaign.astype(np.int64),
        customer.astype(np.int64),
        treated.astype(np.bool_),
        ordered.astype(np.float64),
        1 - share.astype(np.float64),
        build_matrix(rows),
    )
