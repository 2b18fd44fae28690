import pytest
from pytest_django.fixtures import DjangoAssertNumQueries

from recommendations.serving.backoffice.preview import build_preview
from recommendations.serving.recommend import recommend
from recommendations.serving.request import InvalidRequestError, RecommendationRequest
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.makers import NOON


def get_response(loader: StateLoader, **fields) -> RecommendationResponse:  # type: ignore[no-untyped-def]
    return recommend(request=RecommendationRequest(scenario="for-you", n=5, **fields), now=NOON, source=loader)


def list_tastes(response: RecommendationResponse) -> set[str]:
    return {item.product_id.split("-")[0] for item in response.items}


def test_a_new_customer_gets_what_customers_with_the_same_traits_buy(
    trained_with_tastes: ModelVersion, loader: StateLoader
) -> None:
    tea, coffee = get_response(loader, user_id="new-tea"), get_response(loader, user_id="new-coffee")
    assert (tea.strategy, tea.fallback) == ("cold-start", None)
    assert (list_tastes(tea), list_tastes(coffee)) == ({"tea"}, {"coffee"})
    assert {item.reason.code for item in tea.items if item.reason} == {"popular_with_people_like_you"}
    assert all(item.reason and "tea" not in item.reason.text for item in tea.items), "no trait is named"


def test_a_visitor_gets_popular_products_of_the_landing_category(
    trained_with_tastes: ModelVersion, loader: StateLoader
) -> None:
    response = get_response(loader, anonymous_id="unknown", landing_category="Drinks > coffee")
    model = loader.get_state(now=NOON).model.cold_start
    assert model is not None
    if model.model.landing:
        assert (response.strategy, response.fallback) == ("cold-start", None)
        assert list_tastes(response) == {"coffee"}
        # all customers who drink coffee buy all of its products, so none is more popular than others of its category
        assert {item.reason.text for item in response.items if item.reason} == {"Popular right now"}
    else:
        assert response.fallback == "popular"


def test_a_history_takes_precedence_over_the_landing_category(
    trained_with_tastes: ModelVersion, loader: StateLoader
) -> None:
    response = get_response(loader, user_id="user-0", landing_category="Drinks > coffee")
    assert response.strategy == trained_with_tastes.algorithm
    assert list_tastes(response) == {"tea"}


def test_a_visitor_without_known_traits_gets_popular_products(
    trained_with_tastes: ModelVersion, loader: StateLoader
) -> None:
    for fields in ({"anonymous_id": "unknown"}, {"language": "xx", "country": "nowhere", "device": "toaster"}):
        response = get_response(loader, **fields)
        assert (response.strategy, response.fallback) == ("popular", "popular")


def test_an_unknown_landing_category_is_named_in_the_error(trained: ModelVersion, loader: StateLoader) -> None:
    with pytest.raises(InvalidRequestError, match=r"Unknown category 'Drinks > wine'.*such as 'Drinks > ") as caught:
        get_response(loader, landing_category="Drinks > wine")
    assert list(caught.value.errors) == ["landing_category"]
    assert get_response(loader, landing_category="Drinks").items, "a category above others is known"


def test_the_back_office_shows_which_trait_raises_a_score(
    trained_with_tastes: ModelVersion, loader: StateLoader
) -> None:
    preview = build_preview(
        request=RecommendationRequest(scenario="for-you", user_id="new-tea", n=3), now=NOON, source=loader
    )
    for entry in preview.items:
        assert entry.causes[0].source == "trait.traits.taste"
        assert sum(cause.percent for cause in entry.causes) == pytest.approx(100, abs=0.5)


def test_a_new_customer_costs_no_query(
    trained_with_tastes: ModelVersion,
    loader: StateLoader,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    get_response(loader, user_id="new-tea")
    with django_assert_num_queries(0):
        get_response(loader, user_id="new-tea", landing_category="Drinks", language="en")
