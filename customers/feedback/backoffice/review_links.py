"""Links to the list of reviews."""

from urllib.parse import urlencode

from django.urls import reverse

from config.foundation.backoffice.date_range import DayRange


def make_reviews_url(period: DayRange | None = None, **filters: object) -> str:
    """Return the list of reviews with filters, such as rating__exact or q, and of a period."""
    values = {name: str(value) for name, value in filters.items() if value not in (None, "")}
    if period is not None:
        values |= {"written_at__gte": period.start.isoformat(), "written_at__lt": period.end.isoformat()}
    return f"{reverse('admin:feedback_review_changelist')}?{urlencode(values)}"
