"""F1 at n."""

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerUser, divide_per_user


def f1(hits: Hits, relevant: Counts) -> PerUser:
    """Return F1@n = 2 P R / (P + R) = 2 |relevant ∩ first n| / (n + |relevant|) per user; 0 without a hit.

    The mean over users is not the F1 of mean precision and mean recall. NaN when nothing was relevant. Source: van Rijsbergen,
    Information Retrieval, 1979, chapter 7.
    """
    return divide_per_user(2.0 * hits.sum(axis=1) / (hits.shape[1] + relevant), relevant)
