import numpy as np

from recommendations.engine.variety.product_groups import ProductGroups


def make_rows(*rows: int) -> np.ndarray:
    return np.array(rows, np.int32)


# rows 0 and 3 are variants; 1, 2 and 4 are nearly the same; 5 is alone and 6 has no entry in `near`
GROUPS = ProductGroups.from_parents(make_rows(7, -1, -1, 7, -1, -1, -1), near=make_rows(0, 2, 2, 2, 2, 5))


def test_catalog_groups_come_before_similar_content() -> None:
    assert GROUPS.codes.tolist() == [0, 1, 1, 0, 1, 5, 6]
    assert GROUPS.is_grouped.tolist() == [True, True, True, True, True, False, False]
    assert GROUPS.is_variant.tolist() == [True, False, False, True, False, False, False]


def test_the_first_product_of_each_group_is_found_in_the_order_of_the_list() -> None:
    first = GROUPS.find_first(make_rows(5, 4, 3, 0, 6, 1))
    assert first is not None
    assert first.tolist() == [0, 1, 2, 4]
    assert GROUPS.find_first(make_rows(5, 4, 3)) is None
    assert GROUPS.find_first(make_rows()) is None


def test_rows_are_expanded_by_the_other_products_of_their_groups() -> None:
    assert sorted(set(GROUPS.expand(make_rows(4, 6)).tolist())) == [1, 2, 4, 6]
    assert sorted(set(GROUPS.expand(make_rows(3, 4), variants_only=True).tolist())) == [0, 3, 4]
    assert GROUPS.expand(make_rows(-1, 5)).tolist() == [5]
    assert len(GROUPS.expand(make_rows(1, 1, 2, 6))) == 4, "each product once"


def test_a_shop_without_groups_or_with_one_product_has_nothing_to_remove() -> None:
    for n in (0, 1, 3):
        groups = ProductGroups.create_empty(n)
        assert not groups.has_groups
        assert groups.find_first(np.arange(n, dtype=np.int32)) is None
        assert groups.expand(np.arange(n, dtype=np.int32)).tolist() == list(range(n))
