from datetime import timedelta

import numpy as np
import pytest

from catalog.models import Product
from customers.warehouse.export import export_warehouse
from recommendations.engine import restore
from recommendations.engine.algorithms.ensembles.weighted_ensemble import WeightedEnsemble
from recommendations.engine.algorithms.popularity.popularity import Popularity
from recommendations.engine.algorithms.popularity.trending import Trending
from recommendations.engine.data.event_weights import EventWeights
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader
from recommendations.training.data.extract import extract_training_data
from recommendations.training.models import ModelVersion
from recommendations.training.registry.artifacts import Artifact, open_artifact
from recommendations.training.registry.incremental_update import (
    NothingToRefreshError,
    build_overlay,
    read_activity_update,
    refresh_active_version,
)
from recommendations.training.registry.promotion import get_artifact_folder
from recommendations.training.train import train
from tests.makers import NOON, make_customer, make_order
from tests.recommendations.shop import customer_of

LATER = NOON + timedelta(hours=2)


def buy(customer, *names: str, hours: int = 1) -> None:  # type: ignore[no-untyped-def]
    products = list(Product.objects.filter(product_id__in=names))
    make_order(customer, placed_at=NOON + timedelta(hours=hours), products=products)


@pytest.fixture
def moved_on(trained: ModelVersion) -> ModelVersion:
    """An hour after the training a tea drinker has bought coffee, and somebody new tea."""
    buy(customer_of("user-0"), "coffee-0", "coffee-1")
    buy(make_customer("newcomer"), "tea-0")
    export_warehouse(started_at=LATER)
    return trained


def test_counts_are_those_of_a_full_fit(moved_on: ModelVersion, loader: StateLoader) -> None:
    refresh_active_version(as_of=LATER)
    part = loader.get_state(now=LATER).model.blend.components_["popularity"]
    assert isinstance(part, Popularity)
    weighing = EventWeights(**moved_on.parameters["weighing"])
    whole = Popularity(**part.get_parameters()).fit(weighing.of(extract_training_data(as_of=LATER).interactions))
    np.testing.assert_allclose(part.counts_, whole.counts_, rtol=1e-5)


def test_what_is_trending_is_that_of_a_full_fit(moved_on: ModelVersion) -> None:
    weighing = EventWeights(**moved_on.parameters["weighing"])
    base = open_artifact(folder=get_artifact_folder(moved_on), checksum=moved_on.checksum)
    trending = Trending(least=0.0).fit(weighing.of(extract_training_data(as_of=NOON).interactions))
    blend = WeightedEnsemble.of_fitted({"trending": trending})
    arrays, saved = blend.to_arrays()
    with_it = Artifact(
        {**base.arrays, **{f"model/{name}": array for name, array in arrays.items()}}, {**base.saved, "model": saved}
    )
    news = read_activity_update(base=base, weighing=weighing, as_of=LATER)
    overlaid = with_it.with_parts(build_overlay(base=with_it, news=news))
    later = restore(overlaid.get_part("model"), overlaid.saved["model"]).components_["trending"]  # type: ignore[attr-defined]
    whole = Trending(least=0.0).fit(weighing.of(extract_training_data(as_of=LATER).interactions))
    np.testing.assert_allclose(later.scores_, whole.scores_, rtol=1e-4)
    assert not np.array_equal(trending.scores_, whole.scores_)


def test_histories_are_those_of_everything_that_happened(moved_on: ModelVersion, loader: StateLoader) -> None:
    refresh_active_version(as_of=LATER)
    model = loader.get_state(now=LATER).model
    data = extract_training_data(as_of=LATER)
    for user_id in ("user-0", "user-1", "newcomer"):
        found = model.build_history(users=model.find_user_rows([f"user_id:{user_id}"]), recent=[])
        row = int(data.identifier_user[data.identifiers.get_row(f"user_id:{user_id}")])
        whole = data.interactions.build_histories(np.array([row], np.int32))
        assert model.items.get_ids(found.item) == data.interactions.items.get_ids(whole.item)
        assert found.order.tolist() == whole.order.tolist()


def test_somebody_new_gets_recommendations_of_their_own_before_the_next_training(
    moved_on: ModelVersion, loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = RecommendationRequest(scenario="for-you", user_id="newcomer", n=5)
    assert recommend(request=request, now=LATER, source=loader).fallback == "popular"
    version = refresh_active_version(as_of=LATER)
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    answer = recommend(request=request, now=LATER, source=loader)
    assert (answer.fallback, answer.model_version) == (None, version.version)
    assert answer.items[0].product_id.startswith("tea")


def test_a_second_refresh_takes_the_place_of_the_first(moved_on: ModelVersion, loader: StateLoader, settings) -> None:  # type: ignore[no-untyped-def]
    first = refresh_active_version(as_of=LATER).refresh
    buy(customer_of("user-2"), "cake-0", hours=3)
    export_warehouse(started_at=LATER + timedelta(hours=2))
    second = refresh_active_version(as_of=LATER + timedelta(hours=2)).refresh
    third = refresh_active_version(as_of=LATER + timedelta(hours=3)).refresh
    folders = {path.name for path in settings.MODELS_DIR.iterdir()}
    assert folders == {moved_on.artifact, second, third}
    assert first not in folders
    assert loader.get_state(now=LATER).name == third


def test_nothing_new_is_nothing_to_refresh(trained: ModelVersion) -> None:
    with pytest.raises(NothingToRefreshError, match="no new activity"):
        refresh_active_version(as_of=LATER)


def test_without_a_model_there_is_nothing_to_refresh(db: None, folders) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NothingToRefreshError, match="train one first"):
        refresh_active_version(as_of=LATER)


def test_a_damaged_refresh_leaves_the_version_serving_as_it_was_trained(
    moved_on: ModelVersion, loader: StateLoader, settings
) -> None:  # type: ignore[no-untyped-def]
    folder = settings.MODELS_DIR / refresh_active_version(as_of=LATER).refresh
    (folder / "manifest.json").write_text("{}")
    model = loader.get_state(now=LATER).model
    assert model.version == moved_on.version
    assert model.refreshed is None


def test_the_next_training_keeps_neither_the_refresh_nor_its_folder(moved_on: ModelVersion, settings) -> None:  # type: ignore[no-untyped-def]
    refresh_active_version(as_of=LATER)
    newer = train(as_of=LATER, started_at=LATER)
    assert newer.refresh == ""
    assert {path.name for path in settings.MODELS_DIR.iterdir()} == {moved_on.artifact, newer.artifact}
