"""The names of periods."""

from datetime import date

from babel import dates
from django.utils.translation import gettext as _

from config.foundation.number_formats import format_full_day, get_reader_locale
from customers.analytics.expressions.periods import PeriodUnit

INCOMPLETE = "*"


def label_period(start: date, unit: PeriodUnit) -> str:
    """Return the name of a period: Nov 2026, Q4 2026, Nov 23, 2026, or the week from that day."""
    if unit == PeriodUnit.DAY:
        return format_full_day(start)
    if unit == PeriodUnit.WEEK:
        return _("week of %(day)s") % {"day": format_full_day(start)}
    skeleton = "yMMM" if unit == PeriodUnit.MONTH else "yQQQ"
    return dates.format_skeleton(skeleton, start, locale=get_reader_locale())


def label_short(start: date, unit: PeriodUnit, *, is_complete: bool) -> str:
    """Return the name of a period for an axis or a table; an incomplete one has an asterisk."""
    label = format_full_day(start) if unit == PeriodUnit.WEEK else label_period(start, unit)
    return label if is_complete else label + INCOMPLETE
