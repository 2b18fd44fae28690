from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import redis
from django.utils import translation
from pytest_django.fixtures import DjangoAssertNumQueries

from catalog.models import Product
from recommendations.serving.backoffice.preview import build_preview
from recommendations.serving.recommend import recommend
from recommendations.serving.request import InvalidRequestError, RecommendationRequest
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from recommendations.training.registry.promotion import ACTIVE_MODELS_KEY, announce_active_version, promote_version
from recommendations.training.train import train
from tests.makers import NOON, make_product

FOR_TEA = RecommendationRequest(scenario="for-you", user_id="user-0", n=5)


def ids(answer) -> list[str]:  # type: ignore[no-untyped-def]
    return [item.product_id for item in answer.items]


def test_customers_get_products_of_their_own_taste(trained: ModelVersion, loader: StateLoader) -> None:
    tea = recommend(request=FOR_TEA, now=NOON, source=loader)
    coffee = recommend(
        request=RecommendationRequest(scenario="for-you", user_id="user-1", n=5), now=NOON, source=loader
    )
    assert all(name.startswith("tea") for name in ids(tea))
    assert all(name.startswith("coffee") for name in ids(coffee))
    assert tea.fallback is None
    assert tea.model_version == trained.version
    assert [item.rank for item in tea.items] == [1, 2, 3, 4, 5]
    assert [item.score for item in tea.items] == sorted((item.score for item in tea.items), reverse=True)


def test_the_reason_is_the_largest_share_of_the_score(trained: ModelVersion, loader: StateLoader) -> None:
    shown = build_preview(request=FOR_TEA, now=NOON, source=loader)
    model = loader.get_state(now=NOON).model
    history = model.build_history(users=model.find_user_rows(["user_id:user-0"]), recent=[])
    rows = model.items.get_rows([entry.item.product_id for entry in shown.items]).tolist()
    for entry, contributions in zip(shown.items, model.blend.explain_many(history, rows), strict=True):
        assert sum(part.value for part in contributions) == pytest.approx(entry.item.score, rel=1e-4)
        by_item: dict[int, float] = {}
        for part in contributions:
            by_item[part.item] = by_item.get(part.item, 0) + part.value
        cause = max(by_item, key=lambda item: by_item[item])
        assert entry.item.reason is not None
        named = [model.items.get_id(cause)] if cause >= 0 else []
        assert entry.item.reason.product_ids == named, "popularity names no product"
        assert 0 < sum(cause.percent for cause in entry.causes) <= 100.5


def test_reasons_are_in_the_language_of_the_request(trained: ModelVersion, loader: StateLoader) -> None:
    english = recommend(request=FOR_TEA, now=NOON, source=loader).items[0].reason
    with translation.override("zh-hans"):
        chinese = recommend(request=FOR_TEA, now=NOON, source=loader).items[0].reason
    assert english is not None
    assert chinese is not None
    assert english.code == chinese.code
    assert english.text != chinese.text


def test_an_unknown_visitor_gets_popular_products_unless_the_request_is_strict(
    trained: ModelVersion, loader: StateLoader
) -> None:
    popular = recommend(request=RecommendationRequest(scenario="popular", n=5), now=NOON, source=loader)
    stranger = recommend(
        request=RecommendationRequest(scenario="for-you", anonymous_id="never seen", n=5), now=NOON, source=loader
    )
    strict = recommend(
        request=RecommendationRequest(scenario="for-you", user_id="nobody", n=5, strict=True), now=NOON, source=loader
    )
    assert ids(stranger) == ids(popular)
    assert (stranger.fallback, stranger.strategy) == ("popular", "popular")
    assert strict.items == []


def test_a_sold_out_or_inactive_product_disappears_at_the_next_refresh(
    trained: ModelVersion, loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_rest = ids(recommend(request=FOR_TEA, now=NOON, source=loader))
    sold_out, hidden = Product.objects.get(product_id=first), Product.objects.get(product_id=second)
    sold_out.stock = 0
    sold_out.save()
    hidden.is_active = False
    hidden.save()
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    assert {first, second}.isdisjoint(ids(recommend(request=FOR_TEA, now=NOON, source=loader)))
    anyway = recommend(
        request=RecommendationRequest(scenario="for-you", user_id="user-0", n=5, in_stock=False),
        now=NOON,
        source=loader,
    )
    assert first in ids(anyway)
    assert second not in ids(anyway)


def test_filters_and_exclusions_apply(trained: ModelVersion, loader: StateLoader) -> None:
    def shown(**wanted) -> list[str]:  # type: ignore[no-untyped-def]
        return ids(
            recommend(request=RecommendationRequest(scenario="popular", n=100, **wanted), now=NOON, source=loader)
        )

    assert sorted(shown(category="Drinks > tea")) == [f"tea-{number}" for number in range(5)]
    assert len(shown(category="Drinks")) == 15
    assert sorted(shown(brand="cake house")) == [f"cake-{number}" for number in range(5)]
    assert sorted(shown(price_min=Decimal(2), price_max=Decimal(2))) == ["cake-1", "coffee-1", "tea-1"]
    assert "tea-0" not in shown(exclude=["tea-0", "unheard of"])
    assert shown(category="Drinks > wine", strict=True) == []
    wine = recommend(
        request=RecommendationRequest(scenario="popular", n=100, category="Drinks > wine"), now=NOON, source=loader
    )
    assert (len(wine.items), wine.fallback, wine.fallback_reason) == (15, "popular", "filters"), "a slot is never empty"


def test_similar_products_share_the_category_and_exclude_the_product_itself(
    trained: ModelVersion, loader: StateLoader
) -> None:
    answer = recommend(
        request=RecommendationRequest(scenario="similar", product_ids=["tea-2"], n=4), now=NOON, source=loader
    )
    assert sorted(ids(answer)) == ["tea-0", "tea-1", "tea-3", "tea-4"]
    assert all(item.reason is not None and item.reason.product_ids == ["tea-2"] for item in answer.items)


def test_pages_follow_each_other_without_gaps_or_repeats(trained: ModelVersion, loader: StateLoader) -> None:
    whole = ids(recommend(request=RecommendationRequest(scenario="popular", n=15), now=NOON, source=loader))
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        answer = recommend(
            request=RecommendationRequest(scenario="popular", n=4, cursor=cursor), now=NOON, source=loader
        )
        found += ids(answer)
        cursor = answer.next_cursor
    assert found == whole


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"scenario": "psychic"}, "scenario"),
        ({"n": 0}, "n"),
        ({"n": 101}, "n"),
        ({"cursor": "???"}, "cursor"),
        ({"scenario": "similar"}, "product_id"),
    ],
)
def test_an_invalid_request_names_the_field(
    trained: ModelVersion, loader: StateLoader, wrong: dict, field: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        recommend(request=RecommendationRequest(**{"scenario": "for-you", **wrong}), now=NOON, source=loader)
    assert caught.value.field == field


def test_a_loaded_state_answers_without_database_queries(
    trained: ModelVersion,
    loader: StateLoader,
    django_assert_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        loader_module, "REFRESH_INTERVAL_SECONDS", 3600.0
    )  # however slow the machine, no look falls into the test
    recommend(request=FOR_TEA, now=NOON, source=loader)
    with django_assert_num_queries(0):
        for request in (
            FOR_TEA,
            RecommendationRequest(scenario="similar", product_ids=["tea-1"]),
            RecommendationRequest(scenario="popular"),
        ):
            recommend(request=request, now=NOON, source=loader)


def test_a_new_version_serves_after_a_refresh_with_and_without_valkey(
    trained: ModelVersion, loader: StateLoader, valkey: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recommend(request=FOR_TEA, now=NOON, source=loader).model_version == trained.version
    second = train(as_of=NOON, started_at=NOON + timedelta(hours=1))
    promote_version(version=second, at=NOON)  # whatever the guards made of two equal ones
    announce_active_version(scenario="for-you", version=second.version)  # what promotion does after its commit
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    assert recommend(request=FOR_TEA, now=NOON, source=loader).model_version == second.version
    valkey.flushdb()
    assert recommend(request=FOR_TEA, now=NOON, source=StateLoader()).model_version == second.version
    valkey.hset(ACTIVE_MODELS_KEY, "for-you", "of another database")
    assert recommend(request=FOR_TEA, now=NOON, source=StateLoader()).model_version == second.version


def test_without_a_model_the_catalog_is_the_fallback(db: None, valkey: redis.Redis, loader: StateLoader) -> None:
    make_product("old", published_at=NOON - timedelta(days=9))
    make_product("new", published_at=NOON - timedelta(days=1))
    make_product("undated")
    answer = recommend(request=FOR_TEA, now=NOON, source=loader)
    assert ids(answer) == ["new", "old", "undated"]
    assert (answer.fallback, answer.fallback_reason, answer.model_version) == ("catalogue", "no_model", "")
    assert {item.reason.code for item in answer.items if item.reason} == {"in_the_shop"}
    strict = recommend(request=replace(FOR_TEA, strict=True), now=NOON, source=loader)
    assert (strict.items, strict.fallback) == ([], None)


def test_recommendation_ids_are_uuids_of_version_7_that_sort_by_time(
    trained: ModelVersion, loader: StateLoader
) -> None:
    import uuid

    early = recommend(request=FOR_TEA, now=NOON, source=loader).recommendation_id
    late = recommend(request=FOR_TEA, now=NOON + timedelta(seconds=1), source=loader).recommendation_id
    assert uuid.UUID(early).version == 7
    assert uuid.UUID(early).variant == uuid.RFC_4122
    assert early < late
