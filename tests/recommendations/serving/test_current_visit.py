"""The current visit in for-you: three views move the row of a customer with a long history, and say why."""

from datetime import timedelta
from typing import Any

import pytest

from catalog.models import Product
from customers.events.recent import interactions
from customers.events.recent.interactions import remember_interactions
from customers.orders.models import Order, OrderLine
from customers.warehouse.export import export_warehouse
from recommendations.serving.backoffice.preview import build_preview
from recommendations.serving.models import PlacementSettings
from recommendations.serving.pipeline import visitor
from recommendations.serving.rank import RankRequest, rank_products
from recommendations.serving.recommend import recommend
from recommendations.serving.request import RecommendationRequest
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader
from tests.customers.events.recent.event_rows import make_event_row
from tests.makers import NOON, make_product
from tests.recommendations.shop import get_customer, make_tea_and_coffee_shop
from tests.recommendations.trainings import train_once, use_fixed_ids

LATER = NOON + timedelta(minutes=5)
BISCUITS = [f"biscuit-{number}" for number in range(12)]


def make_biscuit_shop() -> None:
    """Make the tea and coffee shop with twelve biscuits, which only the coffee drinkers buy."""
    make_tea_and_coffee_shop()
    for number, name in enumerate(BISCUITS):
        make_product(name, title=f"Biscuit {chr(97 + number) * 3} crisp", category="Food > biscuits", price=2)
    products = dict(Product.objects.filter(product_id__in=BISCUITS).values_list("product_id", "id"))
    orders = Order.objects.filter(customer__identifiers__value__regex="^user-[0-9]*[13579]$").order_by("id")
    lines = [
        OrderLine(
            order=order, line_number=9, product_id=products[BISCUITS[number % 12]], quantity=1, unit_price=2, total=2
        )
        for number, order in enumerate(orders)
    ]
    OrderLine.objects.bulk_create(lines)


@pytest.fixture(autouse=True)
def shop(db: None, folders: Any, valkey: Any, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Serve the biscuit shop, which has orders only: there are no visits to learn from."""
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    settings.RECOMMEND_DEADLINE_MS = 600_000.0
    with use_fixed_ids():
        make_biscuit_shop()
    PlacementSettings.objects.filter(placement="for-you").update(max_purchased_share=1.0)
    export_warehouse(started_at=NOON)
    train_once("biscuits")


def view(*products: str, user_id: str = "user-0", kind: str = "view", minutes: float = 1.0) -> None:
    remember_interactions(
        [
            make_event_row(name, meaning=kind, user_id=user_id, anonymous_id="", minutes=minutes + number / 60)
            for number, name in enumerate(products)
        ]
    )


def get_row(loader: StateLoader, *, now: Any = LATER, user_id: str = "user-0") -> RecommendationResponse:
    return recommend(request=RecommendationRequest("for-you", user_id=user_id, n=10), now=now, source=loader)


def list_ids(response: RecommendationResponse) -> list[str]:
    return [item.product_id for item in response.items]


def test_three_views_of_a_category_move_three_of_ten_positions_and_the_reason_names_a_view(loader: StateLoader) -> None:
    before = get_row(loader)
    assert not set(list_ids(before)) & set(BISCUITS)
    view(*BISCUITS[:3])
    after = get_row(loader)
    moved = [item for item in after.items if item.product_id not in list_ids(before)]
    assert len(moved) >= 3
    assert {item.product_id for item in moved} <= set(BISCUITS[3:]), "what was just viewed is no news"
    for item in moved:
        assert item.reason is not None
        assert set(item.reason.product_ids) <= set(BISCUITS[:3])
        assert item.reason.product_ids


def test_three_views_move_the_row_with_few_purchased_products_too(loader: StateLoader) -> None:
    PlacementSettings.objects.filter(placement="for-you").update(max_purchased_share=None)
    before = list_ids(get_row(loader))
    view(*BISCUITS[:3])
    moved = set(list_ids(get_row(loader))) - set(before)
    assert len(moved & set(BISCUITS[3:])) >= 3


def test_the_row_is_the_same_again_after_the_visit(loader: StateLoader) -> None:
    before = list_ids(get_row(loader))
    view(*BISCUITS[:3])
    assert list_ids(get_row(loader)) != before
    tomorrow = get_row(loader, now=LATER + timedelta(hours=1))
    assert not set(list_ids(tomorrow)) & set(BISCUITS[3:])


def test_the_setting_of_the_placement_decides_how_many_positions_the_visit_gets(loader: StateLoader) -> None:
    view(*BISCUITS[:3])
    counts = []
    for share in (0.0, 0.3, 0.6):
        for_you = PlacementSettings.objects.get(placement="for-you")
        for_you.visit_share = share
        for_you.save()
        counts.append(len(set(list_ids(get_row(loader))) & set(BISCUITS[3:])))
    without, default, more = counts
    assert without < default < more
    assert (default, more) >= (3, 6)


def test_others_get_the_same_row_while_someone_is_in_a_visit(loader: StateLoader) -> None:
    before = [(item.product_id, item.score) for item in get_row(loader, user_id="user-2").items]
    view(*BISCUITS[:3])
    assert [(item.product_id, item.score) for item in get_row(loader, user_id="user-2").items] == before


def test_the_preview_reads_the_activity_of_the_visitor_once(
    loader: StateLoader, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def count(**options: Any) -> Any:
        calls.append(options)
        return interactions.read_recent_activity(**options)

    monkeypatch.setattr(visitor, "read_recent_activity", count)
    build_preview(request=RecommendationRequest("for-you", user_id="user-0", n=10), now=LATER, source=loader)
    assert len(calls) == 1


def test_the_preview_names_the_current_visit_as_a_source(loader: StateLoader) -> None:
    view(*BISCUITS[:3])
    request = RecommendationRequest("for-you", user_id="user-0", n=10)
    preview = build_preview(request=request, now=LATER, source=loader)
    [causes] = [entry.causes for entry in preview.items if entry.item.product_id in BISCUITS][:1]
    assert causes[0].label.startswith("Current visit: ")
    assert sum(cause.percent for cause in causes) == pytest.approx(100, abs=0.5)


def test_a_list_is_ranked_by_the_current_visit_too(loader: StateLoader) -> None:
    view(*BISCUITS[:3])
    response = rank_products(request=RankRequest(["coffee-4", "biscuit-7"], user_id="user-0"), now=LATER, source=loader)
    assert list_ids(response) == ["biscuit-7", "coffee-4"]


def test_a_purchase_ends_the_interest_in_a_product(loader: StateLoader) -> None:
    before = list_ids(get_row(loader))
    view("biscuit-0")
    view("biscuit-0", kind="purchase", minutes=2)
    assert len(set(list_ids(get_row(loader))) - set(before)) <= 1
    assert get_customer("user-0")
