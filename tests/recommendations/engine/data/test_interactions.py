"""Interactions and id maps reject inconsistent data."""

import numpy as np
import pytest

from recommendations.engine import IdMap, Interactions, WrongIdsError, WrongInteractionsError
from tests.recommendations.engine.makers import make_random_interactions

DAY = 86_400.0


def make(**columns):
    return Interactions.from_ids(**{"user_ids": ["a", "b", "a"], "item_ids": ["x", "x", "y"], **columns})


def test_any_text_is_an_id():
    ids = ["zoë", "张三", "a" * 300, "", "10", "9", "emoji 🙂", "x y"]
    known = IdMap.of(ids)
    assert known.get_ids(known.get_rows(ids)) == ids
    assert len(known) == len(ids)


def test_unknown_ids_have_row_minus_one():
    known = IdMap.of(["a", "b"])
    assert known.get_rows(["b", "c", "", "aa"]).tolist() == [1, -1, -1, -1]
    assert "a" in known
    assert "c" not in known
    assert 1 not in known


def test_rows_follow_the_order_of_the_ids():
    assert IdMap.of(["c", "a", "b", "a"]).get_ids() == ["a", "b", "c"]


def test_integer_ids_count_as_their_text():
    known, rows = IdMap.number_ids(np.array([10, 9, 10]))
    assert known.get_ids() == ["10", "9"]
    assert rows.tolist() == [0, 1, 0]
    assert known.get_row("9") == 1


def test_ids_with_the_same_hash_are_distinguished():
    honest = IdMap.of([f"id{number}" for number in range(50)])
    colliding = IdMap(honest.text, honest.offsets, np.sort(np.repeat(honest.hashes[:1], 50)), honest.hash_rows)
    assert colliding.get_id(7) == honest.get_id(7)
    probe = honest.get_id(int(honest.hash_rows[0]))
    assert colliding.get_row(probe) == honest.get_row(probe)


def test_loaded_map_gives_the_same_rows(tmp_path):
    known = IdMap.of([f"商品{number}" for number in range(500)])
    for name, array in known.to_arrays().items():
        np.save(tmp_path / f"{name}.npy", array, allow_pickle=False)
    mapped = IdMap.from_arrays({name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in known.to_arrays()})
    assert mapped.get_rows(known.get_ids()).tolist() == list(range(500))


@pytest.mark.parametrize("ids", [["a", None], ["a", 3], [b"a"], [1.5], ["\ud800"]])
def test_ids_that_are_not_text_are_rejected_with_their_position(ids):
    with pytest.raises(WrongIdsError, match=f"id {len(ids) - 1} "):
        IdMap.of(ids)


@pytest.mark.parametrize(
    ("column", "values", "message"),
    [
        ("weight", [1, float("nan"), 1], "weight .*first nan at position 1"),
        ("weight", [1, 1, -2], "weight .*first -2.0 at position 2"),
        ("weight", [1, float("inf"), 1], "weight .*inf"),
        ("weight", [1, 1], "weight has shape"),
        ("order", [1, 2, float("nan")], "order .*first nan at position 2"),
        ("order", np.array(["2026-01-01", "NaT", "2026-01-02"], "M8[s]"), "order .*position 1"),
        ("kind", [0, 9, 0], "kind .*first 9 at position 1"),
        ("item_ids", ["x", "x"], "item has shape"),
        ("user_ids", ["a", None, "b"], "user_ids: id 1 is None"),
        ("items", IdMap.of(["x"]), "item_ids: 1 ids are not among the 1 known ones, first 'y' at position 2"),
        ("as_of", 1.0, "as_of is 1.0"),
    ],
)
def test_invalid_column_is_rejected_with_name_value_and_position(column, values, message):
    with pytest.raises(WrongInteractionsError, match=message):
        make(**{column: values})


def test_duplicates_are_summed():
    interactions = make(user_ids=["a", "a", "b"], item_ids=["x", "x", "x"], weight=[1, 2, 4])
    assert interactions.build_user_items().toarray().tolist() == [[3], [4]]


def test_half_life_counts_back_from_as_of():
    interactions = make(order=[0.0, 10 * DAY, 20 * DAY], weight=[4, 4, 4], as_of=20 * DAY)
    np.testing.assert_allclose(interactions.build_user_items(half_life_days=10).toarray(), [[1, 4], [2, 0]])


def test_dates_become_seconds():
    interactions = make(order=np.array(["1970-01-02", "1970-01-03", "1970-01-01"], "M8[D]"))
    assert interactions.order.tolist() == [DAY, 2 * DAY, 0.0]


def test_before_and_after_partition_the_interactions():
    interactions = make_random_interactions()
    split_at = float(np.median(interactions.order))
    past, future = interactions.before(split_at), interactions.after(split_at)
    assert len(past) + len(future) == len(interactions)
    assert past.order.max() < split_at <= future.order.min()
    assert past.as_of == split_at


def test_users_are_cold_warm_or_hot():
    interactions = make(user_ids=["a"] * 5 + ["b"], item_ids=["x"] * 6, users=IdMap.of(["a", "b", "c"]))
    groups = interactions.group_users_by_activity(warm_below=5)
    assert {name: rows.tolist() for name, rows in groups.items()} == {"hot": [0], "warm": [1], "cold": [2]}


def test_histories_are_oldest_first_for_the_given_users():
    interactions = make(user_ids=["b", "a", "b"], item_ids=["x", "y", "z"], order=[3, 2, 1])
    histories = interactions.build_histories(np.array([1, 0]))
    assert histories.slice_rows(0, 1).item.tolist() == [2, 0]
    assert histories.slice_rows(1, 2).item.tolist() == [1]
    assert histories.user.tolist() == [1, 0]


def test_extended_map_keeps_its_rows_and_appends_new_ids():
    known = IdMap.of(["b", "d"])
    extended = known.extend(["a", "d", "c", "a"])
    assert extended.get_ids() == ["b", "d", "a", "c"]
    assert extended.get_rows(["b", "d", "a", "c", "x"]).tolist() == [0, 1, 2, 3, -1]
    assert known.extend(["b"]) is known


def test_basket_is_one_user_at_one_moment_in_any_order_of_lines():
    interactions = Interactions.from_ids(user_ids=list("abaab"), item_ids=list("vwxyz"), order=[5, 5, 5, 7, 5])
    numbers = interactions.number_baskets()
    assert numbers[0] == numbers[2]
    assert numbers[1] == numbers[4]
    assert len(set(numbers.tolist())) == 3
    shuffled = interactions.select(np.array([4, 3, 2, 1, 0]))
    assert shuffled.number_baskets().tolist() == numbers[::-1].tolist()


def test_basket_continues_over_short_pauses():
    interactions = Interactions.from_ids(user_ids=list("aaab"), item_ids=list("wxyz"), order=[0, 60, 121, 121])
    assert interactions.number_baskets(gap_s=60).tolist() == [0, 0, 1, 2]
    assert interactions.number_baskets(gap_s=61).tolist() == [0, 0, 0, 1]
    assert interactions.select(np.array([], int)).number_baskets().tolist() == []
    with pytest.raises(ValueError, match="gap_s"):
        interactions.number_baskets(gap_s=-1)
