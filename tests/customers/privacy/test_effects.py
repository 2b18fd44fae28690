"""What a restriction or objection changes immediately: segments, stored scores, training data and the next action."""

import numpy as np
import pyarrow as pa
import pytest

from customers.identity.consent.consent_denials import find_customers_denying_profiling
from customers.identity.consent.restrictions import lift_restriction, restrict_processing
from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.score_columns import ProfileScores
from customers.lifecycle.refresh.withholding import withhold_scores
from customers.segments.explanation.membership_explanation import explain_segments
from customers.segments.membership import count_matching, find_segments, query_members
from recommendations.training.data.extract import drop_customers
from recommendations.uplift.models import CustomerAction
from tests.makers import NOON, make_customer, make_profile, make_segment

pytestmark = pytest.mark.django_db


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


def test_models_do_not_learn_from_who_objects_to_profiling(mei: Customer) -> None:
    other = make_customer("bo")
    rows = pa.table({"customer_id": pa.array([mei.pk, other.pk, mei.pk], pa.int64()), "product_id": ["a", "b", "c"]})
    assert drop_customers(rows, find_customers_denying_profiling()) == rows
    restrict_processing(customer=mei, scope="profiling", at=NOON, source="test")
    left = drop_customers(rows, find_customers_denying_profiling())
    assert left["product_id"].to_pylist() == ["b"]
