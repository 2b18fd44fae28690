"""Finds the phrases that distinguish a group of texts from others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats
from customers.feedback.phrases.extraction import is_part

MIN_TEXTS = 2
MIN_Z = 1.64  # one-sided 5 %
SAME_SHARE = 0.7  # a part that occurs hardly more often than the longer phrase says nothing of its own
MAX_CANDIDATES = 400


@dataclass(frozen=True)
class DistinctivePhrase:
    """A phrase, in how many texts of the group and of the others it occurs, and its z-score."""

    text: str
    texts: int
    other_texts: int
    z: float


def compute_log_odds(counts: Floats, others: Floats, prior: Floats) -> Floats:
    """Return the z-score of the difference in log odds of each phrase between two groups, shape (n,).

    δ = ln((y+α) / (n+α₀−y−α)) − ln((y′+α) / (n′+α₀−y′−α)), σ² = 1/(y+α) + 1/(y′+α), z = δ/σ, with the counts y and y′, their sums n and
    n′, and the informative Dirichlet prior α with the sum α₀. Source: Monroe, Colaresi & Quinn, Fightin' Words, Political Analysis
    2008, equations 16, 20 and 22. All α must be above 0.
    """
    if np.any(prior <= 0):
        raise ValueError("every prior count must be above 0")
    size, other_size, prior_size = counts.sum(), others.sum(), prior.sum()
    with_prior, others_with_prior = counts + prior, others + prior
    difference = np.log(with_prior / (size + prior_size - with_prior)) - np.log(
        others_with_prior / (other_size + prior_size - others_with_prior)
    )
    return difference / np.sqrt(1 / with_prior + 1 / others_with_prior)


def rank_phrases(group: Counter[str], everything: Counter[str], *, limit: int) -> list[DistinctivePhrase]:
    """Return the most distinctive phrases of a group, the highest z first.

    The prior has the shares of the phrases in all texts, so that rare phrases need more evidence, and the size of the smaller group.

    Args:
        group, everything: in how many texts of the group, and of all texts with the group, each phrase occurs.
    """
    phrases = sorted(phrase for phrase, count in everything.items() if count >= MIN_TEXTS)
    if not phrases or not group:
        return []
    counts = np.array([group.get(phrase, 0) for phrase in phrases], np.float64)
    total = np.array([everything[phrase] for phrase in phrases], np.float64)
    prior_size = max(min(counts.sum(), (total - counts).sum()), 1.0)
    z = compute_log_odds(counts, total - counts, prior_size * total / total.sum())
    order = [
        row for row in np.argsort(-z, kind="stable")[:MAX_CANDIDATES] if z[row] >= MIN_Z and counts[row] >= MIN_TEXTS
    ]
    candidates = [
        DistinctivePhrase(phrases[row], int(counts[row]), int(total[row] - counts[row]), float(z[row])) for row in order
    ]
    return remove_overlapping(candidates)[:limit]


def remove_overlapping(candidates: Sequence[DistinctivePhrase]) -> list[DistinctivePhrase]:
    """Return phrases without parts of longer ones that are as frequent, and without longer ones that are rarer and less distinctive."""
    kept: list[DistinctivePhrase] = []
    for phrase in candidates:
        longer = [other for other in candidates if is_part(phrase.text, other.text)]
        if any(other.texts >= SAME_SHARE * phrase.texts for other in longer):
            continue
        if any(is_part(other.text, phrase.text) or overlap(other.text, phrase.text) for other in kept):
            continue
        kept.append(phrase)
    return kept


def overlap(first: str, second: str) -> bool:
    """Return whether two Chinese phrases are shifted cuts of the same words, such as 包装已经 and 装已经破."""
    if first.isascii() or second.isascii():
        return False
    half = max(2, min(len(first), len(second)) // 2 + 1)
    return first[-half:] == second[:half] or second[-half:] == first[:half]
