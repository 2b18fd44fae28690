"""Numbers, money, days and ages in the language of the reader."""

import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from babel import dates, lists, numbers
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import get_language, gettext, pgettext

NO_VALUE = "–"
MIN_FACTOR = 3  # a change of +1293% is harder to read than 14×
Number = int | float | Decimal


def get_reader_locale() -> str:
    """Return Babel's name of the active language."""
    return "zh_Hans" if (get_language() or "").startswith("zh") else "en"


def round_without_sign(value: Number, places: int) -> Number:
    """Return 0 for a number that is rounded to 0, which would otherwise be shown as -0."""
    return value if abs(value) > 0.5 / 10**places else 0


def format_count(value: Number | None) -> str:
    if value is None:
        return NO_VALUE
    return numbers.format_decimal(round_without_sign(value, 0), format="#,##0", locale=get_reader_locale())


def format_decimals(value: Number | None, places: int) -> str:
    """Return a rounded number with this many decimals and separators of thousands; Django's number_format cuts digits off."""
    if value is None:
        return NO_VALUE
    pattern = "#,##0." + "0" * places if places else "#,##0"
    rounded = round(float(value), places) or 0  # a negative zero would have a sign
    return numbers.format_decimal(rounded, format=pattern, locale=get_reader_locale())


def format_short_number(value: Number) -> str:
    """Return a number as the axis of a chart shows it: 1.5K, 20M; in Chinese 1,500, 1.5万."""
    locale = get_reader_locale()
    if abs(float(value)) < (10_000 if locale.startswith("zh") else 1_000):
        return numbers.format_decimal(value, format="#,##0.###", locale=locale)
    return numbers.format_compact_decimal(value, locale=locale, fraction_digits=2)


def format_whole_money(value: Number | None, currency: str) -> str:
    """Return an amount in whole units, for overviews."""
    if value is None:
        return NO_VALUE
    if not currency:  # before the first order; the sign ¤ means nothing to readers
        return format_count(round(value))
    return numbers.format_currency(
        round(value), currency, format="¤#,##0", locale=get_reader_locale(), currency_digits=False
    )


def round_amount(value: float | None) -> float | None:
    """Return an amount for a file, without what computing with binary fractions adds: 303860.9100000003 is 303860.91."""
    return None if value is None else round(value, 4)


def format_money(value: Number | None, currency: str) -> str:
    """Return an amount with the currency's symbol and decimals."""
    if value is None:
        return NO_VALUE
    currency = currency or "XXX"
    rounded = round_without_sign(value, numbers.get_currency_precision(currency))
    return numbers.format_currency(rounded, currency, locale=get_reader_locale())


def format_amount(value: Decimal | None, currency: str) -> str:
    """Return an exact amount with its currency code, as other systems show it: 1234.50 EUR."""
    return NO_VALUE if value is None else f"{value} {currency}".strip()


def format_percent(share: Number | None, digits: int = 1) -> str:
    """Return a share from 0 to 1 as a percentage: 0.423 is 42.3%."""
    if share is None:
        return NO_VALUE
    pattern = "#,##0." + "0" * digits if digits else "#,##0"
    return numbers.format_percent(share, format=f"{pattern}%", locale=get_reader_locale())


def format_whole_percent(share: Number | None) -> str:
    """Return a share as a whole percentage: 0.423 is 42%. An unknown share is an empty text."""
    return "" if share is None else f"{format_count(round(100 * share))}%"


def format_exact_percent(share: Decimal) -> str:
    """Return a share that a user has set as a percentage, with as many digits as it has: 0.125 is 12.5%."""
    return numbers.format_percent(share, format="0.##########%", locale=get_reader_locale())


def round_for_reading(value: float) -> float:
    """Return a number with two decimals, or with two significant digits if it is below 0.1: 30.46, 0.025."""
    if abs(value) >= 0.1 or value == 0:
        return round(value, 2)
    return float(f"{value:.2g}")


def format_change(value: float | None) -> str:
    """Return a relative change with its sign: +4.2%; for three times as much or more, the factor: 14×."""
    if value is None:
        return NO_VALUE
    if value >= MIN_FACTOR - 1:
        return pgettext("change", "%(factor)s×") % {"factor": format_factor(value)}
    return numbers.format_percent(round_without_sign(value, 3), format="+0.0%;−0.0%", locale=get_reader_locale())


def format_count_change(value: Number | None) -> str:
    """Return by how many a number has changed, with its sign: +11, −11, 0."""
    if not value:
        return format_count(value)
    return numbers.format_decimal(value, format="+#,##0;−#,##0", locale=get_reader_locale())


def format_factor(change: float) -> str:
    """Return a relative change as a factor: 2.43 is 3.4."""
    factor = change + 1
    return numbers.format_decimal(factor, format="#,##0" if factor >= 10 else "#,##0.#", locale=get_reader_locale())


def format_day(value: date | None) -> str:
    """Return a day without its year: Nov 24, 11月24日."""
    return NO_VALUE if value is None else dates.format_skeleton("MMMd", value, locale=get_reader_locale())


def format_moment(value: datetime | None) -> str:
    """Return a day and time in the shop's time zone."""
    return NO_VALUE if value is None else date_format(localtime(value), "DATETIME_FORMAT")


def join_list(names: Iterable[object]) -> str:
    """Return names as a list in a sentence: many orders, order often; 订单多、下单频繁."""
    return pgettext("between names", ", ").join(map(str, names))


def join_alternatives(names: Iterable[object]) -> str:
    """Return names as alternatives in a sentence: at risk or dormant; 有流失风险或沉睡."""
    return lists.format_list([str(name) for name in names], style="or", locale=get_reader_locale())


def join_label(label: object, text: object) -> str:
    """Return a label and its text: Rating: 5; in Chinese with the colon of that language."""
    return gettext("%(label)s: %(text)s") % {"label": label, "text": text}


def join_sentences(sentences: Iterable[str]) -> str:
    """Return sentences as one text."""
    return get_sentence_space().join(filter(None, sentences))


def get_sentence_space() -> str:
    """Return what separates two sentences; in Chinese, nothing."""
    return "" if get_reader_locale().startswith("zh") else " "


def format_age(value: datetime | None, *, as_of: datetime) -> str:
    """Return the age of a time in words: 3 days ago."""
    if value is None:
        return NO_VALUE
    return dates.format_timedelta(value - as_of, add_direction=True, locale=get_reader_locale())


def format_duration(seconds: float) -> str:
    """Return a duration in words: 12 seconds, 3 minutes; exact if it is a number of whole hours or days."""
    whole = round(seconds)
    unit: Literal["day", "hour", "minute"] | None = None
    if whole and whole % 86_400 == 0:
        unit = "day"
    elif whole and whole % 3_600 == 0:
        unit = "hour"
    elif 0 < whole < 7_200 and whole % 60 == 0:
        unit = "minute"
    duration, locale = timedelta(seconds=whole), get_reader_locale()
    if unit is None:
        return dates.format_timedelta(duration, threshold=1.5, locale=locale)
    # no larger unit than this one
    return dates.format_timedelta(duration, granularity=unit, threshold=math.inf, locale=locale)


def format_full_day(value: date | None) -> str:
    """Return a day with its year: Nov 24, 2026, 2026年11月24日."""
    return NO_VALUE if value is None else dates.format_skeleton("yMMMd", value, locale=get_reader_locale())
