"""Who entered and left a segment, its size by day, and the overlap of two segments."""

from datetime import date, datetime, timedelta
from typing import Any

import pytest

from customers.lifecycle.models import CustomerProfile
from customers.segments.history import count_overlap, query_entries, query_exits
from customers.segments.membership import count_members, evaluate_segments, query_members
from customers.segments.models import Segment, SegmentDay, SegmentStay
from tests.makers import NOON, make_customer, make_profile, make_segment

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
LOYAL = {"field": "stage", "op": "in", "value": ["loyal"]}


def set_stage(user: str, stage: str) -> None:
    CustomerProfile.objects.filter(customer__identifiers__value=user).update(stage=stage)


def list_users(stays: Any) -> list[str]:
    return [stay.user_id for stay in stays]


def list_days(segment: Segment) -> list[tuple[date, int, int, int]]:
    return list(SegmentDay.objects.filter(segment=segment).values_list("day", "size", "entered", "left"))


@pytest.fixture
def loyal(db: None) -> Segment:
    for user, stage in (("ada", "loyal"), ("ben", "loyal"), ("cleo", "active")):
        make_profile(make_customer(user), stage=stage)
    return make_segment("loyal", LOYAL)


def evaluate(at: datetime) -> None:
    assert evaluate_segments(as_of=at) == 0


def test_entries_and_exits_are_recorded_with_the_time_of_the_evaluation(loyal: Segment) -> None:
    evaluate(NOON)
    assert (list(query_entries(loyal)), list(query_exits(loyal))) == ([], [])
    set_stage("ben", "at_risk")
    set_stage("cleo", "loyal")
    evaluate(NOON + DAY)
    assert list_users(query_entries(loyal)) == ["cleo"]
    assert [(stay.user_id, stay.left_at) for stay in query_exits(loyal)] == [("ben", NOON + DAY)]
    set_stage("ben", "loyal")
    evaluate(NOON + DAY + timedelta(hours=1))
    assert list_users(query_entries(loyal)) == ["ben", "cleo"]
    assert list_days(loyal) == [(date(2026, 11, 24), 2, 0, 0), (date(2026, 11, 25), 3, 2, 1)]
    loyal.refresh_from_db()
    assert loyal.size == 3


def test_an_evaluation_without_changes_writes_nothing(loyal: Segment) -> None:
    evaluate(NOON)
    stays = list(SegmentStay.objects.values())
    evaluate(NOON + DAY)
    assert list(SegmentStay.objects.values()) == stays


def test_editing_the_condition_is_neither_an_entry_nor_an_exit(loyal: Segment) -> None:
    evaluate(NOON)
    Segment.objects.filter(pk=loyal.pk).update(condition={**LOYAL, "value": ["active"]})
    evaluate(NOON + DAY)
    assert list_days(loyal)[-1] == (date(2026, 11, 25), 1, 0, 0)
    assert (list(query_entries(loyal)), list(query_exits(loyal))) == ([], [])
    set_stage("ada", "active")
    evaluate(NOON + 2 * DAY)
    assert list_users(query_entries(loyal)) == ["ada"]


def test_a_condition_that_nobody_matches_has_an_empty_history(loyal: Segment) -> None:
    nobody = make_segment("nobody", {"not": {"all": []}})
    evaluate(NOON)
    assert list_days(nobody) == [(date(2026, 11, 24), 0, 0, 0)]


def test_counting_alone_records_no_history(loyal: Segment) -> None:
    count_members(segment=loyal, as_of=NOON)
    assert not SegmentStay.objects.exists()


def test_overlap_counts_both_segments_and_their_common_customers(loyal: Segment) -> None:
    other = make_segment("other", {"any": [{"field": "stage", "op": "in", "value": ["active"]}, LOYAL]})
    members, others = (query_members(segment=segment, as_of=NOON) for segment in (loyal, other))
    overlap = count_overlap(members, others)
    assert (overlap.size, overlap.other_size, overlap.both) == (2, 3, 2)
    assert (overlap.share, overlap.other_share) == (1, pytest.approx(2 / 3))


def test_overlap_of_an_empty_segment_has_no_share(loyal: Segment) -> None:
    empty = query_members(segment=make_segment("nobody", {"not": {"all": []}}), as_of=NOON)
    assert count_overlap(empty, query_members(segment=loyal, as_of=NOON)).share is None
