"""Compiles conditions on what customers do into filters on the daily counts of events.

A row has the days of one customer and series in order, with running totals, so the events of any period are the difference of two totals,
each found by a binary search: a condition costs the same for a week as for all time. Days are those of the shop's time zone; "in the last
d days" are today and the d days before it.

Orders that have changed since they were counted are read from the orders instead, so that purchases are exact at any moment.
"""

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import BooleanField, Exists, F, Func, Q
from django.db.models.sql.compiler import SQLCompiler

from config.foundation.shop.profile import get_time_zone, get_time_zone_name
from customers.segments.conditions.condition_tree import Comparison, EventSequence
from customers.segments.conditions.fields import FieldType
from customers.segments.event_counts.meanings import BOUGHT, DAY, FIRST_DAY, LAST_DAY
from customers.segments.models import EventSeries, PendingOrderCount

type SeriesKey = tuple[str, str, str]  # meaning, about, name
type Statement = tuple[str, list[Any]]  # SQL that selects customer_id, and its parameters

EPOCH = date(1970, 1, 1)
PENDING = "segments_pendingordercount"
MAX_JOINED = 4  # series
ONCE = ">= 1"
ABOUT_ORDERS = {
    EventSeries.About.ANY: "true",
    EventSeries.About.PRODUCT: "p.product_id = ANY(%s)",
    EventSeries.About.BRAND: "p.brand = ANY(%s)",
    EventSeries.About.CATEGORY: (
        "p.category_id IN (SELECT c.id FROM catalog_category c JOIN unnest(%s::text[]) AS n (path)"
        " ON c.path = n.path OR starts_with(c.path, n.path || ' > '))"
    ),
}
# a: the row of the first event, b: that of the second. The cheap tests come first; all days of the
# second event are tried only if its last day does not follow a first event. The days are joined instead of tested in a subquery, because
# PostgreSQL runs no statement with such a subquery in parallel.
SELECT_SEQUENCE = """
SELECT a.customer_id FROM ({first}) AS a JOIN ({second}) AS b USING (customer_id)
CROSS JOIN LATERAL unnest(
    CASE WHEN a.days[{i}] >= {since}
         AND (a.days[{i}] < {y} OR a.counts[{i}][2] < b.counts[{j}][3] OR COALESCE(a.days[{i} - 1] >= {since}, false))
    THEN '{{NULL}}'::smallint[] ELSE b.days END
) WITH ORDINALITY AS y (day, j)
WHERE a.days[width_bucket({before}, a.days) + 1] <= {y}
AND (
    y.day IS NULL
    OR a.days[width_bucket(y.day, a.days)] >= GREATEST({low}, y.day - {gap}) AND y.day BETWEEN {low} AND {high} AND (
        a.days[width_bucket(y.day, a.days)] < y.day
        OR a.counts[width_bucket(y.day, a.days)][2] < b.counts[y.j][3]
        OR a.days[width_bucket(y.day, a.days) - 1] >= GREATEST({low}, y.day - {gap})
    )
)
"""


class CustomerIsSelected(Func):
    """The customer is one of those whom a statement selects; PostgreSQL plans it as a join, its negation as an anti-join."""

    output_field = BooleanField()

    def __init__(self, statement: str, params: tuple[Any, ...], customer: Any = "pk") -> None:
        super().__init__(F(customer) if isinstance(customer, str) else customer)
        self.statement = statement
        self.params = params

    def as_sql(self, compiler: SQLCompiler, connection: Any, **_context: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        column, params = compiler.compile(self.get_source_expressions()[0])
        exists = f"EXISTS (SELECT FROM ({self.statement}) AS selected WHERE selected.customer_id = {column})"
        return exists, [*self.params, *params]


class SeriesIds:
    """The numbers of the series that conditions need; those without events have none."""

    def __init__(self) -> None:
        self.ids: dict[SeriesKey, int] = {}
        self.has_pending = True  # whether orders may have changed since they were counted
        self.loaded: set[SeriesKey] = set()

    def load(self, comparisons: Iterable[Comparison]) -> None:
        """Load the series of comparisons that are not known yet, in one query."""
        wanted = {
            key
            for comparison in comparisons
            if comparison.field.kind == FieldType.EVENT
            for key in list_series(comparison)
        } - self.loaded
        if not wanted:
            return
        self.loaded |= wanted
        meanings, _abouts, names = map(set, zip(*wanted, strict=True))
        rows = (
            EventSeries.objects.filter(meaning__in=meanings, name__in=names)
            .annotate(has_pending=Exists(PendingOrderCount.objects.all()))
            .values_list("meaning", "about", "name", "pk", "has_pending")
        )
        for meaning, about, name, pk, self.has_pending in rows:
            self.ids[meaning, about, name] = pk

    def find(self, comparison: Comparison) -> list[int]:
        return sorted({self.ids[key] for key in list_series(comparison) if key in self.ids})


def list_series(comparison: Comparison) -> list[SeriesKey]:
    field = comparison.field
    return [(field.meaning, field.about, name) for name in list_names(comparison)]


def list_names(comparison: Comparison) -> list[str]:
    """Return the names of an event's objects, without categories that are below another one: their events are among those of the other."""
    field = comparison.field
    if not field.takes_names:
        return [""]
    names = list(dict.fromkeys(comparison.value))
    if field.about != EventSeries.About.CATEGORY:
        return names
    known = set(names)
    return [name for name in names if known.isdisjoint(list_ancestors(name))]


def list_ancestors(path: str) -> list[str]:
    parts = path.split(" > ")
    return [" > ".join(parts[:length]) for length in range(1, len(parts))]


def compile_event(comparison: Comparison, *, as_of: datetime, series: SeriesIds) -> Q:
    """Compile the comparison without the negation of its operator: "at least", or "exactly"."""
    test, low, high = build_test(comparison, as_of)
    return build_filter(select_by_count(comparison, series, test, low=low, high=high, by_sum=test != ONCE))


def build_test(comparison: Comparison, as_of: datetime) -> tuple[str, int | None, int]:
    """Return the test of the number of events, without the negation of the operator, and the first and the last day."""
    times = {"at_most": comparison.times + 1, "never": 1}.get(comparison.op, comparison.times)
    return f"{'=' if comparison.op == 'exactly' else '>='} {times:d}", *find_days(comparison, as_of)


def select_event_once(comparison: Comparison, *, as_of: datetime, series: SeriesIds) -> Statement | None:
    """Return the statement that selects each customer of `compile_event` once, so that its rows can be counted.

    Products, categories or brands of purchases have none: an order with two of them counts once.
    """
    test, low, high = build_test(comparison, as_of)
    if comparison.field.meaning == BOUGHT and len(list_names(comparison)) > 1:
        return None
    ids = series.find(comparison)
    if 1 < len(ids) <= MAX_JOINED:
        return select_by_full_sum(ids, build_count(low=low, high=high), test), []
    return select_by_count(comparison, series, test, low=low, high=high, by_sum=True)


def build_filter(statement: Statement) -> Q:
    sql, params = statement
    return Q(CustomerIsSelected(sql, tuple(params)))


def find_days(condition: Comparison | EventSequence, as_of: datetime) -> tuple[int | None, int]:
    """Return the first and the last day in days since 1970; no first day means ever."""
    today = convert_to_day(as_of)
    if condition.period is not None:
        last_moment = condition.period.end - timedelta(microseconds=1)
        low = min(max(convert_to_day(condition.period.start), FIRST_DAY), LAST_DAY)
        return low, max(min(convert_to_day(last_moment), today), FIRST_DAY - 1)
    return (None if condition.days is None else max(today - condition.days, FIRST_DAY)), today


def convert_to_day(moment: datetime) -> int:
    try:
        day = moment.astimezone(get_time_zone()).date()
    except OverflowError:  # within hours of the year 1 or 10000
        day = moment.date()
    return (day - EPOCH).days


def select_by_count(
    comparison: Comparison, series: SeriesIds, test: str, *, low: int | None, high: int, by_sum: bool
) -> Statement:
    """Return the statement that selects the customers whose number of events passes the test, such as ``>= 3``."""
    names = list_names(comparison)
    is_bought = comparison.field.meaning == BOUGHT
    if is_bought and by_sum and len(names) > 1:
        # an order with two of the products must count once, but the sum of their counts would count it twice
        return select_by_orders(comparison, names, test, low=low, high=high, only_pending=False)
    ids = series.find(comparison)
    events = build_count(low=low, high=high)
    skip_pending = SKIP_PENDING if is_bought and series.has_pending else ""
    if 1 < len(ids) <= MAX_JOINED and by_sum:
        statement = select_by_sum(ids, events, test)
    elif len(ids) > 1 and by_sum:
        statement = (
            f"SELECT e.customer_id FROM segments_eventcount e WHERE {match_series(ids)} AND {events} > 0"  # noqa: S608 — numbers
            f" GROUP BY e.customer_id HAVING sum({events}) {test}"
        )
    else:
        statement = f"SELECT e.customer_id FROM segments_eventcount e WHERE {match_series(ids)} AND {events} {test}{skip_pending}"  # noqa: S608
    if not skip_pending:
        return statement, []
    sql, params = select_by_orders(comparison, names, test, low=low, high=high, only_pending=True)
    return f"{statement} UNION ALL {sql}", params


def select_by_sum(ids: list[int], events: str, test: str) -> str:
    """Return the statement that adds the events of several series, which PostgreSQL can run in parallel, unlike a million groups."""
    joined = "".join(
        f" LEFT JOIN (SELECT e.customer_id, {events} AS events FROM segments_eventcount e WHERE {match_series([pk])}) AS s{pk:d}"  # noqa: S608
        f" ON s{pk:d}.customer_id = o.id"
        for pk in ids
    )
    total = " + ".join(f"COALESCE(s{pk:d}.events, 0)" for pk in ids)
    return f"SELECT o.id AS customer_id FROM identity_customer o{joined} WHERE {total} {test}"  # noqa: S608


def select_by_full_sum(ids: list[int], events: str, test: str) -> str:
    """Return the statement of `select_by_sum` without reading the customers; it is fast to count, but slow to join with them."""
    first, *others = (
        f"(SELECT e.customer_id, {events} AS events FROM segments_eventcount e WHERE {match_series([pk])}) AS s{pk:d}"  # noqa: S608
        for pk in ids
    )
    joined = "".join(f" FULL JOIN {other} USING (customer_id)" for other in others)
    total = " + ".join(f"COALESCE(s{pk:d}.events, 0)" for pk in ids)
    return f"SELECT customer_id FROM {first}{joined} WHERE {total} {test}"  # noqa: S608 — numbers


SKIP_PENDING = f" AND NOT EXISTS (SELECT FROM {PENDING} w WHERE w.customer_id = e.customer_id)"


def match_series(ids: list[int]) -> str:
    """Return the condition on the series; with constants, only the partitions that contain them are read."""
    if len(ids) == 1:
        return f"e.series_id = {ids[0]:d}"
    return "e.series_id = ANY('{" + ",".join(map(str, ids)) + "}'::int[])"


def format_day(day: int) -> str:
    # in parentheses, because a cast binds closer than a minus
    return f"({day:d})::smallint"


def build_count(*, low: int | None, high: int) -> str:
    """Return the number of events from day ``low`` to day ``high``."""
    until = f"COALESCE(e.counts[width_bucket({format_day(high)}, e.days)][1], 0)"
    return (
        until if low is None else f"({until} - COALESCE(e.counts[width_bucket({format_day(low - 1)}, e.days)][1], 0))"
    )


def select_by_orders(
    comparison: Comparison, names: list[str], test: str, *, low: int | None, high: int, only_pending: bool
) -> Statement:
    """Return the statement that selects customers by their orders instead of the counts."""
    where, params = match_orders(comparison, names, low=low, high=high, only_pending=only_pending)
    return f"SELECT o.customer_id FROM orders_order o {where} GROUP BY o.customer_id HAVING count(*) {test}", params  # noqa: S608


def match_orders(
    comparison: Comparison, names: list[str], *, low: int | None, high: int, only_pending: bool
) -> Statement:
    """Return the WHERE clause of the sales of a comparison, each of them once."""
    about = EventSeries.About(comparison.field.about)
    where = ["o.customer_id IS NOT NULL", "o.kind = 'sale'", "o.status <> 'cancelled'", "o.placed_at < %s"]
    params: list[Any] = [convert_to_moment(high + 1)]
    if low is not None and low > FIRST_DAY:  # the first day has all that is earlier
        where.append("o.placed_at >= %s")
        params.append(convert_to_moment(low))
    if only_pending:
        where.append(f"o.customer_id IN (SELECT customer_id FROM {PENDING})")  # noqa: S608 — a constant
    if about != EventSeries.About.ANY:
        where.append(
            "o.id IN (SELECT l.order_id FROM orders_orderline l JOIN catalog_product p ON p.id = l.product_id"  # noqa: S608
            f" WHERE l.quantity > 0 AND {ABOUT_ORDERS[about]})"
        )
        params.append(names)
    return "WHERE " + " AND ".join(where), params


def convert_to_moment(day: int) -> datetime:
    """Return the start of a day in the shop's time zone."""
    return datetime.combine(EPOCH + timedelta(days=day), time(), get_time_zone())


def compile_sequence(sequence: EventSequence, *, as_of: datetime, series: SeriesIds) -> Q:
    """Compile "the first event, then the second": on a later day, or later on the same day."""
    low, high = find_days(sequence, as_of)
    first = select_days(sequence.steps[0], series, low=low, high=high)
    second = select_days(sequence.steps[1], series, low=low, high=high)
    lowest = FIRST_DAY if low is None else low
    last_of_b = f"width_bucket({format_day(high)}, b.days)"
    day_of_b = f"b.days[{last_of_b}]"
    statement = SELECT_SEQUENCE.format(
        first=first[0],
        second=second[0],
        before=format_day(lowest - 1),
        low=format_day(lowest),
        high=format_day(high),
        gap=sequence.gap_days,
        since=f"GREATEST({format_day(lowest)}, {day_of_b} - {sequence.gap_days:d})",
        y=day_of_b,
        i=f"width_bucket({day_of_b}, a.days)",
        j=last_of_b,
    )
    return build_filter((statement, [*first[1], *second[1]]))


def select_days(comparison: Comparison, series: SeriesIds, *, low: int | None, high: int) -> Statement:
    """Return the statement that selects the days of an event, with its first and last time, by customer."""
    ids = series.find(comparison)
    statement = f"SELECT e.customer_id, e.days, e.counts FROM segments_eventcount e WHERE {match_series(ids)}"  # noqa: S608 — numbers
    if comparison.field.meaning != BOUGHT or not series.has_pending:
        return statement, []
    where, params = match_orders(comparison, list_names(comparison), low=low, high=high, only_pending=True)
    zone = get_time_zone_name()
    pending = f"""
        SELECT customer_id, array_agg(day ORDER BY day), array_agg(ARRAY[0, first, last] ORDER BY day)
        FROM (
            SELECT o.customer_id, {DAY.format(date="(o.placed_at AT TIME ZONE %s)::date")} AS day,
                   min(extract(epoch FROM (o.placed_at AT TIME ZONE %s)::time))::int AS first,
                   max(extract(epoch FROM (o.placed_at AT TIME ZONE %s)::time))::int AS last
            FROM orders_order o {where} GROUP BY 1, 2
        ) AS daily GROUP BY customer_id
    """  # noqa: S608 — our own SQL
    return f"{statement}{SKIP_PENDING} UNION ALL {pending}", [zone, zone, zone, *params]
