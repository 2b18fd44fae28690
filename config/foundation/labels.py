"""What every room needs to write for readers of the active language."""

from datetime import datetime

from babel import dates
from django.utils.translation import get_language


def get_reader_locale() -> str:
    """Babel's name of the active language."""
    return "zh_Hans" if (get_language() or "").startswith("zh") else "en"


def format_age(moment: datetime, *, as_of: datetime) -> str:
    """How long ago, in words."""
    return dates.format_timedelta(moment - as_of, add_direction=True, locale=get_reader_locale())
