"""Visitors by day, device, source, language and kind of customer: whether they added to the cart, and whether they ordered."""

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from customers.analytics.expressions.matching import EventMatch, build_match
from customers.analytics.expressions.periods import build_day
from customers.analytics.expressions.tables import BEHAVIOR_TYPES, AnalyticsTables
from customers.anomalies.facts.base import NO_LABEL, FactDays, FactKind
from customers.anomalies.facts.orders import NEW, RETURNING, add_up, count_hours, find_first_orders
from customers.events.event_taxonomy import Meaning

CART = EventMatch(meaning=Meaning.CART)


def read_visits(tables: AnalyticsTables, days: FactDays) -> pa.Table:
    """Return the measures of visitors: a person counts once a day, with the device, source and language of the first event."""
    events = tables.select_events(days.whole, EventMatch())
    day = build_day(events["at"], tables.zone, days.since, days.until)
    events = events.mutate(day=day, is_cart=build_match(events, CART, tables.engine).cast("float64"))
    people = events.group_by("customer_id", "day").agg(
        device=events.device.argmin(events["at"]),
        source=events.source.argmin(events["at"]),
        locale=events.locale.argmin(events["at"]),
        carts=events.is_cart.max(),
    )
    people = _add_orders(people, tables, days)
    rows = people.select(
        "day",
        device=people.device.fill_null(NO_LABEL),
        source=people.source.fill_null(NO_LABEL),
        language=people.locale.fill_null(NO_LABEL),
        customer=ibis.ifelse(people.has_ordered, RETURNING, NEW),
        visitors=ibis.literal(1.0),
        carts=people.carts,
        converted=people.orders_of_day.notnull().cast("float64"),
    )
    return tables.backend.to_pyarrow(add_up(rows, VISITS))


def _add_orders(people: ir.Table, tables: AnalyticsTables, days: FactDays) -> ir.Table:
    """Return visitors with `orders_of_day` (NULL without an order on the day) and `has_ordered`, before the day."""
    orders = tables.orders
    sales = orders.filter(orders.customer_id.notnull() & (orders.kind == "sale") & (orders.status != "cancelled"))
    at = tables.engine.to_microseconds(sales.placed_at)
    dated = sales.select(buyer=sales.customer_id, day_of_order=build_day(at, tables.zone, days.since, days.until))
    counted = dated.group_by("buyer", "day_of_order").agg(orders_of_day=dated.count())
    first = find_first_orders(tables)
    first = first.select("buyer_id", first_day=build_day(first.first_at, tables.zone, days.since, days.until))
    joined = people.left_join(counted, [people.customer_id == counted.buyer, people.day == counted.day_of_order])
    joined = joined.left_join(first, joined.customer_id == first.buyer_id)
    return joined.mutate(has_ordered=ibis.coalesce(joined.first_day < joined.day, False))


def read_event_hours(tables: AnalyticsTables, days: FactDays) -> pa.Table:
    """Return day, hour (0 to 23 on the shop's clock) and count of events."""
    events = tables.events.filter(tables.events.type.isin(BEHAVIOR_TYPES))
    low = tables.get_bounds(days.detailed)[0]
    events = events.filter(tables.engine.to_microseconds(events.occurred_at) >= low)
    return count_hours(tables, events, ibis.least(events.occurred_at, events.received_at), days)


VISITS = FactKind(
    key="visits",
    dimensions=("device", "source", "language", "customer"),
    measures=("visitors", "carts", "converted"),
    feed="events",
    read=read_visits,
)
