"""Finds the phrases that distinguish a group of texts from others."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from config.foundation.array_types import Floats
from customers.feedback.phrases.extraction import complete_phrase, extract_phrases, is_part
from customers.feedback.sentiment.languages import Language

MIN_TEXTS = 2
MIN_Z = 1.64  # one-sided 5 %
SAME_SHARE = 0.7  # a part that occurs hardly more often than the longer phrase adds nothing
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


def rank_phrases(
    texts: Sequence[str], language: Language, everything: Mapping[str, int], *, limit: int
) -> list[DistinctivePhrase]:
    """Return the most distinctive phrases of a group of texts, the highest z first.

    The prior has the shares of the phrases in all texts, so that rare phrases need more evidence, and the size of the smaller group.

    Args:
        everything: in how many texts each phrase occurs, including those of the group.
    """
    documents = [extract_phrases(text, language) for text in texts]
    group = Counter(phrase for document in documents for phrase in document)
    phrases = sorted(phrase for phrase, count in everything.items() if count >= MIN_TEXTS)
    if not phrases or not group:
        return []
    counts = np.array([group.get(phrase, 0) for phrase in phrases], np.float64)
    total = np.maximum(np.array([everything[phrase] for phrase in phrases], np.float64), counts)
    prior_size = max(min(counts.sum(), (total - counts).sum()), 1.0)
    z = compute_log_odds(counts, total - counts, prior_size * total / total.sum())
    order = sorted(np.flatnonzero((z >= MIN_Z) & (counts >= MIN_TEXTS)), key=lambda row: (-z[row], -len(phrases[row])))
    candidates = [
        DistinctivePhrase(phrases[row], int(counts[row]), int(total[row] - counts[row]), float(z[row]))
        for row in order[:MAX_CANDIDATES]
    ]
    kept = remove_overlapping(candidates, documents, limit=limit)
    if language == Language.CHINESE:
        kept = [replace(phrase, text=complete_phrase(phrase.text, texts)) for phrase in kept]
    return kept


def remove_overlapping(
    candidates: Sequence[DistinctivePhrase], documents: Sequence[set[str]], *, limit: int
) -> list[DistinctivePhrase]:
    """Return the first phrases that occur in different texts, without parts of longer phrases that are nearly as frequent."""
    whole = list_whole_phrases(candidates)
    kept: list[DistinctivePhrase] = []
    kept_rows: list[set[int]] = []
    for phrase in candidates:
        if phrase not in whole:
            continue
        if any(is_part(other.text, phrase.text) for other in kept):
            continue
        rows = {row for row, document in enumerate(documents) if phrase.text in document}
        if any(len(rows & other) >= SAME_SHARE * len(rows | other) for other in kept_rows):
            continue
        kept.append(phrase)
        kept_rows.append(rows)
        if len(kept) == limit:
            break
    return kept


def list_whole_phrases(candidates: Sequence[DistinctivePhrase]) -> set[DistinctivePhrase]:
    """Return the phrases without parts of a longer one of them that is nearly as frequent.

    The longest come first: a phrase that is itself left out stands for no part, or a rare long one would replace a frequent short one.
    """
    whole: list[DistinctivePhrase] = []
    for phrase in sorted(candidates, key=lambda candidate: -len(candidate.text)):
        longer = (other for other in whole if is_part(phrase.text, other.text))
        if not any(other.texts >= SAME_SHARE * phrase.texts for other in longer):
            whole.append(phrase)
    return set(whole)
