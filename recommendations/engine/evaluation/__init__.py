"""Offline evaluation: metrics, time-based splits, confidence intervals, and a runner over several algorithms.

Ranking metrics take `hits`, bool (users, n): whether the item at each rank of the list was relevant, best first, and
`relevant`, int (users,): how many items were relevant to each user. They return one value per user, NaN for users without a
relevant item. A list shorter than n counts as padded with misses. Metrics beyond accuracy take the lists themselves.
"""

from recommendations.engine.evaluation.bootstrap import ConfidenceInterval, estimate_intervals
from recommendations.engine.evaluation.rating_metrics.rating_evaluation import RatingFigures, evaluate_ratings
from recommendations.engine.evaluation.runner import Evaluation, MetricResult, evaluate, evaluate_fitted
from recommendations.engine.evaluation.segments import SegmentResult, evaluate_segments
from recommendations.engine.evaluation.session_prefixes import (
    PrefixFigures,
    SessionPrefixes,
    build_session_prefixes,
    evaluate_prefixes,
    make_session_prefixes,
    split_newest_sessions,
)
from recommendations.engine.evaluation.splits import (
    Split,
    hold_out,
    leave_last_item_out,
    leave_last_out,
    make_rating_folds,
    make_split,
    split_by_moment,
)

__all__ = [
    "ConfidenceInterval",
    "Evaluation",
    "MetricResult",
    "PrefixFigures",
    "RatingFigures",
    "SegmentResult",
    "SessionPrefixes",
    "Split",
    "build_session_prefixes",
    "estimate_intervals",
    "evaluate",
    "evaluate_fitted",
    "evaluate_prefixes",
    "evaluate_ratings",
    "evaluate_segments",
    "hold_out",
    "leave_last_item_out",
    "leave_last_out",
    "make_rating_folds",
    "make_session_prefixes",
    "make_split",
    "split_by_moment",
    "split_newest_sessions",
]
