"""Evaluation of for-you on products that the customer had not bought before, and of its list with a limited share of purchased products."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from config.foundation.array_types import Rows
from recommendations.engine import KIND_CODES, Algorithm, Histories, Interactions
from recommendations.engine.evaluation.bootstrap import UNIT, estimate_intervals
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.runner import find_relevant_items
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.placements import FOR_YOU, PLACEMENTS
from recommendations.engine.topn import count_block_rows, select_top_n
from recommendations.engine.variety.ranking import merge_columns, rank_with_limit
from recommendations.training.data.time_split import TimeSplit
from recommendations.training.figures import serialize_interval
from recommendations.training.tuning.model_choice import SEED, TOP_N

METRICS = {"ndcg": ndcg, "hit_rate": hit_rate}
PURCHASE = KIND_CODES["purchase"]


def measure_first_purchases(
    *, contestants: Mapping[str, Algorithm], past: Interactions, test: Interactions, time_split: TimeSplit
) -> dict[str, dict[str, Any]]:
    """Return algorithm → figures of its lists of ten, or {} without purchases before the split.

    ndcg_new@10, hit_rate_new@10: lists of products that the customer had not bought before, evaluated on the first purchases of such
    products. ndcg_limited@10, hit_rate_limited@10: lists with the default share of purchased products of for-you, evaluated on all
    later purchases. people_new, people_limited: the number of customers with such purchases.
    """
    if not (past.kind == PURCHASE).any():
        return {}
    users = np.unique(test.user)
    histories = past.build_histories(users)
    bought = histories.get_seen_items([PURCHASE])
    bought.sum_duplicates()
    relevant_new = test.build_user_items()[users, :]
    relevant_new = csr_array(relevant_new - relevant_new.multiply(bought > 0))
    relevant_new.eliminate_zeros()
    relevant = find_relevant_items(test, past, users, time_split.exclude_seen, time_split.seen_kinds)
    hidden = make_csr(np.empty(0), np.empty(0, np.int32), np.zeros(len(users) + 1), bought.shape)
    if time_split.exclude_seen:
        hidden = histories.get_seen_items(time_split.seen_kinds)
    figures: dict[str, dict[str, Any]] = {}
    for name, algorithm in contestants.items():
        new, limited = rank_both(algorithm, histories, hidden=hidden, bought=bought)
        figures[name] = {
            **summarize_lists("new", new, relevant_new),
            **summarize_lists("limited", limited, relevant),
            "people_new": count_customers(relevant_new),
            "people_limited": count_customers(relevant),
        }
    return figures


def count_customers(relevant: csr_array) -> int:
    """Return how many customers have a relevant product."""
    return int((np.diff(relevant.indptr) > 0).sum())


def rank_both(algorithm: Algorithm, histories: Histories, *, hidden: csr_array, bought: csr_array) -> tuple[Rows, Rows]:
    """Return two lists for each history, int32 (histories, TOP_N): without bought products, and with a limited share of them."""
    share = PLACEMENTS[FOR_YOU].max_purchased_share
    size = count_block_rows(histories.n_items)
    new, limited = [np.empty((0, TOP_N), np.int32)], [np.empty((0, TOP_N), np.int32)]
    for start in range(0, len(histories), size):
        rows = slice(start, start + size)
        scores = algorithm.score(histories.slice_rows(start, start + size))
        known = merge_columns(hidden[rows, :], bought[rows, :])
        new.append(select_top_n(scores, TOP_N, exclude=known, tie_seed=SEED, first_row=start).items)
        limited.append(
            rank_with_limit(
                scores,
                TOP_N,
                exclude=hidden[rows, :],
                purchased=bought[rows, :],
                share=share,
                tie_seed=SEED,
                first_row=start,
            ).items
        )
    return np.concatenate(new), np.concatenate(limited)


def summarize_lists(name: str, lists: Rows, relevant: csr_array) -> dict[str, Any]:
    """Return metric_name@10 → the mean over customers with a relevant product, with its interval."""
    hits, counts = find_hits(lists, relevant), np.diff(relevant.indptr)
    intervals = estimate_intervals(
        np.column_stack([metric(hits, counts) for metric in METRICS.values()]), seed=SEED, bounds=UNIT
    )
    return {
        f"{metric}_{name}@{TOP_N}": serialize_interval(interval)
        for metric, interval in zip(METRICS, intervals, strict=True)
    }
