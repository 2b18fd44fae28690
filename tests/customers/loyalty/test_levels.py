"""Levels rise immediately, fall after validity and grace, and can be tried before rules are saved."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from customers.loyalty.counting import recompute_all_levels, refresh_program
from customers.loyalty.levels.preview import preview_levels
from customers.loyalty.models import LevelChange, LoyaltyLevel, LoyaltyMember
from customers.loyalty.program import add_months, load_program
from tests.customers.loyalty.makers import make_levels, make_program
from tests.makers import NOON, make_customer, make_order, make_product

pytestmark = pytest.mark.django_db


def test_levels_rise_at_once_and_fall_after_validity_and_grace() -> None:
    make_program(period_months=2, validity_months=3, grace_days=10), make_levels()
    anna = make_customer()
    make_order(anna, placed_at=NOON - timedelta(days=1), products=[make_product(price=Decimal("20"))])
    refresh_program(now=NOON)
    member = LoyaltyMember.objects.select_related("level").get()
    assert (member.level.key, member.spend, member.spend_to_next, member.orders_to_next) == ("base", 20, 80, 2)
    make_order(anna, placed_at=NOON, products=[make_product(price=Decimal("90"))])
    refresh_program(now=NOON)
    member.refresh_from_db()
    assert (member.level.key, member.level_until) == ("silver", date(2027, 2, 24))
    refresh_program(now=NOON + timedelta(days=100))  # 4 March: the validity has ended, the grace period has not
    member.refresh_from_db()
    assert (member.level.key, member.spend) == ("silver", 0)
    refresh_program(now=NOON + timedelta(days=104))
    member.refresh_from_db()
    assert (member.level.key, member.level_until) == ("base", date(2027, 6, 8))
    reasons = LevelChange.objects.order_by("id").values_list("reason", "to_level__key")
    assert list(reasons) == [("joined", "base"), ("upgrade", "silver"), ("downgrade", "base")]


def test_a_validity_of_0_and_one_after_0_apply_to_levels_that_exist() -> None:
    program = make_program(period_months=1, validity_months=3)
    make_levels()
    anna = make_customer()
    make_order(anna, placed_at=NOON, products=[make_product(price=Decimal(150))])

    def recompute(days: int, **rules: int) -> tuple[str, date | None]:
        for name, value in rules.items():
            setattr(program, name, value)
        program.save()
        recompute_all_levels(now=NOON + timedelta(days=days))
        member = LoyaltyMember.objects.select_related("level").get()
        return member.level.key, member.level_until

    assert recompute(0) == ("silver", date(2027, 2, 24))
    assert recompute(400, validity_months=0) == ("silver", None), "a level is never lost"
    assert recompute(500, validity_months=3) == ("silver", date(2028, 7, 7)), "the new validity begins"
    assert recompute(700) == ("base", date(2029, 1, 24))


def test_returns_and_cancelled_orders_do_not_count() -> None:
    make_program()
    make_levels()
    anna = make_customer()
    for fields in (
        {},
        {"status": "cancelled"},
        {"kind": "return", "total": Decimal("-60")},
        {"refunded": Decimal("15")},
    ):
        make_order(anna, products=[make_product(price=Decimal("90"))], **fields)
    recompute_all_levels(now=NOON)
    member = LoyaltyMember.objects.get()
    assert (member.spend, member.order_count) == (90 - 60 + 75, 2)


def test_preview_counts_members_without_saving_anything() -> None:
    make_program()
    base, silver, gold = make_levels()
    for total in (10, 150, 700):
        make_order(make_customer(), products=[make_product(price=Decimal(total))])
    recompute_all_levels(now=NOON)
    gold.requires_both, silver.min_spend = False, Decimal(200)
    tried = LoyaltyLevel(key="new", name="New", position=3, min_spend=600)
    preview = preview_levels(program=load_program(), levels=[base, silver, gold, tried], at=NOON)
    assert [(row.now, row.then, row.rising, row.falling) for row in preview] == [
        (1, 2, 0, 1), (2, 0, 0, 0), (0, 0, 0, 0), (0, 1, 1, 0), (0, 0, 0, 0),
    ]  # fmt: skip
    assert LoyaltyLevel.objects.count() == 3


def test_months_end_with_the_shorter_month() -> None:
    assert add_months(date(2026, 10, 31), 1) == date(2026, 11, 30)
    assert add_months(date(2026, 12, 31), -10) == date(2026, 2, 28)
    assert add_months(date(2026, 12, 1), 13) == date(2028, 1, 1)
