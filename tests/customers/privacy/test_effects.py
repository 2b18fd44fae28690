"""What a restriction or objection changes immediately: segments, stored scores, training data and the next action."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from customers.identity.consent.consent_denials import find_customers_denying_profiling
from customers.identity.consent.restrictions import lift_restriction, restrict_processing
from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.score_columns import ProfileScores
from customers.lifecycle.refresh.withholding import EMPTY_SCORES, withhold_scores
from customers.segments.explanation.membership_explanation import explain_segments
from customers.segments.membership import count_matching, find_segments, query_members
from recommendations.training.data.extract import drop_customers
from recommendations.uplift.models import CustomerAction
from tests.makers import NOON, make_customer, make_profile, make_segment

pytestmark = pytest.mark.django_db

FACTS: dict[str, Any] = {"orders": 3, "orders_window": 2, "rfm_months": 7, "last_order_at": NOON, "valued_at": NOON}
SCORES: dict[str, Any] = {
    **dict.fromkeys(("r", "f", "m", "r_window", "f_window", "m_window"), 5),
    **dict.fromkeys(("rfm_group", "rfm_group_window"), "champions"),
    **dict.fromkeys(("p_alive", "churn", "purchase_7", "purchase_30", "purchase_90", "interval_probability"), 0.4),
    **dict.fromkeys(("expected_orders", "expected_orders_low", "expected_orders_high"), 2),
    **dict.fromkeys(("expected_order_value", "value", "spend_low", "spend_high"), 90),
    **dict.fromkeys(("next_order_from", "next_order_likely", "next_order_to"), NOON.date()),
    "next_order_reason": "long_overdue",
    "cluster": 1,
    "next_category": "Tea",
    "next_category_probability": 0.6,
}


def test_a_restricted_customer_is_in_no_segment_until_the_restriction_is_lifted(mei: Customer) -> None:
    other = make_customer("bo")
    segment = make_segment("everyone", {"all": []})
    restriction = restrict_processing(customer=mei, scope="all", at=NOON, source="test")
    assert list(query_members(segment=segment, as_of=NOON)) == [other]
    assert count_matching(condition={"all": []}, as_of=NOON) == 1
    assert find_segments(customer=mei, as_of=NOON) == []
    [explanation] = explain_segments(customer=mei, segments=[segment], as_of=NOON, with_personal=False)
    assert "restricted" in explanation.problem
    lift_restriction(restriction=restriction, at=NOON, source="test")
    assert find_segments(customer=mei, as_of=NOON) == [segment]


def test_scores_of_who_objects_to_profiling_are_removed_and_not_computed_again(mei: Customer) -> None:
    other = make_customer("bo")
    for customer in (mei, other):
        make_profile(customer, computed_at=NOON, orders=3, churn=0.4, value=90, r=5, rfm_group="champions")
    CustomerAction.objects.create(customer=mei, kind="none", message_effect="none", computed_at=NOON)
    restrict_processing(customer=mei, scope="profiling", at=NOON, source="test")
    profile = CustomerProfile.objects.get(customer=mei)
    assert (profile.churn, profile.value, profile.r, profile.rfm_group, profile.orders) == (None, None, None, "", 3)
    assert CustomerProfile.objects.get(customer=other).churn == pytest.approx(0.4)
    assert not CustomerAction.objects.exists()
    scores = ProfileScores(
        np.array([mei.pk, other.pk]),
        {"churn": np.array([0.5, 0.6]), "r": np.array([4, 5]), "orders_window": np.array([3, 3])},
    )
    withheld = withhold_scores(scores).columns
    assert np.isnan(withheld["churn"]).tolist() == [True, False]
    assert (withheld["r"].tolist(), withheld["orders_window"].tolist()) == ([-1, 5], [3, 3])


def test_no_score_is_left_or_computed_for_who_objects_to_profiling_and_facts_stay(mei: Customer) -> None:
    assert EMPTY_SCORES.keys() == SCORES.keys()
    make_profile(mei, **FACTS, **SCORES)
    restrict_processing(customer=mei, scope="profiling", at=NOON, source="test")
    profile = CustomerProfile.objects.get(customer=mei)
    assert {name for name in SCORES if getattr(profile, name) not in (None, "")} == set()
    assert {name: getattr(profile, name) for name in FACTS} == FACTS
    columns = dict.fromkeys((*SCORES, "orders_window", "rfm_months"), np.array([3.0]))
    withheld = withhold_scores(ProfileScores(np.array([mei.pk]), columns)).columns
    assert {name for name, values in withheld.items() if not np.isnan(values[0])} == {"orders_window", "rfm_months"}


def test_models_do_not_learn_from_who_objects_to_profiling(mei: Customer) -> None:
    other = make_customer("bo")
    rows = pa.table({"customer_id": pa.array([mei.pk, other.pk, mei.pk], pa.int64()), "product_id": ["a", "b", "c"]})
    assert drop_customers(rows, find_customers_denying_profiling()) == rows
    restrict_processing(customer=mei, scope="profiling", at=NOON, source="test")
    left = drop_customers(rows, find_customers_denying_profiling())
    assert left["product_id"].to_pylist() == ["b"]
