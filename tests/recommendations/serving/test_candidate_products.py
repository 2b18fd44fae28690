"""Products that were never sold, have no price or are sold out are not recommended; new ones only where they are asked for."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis

from catalog.models import Product
from customers.events.recent.interactions import remember_interactions
from customers.warehouse.export import export_warehouse
from recommendations.engine.placements import PLACEMENTS
from recommendations.merchandising.models import Rule
from recommendations.serving.batch.audience import find_audience
from recommendations.serving.batch.batch_export import export_recommendations
from recommendations.serving.models import PlacementSettings
from recommendations.serving.rank import RankRequest, rank_products
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.search.request import SearchRequest
from recommendations.serving.search.search import search
from recommendations.serving.search.searcher import Searcher
from recommendations.serving.state.loader import StateLoader
from tests.customers.events.recent.event_rows import make_event_row
from tests.makers import NOON, make_customer, make_order, make_product
from tests.recommendations.order_book import OrderBook
from tests.recommendations.trainings import promote_fitted_model

COMPONENTS = ("popularity", "item-knn", "content", "co-purchase", "repeat")
LATER = NOON + timedelta(minutes=5)
FORBIDDEN = {"free", "unpriced", "sold out"}
SOLD = {"kettle", "tea", "cup", "long ago", "to guests"}


@pytest.fixture
def mixed_shop(db: None, folders: Path, valkey: redis.Redis, settings: Any) -> None:
    """Make a shop with sold and unsold products, with and without price and stock; "untracked" stock is the default."""
    settings.RECOMMEND_EXPLORATION_SHARE = 0.5
    for name in (*SOLD, *FORBIDDEN, "unsold"):
        make_product(name, title=f"{name} title", category="Kitchen > Tea", published_at=NOON - timedelta(days=500))
    make_product("newest", title="newest title", category="Kitchen > New", published_at=NOON - timedelta(days=1))
    Product.objects.filter(product_id="free").update(price=Decimal(0))
    Product.objects.filter(product_id="unpriced").update(price=None, published_at=NOON - timedelta(days=1))
    Product.objects.filter(product_id="sold out").update(stock=0)
    book = OrderBook()
    for name in ("tea", "cup", *FORBIDDEN):
        book.add("kettle", name, times=10, day=800)
    book.add("long ago", "kettle", times=3)
    book.save()
    make_order(None, products=[Product.objects.get(product_id="to guests")], placed_at=NOON - timedelta(days=3))
    export_warehouse(started_at=NOON)
    promote_fitted_model(*COMPONENTS)
    PlacementSettings.objects.update(switch="on")


def get_response(loader: StateLoader, scenario: str, **fields: Any) -> RecommendationResponse:
    request = RecommendationRequest(scenario, **{"n": 20, "product_ids": ["kettle"], "user_id": "buyer-0", **fields})
    return recommend(request=request, now=LATER, source=loader)


def list_ids(response: RecommendationResponse) -> set[str]:
    ids = {item.product_id for item in response.items}
    return ids | {product_id for category in response.categories or () for product_id in category.product_ids}


def view(*product_ids: str, anonymous_id: str = "guest") -> None:
    remember_interactions(
        [
            make_event_row(name, meaning="view", user_id="", anonymous_id=anonymous_id, minutes=number + 1)
            for number, name in enumerate(product_ids)
        ]
    )


@pytest.mark.usefixtures("mixed_shop")
@pytest.mark.parametrize("scenario", sorted(PLACEMENTS))
def test_no_placement_recommends_what_cannot_be_bought_or_never_was(loader: StateLoader, scenario: str) -> None:
    for visitor in ({}, {"user_id": "", "anonymous_id": "guest"}):
        ids = list_ids(get_response(loader, scenario, **visitor))
        assert ids
        assert not ids & FORBIDDEN
        assert not ids & {"unsold"} or scenario == "new"
        assert "newest" not in ids or scenario in ("new", "for-you")


@pytest.mark.usefixtures("mixed_shop")
def test_products_sold_long_ago_or_only_to_guests_stay_candidates(loader: StateLoader) -> None:
    assert list_ids(get_response(loader, "similar", strict=True)) >= {"long ago", "to guests"}


@pytest.mark.usefixtures("mixed_shop")
def test_new_products_appear_where_they_are_asked_for(loader: StateLoader) -> None:
    newest = get_response(loader, "new")
    assert newest.items[0].product_id == "newest"
    assert "unsold" in list_ids(newest)
    explored = get_response(loader, "for-you", user_id="buyer-40")
    assert {item.product_id for item in explored.items if item.reason and item.reason.code == "new"} <= {"newest"}
    view("unsold", "unpriced", "newest")
    viewed = get_response(loader, "recently-viewed", user_id="", anonymous_id="guest")
    assert [item.product_id for item in viewed.items] == ["newest", "unsold"]


@pytest.mark.usefixtures("mixed_shop")
def test_a_category_without_any_sale_shows_its_products(loader: StateLoader) -> None:
    response = get_response(loader, "popular", category="Kitchen > New")
    assert (list_ids(response), response.fallback) == ({"newest"}, "catalogue")


@pytest.mark.usefixtures("mixed_shop")
def test_sold_out_products_are_shown_on_request_and_unpriced_ones_are_not(loader: StateLoader) -> None:
    ids = list_ids(get_response(loader, "popular", in_stock=False))
    assert "sold out" in ids
    assert not ids & {"free", "unpriced"}


@pytest.mark.usefixtures("mixed_shop")
def test_a_rule_pins_a_product_that_was_never_sold_but_none_without_a_price(loader: StateLoader) -> None:
    for position, name in enumerate(("unpriced", "unsold"), start=1):
        Rule.objects.create(name=name, action="pin", position=position, product_ids=[name])
    ids = [item.product_id for item in get_response(loader, "popular").items]
    assert "unsold" in ids[:2]
    assert "unpriced" not in ids


@pytest.mark.usefixtures("mixed_shop")
def test_rank_and_search_keep_the_products_that_the_caller_asks_for(loader: StateLoader) -> None:
    request = RankRequest(["unsold", "kettle", "free"], user_id="buyer-0")
    ranked = rank_products(request=request, now=LATER, source=loader)
    assert {item.product_id for item in ranked.items} == {"unsold", "kettle", "free"}
    snapshot = Searcher(source=loader, background=False).get_snapshot(now=LATER)
    found = search(SearchRequest(q="unsold"), snapshot=snapshot)
    assert snapshot.catalog.product_ids[found.hits[0].row] == "unsold"


@pytest.mark.usefixtures("mixed_shop")
def test_exports_and_audiences_follow_the_same_rules(loader: StateLoader, tmp_path: Path) -> None:
    for scenario in ("popular", "for-you", "new"):
        path = tmp_path / scenario
        export_recommendations(scenario=scenario, n=20, path=path, format="csv", now=LATER, source=loader)
        exported = {line.split(",")[2] for line in path.read_text(encoding="utf-8").splitlines()[1:]}
        assert exported
        assert not exported & FORBIDDEN
        assert ("unsold" in exported) == (scenario == "new")
    audience = find_audience(product_id="unpriced", now=LATER, source=loader)
    assert (audience.known, audience.priced, audience.customers) == (True, False, [])
    assert find_audience(product_id="tea", now=LATER, source=loader).priced


@pytest.mark.django_db
@pytest.mark.usefixtures("folders", "valkey")
def test_a_new_shop_without_a_sale_shows_its_catalog(loader: StateLoader) -> None:
    for name in ("first", "second"):
        make_product(name)
    make_product("without price", price=None)
    for scenario in ("popular", "for-you", "similar"):
        assert list_ids(get_response(loader, scenario)) == {"first", "second"}


@pytest.mark.django_db
@pytest.mark.usefixtures("folders", "valkey")
def test_a_shop_without_any_price_still_gets_recommendations(loader: StateLoader) -> None:
    make_product("on request", price=None)
    assert list_ids(get_response(loader, "popular")) == {"on request"}


def test_a_new_shop_shows_its_catalog_after_the_first_orders(
    db: None, folders: Path, valkey: redis.Redis, loader: StateLoader
) -> None:
    for number in range(30):
        make_product(f"tea-{number}", category="Tea", published_at=NOON - timedelta(days=number))
    make_order(
        make_customer("anna"), products=[Product.objects.get(product_id="tea-29")], placed_at=NOON - timedelta(days=3)
    )
    export_warehouse(started_at=NOON)
    promote_fitted_model(*COMPONENTS)
    PlacementSettings.objects.update(switch="on")
    for scenario in ("popular", "for-you", "trending", "similar", "cart"):
        ids = list_ids(get_response(loader, scenario, n=6, user_id="", anonymous_id="guest", product_ids=["tea-3"]))
        assert len(ids) == 6, scenario


@pytest.mark.usefixtures("mixed_shop")
def test_a_product_added_after_the_training_counts_as_never_sold(loader: StateLoader) -> None:
    make_product("added later", published_at=NOON)
    assert "added later" in list_ids(get_response(loader, "new"))
    assert "added later" not in list_ids(get_response(loader, "popular"))
