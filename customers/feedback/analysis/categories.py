"""Categories by the ratings of their products, the worst first, with what their bad reviews are about."""

from dataclasses import dataclass, replace

from config.foundation.backoffice.date_range import DayRange
from customers.feedback.analysis.products import WORST_REVIEWED, explain_ratings, list_bad_reviews, read_worst
from customers.feedback.analysis.topics import count_phrases
from customers.feedback.phrases.log_odds import DistinctivePhrase

MIN_CATEGORY_REVIEWS = 10
MAX_CATEGORIES = 50
BY_CATEGORY = "product__category_id"
CATEGORIES = WORST_REVIEWED.replace("LEFT JOIN catalog_category", "JOIN catalog_category").format(
    columns="c.id, c.path, count(DISTINCT p.id)", group="c.id"
)


@dataclass(frozen=True)
class RatedCategory:
    """A category with the reviews of its products of a period; those of its subcategories have rows of their own.

    Attributes:
        products: how many were reviewed. low, shrunk, reasons: see `RatedProduct`.
    """

    id: int
    path: str
    products: int
    count: int
    average: float
    low: int
    shrunk: float
    reasons: tuple[DistinctivePhrase, ...] = ()


def list_worst_categories(period: DayRange, *, limit: int = MAX_CATEGORIES) -> list[RatedCategory]:
    """Return the categories with at least ten reviews in a period, the worst first, with reasons."""
    rows = read_worst(CATEGORIES, period, least=MIN_CATEGORY_REVIEWS, limit=limit)
    bad = list_bad_reviews([row[0] for row in rows], period, by=BY_CATEGORY)
    everything = count_phrases(period)
    return [replace(RatedCategory(*row), reasons=explain_ratings(bad.get(row[0], []), everything)) for row in rows]
