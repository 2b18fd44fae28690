"""Counts which categories followed a context, and interpolates their probabilities with those of a shorter context."""

from dataclasses import dataclass

import numpy as np

from config.foundation.array_types import Floats, Ints


@dataclass(frozen=True, eq=False)
class ContextCounts:
    """How often a category, any category, and how many distinct categories followed a context; shapes (q,), 0 for unknown contexts."""

    count: Floats
    total: Floats
    distinct: Floats

    def interpolate(self, shorter: Floats, strength: float) -> Floats:
        """Return P(category | context) = (n_xc + k · u_x · P(c)) / (n_x + k · u_x), (q,).

        n_xc: how often the category followed the context, n_x their sum, u_x how many different ones did; k = strength. shorter: P(c) given
        a shorter context, which is returned where the context was never seen. k = 1: Witten & Bell, IEEE Trans. Inf. Theory 1991.
        """
        trust = strength * self.distinct
        weight = np.where(self.total > 0, self.total + trust, 1.0)
        return np.where(self.total > 0, (self.count + trust * shorter) / weight, shorter)


@dataclass(frozen=True, eq=False)
class TransitionCounts:
    """How often each category followed a context.

    Attributes:
        keys: context · C + category, ascending, (t,). counts: (t,). total, distinct: of each context, how many categories followed and how
            many different ones, (contexts,). n_categories: C.
    """

    keys: Ints
    counts: Floats
    total: Floats
    distinct: Floats
    n_categories: int

    def look_up(self, context: Ints, category: Ints) -> "ContextCounts":
        """Return the counts of categories after contexts, -1 for none; shapes (q,)."""
        is_known = (context >= 0) & (context < len(self.total))
        if not len(self.total):
            nothing = np.zeros(len(context))
            return ContextCounts(nothing, nothing, nothing)
        known = np.where(is_known, context, 0)
        count = look_up(self.keys, self.counts, known * self.n_categories + category)
        return ContextCounts(
            *(np.where(is_known, values, 0.0) for values in (count, self.total[known], self.distinct[known]))
        )

    def list_followers(self, context: Ints) -> tuple[Ints, Ints]:
        """Return (row, category) for all categories that followed the context of each row."""
        start = np.searchsorted(self.keys, context * self.n_categories)
        end = np.searchsorted(self.keys, (context + 1) * self.n_categories)
        length = np.where(context >= 0, end - start, 0)
        row = np.repeat(np.arange(len(context)), length)
        offset = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
        return row, self.keys[start[row] + offset] % self.n_categories

    def list_top_followers(self, limit: int) -> Ints:
        """Return the categories that followed each context most often, (contexts, limit), -1 where there are fewer."""
        context, category = np.divmod(self.keys, self.n_categories)
        order = np.lexsort((category, -self.counts, context))
        context, category = context[order], category[order]
        rank = np.arange(len(order)) - np.searchsorted(context, context)
        top = np.full((len(self.total), limit), -1, np.int64)
        is_top = rank < limit
        top[context[is_top], rank[is_top]] = category[is_top]
        return top


def count_transitions(context: Ints, category: Ints, n_contexts: int, n_categories: int) -> TransitionCounts:
    """Count what followed each context. context, category: (t,), row numbers."""
    keys, counts = np.unique(context * n_categories + category, return_counts=True)
    owner = keys // n_categories
    total: Floats = np.bincount(owner, counts, n_contexts).astype(np.float64)
    distinct = np.bincount(owner, minlength=n_contexts).astype(np.float64)
    return TransitionCounts(keys, counts.astype(np.float64), total, distinct, n_categories)


def look_up(keys: Ints, values: Floats, wanted: Ints) -> Floats:
    """Return the values of keys, (q,); 0 for a key that is not among the ascending ``keys``."""
    if not len(keys):
        return np.zeros(len(wanted))
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], 0.0)
