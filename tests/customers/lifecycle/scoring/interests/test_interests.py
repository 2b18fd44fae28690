"""Interests with shares computed by hand."""

import numpy as np
import pytest

from customers.lifecycle.scoring.interests.interests import (
    InterestFacts,
    Interests,
    assign_price_bands,
    compute_hour_interests,
    compute_interests,
)


def make_facts(rows: list[tuple[int, float, float]]) -> InterestFacts:
    """Return facts from rows of code, day and weight."""
    code, at, weight = zip(*rows, strict=True) if rows else ((), (), ())
    return InterestFacts(np.array(code, np.int64), np.array(at, np.float64), np.array(weight, np.float64))


def compute(
    rows: list[tuple[int, float, float]], *, as_of: float = 100.0, codes: int = 5, half_life_days: float = 10.0
) -> Interests:
    return compute_interests(facts=make_facts(rows), as_of=as_of, half_life_days=half_life_days, n_codes=codes)


def test_a_fact_a_half_life_older_counts_half() -> None:
    interests = compute([(1, 90.0, 1.0), (2, 80.0, 1.0), (1, 80.0, 2.0)])
    assert interests.code.tolist() == [1, 2]
    assert interests.share.tolist() == pytest.approx([0.8, 0.2])
    assert interests.facts.tolist() == [2, 1]
    assert interests.newest.tolist() == [90.0, 80.0]
    assert interests.total_facts == 3


def test_equal_shares_are_ordered_by_newest_fact_and_code() -> None:
    assert compute([(3, 99.0, 1.0), (1, 99.0, 1.0), (2, 89.0, 2.0)]).code.tolist() == [1, 3, 2]


def test_breadth_is_the_equivalent_number_of_equal_codes() -> None:
    assert compute([(1, 50.0, 3.0)]).breadth == pytest.approx(1.0)
    assert compute([(code, 60.0, 2.0) for code in range(4)]).breadth == pytest.approx(4.0)
    assert compute([]).breadth == 0.0


def test_later_facts_and_facts_without_weight_change_nothing() -> None:
    rows = [(1, 90.0, 1.0), (2, 50.0, 1.0)]
    interests, with_ignored_facts = compute(rows), compute([*rows, (3, 100.0, 9.0), (-1, 20.0, 5.0), (3, 20.0, 0.0)])
    for name in ("code", "share", "facts", "newest"):
        assert getattr(interests, name).tolist() == getattr(with_ignored_facts, name).tolist()
    assert interests.breadth == with_ignored_facts.breadth


def test_very_old_facts_and_facts_before_1970_have_shares() -> None:
    interests = compute([(1, -40_000.0, 1.0), (2, -40_000.0, 3.0), (3, -90_000.0, 1.0)], as_of=1e6, half_life_days=0.5)
    assert interests.code.tolist() == [2, 1]
    assert interests.share.tolist() == [0.75, 0.25]


def test_no_facts_give_no_interests() -> None:
    interests = compute([])
    assert (interests.code.tolist(), interests.share.tolist(), interests.total_facts) == ([], [], 0)
    assert compute_hour_interests(facts=make_facts([]), as_of=1.0, half_life_days=1.0).code.tolist() == []


def test_random_facts_match_a_count_one_by_one() -> None:
    draws = np.random.default_rng(6)
    rows = [(int(draws.integers(-1, 4)), float(draws.uniform(0, 120)), float(draws.integers(0, 3))) for _ in range(300)]
    interests = compute(rows, codes=4)
    weights = dict.fromkeys(range(4), 0.0)
    for code, at, weight in rows:
        if code >= 0 and at < 100.0:
            weights[code] += weight * 2 ** ((at - 100.0) / 10.0)
    total = sum(weights.values())
    assert interests.share.tolist() == pytest.approx(
        sorted((weight_of_code / total for weight_of_code in weights.values()), reverse=True)
    )


def test_hours_share_weight_with_their_neighbors_around_the_clock() -> None:
    midnight = compute_hour_interests(facts=make_facts([(0, 10.0, 4.0)]), as_of=11.0, half_life_days=1e9)
    assert midnight.code[0] == 0
    assert sorted(midnight.code.tolist()) == [0, 1, 23]
    assert midnight.share.tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert midnight.facts.tolist() == [1, 0, 0]
    assert midnight.newest.tolist() == [10.0, 10.0, 10.0]
    morning = compute_hour_interests(
        facts=make_facts([(8, 3.0, 1.0), (9, 5.0, 1.0), (10, 4.0, 1.0)]), as_of=11.0, half_life_days=1e9
    )
    assert (morning.code[0], morning.newest[0], morning.total_facts) == (9, 5.0, 3)
    assert morning.share[0] == pytest.approx(1 / 3)


def test_prices_fall_into_the_quintiles_they_are_compared_with() -> None:
    edges = np.array([[20.0, 40.0, 60.0, 80.0]] * 4 + [[np.nan] * 4])
    prices = np.array([20.0, 20.01, 1e9, np.nan, 30.0])
    assert assign_price_bands(price=prices, edges=edges).tolist() == [0, 1, 4, -1, -1]
    with_ignored_facts = np.full((3, 4), 5.0)
    assert len(set(assign_price_bands(price=np.full(3, 5.0), edges=with_ignored_facts).tolist())) == 1
    assert assign_price_bands(price=np.zeros(0), edges=np.zeros((0, 4))).tolist() == []


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([(5, 1.0, 1.0)], {}, "code must be -1…4"),
        ([(0, 1.0, -1.0)], {}, "weight"),
        ([(0, 1.0, np.nan)], {}, "weight"),
        ([(0, np.inf, 1.0)], {}, "at must be finite"),
        ([(0, 1.0, 1.0)], {"half_life_days": 0.0}, "half_life_days"),
    ],
)
def test_invalid_arguments_are_rejected_by_name(
    rows: list[tuple[int, float, float]], options: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        compute(rows, **options)  # type: ignore[arg-type]


def test_columns_of_different_lengths_are_rejected() -> None:
    facts = InterestFacts(np.zeros(2, np.int64), np.zeros(1), np.zeros(2))
    with pytest.raises(ValueError, match="differ in shape"):
        compute_interests(facts=facts, as_of=1.0, half_life_days=1.0, n_codes=1)
