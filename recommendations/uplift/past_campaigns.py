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
# each customer once per campaign; the random assignment of the first run counts, and the hash of the sample is not that of the holdout
MEMBERS = sql.SQL("""
    SELECT r.campaign_id, d.customer_id, NOT bool_or(d.skip_reason = 'holdout') AS is_treated, max(r.holdout_share)::float8 AS share,
           max(r.started_at) + c.attribution_days * interval '1 day' AS until,
           EXISTS (
               SELECT FROM orders_order o WHERE o.customer_id = d.customer_id AND o.kind = 'sale' AND o.status <> 'cancelled'
               AND o.placed_at >= min(r.started_at) AND o.placed_at < max(r.started_at) + c.attribution_days * interval '1 day'
           ) AS has_ordered,
           min(r.started_at) AS since
    FROM sending_delivery d
    JOIN campaigns_campaignrun r ON r.id = d.origin_id
    JOIN campaigns_campaign c ON c.id = r.campaign_id
    WHERE d.origin_kind = 'campaign' AND d.claim <> 'launch' AND r.id = ANY(%(runs)s)
      AND abs(hashint8(d.customer_id)::bigint) %% 10000 < %(parts)s
    GROUP BY r.campaign_id, d.customer_id, c.attribution_days
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
    rows = read_members(MEMBERS, {"runs": [run.pk for run in runs], "parts": parts}) if runs else []
    columns: list[Any] = [np.array([row[index] for row in rows]) for index in (0, 1, 2, 3, 5)]
    campaign, customer, treated, share, ordered = columns
    return PastCustomers(
        campaign.astype(np.int64),
        customer.astype(np.int64),
        treated.astype(np.bool_),
        ordered.astype(np.float64),
        1 - share.astype(np.float64),
        build_matrix(rows),
    )
