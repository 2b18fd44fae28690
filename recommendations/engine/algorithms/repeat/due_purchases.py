"""Which purchases of a customer may be due again, by the time since the last one and the usual gap."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr

from config.foundation.array_types import Flags, Floats, Ints
from customers.lifecycle.scoring.next_order.repurchase import (
    DEFAULT_VARIANCE,
    MIN_DAYS,
    ProductRhythms,
    measure_rhythms,
    predict_gaps,
)
from customers.lifecycle.scoring.stages.order_gaps import DEFAULT_QUANTILES
from recommendations.engine.algorithms.base import Algorithm, select_purchases
from recommendations.engine.algorithms.repeat.repeat_ranker import RepeatRanker
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.weighting import DAY
from recommendations.engine.linear_algebra.sparse import make_csr

MIN_GAP_DAYS = 1.0
EARLY_SHARE = 0.05  # of the gaps are shorter: until then, almost nobody buys the product again
DUE_SHARE = 0.5
SOON_DAYS = 7.0
GAP_SHRINKAGE = 1.0


class DuePurchases(NamedTuple):
    """The products that n customers bought, k pairs sorted by customer and product.

    row, item: (k,). may_be_due: at least MIN_GAP_DAYS and the EARLY_SHARE quantile of the gap have passed since the last purchase. is_due:
    also, the median gap has passed or does so within SOON_DAYS.
    """

    row: Ints
    item: Ints
    may_be_due: Flags
    is_due: Flags

    def build_matrix(self, n: int, n_items: int) -> csr_array:
        """Return CSR (n, n_items) with an entry for each product that may be due."""
        row, item = self.row[self.may_be_due], self.item[self.may_be_due]
        indptr = np.searchsorted(row, np.arange(n + 1))
        return make_csr(np.ones(len(row), np.float32), item, indptr, (n, n_items))


def get_product_rhythms(components: Mapping[str, Algorithm], n_items: int) -> ProductRhythms:
    """Return the usual gaps of each product, as the ranker of repeat purchases has learned them; without it, the monthly default."""
    ranker = components.get(RepeatRanker.name)
    if isinstance(ranker, RepeatRanker):
        mean, variance, again = ranker.product_features_[:, :3].T
        return ProductRhythms(mean, variance, again)
    mean = np.full(n_items, np.log(DEFAULT_QUANTILES.median_gap_days))
    return ProductRhythms(mean, np.full(n_items, DEFAULT_VARIANCE), np.ones(n_items))


def find_due_purchases(histories: Histories, usual: ProductRhythms, kind: str = "purchase") -> DuePurchases:
    """Return which products of each history may be due again at its as_of.

    The gap between two purchases has the log-normal distribution of `predict_gaps`: the customer's own gaps, shrunk toward the product's.
    """
    purchases = select_purchases(histories, (kind,))
    n_items, offset = purchases.n_items, purchases.day_offset_s
    row = np.repeat(np.arange(len(purchases), dtype=np.int64), np.diff(purchases.indptr))
    rhythms = measure_rhythms(
        pair=row * n_items + purchases.item, at=(purchases.order + offset) / DAY, as_of=(purchases.as_of + offset) / DAY
    )
    item = rhythms.pair % n_items
    gap = predict_gaps(rhythms=rhythms, product=item, population=usual, shrinkage=GAP_SHRINKAGE)

    def compute_share(days: Floats) -> Floats:
        """Return the share of the gaps that are at most so long."""
        share: Floats = ndtr((np.log(np.maximum(days, MIN_DAYS)) - gap.mean) / gap.spread)
        return share

    may_be_due = (rhythms.since >= MIN_GAP_DAYS) & (compute_share(rhythms.since) >= EARLY_SHARE)
    is_due = may_be_due & (compute_share(rhythms.since + SOON_DAYS) >= DUE_SHARE)
    return DuePurchases(rhythms.pair // n_items, item, may_be_due, is_due)
