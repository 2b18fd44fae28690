"""Segments, flows and messages know levels and points."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from customers.loyalty.counting import count_pending
from customers.loyalty.models import LoyaltyMember
from customers.loyalty.points.ledger import adjust_points
from customers.loyalty.points.sign_in import sign_in
from customers.segments.membership import query_matching
from recommendations.flows.capture.matches import compare_due_matches
from recommendations.flows.models import FlowEntry
from recommendations.messaging.rendering import load_recipients
from recommendations.messaging.substitution.loyalty_fields import choose_text
from tests.customers.loyalty.makers import make_levels, make_program
from tests.makers import NOON, make_customer, make_order, make_product, make_profile
from tests.recommendations.flows.makers import make_live_flow, run, wait

pytestmark = pytest.mark.django_db


def test_conditions_compare_level_points_expiry_and_sign_in() -> None:
    make_program(expiry_months=1), make_levels()
    anna, _bo = make_customer(), make_customer()
    make_order(anna, products=[make_product(price=Decimal(120))])
    count_pending(now=NOON)
    sign_in(customer_id=anna.pk, now=NOON)

    def match(field: str, op: str, value: Any) -> list[int]:
        condition = {"field": field, "op": op, "value": value}
        return list(query_matching(condition=condition, as_of=NOON + timedelta(days=2)).values_list("pk", flat=True))

    assert match("loyalty_level", "eq", "silver") == [anna.pk]
    assert match("loyalty_points", "gte", 125) == [anna.pk]
    assert match("loyalty_points", "gt", 125) == []
    assert match("loyalty_points_expire_at", "within_next_days", 40) == [anna.pk]
    assert match("loyalty_points_expire_at", "within_next_days", 10) == []
    assert match("loyalty_signed_in_at", "within_days", 5) == [anna.pk]


def test_a_higher_level_earned_points_and_points_about_to_expire_start_flows() -> None:
    now = datetime.now(UTC)
    make_program(expiry_months=1), make_levels()
    anna = make_customer()
    make_profile(anna)
    triggers = [
        {"kind": "loyalty_level", "direction": "rises", "level": "silver"},
        {"kind": "loyalty_level", "direction": "falls"},
        {"kind": "points_earned", "points": 100},
        {"kind": "points_earned", "points": 1000},
        {"kind": "points_expiring", "days": 366},
    ]
    flows = [
        make_live_flow([wait("w", days=1)], trigger=trigger, now=now, name=str(number))
        for number, trigger in enumerate(triggers)
    ]
    compare_due_matches(now=now)  # nobody is beyond the line yet
    make_order(anna, placed_at=now - timedelta(minutes=1), products=[make_product(price=Decimal(120))])
    count_pending(now=now)
    compare_due_matches(now=now + timedelta(minutes=11))
    run(now + timedelta(minutes=11))
    entered = sorted(FlowEntry.objects.filter(customer_id=anna.pk).values_list("flow_id", flat=True))
    assert entered == [flows[0].pk, flows[2].pk, flows[4].pk]


def test_messages_show_points_and_the_level_in_their_language() -> None:
    _base, silver, _gold = make_levels()
    anna = make_customer()
    adjust_points(customer_id=anna.pk, points=30, note="x", by="y", key="1", now=NOON)
    LoyaltyMember.objects.filter(pk=anna.pk).update(level_id=silver.pk, spend_to_next=Decimal(50))
    fields = {"points", "loyalty_level", "next_level", "spend_to_next_level"}
    values = load_recipients([anna.pk], fields=fields, as_of=NOON)[anna.pk].fields
    assert (values["points"], values["spend_to_next_level"]) == (30, 50)
    texts = [choose_text(values["loyalty_level"], language) for language in ("en", "zh-hans")]
    assert (texts, choose_text(values["next_level"], "en")) == (["Silver", "银卡"], None)
