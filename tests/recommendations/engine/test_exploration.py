import numpy as np
import pytest

from recommendations.engine import Interactions, Products
from recommendations.engine.data.interactions import KIND_CODES
from recommendations.engine.exploration import PRIOR_USERS, ExplorationPriors, rank_for_exploration

VIEW, PURCHASE = KIND_CODES["view"], KIND_CODES["purchase"]


def make_events_of_three_products() -> Interactions:
    """Make events: four users viewed a, one of them twice, and two bought it; one viewed b; nobody viewed c."""
    return Interactions.from_ids(
        user_ids=["u1", "u1", "u2", "u3", "u4", "u1", "u2", "u1"],
        item_ids=["a", "a", "a", "a", "a", "a", "a", "b"],
        kind=[VIEW, VIEW, VIEW, VIEW, VIEW, PURCHASE, PURCHASE, VIEW],
        items=Interactions.from_ids(user_ids=["x"] * 3, item_ids=["a", "b", "c"]).items,
    )


def test_users_are_counted_once_per_product_and_the_shop_gives_the_prior() -> None:
    trials = ExplorationPriors.of(make_events_of_three_products())
    assert (trials.people.tolist(), trials.takers.tolist()) == ([4, 1, 0], [2, 0, 0])
    assert trials.prior.tolist() == pytest.approx([2 / 5] * 3)


def test_prior_of_the_category_is_shrunk_towards_the_shop() -> None:
    products = Products.of_columns({"category": ["tea", "cake", "cake"]})
    prior = ExplorationPriors.of(make_events_of_three_products(), products).prior
    assert prior.tolist() == pytest.approx(
        [(2 + PRIOR_USERS * 0.4) / (4 + PRIOR_USERS), *[(0 + PRIOR_USERS * 0.4) / (1 + PRIOR_USERS)] * 2]
    )


def test_draws_have_the_posterior_mean_and_narrow_with_more_users() -> None:
    trials = ExplorationPriors(
        np.array([0, 1000], np.int32), np.array([0, 100], np.int32), np.array([0.4, 0.4], np.float32)
    )
    draws = np.array([trials.draw_rates(np.array([0, 1]), seed=seed) for seed in range(3000)])
    assert draws.mean(axis=0) == pytest.approx([0.4, (4 + 100) / (10 + 1000)], abs=0.01)
    assert draws.std(axis=0)[0] > 10 * draws.std(axis=0)[1]
    assert (trials.draw_rates(np.array([0, 1]), seed=7) == trials.draw_rates(np.array([0, 1]), seed=7)).all()


def test_rates_of_0_and_1_can_be_drawn_from() -> None:
    trials = ExplorationPriors(np.array([3, 3], np.int32), np.array([0, 3], np.int32), np.array([0.0, 1.0], np.float32))
    never, always = trials.draw_rates(np.array([0, 1]), seed=1)
    assert 0 <= never < always <= 1


def test_nearer_candidate_is_tried_first() -> None:
    assert rank_for_exploration(np.array([0.5, 0.5, 0.1]), np.array([0.0, 0.6, 0.6])).tolist() == [1, 2, 0]


def test_products_of_a_shop_without_interactions_have_a_prior_of_0() -> None:
    no_events = make_events_of_three_products().select(np.zeros(8, np.bool_))
    trials = ExplorationPriors.of(no_events)
    assert (trials.people.sum(), trials.prior.sum()) == (0, 0)
    assert np.isfinite(trials.draw_rates(np.arange(3), seed=0)).all()


def test_arrays_restore_the_same_priors() -> None:
    trials = ExplorationPriors.of(make_events_of_three_products())
    again = ExplorationPriors.of_arrays(trials.to_arrays())
    assert all((again.to_arrays()[name] == array).all() for name, array in trials.to_arrays().items())
