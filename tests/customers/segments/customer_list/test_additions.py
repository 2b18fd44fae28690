"""Adding customers of the list to a static segment, and undoing it."""

from datetime import UTC, datetime, timedelta

import pytest

from customers.segments.customer_list.additions import TooManyCustomersError, add_to_segment, undo_addition
from customers.segments.customer_list.list_filter import parse_list_filter, query_listed
from customers.segments.models import Segment
from tests.makers import make_customer, make_profile, make_segment

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)


@pytest.fixture
def segment() -> Segment:
    for user_id, stage in (("a", "loyal"), ("b", "loyal"), ("c", "new")):
        make_profile(make_customer(user_id), stage=stage)
    return make_segment("vip", kind="static", condition={})


def test_undo_removes_only_what_was_added(segment: Segment) -> None:
    first = add_to_segment(
        segment=segment, customers=query_listed(parse_list_filter({"stage": "new"}), as_of=NOW), user=None, as_of=NOW
    )
    second = add_to_segment(
        segment=segment,
        customers=query_listed(parse_list_filter({}), as_of=NOW),
        user=None,
        as_of=NOW + timedelta(seconds=1),
    )
    assert first is not None
    assert second is not None
    assert (first.count, second.count) == (1, 2)
    segment.refresh_from_db()
    assert segment.size == 3
    assert undo_addition(addition=second, as_of=NOW) == 2
    assert undo_addition(addition=second, as_of=NOW) == 0
    segment.refresh_from_db()
    assert segment.size == 1


def test_nothing_to_undo_if_all_were_members(segment: Segment) -> None:
    customers = query_listed(parse_list_filter({}), as_of=NOW)
    assert add_to_segment(segment=segment, customers=customers, user=None, as_of=NOW)
    assert add_to_segment(segment=segment, customers=customers, user=None, as_of=NOW + timedelta(1)) is None


def test_too_many_customers_change_nothing(segment: Segment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customers.segments.customer_list.additions.MAX_ADDED", 2)
    with pytest.raises(TooManyCustomersError, match="3 customers are too many"):
        add_to_segment(segment=segment, customers=query_listed(parse_list_filter({}), as_of=NOW), user=None, as_of=NOW)
    assert not segment.members.exists()
