"""Compiled selection of the candidates of one request: one product of each group, and a limited share of purchased ones."""

from typing import Any

import numpy as np
import numpy.typing as npt

from config.foundation.array_types import AnyFloats, AnyInts, Flags
from recommendations.engine.linear_algebra.jit import compiled, compiled_with_gil
from recommendations.engine.linear_algebra.set_kernels import find_first_positions
from recommendations.engine.online.kernels import select_top_among, select_top_online
from recommendations.engine.variety.kernels import spread_purchased


@compiled
def _merge_best(
    rows: AnyInts, scores: AnyFloats, other_rows: AnyInts, other_scores: AnyFloats
) -> tuple[npt.NDArray[Any], npt.NDArray[Any], Flags]:
    """Merge two lists, each by descending score (ties: lower row first), to one; the flags say which are of the second one."""
    n = rows.shape[0] + other_rows.shape[0]
    merged, merged_scores, is_other = np.empty(n, np.int32), np.empty(n, np.float32), np.zeros(n, np.bool_)
    first, second = 0, 0
    for position in range(n):
        takes_other = first == rows.shape[0]
        if not takes_other and second < other_rows.shape[0]:
            score, other_score = scores[first], other_scores[second]
            takes_other = other_score > score or (other_score == score and other_rows[second] < rows[first])
        if takes_other:
            merged[position], merged_scores[position], is_other[position] = (
                other_rows[second],
                other_scores[second],
                True,
            )
            second += 1
        else:
            merged[position], merged_scores[position] = rows[first], scores[first]
            first += 1
    return merged, merged_scores, is_other


@compiled
def _keep_first_of_groups(
    rows: AnyInts, scores: AnyFloats, codes: AnyInts, n: int
) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Return the first row of each group and its score, at most n."""
    first = find_first_positions(codes[rows])[:n]
    return rows[first], scores[first]


@compiled_with_gil
def select_limited(
    total: AnyFloats,
    touched: Flags,
    order: AnyInts,
    count: int,
    static_scores: AnyFloats,
    static_order: AnyInts,
    allowed: Flags,
    excluded: AnyInts,
    excluded_flags: Flags,
    factors: AnyFloats,
    largest: float,
    purchased: AnyInts,
    codes: AnyInts,
    share: float,
    n: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Return the n best rows and their scores, in the order of the list: at most ``share`` of the positions have purchased rows.

    codes: the group of each row, of which the best row is selected; empty without groups. For the other arguments see
    `select_top_online`.
    """
    has_groups = codes.shape[0] > 0
    barred = np.concatenate((excluded, purchased))
    size = 2 * n if has_groups else n
    while True:
        rows, scores = select_top_online(
            total,
            touched,
            order,
            count,
            static_scores,
            static_order,
            allowed,
            barred,
            excluded_flags,
            factors,
            largest,
            size,
        )
        is_last = not has_groups or rows.shape[0] < size
        if has_groups:
            rows, scores = _keep_first_of_groups(rows, scores, codes, n)
        if is_last or rows.shape[0] >= n:
            break
        size *= 2
    size = 2 * n if has_groups else n
    while True:
        own, own_scores = select_top_among(purchased, total, static_scores, allowed, excluded, factors, size)
        is_last = not has_groups or own.shape[0] < size
        if has_groups:
            own, own_scores = _keep_first_of_groups(own, own_scores, codes, n)
        if is_last or own.shape[0] >= n:
            break
        size *= 2
    if not len(own):
        return rows, scores
    merged, merged_scores, is_own = _merge_best(rows, scores, own, own_scores)
    best = spread_purchased(is_own, share)[:n]
    return merged[best], merged_scores[best]
