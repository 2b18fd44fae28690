"""The recommender's mathematics: NumPy, SciPy and Numba; no Django, no SQL, no files.

Input: data/
    IdMap                       external ids (text) ↔ row numbers; -1 for unknown ids
    Interactions                user, item, time, weight and kind of each event; from_ids(…), from_rows(…), before(time), after(time)
    Products                    texts, categories and vectors of the items, in the order of their rows
    Histories                   the past of n users to recommend from; of_lists(…), of_matrix(csr), build_matrix(half_life_days=), get_seen_items()
    EventWeights                weights of views, carts and purchases, and their decay

Training: algorithms/, ratings/, tuning/
    ALGORITHMS                  name → class; each has fit(interactions, products), score(histories), attribute(history, items),
                                explain(history, item), to_arrays() and from_arrays(arrays, saved), and a spec (algorithms/spec.py)
    restore(arrays, saved)      the fitted algorithm of saved arrays; memory-mapped arrays stay memory-mapped
    Contribution                (source, item, value): part of a score; item -1: due to no single item
    WeightedEnsemble            algorithms/ensembles/; its weights by choose_weights: tuning/ensemble_weights.py
    EventTypeEnsemble           any algorithm with event weights; the weights by choose_event_weights: data/event_weights.py
    search_parameters           coordinate search within a time budget → SearchResult: tuning/parameter_search.py
    RatingAlgorithm             predicts star ratings: ratings/

Kernels (compiled by Numba) are in the `kernels.py` or `*_kernels.py` next to the algorithms that use them. The first call after an
installation compiles for some seconds and caches the result on disk. Read-only (memory-mapped) arrays are compiled for separately, so
score and explain once before serving.

Output
    recommend(algorithm, histories, n, exclude_seen=, allowed=, tie_seed=) → Ranking(items, scores), -1 / -inf where short
    select_top_n(scores, n, exclude=, allowed=, tie_seed=)
    online/                     OnlineEnsemble scores one history at a time for a storefront, with the main cause of each score
    cold_start/                 scores for visitors without a history, by their traits and their landing category

Evaluation: evaluation/
    evaluate(…), evaluate_fitted(…) → Evaluation; evaluate_segments(…) by user segment and for cold items
    splits.py                   split_by_moment, leave_last_out, hold_out, make_split, make_rating_folds → Split(train, test)
    evaluation_queries.py       queries of each placement, and the products that customers then chose
    session_prefixes.py         next-item evaluation within sessions

Errors: WrongIdsError, WrongInteractionsError, NothingToLearnError, NotFittedError, WrongModelError; all but NotFittedError are ValueErrors.
"""

from recommendations.engine import algorithms
from recommendations.engine.algorithms.base import (
    ALGORITHMS,
    Algorithm,
    Contribution,
    NotFittedError,
    NothingToLearnError,
    WrongModelError,
    restore,
)
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.id_map import IdMap, WrongIdsError
from recommendations.engine.data.interactions import KIND_CODES, KINDS, Interactions, WrongInteractionsError
from recommendations.engine.data.products import Products
from recommendations.engine.topn import Ranking, recommend, select_top_n

__all__ = [
    "ALGORITHMS",
    "KINDS",
    "KIND_CODES",
    "Algorithm",
    "Contribution",
    "Histories",
    "IdMap",
    "Interactions",
    "NotFittedError",
    "NothingToLearnError",
    "Products",
    "Ranking",
    "WrongIdsError",
    "WrongInteractionsError",
    "WrongModelError",
    "algorithms",
    "recommend",
    "restore",
    "select_top_n",
]
