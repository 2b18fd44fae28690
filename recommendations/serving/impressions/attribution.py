"""Counts what followed from what was shown, by day, place, model and position.

A click is any event that names the recommendation and a product of it and says that somebody wanted a closer look; each product of
an answer counts once, however often it was clicked. Bought is an order line of the same customer, of a product that was shown to
them within the attribution window before; where it was shown several times, the last time alone counts (last touch), so that no
line is counted twice. Neither says that the recommendation was the cause.

Days whose window is still open, and those that became open since the last counting, are counted anew from the rows themselves: the
answer depends on what is stored, not on what was counted before.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min
from django.utils.timezone import localdate

from config.foundation.database.advisory_locks import exclusive
from customers.events.event_taxonomy import NAMES, Meaning
from recommendations.serving.impressions.merge_receivers import look_up_customers
from recommendations.serving.impressions.models import Impression, PerformanceDay, PerformanceRun, RunStatus
from recommendations.serving.impressions.runs import recorded

LOCK = "count_performance"
LATE = timedelta(days=2)  # how long after its window a day waits for events and orders that come late
EARLY = timedelta(minutes=5)  # by how much the clock of whoever clicks may be behind ours
CLICKS = (Meaning.RECOMMENDATION_CLICK, Meaning.VIEW, Meaning.CART, Meaning.WISHLIST, Meaning.PURCHASE)

# one row for each product of an answer that something followed from
FOLLOWED = """
SELECT i.recommendation_id, i.served_at, i.scenario, i.model_version, i.strategy, product.product_id,
       i.first_rank + array_position(i.product_ids, product.product_id) - 1 AS position,
       bool_or(lower(btrim(e.name)) = ANY(%(cart_names)s)) AS carted
FROM events_event e
CROSS JOIN LATERAL unnest(e.product_ids) AS product (product_id)
JOIN serving_impression i ON i.recommendation_id = e.recommendation_id
WHERE e.recommendation_id <> '' AND e.received_at >= %(since)s AND e.received_at < %(now)s
  AND e.type = 'track' AND lower(btrim(e.name)) = ANY(%(click_names)s)
  AND i.served_at >= %(since)s AND i.served_at < %(until)s
  AND hashtextextended(i.recommendation_id, 0) %% %(every)s = 0
  AND e.occurred_at >= i.served_at - %(early)s AND e.occurred_at < i.served_at + %(window)s
  AND product.product_id = ANY(i.product_ids)
GROUP BY i.recommendation_id, i.served_at, i.scenario, i.model_version, i.strategy, i.first_rank, i.product_ids,
         product.product_id
"""
# the answer that showed a product last before it was bought; lines whose last answer lies before the days counted are theirs
BOUGHT = """
SELECT shown.served_at, shown.scenario, shown.model_version, shown.strategy, shown.position, o.currency, l.total
FROM orders_order o
JOIN orders_orderline l ON l.order_id = o.id
JOIN catalog_product p ON p.id = l.product_id
CROSS JOIN LATERAL (
    SELECT i.served_at, i.scenario, i.model_version, i.strategy,
           i.first_rank + array_position(i.product_ids, p.product_id) - 1 AS position
    FROM serving_impression i
    WHERE i.customer_id = o.customer_id AND i.served_at <= o.placed_at AND i.served_at > o.placed_at - %(window)s
      AND p.product_id = ANY(i.product_ids)
    ORDER BY i.served_at DESC, i.recommendation_id DESC
    LIMIT 1
) shown
WHERE o.placed_at >= %(since)s AND o.placed_at < %(now)s AND o.customer_id IS NOT NULL
  AND o.kind = 'sale' AND o.status <> 'cancelled'
  AND shown.served_at >= %(since)s AND shown.served_at < %(until)s
"""
COUNT = f"""
WITH answer AS (
    SELECT (served_at AT TIME ZONE %(zone)s)::date AS day, scenario, model_version, strategy, first_rank,
           cardinality(product_ids) AS length, count(*) AS times
    FROM serving_impression
    WHERE served_at >= %(since)s AND served_at < %(until)s
    GROUP BY 1, 2, 3, 4, 5, 6
), followed AS ({FOLLOWED}), bought AS ({BOUGHT}), counted AS (
    SELECT day, scenario, model_version, strategy, position, '' AS currency, sum(times) AS shown, 0::bigint AS clicked,
           0::bigint AS carted, 0::bigint AS bought, 0::numeric AS revenue
    FROM answer CROSS JOIN LATERAL generate_series(first_rank, first_rank + length - 1) AS place (position)
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT (served_at AT TIME ZONE %(zone)s)::date, scenario, model_version, strategy, position, '', 0, count(*),
           count(*) FILTER (WHERE carted), 0, 0
    FROM followed GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT (served_at AT TIME ZONE %(zone)s)::date, scenario, model_version, strategy, position, currency, 0, 0, 0,
           count(*), sum(total)
    FROM bought GROUP BY 1, 2, 3, 4, 5, 6
)
INSERT INTO serving_performanceday
    (day, scenario, model_version, strategy, position, currency, shown, clicked, carted, bought, revenue)
SELECT day, scenario, model_version, strategy, position, currency, sum(shown), sum(clicked), sum(carted), sum(bought),
       sum(revenue)
FROM counted
GROUP BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 — our own text


@dataclass(frozen=True)
class Counted:
    """The days that were counted, and how many rows they gave; first is None when nothing was ever shown."""

    first_day: date | None
    last_day: date | None
    rows: int = 0
    looked_up: int = 0


def window() -> timedelta:
    """Within which a click or a purchase counts as following from what was shown."""
    return timedelta(days=settings.RECOMMEND_ATTRIBUTION_DAYS)


def midnight(day: date) -> datetime:
    """When a day of the shop begins."""
    return datetime.combine(day, clock.min, tzinfo=ZoneInfo(settings.TIME_ZONE))


def first_open_day(*, at: datetime) -> date:
    """The oldest day whose figures may still change."""
    return localdate(at, ZoneInfo(settings.TIME_ZONE)) - (window() + LATE)


def count_performance(*, at: datetime) -> Counted:
    """Counts every open day anew; the days as they were before are replaced in one transaction.

    Errors: AlreadyRunningError; those of the database, after which the figures are as they were.
    """
    with exclusive(LOCK):
        first = first_day_to_count(at=at)
        with recorded(PerformanceRun(started_at=at)) as run:
            if first is None:
                return Counted(None, None)
            run.first_day, run.last_day = first, localdate(at, ZoneInfo(settings.TIME_ZONE))
            counted = count_days(first=first, last=run.last_day, at=at)
            run.counts = {"rows": counted.rows, "looked_up": counted.looked_up}
            return counted


def first_day_to_count(*, at: datetime) -> date | None:
    """The oldest day that is open or was open when it was last counted; None when nothing was ever shown."""
    done = PerformanceRun.objects.filter(status=RunStatus.DONE, first_day__isnull=False)
    last = done.aggregate(at=Max("started_at"))["at"]
    if last is not None:
        return first_open_day(at=min(last, at))
    oldest = Impression.objects.aggregate(at=Min("served_at"))["at"]
    return localdate(oldest, ZoneInfo(settings.TIME_ZONE)) if oldest else None


def what_follows(*, every: int = 1) -> dict[str, Any]:
    """The parameters of FOLLOWED beside its times; with ``every`` only that part of the answers, the same ones each time."""
    return {
        "window": window(),
        "early": EARLY,
        "every": every,
        "click_names": [name.lower() for meaning in CLICKS for name in NAMES[meaning]],
        "cart_names": [name.lower() for name in NAMES[Meaning.CART]],
    }


def count_days(*, first: date, last: date, at: datetime) -> Counted:
    """Three statements, whatever there is to count."""
    since, until = midnight(first), midnight(last + timedelta(days=1))
    given = {
        "since": since,
        "until": until,
        "now": at,
        "window": window(),
        "zone": settings.TIME_ZONE,
        **what_follows(),
    }
    with transaction.atomic():
        looked_up = look_up_customers(since=since, until=until)
        PerformanceDay.objects.filter(day__gte=first, day__lte=last).delete()
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL work_mem = '128MB'; SET LOCAL jit = off")
            cursor.execute(COUNT, given)
            return Counted(first, last, cursor.rowcount, looked_up)
