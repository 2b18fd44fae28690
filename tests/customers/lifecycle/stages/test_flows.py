"""Who stood where before and after, by hand."""

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
def four() -> dict[str, int]:
    """By the first thresholds (new 30 days, active 60, dormant 120): each history can be derived by hand."""
    ids: dict[str, int] = {}
    for name, ago in {"ann": (200.0,), "bob": (70.0,), "eve": (10.0,), "kim": (200.0, 5.0)}.items():
        customer = make_customer(name)
        ids[name] = customer.pk
        for number in ago:
            make_order(customer, placed_at=days(number))
    refresh_profiles(as_of=NOON, started_at=NOON)
    return ids


def cells(rows: list[dict[str, Any]]) -> dict[tuple[str, str], int]:
    return {(row["from_stage"], row["to_stage"]): row["customers"] for row in rows}


def test_the_matrix_counts_all_customers_by_stage_before_and_after(four: dict[str, int]) -> None:
    found = cells(count_stage_flows(since=days(28), until=NOON))
    # ann has been gone throughout... bob was active 42 days after his order; eve was not known; kim came back
    stages = dict(CustomerProfile.objects.values_list("customer_id", "stage"))
    assert found[("", stages[four["eve"]])] == 1
    assert found[("active", stages[four["bob"]])] == 1
    assert sum(found.values()) == 4
    now = {
        stage: after
        for stage, (_before, after) in sum_flows_by_stage(count_stage_flows(since=days(28), until=NOON)).items()
    }
    assert now == {stage: list(stages.values()).count(stage) for stage in sum_flows_by_stage([])}


def test_a_past_day_is_shown_as_it_was(four: dict[str, int]) -> None:
    then = sum_flows_by_stage(count_stage_flows(since=days(180), until=days(69)))
    assert {stage: after for stage, (_before, after) in then.items() if after} == {"new": 1, "dormant": 2}
    earlier = sum_flows_by_stage(count_stage_flows(since=days(198), until=days(190)))
    assert {stage: after for stage, (_before, after) in earlier.items() if after} == {"new": 2}


def test_the_people_of_a_cell_are_those_that_it_counts(four: dict[str, int]) -> None:
    rows = count_stage_flows(since=days(28), until=NOON)
    listed = []
    for row in rows:
        people = find_customers_in_flow(
            since=days(28), until=NOON, from_stage=row["from_stage"], to_stage=row["to_stage"]
        )
        assert people.count() == row["customers"], row
        listed += people.values_list("pk", flat=True)
    assert sorted(listed) == sorted(four.values())
    cell = {"since": days(28), "until": NOON, "from_stage": "", "to_stage": "new"}
    assert [one.pk for one in find_customers_in_flow(**cell)] == [four["eve"]]


def test_a_movement_backwards_is_refused() -> None:
    with pytest.raises(ValueError, match="is before since"):
        count_stage_flows(since=NOON, until=days(1))
