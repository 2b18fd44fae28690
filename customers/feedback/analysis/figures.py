"""The figures of pages and REST, cached for some minutes if they take long; see `config.foundation.slow_figures`."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q
from django.utils import timezone

from config.foundation.backoffice.date_range import DAY, DayRange
from config.foundation.slow_figures import get_figures
from customers.feedback.analysis.categories import RatedCategory, list_worst_categories
from customers.feedback.analysis.products import RatedProduct, explain_ratings, list_bad_reviews, list_worst_products
from customers.feedback.analysis.ratings import Ratings, WeekRatings, list_weeks, measure_ratings
from customers.feedback.analysis.repeat_orders import RepeatOrderEffect, measure_repeat_orders
from customers.feedback.analysis.satisfaction import Satisfaction, measure_satisfaction
from customers.feedback.analysis.topics import count_phrases, list_topics
from customers.feedback.phrases.log_odds import DistinctivePhrase

TREND_DAYS = 26 * 7
N_EXAMPLES = 10


@dataclass(frozen=True)
class FeedbackFigures:
    """What the overview shows of a period. complaints, praise: phrases of reviews with 1–2★ and with 5★."""

    as_of: datetime
    ratings: Ratings
    satisfaction: Satisfaction
    weeks: list[WeekRatings]
    complaints: list[DistinctivePhrase]
    praise: list[DistinctivePhrase]
    effect: RepeatOrderEffect


@dataclass(frozen=True)
class WorstProductFigures:
    """The worst-reviewed products of a period."""

    as_of: datetime
    products: list[RatedProduct]


@dataclass(frozen=True)
class WorstCategoryFigures:
    """The worst-reviewed categories of a period."""

    as_of: datetime
    categories: list[RatedCategory]


@dataclass(frozen=True)
class RatedGroupFigures:
    """What customers write about one product or category. examples: IDs of its latest bad reviews."""

    as_of: datetime
    ratings: Ratings
    complaints: tuple[DistinctivePhrase, ...]
    praise: list[DistinctivePhrase]
    examples: tuple[int, ...]


def get_feedback_figures(period: DayRange) -> FeedbackFigures:
    """Return the figures of the overview; the trend goes back half a year at least."""
    trend = DayRange(min(period.first, period.last - DAY * (TREND_DAYS - 1)), period.last)

    def count() -> FeedbackFigures:
        now, everything = timezone.now(), count_phrases(period)
        return FeedbackFigures(
            as_of=now,
            ratings=measure_ratings(period),
            satisfaction=measure_satisfaction(period),
            weeks=list_weeks(trend),
            complaints=list_topics(period, Q(rating__lte=2), everything),
            praise=list_topics(period, Q(rating=5), everything),
            effect=measure_repeat_orders(as_of=now),
        )

    return get_figures(f"feedback:{period.first}:{period.last}", FeedbackFigures, count)


def get_product_figures(period: DayRange) -> WorstProductFigures:
    """Return the worst-reviewed products."""
    return get_figures(
        f"feedback.products:{period.first}:{period.last}",
        WorstProductFigures,
        lambda: WorstProductFigures(timezone.now(), list_worst_products(period)),
    )


def get_category_figures(period: DayRange) -> WorstCategoryFigures:
    """Return the worst-reviewed categories."""
    return get_figures(
        f"feedback.categories:{period.first}:{period.last}",
        WorstCategoryFigures,
        lambda: WorstCategoryFigures(timezone.now(), list_worst_categories(period)),
    )


def get_group_figures(period: DayRange, *, by: str, pk: int) -> RatedGroupFigures:
    """Return the figures of one product or category. by: the lookup from a review to its key, as of `list_bad_reviews`."""

    def count() -> RatedGroupFigures:
        now, everything = timezone.now(), count_phrases(period)
        group = Q(**{by: pk})
        bad = list_bad_reviews([pk], period, by=by).get(pk, [])
        return RatedGroupFigures(
            as_of=now,
            ratings=measure_ratings(period, group),
            complaints=explain_ratings(bad, everything, limit=N_EXAMPLES),
            praise=list_topics(period, group & Q(rating__gte=4), everything, limit=N_EXAMPLES),
            examples=tuple(review_id for review_id, _text in bad[:N_EXAMPLES]),
        )

    return get_figures(f"feedback.{by}:{pk}:{period.first}:{period.last}", RatedGroupFigures, count)
