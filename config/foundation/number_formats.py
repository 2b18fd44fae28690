"""Numbers, money and days as the reader's language writes them."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from babel import dates, numbers
from django.utils.timezone import localtime

from config.foundation import labels
from config.foundation.labels import get_reader_locale

NOTHING = "–"
Number = int | float | Decimal


def format_count(value: Number | None) -> str:
    return NOTHING if value is None else numbers.format_decimal(value, format="#,##0", locale=get_reader_locale())


def format_score(value: Number | None) -> str:
    return NOTHING if value is None else numbers.format_decimal(value, format="0.0000", locale=get_reader_locale())


def format_whole_money(value: Number | None, currency: str) -> str:
    """Whole units: on a home page cents say nothing."""
    if value is None:
        return NOTHING
    return numbers.format_currency(
        round(value), currency or "XXX", format="¤#,##0", locale=get_reader_locale(), currency_digits=False
    )


def format_money(value: Number | None, currency: str) -> str:
    return NOTHING if value is None else numbers.format_currency(value, currency or "XXX", locale=get_reader_locale())


def format_percent(value: Number | None) -> str:
    return NOTHING if value is None else numbers.format_percent(value, format="0.0%", locale=get_reader_locale())


def format_change(value: float | None) -> str:
    """A relative change with its sign: +4.2%."""
    return NOTHING if value is None else numbers.format_percent(value, format="+0.0%;−0.0%", locale=get_reader_locale())


def format_day(value: date | None) -> str:
    """Short, without the year: Nov 24, 11月24日."""
    return NOTHING if value is None else dates.format_skeleton("MMMd", value, locale=get_reader_locale())


def format_moment(value: datetime | None) -> str:
    """A day and a time in the shop's time zone."""
    if value is None:
        return NOTHING
    return dates.format_datetime(localtime(value), "medium", tzinfo=localtime(value).tzinfo, locale=get_reader_locale())


def format_optional_age(value: datetime | None, *, as_of: datetime) -> str:
    """How long ago, in words."""
    return NOTHING if value is None else labels.format_age(value, as_of=as_of)


def format_duration(seconds: float) -> str:
    """How long, in words: 12 seconds, 3 minutes."""
    return dates.format_timedelta(timedelta(seconds=round(seconds)), threshold=1.5, locale=get_reader_locale())
