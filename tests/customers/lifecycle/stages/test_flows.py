"""Stage flows between two times, computed by hand."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.stages.flows import count_stage_flows, find_customers_in_flow, sum_flows_by_stage
from tests.makers import NOON, make_customer, make_order

pytestmark = pytest.mark.django_db


def days(number: float) -> datetime:
    return NOON - timedelta(days=number)


@pytest.fixture
def four_customers() -> dict[str, int]:
    """Four customers whose stages are easy to derive.

    With one gap, the shop has nearly the default rhythm of a month: new 30 days, active about two months, dormant about four.
    """
    ids: dict[str, int] = {}
    for name, ago in {"ann": (200.0,), "bob": (70.0,), "eve": (10.0,), "kim": (200.0, 5.0)}.items():
        customer = make_customer(name)
        ids[name] = customer.pk
        for number in ago:
            make_order(customer, placed_at=days(number))
    refresh_profiles(as_of=NOON, started_at=NOON)
    return ids


def to_counts(rows: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    return {(row["from_stage"], row["to_stage"]): row["customers"] for row in rows}


def test_the_matrix_counts_all_customers_by_stage_before_and_after(four_customers: dict[str, int]) -> None:
    counts = to_counts(count_stage_flows(since=days(28), until=NOON))
    # ann had churned before; bob was active 42 days after his order; eve was not known; kim was won back
    stages = dict(CustomerProfile.objects.values_list("customer_id", "stage"))
    assert counts[("", stages[four_customers["eve"]])] == 1
    assert counts[("active", stages[four_customers["bob"]])] == 1
    assert sum(counts.values()) == 4
    current_counts = {
        stage: after
        for stage, (_before, after) in sum_flows_by_stage(count_stage_flows(since=days(28), until=NOON)).items()
    }
    assert current_counts == {stage: list(stages.values()).count(stage) for stage in sum_flows_by_stage([])}


def test_a_past_period_has_the_stages_of_its_time(four_customers: dict[str, int]) -> None:
    sums = sum_flows_by_stage(count_stage_flows(since=days(180), until=days(69)))
    assert {stage: after for stage, (_before, after) in sums.items() if after} == {"new": 1, "at_risk": 2}
    earlier_sums = sum_flows_by_stage(count_stage_flows(since=days(198), until=days(190)))
    assert {stage: after for stage, (_before, after) in earlier_sums.items() if after} == {"new": 2}


def test_the_customers_of_a_flow_match_its_count(four_customers: dict[str, int]) -> None:
    rows = count_stage_flows(since=days(28), until=NOON)
    listed_ids = []
    for row in rows:
        customers = find_customers_in_flow(
            since=days(28), until=NOON, from_stage=row["from_stage"], to_stage=row["to_stage"]
        )
        assert customers.count() == row["customers"], row
        listed_ids += customers.values_list("pk", flat=True)
    assert sorted(listed_ids) == sorted(four_customers.values())
    cell = {"since": days(28), "until": NOON, "from_stage": "", "to_stage": "new"}
    assert [profile.pk for profile in find_customers_in_flow(**cell)] == [four_customers["eve"]]


def test_a_range_that_ends_before_it_starts_is_rejected() -> None:
    with pytest.raises(ValueError, match="is before since"):
        count_stage_flows(since=NOON, until=days(1))
