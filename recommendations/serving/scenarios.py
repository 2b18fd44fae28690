"""The places of a shop in which products are recommended, and how each scores them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recommendations.engine import Histories
from recommendations.engine.algorithms.content import Content
from recommendations.engine.algorithms.item_knn import ItemKNN
from recommendations.engine.algorithms.popularity import Popularity
from recommendations.engine.cold_start import Arrivals
from recommendations.serving.model import ServingModel

FOR_YOU, SIMILAR, POPULAR = "for-you", "similar", "popular"
SCENARIOS = (FOR_YOU, SIMILAR, POPULAR)
COLD_START = "cold-start"  # a strategy of for-you

# An alternative is alike in what it is first, and in who buys it second; not learnt yet, because clicks on it are not known yet.
SIMILAR_BY_CONTENT, SIMILAR_BY_BUYERS = 0.6, 0.4


@dataclass(frozen=True, eq=False)
class Candidates:
    """A score for each item of the model (-inf: not a candidate) and the strategy that gave it."""

    scores: npt.NDArray[np.float32]
    strategy: str


def score_for_you(*, model: ServingModel, history: Histories) -> Candidates:
    """The blend of the model over one person's history."""
    scores = np.asarray(model.blend_for(history).score(history), np.float32)[0]
    if model.exclude_seen:
        scores = scores.copy()
        scores[history.seen(model.seen_kinds).indices] = -np.inf
    return Candidates(scores, model.algorithm)


def score_cold_start(*, model: ServingModel, arrival: Arrivals) -> Candidates:
    """By what is known of somebody without a history; logarithms of chances."""
    assert model.newcomers is not None
    return Candidates(model.newcomers.model.score(arrival)[0], COLD_START)


type Scores = npt.NDArray[np.float32]


def score_similar_parts(*, model: ServingModel, row: int) -> tuple[Scores, Scores]:
    """What content and what buyers give to each item beside the product ``row``, each scaled to its share at most."""
    by_content = np.zeros(len(model.items), np.float32)
    by_buyers = np.zeros(len(model.items), np.float32)
    for component in model.blend.components_.values():
        if isinstance(component, Content | ItemKNN):
            items, values = component.similar(row)
            target, share = (
                (by_content, SIMILAR_BY_CONTENT) if isinstance(component, Content) else (by_buyers, SIMILAR_BY_BUYERS)
            )
            if len(values) and values.max() > 0:
                target[items] = np.float32(share) * values / values.max()
    return by_content, by_buyers


def score_similar(*, model: ServingModel, rows: Sequence[int]) -> Candidates:
    """Products alike in content and in buyers to the given ones on average; the given ones are left out."""
    scores = np.zeros(len(model.items), np.float32)
    for row in rows:
        by_content, by_buyers = score_similar_parts(model=model, row=row)
        scores += (by_content + by_buyers) / len(rows)
    scores[scores <= 0] = -np.inf
    scores[list(rows)] = -np.inf
    return Candidates(scores, SIMILAR)


def score_popular(*, model: ServingModel) -> Candidates:
    """Most bought, the recent counting more."""
    popularity = next(part for part in model.blend.components_.values() if isinstance(part, Popularity))
    empty = Histories.of_lists([[]], n_items=len(model.items), as_of=model.as_of)
    return Candidates(np.asarray(popularity.score(empty), np.float32)[0], POPULAR)
