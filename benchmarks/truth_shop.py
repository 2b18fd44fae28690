"""Loads a simulated shop into the servers of the environment, as a real shop would, and reads the truth about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from config.foundation.array_types import Floats, Ints
from config.simulation.campaigns import TREATED_SHARE
from config.simulation.plan import WINDOW, ShopPlan

SOURCE = "simulated-shop"


@dataclass(frozen=True, eq=False)
class ShopTruth:
    """The truth about a shop: columns by table, and the taste of each customer, shape (n, g)."""

    folder: Path
    customers: dict[str, Any]
    taste: Floats

    def read(self, name: str) -> dict[str, Any]:
        return to_columns(read_table(self.folder / "truth" / name))

    def sum_future(self, days: int, *, values: bool = False) -> Floats:
        """Return the orders, or their value, of each customer in the days after the end."""
        future = self.read("future")
        chosen = future["day"] < days
        rows = parse_rows(future["customer_id"][chosen])
        weights = future["value"][chosen] if values else None
        return np.bincount(rows, weights, minlength=len(self.taste)).astype(np.float64)


def read_truth(folder: Path) -> ShopTruth:
    table = read_table(folder / "truth" / "customers")
    taste = np.stack(table["taste"].to_numpy())
    return ShopTruth(folder, to_columns(table.drop_columns(["taste"])), taste)


def read_table(path: Path) -> pa.Table:
    if path.with_suffix(".parquet").exists():
        return pq.read_table(path.with_suffix(".parquet"))
    return pa.concat_tables([pq.read_table(part) for part in sorted(path.glob("*.parquet"))])


def to_columns(table: pa.Table) -> dict[str, Any]:
    return {name: table[name].to_numpy() for name in table.column_names}


def parse_rows(ids: Any) -> Ints:
    """Return the row numbers of customer or product IDs."""
    return np.array([int(text[1:]) for text in ids], np.int64)


def load_files(folder: Path, *, with_events: bool) -> None:
    """Import products, orders and events by the commands of the product, and process the events."""
    from django.core.management import call_command

    call_command("import_products", folder / "products.jsonl", verbosity=0)
    for path in sorted((folder / "customers").glob("*.csv")):
        call_command("import_customers", path, verbosity=0)
    for path in sorted((folder / "orders").glob("*.gz")):
        call_command("import_orders", path, "--source", SOURCE, verbosity=0)
    if with_events:
        for path in sorted((folder / "events").glob("*.gz")):
            # the first line may be a dirty one, from which no format can be recognized
            call_command("import_events", path, "--source", SOURCE + "-events", verbosity=0)
        call_command("process_events", "--until-empty", verbosity=0)
    for path in sorted((folder / "reviews").glob("*.jsonl")):
        call_command("import_reviews", path, verbosity=0)
    call_command("export_warehouse", verbosity=0)


def find_customers() -> dict[str, int]:
    """Return the primary keys of the customers by their ID in the shop."""
    from customers.identity.models import Identifier

    return dict(Identifier.objects.filter(kind=Identifier.Kind.USER_ID).values_list("value", "customer_id"))


def store_campaigns(plan: ShopPlan, truth: ShopTruth) -> None:
    """Store the campaigns in their order, with their groups as they were assigned."""
    from customers.segments.models import Segment
    from recommendations.campaigns.models import Campaign, CampaignRun
    from recommendations.measurement.models import Assignment
    from recommendations.messaging.starters.installation import ensure_starter_templates

    template = ensure_starter_templates(["welcome"])["welcome"]
    segment = Segment.objects.create(key="everyone", name="Everyone", kind=Segment.Kind.STATIC)
    members, keys = truth.read("campaigns"), find_customers()
    share = Decimal(str(1 - TREATED_SHARE))
    for number, day in enumerate(plan.campaign_days):
        at = plan.start + timedelta(days=day)
        campaign = Campaign.objects.create(
            key=f"simulated-{number}",
            name=f"Simulated {number}",
            channel=Campaign.Channel.EMAIL,
            segment=segment,
            template=template,
            holdout_share=share,
            salt=f"simulated-{number}",
            attribution_days=WINDOW,
            status=Campaign.Status.ENDED,
            is_simulated=True,
        )
        Campaign.objects.filter(pk=campaign.pk).update(created_at=at)
        CampaignRun.objects.create(
            campaign=campaign,
            number=1,
            template_version=template.versions.latest("pk"),
            status=CampaignRun.Status.FINISHED,
            scheduled_for=at,
            started_at=at,
            finished_at=at,
            segment_key=segment.key,
            holdout_share=share,
        )
        own = members["campaign"] == number
        Assignment.objects.bulk_create(
            [
                Assignment(
                    kind=Assignment.Kind.CAMPAIGN,
                    scope_id=campaign.pk,
                    customer_id=keys[customer_id],
                    is_held_out=not is_treated,
                    holdout_share=float(share),
                    assigned_at=at,
                )
                for customer_id, is_treated in zip(members["customer_id"][own], members["is_treated"][own], strict=True)
            ],
            batch_size=5_000,
        )


def get_end(plan: ShopPlan) -> datetime:
    return plan.start + timedelta(days=plan.days)
