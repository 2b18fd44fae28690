"""Counts the events of automated visitors by day, agent, action, product and page, in the collector's transaction.

Only counts are stored: the behavior of an automated visitor says nothing about a person, and none of the tables from which customers,
training, analytics and experiments are computed contains it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from config.foundation.agents.recognition import AgentClaim
from config.foundation.shop.profile import get_time_zone
from customers.events.collector.parsing import EventRow
from customers.events.event_taxonomy import Meaning, lookup_meaning
from customers.events.models import AgentActivity

Action = AgentActivity.Action
MAX_PRODUCTS = 100  # counted per event
ACTIONS: Mapping[str, Action] = {
    Meaning.VIEW: Action.VIEW,
    Meaning.LIST_VIEW: Action.PAGE,
    Meaning.SEARCH: Action.SEARCH,
    Meaning.CART: Action.CART,
    Meaning.CHECKOUT: Action.CHECKOUT,
    Meaning.PURCHASE: Action.ORDER,
}
# Every process sorts its rows in the same way, so that two that count the same rows wait for each other instead of deadlocking. Only products
# of the catalog are counted separately; with invented product IDs, an agent could make the table as large as it likes.
COUNT = """
WITH input AS (
    SELECT day::date, agent, evidence, action, page, events::bigint, last_at::timestamptz,
           CASE WHEN EXISTS (SELECT FROM catalog_product p WHERE p.product_id = row.product_id) THEN product_id ELSE '' END AS product_id
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
        AS row (day, agent, evidence, action, product_id, page, events, last_at)
)
INSERT INTO events_agentactivity AS a (day, agent, evidence, action, product_id, page, events, last_at)
SELECT day, agent, evidence, action, product_id, page, sum(events), max(last_at) FROM input
GROUP BY day, agent, action, product_id, page, evidence
ORDER BY day, agent, action, product_id, page, evidence
ON CONFLICT (day, agent, action, product_id, page, evidence)
DO UPDATE SET events = a.events + excluded.events, last_at = greatest(a.last_at, excluded.last_at)
"""


class CountKey(NamedTuple):
    """What is counted together; see `AgentActivity`."""

    day: date
    agent: str
    evidence: str
    action: str
    product_id: str
    page: str


class AgentCounts(NamedTuple):
    """Numbers of events, and when the last of them was received."""

    events: Counter[CountKey]
    last_at: dict[CountKey, datetime]


def build_counts(rows: Iterable[EventRow]) -> AgentCounts:
    """Return the counts of events that claim to come from automated visitors; an event with several products counts for each."""
    counts = AgentCounts(Counter(), {})
    time_zone = get_time_zone()
    for row in rows:
        if row.agent is None:
            continue
        event = row.stored
        day = event.received_at.astimezone(time_zone).date()
        action = choose_action(event.type, event.name)
        has_products = action in (Action.VIEW, Action.CART, Action.ORDER)
        page = row.page if action == Action.PAGE else ""
        products = event.product_ids[:1] if action == Action.ORDER else event.product_ids[:MAX_PRODUCTS]
        for product_id in (products if has_products else []) or [""]:
            # an order counts once, whatever it contains
            product = "" if action == Action.ORDER else product_id
            add_to(
                counts,
                CountKey(day, row.agent.agent.key, row.agent.evidence.value, action.value, product, page),
                event.received_at,
            )
    return counts


def add_to(counts: AgentCounts, key: CountKey, at: datetime) -> None:
    counts.events[key] += 1
    counts.last_at[key] = max(at, counts.last_at.get(key, at))


def choose_action(call_type: str, name: str) -> Action:
    """Return what an event counts as."""
    if call_type in ("page", "screen"):
        return Action.PAGE
    meaning = lookup_meaning(name) if call_type == "track" else None
    return ACTIONS.get(meaning, Action.OTHER) if meaning else Action.OTHER


def count_agent_events(cursor: Any, counts: AgentCounts) -> None:
    """Add counts to the stored ones, in the transaction of the cursor."""
    if not counts.events:
        return
    keys = sorted(counts.events)
    columns: list[list[str]] = [
        [key.day.isoformat() for key in keys],
        *([str(key[position]) for key in keys] for position in range(1, 6)),
        [str(counts.events[key]) for key in keys],
        [counts.last_at[key].astimezone(UTC).isoformat() for key in keys],
    ]
    cursor.execute(COUNT, columns)


def count_fetch(claim: AgentClaim, *, action: Action, page: str, at: datetime) -> None:
    """Count that an automated visitor fetched a document of this server, such as the product feed."""
    counts = AgentCounts(Counter(), {})
    key = CountKey(at.astimezone(get_time_zone()).date(), claim.agent.key, claim.evidence.value, action.value, "", page)
    add_to(counts, key, at)
    with transaction.atomic(), connection.cursor() as cursor:
        count_agent_events(cursor, counts)
