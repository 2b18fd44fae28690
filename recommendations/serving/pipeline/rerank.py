"""From the best candidates to the order that is shown: rotation and diversity."""

import hashlib

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import Rows
from recommendations.engine.algorithms.content.content import Content
from recommendations.engine.algorithms.ensembles.weighted_ensemble import Blend
from recommendations.serving.state.product_index import Catalogue

POOL = 200  # only the best so many change places, so that every page is cut out of the same order
TEMPERATURE = 0.5
SAME_CATEGORY, SAME_BRAND = 0.5, 0.3


type Values = npt.NDArray[np.float32]


def seed_of(*parts: object) -> int:
    return int.from_bytes(hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest())


def rotated(values: Values, *, rotation: float, seed: int) -> npt.NDArray[np.intp]:
    """Places of the values in another order: of ln value + τ · Gumbel noise, the largest first.

    That draws them one after the other with chances in proportion to value^(1/τ) (Plackett–Luce by the Gumbel trick, Yellott 1977),
    τ = TEMPERATURE · rotation: products of nearly the same score change places, a much better one stays in front.
    """
    noise = np.random.default_rng(seed).gumbel(size=len(values))
    keys = np.log(np.maximum(values, np.float32(1e-12))) + TEMPERATURE * rotation * noise
    return np.argsort(-keys, kind="stable")


def diversified(
    rows: Rows, values: Values, *, diversity: float, likeness: npt.NDArray[np.float32]
) -> npt.NDArray[np.intp]:
    """Places of rows in another order: the next is the one with the largest (1 − d) · value / max − d · likeness to those before.

    likeness: (rows, rows), from 0 to 1. Source: maximal marginal relevance, Carbonell & Goldstein, SIGIR 1998.
    """
    relevance = (1.0 - diversity) * values / max(float(values.max()), 1e-12)
    nearest = np.zeros(len(rows), np.float32)
    taken = np.zeros(len(rows), np.bool_)
    order = np.empty(len(rows), np.intp)
    for place in range(len(rows)):
        worth = np.where(taken, -np.inf, relevance - diversity * nearest)
        chosen = int(worth.argmax())
        order[place] = chosen
        taken[chosen] = True
        np.maximum(nearest, likeness[chosen], out=nearest)
    return order


def likeness_of(rows: Rows, *, catalogue: Catalogue, blend: Blend | None) -> npt.NDArray[np.float32]:
    """How alike products are: by content where the model knows it, else by category and brand."""
    category, brand = catalogue.category[rows], catalogue.brand[rows]
    alike = np.float32(SAME_CATEGORY) * ((category[:, None] == category) & (category >= 0))
    alike = alike + np.float32(SAME_BRAND) * ((brand[:, None] == brand) & (brand >= 0))
    parts = blend.components_.values() if blend is not None else ()
    content = next((part for part in parts if isinstance(part, Content)), None)
    if content is not None:
        known = np.flatnonzero(rows < len(content.document_))
        vectors = content.vectors_[content.document_[rows[known]], :]
        cosines = (vectors @ vectors.T).toarray().astype(np.float32)
        alike[np.ix_(known, known)] = np.maximum(alike[np.ix_(known, known)], cosines)
    return alike.astype(np.float32)
