import numpy as np

from recommendations.engine.linear_algebra.set_kernels import are_members, find_first_positions


def draw_rows(seed: int, size: int, *, low: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, 100_000, size, np.int32)


def test_members_are_those_that_numpy_finds() -> None:
    for size in (1, 3, 64, 1000):
        rows, members = draw_rows(size, size), draw_rows(size + 1, 3 * size)
        members[: size // 2] = rows[: size // 2]
        assert are_members(rows, members).tolist() == np.isin(rows, members).tolist()


def test_unknown_products_are_never_members() -> None:
    rows = np.array([-1, 4, 5], np.int32)
    assert are_members(rows, np.array([-1, 5, 5], np.int32)).tolist() == [False, False, True]
    assert are_members(rows, np.empty(0, np.int32)).tolist() == [False, False, False]


def test_the_first_of_equal_keys_are_found_in_their_order() -> None:
    for size in (0, 1, 40, 1000):
        keys = draw_rows(size, size) % max(size // 2, 1)
        _keys, first = np.unique(keys, return_index=True)
        assert find_first_positions(keys).tolist() == np.sort(first).tolist()
