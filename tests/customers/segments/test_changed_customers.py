"""Entries and exits of customers who did something are recorded within seconds, by comparing only them."""

from datetime import date, timedelta

import pytest

from customers.identity.models import Identifier
from customers.segments import changed_customers
from customers.segments.changed_customers import note_changed_customers, record_changed_customers
from customers.segments.history import query_entries, query_exits
from customers.segments.membership import evaluate_segments
from customers.segments.models import ChangedCustomer, Segment, SegmentDay, SegmentStay
from tests.customers.segments.test_history import LOYAL, list_users, set_stage
from tests.makers import NOON, make_customer, make_profile, make_segment

pytestmark = pytest.mark.django_db

SOON = NOON + timedelta(seconds=20)


@pytest.fixture
def loyal(db: None) -> Segment:
    for user, stage in (("ada", "loyal"), ("ben", "loyal"), ("cleo", "active")):
        make_profile(make_customer(user), stage=stage)
    segment = make_segment("loyal", LOYAL)
    assert evaluate_segments(as_of=NOON) == 0
    return segment


def note(*users: str) -> None:
    note_changed_customers(find_ids(*users))


def find_ids(*users: str) -> list[int]:
    return list(Identifier.objects.filter(value__in=users).values_list("customer_id", flat=True))


def test_only_noted_customers_are_compared_and_the_next_count_agrees(loyal: Segment) -> None:
    set_stage("cleo", "loyal")
    set_stage("ben", "at_risk")
    set_stage("ada", "at_risk")
    note("cleo", "ben", "cleo")
    assert record_changed_customers(as_of=SOON) == 2
    assert list_users(query_entries(loyal)) == ["cleo"]
    assert [(stay.user_id, stay.left_at) for stay in query_exits(loyal)] == [("ben", SOON)]
    loyal.refresh_from_db()
    assert loyal.size == 2
    evaluate_segments(as_of=SOON + timedelta(minutes=5))
    day = SegmentDay.objects.get(segment=loyal)
    assert (day.day, day.size, day.entered, day.left) == (date(2026, 11, 24), 1, 1, 2)
    assert record_changed_customers(as_of=SOON) == 0


def test_an_edited_condition_waits_for_the_next_count(loyal: Segment) -> None:
    Segment.objects.filter(pk=loyal.pk).update(condition={**LOYAL, "value": ["active"]})
    note("cleo")
    record_changed_customers(as_of=SOON)
    assert not query_entries(loyal).exists()
    assert not ChangedCustomer.objects.exists()


def test_a_flood_of_changes_is_left_to_the_next_count(loyal: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changed_customers, "MAX_CUSTOMERS", 1)
    before = list(SegmentStay.objects.values())
    set_stage("cleo", "loyal")
    note("cleo", "ben")
    assert record_changed_customers(as_of=SOON) == 0
    assert (list(SegmentStay.objects.values()), ChangedCustomer.objects.exists()) == (before, False)


def test_nothing_is_noted_for_a_shop_without_segments(db: None) -> None:
    make_customer("ada")
    note("ada")
    assert not ChangedCustomer.objects.exists()
