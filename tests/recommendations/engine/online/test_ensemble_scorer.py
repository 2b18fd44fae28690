"""The online ensemble gives the same scores as the batch ensemble."""

import time
from dataclasses import replace

import numpy as np
import pytest

from recommendations.engine import ALGORITHMS, Algorithm, Histories, Interactions, select_top_n
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.algorithms.neighbors.item_knn import ItemKNN
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.algorithms.repeat.repeat_purchase import RepeatPurchase
from recommendations.engine.linear_algebra.sparse import make_csr
from recommendations.engine.online.ensemble_scorer import DeadlineExceededError, MainCause, OnlineEnsemble, Workspace
from recommendations.engine.pair_support.support import PairSupport
from tests.recommendations.engine.makers import make_algorithm, make_products, make_random_interactions

INTERACTIONS = make_random_interactions()
PRODUCTS = make_products(INTERACTIONS.n_items)
N = INTERACTIONS.n_items
NAMES = [name for name in sorted(ALGORITHMS) if name not in ("blend", "rating-blend", "event-types")]
NO_ROWS = np.empty(0, np.int32)
ALL = np.ones(N + 3, np.bool_)


@pytest.fixture(scope="module")
def fitted() -> dict[str, Algorithm]:
    return {name: make_algorithm(name).fit(INTERACTIONS, PRODUCTS) for name in NAMES}


def make_weighted_ensemble(fitted: dict[str, Algorithm], *names: str, normalization: str = "max") -> WeightedEnsemble:
    weights = {name: 1.0 + number for number, name in enumerate(names)}
    return WeightedEnsemble.of_fitted({name: fitted[name] for name in names}, weights, normalization)


MIXED = ("popularity", "repeat", "item-knn", "user-knn", "content", "transitions", "session-knn", "rp3beta")


def list_histories() -> list[Histories]:
    all_histories = INTERACTIONS.build_histories()
    return [all_histories.slice_rows(row, row + 1) for row in range(12)]


@pytest.mark.parametrize("normalization", ["max", "rank"])
@pytest.mark.parametrize(
    "names", [*((name,) for name in NAMES), MIXED, ("co-purchase", "graph-filter", "ials")], ids=str
)
def test_scores_equal_those_of_the_ensemble(
    fitted: dict[str, Algorithm], names: tuple[str, ...], normalization: str
) -> None:
    ensemble = make_weighted_ensemble(fitted, *names, normalization=normalization)
    single = OnlineEnsemble(ensemble, N + 3)
    work = Workspace(N + 3, single.width)
    for history in list_histories():
        expected = np.asarray(ensemble.score(history))[0]
        expected = np.where(np.isfinite(expected), expected, 0.0)
        scored = single.score(history, work)
        np.testing.assert_allclose(scored.get_scores(np.arange(N, dtype=np.int32)), expected, rtol=2e-4, atol=2e-6)
        rows, values = scored.select_top(10, allowed=ALL, excluded=NO_ROWS)
        ranking = select_top_n(expected[None, :].astype(np.float32), 10)
        best = ranking.items[0][(ranking.items[0] >= 0) & (ranking.scores[0] > 0)]
        np.testing.assert_allclose(values, expected[best], rtol=2e-4, atol=2e-6)
        assert (rows < N).all()
        work.clear()
        assert not work.total.any()
        assert not work.touched.any()


def test_equally_popular_items_get_equal_scores_by_rank() -> None:
    n_items = 250
    users = [f"u{number}" for number in range(n_items)]
    interactions = Interactions.from_ids(user_ids=users, item_ids=[f"i{number}" for number in range(n_items)])
    component = Popularity().fit(interactions)
    single = OnlineEnsemble(WeightedEnsemble.of_fitted({"popularity": component}, None, "rank"), n_items)
    assert np.unique(single.static_scores).tolist() == pytest.approx([1 / (1 + np.log(125.5))])
    repeat = WeightedEnsemble.of_fitted({"repeat": RepeatPurchase().fit(interactions)}, None, "rank")
    history = Histories.of_lists([list(range(n_items))], n_items=n_items)
    scored = OnlineEnsemble(repeat, n_items).score(history, Workspace(n_items, n_items))
    scores = scored.get_scores(np.arange(n_items, dtype=np.int32))
    np.testing.assert_allclose(scores, np.asarray(repeat.score(history))[0], rtol=1e-6)
    assert np.ptp(scores) == 0


@pytest.mark.parametrize("names", [*((name,) for name in NAMES), MIXED], ids=str)
def test_main_cause_has_the_largest_share(fitted: dict[str, Algorithm], names: tuple[str, ...]) -> None:
    ensemble = make_weighted_ensemble(fitted, *names)
    single = OnlineEnsemble(ensemble, N)
    work = Workspace(N, single.width)
    for history in list_histories():
        scored = single.score(history, work)
        rows, _values = scored.select_top(8, allowed=np.ones(N, np.bool_), excluded=NO_ROWS)
        for row, cause in zip(rows.tolist(), scored.find_main_causes(rows), strict=True):
            by_item: dict[int, float] = {}
            for part in ensemble.explain(history, row):
                by_item[part.item] = by_item.get(part.item, 0.0) + part.value
            if not by_item or max(by_item.values()) <= 0:
                assert cause.item == -1
                continue
            total = sum(by_item.values())
            assert by_item[cause.item] >= max(by_item.values()) - 1e-4 * total
            if all(value >= 0 for value in by_item.values()):
                assert cause.share == pytest.approx(by_item[cause.item] / total, rel=1e-3, abs=1e-4)
        work.clear()
        assert (work.columns == -1).all()


def test_excluded_and_disallowed_items_never_appear(fitted: dict[str, Algorithm]) -> None:
    single = OnlineEnsemble(make_weighted_ensemble(fitted, *MIXED), N)
    work = Workspace(N, single.width)
    history = list_histories()[0]
    everything, _ = single.score(history, work).select_top(N, allowed=np.ones(N, np.bool_), excluded=NO_ROWS)
    allowed = np.ones(N, np.bool_)
    allowed[everything[0]] = False
    rest, _ = single.score(history, _clear(work)).select_top(N, allowed=allowed, excluded=everything[1:3])
    assert rest.tolist() == everything[3:].tolist()


def _clear(work: Workspace) -> Workspace:
    work.clear()
    return work


def test_factors_weigh_the_scores(fitted: dict[str, Algorithm]) -> None:
    ensemble = make_weighted_ensemble(fitted, *MIXED)
    single = OnlineEnsemble(ensemble, N)
    work = Workspace(N, single.width)
    history = list_histories()[1]
    factors = np.random.default_rng(3).uniform(0.1, 3.0, N).astype(np.float32)
    expected = np.asarray(ensemble.score(history))[0] * factors
    rows, values = single.score(history, work).select_top(
        7, allowed=np.ones(N, np.bool_), excluded=NO_ROWS, factors=factors
    )
    np.testing.assert_allclose(values, np.sort(expected[np.isfinite(expected)])[::-1][:7], rtol=2e-4)
    np.testing.assert_allclose(expected[rows], values, rtol=2e-4)


def test_empty_history_gets_the_scores_common_to_all(fitted: dict[str, Algorithm]) -> None:
    ensemble = make_weighted_ensemble(fitted, *MIXED)
    single = OnlineEnsemble(ensemble, N)
    work = Workspace(N, single.width)
    history = Histories.of_lists([[]], n_items=N, as_of=INTERACTIONS.as_of)
    scored = single.score(history, work)
    rows, _values = scored.select_top(5, allowed=np.ones(N, np.bool_), excluded=NO_ROWS)
    assert not scored.is_personalized
    assert rows.tolist() == select_top_n(ensemble.components_["popularity"].score(history), 5).items[0].tolist()
    assert {cause.item for cause in scored.find_main_causes(rows)} == {-1}


def test_missed_deadline_leaves_a_clean_workspace(fitted: dict[str, Algorithm]) -> None:
    single = OnlineEnsemble(make_weighted_ensemble(fitted, *MIXED), N)
    work = Workspace(N, single.width)
    with pytest.raises(DeadlineExceededError):
        single.score(replace(list_histories()[0]), work, due=time.perf_counter() - 1.0)
    assert work.count == 0
    assert not work.total.any()


def test_similar_products_are_those_of_content(fitted: dict[str, Algorithm]) -> None:
    content = fitted["content"]
    single = OnlineEnsemble(WeightedEnsemble.of_fitted({"content": content}), N, for_similar=True)
    work = Workspace(N, single.width)
    for item in range(0, N, 7):
        items, cosines = content.find_similar(item)
        scored = single.score(Histories.of_lists([[item]], n_items=N), work)
        rows, values = scored.select_top(50, allowed=np.ones(N, np.bool_), excluded=np.array([item], np.int32))
        expected = np.sort(cosines / scored.components[0].columns[3].max())[::-1] if len(items) else cosines
        np.testing.assert_allclose(values, expected[: len(values)], rtol=1e-5)
        assert set(rows.tolist()) <= set(items.tolist())
        if len(rows):
            assert {cause.item for cause in scored.find_main_causes(rows)} == {item}
        work.clear()


def test_the_most_specific_of_the_causes_that_contributed_enough_is_named() -> None:
    gasoline, cheese, candy, buns = range(4)
    # The buns get 1.0 from the gasoline, 0.4 from the cheese, and 0.2, which is too little, from the candy.
    neighbors = make_csr([1.0, 0.4, 0.2], [buns] * 3, [0, 1, 2, 3, 3], (4, 4))
    knn = ItemKNN()
    knn.neighbors_ = neighbors
    single = OnlineEnsemble(WeightedEnsemble.of_fitted({"item-knn": knn}), 4)
    work = Workspace(4, single.width)
    scored = single.score(Histories.of_lists([[gasoline, cheese, candy]], n_items=4), work)
    rows = np.array([buns], np.int32)

    def find_cause(lifts: list[float], people: int = 50) -> MainCause:
        counts = np.full(3, people, np.int32)
        support = PairSupport(neighbors.indptr, neighbors.indices, counts, counts, np.array(lifts, np.float32))
        return scored.find_main_causes(rows, {"item-knn": support})[0]

    assert scored.find_main_causes(rows)[0].item == gasoline
    specific = find_cause([1.1, 1.8, 4.0])
    assert (specific.item, specific.source) == (cheese, "item-knn")
    assert specific.share == pytest.approx(0.25)
    assert find_cause([1.1, 1.4, 4.0]).item == gasoline, "no cause that contributed enough is specific"
    assert find_cause([1.1, 1.8, 4.0], people=1).item == gasoline, "one customer is no evidence"
    assert find_cause([2.0, 1.8, 4.0]).item == gasoline
