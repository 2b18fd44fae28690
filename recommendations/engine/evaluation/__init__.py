"""How good an algorithm is: one metric a file, cuts in time, intervals, and a runner over several algorithms.

Ranking metrics take `hits`, bool (people, n): whether the product at each place of the list was relevant, best first, and
`relevant`, int (people,): how many products were relevant to each. They return one figure a person, NaN for people to whom
nothing was relevant. A list shorter than n counts as filled up with misses. Metrics beyond accuracy take the lists themselves.
"""

from recommendations.engine.evaluation.bootstrap import Interval, intervals
from recommendations.engine.evaluation.rating_metrics.rating_evaluation import RatingFigures, judge_ratings
from recommendations.engine.evaluation.runner import Evaluation, Result, evaluate, judge
from recommendations.engine.evaluation.segments import SegmentResult, by_segment
from recommendations.engine.evaluation.session_prefixes import (
    Prefixes,
    PrefixFigures,
    given_prefixes,
    judge_prefixes,
    newest_sessions,
    session_prefixes,
)
from recommendations.engine.evaluation.splits import (
    Split,
    cut_in_time,
    given_split,
    hold_out,
    leave_last_item_out,
    leave_last_out,
    rating_folds,
)

__all__ = [
    "Evaluation",
    "Interval",
    "PrefixFigures",
    "Prefixes",
    "RatingFigures",
    "Result",
    "SegmentResult",
    "Split",
    "by_segment",
    "cut_in_time",
    "evaluate",
    "given_prefixes",
    "given_split",
    "hold_out",
    "intervals",
    "judge",
    "judge_prefixes",
    "judge_ratings",
    "leave_last_item_out",
    "leave_last_out",
    "newest_sessions",
    "rating_folds",
    "session_prefixes",
]
