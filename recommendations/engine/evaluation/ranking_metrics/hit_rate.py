"""Hit rate at n."""

from recommendations.engine.evaluation.ranking_metrics.hits import Counts, Hits, PerPerson, per_person


def hit_rate(hits: Hits, relevant: Counts) -> PerPerson:
    """HR@n = 1 if any of the first n products was relevant, else 0.

    Source: Deshpande & Karypis, TOIS 2004, 5.1. With one relevant product it equals recall. NaN when nothing was relevant.
    """
    return per_person(hits.any(axis=1), relevant)
