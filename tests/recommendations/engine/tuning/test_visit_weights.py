import numpy as np
import pytest

from recommendations.engine import KIND_CODES, Interactions
from recommendations.engine.algorithms.neighbors.session_knn import SessionKNN
from recommendations.engine.algorithms.repeat.repeat_purchase import RepeatPurchase
from recommendations.engine.data.event_weights import EventWeights
from recommendations.engine.evaluation.evaluation_queries import QuerySample
from recommendations.engine.evaluation.visit_queries import query_next_in_visit
from recommendations.engine.tuning.visit_weights import (
    VisitComponents,
    compare_visits,
    find_visit_factors,
    tune_visit_ensemble,
    tune_visit_positions,
)

DAY = 86_400.0


def test_the_factor_brings_the_products_of_the_visit_among_the_best_ten() -> None:
    base, visit = np.zeros((2, 30), np.float32), np.zeros((2, 30), np.float32)
    base[:, :12] = np.linspace(1.0, 0.5, 12)
    visit[0, 12:18] = (1.0, 0.9, 0.5, 0.4, 0.3, 0.2)
    for positions in (1, 2, 3, 4, 5):
        factors = find_visit_factors(base, visit, positions)
        best = np.argsort(-(base + factors[:, None] * visit), axis=1)[:, :10]
        assert len(set(best[0]) & set(range(12, 18))) == positions
        assert factors[1] == 0, "nothing is related to this visit"
    assert not find_visit_factors(base, visit, 0).any()


def make_visits() -> Interactions:
    """Make 80 people who buy the same of 15 products again, and whose visits lead from an even product to the next odd one."""
    rng = np.random.default_rng(3)
    lines = []
    for user in range(80):
        lines += [(user, 100 + (user + number) % 15, number * DAY, "purchase") for number in range(14)]
        for visit in range(12):
            pair, start = 2 * rng.integers(10), (20 + visit) * DAY
            lines += [(user, pair, start, "view"), (user, pair + 1, start + 60, "view")]
    users, items, orders, kinds = zip(*lines, strict=True)
    return Interactions.from_ids(
        user_ids=[str(user) for user in users],
        item_ids=[str(item) for item in items],
        order=orders,
        kind=[KIND_CODES[kind] for kind in kinds],
    )


@pytest.fixture(scope="module")
def visits() -> Interactions:
    return make_visits()


@pytest.fixture(scope="module")
def components(visits: Interactions) -> VisitComponents:
    """Return a base that knows purchases only, and an algorithm that knows what is viewed in one visit."""
    past = visits.before(28 * DAY)
    purchases = EventWeights({"view": 0.0})
    base = RepeatPurchase().fit(purchases.of(past))
    return VisitComponents(base, {"session-knn": SessionKNN(gap_s=1800.0).fit(past)}, purchases)


def test_positions_are_learned_where_visits_predict_the_next_product(
    visits: Interactions, components: VisitComponents
) -> None:
    queries = query_next_in_visit(visits, QuerySample(100, seed=1), since=28 * DAY, until=30 * DAY)
    weights = tune_visit_positions(components, tune_visit_ensemble(components, queries), queries, seed=1)
    assert weights.weights == {"session-knn": 1.0}
    assert weights.positions >= 1
    later = query_next_in_visit(visits, QuerySample(100, seed=1), since=30 * DAY, until=40 * DAY)
    comparison = compare_visits(components, weights, later, positions=weights.positions, seed=1)
    assert comparison.fallback["hit_rate"].value < 0.1
    assert comparison.own["hit_rate"].value > 0.9


def test_positions_are_rarely_learned_where_visits_predict_nothing(
    visits: Interactions, components: VisitComponents
) -> None:
    """The best of ten numbers seems to help by chance in about one of 13 shops."""
    learned = []
    for seed in range(10):
        queries = query_next_in_visit(visits, QuerySample(100, seed=1), since=28 * DAY, until=30 * DAY)
        rng = np.random.default_rng(seed)
        queries.relevant.indices[:] = rng.integers(queries.relevant.shape[1], size=len(queries.relevant.indices))
        weights = tune_visit_ensemble(components, queries)
        learned.append(tune_visit_positions(components, weights, queries, seed=1).positions)
    assert sum(positions > 0 for positions in learned) <= 2, learned
