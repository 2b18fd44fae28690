"""Next-item evaluation within sessions: every prefix of a session predicts the click that follows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from recommendations.engine.algorithms.base import Algorithm
from recommendations.engine.data.groups import expand_ranges
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.interactions import Interactions
from recommendations.engine.evaluation.ranking_metrics.hit_rate import hit_rate
from recommendations.engine.evaluation.ranking_metrics.hits import PerUser, find_hits
from recommendations.engine.evaluation.ranking_metrics.ndcg import ndcg
from recommendations.engine.evaluation.ranking_metrics.reciprocal_rank import reciprocal_rank
from recommendations.engine.evaluation.splits import EmptySplitError, Split
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.topn import recommend


@dataclass(frozen=True, eq=False)
class SessionPrefixes:
    """n prefixes of sessions and the next click of each: label[r], an item row, follows row r of histories."""

    histories: Histories
    label: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.label)

    @property
    def relevant(self) -> csr_array:
        """Return CSR (n, n_items) with the label of each row."""
        n = len(self)
        return make_csr(np.ones(n), self.label, np.arange(n + 1), (n, self.histories.n_items))

    def sample(self, size: int, *, seed: int) -> "SessionPrefixes":
        """Return at most `size` prefixes, drawn without replacement, in their order."""
        if size >= len(self):
            return self
        return self.select_rows(np.sort(np.random.default_rng(seed).choice(len(self), size, replace=False)))

    def select_rows(self, rows: npt.NDArray[np.integer]) -> "SessionPrefixes":
        """Return the prefixes of the given rows."""
        ends = self.histories.indptr[rows + 1]
        starts = self.histories.indptr[rows]
        return SessionPrefixes(_list_windows(self.histories, starts, ends, self.histories.user[rows]), self.label[rows])


def build_session_prefixes(sessions: Histories) -> SessionPrefixes:
    """Build all prefixes of all sessions: a session of n clicks gives n − 1."""
    lengths = np.diff(sessions.indptr)
    line = np.arange(len(sessions.item))
    row = np.repeat(np.arange(len(sessions)), lengths)
    begin = sessions.indptr[row]
    is_label = line > begin
    windows = _list_windows(sessions, begin[is_label], line[is_label], sessions.user[row[is_label]])
    return SessionPrefixes(windows, sessions.item[is_label])


def make_session_prefixes(
    items: Sequence[npt.ArrayLike], label: npt.ArrayLike, *, n_items: int, as_of: float
) -> SessionPrefixes:
    """Build prefixes from lists of item rows, oldest first, and their labels. Errors: ValueError."""
    labels = np.asarray(label, np.int32)
    if len(labels) != len(items):
        raise ValueError(f"there are {len(items)} prefixes and {len(labels)} labels; they must have the same length")
    if len(labels) and not (labels.min() >= 0 and labels.max() < n_items):
        raise ValueError(f"labels must be rows 0…{n_items - 1}, got {labels.min()}…{labels.max()}")
    # All clicks have the moment as_of, so that no decay changes their weights.
    orders = [np.full(len(np.atleast_1d(np.asarray(row))), as_of) for row in items]
    return SessionPrefixes(Histories.of_lists(items, n_items=n_items, orders=orders, as_of=as_of), labels)


def split_newest_sessions(interactions: Interactions, *, share: float) -> Split:
    """Split sessions by their end: the newest `share` is test, with users unknown to the model; the rest is train.

    As in published splits (Li et al., "Neural Attentive Session-based Recommendation", CIKM 2017), items that train lacks are left
    out of test. Errors: EmptySplitError.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share}")
    ends = np.full(interactions.n_users, -np.inf)
    np.maximum.at(ends, interactions.user, interactions.order)
    present = np.flatnonzero(np.isfinite(ends))
    n_test = round(len(present) * share)
    newest = np.zeros(interactions.n_users, np.bool_)
    newest[present[np.argsort(ends[present], kind="stable")][len(present) - n_test :]] = True
    is_test = newest[interactions.user]
    train = interactions.select(~is_test)
    known = np.bincount(train.item, minlength=train.n_items) > 0
    test = interactions.select(is_test & known[interactions.item])
    if not len(train) or not len(test):
        raise EmptySplitError(f"a share of {share} of {len(present)} sessions leaves train or test empty")
    return Split(replace(train, as_of=float(train.order.max())), test)


@dataclass(frozen=True, eq=False)
class PrefixFigures:
    """One value per prefix, at `n`; their means are HR@n, MRR@n and NDCG@n."""

    n: int
    hit_rate: PerUser
    mrr: PerUser
    ndcg: PerUser


def evaluate_prefixes(
    algorithm: Algorithm, prefixes: SessionPrefixes, *, n: int = 20, exclude_seen: bool = False, seed: int = 0
) -> PrefixFigures:
    """Rank all items for each prefix and return its metrics.

    A click on an item of the prefix counts unless `exclude_seen`. Ties are broken at random by the seed.
    """
    items = recommend(algorithm, prefixes.histories, n, exclude_seen=exclude_seen, tie_seed=seed).items
    hits = find_hits(items, prefixes.relevant)
    n_relevant = np.ones(len(prefixes), np.int64)
    return PrefixFigures(n, hit_rate(hits, n_relevant), reciprocal_rank(hits, n_relevant), ndcg(hits, n_relevant))


def _list_windows(
    source: Histories, starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64], users: npt.NDArray[np.int32]
) -> Histories:
    """Return histories of the lines starts[r]…ends[r] of `source`."""
    indptr = np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64)
    _rows, lines = expand_ranges(starts, ends)
    return replace(
        source,
        indptr=indptr,
        item=source.item[lines],
        order=source.order[lines],
        weight=source.weight[lines],
        kind=source.kind[lines],
        user=users,
    )
