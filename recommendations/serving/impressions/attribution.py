"""Attribution: count clicks and purchases by day, placement, model and position.

A click is an event of interest (view, cart, wishlist, purchase) that names the recommendation and one of its products; a product of
a response counts once, however often it was clicked. A purchase is an order line of the same customer for a product that was shown to
them within the attribution window before it. Only the last impression counts (last touch), so no line is counted twice. Neither proves
that the recommendation was the cause.

Days whose window is still open, and days that were open at the last run, are counted again from the raw rows: the result depends only
on the stored data, not on earlier counts. Days whose impressions may be deleted already keep their figures.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from datetime import time as clock
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Min, QuerySet
from django.utils.timezone import localdate

from config.foundation.database.advisory_locks import exclusive_lock
from config.foundation.job_runs import JobStatus, record_run
from config.foundation.retention.periods import get_undeleted_since
from config.foundation.shop.profile import forget_shop, get_time_zone_change, get_time_zone_name
from customers.events.event_taxonomy import EVENT_NAMES, Meaning
from recommendations.serving.impressions.merge_receivers import update_impression_customers
from recommendations.serving.impressions.models import (
    Impression,
    PerformanceDay,
    PerformanceRun,
    ProductPerformanceDay,
)

ATTRIBUTION_LOCK = "count_performance"
LATE_DATA_WAIT = timedelta(days=2)  # extra time for late events and orders after the window of a day
CLOCK_TOLERANCE = timedelta(minutes=5)  # maximum lag of a visitor's clock behind the server's
CLICK_MEANINGS = (Meaning.RECOMMENDATION_CLICK, Meaning.VIEW, Meaning.CART, Meaning.WISHLIST, Meaning.PURCHASE)

# one row per clicked product of an impression; `every` samples impressions by a hash, so that every run draws the same sample
CLICKED_PRODUCTS = """
SELECT i.recommendation_id, i.served_at, i.scenario, i.model_version, i.strategy, product.product_id,
       i.first_rank + array_position(i.product_ids, product.product_id) - 1 AS position,
       bool_or(lower(btrim(e.name)) = ANY(%(cart_names)s)) AS carted, min(e.received_at) AS received_at
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
# the last impression of a product before its purchase; is_first marks the line at which an order counts for a placement
ATTRIBUTED_LINES = """
SELECT latest.served_at, latest.scenario, latest.model_version, latest.strategy, latest.position, o.currency, l.total,
       p.product_id, o.id AS order_id,
       row_number() OVER (PARTITION BY o.id, latest.scenario ORDER BY latest.served_at, latest.position, l.id) = 1 AS is_first
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
) latest
WHERE o.placed_at >= %(since)s AND o.placed_at < %(now)s AND o.customer_id IS NOT NULL
  AND o.kind = 'sale' AND o.status <> 'cancelled' AND l.quantity > 0
"""
# lines whose last impression is before the counted days belong to those days
BOUGHT_PRODUCTS = f"""
SELECT * FROM ({ATTRIBUTED_LINES}) AS line WHERE served_at >= %(since)s AND served_at < %(until)s
"""  # noqa: S608 — our own text
INSERT_PERFORMANCE_DAYS = f"""
WITH response AS (
    SELECT (served_at AT TIME ZONE %(zone)s)::date AS day, scenario, model_version, strategy, first_rank,
           cardinality(product_ids) AS length, count(*) AS times
    FROM serving_impression
    WHERE served_at >= %(since)s AND served_at < %(until)s
    GROUP BY 1, 2, 3, 4, 5, 6
), clicked AS ({CLICKED_PRODUCTS}), bought AS ({BOUGHT_PRODUCTS}), figures AS (
    SELECT day, scenario, model_version, strategy, position, '' AS currency, sum(times) AS shown, 0::bigint AS clicked,
           0::bigint AS carted, 0::bigint AS bought, 0::bigint AS orders, 0::numeric AS revenue
    FROM response CROSS JOIN LATERAL generate_series(first_rank, first_rank + length - 1) AS slot (position)
    GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT (served_at AT TIME ZONE %(zone)s)::date, scenario, model_version, strategy, position, '', 0, count(*),
           count(*) FILTER (WHERE carted), 0, 0, 0
    FROM clicked GROUP BY 1, 2, 3, 4, 5
    UNION ALL
    SELECT (served_at AT TIME ZONE %(zone)s)::date, scenario, model_version, strategy, position, currency, 0, 0, 0,
           count(*), count(*) FILTER (WHERE is_first), sum(total)
    FROM bought GROUP BY 1, 2, 3, 4, 5, 6
)
INSERT INTO serving_performanceday
    (day, scenario, model_version, strategy, position, currency, shown, clicked, carted, bought, orders, revenue)
SELECT day, scenario, model_version, strategy, position, currency, sum(shown), sum(clicked), sum(carted), sum(bought),
       sum(orders), sum(revenue)
FROM figures
GROUP BY 1, 2, 3, 4, 5, 6
"""  # noqa: S608 — our own text

INSERT_PRODUCT_DAYS = f"""
WITH clicked AS ({CLICKED_PRODUCTS}), bought AS ({BOUGHT_PRODUCTS}), figures AS (
    SELECT (served_at AT TIME ZONE %(zone)s)::date AS day, scenario, product_id, '' AS currency, count(*) AS shown,
           0::bigint AS clicked, 0::bigint AS orders, 0::numeric AS revenue
    FROM serving_impression CROSS JOIN LATERAL unnest(product_ids) AS product (product_id)
    WHERE served_at >= %(since)s AND served_at < %(until)s
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT (served_at AT TIME ZONE %(zone)s)::date, scenario, product_id, '', 0, count(*), 0, 0
    FROM clicked GROUP BY 1, 2, 3
    UNION ALL
    SELECT (served_at AT TIME ZONE %(zone)s)::date, scenario, product_id, currency, 0, 0, count(DISTINCT order_id), sum(total)
    FROM bought GROUP BY 1, 2, 3, 4
)
INSERT INTO serving_productperformanceday (day, scenario, product_id, currency, shown, clicked, orders, revenue)
SELECT day, scenario, product_id, currency, sum(shown), sum(clicked), sum(orders), sum(revenue)
FROM figures
GROUP BY 1, 2, 3, 4
"""  # noqa: S608 — our own text
MAX_PRODUCT_DAYS = 92  # number of days that the first run counts


@dataclass(frozen=True)
class AttributionResult:
    """The counted days and the number of rows written. first_day is None without impressions."""

    first_day: date | None
    last_day: date | None
    rows: int = 0
    looked_up: int = 0


def get_attribution_window() -> timedelta:
    """Return the time within which clicks and purchases are attributed."""
    return timedelta(days=settings.RECOMMEND_ATTRIBUTION_DAYS)


def get_day_start(day: date) -> datetime:
    """Return when a day begins in the shop's time zone."""
    return datetime.combine(day, clock.min, tzinfo=ZoneInfo(get_time_zone_name()))


def get_first_open_day(*, at: datetime) -> date:
    """Return the oldest day whose figures may still change."""
    return localdate(at, ZoneInfo(get_time_zone_name())) - (get_attribution_window() + LATE_DATA_WAIT)


def count_performance(*, at: datetime) -> AttributionResult:
    """Count every open day again and replace its figures in one transaction.

    Raises AlreadyRunningError; after a database error the figures stay unchanged.
    """
    forget_shop()  # with a cached time zone from before a change, the recount would be recorded as done
    with exclusive_lock(ATTRIBUTION_LOCK):
        first = find_first_day_to_count(at=at)
        with record_run(PerformanceRun(started_at=at)) as run:
            if first is None:
                return AttributionResult(None, None)
            run.first_day, run.last_day = first, localdate(at, ZoneInfo(get_time_zone_name()))
            result = count_days(first=first, last=run.last_day, at=at)
            run.counts = {"rows": result.rows, "looked_up": result.looked_up}
            if (days := find_product_days(at=at)) is not None:
                run.counts["product_rows"] = count_product_days(first=days[0], last=days[1], at=at)
            return result


def find_first_day_to_count(*, at: datetime) -> date | None:
    """Return the oldest day that is open or was open at the last run; None without impressions.

    After a change of the time zone, all days since the oldest impression are counted again, if all their impressions are kept.
    """
    finished_runs = filter_current_runs().filter(first_day__isnull=False)
    last = finished_runs.aggregate(at=Max("started_at"))["at"]
    if last is not None:
        return max(get_first_open_day(at=min(last, at)), find_first_kept_day(at=at))
    oldest = Impression.objects.aggregate(at=Min("served_at"))["at"]
    return max(localdate(oldest, ZoneInfo(get_time_zone_name())), find_first_kept_day(at=at)) if oldest else None


def find_first_kept_day(*, at: datetime) -> date:
    """Return the oldest day of which no impression was deleted because of its age: counting others again would lower their figures."""
    since = get_undeleted_since("impressions", now=at)
    return localdate(since, ZoneInfo(get_time_zone_name())) + timedelta(days=1)


def filter_current_runs() -> QuerySet[PerformanceRun]:
    """Return the finished runs in the present time zone."""
    runs = PerformanceRun.objects.filter(status=JobStatus.DONE)
    changed_at = get_time_zone_change()
    return runs.filter(started_at__gt=changed_at) if changed_at else runs


def build_click_parameters(*, every: int = 1) -> dict[str, Any]:
    """Return the parameters of CLICKED_PRODUCTS except its times.

    With ``every``, a stable sample of the impressions.
    """
    return {
        "window": get_attribution_window(),
        "early": CLOCK_TOLERANCE,
        "every": every,
        "click_names": [name.lower() for meaning in CLICK_MEANINGS for name in EVENT_NAMES[meaning]],
        "cart_names": [name.lower() for name in EVENT_NAMES[Meaning.CART]],
    }


def build_count_parameters(*, first: date, last: date, at: datetime) -> dict[str, Any]:
    """Return the parameters of the statements that count days."""
    return {
        "since": get_day_start(first),
        "until": get_day_start(last + timedelta(days=1)),
        "now": at,
        "zone": get_time_zone_name(),
        **build_click_parameters(),
    }


def count_days(*, first: date, last: date, at: datetime) -> AttributionResult:
    """Count the days with three statements, regardless of the amount of data."""
    parameters = build_count_parameters(first=first, last=last, at=at)
    since, until = parameters["since"], parameters["until"]
    with transaction.atomic():
        looked_up = update_impression_customers(since=since, until=until)
        PerformanceDay.objects.filter(day__gte=first, day__lte=last).delete()
        return AttributionResult(first, last, run_heavy_statement(INSERT_PERFORMANCE_DAYS, parameters), looked_up)


def run_heavy_statement(statement: str, parameters: dict[str, Any]) -> int:
    """Run a statement over a whole window inside a transaction; return the number of rows written."""
    with connection.cursor() as cursor:
        # the joins of a whole window fit into memory instead of temporary files; compiling takes longer than it saves
        cursor.execute("SET LOCAL work_mem = '128MB'; SET LOCAL jit = off")
        cursor.execute(statement, parameters)
        return cursor.rowcount


def find_product_days(*, at: datetime) -> tuple[date, date] | None:
    """Return the first and the last day whose products are to be counted; None if that was done today.

    Products are counted until yesterday: there are far more of them than positions, and pages show whole days.
    """
    today = localdate(at, ZoneInfo(get_time_zone_name()))
    runs = filter_current_runs().filter(counts__has_key="product_rows")
    newest = runs.aggregate(at=Max("started_at"))["at"]
    if newest is not None and localdate(newest, ZoneInfo(get_time_zone_name())) >= today:
        return None
    first = get_first_open_day(at=min(newest, at)) if newest is not None else today - timedelta(days=MAX_PRODUCT_DAYS)
    return max(first, find_first_kept_day(at=at)), today - timedelta(days=1)


def count_product_days(*, first: date, last: date, at: datetime) -> int:
    """Replace the figures of products on these days; return the number of rows."""
    with transaction.atomic():
        ProductPerformanceDay.objects.filter(day__gte=first, day__lte=last).delete()
        return run_heavy_statement(INSERT_PRODUCT_DAYS, build_count_parameters(first=first, last=last, at=at))
