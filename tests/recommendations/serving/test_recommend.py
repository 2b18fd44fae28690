from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import redis
from django.utils import timezone, translation
from pytest_django.fixtures import DjangoAssertNumQueries

from catalog.models import Product
from recommendations.merchandising.models import Rule
from recommendations.serving.backoffice.preview import build_preview
from recommendations.serving.recommend import recommend
from recommendations.serving.request import InvalidRequestError, RecommendationRequest, write_cursor
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from recommendations.training.registry.promotion import ACTIVE_MODELS_KEY, announce_active_version, promote_version
from recommendations.training.train import train
from tests.makers import NOON, make_product

FOR_TEA = RecommendationRequest(scenario="for-you", user_id="user-0", n=5)


def list_ids(response) -> list[str]:  # type: ignore[no-untyped-def]
    return [item.product_id for item in response.items]


def test_customers_get_products_of_their_own_taste(trained: ModelVersion, loader: StateLoader) -> None:
    tea = recommend(request=FOR_TEA, now=NOON, source=loader)
    coffee = recommend(
        request=RecommendationRequest(scenario="for-you", user_id="user-1", n=5), now=NOON, source=loader
    )
    assert all(name.startswith("tea") for name in list_ids(tea))
    assert all(name.startswith("coffee") for name in list_ids(coffee))
    assert tea.fallback is None
    assert tea.model_version == trained.version
    assert [item.rank for item in tea.items] == [1, 2, 3, 4, 5]
    assert [item.score for item in tea.items] == sorted((item.score for item in tea.items), reverse=True)


def test_the_reason_names_a_product_with_a_large_share_of_the_score(trained: ModelVersion, loader: StateLoader) -> None:
    preview = build_preview(request=FOR_TEA, now=NOON, source=loader)
    model = loader.get_state(now=NOON).model
    history = model.build_history(users=model.find_user_rows(["user_id:user-0"]), recent=[])
    rows = model.items.get_rows([entry.item.product_id for entry in preview.items]).tolist()
    named = 0
    for entry, contributions in zip(preview.items, model.blend.explain_many(history, rows), strict=True):
        assert sum(part.value for part in contributions) == pytest.approx(entry.item.score, rel=1e-4)
        by_item: dict[int, float] = {}
        for part in contributions:
            by_item[part.item] = by_item.get(part.item, 0) + part.value
        assert entry.item.reason is not None
        # the most specific cause is named, if its share is at least a quarter of the largest; popularity names no product
        causes = model.items.get_rows(list(entry.item.reason.product_ids)).tolist()
        assert all(by_item[cause] >= max(by_item.values()) / 4 for cause in causes)
        named += len(causes)
        assert 0 < sum(cause.percent for cause in entry.causes) <= 100.5
    assert named > len(preview.items) / 2


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
        request=RecommendationRequest(scenario="for-you", anonymous_id="unknown", n=5), now=NOON, source=loader
    )
    strict = recommend(
        request=RecommendationRequest(scenario="for-you", user_id="nobody", n=5, strict=True), now=NOON, source=loader
    )
    assert list_ids(stranger) == list_ids(popular)
    assert (stranger.fallback, stranger.strategy) == ("popular", "popular")
    assert strict.items == []


def test_a_sold_out_or_inactive_product_disappears_at_the_next_refresh(
    trained: ModelVersion, loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, *_rest = list_ids(recommend(request=FOR_TEA, now=NOON, source=loader))
    sold_out, hidden = Product.objects.get(product_id=first), Product.objects.get(product_id=second)
    sold_out.stock = 0
    sold_out.save()
    hidden.is_active = False
    hidden.save()
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    assert {first, second}.isdisjoint(list_ids(recommend(request=FOR_TEA, now=NOON, source=loader)))
    with_sold_out = recommend(
        request=RecommendationRequest(scenario="for-you", user_id="user-0", n=5, in_stock=False),
        now=NOON,
        source=loader,
    )
    assert first in list_ids(with_sold_out)
    assert second not in list_ids(with_sold_out)


def test_filters_and_exclusions_apply(trained: ModelVersion, loader: StateLoader) -> None:
    def list_popular(**filters) -> list[str]:  # type: ignore[no-untyped-def]
        return list_ids(
            recommend(request=RecommendationRequest(scenario="popular", n=100, **filters), now=NOON, source=loader)
        )

    assert sorted(list_popular(category="Drinks > tea")) == [f"tea-{number}" for number in range(5)]
    assert len(list_popular(category="Drinks")) == 15
    assert sorted(list_popular(brand="cake house")) == [f"cake-{number}" for number in range(5)]
    assert sorted(list_popular(price_min=Decimal(2), price_max=Decimal(2))) == ["cake-1", "coffee-1", "tea-1"]
    assert "tea-0" not in list_popular(exclude=["tea-0", "unknown"])
    assert list_popular(category="Drinks > wine", strict=True) == []


def test_filters_that_no_product_meets_give_an_empty_list_with_its_reason(
    trained: ModelVersion, loader: StateLoader
) -> None:
    def get_response(scenario: str = "popular", **fields):  # type: ignore[no-untyped-def]
        return recommend(request=RecommendationRequest(scenario=scenario, n=100, **fields), now=NOON, source=loader)

    for scenario in ("popular", "for-you", "new"):
        wine = get_response(scenario, category="Drinks > wine", price_max=Decimal(3))
        assert (wine.items, wine.fallback) == ([], None)
        assert wine.empty_reason == (
            "filters",
            "No product matches the filters.",
            ["category", "price_max"],
        )
    with translation.override("zh-hans"):
        assert "No product" not in get_response(category="Drinks > wine").empty_reason.text
    lenient = get_response(category="Drinks > wine", strict=False)
    assert (len(lenient.items), lenient.fallback, lenient.fallback_reason) == (15, "popular", "filters")
    assert lenient.empty_reason is None
    stranger = get_response("for-you", anonymous_id="unknown", category="Drinks > tea")
    assert (sorted(list_ids(stranger)), stranger.fallback) == ([f"tea-{number}" for number in range(5)], "popular")


def test_every_empty_list_says_why(trained: ModelVersion, loader: StateLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    def get_code(**fields):  # type: ignore[no-untyped-def]
        request = RecommendationRequest(**{"scenario": "for-you", "anonymous_id": "unknown", **fields})
        response = recommend(request=request, now=NOON, source=loader)
        assert response.items == []
        return response.empty_reason.code

    assert get_code(strict=True) == "nothing_known"
    assert get_code(scenario="new", strict=True) == "none_left", "no product has a publication date"
    every_product = [f"{taste}-{number}" for taste in ("tea", "coffee", "cake") for number in range(5)]
    assert get_code(scenario="popular", exclude=every_product, strict=True) == "no_products"
    assert get_code(scenario="popular", cursor=write_cursor(100, 0), strict=True) == "end_of_list"
    Product.objects.update(is_active=False, updated_at=timezone.now() + timedelta(minutes=1))
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    assert get_code(scenario="popular", strict=None) == "no_products"


def test_rules_never_empty_a_list_by_products_without_a_price_and_a_hidden_catalog_is_named(
    trained: ModelVersion, loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    Product.objects.filter(product_id="tea-0").update(price=None, updated_at=timezone.now() + timedelta(minutes=1))
    rule = Rule.objects.create(name="Only", action="only", product_ids=["tea-0"])
    popular = RecommendationRequest(scenario="popular", n=5)
    assert len(recommend(request=popular, now=NOON, source=loader).items) == 5
    rule.action, rule.product_ids, rule.price_from = "hide", [], Decimal("0.01")
    rule.save()
    response = recommend(request=popular, now=NOON, source=loader)
    assert response.items == []
    assert response.empty_reason == ("rules", "Merchandising rules hide every product that could be shown here.", ())


def test_similar_products_share_the_category_and_exclude_the_product_itself(
    trained: ModelVersion, loader: StateLoader
) -> None:
    response = recommend(
        request=RecommendationRequest(scenario="similar", product_ids=["tea-2"], n=4), now=NOON, source=loader
    )
    assert sorted(list_ids(response)) == ["tea-0", "tea-1", "tea-3", "tea-4"]
    assert all(item.reason is not None and item.reason.product_ids == ["tea-2"] for item in response.items)


def test_pages_follow_each_other_without_gaps_or_repeats(trained: ModelVersion, loader: StateLoader) -> None:
    whole = list_ids(recommend(request=RecommendationRequest(scenario="popular", n=15), now=NOON, source=loader))
    product_ids: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        response = recommend(
            request=RecommendationRequest(scenario="popular", n=4, cursor=cursor), now=NOON, source=loader
        )
        product_ids += list_ids(response)
        cursor = response.next_cursor
    assert product_ids == whole


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"scenario": "psychic"}, "scenario"),
        ({"n": 0}, "n"),
        ({"n": 101}, "n"),
        ({"cursor": "???"}, "cursor"),
        ({"scenario": "similar"}, "product_id"),
    ],
)
def test_an_invalid_request_names_the_field(
    trained: ModelVersion, loader: StateLoader, fields: dict, field: str
) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        recommend(request=RecommendationRequest(**{"scenario": "for-you", **fields}), now=NOON, source=loader)
    assert list(caught.value.errors) == [field]


def test_a_loaded_state_answers_without_database_queries(
    trained: ModelVersion,
    loader: StateLoader,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
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
    promote_version(version=second, at=NOON)  # the promotion criteria may reject an equal model
    announce_active_version(scenario="for-you", version=second.version)  # promotion announces after its commit
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    assert recommend(request=FOR_TEA, now=NOON, source=loader).model_version == second.version
    valkey.flushdb()
    assert recommend(request=FOR_TEA, now=NOON, source=StateLoader()).model_version == second.version
    valkey.hset(ACTIVE_MODELS_KEY, "for-you", "of another database")
    assert recommend(request=FOR_TEA, now=NOON, source=StateLoader()).model_version == second.version


def test_without_a_model_the_catalog_is_the_fallback(db: None, valkey: redis.Redis, loader: StateLoader) -> None:
    make_product("old", published_at=NOON - timedelta(days=9))
    make_product("new", published_at=NOON - timedelta(days=1))
    for name, days in (("undated", 9), ("added last", 1)):
        make_product(name)
        Product.objects.filter(product_id=name).update(created_at=NOON - timedelta(days=days))
    response = recommend(request=FOR_TEA, now=NOON, source=loader)
    assert list_ids(response) == ["new", "old", "added last", "undated"]
    assert (response.fallback, response.fallback_reason, response.model_version) == ("catalogue", "no_model", "")
    assert {item.reason.code for item in response.items if item.reason} == {"in_the_shop"}
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
