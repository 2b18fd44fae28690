"""Segment conditions on a customer's latest review and survey answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from customers.feedback.models import Review, SurveyAnswer
from customers.feedback.reviews import record_reviews
from customers.feedback.surveys import record_answers
from customers.identity.models import Customer
from customers.segments.conditions.compiler import compile_condition
from customers.segments.explanation.membership_explanation import explain_segments, flatten
from customers.segments.models import ChangedCustomer
from tests.makers import make_customer, make_product, make_segment

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def people() -> dict[str, Customer]:
    """Return customers: "improved" rated 1 then 5; "tied" 4 and 2 at one time; "later" 1 now and 5 tomorrow; "silent" nothing."""
    product = make_product("kettle")
    people = {name: make_customer() for name in ("improved", "tied", "later", "silent")}
    ratings = [
        ("improved", 1, 5),
        ("improved", 5, 2),
        ("tied", 4, 3),
        ("tied", 2, 3),
        ("later", 1, 1),
        ("later", 5, -1),
    ]
    for number, (name, rating, days) in enumerate(ratings):
        Review.objects.create(
            review_id=f"r{number}",
            product=product,
            customer=people[name],
            rating=rating,
            written_at=NOW - days * DAY,
        )
    answers = [("improved", "nps", 3, 9), ("improved", "nps", 9, 4), ("improved", "csat", 2, 1), ("tied", "csat", 5, 2)]
    for name, kind, score, days in answers:
        SurveyAnswer.objects.create(customer=people[name], kind=kind, score=score, answered_at=NOW - days * DAY)
    return people


def find_names(people: dict[str, Customer], condition: dict[str, Any]) -> set[str]:
    matching = set(Customer.objects.filter(compile_condition(condition, as_of=NOW)))
    return {name for name, customer in people.items() if customer in matching}


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("latest_rating", "lte", 2, {"tied", "later"}),
        ("latest_rating", "eq", 5, {"improved"}),
        ("latest_rating", "ne", 5, {"tied", "later", "silent"}),
        ("latest_rating", "between", [1, 2], {"tied", "later"}),
        ("latest_rating", "is_set", None, {"improved", "tied", "later"}),
        ("latest_rating", "is_not_set", None, {"silent"}),
        ("latest_review_at", "within_days", 2, {"improved", "later"}),
        ("latest_review_at", "older_than_days", 2, {"tied"}),
        ("nps_score", "gte", 9, {"improved"}),
        ("nps_score", "lte", 6, set()),
        ("nps_answered_at", "is_set", None, {"improved"}),
        ("csat_score", "lte", 3, {"improved"}),
        ("csat_answered_at", "within_days", 2, {"improved", "tied"}),
    ],
)
def test_latest_rows_are_compared(
    people: dict[str, Customer], field: str, op: str, value: Any, expected: set[str]
) -> None:
    condition = {"field": field, "op": op} | ({} if value is None else {"value": value})
    assert find_names(people, condition) == expected
    assert find_names(people, {"not": condition}) == people.keys() - expected


def test_explanation_shows_the_latest_values(people: dict[str, Customer]) -> None:
    segment = make_segment(
        "unhappy",
        condition={
            "any": [{"field": "nps_score", "op": "lte", "value": 6}, {"field": "csat_score", "op": "lte", "value": 2}]
        },
    )
    [explanation] = explain_segments(customer=people["improved"], segments=[segment], as_of=NOW, with_personal=False)
    assert [(part.is_met, part.value) for part in flatten(explanation.parts)][1:] == [(False, "9"), (True, "2")]


def test_new_feedback_lets_segments_be_compared_within_seconds() -> None:
    make_segment("unhappy", condition={"all": []}, tracked_condition={"all": []})
    make_product("kettle")
    record_reviews(items=[{"review_id": "1", "product_id": "kettle", "user_id": "ada", "rating": 1}], received_at=NOW)
    record_answers(items=[{"kind": "nps", "score": 2, "user_id": "ben"}, {"kind": "nps", "score": 9}], received_at=NOW)
    noted = Customer.objects.filter(pk__in=ChangedCustomer.objects.values("customer_id"))
    assert set(noted.values_list("identifiers__value", flat=True)) == {"ada", "ben"}
