import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from catalog.models import Product
from catalog.vectors import upsert_vectors
from customers.events.models import Event
from customers.feedback.models import Review
from customers.identity.models import Customer
from customers.warehouse.export import export_warehouse
from recommendations.engine.data.event_weights import DEFAULT_EVENT_WEIGHTS
from recommendations.engine.data.text_terms import split_values
from recommendations.training.data.extract import NoTrainingDataError, TrainingData, extract_training_data
from tests.makers import NOON, make_customer, make_identifier, make_order, make_product, make_source

pytestmark = pytest.mark.django_db
AN_HOUR_AGO = NOON - timedelta(hours=1)


@pytest.fixture
def told(folders: Path) -> Callable[..., None]:
    """Stores an event as the collector does once it is processed."""
    products = {name: make_product(name) for name in ("tea", "cake")}
    numbers = iter(range(1000))

    def tell(name: str, *product_ids: str, at: datetime = AN_HOUR_AGO, **fields: Any) -> None:
        Event.objects.create(
            source=make_source(),
            message_id=f"m{next(numbers)}",
            type="track",
            name=name,
            occurred_at=at,
            received_at=at,
            product_ids=list(product_ids) or [products["tea"].product_id],
            **{"user_id": "ann", "properties": {}, **fields},
        )

    return tell


def extracted() -> TrainingData:
    export_warehouse(started_at=NOON)
    return extract_training_data(as_of=NOON)


def rows(data: TrainingData) -> list[tuple[str, str, float]]:
    names = ("view", "click", "wishlist", "cart", "purchase", "rating")
    found = data.interactions
    return sorted(
        (names[kind], found.items.id(item), weight)
        for kind, item, weight in zip(found.kind.tolist(), found.item.tolist(), found.weight.tolist(), strict=True)
    )


def test_events_of_all_kinds_in_every_spelling_count(told: Callable[..., None]) -> None:
    make_customer("ann")
    told("Product Viewed")
    told("view_item", "tea", "cake")
    told("PRODUCT ADDED ")
    told("add_to_wishlist")
    told("Something of the shop's own")
    assert rows(extracted()) == [
        ("cart", "tea", 1.0),
        ("view", "cake", 1.0),
        ("view", "tea", 1.0),
        ("view", "tea", 1.0),
        ("wishlist", "tea", 1.0),
    ]


def review(customer: Customer, product: Product, rating: int, **fields: Any) -> Review:
    number = Review.objects.count()
    return Review.objects.create(
        **{"review_id": f"r{number}", "customer": customer, "product": product, "written_at": AN_HOUR_AGO}
        | {"rating": rating, **fields}
    )


def test_stars_above_three_count_as_much_as_they_like(told: Callable[..., None]) -> None:
    make_customer("ann")
    for stars in (1, 3, 4, "5", 80, "many"):
        make_product(f"of {stars}")
        told("Product Reviewed", f"of {stars}", properties={"rating": stars})
    assert rows(extracted()) == [("rating", "of 4", 0.5), ("rating", "of 5", 1.0)]


def test_reviews_that_came_without_an_event_count_and_those_of_nobody_do_not(folders: Path) -> None:
    ann, tea = make_customer("ann"), make_product("tea")
    review(ann, tea, 4)
    review(ann, make_product("cake"), 3)
    Review.objects.create(review_id="?", product=tea, rating=5, written_at=AN_HOUR_AGO)
    review(ann, make_product("later"), 5, written_at=NOON)
    assert rows(extracted()) == [("rating", "tea", 0.5)]


def test_a_review_counts_in_place_of_the_event_that_told_of_it(told: Callable[..., None]) -> None:
    ann = make_customer("ann")
    told("Product Reviewed", properties={"rating": 5})
    review(ann, Product.objects.get(product_id="tea"), 4)  # corrected since
    told("Product Reviewed", "cake", properties={"rating": 5})
    assert rows(extracted()) == [("rating", "cake", 1.0), ("rating", "tea", 0.5)]


def test_of_several_opinions_the_newest_counts(folders: Path) -> None:
    ann, tea = make_customer("ann"), make_product("tea")
    review(ann, tea, 4, written_at=AN_HOUR_AGO + timedelta(minutes=1))
    review(ann, tea, 5)
    assert rows(extracted()) == [("rating", "tea", 0.5)]


def test_what_got_low_stars_is_no_liking_of_its_giver_and_still_one_of_others(told: Callable[..., None]) -> None:
    ann, bob = make_customer("ann"), make_customer("bob")
    products = {stars: make_product(f"of {stars}") for stars in (1, 2, 3, 5)}
    for customer in (ann, bob):
        make_order(customer, placed_at=AN_HOUR_AGO, products=list(products.values()), quantity=2)
    for stars, product in products.items():
        review(ann, product, stars)
    told("Product Viewed", "of 2")
    told("Product Viewed", "of 3")
    data = extracted()
    found = rows(data)
    bought = [(item, weight) for kind, item, weight in found if kind == "purchase"]
    assert bought == [
        ("of 1", 0.0),
        ("of 1", 2.0),
        ("of 2", 0.0),
        ("of 2", 2.0),
        *[("of 3", 2.0)] * 2,
        *[("of 5", 2.0)] * 2,
    ]
    assert [row for row in found if row[0] != "purchase"] == [
        ("rating", "of 5", 1.0), ("view", "of 2", 0.0), ("view", "of 3", 1.0),
    ]  # fmt: skip
    weighed = DEFAULT_EVENT_WEIGHTS.of(data.interactions)
    assert len(weighed) == len(found) - 3


def test_a_shop_where_nobody_likes_anything_has_nothing_to_train_on(folders: Path) -> None:
    ann, tea = make_customer("ann"), make_product("tea")
    make_order(ann, placed_at=AN_HOUR_AGO, products=[tea])
    review(ann, tea, 1)
    with pytest.raises(NoTrainingDataError):
        extracted()


def test_somebody_who_changed_their_mind_is_taken_at_their_last_word(folders: Path) -> None:
    ann, tea = make_customer("ann"), make_product("tea")
    make_order(ann, placed_at=AN_HOUR_AGO, products=[tea])
    review(ann, tea, 1, written_at=AN_HOUR_AGO - timedelta(days=1))
    review(ann, tea, 4)
    assert rows(extracted()) == [("purchase", "tea", 1.0), ("rating", "tea", 0.5)]


def test_order_lines_carry_their_pieces(told: Callable[..., None]) -> None:
    make_order(make_customer("ann"), placed_at=AN_HOUR_AGO, products=[make_product("jam")], quantity=3)
    assert rows(extracted()) == [("purchase", "jam", 3.0)]


@pytest.mark.parametrize("named", [{"order_id": "o-1"}, {"transaction_id": "o-1"}, {"orderId": "o-1"}])
def test_a_purchase_told_by_an_event_and_an_order_of_its_number_counts_once(
    told: Callable[..., None], named: dict[str, str]
) -> None:
    tea = make_product("black tea")
    make_order(make_customer("ann"), placed_at=NOON - timedelta(days=9), products=[tea], order_id="o-1")
    told("Order Completed", "black tea", properties=named)
    assert rows(extracted()) == [("purchase", "black tea", 1.0)]


def test_a_purchase_under_another_number_at_about_the_same_time_counts_once(told: Callable[..., None]) -> None:
    tea = make_product("black tea")
    make_order(make_customer("ann"), placed_at=NOON - timedelta(hours=3), products=[tea], order_id="erp-77")
    told("purchase", "black tea", properties={"transaction_id": "web-5"})
    told("purchase", "black tea", properties={"transaction_id": "web-4"}, at=NOON - timedelta(days=5))
    assert rows(extracted()) == [("purchase", "black tea", 1.0), ("purchase", "black tea", 1.0)]


def test_what_was_cancelled_is_no_purchase_whatever_an_event_says(told: Callable[..., None]) -> None:
    tea = make_product("black tea")
    make_order(make_customer("ann"), placed_at=AN_HOUR_AGO, products=[tea], order_id="o-1", status="cancelled")
    told("Order Completed", "black tea", properties={"order_id": "o-1"})
    told("Product Viewed", "black tea")
    assert rows(extracted()) == [("view", "black tea", 1.0)]


def test_visitors_count_by_the_customer_that_the_processor_gave_them(told: Callable[..., None]) -> None:
    visitor = Customer.objects.create()
    make_identifier(visitor, "v1", kind="anonymous_id")
    told("Product Viewed", user_id="", anonymous_id="v1")
    told("Product Viewed", user_id="", anonymous_id="nobody yet")
    data = extracted()
    assert data.interactions.users.ids() == [str(visitor.pk)]
    assert data.identifiers.row("anonymous_id:v1") == 0
    assert data.counts() == {"view": 1}


def test_events_of_products_that_the_catalogue_lacks_are_left_out(told: Callable[..., None]) -> None:
    make_customer("ann")
    told("Product Viewed", "never heard of")
    with pytest.raises(NoTrainingDataError, match="send events"):
        extracted()


def test_the_fingerprint_tells_data_apart(told: Callable[..., None]) -> None:
    make_customer("ann")
    told("Product Viewed")
    first = extracted().fingerprint
    assert extracted().fingerprint == first
    told("Product Added", properties=json.loads("{}"))
    assert extracted().fingerprint != first


def terms_of(data: TrainingData, product_id: str, field: str) -> list[str]:
    text = data.products.texts[field][data.interactions.items.row(product_id)]
    return list(split_values(field, text))


def test_attributes_and_tags_give_a_term_each_unless_one_product_alone_has_them(told: Callable[..., None]) -> None:
    make_customer("ann")
    told("Product Viewed")
    attributes = {"Colour": "Blue, light", "sizes": ["S", "M"], "of": {"wool": 0.5, "silk": None}, "eco": True, "": "x"}
    make_product("shirt", attributes=attributes | {"gtin": "4001"}, tags=["Summer > 2026", "new"])
    make_product("skirt", attributes=attributes | {"gtin": "4002", "text": "y" * 101}, tags=["new"])
    data = extracted()
    expected = ["colour=blue, light", "sizes=s", "sizes=m", "of.wool=0.5", "eco=true"]
    assert sorted(terms_of(data, "shirt", "attributes")) == sorted(f"attributes={value}" for value in expected)
    assert terms_of(data, "skirt", "attributes") == terms_of(data, "shirt", "attributes")
    assert terms_of(data, "shirt", "tags") == ["tags=summer > 2026", "tags=new"]
    assert terms_of(data, "tea", "attributes") == []


def test_prices_are_bands_of_their_currency(told: Callable[..., None]) -> None:
    make_customer("ann")
    told("Product Viewed")
    Product.objects.update(price=None, currency="")
    for number in range(1, 11):
        make_product(f"euro-{number:02d}", price=number)
        make_product(f"yen-{number:02d}", price=number * 1000, currency="JPY")
    bands = [text.rstrip("\x1f") for text in extracted().products.texts["price band"]]
    ten = ["1", "1", "2", "2", "3", "3", "4", "4", "5", "5"]
    assert bands == ["", *ten, "", *ten], "cake, the euros, tea, the yen"


def test_a_price_band_is_one_of_the_category(told: Callable[..., None]) -> None:
    make_customer("ann")
    told("Product Viewed")
    Product.objects.update(price=None, currency="")
    for number in range(1, 6):
        make_product(f"pan-{number}", price=number, category="Kitchen > Pans")
        make_product(f"pot-{number}", price=number, category="Kitchen > Pots")
        make_product(f"tin-{number}", price=number, category="Kitchen > Pans")
    data = extracted()
    assert (
        terms_of(data, "pan-1", "price band")
        == ["price band=kitchen > pans 1"]
        == terms_of(data, "tin-1", "price band")
    )
    assert terms_of(data, "pot-1", "price band") == [], "no other pot is as cheap"


def test_vectors_come_by_name_and_are_zero_where_there_is_none(told: Callable[..., None]) -> None:
    make_customer("ann")
    told("Product Viewed")
    assert extracted().products.vectors == {}
    upsert_vectors(name="image", items=[("tea", [0.1, -2.0, 3.0])], at=NOON)
    upsert_vectors(name="sound", items=[("cake", [1.0]), ("tea", [2.0])], at=NOON)
    vectors = extracted().products.vectors
    np.testing.assert_array_equal(vectors["image"], np.array([[0, 0, 0], [0.1, -2, 3]], np.float32))
    np.testing.assert_array_equal(vectors["sound"], np.array([[1], [2]], np.float32))
