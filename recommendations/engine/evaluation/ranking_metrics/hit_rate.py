"""Hit rate at n."""

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerUser, divide_per_user


def hit_rate(hits: Hits, relevant: Counts) -> PerUser:
    """Return HR@n = 1 if any of the first n products was relevant, else 0.

    With one relevant product it equals recall. NaN when nothing was relevant. Source: Deshpande & Karypis, TOIS 2004, 5.1.
    """
    return divide_per_user(hits.any(axis=1), relevant)
