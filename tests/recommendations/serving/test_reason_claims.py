"""Reasons about other customers claim no more than the counts of the shop support."""

from datetime import timedelta
from typing import Any

import pytest
import redis
from django.utils.translation import override

from customers.events.recent.interactions import remember_interactions
from customers.warehouse.export import export_warehouse
from recommendations.engine.pair_support.support import SupportLevel
from recommendations.engine.placements import PLACEMENTS
from recommendations.serving.models import PlacementSettings
from recommendations.serving.pipeline.reasons import choose_category_reason
from recommendations.serving.reason_claims import PAIR_CLAIMS
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.state.loader import StateLoader
from tests.customers.events.recent.event_rows import make_event_row
from tests.makers import NOON, make_product
from tests.recommendations.order_book import OrderBook
from tests.recommendations.trainings import promote_fitted_model

COMPONENTS = ("popularity", "item-knn", "content", "co-purchase", "transitions")
FILLERS = 400  # orders of other products


@pytest.fixture
def kettle_shop(db: None, folders: Any, valkey: redis.Redis) -> None:
    """Make a shop that sells cups, a tray and tea with a kettle in 1, 2, 4, 5 and 40 orders, and a lid to one person five times."""
    for name in ("kettle", "once", "twice", "four", "five", "lid", "tea"):
        title = {"once": "kettle title, small"}.get(name, f"{name} title")
        make_product(name, title=title, category="Kitchen > Kettles")
    for number in range(10):
        make_product(f"other-{number}", title=f"thing {number}", category="Garden")
    book = OrderBook()
    for name, times in (("once", 1), ("twice", 2), ("four", 4), ("five", 5), ("tea", 40)):
        book.add("kettle", name, times=times)
    book.add("kettle", "lid", times=5, people=1)
    book.add("tea", times=60)
    book.add("kettle", times=20)
    for number in range(FILLERS):
        book.add(f"other-{number % 10}")
    book.save()
    export_warehouse(started_at=NOON)
    promote_fitted_model(*COMPONENTS)


@pytest.fixture
def loader() -> Any:
    fresh = StateLoader()
    yield fresh
    fresh.valkey.close()


def use_weights(**weights: dict[str, float]) -> None:
    for name, shares in weights.items():
        PlacementSettings.objects.filter(placement=name.replace("_", "-")).update(
            switch="on", weights=shares, personal_share=0.0
        )


def get_response(loader: StateLoader, scenario: str, **fields: Any) -> RecommendationResponse:
    return recommend(
        request=RecommendationRequest(scenario, **{"n": 20, "product_ids": ["kettle"], **fields}),
        now=NOON + timedelta(minutes=5),
        source=loader,
    )


def list_texts(response: RecommendationResponse) -> dict[str, str]:
    return {item.product_id: item.reason.text for item in response.items if item.reason}


@pytest.mark.usefixtures("kettle_shop")
def test_bought_together_says_often_from_five_orders_on_and_nothing_at_one(loader: StateLoader) -> None:
    use_weights(bought_together={"co-purchase": 1.0})
    response = get_response(loader, "bought-together")
    assert response.fallback is None
    assert list_texts(response) == {
        "tea": "Often bought together with kettle title",
        "five": "Often bought together with kettle title",
        "four": "Bought together with kettle title",
        "twice": "Bought together with kettle title",
    }, "not the pair of one order, and not that of a single person"
    ids = [item.product_id for item in response.items]
    assert ids.index("tea") < ids.index("twice"), "40 orders with a lower lift rank before 2 with a higher one"
    with override("zh-hans"):
        texts = list_texts(get_response(loader, "bought-together"))
    assert (texts["five"], texts["four"]) == ("常与 kettle title 一起购买", "有客户与 kettle title 一起购买")


@pytest.mark.usefixtures("kettle_shop")
def test_the_minimum_is_a_setting(loader: StateLoader, settings: Any) -> None:
    settings.RECOMMEND_MIN_SUPPORT = 4
    use_weights(bought_together={"co-purchase": 1.0})
    assert list_texts(get_response(loader, "bought-together"))["four"] == "Often bought together with kettle title"


@pytest.mark.usefixtures("kettle_shop")
def test_a_cart_gets_no_product_that_a_single_person_bought_with_it(loader: StateLoader) -> None:
    use_weights(cart={"co-purchase": 0.4, "item-knn": 0.6})
    texts = list_texts(get_response(loader, "cart", strict=True))
    assert set(texts) == {"tea", "five", "four", "twice"}
    filled = list_texts(get_response(loader, "cart"))
    assert filled["lid"] in ("Popular right now", "From our catalog"), "popular products fill up the row of a cart"


@pytest.mark.usefixtures("kettle_shop")
def test_for_you_does_not_show_a_guest_what_a_single_customer_bought(loader: StateLoader) -> None:
    remember_interactions([make_event_row("kettle", meaning="view", user_id="", anonymous_id="guest", minutes=1)])
    guest = set(list_texts(get_response(loader, "for-you", anonymous_id="guest", product_ids=(), strict=True)))
    assert {"tea", "five", "twice"} <= guest
    assert {"lid", "once"}.isdisjoint(guest)


@pytest.mark.usefixtures("kettle_shop")
def test_customers_who_bought_also_buy_needs_five_people(loader: StateLoader) -> None:
    use_weights(similar={"item-knn": 1.0})
    texts = list_texts(get_response(loader, "similar"))
    assert texts["five"] == "Customers who bought kettle title also buy this"
    assert texts["four"] == texts["twice"] == "Customers who bought kettle title also bought this"
    assert texts["once"] == "Similar to kettle title", "the content is similar, and one customer is no evidence"


@pytest.mark.usefixtures("kettle_shop")
def test_without_similar_content_a_claim_falls_to_the_category_or_the_catalog(loader: StateLoader) -> None:
    use_weights(similar={"item-knn": 1.0})
    state = loader.get_state(now=NOON)
    components = state.model.blend.components_ if state.model else {}
    assert "content" in components
    components.pop("content")  # as in a shop whose products have no texts
    assert list_texts(get_response(loader, "similar"))["once"] == "From our catalog"


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "Based on what you viewed and bought"),
        (1, "Based on what you viewed and bought"),
        (2, "You have chosen from Tea before"),
        (4, "You have chosen from Tea before"),
        (5, "You often choose from Tea"),
    ],
)
def test_a_category_is_often_chosen_from_five_interactions_on(count: int, text: str) -> None:
    assert choose_category_reason("Tea", count, minimum=5).text == text


def test_every_claim_has_milder_words_with_a_code_of_its_own() -> None:
    for claim in PAIR_CLAIMS.values():
        often, some = claim.choose(SupportLevel.OFTEN), claim.choose(SupportLevel.SOME)
        assert often.code != some.code
        assert "ften" not in some.text
    assert set(PLACEMENTS) >= {"bought-together", "cart", "similar"}
