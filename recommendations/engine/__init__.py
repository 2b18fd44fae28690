"""The recommender's mathematics: NumPy, SciPy and Numba; no Django, no SQL, no files.

Data in
    IdMap                       outside ids (text) ↔ row numbers; of(ids), numbered(ids), rows(ids) (-1 unknown), row(id),
                                id(row), ids(rows), arrays(), from_arrays(arrays)
    Interactions                who did what with which product, and when; from_ids(user_ids=, item_ids=, order=, weight=, kind=,
                                users=, items=, as_of=), from_rows(…), before(time), after(time), subset(chosen),
                                user_items(half_life_days=), histories(users),
                                baskets(gap_s=), users_by_activity(warm_below=)
    Products                    texts, categories and vectors of the items, in the order of their rows; of_columns(texts)
    Histories                   the past of n people to recommend from; of_lists(items, n_items=, weights=, orders=, kinds=,
                                users=, as_of=), of_matrix(csr), rows(start, stop), matrix(half_life_days=), seen()

Learning
    ALGORITHMS                  name → class; each has fit(interactions, products), score(histories), attribute(history, items),
                                explain(history, item), explain_many(history, items, limit=), parameters(),
                                arrays() → (arrays by name, what JSON can hold), from_arrays(arrays, saved)
    restore(arrays, saved)      the fitted algorithm, whichever it was; memory-mapped arrays stay so
    Contribution                (source, item, value): part of a score; item -1: from no single one
    WeightedEnsemble.of_fitted(components, weights, normalisation)     algorithms/blend.py
    choose_weights(components=, train=, validation=, exclude_seen=, seed=, n=) → ChosenWeights     blend_search.py
    weights_for(components=, histories=, relevant=, exclude_seen=, n=)      the same for any histories, e.g. session prefixes
    EventWeights(kinds, half_life_days, quantity)   what a view, a cart and a purchase of several pieces are worth, and how fast that
                                fades; of(interactions), of_histories(histories), as_json(): event_weights.py; EventTypeEnsemble is any algorithm so
    choose_event_weights(train=, evaluate=, budget_s=, seed=, start=, candidates=) → (EventWeights, Found)
    search(space=, evaluate=, budget_s=, seed=, start=) → Found(best, tried, seconds)      parameters: tuning.py
    RatingAlgorithm.predict(histories, rows, items)         stars by rating-baseline, rating-user-knn, rating-item-knn, rating-factors,
                                rating-bpmf and rating-blend, weighted by least_squares (algorithms/rating_blend.py): ratings.py

The first call after installation compiles for some seconds and keeps the result on disk; read-only (memory-mapped) arrays are
compiled for separately, so score and explain once before serving.

Answers out
    recommend(algorithm, histories, n, exclude_seen=, allowed=, tie_seed=) → Ranking(items, scores), -1 / -inf where short
    top_n(scores, n, exclude=, allowed=, tie_seed=)
    ItemKNN.similar(item), Content.similar(item) → (item rows, similarities); Popularity.top(n, category=, allowed=)
    Transitions.following(item) → (item rows, strengths) of what comes next
    CoPurchase.together(item, n) → [Together(item, baskets, confidence, lift)]; Clusters.cluster(histories), IALS.vectors(histories)

Judging: recommendations.engine.evaluation
    evaluate(algorithms=, train=, test=, exclude_seen=, seed=, products=, ns=, allowed=) → Evaluation; fits first
    judge(algorithms=, train=, test=, exclude_seen=, seed=, ns=, allowed=) → Evaluation of algorithms fitted on train
    Evaluation                  results, value(algorithm, metric, n), difference(first, second, metric, n), best(metric, n)
    by_segment(evaluation, train, metrics=, n=) → new, active and loyal people, and cold items
    cut_in_time(interactions, at=, until=), leave_last_out(interactions, last=), hold_out(interactions, share=, seed=),
    given_split(train=, test=), leave_last_item_out(interactions, kind=), newest_sessions(interactions, share=) → Split(train, test)
    rating_folds(interactions, folds=, seed=) → [Split]; judge_ratings(algorithm.score, split) → RatingFigures (rmse, mae, lists)
    session_prefixes(histories), given_prefixes(items, label, n_items=, as_of=) → Prefixes; judge_prefixes(algorithm, prefixes, n=)

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
from recommendations.engine.topn import Ranking, recommend, top_n

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
    "top_n",
]
