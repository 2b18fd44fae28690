"""Shares of few cases, pulled towards the shop's."""

import numpy as np
import pytest
from scipy.stats import beta

from customers.lifecycle.scoring.shares import (
    LEAST_STRENGTH,
    MOST_STRENGTH,
    NOTHING_KNOWN,
    OWN,
    SHOP_ONLY,
    USUAL_STRENGTH,
    Prior,
    learn_prior,
    shrunk_shares,
)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_a_share_lies_between_one_s_own_and_the_shop_s() -> None:
    prior = Prior(share=0.2, strength=10.0, cases=999)
    found = shrunk_shares(hits=ints(1, 0, 30), cases=ints(1, 0, 40), prior=prior)
    assert found.share.tolist() == pytest.approx([3 / 11, 0.2, 32 / 50])
    assert found.reason.tolist() == [OWN, SHOP_ONLY, OWN]
    assert found.low[2] == pytest.approx(beta.ppf(0.1, 32, 18))
    assert found.high[2] == pytest.approx(beta.ppf(0.9, 32, 18))
    assert found.against_shop.tolist() == pytest.approx([15 / 11, 1.0, 3.2])


def test_the_strength_of_the_shop_is_found_again() -> None:
    draws = np.random.default_rng(1)
    cases = draws.integers(1, 15, 20_000)
    for share, strength in ((0.3, 5.0), (0.05, 30.0)):
        own = draws.beta(share * strength, (1 - share) * strength, len(cases))
        prior = learn_prior(hits=draws.binomial(cases, own), cases=cases)
        assert prior.share == pytest.approx(share, rel=0.05)
        assert prior.strength == pytest.approx(strength, rel=0.2)


def test_intervals_hold_four_of_five_true_shares() -> None:
    draws = np.random.default_rng(2)
    cases = draws.integers(0, 12, 20_000)
    own = draws.beta(2.0, 6.0, len(cases))
    found = shrunk_shares(hits=draws.binomial(cases, own), cases=cases)
    assert ((found.low <= own) & (own <= found.high)).mean() == pytest.approx(0.8, abs=0.02)
    raw_error = np.abs(draws.binomial(cases, own)[cases > 0] / cases[cases > 0] - own[cases > 0]).mean()
    assert np.abs(found.share - own)[cases > 0].mean() < raw_error


def test_customers_who_are_all_alike_make_the_shop_strong_and_opposites_make_it_weak() -> None:
    draws = np.random.default_rng(3)
    cases = np.full(5_000, 10)
    assert learn_prior(hits=draws.binomial(cases, 0.3), cases=cases).strength > 100
    assert learn_prior(hits=np.full(50, 3), cases=np.full(50, 10)).strength == MOST_STRENGTH
    assert learn_prior(hits=np.tile([0, 10], 50), cases=np.full(100, 10)).strength == LEAST_STRENGTH


def test_where_nothing_can_be_measured_the_usual_strength_and_a_reason_stand_in() -> None:
    nothing = shrunk_shares(hits=ints(0, 0), cases=ints(0, 0))
    assert nothing.reason.tolist() == [NOTHING_KNOWN] * 2
    assert (nothing.low.tolist(), nothing.high.tolist()) == ([0.0, 0.0], [1.0, 1.0])
    single = learn_prior(hits=ints(1, 0, 1), cases=ints(1, 1, 1))
    assert single == Prior(2.5 / 4, USUAL_STRENGTH, 3)
    assert learn_prior(hits=ints(2), cases=ints(5)).strength == USUAL_STRENGTH
    assert shrunk_shares(hits=ints(), cases=ints()).share.shape == (0,)


@pytest.mark.parametrize(("hits", "cases"), [((0, 0, 0), (3, 9, 1)), ((3, 9, 1), (3, 9, 1)), ((0, 10**9), (1, 10**9))])
def test_extremes_stay_inside_0_and_1(hits: tuple[int, ...], cases: tuple[int, ...]) -> None:
    found = shrunk_shares(hits=ints(*hits), cases=ints(*cases))
    assert ((found.low >= 0) & (found.low <= found.share) & (found.share <= found.high) & (found.high <= 1)).all()


def test_more_cases_of_the_same_share_make_the_interval_narrower() -> None:
    found = shrunk_shares(hits=ints(1, 10, 100), cases=ints(2, 20, 200), prior=Prior(0.5, 4.0, 99))
    assert (np.diff(found.high - found.low) < 0).all()


def test_what_makes_no_sense_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="got 3 of 2 at 1"):
        learn_prior(hits=ints(0, 3), cases=ints(1, 2))
    with pytest.raises(ValueError, match="one entry a customer"):
        shrunk_shares(hits=ints(0, 3), cases=ints(1))
    with pytest.raises(ValueError, match="level"):
        shrunk_shares(hits=ints(0), cases=ints(1), level=0.0)
