from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from catalog.models import Product
from customers.identity.consent.restrictions import restrict_processing
from customers.identity.merging.merge import merge_customers
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
from recommendations.training.registry import incremental_update
from recommendations.training.registry.artifacts import Artifact, open_artifact
from recommendations.training.registry.incremental_update import (
    NothingToRefreshError,
    activate_refresh,
    build_overlay,
    read_activity_update,
    refresh_active_version,
)
from recommendations.training.registry.promotion import (
    copy_active_artifacts,
    get_artifact_folder,
    promote_version,
    roll_back_version,
)
from recommendations.training.train import remove_old_artifacts, train
from tests.makers import NOON, make_customer, make_order
from tests.recommendations.shop import get_customer
from tests.recommendations.trainings import promote_fitted_model

LATER = NOON + timedelta(hours=2)


def place_order(customer, *names: str, hours: int = 1) -> None:  # type: ignore[no-untyped-def]
    products = list(Product.objects.filter(product_id__in=names))
    make_order(customer, placed_at=NOON + timedelta(hours=hours), products=products)


@pytest.fixture
def outdated(trained: ModelVersion) -> ModelVersion:
    """Return a version after whose training a tea drinker bought coffee, and a new customer tea."""
    place_order(get_customer("user-0"), "coffee-0", "coffee-1")
    place_order(make_customer("newcomer"), "tea-0")
    export_warehouse(started_at=LATER)
    return trained


def test_counts_are_those_of_a_full_fit(outdated: ModelVersion, loader: StateLoader) -> None:
    refresh_active_version(as_of=LATER)
    part = loader.get_state(now=LATER).model.blend.components_["popularity"]
    assert isinstance(part, Popularity)
    event_weights = EventWeights(**outdated.parameters["weighing"])
    full_fit = Popularity(**part.get_parameters()).fit(
        event_weights.of(extract_training_data(as_of=LATER).interactions)
    )
    np.testing.assert_allclose(part.counts_, full_fit.counts_, rtol=1e-5)


def test_trending_scores_are_those_of_a_full_fit(outdated: ModelVersion) -> None:
    event_weights = EventWeights(**outdated.parameters["weighing"])
    base = open_artifact(folder=get_artifact_folder(outdated), checksum=outdated.checksum)
    trending = Trending(least=0.0).fit(event_weights.of(extract_training_data(as_of=NOON).interactions))
    blend = WeightedEnsemble.of_fitted({"trending": trending})
    arrays, saved = blend.to_arrays()
    with_trending = Artifact(
        {**base.arrays, **{f"model/{name}": array for name, array in arrays.items()}}, {**base.saved, "model": saved}
    )
    news = read_activity_update(base=base, event_weights=event_weights, as_of=LATER)
    overlaid = with_trending.with_parts(build_overlay(base=with_trending, news=news))
    later = restore(overlaid.get_part("model"), overlaid.saved["model"]).components_["trending"]  # type: ignore[attr-defined]
    full_fit = Trending(least=0.0).fit(event_weights.of(extract_training_data(as_of=LATER).interactions))
    np.testing.assert_allclose(later.scores_, full_fit.scores_, rtol=1e-4)
    assert not np.array_equal(trending.scores_, full_fit.scores_)


def test_histories_contain_everything_before_and_after_the_training(
    outdated: ModelVersion, loader: StateLoader
) -> None:
    refresh_active_version(as_of=LATER)
    model = loader.get_state(now=LATER).model
    data = extract_training_data(as_of=LATER)
    for user_id in ("user-0", "user-1", "newcomer"):
        history = model.build_history(users=model.find_user_rows([f"user_id:{user_id}"]), recent=[])
        row = int(data.identifier_user[data.identifiers.get_row(f"user_id:{user_id}")])
        full_history = data.interactions.build_histories(np.array([row], np.int32))
        assert model.items.get_ids(history.item) == data.interactions.items.get_ids(full_history.item)
        assert history.order.tolist() == full_history.order.tolist()


def test_a_new_customer_gets_personal_recommendations_before_the_next_training(
    outdated: ModelVersion, loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = RecommendationRequest(scenario="for-you", user_id="newcomer", n=5)
    assert recommend(request=request, now=LATER, source=loader).fallback == "popular"
    version = refresh_active_version(as_of=LATER)
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    response = recommend(request=request, now=LATER, source=loader)
    assert (response.fallback, response.model_version) == (None, version.version)
    assert response.items[0].product_id.startswith("tea")


def test_activity_of_customers_who_object_to_profiling_is_not_added(outdated: ModelVersion) -> None:
    merge_customers(pairs=[(get_customer("newcomer").pk, get_customer("user-1").pk)], at=NOON, causes=["x"])
    restrict_processing(customer=get_customer("newcomer"), scope="profiling", at=LATER, source="test")
    base = open_artifact(folder=get_artifact_folder(outdated), checksum=outdated.checksum)
    news = read_activity_update(base=base, event_weights=EventWeights(**outdated.parameters["weighing"]), as_of=LATER)
    users = news.interactions.users.get_ids(np.unique(news.interactions.user).tolist())
    assert users == [str(get_customer("user-0").pk)]
    assert len(news.inherited) == 0
    assert news.identifiers.get_ids() == ["user_id:user-0"]


def test_a_training_keeps_an_update_that_its_version_does_not_name_yet(
    outdated: ModelVersion, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = settings.MODELS_DIR / f".{outdated.artifact}@2026-11-24T110000.1"
    draft.mkdir()

    def end_training_first(**values: Any) -> ModelVersion:
        remove_old_artifacts()
        return activate_refresh(**values)

    monkeypatch.setattr(incremental_update, "activate_refresh", end_training_first)
    version = refresh_active_version(as_of=LATER)
    open_artifact(folder=settings.MODELS_DIR / version.refresh, checksum=version.refresh_checksum)
    assert draft.exists()


def test_a_second_refresh_replaces_the_first(outdated: ModelVersion, loader: StateLoader, settings) -> None:  # type: ignore[no-untyped-def]
    first = refresh_active_version(as_of=LATER).refresh
    place_order(get_customer("user-2"), "cake-0", hours=3)
    export_warehouse(started_at=LATER + timedelta(hours=2))
    second = refresh_active_version(as_of=LATER + timedelta(hours=2)).refresh
    third = refresh_active_version(as_of=LATER + timedelta(hours=3)).refresh
    folders = {path.name for path in settings.MODELS_DIR.iterdir()}
    assert folders == {outdated.artifact, second, third}
    assert first not in folders
    assert loader.get_state(now=LATER).name == third


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_version_that_is_promoted_again_serves_its_update_only_if_it_still_exists(
    outdated: ModelVersion, loader: StateLoader, is_deleted: bool
) -> None:
    refresh = refresh_active_version(as_of=LATER).refresh
    promote_fitted_model("popularity", as_of=LATER)
    if is_deleted:
        remove_old_artifacts()
    roll_back_version(scenario="for-you", at=LATER)
    outdated.refresh_from_db()
    assert outdated.status == ModelVersion.Status.ACTIVE
    assert (outdated.refresh, outdated.refresh_checksum != "", outdated.refreshed_at is not None) == (
        ("", False, False) if is_deleted else (refresh, True, True)
    )
    assert loader.get_state(now=LATER).name == (outdated.version if is_deleted else refresh)
    copy_active_artifacts()  # a backup does so


def test_without_new_activity_there_is_nothing_to_refresh(trained: ModelVersion) -> None:
    with pytest.raises(NothingToRefreshError, match="no new activity"):
        refresh_active_version(as_of=LATER)


def test_without_a_model_there_is_nothing_to_refresh(db: None, folders) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(NothingToRefreshError, match="train one first"):
        refresh_active_version(as_of=LATER)


def test_with_a_damaged_refresh_the_version_serves_as_it_was_trained(
    outdated: ModelVersion, loader: StateLoader, settings
) -> None:  # type: ignore[no-untyped-def]
    folder = settings.MODELS_DIR / refresh_active_version(as_of=LATER).refresh
    (folder / "manifest.json").write_text("{}")
    model = loader.get_state(now=LATER).model
    assert model.version == outdated.version
    assert model.refreshed is None


def test_the_next_training_removes_the_refresh_and_its_folder(
    outdated: ModelVersion, shortest_trainings: None, settings
) -> None:  # type: ignore[no-untyped-def]
    refresh_active_version(as_of=LATER)
    newer = train(as_of=LATER, started_at=LATER)
    assert newer.refresh == ""
    promote_version(
        version=newer, at=LATER
    )  # whether the evaluation of this small shop promotes it is a matter of chance
    remove_old_artifacts()
    assert {path.name for path in settings.MODELS_DIR.iterdir()} == {outdated.artifact, newer.artifact}
