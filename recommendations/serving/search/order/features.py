"""What decided the order of a page, stored with its impression, so that later clicks are evaluated with the scores of that time.

The numbers are those of the default exponents: a factor raised to the exponent 0 of an experiment's variant could not be restored.
"""

from recommendations.serving.search.request import SearchSort
from recommendations.serving.search.search import SearchPage

N_EXPONENTS = (
    2  # of popularity and personal, at the beginning: 1; in older impressions, the exponents of the stored factors
)
VALUES_PER_PRODUCT = 4  # group, score, popularity factor, personal factor
PINNED = -1.0


def list_order_features(page: SearchPage) -> list[float] | None:
    """Return the exponents and VALUES_PER_PRODUCT numbers of each product; None if the page was not ordered by words and one pair of weights."""
    request = page.request
    if (
        page.teams
        or not request.q
        or page.fallback is not None
        or request.sort != SearchSort.RELEVANCE
        or len(page.hits) < 2
    ):
        return None
    order = page.snapshot.order
    features = [1.0] * N_EXPONENTS
    for hit in page.hits:
        score = hit.score * hit.popularity ** (1 - order.popularity) * hit.personal ** (1 - order.personal)
        features += (PINNED if hit.pinned else hit.group, score, hit.popularity, hit.personal)
    return features
