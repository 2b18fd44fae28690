"""Weights learned from simulated clicks are those of the simulated visitors, and chance alone does not change the order."""

import numpy as np
import pytest

from recommendations.engine.click_order import BOUNDS, ClickedPage, build_pairs, estimate_gain, fit_exponents

EXAMINATION = 1 / np.log2(1 + np.arange(1, 11))
N = 10


def simulate_pages(n: int, *, exponents: tuple[float, float], seed: int = 1) -> list[ClickedPage]:
    """Return pages in the default order; visitors choose by these exponents among the positions they look at."""
    rng = np.random.default_rng(seed)
    pages = []
    for person in range(n):
        factors = np.column_stack([np.log1p(rng.random(N)), np.log1p(0.5 * rng.random(N))])
        offset = 0.2 * rng.normal(size=N)
        order = np.argsort(-(offset + factors.sum(axis=1)))
        factors, offset = factors[order], offset[order]
        wanted = np.exp(3 * (offset + factors @ np.array(exponents)))
        is_clicked = (rng.random(N) < EXAMINATION) & (rng.random(N) < 0.5 * wanted / wanted.max())
        if is_clicked.any():
            pages.append(ClickedPage(person, np.zeros(N, np.int64), offset, factors, is_clicked, EXAMINATION))
    return pages


def test_what_visitors_prefer_is_learned_and_better_on_later_pages() -> None:
    pages = simulate_pages(8000, exponents=(2.5, 0.2))
    popularity, personal = fit_exponents(build_pairs(pages[:2500], n_factors=2))
    assert popularity > 1.5
    assert personal < popularity - 1
    gain = estimate_gain(build_pairs(pages[2500:], n_factors=2), np.array([popularity, personal]))
    assert 0 < gain.low < gain.value < gain.high


def test_visitors_who_agree_with_the_defaults_change_nothing_beyond_chance() -> None:
    for seed in range(3):
        pages = simulate_pages(2000, exponents=(1.0, 1.0), seed=seed)
        exponents = fit_exponents(build_pairs(pages[:1400], n_factors=2))
        assert estimate_gain(build_pairs(pages[1400:], n_factors=2), exponents).low <= 0


def test_few_clicks_hardly_move_the_exponents_and_none_move_them_at_all() -> None:
    few = fit_exponents(build_pairs(simulate_pages(10, exponents=(4.0, 0.1)), n_factors=2))
    assert few == pytest.approx([1, 1], abs=0.6)
    assert ((few >= BOUNDS[0]) & (few <= BOUNDS[1])).all()
    assert fit_exponents(build_pairs([], n_factors=2)) == pytest.approx([1, 1])


def test_only_products_of_one_group_are_compared_and_pinned_ones_never() -> None:
    page = ClickedPage(
        person=1,
        group=np.array([16, 16, 15, -1]),
        offset=np.zeros(4),
        factors=np.zeros((4, 2)),
        is_clicked=np.array([True, False, True, True]),
        examination=EXAMINATION[:4],
    )
    assert len(build_pairs([page], n_factors=2)) == 1
