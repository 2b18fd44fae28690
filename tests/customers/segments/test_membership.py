"""The members of a segment, their number, and the segments of a customer."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL
from django.test.utils import CaptureQueriesContext

from customers.identity.models import Customer
from customers.segments import tasks
from customers.segments.conditions.condition_tree import ConditionError
from customers.segments.editing import MemberFileError, add_members, find_referring_keys, read_user_ids, replace_members
from customers.segments.membership import (
    count_members,
    evaluate_segments,
    find_segments,
    preview_condition,
    query_members,
)
from customers.segments.models import Segment
from customers.segments.starter_segments import STARTERS, ensure_starter_segments
from tests.makers import NOON, make_customer, make_order, make_profile, make_segment

pytestmark = pytest.mark.django_db

LOYAL = {"field": "stage", "op": "eq", "value": "loyal"}
# PostgreSQL stops the statement as after its time limit, which could also stop another statement on a busy machine
STOPPED = "CASE WHEN pg_cancel_backend(pg_backend_pid()) THEN pg_sleep(600) IS NULL END"


def list_segment_keys(customer: Customer) -> list[str]:
    return [segment.key for segment in find_segments(customer=customer, as_of=NOON)]


def test_a_count_that_takes_too_long_is_a_problem_of_the_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    make_customer("ann")
    slow = Customer.objects.filter(RawSQL(STOPPED, [], output_field=BooleanField()))
    monkeypatch.setattr("customers.segments.membership.query_matching", lambda **_options: slow)
    with pytest.raises(ConditionError, match="takes too long"):
        preview_condition(condition=LOYAL, key="", sample=0, as_of=NOON)


def test_counting_stores_size_time_and_duration() -> None:
    make_profile(make_customer("a"), stage="loyal")
    make_profile(make_customer("b"), stage="new")
    segment = make_segment("loyal", LOYAL)
    assert count_members(segment=segment, as_of=NOON).size == 1
    segment.refresh_from_db()
    assert (segment.size, segment.last_evaluated_at, segment.error) == (1, NOON, "")
    assert segment.duration_ms is not None
    assert segment.duration_ms > 0


def test_invalid_segment_stores_its_error_and_does_not_stop_others() -> None:
    make_segment("a-broken", {"field": "stag", "op": "eq", "value": 1})
    make_segment("b-empty", {})
    make_segment("loyal", LOYAL, error="old error")
    assert evaluate_segments(as_of=NOON) == 2
    broken, empty, loyal = Segment.objects.all()
    assert broken.size is None
    assert "$.field" in broken.error
    assert "stage" in broken.error
    assert empty.error
    assert (loyal.size, loyal.error) == (0, "")


def test_the_task_counts_every_segment() -> None:
    make_segment("loyal", LOYAL)
    assert tasks.evaluate_segments() == 0
    assert Segment.objects.get().size == 0


def test_segments_of_a_customer_are_current_and_take_three_queries() -> None:
    for number in range(20):
        make_segment(f"filler-{number:02}", {"not": {"all": [LOYAL, {"not": {"all": []}}]}})
    make_segment("a-loyal", LOYAL)
    make_segment("b-not-loyal", {"not": LOYAL})
    make_segment("c-buyer", {"field": "bought.any", "op": "at_least"})
    make_segment("d-nobody", {"not": {"all": []}})
    make_segment("e-of-others", {"field": "segment", "op": "in", "value": ["a-loyal", "f-list"]})
    static_segment = make_segment("f-list", {}, kind="static")
    make_segment("g-broken", {"field": "x", "op": "eq"})
    customer = make_customer("anna")
    with CaptureQueriesContext(connection) as queries:
        assert list_segment_keys(customer)[:1] == ["b-not-loyal"]
    assert len(queries) == 3
    make_profile(customer, stage="loyal")
    make_order(customer, placed_at=NOON - timedelta(days=1))
    static_segment.members.create(customer=customer)
    fillers = [f"filler-{number:02}" for number in range(20)]
    assert list_segment_keys(customer) == ["a-loyal", "c-buyer", "e-of-others", "f-list", *fillers]


def test_without_segments_a_customer_is_in_none() -> None:
    assert list_segment_keys(make_customer("anna")) == []


def test_erased_customer_is_in_no_segment() -> None:
    customer = make_customer("anna", erased_at=NOON)
    make_segment("all-customers")
    static_segment = make_segment("list", {}, kind="static")
    static_segment.members.create(customer=customer)
    assert list_segment_keys(customer) == []
    assert not query_members(segment=static_segment, as_of=NOON)


def test_static_segment_adds_known_user_ids_and_reports_unknown_ones() -> None:
    for user_id in ("a", "b", "c"):
        make_customer(user_id)
    make_customer("gone", erased_at=NOON)
    segment = make_segment("list", {}, kind="static")
    result = add_members(segment=segment, user_ids=["a", "b", "a", "nobody", "gone"])
    assert (result.added, result.already_members, result.unknown) == (2, 0, ["nobody", "gone"])
    result = add_members(segment=segment, user_ids=["b", "c"])
    assert (result.added, result.already_members) == (1, 1)
    replace_members(segment=segment, user_ids=["c"])
    assert query_members(segment=segment, as_of=NOON).count() == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"user_id\na\n\nb", ["a", "b"]),
        ("\ufeffName,User_ID\r\nÄnne, ü1 \r\nB,\r\n".encode(), ["ü1"]),
        (b'user_id\n"a,1"\n', ["a,1"]),
    ],
)
def test_member_file_is_read(content: bytes, expected: list[str]) -> None:
    assert read_user_ids(content) == expected


@pytest.mark.parametrize(
    ("content", "expected_text"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"a,b\n1,2", "user_id"),
        (b"user_id\n\xff\xfe", "byte 8"),
        (b'user_id\na\n"b\nc\n', "Lines 3 to 4 were read as one row"),
        (b'user_id\n"' + b"a\n" * 100_000, "unclosed quotation mark"),
    ],
)
def test_unreadable_member_file_is_rejected(content: bytes, expected_text: str) -> None:
    with pytest.raises(MemberFileError, match=expected_text):
        read_user_ids(content)


def test_referring_segments_are_listed() -> None:
    make_segment("a", LOYAL)
    make_segment("b", {"any": [LOYAL, {"not": {"field": "segment", "op": "in", "value": ["a"]}}]})
    assert find_referring_keys(key="a") == ["b"]
    assert find_referring_keys(key="b") == []


def test_starter_segments_are_valid_and_created_once() -> None:
    assert len(ensure_starter_segments()) == len(STARTERS)
    Segment.objects.filter(key="champions").update(name="Our best")
    assert ensure_starter_segments() == []
    assert Segment.objects.get(key="champions").name == "Our best"
    assert evaluate_segments(as_of=NOON) == 0


def list_starter_members(key: str) -> list[Any]:
    segment = Segment.objects.get(key=key)
    return sorted(query_members(segment=segment, as_of=NOON).values_list("identifiers__value", flat=True))


def test_starter_segments_match_the_described_customers() -> None:
    ensure_starter_segments()
    make_profile(make_customer("champion"), rfm_group="champions", stage="loyal", r=5, f=5, m=5, orders=8)
    # where most customers ordered once, the latest of them are in the group of champions, too
    make_profile(make_customer("once"), rfm_group="champions", stage="active", r=5, f=4, m=5, orders=1)
    make_profile(make_customer("small"), rfm_group="champions", stage="active", r=5, f=4, m=3, orders=2)
    make_profile(make_customer("silent"), stage="at_risk", orders=2)
    make_profile(make_customer("lost"), stage="churned", orders=6)
    make_profile(make_customer("fresh"), stage="new", orders=1, first_order_at=NOON - timedelta(days=3))
    make_customer("prospect")
    make_profile(make_customer(), orders=0)
    assert list_starter_members("champions") == ["champion"]
    assert list_starter_members("at-risk") == ["silent"]
    assert list_starter_members("dormant-loyal") == ["lost"]
    assert Segment.objects.get(key="dormant-loyal").name == "Dormant or churned, at least five orders"
    assert list_starter_members("new-customers") == ["fresh"]
    assert list_starter_members("big-baskets") == ["champion"]
    assert "prospect" in list_starter_members("prospects")
