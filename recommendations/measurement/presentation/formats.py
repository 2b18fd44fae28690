"""Formats differences and their intervals."""

from collections.abc import Callable

from django.utils.formats import number_format
from django.utils.translation import gettext as _

from config.foundation.number_formats import format_decimals, format_money, format_whole_money
from config.foundation.statistics import ConfidenceInterval


def format_signed(value: float, digits: int) -> str:
    """Return a number with its sign and separators of thousands: +1.9, −1,234."""
    rounded = round(value, digits)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else ""
    return f"{sign}{format_decimals(abs(rounded), digits)}"


def format_points(difference: float) -> str:
    """Return a difference of two shares in percentage points with its sign: +1.9."""
    points = round(difference * 100, 2 if abs(difference) < 0.01 else 1)
    return f"{'+' if points > 0 else '−' if points < 0 else ''}{number_format(abs(points))}"


def format_interval(interval: ConfidenceInterval, form: Callable[[float], str]) -> str:
    """Return "low to high"; "unknown" for an interval without width, whose customers all did the same, for example ordered nothing."""
    if interval.low == interval.high:
        return _("unknown")
    return _("%(low)s to %(high)s") % {"low": form(interval.low), "high": form(interval.high)}


def format_signed_money(value: float, currency: str, *, exact: bool = False) -> str:
    """Return an amount with its sign, in whole units unless it is to be exact."""
    text = (format_money if exact else format_whole_money)(abs(value), currency)
    return f"+{text}" if value > 0 else f"−{text}" if value < 0 else text


def format_signed_percent(value: float) -> str:
    """Return a relative difference with its sign: +12%."""
    percent = value * 100
    return f"{format_signed(percent, 0 if abs(percent) >= 10 else 1)}%"
