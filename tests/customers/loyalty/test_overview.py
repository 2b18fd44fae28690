"""The overview of the loyalty program counts members once, and keeps what takes long to count."""

from datetime import date, timedelta

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from config.foundation import slow_figures
from customers.loyalty.models import LoyaltyMember, PointEntry
from customers.loyalty.overview import LevelCount, MonthOfPoints, compute_figures, get_program_figures
from tests.customers.loyalty.makers import make_levels, make_program
from tests.makers import NOON, make_customer

pytestmark = pytest.mark.django_db


def make_members() -> list[int]:
    """Create members of two levels and of none; return the IDs of the levels."""
    make_program()
    base, silver, _gold = make_levels()
    today = NOON.date()
    for level, balance, expiry in (
        (base, 100, today),
        (base, -30, None),
        (silver, 50, today + timedelta(days=60)),
        (None, 7, today + timedelta(days=10)),
        (None, 0, None),
    ):
        customer = make_customer()
        LoyaltyMember.objects.create(
            customer=customer, level=level, next_expiry_on=expiry, next_expiry_points=5 if expiry else 0
        )
        if balance:  # a trigger adds it to the balance
            PointEntry.objects.create(customer=customer, kind="manual", points=balance, at=NOON, cause=f"{customer.pk}")
    return [base.pk, silver.pk]


def test_all_figures_of_members_come_from_one_pass_over_them() -> None:
    base, silver = make_members()
    with CaptureQueriesContext(connection) as queries:
        figures = compute_figures(now=NOON)
    assert sum("loyalty_loyaltymember" in query["sql"] for query in queries) == 1
    assert (figures.members, figures.holders, figures.outstanding, figures.negative_members) == (5, 3, 157, 1)
    assert (figures.expiring_members, figures.expiring_points) == (2, 10)
    counted = [figures.count_level(level) for level in (base, silver, None, 0)]
    assert counted == [LevelCount(base, 2, 70), LevelCount(silver, 1, 50), LevelCount(None, 2, 7), LevelCount(0, 0, 0)]
    assert figures.months == [MonthOfPoints(date(2026, 11, 1), issued=157, spent=0, expired=0, reversed=30)]


def test_figures_that_take_long_are_not_counted_for_each_view(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_figures, "SLOW_SECONDS", 0.0)
    make_members()
    try:
        counted = get_program_figures(now=NOON)
        with CaptureQueriesContext(connection) as queries:
            assert get_program_figures(now=NOON + timedelta(seconds=1)) == counted
    finally:
        cache.delete(f"figures:loyalty:{NOON.date()}")
    assert not [query for query in queries if "loyalty_" in query["sql"]]
