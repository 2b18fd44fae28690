"""Score one placement for a block of customers, with the same ensembles as requests."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.algorithms.repeat.due_purchases import find_due_purchases
from recommendations.engine.cold_start import NewVisitors
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.placements import BUY_AGAIN, FOR_YOU, NEW
from recommendations.serving.batch.customer_blocks import BlockState, select_histories
from recommendations.serving.pipeline.context import COLD_START
from recommendations.serving.pipeline.scoring import score_by_rank
from recommendations.serving.state.compiled_blends import select_components, select_placement_blend
from recommendations.serving.state.loader import ServingState
from recommendations.serving.state.model import PURCHASE, ServingModel

type Values = npt.NDArray[np.float32]


class PlacementScores(NamedTuple):
    """Scores of some customers.

    strategy: as in a response. rows: the customers in their block. scores: (customers, items).
    """

    strategy: str
    rows: npt.NDArray[np.int64]
    scores: Values | csr_array


class PlacementScorer:
    """Scores placements; keeps the scores that are the same for all customers."""

    def __init__(self, state: ServingState, model: ServingModel) -> None:
        self.state, self.model = state, model
        self.n_items = len(model.items)
        self._static_scores: dict[str, Values] = {}
        self._blends: dict[str, WeightedEnsemble | None] = {}

    def score(self, placement: str, block: BlockState, rows: npt.NDArray[np.int64]) -> list[PlacementScores]:
        """Return the scores of those customers among ``rows`` that the placement has scores for."""
        lengths = np.diff(block.histories.indptr)
        with_history = rows[lengths[rows] > 0]
        if placement == FOR_YOU:
            without_history = rows[lengths[rows] == 0]
            return [*self._score_for_you(block, with_history), *self._score_cold_start(block, without_history)]
        if placement == BUY_AGAIN:
            return self._score_buy_again(block, with_history)
        scores = self.score_static(placement)
        return [PlacementScores(placement, rows, np.tile(scores, (len(rows), 1)))] if scores is not None else []

    def count_columns(self, placement: str) -> int:
        """Return the number of products that a placement scores: only new ones need no model, which lacks those since the training."""
        return self.state.products.n if placement == NEW else self.n_items

    def score_static(self, placement: str) -> Values | None:
        """Return scores that are the same for all customers.

        None if the model has none for the placement.
        """
        if placement not in self._static_scores:
            scores = np.full(self.count_columns(placement), -np.inf, np.float32)
            if placement == NEW:
                newest = self.state.products.get_newest_rows()
                scores[newest] = score_by_rank(len(newest))
            elif (blend := self._get_blend(placement)) is not None:
                blend_scores = blend.score(self.model.build_product_history(np.empty(0, np.int32)))
                dense = blend_scores.toarray() if isinstance(blend_scores, csr_array) else blend_scores
                scores = dense[0].astype(np.float32)
            self._static_scores[placement] = scores
        scores = self._static_scores[placement]
        return scores if np.isfinite(scores).any() else None

    def _score_for_you(self, block: BlockState, rows: npt.NDArray[np.int64]) -> list[PlacementScores]:
        """Score with the weighted ensemble, as a request does.

        A customer without a purchase whose only scores come from popularity gets the scores of the ensemble for visits.
        """
        blend, visit = self._get_blend(FOR_YOU), self.model.visit_blend
        if blend is None:
            return []
        is_unscored = np.zeros(len(rows), np.bool_)
        has_purchase = np.diff(block.histories.get_seen_items([PURCHASE]).indptr) > 0
        is_guest = ~has_purchase[rows]
        if visit is not None and is_guest.any():
            personal = remove_popularity(blend)
            if personal is None:
                is_unscored[is_guest] = True
            else:
                scores = personal.score(select_histories(block.histories, rows[is_guest]))
                is_unscored[is_guest] = compute_row_maxima(scores) <= 0
        groups: list[tuple[WeightedEnsemble, npt.NDArray[np.int64]]] = [(blend, rows[~is_unscored])]
        if visit is not None:
            groups.append((visit, rows[is_unscored]))
        return [
            PlacementScores(self.model.algorithm, group, ensemble.score(select_histories(block.histories, group)))
            for ensemble, group in groups
            if len(group)
        ]

    def _score_cold_start(self, block: BlockState, rows: npt.NDArray[np.int64]) -> list[PlacementScores]:
        """Score customers without a history by their traits.

        Skip those whose traits change no score or who opted out.
        """
        cold_start = self.model.cold_start
        rows = rows[~block.opted_out[rows]]
        if cold_start is None or not len(rows):
            return []
        names = block.customers.list_names_by_customer()
        codes = [sorted(set(cold_start.find_trait_codes(names[row]))) for row in rows.tolist()]
        indptr = np.concatenate([[0], np.cumsum([len(customer_codes) for customer_codes in codes])])
        flat = np.array([code for customer_codes in codes for code in customer_codes], np.int32)
        has = make_csr(np.ones(len(flat)), flat, indptr, (len(rows), len(cold_start.model.lifts_.values_)))
        arrivals = NewVisitors(has, cold_start.model.landings_.find_rows([""] * len(rows)))
        is_personalized = cold_start.model.is_personalized(arrivals)
        if not is_personalized.any():
            return []
        personalized = NewVisitors(arrivals.has[is_personalized], arrivals.landing[is_personalized])
        return [PlacementScores(COLD_START, rows[is_personalized], cold_start.model.score(personalized))]

    def _score_buy_again(self, block: BlockState, rows: npt.NDArray[np.int64]) -> list[PlacementScores]:
        """Score only products that the customer bought before, that may be due again and that have a positive score."""
        blend = self._get_blend(BUY_AGAIN)
        if blend is None or not len(rows):
            return []
        histories = select_histories(block.histories, rows)
        due = find_due_purchases(histories, self.model.product_rhythms)
        purchases = due.build_matrix(len(histories), histories.n_items)
        scores = blend.score(histories)
        # replace the entries of the matrix by their scores: no other product gets one
        customers = np.repeat(np.arange(len(rows)), np.diff(purchases.indptr))
        purchases.data = np.asarray(scores[customers, purchases.indices], np.float32).ravel()
        purchases.data[~(purchases.data > 0)] = -np.inf
        return [PlacementScores(BUY_AGAIN, rows, purchases)]

    def _get_blend(self, placement: str) -> WeightedEnsemble | None:
        if placement not in self._blends:
            self._blends[placement] = select_placement_blend(
                placement, model=self.model, placements=self.state.placements
            )
        return self._blends[placement]


def remove_popularity(blend: WeightedEnsemble) -> WeightedEnsemble | None:
    """Return the ensemble without the components that are the same for all customers.

    None if nothing is left.
    """
    shares = {
        name: share
        for name, share in blend.compute_shares().items()
        if not isinstance(blend.components_[name], Popularity)
    }
    return select_components(blend, shares)


def compute_row_maxima(scores: Values | csr_array) -> Values:
    """Return the largest score of each row; -inf for a row without scores."""
    dense = scores.toarray() if isinstance(scores, csr_array) else scores
    return np.asarray(dense.max(axis=1, initial=-np.inf), np.float32)
