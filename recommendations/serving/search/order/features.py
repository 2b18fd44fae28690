"""What decided the order of a page, stored with its impression, so that later clicks are evaluated with the scores of that time."""

from recommendations.serving.search.request import SearchSort
from recommendations.serving.search.search import SearchPage

N_EXPONENTS = 2  # of popularity and personal, at the beginning
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
    features = [order.popularity, order.personal]
    for hit in page.hits:
        features += (PINNED if hit.pinned else hit.group, hit.score, hit.popularity, hit.personal)
    return features
