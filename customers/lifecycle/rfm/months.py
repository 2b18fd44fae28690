"""The month ends at which the RFM cells of customers are stored."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from customers.lifecycle.scoring.rfm.month_cells import MAX_MONTHS

MONTH = timedelta(days=30.4375)


def list_month_ends(*, as_of: datetime) -> list[datetime]:
    """Return the last twelve month ends up to as_of in the shop's time zone, ascending."""
    zone = ZoneInfo(settings.TIME_ZONE)
    local = as_of.astimezone(zone)
    newest = 12 * local.year + local.month - 1
    return [
        datetime(number // 12, number % 12 + 1, 1, tzinfo=zone) for number in range(newest - MAX_MONTHS + 1, newest + 1)
    ]


def find_month_ago(*, as_of: datetime) -> int:
    """Return which month end, counted back from the last one, is nearest to a month before as_of."""
    ends = list_month_ends(as_of=as_of)[::-1]
    return min(range(len(ends)), key=lambda back: abs(as_of - MONTH - ends[back]))
