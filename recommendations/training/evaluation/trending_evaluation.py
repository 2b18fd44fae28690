"""Evaluation of trending on several windows."""

from collections.abc import Mapping, Sequence

import numpy as np

from recommendations.engine.evaluation.evaluation_queries import EvaluationQueries
from recommendations.engine.evaluation.placement_evaluation import (
    compare_scores,
    mix_lists,
    repeat_for_all,
    summarize_scores,
)
from recommendations.training.evaluation.placement_data import EvaluationWindow
from recommendations.training.evaluation.placement_evaluation import PlacementMeasurement, score_without_history
from recommendations.training.tuning.model_choice import SEED


def measure_trending(
    windows: Sequence[EvaluationWindow],
    query_sets: Sequence[EvaluationQueries],
    shares: Mapping[str, float],
    normalization: str,
) -> PlacementMeasurement:
    """Evaluate how well trending finds rising products, over all windows and per window.

    The windows need the components trending and popularity.
    """
    own, popular = [], []
    for window, queries in zip(windows, query_sets, strict=True):
        scores = {name: score_without_history(window.components[name]) for name in ("trending", "popularity")}
        own.append(
            summarize_scores(repeat_for_all(mix_lists(scores, shares, normalization), queries, seed=SEED), queries)
        )
        popular.append(summarize_scores(repeat_for_all(scores["popularity"], queries, seed=SEED), queries))
    users = np.concatenate([queries.user for queries in query_sets])
    totals = [{name: np.concatenate([part[name] for part in parts]) for name in parts[0]} for parts in (own, popular)]
    per_window = {
        f"from:{int(window.past.as_of)}": compare_scores(own_figures, popular_figures, queries.user, seed=SEED)
        for window, queries, own_figures, popular_figures in zip(windows, query_sets, own, popular, strict=True)
    }
    return PlacementMeasurement("rising_next_week", compare_scores(totals[0], totals[1], users, seed=SEED), per_window)
