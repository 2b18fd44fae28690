"""Why a customer is in a segment, or is not: the explanation agrees with the membership and shows what the customer has."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile
from customers.segments.event_counts.counting import recount_pending_orders
from customers.segments.explanation.membership_explanation import MembershipExplanation, explain_segments, flatten
from customers.segments.membership import find_segments
from customers.segments.models import Segment
from tests.customers.processing.event_makers import NOW, process, send, track
from tests.makers import make_consent, make_order, make_product, make_profile, make_segment

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
COFFEE = ["Grocery > Coffee"]
LAPSED = {
    "all": [
        {"field": "stage", "op": "in", "value": ["loyal"]},
        {"field": "bought.category", "op": "at_least", "value": COFFEE, "times": 2},
        {"not": {"any": [{"field": "country", "op": "eq", "value": "CN"}, {"field": "churn", "op": "gt", "value": 0.8}]}},
        {"sequence": [{"field": "viewed.any"}, {"field": "bought.any"}], "gap_days": 7},
    ]
}  # fmt: skip


def explain(
    customer: Customer, condition: Any, *, key: str = "explained", with_personal: bool = False
) -> MembershipExplanation:
    segment, _is_new = Segment.objects.update_or_create(key=key, defaults={"name": key, "condition": condition})
    [explanation] = explain_segments(customer=customer, segments=[segment], as_of=NOW, with_personal=with_personal)
    assert explanation.is_member == (segment in find_segments(customer=customer, as_of=NOW))
    return explanation


def list_values(explanation: MembershipExplanation) -> list[tuple[bool, str]]:
    return [(part.is_met, part.value) for part in flatten(explanation.parts)]


@pytest.fixture
def ada() -> Customer:
    """Return a loyal customer with two orders of coffee, ten and five days ago, after a view."""
    coffee = make_product("coffee", category=COFFEE[0])
    send(track("Product Viewed", {"product_id": "coffee"}, userId="ada", timestamp=(NOW - 6 * DAY).isoformat()))
    process()
    customer = Customer.objects.get(identifiers__value="ada")
    CustomerProfile.objects.filter(customer=customer).delete()
    Customer.objects.filter(pk=customer.pk).update(
        country="DE", traits={"size": 3, "city": "Halle", "tags": ["a", "b"]}
    )
    for purpose in ("analytics", "personalisation"):
        make_consent(customer, purpose, recorded_at=NOW - 30 * DAY)
    make_profile(customer, stage="loyal", churn=0.123, favorite_categories=[["Grocery > Coffee", 0.8]])
    for days in (10, 5):
        make_order(customer, placed_at=NOW - days * DAY, products=[coffee])
    return customer


@pytest.mark.parametrize("is_counted", [False, True])
def test_each_part_has_what_the_customer_has(ada: Customer, is_counted: bool) -> None:
    if is_counted:
        recount_pending_orders()
    explanation = explain(ada, LAPSED)
    assert explanation.is_member
    stage, coffee, neither, country, churn, sequence = flatten(explanation.parts)
    assert (stage.text, stage.value, stage.path) == ("Stage is loyal", "loyal", "$.all[0]")
    assert coffee.text == "Bought category Grocery › Coffee: at least 2 times"
    assert coffee.value == "2 times, the last on Nov 19, 2026"
    assert (neither.text, neither.is_met, neither.value) == ("None of these", True, "")
    assert (country.path, country.is_met, country.value) == ("$.all[2].not.any[0]", False, "DE")
    assert (churn.is_met, churn.value) == (False, "0.12")
    assert (
        sequence.value
        == "viewed any product: 1 time, on Nov 18, 2026; bought anything: 2 times, the last on Nov 19, 2026"
    )


def test_a_customer_who_is_not_in_the_segment_learns_which_part_is_not_met(ada: Customer) -> None:
    never = {"field": "bought.category", "op": "never", "value": COFFEE, "within_days": 7}
    condition = {"all": [*LAPSED["all"], never]}
    explanation = explain(ada, condition)
    assert not explanation.is_member
    [unmet] = [part for part in explanation.parts if not part.is_met]
    assert unmet.value == "1 time, on Nov 19, 2026"


def test_other_kinds_of_fields(ada: Customer) -> None:
    make_consent(ada, status="granted", recorded_at=NOW - DAY)
    make_segment("loyal", {"field": "stage", "op": "eq", "value": "loyal"}, name="Loyal ones")
    make_segment("new", {"field": "stage", "op": "eq", "value": "new"})
    condition = {
        "all": [
            {"field": "segment", "op": "in", "value": ["loyal", "new"]},
            {"field": "segment", "op": "not_in", "value": ["new"]},
            {"field": "consent.email", "op": "eq", "value": "granted"},
            {"field": "consent.sms", "op": "eq", "value": "none"},
            {"field": "identified", "op": "eq", "value": True},
            {"field": "favorite_category", "op": "in", "value": COFFEE},
            {"field": "traits.size", "op": "gte", "value": 2},
            {"field": "traits.tags", "op": "includes", "value": "a"},
            {"field": "traits.plan", "op": "is_not_set"},
            {"field": "last_order_at", "op": "is_not_set"},
            {"field": "bought.product", "op": "at_least", "value": ["coffee", "tea"], "times": 2},
            {"field": "searched", "op": "never"},
        ]
    }
    explanation = explain(ada, condition)
    assert explanation.is_member
    assert [part.value for part in explanation.parts] == [
        "Loyal ones", "in none of them", "granted", "no record", "yes", "Grocery › Coffee", "3", "a, b", "unknown", "unknown",
        "2 times, the last on Nov 19, 2026", "never",
    ]  # fmt: skip


def test_personal_traits_and_withheld_predictions_are_not_shown(ada: Customer) -> None:
    condition = {"all": [{"field": "traits.city", "op": "is_set"}, {"field": "churn", "op": "lt", "value": 0.5}]}
    assert list_values(explain(ada, condition)) == [(True, "•••"), (True, "0.12")]
    make_consent(ada, purpose="analytics", status="withdrawn", recorded_at=NOW - DAY)
    assert list_values(explain(ada, condition))[1] == (True, "withheld: no consent to profiling")


def test_static_invalid_and_erased(ada: Customer) -> None:
    members = make_segment("list", {}, kind="static")
    broken = make_segment("broken", {"field": "stag", "op": "eq", "value": 1})
    everyone = make_segment("everyone", {"all": []})
    segments = [members, broken, everyone]

    def list_memberships() -> list[bool]:
        explained = explain_segments(customer=ada, segments=segments, as_of=NOW, with_personal=False)
        return [explanation.is_member for explanation in explained]

    assert list_memberships() == [False, False, True]
    members.members.create(customer=ada)
    assert list_memberships() == [True, False, True]
    [_list, invalid, _all] = explain_segments(customer=ada, segments=segments, as_of=NOW, with_personal=False)
    assert "stage" in invalid.problem
    ada.erased_at = NOW
    ada.save(update_fields=["erased_at"])
    assert list_memberships() == [False, False, False]


def test_the_number_of_queries_does_not_depend_on_the_number_of_segments(ada: Customer) -> None:
    def count_queries(number: int) -> int:
        segments = [make_segment(f"s-{number}-{index}", LAPSED) for index in range(number)]
        with CaptureQueriesContext(connection) as queries:
            explain_segments(customer=ada, segments=segments, as_of=NOW, with_personal=False)
        return len(queries)

    assert count_queries(1) == count_queries(12) <= 9


def test_page_explains_a_segment_of_the_customer_page(admin_client: Client, ada: Customer) -> None:
    segment = make_segment("lapsed", LAPSED, name="Lapsed coffee lovers")
    url = f"{reverse('admin:segments_segment_explanation', args=[ada.pk])}?segment={segment.pk}"
    customer_page = admin_client.get(reverse("admin:lifecycle_customer", args=[ada.pk])).content.decode()
    assert url in customer_page or "Lapsed coffee lovers" in customer_page
    page = admin_client.get(url).content.decode()
    assert "Bought category Grocery › Coffee: at least 2 times" in page
    assert "this customer: loyal" in page
    part = admin_client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "this customer: loyal" in part
    assert "<html" not in part
    assert admin_client.get(url.replace(f"segment={segment.pk}", "segment=x")).status_code == 404
