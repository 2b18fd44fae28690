import pytest

from recommendations.engine import KIND_CODES, Histories
from recommendations.engine.data.visits import (
    VISIT_GAP_S,
    VISIT_HALF_LIFE_S,
    VisitEvent,
    cut_visits,
    weigh_visit,
)

VIEW, CART, PURCHASE = (KIND_CODES[kind] for kind in ("view", "cart", "purchase"))
NOW = 1_000_000.0


def weigh(*newest_first: tuple[int, int, float], decay: float = 0.5) -> dict[int, float]:
    """Return item → weight; events are (item, kind, seconds ago)."""
    events = [VisitEvent(item, kind, NOW - ago) for item, kind, ago in newest_first]
    return {line.item: line.weight for line in weigh_visit(events, now=NOW, decay=decay)}


def test_a_visit_goes_back_to_the_last_long_pause() -> None:
    pause = VISIT_GAP_S
    assert set(weigh((1, VIEW, 0), (2, VIEW, pause), (3, VIEW, 2 * pause + 1))) == {1, 2}
    assert weigh((1, VIEW, pause + 1)) == {}, "whoever left half an hour ago is in no visit"


def test_weights_decay_by_products_back_and_by_age() -> None:
    assert weigh((1, VIEW, 0), (2, VIEW, 0), (1, VIEW, 0), (3, CART, 0)) == {1: 1.0, 2: 0.5, 3: 3 * 0.25}
    assert weigh((1, VIEW, VISIT_HALF_LIFE_S)) == {1: 0.5}


def test_the_strongest_interaction_with_a_product_counts() -> None:
    assert weigh((1, VIEW, 0), (1, CART, 0)) == {1: 3.0}


def test_a_product_bought_in_the_visit_no_longer_counts_unless_viewed_again() -> None:
    assert weigh((1, PURCHASE, 0), (1, VIEW, 10), (2, VIEW, 20)).keys() == {2}
    assert weigh((1, VIEW, 0), (1, PURCHASE, 10), (1, VIEW, 20)).keys() == {1}


def test_what_precedes_the_purchase_of_a_product_does_not_count_when_it_is_viewed_again() -> None:
    assert weigh((1, VIEW, 0), (1, PURCHASE, 0), (1, CART, 0)) == {1: 1.0}


def test_unknown_products_continue_a_visit_without_being_part_of_it() -> None:
    pause = VISIT_GAP_S
    assert weigh((-1, VIEW, 0), (2, VIEW, pause)).keys() == {2}


def test_histories_are_cut_to_the_visit_at_their_end() -> None:
    histories = Histories.of_lists([[0, 1, 2], [], [3]], n_items=4, orders=[[0, 5000, 5100], [], [7]])
    visits = cut_visits(histories, decay=0.5)
    assert visits.item.tolist() == [1, 2, 3]
    assert visits.indptr.tolist() == [0, 2, 2, 3]
    assert visits.weight.tolist() == pytest.approx([0.5 * 2 ** (-100 / VISIT_HALF_LIFE_S), 1, 1])
