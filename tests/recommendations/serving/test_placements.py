"""Every placement: what it starts from, which products it must not show, and its fallback."""

from datetime import datetime, timedelta
from typing import Any

import pytest
import redis

from catalog.models import Product
from customers.events.recent.interactions import (
    RecentActivity,
    RecentInteraction,
    clear_interactions,
    remember_interactions,
)
from customers.identity.consent.ledger import record_consent
from customers.identity.consent.restrictions import restrict_processing
from customers.identity.models import Consent, Customer
from recommendations.engine.placements import PLACEMENTS
from recommendations.merchandising.models import Rule
from recommendations.serving.models import PlacementSettings
from recommendations.serving.rank import RankRequest, rank_products
from recommendations.serving.recommend import recommend
from recommendations.serving.request import InvalidRequestError, RecommendationRequest
from recommendations.serving.response import RecommendationResponse
from recommendations.serving.state import loader as loader_module
from recommendations.serving.state.loader import StateLoader
from recommendations.serving.state.suppression import suppress_erased_customer
from recommendations.training.models import ModelVersion
from tests.customers.events.recent.event_rows import make_event_row
from tests.makers import NOON, make_product
from tests.recommendations.shop import get_customer

pytestmark = pytest.mark.usefixtures("trained")
LATER = NOON + timedelta(minutes=5)


def get_response(
    loader: StateLoader, scenario: str, *, now: datetime = LATER, activity: RecentActivity | None = None, **fields: Any
) -> RecommendationResponse:
    return recommend(
        request=RecommendationRequest(scenario, **{"n": 5, **fields}), now=now, source=loader, activity=activity
    )


def list_ids(response: RecommendationResponse) -> list[str]:
    return [item.product_id for item in response.items]


def list_codes(response: RecommendationResponse) -> set[str]:
    return {item.reason.code for item in response.items if item.reason}


def record_interactions(*products: str, kind: str = "view", user_id: str = "", anonymous_id: str = "guest") -> None:
    """Record interactions of a visitor, one second after another."""
    remember_interactions(
        [
            make_event_row(name, meaning=kind, user_id=user_id, anonymous_id=anonymous_id, minutes=second / 60 + 1)
            for second, name in enumerate(products)
        ]
    )


def switch_on(*scenarios: str) -> None:
    """Switch placements on with their default weights, independently of the short training."""
    for name in scenarios:
        PlacementSettings.objects.filter(placement=name).update(
            switch=PlacementSettings.Switch.ON, weights=dict(PLACEMENTS[name].weights), updated_at=LATER
        )


@pytest.fixture(autouse=True)
def refresh_at_every_request(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Refresh at every request, with a deadline for slow machines."""
    monkeypatch.setattr(loader_module, "REFRESH_INTERVAL_SECONDS", -1.0)
    settings.RECOMMEND_DEADLINE_MS = 600_000.0


@pytest.mark.parametrize("scenario", sorted(PLACEMENTS))
def test_every_placement_has_items_for_every_visitor(loader: StateLoader, scenario: str) -> None:
    for visitor in ({}, {"user_id": "user-0"}, {"anonymous_id": "unknown"}, {"user_id": "nobody"}):
        response = get_response(loader, scenario, product_ids=["tea-1", "no such product"], **visitor)
        assert response.scenario == scenario
        assert response.items or response.categories
        assert len(set(list_ids(response))) == len(response.items)
        assert all(item.reason is not None for item in response.items)


def test_a_click_counts_in_the_next_response(loader: StateLoader) -> None:
    before = get_response(loader, "for-you", anonymous_id="guest")
    assert before.fallback == "popular"
    record_interactions("coffee-1", "coffee-2", "coffee-3")
    after = get_response(loader, "for-you", anonymous_id="guest")
    assert after.fallback is None
    assert all(name.startswith("coffee") for name in list_ids(after)[:2])
    reasons = [item.reason for item in after.items[:2] if item.reason]
    product_ids = {product_id for reason in reasons for product_id in reason.product_ids}
    assert product_ids <= {"coffee-1", "coffee-2", "coffee-3"}
    assert product_ids


def test_the_cart_gets_products_bought_with_its_products(loader: StateLoader) -> None:
    switch_on("cart", "bought-together")
    for scenario in ("cart", "bought-together"):
        response = get_response(loader, scenario, product_ids=["tea-1", "tea-2"])
        assert response.fallback is None
        assert {"tea-1", "tea-2"}.isdisjoint(list_ids(response))
        assert list_ids(response)[0].startswith("tea")
        assert all(item.reason and set(item.reason.product_ids) <= {"tea-1", "tea-2"} for item in response.items)
    assert "bought_together" in list_codes(get_response(loader, "bought-together", product_ids=["tea-1"]))


def test_a_cart_of_ten_thousand_products_gets_recommendations(loader: StateLoader) -> None:
    switch_on("cart")
    unknown = [f"unknown-{number}" for number in range(10_000)]
    assert get_response(loader, "cart", product_ids=["tea-1", *unknown]).fallback is None
    assert get_response(loader, "cart", product_ids=unknown).fallback == "popular"


def test_similar_products_move_towards_the_taste_of_the_visitor(loader: StateLoader) -> None:
    PlacementSettings.objects.filter(placement="similar").update(personal_share=0.9, updated_at=LATER)
    alone = get_response(loader, "similar", product_ids=["cake-1"], n=14)
    moved = get_response(loader, "similar", product_ids=["cake-1"], user_id="user-0", n=14)
    assert set(list_ids(alone)) == set(list_ids(moved)), "the product determines the candidates"
    assert list_ids(moved)[0].startswith("tea")
    assert list_ids(moved) != list_ids(alone)


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_rules_apply_to_the_taste_of_the_visitor_too(loader: StateLoader, share: float) -> None:
    PlacementSettings.objects.filter(placement="similar").update(personal_share=share, updated_at=LATER)

    def get_scores() -> dict[str, float]:
        response = get_response(loader, "similar", product_ids=["cake-1"], user_id="user-0", n=14)
        return {item.product_id: item.score for item in response.items}

    before = get_scores()
    first, second = list(before)[:2]
    Rule.objects.create(name="Bury", action="bury", factor=0.01, product_ids=[first])
    Rule.objects.create(name="Boost", action="boost", factor=50, product_ids=[second])
    after = get_scores()
    assert next(iter(after)) == second
    assert list(after.values()) == sorted(after.values(), reverse=True)
    assert after == pytest.approx(before | {first: 0.01 * before[first], second: 50 * before[second]}, rel=1e-4)


def test_buy_again_shows_purchased_products_that_are_due(loader: StateLoader) -> None:
    switch_on("buy-again")
    response = get_response(loader, "buy-again", user_id="user-0")
    assert response.fallback is None
    assert all(name.startswith(("tea", "cake")) for name in list_ids(response))
    assert list_codes(response) == {"due_again", "bought_often"}, "some may be due, but need more than a week"
    nobody = get_response(loader, "buy-again", user_id="nobody")
    assert (nobody.fallback, nobody.fallback_reason) == ("popular", "nothing_known")
    assert get_response(loader, "buy-again", user_id="nobody", strict=True).items == []


def test_buy_again_leaves_out_what_was_bought_ten_minutes_ago(loader: StateLoader) -> None:
    switch_on("buy-again")
    before = list_ids(get_response(loader, "buy-again", user_id="user-0"))
    record_interactions(before[0], kind="purchase", user_id="user-0", anonymous_id="")
    now = NOON + timedelta(minutes=11)
    response = get_response(loader, "buy-again", user_id="user-0", n=20, now=now)
    assert response.fallback is None
    assert before[0] not in list_ids(response)
    assert set(before[1:]) <= set(list_ids(response))
    two_weeks_later = get_response(loader, "buy-again", user_id="user-0", n=20, now=now + timedelta(weeks=2))
    assert before[0] in list_ids(two_weeks_later)


def test_buy_again_shows_its_fallback_to_someone_who_just_bought_everything(loader: StateLoader) -> None:
    switch_on("buy-again")
    owned = list_ids(get_response(loader, "buy-again", user_id="user-0", n=20))
    record_interactions(*owned, kind="purchase", user_id="user-0", anonymous_id="")
    response = get_response(loader, "buy-again", user_id="user-0", now=NOON + timedelta(minutes=11))
    assert response.fallback == "for-you"
    assert response.fallback_reason == "nothing_known"


def test_new_products_are_ordered_by_publication_and_need_no_model(loader: StateLoader) -> None:
    make_product("of-today", published_at=NOON, title="Just arrived")
    make_product("of-tomorrow", published_at=NOON + timedelta(days=1))
    Product.objects.filter(product_id="tea-3").update(published_at=NOON - timedelta(days=2))
    response = get_response(loader, "new")
    assert list_ids(response) == ["of-today", "tea-3"]
    assert list_codes(response) == {"new"}
    later = get_response(loader, "new", now=NOON + timedelta(days=30, hours=12))
    assert [(item.product_id, item.reason and item.reason.code) for item in later.items] == [
        ("of-tomorrow", "new"),
        ("of-today", "in_the_shop"),
        ("tea-3", "popular"),
    ]
    assert "of-tomorrow" in list_ids(get_response(loader, "new", now=NOON + timedelta(days=2)))


def test_an_empty_list_with_filters_names_the_true_reason(loader: StateLoader) -> None:
    def describe(scenario: str, **fields: Any) -> tuple[str, list[str]]:
        reason = get_response(loader, scenario, strict=True, **fields).empty_reason
        assert reason is not None
        return reason.code, list(reason.filters)

    assert describe("buy-again", user_id="nobody", brand="No such brand") == ("filters", ["brand"])
    make_product("mug", category="Kitchen > Mugs")
    make_product("pan", category="Kitchen > Pans")
    assert describe("recently-viewed", anonymous_id="nobody", category="Kitchen") == ("nothing_known", [])
    Rule.objects.create(name="Only mugs", action="only", product_ids=["mug"])
    assert describe("popular", category="Kitchen > Pans") == ("rules", [])


def test_a_fallback_says_when_no_product_qualifies(loader: StateLoader) -> None:
    make_product("mug", category="Kitchen")  # never sold
    response = get_response(loader, "popular", category="Kitchen")
    assert (list_ids(response), response.fallback, response.fallback_reason) == (["mug"], "catalogue", "none_left")
    response = get_response(loader, "new")
    assert (response.fallback, response.fallback_reason) == ("popular", "none_left"), "no publication dates"


def test_products_without_categories_say_why_there_are_no_categories(loader: StateLoader) -> None:
    Product.objects.update(category=None)
    response = get_response(loader, "categories", user_id="user-0")
    assert response.categories == []
    assert response.empty_reason is not None
    assert response.empty_reason.code == "no_categories"


def test_recently_viewed_products_come_newest_first(loader: StateLoader) -> None:
    make_product("not-in-the-model")
    record_interactions("tea-1", "coffee-2", "not-in-the-model", "tea-1")
    assert list_ids(get_response(loader, "recently-viewed", anonymous_id="guest")) == [
        "tea-1",
        "not-in-the-model",
        "coffee-2",
    ]
    assert get_response(loader, "recently-viewed", anonymous_id="other").fallback == "popular"


def test_categories_follow_the_taste_of_the_customer(loader: StateLoader) -> None:
    tea, coffee = (get_response(loader, "categories", user_id=f"user-{number}").categories for number in (0, 1))
    assert tea is not None
    assert coffee is not None
    assert (tea[0].category, coffee[0].category) == ("Drinks > tea", "Drinks > coffee")
    assert all(name.startswith("tea") for name in tea[0].product_ids)


def test_a_dismissed_product_stays_hidden_until_the_customer_adds_it_to_the_cart(loader: StateLoader) -> None:
    first = list_ids(get_response(loader, "for-you", user_id="user-0"))[0]
    record_interactions(first, kind="dismissal", user_id="user-0", anonymous_id="")
    for scenario in ("for-you", "popular", "similar", "buy-again", "trending"):
        assert first not in list_ids(get_response(loader, scenario, user_id="user-0", product_ids=["tea-0"], n=20))
    assert first in list_ids(get_response(loader, "for-you", user_id="user-2", n=20)), "others still see it"
    remember_interactions([make_event_row(first, meaning="cart", user_id="user-0", anonymous_id="", minutes=9)])
    assert first in list_ids(get_response(loader, "for-you", user_id="user-0", n=20))


def test_a_fresh_purchase_is_hidden_if_the_placement_hides_purchased_products(loader: StateLoader) -> None:
    PlacementSettings.objects.filter(placement="for-you").update(purchased_products="hide", updated_at=LATER)
    response = get_response(loader, "for-you", user_id="user-0", n=20)
    bought = [name for name in list_ids(response) if name.startswith("tea")]
    assert bought == [], "user-0 has bought every tea"
    record_interactions("coffee-1", kind="purchase", user_id="user-0", anonymous_id="")
    assert "coffee-1" not in list_ids(get_response(loader, "for-you", user_id="user-0", n=20))


@pytest.mark.django_db(transaction=True)
def test_a_customer_who_withdraws_consent_is_not_recognized_from_then_on(loader: StateLoader) -> None:
    customer = get_customer("user-0")
    assert get_response(loader, "for-you", user_id="user-0").fallback is None
    record_consent(customer=customer, purpose=Consent.Purpose.PERSONALISATION, status="withdrawn", recorded_at=NOON)
    response = get_response(loader, "for-you", user_id="user-0")
    assert (response.fallback, response.is_identifiable) == ("popular", False)
    assert list_ids(response) == list_ids(get_response(loader, "popular"))
    record_consent(customer=customer, purpose=Consent.Purpose.PERSONALISATION, status="granted", recorded_at=LATER)
    assert get_response(loader, "for-you", user_id="user-0").fallback is None
    restrict_processing(customer=customer, scope="profiling", at=LATER, source="objection")
    response = get_response(loader, "for-you", user_id="user-0")
    assert (response.fallback, response.is_identifiable) == ("popular", False)


def test_a_refusal_is_read_from_the_database_after_valkey_was_emptied(loader: StateLoader, valkey: redis.Redis) -> None:
    record_consent(
        customer=get_customer("user-0"), purpose=Consent.Purpose.PERSONALISATION, status="withdrawn", recorded_at=NOON
    )
    valkey.flushdb()
    assert get_response(loader, "for-you", user_id="user-0").fallback == "popular"
    assert get_response(loader, "for-you", user_id="user-2").fallback is None


def test_an_erased_customer_is_not_recognized_although_the_model_knows_them(loader: StateLoader) -> None:
    customer = get_customer("user-0")
    suppress_erased_customer(customer_id=customer.pk, at=NOON)
    Customer.objects.filter(pk=customer.pk).update(erased_at=NOON)
    assert get_response(loader, "for-you", user_id="user-0").fallback == "popular"
    assert get_response(loader, "buy-again", user_id="user-0").fallback == "popular"


def test_the_fallback_of_a_cart_does_not_show_what_is_in_it(loader: StateLoader) -> None:
    PlacementSettings.objects.filter(placement__in=["cart", "similar"]).update(switch="off", updated_at=LATER)
    best_sellers = list_ids(get_response(loader, "popular"))[:2]
    for scenario in ("cart", "similar"):
        response = get_response(
            loader, scenario, product_ids=best_sellers[:1] if scenario == "similar" else best_sellers
        )
        assert (response.fallback, response.fallback_reason) == ("popular", "off")
        assert best_sellers[0] not in list_ids(response)
    assert set(best_sellers).isdisjoint(list_ids(get_response(loader, "cart", product_ids=best_sellers)))


def test_a_placement_that_is_off_shows_its_fallback(loader: StateLoader) -> None:
    PlacementSettings.objects.filter(placement="cart").update(switch="off", fallback="similar", updated_at=LATER)
    response = get_response(loader, "cart", product_ids=["tea-1"])
    assert (response.fallback, response.fallback_reason, response.strategy) == ("similar", "off", "similar")
    assert list_ids(response) == list_ids(get_response(loader, "similar", product_ids=["tea-1"]))


def test_the_weights_of_the_settings_apply(loader: StateLoader) -> None:
    PlacementSettings.objects.filter(placement="similar").update(weights={"popularity": 1.0}, updated_at=LATER)
    assert list_codes(get_response(loader, "similar", product_ids=["tea-1"])) == {"popular"}


def test_diversity_spreads_items_over_categories_and_pages_stay_consistent(loader: StateLoader) -> None:
    def kinds(response: RecommendationResponse) -> list[str]:
        return [item.card.category for item in response.items if item.card]

    record_interactions("tea-1", "coffee-1", "cake-1")
    plain, spread = (
        get_response(loader, "for-you", anonymous_id="guest", diversity=value, n=6) for value in (0.0, 0.9)
    )
    assert len(set(kinds(spread)[:3])) == 3
    assert len(set(kinds(spread))) >= len(set(kinds(plain)))
    pages = [get_response(loader, "for-you", anonymous_id="guest", diversity=0.9, n=3)]
    pages.append(
        get_response(loader, "for-you", anonymous_id="guest", diversity=0.9, n=3, cursor=pages[0].next_cursor or "")
    )
    assert list_ids(pages[0]) + list_ids(pages[1]) == list_ids(spread)


def test_rotation_changes_the_order_between_periods_and_not_within_one(loader: StateLoader) -> None:
    PlacementSettings.objects.filter(placement="popular").update(rotation=1.0, rotation_hours=6, updated_at=LATER)
    start = datetime.fromtimestamp(NOON.timestamp() // (6 * 3600) * 6 * 3600, NOON.tzinfo) + timedelta(hours=6)
    rows = [
        tuple(list_ids(get_response(loader, "popular", user_id="user-0", now=start + timedelta(hours=hours), n=10)))
        for hours in (0, 3, 6, 12, 18)
    ]
    assert rows[0] == rows[1]
    assert len(set(rows)) >= 3
    assert tuple(list_ids(get_response(loader, "popular", user_id="user-1", now=start, n=10))) != rows[0]


def test_a_late_response_falls_back_to_popular_products(loader: StateLoader, settings: Any) -> None:
    loader.get_state(now=NOON)
    settings.RECOMMEND_DEADLINE_MS = -1000.0
    response = get_response(loader, "for-you", user_id="user-0")
    assert (response.fallback, response.fallback_reason) == ("popular", "late")
    assert len(response.items) == 5
    settings.RECOMMEND_DEADLINE_MS = 600_000.0
    assert get_response(loader, "for-you", user_id="user-0").fallback is None


def test_a_ranking_orders_a_list_and_names_the_products_it_leaves_out(loader: StateLoader) -> None:
    product_ids = ["coffee-1", "unknown", "tea-1", "cake-1", "tea-2", "coffee-1"]
    Product.objects.filter(product_id="cake-1").update(stock=0, updated_at=NOON + timedelta(days=900))
    record_interactions("tea-2", kind="dismissal", user_id="user-0", anonymous_id="")
    response = rank_products(request=RankRequest(product_ids, user_id="user-0"), now=LATER, source=loader)
    assert list_ids(response) == ["tea-1", "coffee-1", "unknown"]
    assert response.left_out == [("cake-1", "out_of_stock"), ("tea-2", "dismissed")]
    assert (response.strategy, response.fallback) == ("rank", None)
    stranger = rank_products(request=RankRequest(product_ids[:3], user_id="nobody"), now=LATER, source=loader)
    assert list_ids(stranger) == product_ids[:3]
    assert (stranger.fallback, stranger.fallback_reason) == ("as-given", "nothing_known")
    for invalid in ([], [str(number) for number in range(1001)]):
        with pytest.raises(InvalidRequestError, match="valid: 1 to 1000") as caught:
            rank_products(request=RankRequest(invalid), now=LATER, source=loader)
        assert list(caught.value.errors) == ["product_ids"]


def test_a_contradictory_request_names_the_field(loader: StateLoader) -> None:
    for fields, field in (
        ({"price_min": 5, "price_max": 2}, "price_min"),
        ({"n": 10**9}, "n"),
        ({"cursor": "ÿ" * 9}, "cursor"),
        ({"cursor": "LTE"}, "cursor"),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            get_response(loader, "popular", **fields)
        assert list(caught.value.errors) == [field]
    for scenario in ("cart", "bought-together"):
        with pytest.raises(InvalidRequestError, match="requires product_id or product_ids") as caught:
            get_response(loader, scenario)
        assert list(caught.value.errors) == ["product_ids"]


def test_products_added_after_the_training_are_filtered_and_shown_like_others(loader: StateLoader) -> None:
    for number in range(600):  # more than the index has spare rows for
        make_product(
            f"late-{number}", category="Drinks > late", brand="late house", published_at=NOON - timedelta(hours=1)
        )
    response = get_response(loader, "new", category="Drinks > late", n=100)
    assert len(response.items) == 100
    assert loader.get_state(now=LATER).products.find_row("late-599") >= 0
    assert get_response(loader, "popular", brand="late house").fallback == "catalogue"


def test_clearing_the_interactions_of_a_customer_empties_recently_viewed(loader: StateLoader) -> None:
    record_interactions("tea-1", user_id="user-9", anonymous_id="")
    clear_interactions(identifiers=[("user_id", "user-9")])
    assert get_response(loader, "recently-viewed", user_id="user-9").fallback == "popular"


def test_a_damaged_model_does_not_replace_the_loaded_one(
    loader: StateLoader, trained: ModelVersion, settings: Any, valkey: redis.Redis
) -> None:
    assert get_response(loader, "popular").model_version == trained.version
    folder = settings.MODELS_DIR / trained.artifact
    largest = max(folder.glob("*.npy"), key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[-1] ^= 0xFF
    largest.write_bytes(bytes(content))
    fresh = StateLoader()
    response = recommend(request=RecommendationRequest("popular", n=5), now=LATER, source=fresh)
    assert (response.fallback, response.fallback_reason, response.model_version) == ("catalogue", "no_model", "")
    assert len(response.items) == 5
    assert get_response(loader, "popular").model_version == trained.version


def test_activity_that_the_caller_has_read_is_used(loader: StateLoader) -> None:
    activity = RecentActivity([RecentInteraction("coffee-1", "view", LATER.timestamp())])
    response = get_response(loader, "for-you", anonymous_id="visitor", activity=activity)
    assert response.fallback is None


def test_a_short_list_is_filled_up_with_popular_products(loader: StateLoader) -> None:
    PlacementSettings.objects.filter(placement="for-you").update(weights={"co-purchase": 1.0}, updated_at=LATER)
    record_interactions("tea-1", kind="purchase", user_id="user-99", anonymous_id="")
    response = get_response(loader, "for-you", user_id="user-99", n=14)
    kinds = [item.reason.code for item in response.items if item.reason]
    assert len(response.items) == len(set(list_ids(response))) == 14
    assert "bought_together" in kinds
    assert kinds == sorted(kinds, key=lambda code: code == "popular"), "popular products come last"
    pages = [get_response(loader, "for-you", user_id="user-99", n=7)]
    pages.append(get_response(loader, "for-you", user_id="user-99", n=7, cursor=pages[0].next_cursor or ""))
    assert list_ids(pages[0]) + list_ids(pages[1]) == list_ids(response)
    strict = get_response(loader, "for-you", user_id="user-99", n=14, strict=True)
    assert len(strict.items) < 14
