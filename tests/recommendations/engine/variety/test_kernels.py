import numpy as np
import pytest

from recommendations.engine.variety.kernels import replace_by_own

# rows 0, 3 and 5 are one group; 1 and 4 another; 2 is alone
CODES = np.array([0, 1, 2, 0, 1, 0], np.int32)
IS_GROUPED = np.array([True, True, False, True, True, True])
SCORES = np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.3], np.float32)
NOBODY = np.empty(0, np.int32)


def replace(rows: list[int], items: list[int], bought: list[bool], **barred: np.ndarray) -> list[int]:
    return replace_by_own(
        np.array(rows, np.int32), CODES, IS_GROUPED, np.array(items, np.int32), np.array(bought, np.bool_),
        barred.get("allowed", np.ones(6, np.bool_)), barred.get("excluded", NOBODY), barred.get("total", SCORES),
        np.zeros(6, np.float32),
    ).tolist()  # fmt: skip


def test_a_product_is_replaced_by_the_one_of_its_group_in_the_history() -> None:
    assert replace([0, 1, 2], [3, 2], [False, True]) == [3, 1, 2]
    assert replace([0, 1, 2], [], []) == [0, 1, 2]


@pytest.mark.parametrize(
    ("items", "bought", "expected"),
    [
        ([0, 3], [False, True], 3),  # bought before viewed, whatever the score
        ([3, 0], [False, False], 0),  # then the higher score
        ([5, 3], [True, True], 3),  # then the lower row
        ([3, 0, 3], [True, False, False], 3),  # bought once, viewed later
    ],
)
def test_of_several_own_products_the_best_is_shown(items: list[int], bought: list[bool], expected: int) -> None:
    assert replace([0], items, bought) == [expected]


def test_own_products_that_must_not_be_shown_replace_nothing() -> None:
    allowed = np.ones(6, np.bool_)
    allowed[3] = False
    assert replace([0], [3], [True], allowed=allowed) == [0]
    assert replace([0], [3], [True], excluded=np.array([3], np.int32)) == [0]
    assert replace([0], [3], [True], total=np.zeros(6, np.float32)) == [0]
