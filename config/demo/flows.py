"""Two flows of the demo that have run for weeks: win-back and price drop.

The real code runs them through the past, half a day at a time, so that who entered, waited and reached the goal follows from the stages and
orders of the demo. The price drops, and what customers did with the messages, are made up, as the descriptions of the flows say.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from recommendations.flows.execution.reactions import process_signals
from recommendations.flows.execution.stepping import run_due_steps
from recommendations.flows.models import Flow
from recommendations.flows.publishing import publish_flow
from recommendations.flows.recipes.registry import create_flow_from_recipe
from recommendations.measurement.assignment import BUCKET_SQL, count_holdout_buckets
from recommendations.sending.settings_model import load_sending_settings
from recommendations.sending.tracking.reactions import request_reaction_counts

TICK = timedelta(hours=12)

INSERT_STAGE_CHANGES = """
INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
SELECT 'stage', t.to_stage, t.customer_id, '', 'stage:' || t.to_stage || ':' || extract(epoch FROM t.at), t.at,
       jsonb_build_object('from', t.from_stage, 'to', t.to_stage, 'reason', t.reason)
FROM lifecycle_stagetransition t
WHERE t.at > %(after)s AND t.at <= %(until)s AND t.reason <> 'rules'
  AND t.to_stage IN (SELECT name FROM flows_flowlistener WHERE kind = 'stage')
ORDER BY t.at, t.customer_id
"""
# every few days, the price of one of the most viewed products drops by a fifth
INSERT_PRICE_DROP = """
INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
SELECT 'catalog', 'price_drop', NULL, product_id, 'price:simulated:' || product_id, %(until)s,
       jsonb_build_object('old_price', round(price * 1.25, 2), 'percent', 20)
FROM (
    SELECT p.product_id, p.price, row_number() OVER (ORDER BY count(*) DESC, p.product_id) AS position
    FROM segments_eventseries s JOIN segments_eventcount n ON n.series_id = s.id
    JOIN catalog_product p ON p.product_id = s.name AND p.is_active AND p.availability = 'in_stock' AND p.price > 1
    WHERE s.meaning = 'view' AND s.about = 'product'
    GROUP BY p.product_id, p.price
) AS viewed
WHERE position = %(position)s
"""
INSERT_ORDERS = """
INSERT INTO flows_flowsignal (kind, name, customer_id, product_id, occurrence, at, data)
SELECT 'event', 'order_placed', o.customer_id, '', 'order:' || o.id, o.placed_at, '{}'
FROM orders_order o JOIN flows_flowentry e ON e.customer_id = o.customer_id AND e.flow_id = %(flow)s AND e.status = 'active'
WHERE o.placed_at > %(after)s AND o.placed_at <= %(until)s AND o.kind = 'sale'
ORDER BY o.placed_at, o.id
"""
HOLDOUT_BUCKET = BUCKET_SQL % {"expressions": "%(holdout_salt)s || ':' || c.id::text"}
# the draws of a message depend on the customer and the step only, so that every run of the demo makes up the same data
SIMULATE_REACTIONS = f"""
UPDATE sending_delivery d SET
    status = CASE WHEN x.is_reachable THEN 'delivered' ELSE 'skipped' END,
    skip_reason = CASE WHEN x.is_reachable THEN '' WHEN x.has_consent THEN 'global_holdout' ELSE 'no_consent' END,
    language = CASE WHEN x.is_reachable THEN %(language)s ELSE '' END, attempts = x.is_reachable::int,
    claimed_at = CASE WHEN x.is_reachable THEN d.due_at END,
    sent_at = CASE WHEN x.is_reachable THEN d.due_at + interval '1 minute' END,
    delivered_at = CASE WHEN x.is_reachable THEN d.due_at + interval '2 minutes' END,
    opened_at = CASE WHEN x.is_reachable AND x.opening < %(opened)s AND x.will_open_at < %(loaded_at)s THEN x.will_open_at END,
    clicked_at = CASE WHEN x.is_reachable AND x.opening < %(opened)s * %(clicked)s
                           AND x.will_open_at + interval '1 minute' < %(loaded_at)s
                      THEN x.will_open_at + interval '1 minute' END
FROM (SELECT *, has_consent AND NOT is_held_out AS is_reachable, due_at + delay * interval '30 hours' AS will_open_at FROM (
    SELECT d.id, d.due_at, c.email <> '' AND COALESCE((
               SELECT k.status FROM identity_consent k
               WHERE k.customer_id = c.id AND k.purpose = 'email' AND k.recorded_at <= d.due_at
               ORDER BY k.recorded_at DESC, k.id DESC LIMIT 1
           ), '') = 'granted' AS has_consent,
           {HOLDOUT_BUCKET} < %(holdout_buckets)s AS is_held_out,
           (hashtextextended(d.customer_id || r.step_key, 1) & 9007199254740991) / 9007199254740992.0 AS opening,
           (hashtextextended(d.customer_id || r.step_key, 2) & 9007199254740991) / 9007199254740992.0 AS delay
    FROM sending_delivery d
    JOIN flows_flowsteprun r ON r.id = d.origin_id JOIN flows_flowversion v ON v.id = r.version_id
    JOIN identity_customer c ON c.id = d.customer_id
    WHERE d.origin_kind = 'flow' AND v.flow_id = %(flow)s AND d.status = 'pending'
) AS message) AS x WHERE d.id = x.id
"""  # noqa: S608 — our own text


@dataclass(frozen=True)
class DemoFlow:
    """A flow to run through the past. opened, clicked: shares of the messages, and of those opened.

    write_signals: writes the signals that started the flow in half a day; its argument is the number of the half day.
    """

    recipe: str
    days: int
    opened: float
    clicked: float
    note: str | Promise
    write_signals: Callable[[int, dict[str, Any]], None]


def write_stage_changes(_number: int, values: dict[str, Any]) -> None:
    execute(INSERT_STAGE_CHANGES, values)


def write_price_drop(number: int, values: dict[str, Any]) -> None:
    if number % 8 == 2:
        execute(INSERT_PRICE_DROP, {**values, "position": number // 8 + 1})


FLOWS = (
    DemoFlow("win-back", 35, 0.44, 0.3, _("Simulated: how customers responded to its messages."), write_stage_changes),
    DemoFlow(
        "price-drop",
        20,
        0.53,
        0.35,
        _("Simulated: five price drops, and how customers responded to the messages."),
        write_price_drop,
    ),
)


def load_flows(*, loaded_at: datetime, language: str = "en") -> int:
    """Create the flows whose recipes are not used yet; return how many. Texts are in the active language."""
    created = 0
    for demo in FLOWS:
        with transaction.atomic():
            if not Flow.objects.filter(recipe=demo.recipe).exists():
                load_flow(demo, loaded_at=loaded_at, language=language)
                created += 1
    if created:
        request_reaction_counts()
    return created


def load_flow(demo: DemoFlow, *, loaded_at: datetime, language: str) -> None:
    """Run a flow from the past until now, in the caller's transaction: the sender never sees its messages."""
    start = loaded_at - timedelta(days=demo.days)
    flow = create_flow_from_recipe(key=demo.recipe, now=start, by=None)
    publish_flow(flow=flow, now=start)
    flow.description = f"{flow.description} {demo.note}"
    flow.created_at = start
    flow.save(update_fields=["description", "created_at"])
    settings = load_sending_settings()
    values: dict[str, Any] = {
        "holdout_salt": settings.global_holdout_salt,
        "holdout_buckets": count_holdout_buckets(Decimal(settings.global_holdout_share)),
        "flow": flow.pk,
        "loaded_at": loaded_at,
        "after": start,
        "language": language,
        "opened": demo.opened,
        "clicked": demo.clicked,
    }
    for number in range(round(timedelta(days=demo.days) / TICK)):
        values["until"] = values["after"] + TICK
        demo.write_signals(number, values)
        execute(INSERT_ORDERS, values)
        process_signals(now=values["until"])
        run_due_steps(now=values["until"])
        # immediately: reaching the goal cancels messages that are still queued
        execute(SIMULATE_REACTIONS, values)
        values["after"] = values["until"]


def execute(statement: str, values: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
