"""The kernels that do several steps of a request at once give what the steps give one after the other."""

import numpy as np
import pytest

from recommendations.engine.linear_algebra.set_kernels import are_members
from recommendations.engine.online.content_kernels import sum_pairwise
from recommendations.engine.online.kernels import select_top_among, select_top_online
from recommendations.engine.online.selection_kernels import select_limited
from recommendations.engine.variety.product_groups import ProductGroups
from recommendations.engine.variety.purchased_share import limit_purchased_share

N = 60
NO_FACTORS, NO_ROWS = np.empty(0, np.float32), np.empty(0, np.int32)


def test_a_sum_is_rounded_as_that_of_numpy() -> None:
    draws = np.random.default_rng(5)
    for n in (0, 1, 7, 8, 9, 127, 128, 129, 300, 1000):
        values = draws.random(n) * 10.0 ** draws.integers(-8, 8, n)
        assert sum_pairwise(values) == values.sum()


@pytest.mark.parametrize("has_groups", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.7])
def test_a_limited_selection_is_the_merged_list_of_purchased_and_other_products(has_groups: bool, share: float) -> None:
    draws = np.random.default_rng(7)
    for _case in range(50):
        groups = ProductGroups.from_parents(draws.integers(-20, 8, N).clip(-1).astype(np.int32))
        total = (draws.integers(0, 12, N) / 4).astype(np.float32)  # with ties
        order = np.flatnonzero(total).astype(np.int32)
        allowed, excluded = draws.random(N) < 0.9, draws.integers(0, N, 5).astype(np.int32)
        purchased = np.unique(draws.integers(0, N, 15)).astype(np.int32)
        scores = total, total > 0, order, len(order), np.zeros(N, np.float32), NO_ROWS
        rows, values = select_limited(
            *scores, allowed, excluded, np.zeros(N, np.bool_), NO_FACTORS, 1.0, purchased,
            groups.codes if has_groups else NO_ROWS, share, 10,
        )  # fmt: skip
        others = select_top_online(
            *scores, allowed, np.append(excluded, purchased), np.zeros(N, np.bool_), NO_FACTORS, 1.0, N
        )
        own = select_top_among(purchased, total, scores[4], allowed, excluded, NO_FACTORS, N)
        lists = []
        for part_rows, part_values in (others, own):
            first = groups.find_first(part_rows) if has_groups else None
            kept = np.arange(len(part_rows)) if first is None else first
            lists.append((part_rows[kept][:10], part_values[kept][:10]))
        all_rows, all_values = (np.concatenate(columns) for columns in zip(*lists, strict=True))
        best_first = np.lexsort((all_rows, -all_values))
        is_purchased = are_members(all_rows[best_first], purchased)
        expected = best_first[limit_purchased_share(is_purchased.tolist(), share)[:10]]
        assert rows.tolist() == all_rows[expected].tolist()
        assert values.tolist() == all_values[expected].tolist()
