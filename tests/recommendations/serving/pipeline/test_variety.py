"""Product groups and the limit of purchased products, through the whole pipeline of recommendations."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from catalog.models import Product
from customers.events.recent.interactions import RecentActivity, RecentInteraction
from customers.orders.models import OrderLine
from recommendations.engine.placements import CART, FOR_YOU
from recommendations.serving.models import PlacementSettings
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader
from recommendations.training.models import ModelVersion
from tests.makers import NOON, make_product
from tests.recommendations.shop import get_customer

pytestmark = pytest.mark.usefixtures("trained")
LATER = NOON + timedelta(minutes=5)
NO_ACTIVITY = RecentActivity()


def get_response(loader: StateLoader, scenario: str = FOR_YOU, **fields: Any) -> RecommendationResponse:
    request = RecommendationRequest(scenario, **{"n": 10, **fields})
    return recommend(request=request, now=LATER, source=loader, activity=NO_ACTIVITY)


def list_ids(loader: StateLoader, scenario: str = FOR_YOU, **fields: Any) -> list[str]:
    return [item.product_id for item in get_response(loader, scenario, **fields).items]


def list_pages(loader: StateLoader, scenario: str, *, n: int, **fields: Any) -> list[list[str]]:
    pages: list[list[str]] = []
    cursor = ""
    while len(pages) < 20:
        response = get_response(loader, scenario, n=n, cursor=cursor, **fields)
        pages.append([item.product_id for item in response.items])
        cursor = response.next_cursor or ""
        if not cursor:
            break
    return pages


def limit_purchased(share: float | None, placement: str = FOR_YOU) -> None:
    PlacementSettings.objects.filter(placement=placement).update(max_purchased_share=share)


def group(parent_id: str, *product_ids: str) -> None:
    assert Product.objects.filter(product_id__in=product_ids).update(parent_id=parent_id) == len(product_ids)


def mark_purchased(product_ids: Sequence[str], *, user_id: str = "user-0") -> str:
    """Return p for each product that the customer has bought, and - for each other product."""
    lines = OrderLine.objects.filter(order__customer=get_customer(user_id))
    bought = set(lines.values_list("product__product_id", flat=True))
    return "".join("p" if product_id in bought else "-" for product_id in product_ids)


@pytest.mark.parametrize(("share", "n", "most"), [
    (0.0, 1, 0), (0.0, 3, 0), (0.0, 10, 0), (0.3, 1, 0), (0.3, 3, 0), (0.3, 10, 3), (1.0, 1, 1), (1.0, 3, 3), (1.0, 10, 10),
])  # fmt: skip
def test_the_share_of_purchased_products_is_limited(loader: StateLoader, share: float, n: int, most: int) -> None:
    """user-0 has bought most of the shop: the row is filled all the same."""
    limit_purchased(share)
    shown = list_ids(loader, user_id="user-0", n=n)
    assert len(shown) == n
    n_new = mark_purchased(list_ids(loader, user_id="user-0", n=15)).count("-")
    assert 3 < n_new < 10
    assert mark_purchased(shown).count("p") <= max(most, n - n_new)


def test_for_you_limits_purchased_products_by_default_and_spreads_them(loader: StateLoader) -> None:
    limit_purchased(None)
    marks = mark_purchased(list_ids(loader, user_id="user-0", n=15))
    assert len(marks) == 15
    assert marks.startswith("---p-")  # in the middle of the new products, not after them


def test_a_list_is_filled_up_although_the_visitor_has_bought_the_best_sellers(loader: StateLoader) -> None:
    """user-0 has bought the teas, which sell as well as the coffees: all five coffees are needed, and nothing but popularity finds them."""
    PlacementSettings.objects.filter(placement=CART).update(max_purchased_share=0.0, switch="on")
    shown = list_ids(loader, CART, product_ids=["tea-1"], user_id="user-0", n=5)
    assert mark_purchased(shown) == "-----"
    assert get_response(loader, CART, product_ids=["tea-1"], user_id="user-0", n=5).next_cursor


def test_buy_again_has_no_limit(loader: StateLoader) -> None:
    limit_purchased(None)
    PlacementSettings.objects.filter(placement="buy-again").update(switch="on")
    assert mark_purchased(list_ids(loader, "buy-again", user_id="user-0", n=5)) == "ppppp"


@pytest.mark.parametrize("rotation", [0.0, 1.0])
@pytest.mark.parametrize("distinct", [True, False])
def test_no_product_is_on_two_pages(loader: StateLoader, rotation: float, distinct: bool) -> None:
    limit_purchased(None)
    PlacementSettings.objects.filter(placement=FOR_YOU).update(rotation=rotation)
    group("tea", "tea-0", "tea-1", "tea-2")
    group("coffee", "coffee-0", "coffee-1")
    pages = list_pages(loader, FOR_YOU, n=2, user_id="user-0", distinct=distinct)
    shown = [product_id for page in pages for product_id in page]
    assert len(shown) == len(set(shown)) == (12 if distinct else 15)
    whole = list_ids(loader, user_id="user-0", n=15, distinct=distinct)
    assert shown == whole


@pytest.mark.parametrize("scenario", ["similar", "bought-together", "cart", "popular", "trending", "new"])
def test_no_product_and_no_group_is_on_two_pages_of_a_placement(loader: StateLoader, scenario: str) -> None:
    Product.objects.update(published_at=NOON - timedelta(days=3))
    PlacementSettings.objects.update(switch="on")
    group("tea", "tea-0", "tea-1", "tea-2")
    fields = {"product_ids": ["tea-3"]} if scenario in ("similar", "bought-together", "cart") else {}
    shown = [one for page in list_pages(loader, scenario, n=2, user_id="user-0", **fields) for one in page]
    assert len(shown) == len(set(shown))
    assert len({"tea-0", "tea-1", "tea-2"} & set(shown)) == 1


def test_one_variant_of_a_group_is_shown_and_it_is_the_visitors_own(loader: StateLoader) -> None:
    make_product("latte-new")
    group("coffee", "coffee-0", "coffee-1", "coffee-2", "coffee-3", "coffee-4")
    popular = list_ids(loader, "popular", n=15)
    assert sum(product_id.startswith("coffee") for product_id in popular) == 1
    best = next(product_id for product_id in popular if product_id.startswith("coffee"))
    other = "coffee-3" if best != "coffee-3" else "coffee-4"
    viewed = RecentActivity([RecentInteraction(other, "view", int(NOON.timestamp()) + 60)])
    request = RecommendationRequest(FOR_YOU, anonymous_id="guest", n=15)
    response = recommend(request=request, now=LATER, source=loader, activity=viewed)
    coffees = [item.product_id for item in response.items if item.product_id.startswith("coffee")]
    assert coffees == [other]


def test_a_group_shows_a_variant_in_stock_or_nothing(loader: StateLoader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    group("tea", "tea-0", "tea-1")
    shown = [one for one in list_ids(loader, "popular", n=15) if one in ("tea-0", "tea-1")]
    [best] = shown
    [other] = {"tea-0", "tea-1"} - {best}
    change(best, stock=0)
    assert [one for one in list_ids(loader, "popular", n=15) if one in ("tea-0", "tea-1")] == [other]
    change(other, stock=0)
    assert not {"tea-0", "tea-1"} & set(list_ids(loader, "popular", n=15))


def test_a_parent_product_belongs_to_its_group(loader: StateLoader) -> None:
    group("tea-4", "tea-0", "tea-1")
    shown = list_ids(loader, "popular", n=15)
    assert len({"tea-0", "tea-1", "tea-4"} & set(shown)) == 1


def test_two_groups_of_equal_score_are_both_shown(loader: StateLoader) -> None:
    Product.objects.update(published_at=NOON - timedelta(days=3))
    group("one", "tea-0", "coffee-0")
    group("two", "tea-1", "coffee-1")
    shown = list_ids(loader, "new", n=15)
    assert len(shown) == 13
    assert len({"tea-0", "coffee-0"} & set(shown)) == len({"tea-1", "coffee-1"} & set(shown)) == 1


def test_variants_of_excluded_products_and_of_the_product_of_the_page_are_not_shown(loader: StateLoader) -> None:
    group("tea", "tea-0", "tea-1")
    PlacementSettings.objects.update(switch="on")
    assert not {"tea-0", "tea-1"} & set(list_ids(loader, "popular", n=15, exclude=["tea-0"]))
    assert "tea-1" in list_ids(loader, "popular", n=15, exclude=["tea-0"], distinct=False)
    for scenario in ("similar", "cart"):
        assert "tea-1" not in list_ids(loader, scenario, n=15, product_ids=["tea-0"])


def test_near_identical_products_count_as_one_and_groups_of_the_catalog_come_first(
    trained: ModelVersion, loader: StateLoader
) -> None:
    state = loader.get_state(now=NOON)
    assert state.model is not None
    near = state.model.near_identical
    assert near is not None
    assert near.tolist() == list(range(15))  # numbers make these titles different
    assert not state.groups.has_groups


def change(product_id: str, **fields: Any) -> None:
    product = Product.objects.get(product_id=product_id)
    for name, value in fields.items():
        setattr(product, name, value)
    product.save()
