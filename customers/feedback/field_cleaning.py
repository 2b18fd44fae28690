"""What all feedback has in common: a score in a range, and a moment that is not in the future."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from catalog.field_cleaning import WrongValueError, clean_integer, clean_moment

# clocks differ a little
TOLERANCE = timedelta(minutes=5)
MAX_WORDS = 20_000


def clean_score(value: Any, low: int, high: int) -> int | None:
    score = clean_integer(value)
    if score is not None and not low <= score <= high:
        raise WrongValueError(
            "out_of_range", _("%(value)d is outside %(low)d to %(high)d.") % {"value": score, "low": low, "high": high}
        )
    return score


def past_moment(received_at: datetime) -> Callable[[Any], datetime | None]:
    """A cleaner of times that refuses what lies after ``received_at``."""

    def clean(value: Any) -> datetime | None:
        moment = clean_moment(value)
        if moment is not None and moment > received_at + TOLERANCE:
            raise WrongValueError("in_the_future", _("%(value)s is in the future.") % {"value": moment.isoformat()})
        return moment

    return clean
