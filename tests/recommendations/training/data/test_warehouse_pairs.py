"""A model whose pairs were counted on an engine is the model that this process would have fitted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from customers.warehouse.connection import Warehouse
from customers.warehouse.engines.base import WarehouseEngineError
from customers.warehouse.engines.duckdb import DuckDBEngine
from recommendations.engine import KIND_CODES, Interactions, Products
from recommendations.engine.algorithms.base import Algorithm
from recommendations.engine.pair_support.pair_engine import use_pair_engine
from recommendations.training.data.warehouse_pairs import WarehousePairEngine, count_pairs_on_engine
from recommendations.training.tuning.model_choice import fit_components

PEOPLE, ITEMS, ROWS = 90, 40, 1_500
COMPONENTS: dict[str, dict[str, Any]] = {
    "item-knn": {"algorithm": "item-knn", "parameters": {"k": 5, "weighting": "bm25", "shrinkage": 5.0}},
    "plain": {"algorithm": "item-knn", "parameters": {"k": 50, "half_life_days": 3.0}},
    "itself": {"algorithm": "item-knn", "parameters": {"k": 5, "with_self": True}},
    "co-purchase": {"algorithm": "co-purchase", "parameters": {"k": 6}},
    "confidence": {
        "algorithm": "co-purchase",
        "parameters": {"k": 3, "damping": 0.0, "prior_orders": 0.0, "z": 0.0, "min_count": 1},
    },
    "transitions": {"algorithm": "transitions", "parameters": {"k": 6}},
    "transition-walk": {"algorithm": "transition-walk", "parameters": {"k": 6}},
    "popularity": {"algorithm": "popularity", "parameters": {}},
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[WarehousePairEngine]:
    duckdb = DuckDBEngine()
    with duckdb.connect() as backend:
        yield WarehousePairEngine(Warehouse(duckdb, backend, tmp_path), min_terms=0)


def make_interactions() -> Interactions:
    """Return histories with baskets of several products, equal moments, repeated products and products of weight 0."""
    rng = np.random.default_rng(11)
    return Interactions.from_ids(
        user_ids=rng.integers(0, PEOPLE, ROWS),
        item_ids=[f"P{number:02}" for number in (rng.zipf(1.4, ROWS) - 1) % ITEMS],
        order=rng.integers(0, 12, ROWS) * 86_400.0,
        weight=rng.integers(0, 4, ROWS).astype(np.float64),
        kind=rng.choice([KIND_CODES["view"], KIND_CODES["purchase"]], ROWS),
    )


def fit(interactions: Interactions) -> dict[str, Algorithm]:
    fitted = fit_components(COMPONENTS, interactions, Products(n_items=interactions.n_items))
    for component in fitted.values():
        component.learn_support(interactions)
    return fitted


def test_a_model_with_pairs_of_an_engine_has_the_same_arrays(engine: WarehousePairEngine) -> None:
    interactions = make_interactions()
    expected = fit(interactions)
    with use_pair_engine(engine):
        counted = fit(interactions)
    for name, component in expected.items():
        ours, theirs = component.to_arrays()[0], counted[name].to_arrays()[0]
        assert ours.keys() == theirs.keys()
        assert (
            name in ("popularity",)
            or any("orders" in key or "people" in key for key in ours)
            or name == "transition-walk"
        )
        for key, values in ours.items():
            assert values.dtype == theirs[key].dtype, (name, key)
            if name in ("item-knn", "plain") and key.endswith(("data", "lift")):
                np.testing.assert_allclose(theirs[key], values, rtol=2e-6, err_msg=f"{name} {key}")
            else:
                np.testing.assert_array_equal(theirs[key], values, err_msg=f"{name} {key}")


def test_small_matrices_stay_in_this_process(engine: WarehousePairEngine) -> None:
    assert not WarehousePairEngine(engine.warehouse).is_worth_sending(99_999_999)


def test_a_training_whose_engine_is_away_says_which_and_what_to_do(settings: Any) -> None:
    settings.WAREHOUSE_ENGINE, settings.SPARK_MASTER = "spark", "sc://127.0.0.1:9"
    with pytest.raises(WarehouseEngineError, match="WAREHOUSE_ENGINE=") as caught, count_pairs_on_engine():
        raise AssertionError
    assert "spark" in str(caught.value).lower()
