"""The three sentences of the customer page, against cases worked out by hand."""

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.utils.translation import override

from customers.lifecycle.backoffice.labels.customer_sentences import describe_customer, describe_order_times
from customers.lifecycle.scoring.stages.gap_summary import GapSummary

AS_OF = datetime(2026, 6, 30, 12, tzinfo=UTC)
WEDNESDAY_EVENING = datetime(2026, 6, 24, 19, 30, tzinfo=UTC)
ON_TIME = {"usual_days": 6.2, "days": 4.9, "longer_share": 0.7}
LATE = {"usual_days": 6.2, "days": 20.0, "longer_share": 0.034}


@pytest.fixture(autouse=True)
def shop_time(settings: Any) -> None:
    settings.TIME_ZONE = "UTC"


def make_gaps(**fields: Any) -> GapSummary:
    return GapSummary(**{"own_gaps": 20, "p_alive": None, "churn": None, "guarded": False, **fields})


def make_facts(
    stage: str, name: str, *, orders: int = 21, gaps: GapSummary | None = None, **fields: Any
) -> dict[str, Any]:
    """Return the parts of a profile that the sentences read. churn: within 30 days."""
    return {
        "stage": {
            "key": stage,
            "name": name,
            "since": datetime(2026, 5, 4, 12, tzinfo=UTC),
            "reason_name": "the time since the last order exceeds the usual gap",
        },
        "gaps": gaps,
        "orders_missing_since": fields.get("missing"),
        "counters": {
            "orders": orders,
            "first_order_at": datetime(2024, 3, 2, 12, tzinfo=UTC) if orders else None,
            "last_order_at": AS_OF - timedelta(days=4.9) if orders else None,
        },
        "interests": {"categories": [{"name": "Grocery", "share": fields.get("share", 0.6)}] if orders else []},
        "next_order": {"likeliest": fields.get("likeliest")},
        "propensities": [{"key": "churn", "probability": fields.get("churn"), "horizon_days": 30}],
    }


def describe(profile: dict[str, Any], *, granted: Collection[str] | None = ("email",), **options: Any) -> list[str]:
    values = {"order_times": [], "withheld_name": "", "as_of": AS_OF, **options}
    return describe_customer(profile, granted=granted, **values)


def test_a_loyal_customer_on_time_needs_no_message() -> None:
    profile = make_facts("loyal", "loyal", gaps=make_gaps(**ON_TIME), churn=0.04, likeliest=date(2026, 7, 2))
    times = [WEDNESDAY_EVENING - timedelta(weeks=week) for week in range(6)]
    assert describe(profile, order_times=times) == [
        "A loyal customer with 21 orders since March 2024 who usually orders every 6 days, mostly on Wednesdays in the "
        "evening; buys mostly Grocery.",
        "Loyal and on time: the last order was 4 days ago, and the usual gap is 6 days.",
        "Rule of thumb: show Buy again on the next visit; no message needed, the next order is likely around Jul 2, 2026.",
    ]


def test_a_customer_at_risk_who_will_probably_order_gets_a_reminder() -> None:
    profile = make_facts("at_risk", "at risk", gaps=make_gaps(**LATE), churn=0.21, share=0.3)
    assert describe(profile) == [
        "A customer at risk with 21 orders since March 2024 who usually orders every 6 days; buys Grocery most often.",
        "At risk: the last order was 20 days ago, the usual gap is 6 days, and only about 1 in 29 gaps is that long.",
        "Rule of thumb: send a reminder without a discount by email; 79% of customers with a similar history order "
        "again within 30 days.",
    ]


@pytest.mark.parametrize(
    ("stage", "churn", "granted", "action"),
    [
        ("at_risk", 0.7, {"sms", "analytics"}, "send a win-back message by SMS."),
        ("at_risk", None, {"email"}, "send a win-back message by email."),
        ("churned", 0.9, {"push", "sms"}, "send a win-back offer by push."),
        ("churned", 0.9, None, "send a win-back offer if the customer has consented."),
        (
            "active",
            0.6,
            {"email"},
            "send a reminder by email; 60% of customers with a similar history do not order within 30 days.",
        ),
        (
            "dormant",
            0.6,
            {"analytics"},
            "show a personal offer on the next visit. Messages are not possible without consent to email, push or SMS.",
        ),
        (
            "active",
            0.1,
            set(),
            "show Buy again on the next visit. Messages are not possible without consent to email, push or SMS.",
        ),
        ("active", 0.1, {"email"}, "show Buy again on the next visit; no message needed."),
    ],
)
def test_the_action_follows_stage_risk_and_consent(
    stage: str, churn: float | None, granted: set[str] | None, action: str
) -> None:
    profile = make_facts(stage, stage, gaps=make_gaps(**ON_TIME), churn=churn)
    assert describe(profile, granted=granted)[2] == f"Rule of thumb: {action}"


def test_a_date_of_the_next_order_in_the_past_is_left_out() -> None:
    profile = make_facts("active", "active", gaps=make_gaps(**ON_TIME), churn=0.1, likeliest=date(2026, 6, 29))
    assert describe(profile)[2] == "Rule of thumb: show Buy again on the next visit; no message needed."


def test_a_visitor_and_a_first_order() -> None:
    visitor = make_facts("visitor", "visitor", orders=0)
    visitor["stage"]["reason_name"] = "first seen"
    assert describe(visitor, granted=()) == [
        "A visitor without an order so far.",
        "Visitor since May 4, 2026: first seen.",
        "Rule of thumb: show popular products on the next visit and ask for consent to messages.",
    ]
    new = make_facts("new", "new", orders=1, gaps=make_gaps(usual_days=30.0, days=3.2, longer_share=0.9, own_gaps=0))
    assert describe(new) == [
        "A new customer whose only order was on Mar 2, 2024.",
        "New and on time: the only day with an order was 3 days ago; customers who order again usually do so after 30 days.",
        "Rule of thumb: recommend products for a second order on the next visit; no message needed yet.",
    ]


def test_a_daily_customer_who_ordered_today() -> None:
    profile = make_facts("loyal", "loyal", gaps=make_gaps(usual_days=1.1, days=0.4, longer_share=0.99), churn=0.0)
    first, second, _third = describe(profile)
    assert "usually orders every day;" in first
    assert second == "Loyal and on time: the last order was less than a day ago, and the usual gap is 1 day."


@pytest.mark.parametrize(
    ("gaps", "expected"),
    [
        (
            {"usual_days": 1.6, "days": 2.4, "longer_share": 0.15},
            "Loyal and on time: the last order was 2 days ago, and the usual gap is 2 days.",
        ),
        (
            {"usual_days": 6.2, "days": 8.0, "longer_share": 0.33},
            "Loyal: the last order was 8 days ago, and the usual gap is 6 days.",
        ),
        (
            {"usual_days": 6.2, "days": 14.0, "longer_share": 0.1},
            "Loyal, but later than usual: the last order was 14 days ago, the usual gap is 6 days, and only about 1 in 10 "
            "gaps is that long.",
        ),
    ],
)
def test_later_than_usual_is_said_only_of_a_longer_and_rare_gap(gaps: dict[str, float], expected: str) -> None:
    assert describe(make_facts("loyal", "loyal", gaps=make_gaps(**gaps)))[1] == expected


def test_missing_orders_of_the_shop_are_named() -> None:
    missing = datetime(2026, 6, 28, 12, tzinfo=UTC)
    profile = make_facts("loyal", "loyal", gaps=make_gaps(**ON_TIME), churn=0.04, missing=missing)
    assert describe(profile)[1:] == [
        "Loyal and on time: the last order was 4 days ago, and the usual gap is 6 days; this may be out of date, because "
        "orders of the whole shop have been overdue since Jun 28, 2026.",
        "Rule of thumb: check the order import before you message this customer.",
    ]


def test_withdrawn_consent_leaves_times_and_actions_out() -> None:
    profile = make_facts("churned", "churned", gaps=make_gaps(**LATE))
    profile |= {"interests": {"categories": []}, "propensities": []}
    times = [WEDNESDAY_EVENING - timedelta(weeks=week) for week in range(6)]
    first, _second, third = describe(profile, order_times=times, withheld_name="the customer has withdrawn consent")
    assert first == "A churned customer with 21 orders, the first in March 2024 and the last in June 2026."
    assert third == (
        "Rule of thumb: none, because data derived from behavior is not used: the customer has withdrawn consent."
    )


def test_times_need_five_orders_and_a_majority() -> None:
    week = timedelta(weeks=1)
    assert describe_order_times([WEDNESDAY_EVENING - week * n for n in range(4)]) == ""
    assert describe_order_times([WEDNESDAY_EVENING - timedelta(days=n) for n in range(7)]) == "in the evening"
    assert describe_order_times([WEDNESDAY_EVENING - timedelta(hours=30 * n) for n in range(8)]) == ""
    midnight = WEDNESDAY_EVENING.replace(hour=0, minute=0)
    assert describe_order_times([midnight - week * n for n in range(5)]) == "on Wednesdays"


def test_the_sentences_in_chinese() -> None:
    profile = make_facts("loyal", "忠诚", gaps=make_gaps(**ON_TIME), churn=0.04, likeliest=date(2026, 7, 2))
    times = [WEDNESDAY_EVENING - timedelta(weeks=week) for week in range(6)]
    with override("zh-hans"):
        sentences = describe(profile, order_times=times)
    assert sentences == [
        "忠诚客户，自2024年3月起共下单 21 次，通常每 6 天下单一次，多在周三晚上；主要购买“Grocery”。",
        "忠诚，下单节奏正常：上次下单距今 4 天，通常间隔 6 天。",
        "规则建议：在客户下次访问时展示“再次购买”，无需发送消息；预计下次下单在 2026年7月2日左右。",
    ]
