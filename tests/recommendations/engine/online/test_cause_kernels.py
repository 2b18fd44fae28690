"""Rows with the same cause share one reason."""

import numpy as np

from recommendations.engine.online.cause_kernels import group_causes, replace_causes

ROWS = np.array([1, 2, 3, 4, 5, 6], np.int32)


def group(
    *, items: list[int], levels: list[int], general: list[bool], popular: list[bool], is_related: bool = False
) -> list[int]:
    first, numbers = group_causes(
        ROWS, np.array(items, np.int32), np.zeros(6, np.int32), np.array(levels, np.int8), np.array(general), np.array(popular),
        is_related,
    )  # fmt: skip
    assert sorted(set(numbers.tolist())) == list(range(len(first)))
    assert [numbers[position] for position in first] == list(range(len(first))), (
        "the first row of each group stands for it"
    )
    return numbers.tolist()


def test_rows_of_one_cause_are_a_group_unless_their_own_figures_matter() -> None:
    no, yes = [False] * 6, [False, True, False, True, False, True]
    levels = [2, 2, 2, 2, 1, 1]
    assert group(items=[9] * 6, levels=levels, general=no, popular=yes) == [0, 0, 0, 0, 1, 1]
    # a cause that is related to everything, or no cause at all, depends on the popularity of the row
    assert group(items=[9] * 6, levels=levels, general=[True] * 6, popular=yes) == [0, 1, 0, 1, 2, 3]
    assert group(items=[-1] * 6, levels=[0] * 6, general=no, popular=yes) == [0, 1, 0, 1, 0, 1]
    # a row that caused its own score has a reason of its own
    assert group(items=[9, 2, 9, 4, 9, 9], levels=[2] * 6, general=no, popular=no) == [0, 1, 0, 2, 0, 0]
    # among related products, a pair without support is worded by its row
    assert group(items=[9] * 6, levels=[0, 2, 0, 2, 2, 2], general=no, popular=no, is_related=True) == [
        0,
        1,
        2,
        1,
        1,
        1,
    ]


def test_a_chosen_cause_has_its_own_share() -> None:
    parts = np.array([[[3.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 0.0]]], np.float32)  # sources, slots, columns
    slots, sources, shares = np.zeros(2, np.int32), np.zeros(2, np.int32), np.full(2, 0.5, np.float32)
    replace_causes(parts, np.array([1, -1], np.int32), np.array([1, -1], np.int32), slots, sources, shares)
    assert (slots.tolist(), sources.tolist(), shares.tolist()) == ([1, 0], [1, 0], [0.25, 0.5])
