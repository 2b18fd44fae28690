"""Cleaners that all feedback shares: a score in a range, and a time that is not in the future."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from catalog.field_cleaning import InvalidValueError, clean_integer, clean_moment

# allowed clock skew
CLOCK_TOLERANCE = timedelta(minutes=5)
MAX_TEXT_LENGTH = 20_000


def clean_score(value: Any, low: int, high: int) -> int | None:
    """Return a whole number in a range."""
    score = clean_integer(value)
    if score is not None and not low <= score <= high:
        raise InvalidValueError(
            "out_of_range",
            _("%(value)d is not between %(low)d and %(high)d.") % {"value": score, "low": low, "high": high},
        )
    return score


def make_past_time_cleaner(received_at: datetime) -> Callable[[Any], datetime | None]:
    """Return a cleaner that rejects times after ``received_at``."""

    def clean(value: Any) -> datetime | None:
        moment = clean_moment(value)
        if moment is not None and moment > received_at + CLOCK_TOLERANCE:
            raise InvalidValueError("in_the_future", _("%(value)s is in the future.") % {"value": moment.isoformat()})
        return moment

    return clean
