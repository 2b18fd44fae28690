"""Online scorer of session-kNN."""

from typing import TYPE_CHECKING

from config.foundation.array_types import Rows
from recommendations.engine.online.context import NO_SCORES, ComponentScores, HistoryContext, Values

if TYPE_CHECKING:
    from recommendations.engine.algorithms.neighbors.session_knn import SessionKNN


class SessionScorer:
    """Finds the nearest sessions once, for scores and contributions; each thread keeps the hash table for the search."""

    def __init__(self, component: "SessionKNN") -> None:
        self.component = component
        self.width = 0
        self.sessions = component.get_session_arguments()
        self.entries = component.count_index_entries()

    def score(self, context: HistoryContext) -> ComponentScores:
        component, work = self.component, context.work
        _starts, shared, strengths = component.compute_strengths(context.history)
        if not len(shared):
            return NO_SCORES
        sums = work.part, work.part_touched, work.part_order
        nearest = component.find_nearest(
            shared, strengths, context.history.user[0], self.sessions, work.get_session_table(self.entries), sums
        )
        return ComponentScores(nearest[0], nearest[1], (nearest, shared, strengths))

    def attribute(self, context: HistoryContext, scores: ComponentScores, rows: Rows, out: Values) -> None:
        if scores.memo is not None:
            work, (nearest, shared, strengths) = context.work, scores.memo
            self.component.add_contributions(nearest, shared, strengths, work.slots, work.columns, work.part, out)
