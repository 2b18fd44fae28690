"""How good an algorithm is: one metric a file, cuts in time, intervals, and a runner over several algorithms.

Ranking metrics take `hits`, bool (users, n): whether the product at each place of the list was relevant, best first, and
`relevant`, int (users,): how many products were relevant to each. They return one figure a person, NaN for users to whom
nothing was relevant. A list shorter than n counts as filled up with misses. Metrics beyond accuracy take the lists themselves.
"""

from recommendations.engine.evaluation.bootstrap import ConfidenceInterval, estimate_intervals
from recommendations.engine.evaluation.session_prefixes import (
    PrefixFigures,
    SessionPrefixes,
    build_session_prefixes,
    evaluate_prefixes,
    make_session_prefixes,
    split_newest_sessions,
)
from recommendations.engine.evaluation.rating_metrics.rating_evaluation import RatingFigures, evaluate_ratings
from recommendations.engine.evaluation.runner import Evaluation, MetricResult, evaluate, evaluate_fitted
from recommendations.engine.evaluation.segments import SegmentResult, evaluate_segments
from recommendations.engine.evaluation.splits import (
    Split,
    hold_out,
    leave_last_item_out,
    leave_last_out,
    make_split,
    rating_folds,
    split_by_moment,
)

__all__ = [
    "Evaluation",
    "ConfidenceInterval",
    "PrefixFigures",
    "SessionPrefixes",
    "RatingFigures",
    "MetricResult",
    "SegmentResult",
    "Split",
    "evaluate_segments",
    "split_by_moment",
    "evaluate",
    "make_session_prefixes",
    "make_split",
    "hold_out",
    "estimate_intervals",
    "evaluate_fitted",
    "evaluate_prefixes",
    "evaluate_ratings",
    "leave_last_item_out",
    "leave_last_out",
    "split_newest_sessions",
    "rating_folds",
    "build_session_prefixes",
]
