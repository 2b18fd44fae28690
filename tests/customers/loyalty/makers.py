"""Makers of the loyalty program."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from customers.loyalty.models import LoyaltyLevel, LoyaltyProgram
from tests.makers import NOON

START = NOON - timedelta(days=100)


def make_program(**fields: Any) -> LoyaltyProgram:
    values = {
        "is_enabled": True,
        "started_at": START,
        "sign_in_points": 5,
        "streak_days": 3,
        "streak_bonus": 20,
        **fields,
    }
    return LoyaltyProgram.objects.create(pk=1, **values)


def make_levels() -> list[LoyaltyLevel]:
    """Create a level for everyone, one from 100 in spend or 3 orders, and one from 500 in spend and 5 orders."""
    return [
        LoyaltyLevel.objects.create(key="base", name="Base", position=0),
        LoyaltyLevel.objects.create(
            key="silver",
            name="Silver",
            name_zh="银卡",
            position=1,
            min_spend=100,
            min_orders=3,
            points_per_unit=Decimal("1.5"),
        ),
        LoyaltyLevel.objects.create(
            key="gold", name="Gold", position=2, min_spend=500, min_orders=5, requires_both=True, points_per_unit=2
        ),
    ]
