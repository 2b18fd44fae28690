"""The rules of the program, as the rest of the package reads them."""

from datetime import date, datetime, timedelta

from config.foundation.shop.profile import get_time_zone
from customers.loyalty.models import SINGLETON_ID, LoyaltyProgram


def load_program() -> LoyaltyProgram:
    """Return the rules; before they are saved for the first time, the defaults."""
    return LoyaltyProgram.objects.filter(pk=SINGLETON_ID).first() or LoyaltyProgram(pk=SINGLETON_ID)


def get_shop_day(now: datetime) -> date:
    """Return the day in the shop's time zone."""
    return now.astimezone(get_time_zone()).date()


def add_months(day: date, months: int) -> date:
    """Return the same day some months later, or the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return min(date(year, month + 1, 1) + timedelta(days=day.day - 1), following - timedelta(days=1))


def find_expiry_day(program: LoyaltyProgram, now: datetime) -> date | None:
    """Return the last day on which points earned now are valid: the end of a month; None if they never expire."""
    if not program.expiry_months:
        return None
    first = get_shop_day(now).replace(day=1)
    return add_months(first, program.expiry_months + 1) - timedelta(days=1)


def find_period_start(program: LoyaltyProgram, now: datetime) -> datetime | None:
    """Return since when orders count towards a level; None for all of them."""
    if not program.period_months:
        return None
    local = now.astimezone(get_time_zone())
    day = add_months(local.date(), -program.period_months)
    return local.replace(year=day.year, month=day.month, day=day.day, hour=0, minute=0, second=0, microsecond=0)


def find_level_end(program: LoyaltyProgram, now: datetime) -> date | None:
    """Return the last day of the validity of a level that is reached now; None if levels are never lost."""
    return add_months(get_shop_day(now), program.validity_months) if program.validity_months else None
