"""Training rows of the repeat ranker: what customers knew at several moments of the past, and what they bought next."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from config.foundation.array_types import Flags, Floats, Ints, Rows
from config.foundation.random_numbers.splitmix64 import GOLDEN, mix_bits, scale_to_unit
from customers.lifecycle.scoring.next_order.repurchase import fit_product_rhythms, measure_rhythms
from recommendations.engine.algorithms.repeat.boosted_trees import Matrix
from recommendations.engine.algorithms.repeat.ranker_kernels import FEATURES, SHORT_SHARE, measure_products
from recommendations.engine.data.histories import Histories
from recommendations.engine.data.weighting import DAY
from recommendations.engine.linear_algebra.parallel import map_blocks

PRODUCT_SHRINKAGE = 5.0
MAX_NEGATIVES = 3.0  # per positive row
MAX_MEASURED = 500_000  # products of customers per cut; in larger shops a sample of customers is enough
BLOCK_ROWS = 64


class MeasuredProducts(NamedTuple):
    """The products of n histories, one history after the other.

    counts: (n,) of each history. items: (m,). matrix: (m, k) of FEATURES.
    """

    counts: Ints
    items: Rows
    matrix: Matrix


type Cut = tuple[Histories, Histories]  # the past, and the purchases to predict


def list_cuts(purchases: Histories, *, horizon_days: float | None, cuts: int) -> Iterator[Cut]:
    """Yield the past and the later purchases of each customer at several moments, newest first.

    With a horizon, the moments are multiples of it back from as_of, and the later purchases those within it; purchases at as_of itself
    are not before it. Without one, they are each customer's last orders, and the later purchases those of the order.
    """
    if horizon_days is None:
        back = purchases.count_moments_back()
        for number in range(1, cuts + 1):
            yield purchases.select_entries(back >= number), purchases.select_entries(back == number - 1)
        return
    for number in range(1, cuts + 1):
        begin, end = (purchases.as_of - back * horizon_days * DAY for back in (number, number - 1))
        past = replace(purchases.select_entries(purchases.order < begin), as_of=begin)
        is_later = (purchases.order >= begin) & (purchases.order < end)
        yield past, purchases.select_entries(is_later)


def collect_samples(
    cuts: Iterator[Cut], *, half_life_days: float, limit: int, uses_last_order: bool, max_rows: int
) -> tuple[Matrix, Flags, float]:
    """Return features (n, k), whether the product was bought (n,), and the share of the other rows that was kept.

    Rows are the products that customers with a later purchase had bought before the cut. At most MAX_NEGATIVES rows that were not
    bought are kept for each that was, and at most about `max_rows` in all, chosen by a hash of customer, product and cut; a large shop
    is represented by a sample of its customers.
    """
    matrices, labels, draws = [np.empty((0, len(FEATURES)), np.float32)], [np.empty(0, np.bool_)], [np.empty(0)]
    for number, (past, later) in enumerate(cuts):
        is_known = (np.diff(past.indptr) > 0) & (np.diff(later.indptr) > 0)
        if not is_known.any():
            continue
        product_features = measure_product_features(past, half_life_days)
        is_known &= _sample_customers(past, is_known, limit)
        past, later = _select_rows(past, is_known), _select_rows(later, is_known)
        counts, items, matrix = measure_histories(
            past, product_features, half_life_days=half_life_days, limit=limit, uses_last_order=uses_last_order
        )
        pair = _number_pairs(counts, items, past.n_items)
        by_pair = np.argsort(pair)
        pair = pair[by_pair]
        later_pairs = np.unique(_number_pairs(np.diff(later.indptr), later.item, past.n_items))
        users = past.user.astype(np.int64)[pair // past.n_items]
        matrices.append(matrix[by_pair])
        labels.append(np.isin(pair, later_pairs, assume_unique=True))
        draws.append(_draw_uniform((users * past.n_items + pair % past.n_items) * 64 + number))
    label, draw = np.concatenate(labels), np.concatenate(draws)
    n_positive = int(label.sum())
    kept_share = min(1.0, MAX_NEGATIVES * n_positive / max(len(label) - n_positive, 1))
    share = min(1.0, max_rows / max(n_positive + kept_share * (len(label) - n_positive), 1.0))
    is_kept = draw < np.where(label, share, share * kept_share)
    return np.concatenate(matrices)[is_kept], label[is_kept], kept_share


def measure_product_features(purchases: Histories, half_life_days: float) -> Floats:
    """Return (n_items, 5): mean and variance of log gaps, share bought again, popularity and trend of each product.

    popularity: ln(1 + f), f the purchases aged by the half-life. trend: ln((s / SHORT_SHARE + 1) / (f + 1)), s with SHORT_SHARE of the
    half-life: above 0 for products that sell more than before.
    """
    n_items = purchases.n_items
    row = np.repeat(np.arange(len(purchases), dtype=np.int64), np.diff(purchases.indptr))
    day = purchases.order / DAY
    rhythms = measure_rhythms(
        pair=row * n_items + purchases.item,
        at=(purchases.order + purchases.day_offset_s) / DAY,
        as_of=(purchases.as_of + purchases.day_offset_s) / DAY,
    )
    usual = fit_product_rhythms(
        rhythms=rhythms, product=rhythms.pair % n_items, n_products=n_items, shrinkage=PRODUCT_SHRINKAGE
    )
    age = np.maximum(purchases.as_of / DAY - day, 0.0)
    long, short = (
        np.bincount(purchases.item, np.exp2(-age / half_life), minlength=n_items)
        for half_life in (half_life_days, half_life_days * SHORT_SHARE)
    )
    trend = np.log((short / SHORT_SHARE + 1.0) / (long + 1.0))
    return np.column_stack([usual.mean, usual.variance, usual.again, np.log1p(long), trend])


def measure_histories(
    purchases: Histories, product_features: Floats, *, half_life_days: float, limit: int, uses_last_order: bool
) -> MeasuredProducts:
    """Return the products of each history with their features."""

    def measure(start: int, stop: int) -> MeasuredProducts:
        return measure_few(
            purchases.slice_rows(start, stop), product_features, np.full(purchases.n_items, -1, np.int32),
            half_life_days=half_life_days, limit=limit, uses_last_order=uses_last_order,
        )  # fmt: skip

    parts = map_blocks(measure, len(purchases), smallest=BLOCK_ROWS)
    if not parts:
        return MeasuredProducts(np.empty(0, np.int64), np.empty(0, np.int32), np.empty((0, len(FEATURES)), np.float32))
    return MeasuredProducts(*(np.concatenate([part[index] for part in parts]) for index in range(3)))


def measure_few(
    purchases: Histories,
    product_features: Floats,
    slots: Rows,
    *,
    half_life_days: float,
    limit: int,
    uses_last_order: bool,
) -> MeasuredProducts:
    """Return the same as `measure_histories`, computed in this thread. slots: int32 (≥ n_items,), -1 before and after."""
    capacity = int(np.minimum(np.diff(purchases.indptr), limit).sum())
    counts, items = np.zeros(len(purchases), np.int64), np.empty(capacity, np.int32)
    matrix = np.empty((capacity, len(FEATURES)), np.float32)
    written = measure_products(
        purchases.indptr, purchases.item, purchases.order / DAY, np.nan if uses_last_order else purchases.as_of / DAY,
        half_life_days, limit, product_features, slots, counts, items, matrix,
    )  # fmt: skip
    return MeasuredProducts(counts, items[:written], matrix[:written])


def _sample_customers(past: Histories, is_known: Flags, limit: int) -> Flags:
    """Return which customers to use, so that about MAX_MEASURED products are measured."""
    n_products = int(np.minimum(np.diff(past.indptr), limit)[is_known].sum())
    return _draw_uniform(past.user.astype(np.int64)) < MAX_MEASURED / max(n_products, 1)


def _select_rows(histories: Histories, mask: Flags) -> Histories:
    """Return some of the histories."""
    lengths = np.diff(histories.indptr)
    chosen = histories.select_entries(np.repeat(mask, lengths))
    indptr = np.concatenate([[0], np.cumsum(lengths[mask])]).astype(np.int64)
    return replace(chosen, indptr=indptr, user=histories.user[mask])


def _number_pairs(counts: Ints, items: Rows, n_items: int) -> Ints:
    """Return row · n_items + item of each entry."""
    return np.repeat(np.arange(len(counts), dtype=np.int64), counts) * n_items + items


def _draw_uniform(keys: Ints) -> Floats:
    """Return a number from 0 to 1 per key, always the same."""
    return scale_to_unit(mix_bits(keys.astype(np.uint64) * GOLDEN))
