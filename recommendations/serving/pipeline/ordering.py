"""Reordering: rotation (Plackett–Luce) and diversity (maximal marginal relevance)."""

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Flags, Floats, Rows
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.serving.state.product_index import ProductIndex

POOL_SIZE = 200  # only the best candidates are reordered, so that every page is cut from the same order
TEMPERATURE = 0.5
SOFTNESS = 4.0  # added to each place, so that the first products swap about as easily as those below them
SAME_CATEGORY, SAME_BRAND = 0.5, 0.3

type Values = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RandomOrder:
    """Candidates in the order that rotation drew.

    rows: (n,). log_weights: (n,), ln of the weight with which each is drawn. is_purchased: (n,), for a placement that holds back purchased
    products beyond max_purchased_share; None without such products.
    """

    rows: Rows
    log_weights: Floats
    is_purchased: Flags | None = None
    max_purchased_share: float = 1.0


def make_seed(*parts: object) -> int:
    """Return a 64-bit seed that depends on all the parts.

    The same parts give the same seed in every process.
    """
    return int.from_bytes(hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest())


def compute_log_weights(scores: Values, rotation: float) -> Floats:
    """Return ln of the weights with which `rotate` draws, shape (n,): −1/τ · ln(place + SOFTNESS), with τ = TEMPERATURE · rotation.

    place: 1 for the largest score; equal scores share the mean of their places. Only the order of the scores counts: sums of
    probabilities, counts and logarithms, which cold start has, are rotated alike. With 200 products, the first one stays first with
    a probability of .97, .83, .45 and .19 for rotation .1, .2, .5 and 1.
    """
    _values, group, counts = np.unique(-scores, return_inverse=True, return_counts=True)
    places = (np.cumsum(counts) - (counts - 1) / 2)[group]
    log_weights: Floats = -np.log(places + SOFTNESS) / (TEMPERATURE * rotation)
    return log_weights


def rotate(log_weights: Floats, *, seed: int) -> npt.NDArray[np.intp]:
    """Return a random order, shape (n,): by ln weight + Gumbel noise, largest first.

    This draws them one after another with probabilities in proportion to their weights (Plackett–Luce by the Gumbel trick, Yellott
    1977): products near each other in the list swap, but a much better one stays first.
    """
    noise = np.random.default_rng(seed).gumbel(size=len(log_weights))
    return np.argsort(-(log_weights + noise), kind="stable")


def diversify(
    rows: Rows, scores: Values, *, diversity: float, similarity: npt.NDArray[np.float32]
) -> npt.NDArray[np.intp]:
    """Return an order of the rows, shape (n,), that trades relevance for variety.

    Each step takes the row with the largest (1 − d) · score / max score − d · (largest similarity to a row selected before).
    similarity: shape (n, n), from 0 to 1. Source: maximal marginal relevance, Carbonell & Goldstein, SIGIR 1998. Logarithms of
    probabilities, which cold start has, count as the probabilities.
    """
    largest = float(scores.max())
    relative = np.exp(scores - largest) if scores.min() < 0 else scores / max(largest, 1e-12)
    relevance = (1.0 - diversity) * relative
    nearest = np.zeros(len(rows), np.float32)
    is_selected = np.zeros(len(rows), np.bool_)
    order = np.empty(len(rows), np.intp)
    for position in range(len(rows)):
        gain = np.where(is_selected, -np.inf, relevance - diversity * nearest)
        best = int(gain.argmax())
        order[position] = best
        is_selected[best] = True
        np.maximum(nearest, similarity[best], out=nearest)
    return order


def compute_similarity(
    rows: Rows, *, products: ProductIndex, blend: WeightedEnsemble | None
) -> npt.NDArray[np.float32]:
    """Return how similar products are, shape (n, n), from 0 to 1.

    The content model's cosine where it knows both products, at least 0.5 for the same category plus 0.3 for the same brand.
    """
    category, brand = products.category[rows], products.brand[rows]
    similarity = np.float32(SAME_CATEGORY) * ((category[:, None] == category) & (category >= 0))
    similarity = similarity + np.float32(SAME_BRAND) * ((brand[:, None] == brand) & (brand >= 0))
    components = blend.components_.values() if blend is not None else ()
    content = next((component for component in components if isinstance(component, Content)), None)
    if content is not None:
        known = np.flatnonzero(rows < len(content.document_))
        vectors = content.vectors_[content.document_[rows[known]], :]
        cosines = (vectors @ vectors.T).toarray().astype(np.float32)
        pairs = np.ix_(known, known)
        similarity[pairs] = np.maximum(similarity[pairs], cosines)
    return similarity.astype(np.float32)
