"""The distribution of stars in a period, and their mean per week."""

import math
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Count, Q
from django.db.models.functions import TruncWeek
from django.utils.timezone import get_current_timezone, localdate
from scipy.special import stdtrit

from config.foundation.backoffice.date_range import DayRange
from config.foundation.statistics import ConfidenceInterval
from customers.feedback.models import Review
from customers.feedback.reviews import STARS


@dataclass(frozen=True)
class Ratings:
    """Reviews per number of stars, 1 to 5, hidden ones included.

    contradicting: reviews whose text contradicts their stars. unanswered: with 1–2★ and without a reply.
    """

    stars: tuple[int, ...]
    contradicting: int = 0
    unanswered: int = 0

    @property
    def count(self) -> int:
        return sum(self.stars)

    @property
    def low(self) -> int:
        """The reviews with 1–2★."""
        return self.stars[0] + self.stars[1]

    @property
    def average(self) -> float | None:
        return sum(star * count for star, count in enumerate(self.stars, start=1)) / self.count if self.count else None

    @property
    def interval(self) -> ConfidenceInterval | None:
        """The 95% interval of the mean; None below two reviews.

        m' ± t · s' / √n' of the reviews and one more, half of it with 1★ and half with 5★: a few reviews with the same stars do not
        show that there are no others. It is stretched to hold the mean, and cut at 1 and 5.
        """
        value = self.average
        if self.count < 2 or value is None:
            return None
        counts = [self.stars[0] + 0.5, *self.stars[1:-1], self.stars[-1] + 0.5]
        n = self.count + 1
        center = sum(star * count for star, count in enumerate(counts, start=1)) / n
        squares = sum(count * (star - center) ** 2 for star, count in enumerate(counts, start=1))
        margin = float(stdtrit(n - 1, 0.975)) * math.sqrt(squares / (n - 1) / n)
        return ConfidenceInterval(value, max(min(center - margin, value), 1.0), min(max(center + margin, value), 5.0))


@dataclass(frozen=True)
class WeekRatings:
    """The reviews of a week, which starts on its Monday."""

    week: date
    count: int
    average: float
    low: int


def measure_ratings(period: DayRange, condition: Q | None = None) -> Ratings:
    """Return the ratings of the reviews that were written in a period."""
    reviews = Review.objects.filter(
        condition or Q(), written_at__gte=period.start, written_at__lt=period.end
    ).order_by()
    counts = dict.fromkeys(STARS, 0)
    contradicting = unanswered = 0
    rows = reviews.values_list("rating").annotate(
        count=Count("*"),
        contradicting=Count("pk", filter=Q(contradicts=True)),
        unanswered=Count("pk", filter=Q(rating__lte=2, reply="")),
    )
    for rating, count, against, waiting in rows:
        counts[rating] = count
        contradicting += against
        unanswered += waiting
    return Ratings(tuple(counts.values()), contradicting, unanswered)


def list_weeks(period: DayRange) -> list[WeekRatings]:
    """Return the ratings of each complete week of a period; weeks without reviews are left out."""
    first = period.first + timedelta(days=-period.first.weekday() % 7)
    rows = (
        Review.objects.filter(written_at__gte=period.start, written_at__lt=period.end)
        .annotate(week=TruncWeek("written_at", tzinfo=get_current_timezone()))
        .order_by("week")
        .values_list("week", "rating")
        .annotate(count=Count("*"))
    )
    weeks: dict[date, dict[int, int]] = {}
    for week, rating, count in rows:
        weeks.setdefault(localdate(week), {})[rating] = count
    last = period.last - timedelta(days=6)
    return [
        WeekRatings(
            week,
            sum(stars.values()),
            sum(star * count for star, count in stars.items()) / sum(stars.values()),
            sum(count for star, count in stars.items() if star <= 2),
        )
        for week, stars in weeks.items()
        if first <= week <= last
    ]
