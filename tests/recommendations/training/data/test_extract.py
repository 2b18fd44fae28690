import json
import pickle
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from catalog.models import Product
from catalog.vectors import upsert_vectors
from customers.events.models import Event
from customers.feedback.models import Review
from customers.identity.consent.ledger import record_changed_consents
from customers.identity.models import Customer
from customers.warehouse.current_tables import open_current_warehouse
from customers.warehouse.export import export_warehouse
from recommendations.engine import KINDS, IdMap, Interactions
from recommendations.engine.data.event_weights import DEFAULT_EVENT_WEIGHTS, EventWeights
from recommendations.engine.data.text_terms import split_values
from recommendations.training.data.data_position import DataPosition
from recommendations.training.data.extract import (
    NoTrainingDataError,
    TrainingData,
    extract_training_data,
    index_identifiers,
)
from recommendations.training.data.interaction_tables import read_new_interactions
from recommendations.training.data.time_split import count_kinds
from recommendations.training.evaluation.placement_data import EvaluationWindow
from tests.makers import NOON, make_customer, make_identifier, make_order, make_product, make_source

pytestmark = pytest.mark.django_db
AN_HOUR_AGO = NOON - timedelta(hours=1)


@pytest.fixture
def send_event(folders: Path) -> Callable[..., None]:
    """Return a function that stores a processed event as the collector does."""
    products = {name: make_product(name) for name in ("tea", "cake")}
    numbers = iter(range(1000))

    def store(name: str, *product_ids: str, at: datetime = AN_HOUR_AGO, **fields: Any) -> None:
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

    return store


def extract_data() -> TrainingData:
    export_warehouse(started_at=NOON)
    return extract_training_data(as_of=NOON)


def list_rows(data: TrainingData) -> list[tuple[str, str, float]]:
    return list_interactions(data.interactions)


def list_positive_rows(interactions: Interactions) -> list[tuple[str, str, float]]:
    return [row for row in list_interactions(interactions) if row[2] > 0]


def list_interactions(interactions: Interactions) -> list[tuple[str, str, float]]:
    return sorted(
        (KINDS[kind], interactions.items.get_id(item), weight)
        for kind, item, weight in zip(
            interactions.kind.tolist(), interactions.item.tolist(), interactions.weight.tolist(), strict=True
        )
    )


def test_events_of_all_types_count_in_every_spelling(send_event: Callable[..., None]) -> None:
    make_customer("ann")
    send_event("Product Viewed")
    send_event("view_item", "tea", "cake")
    send_event("PRODUCT ADDED ")
    send_event("add_to_wishlist")
    send_event("Something of the shop's own")
    assert list_rows(extract_data()) == [
        ("cart", "tea", 1.0),
        ("view", "cake", 1.0),
        ("view", "tea", 1.0),
        ("view", "tea", 1.0),
        ("wishlist", "tea", 1.0),
    ]


def make_review(customer: Customer, product: Product, rating: int, **fields: Any) -> Review:
    number = Review.objects.count()
    return Review.objects.create(
        **{"review_id": f"r{number}", "customer": customer, "product": product, "written_at": AN_HOUR_AGO}
        | {"rating": rating, **fields}
    )


def test_ratings_above_three_stars_count_by_their_stars(send_event: Callable[..., None]) -> None:
    make_customer("ann")
    for stars in (1, 3, 4, "5", 80, "many"):
        make_product(f"of {stars}")
        send_event("Product Reviewed", f"of {stars}", properties={"rating": stars})
    assert list_rows(extract_data()) == [("rating", "of 4", 0.5), ("rating", "of 5", 1.0)]


def test_reviews_without_an_event_count_and_reviews_without_a_customer_do_not(folders: Path) -> None:
    ann, tea = make_customer("ann"), make_product("tea")
    make_review(ann, tea, 4)
    make_review(ann, make_product("cake"), 3)
    Review.objects.create(review_id="?", product=tea, rating=5, written_at=AN_HOUR_AGO)
    make_review(ann, make_product("later"), 5, written_at=NOON)
    assert list_rows(extract_data()) == [("rating", "tea", 0.5)]


def test_a_review_replaces_the_event_that_reported_it(send_event: Callable[..., None]) -> None:
    ann = make_customer("ann")
    send_event("Product Reviewed", properties={"rating": 5})
    make_review(ann, Product.objects.get(product_id="tea"), 4)  # corrected since
    send_event("Product Reviewed", "cake", properties={"rating": 5})
    assert list_positive_rows(extract_data().interactions) == [("rating", "cake", 1.0), ("rating", "tea", 0.5)]


def test_of_several_reviews_the_latest_counts(folders: Path) -> None:
    ann, tea = make_customer("ann"), make_product("tea")
    make_review(ann, tea, 4, written_at=AN_HOUR_AGO + timedelta(minutes=1))
    make_review(ann, tea, 5)
    assert list_rows(extract_data()) == [("rating", "tea", 0.0), ("rating", "tea", 0.5)]


def test_a_low_rating_removes_the_interaction_of_its_author_only(send_event: Callable[..., None]) -> None:
    ann, bob = make_customer("ann"), make_customer("bob")
    products = {stars: make_product(f"of {stars}") for stars in (1, 2, 3, 5)}
    for customer in (ann, bob):
        make_order(customer, placed_at=AN_HOUR_AGO, products=list(products.values()), quantity=2)
    for stars, product in products.items():
        make_review(ann, product, stars)
    send_event("Product Viewed", "of 2")
    send_event("Product Viewed", "of 3")
    data = extract_data()
    rows = list_rows(data)
    bought = [(item, weight) for kind, item, weight in rows if kind == "purchase"]
    assert bought == [
        ("of 1", 0.0),
        ("of 1", 2.0),
        ("of 2", 0.0),
        ("of 2", 2.0),
        *[("of 3", 2.0)] * 2,
        *[("of 5", 2.0)] * 2,
    ]
    assert [row for row in rows if row[0] != "purchase"] == [
        ("rating", "of 5", 1.0), ("view", "of 2", 0.0), ("view", "of 3", 1.0),
    ]  # fmt: skip
    weighted = DEFAULT_EVENT_WEIGHTS.of(data.interactions)
    assert len(weighted) == len(rows) - 3


def test_a_shop_with_low_ratings_only_has_no_training_data(folders: Path) -> None:
    ann, tea = make_customer("ann"), make_product("tea")
    make_order(ann, placed_at=AN_HOUR_AGO, products=[tea])
    make_review(ann, tea, 1)
    with pytest.raises(NoTrainingDataError):
        extract_data()


def test_a_later_review_replaces_a_low_rating(folders: Path) -> None:
    ann, tea = make_customer("ann"), make_product("tea")
    make_order(ann, placed_at=AN_HOUR_AGO, products=[tea])
    make_review(ann, tea, 1, written_at=AN_HOUR_AGO - timedelta(days=1))
    make_review(ann, tea, 4)
    assert list_rows(extract_data()) == [("purchase", "tea", 1.0), ("rating", "tea", 0.5)]


def test_ratings_after_a_split_do_not_change_the_data_before_it(send_event: Callable[..., None]) -> None:
    ann, split_at = make_customer("ann"), NOON - timedelta(days=10)
    names = ("disliked later", "liked later", "disliked before", "rated anew", "an event only", "both")
    products = {name: make_product(name) for name in names}
    for days in (20, 5):
        make_order(ann, placed_at=NOON - timedelta(days=days), products=list(products.values()))

    def rate(name: str, stars: int, days: int) -> None:
        make_review(ann, products[name], stars, written_at=NOON - timedelta(days=days))

    rate("disliked before", 1, 15)
    rate("rated anew", 5, 15)
    rate("liked later", 2, 15)
    for name in ("an event only", "both"):
        send_event("Product Reviewed", name, properties={"rating": 5}, at=NOON - timedelta(days=15))
    export_warehouse(started_at=NOON)
    known_then = extract_training_data(as_of=split_at).interactions
    rate("disliked later", 1, 3)
    rate("rated anew", 1, 3)
    rate("liked later", 5, 3)
    rate("both", 1, 3)
    data = extract_data()
    past = data.interactions.before(split_at.timestamp())
    assert list_positive_rows(past) == list_positive_rows(known_then) == [
        ("purchase", "an event only", 1.0), ("purchase", "both", 1.0), ("purchase", "disliked later", 1.0),
        ("purchase", "rated anew", 1.0),
        ("rating", "an event only", 1.0), ("rating", "both", 1.0), ("rating", "rated anew", 1.0),
    ]  # fmt: skip
    assert list_positive_rows(data.interactions) == [
        *[("purchase", "an event only", 1.0)] * 2, *[("purchase", "liked later", 1.0)] * 2,
        ("rating", "an event only", 1.0), ("rating", "liked later", 1.0),
    ]  # fmt: skip
    window = EvaluationWindow.from_interactions(
        data.interactions, EventWeights(), start=split_at.timestamp(), stop=(NOON - timedelta(days=4)).timestamp()
    )
    assert list_interactions(window.past) == list_interactions(past)
    disliked = {"disliked before", "liked later"}  # what happens after a window does not change it either
    assert [row[1] for row in list_positive_rows(window.future)] == sorted(products.keys() - disliked)


def test_an_update_weighs_by_the_latest_rating(send_event: Callable[..., None]) -> None:
    ann = make_customer("ann")
    products = {name: make_product(name) for name in ("disliked", "liked again")}
    make_order(ann, placed_at=AN_HOUR_AGO, products=list(products.values()))
    make_review(ann, products["liked again"], 1, written_at=AN_HOUR_AGO - timedelta(days=1))
    for name, stars in (("disliked", 1), ("liked again", 5)):
        make_review(ann, products[name], stars)
    export_warehouse(started_at=NOON)
    with open_current_warehouse(as_of=NOON) as tables:
        position = DataPosition((NOON - timedelta(days=2)).timestamp())
        rows = read_new_interactions(tables, as_of=NOON, beyond=position).to_pylist()
    assert sorted((KINDS[row["kind"]], row["product_id"], row["weight"]) for row in rows) == [
        ("purchase", "disliked", 0.0), ("purchase", "liked again", 1.0), ("rating", "liked again", 1.0),
    ]  # fmt: skip


def test_days_are_those_of_the_shop(send_event: Callable[..., None], settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    make_customer("ann")
    send_event("Product Viewed")
    interactions = extract_data().interactions
    assert interactions.day_offset_s == interactions.before(1.0).build_histories().day_offset_s == 8 * 3600


def test_the_weight_of_an_order_line_is_its_quantity(send_event: Callable[..., None]) -> None:
    make_order(make_customer("ann"), placed_at=AN_HOUR_AGO, products=[make_product("jam")], quantity=3)
    assert list_rows(extract_data()) == [("purchase", "jam", 3.0)]


@pytest.mark.parametrize("properties", [{"order_id": "o-1"}, {"transaction_id": "o-1"}, {"orderId": "o-1"}])
def test_a_purchase_with_an_event_and_an_order_of_the_same_number_counts_once(
    send_event: Callable[..., None], properties: dict[str, str]
) -> None:
    tea = make_product("black tea")
    make_order(make_customer("ann"), placed_at=NOON - timedelta(days=9), products=[tea], order_id="o-1")
    send_event("Order Completed", "black tea", properties=properties)
    assert list_rows(extract_data()) == [("purchase", "black tea", 1.0)]


def test_a_purchase_with_another_number_at_about_the_same_time_counts_once(send_event: Callable[..., None]) -> None:
    tea = make_product("black tea")
    make_order(make_customer("ann"), placed_at=NOON - timedelta(hours=3), products=[tea], order_id="erp-77")
    send_event("purchase", "black tea", properties={"transaction_id": "web-5"})
    send_event("purchase", "black tea", properties={"transaction_id": "web-4"}, at=NOON - timedelta(days=5))
    assert list_rows(extract_data()) == [("purchase", "black tea", 1.0), ("purchase", "black tea", 1.0)]


def test_a_canceled_order_is_not_a_purchase_even_if_an_event_reports_it(send_event: Callable[..., None]) -> None:
    tea = make_product("black tea")
    make_order(make_customer("ann"), placed_at=AN_HOUR_AGO, products=[tea], order_id="o-1", status="cancelled")
    send_event("Order Completed", "black tea", properties={"order_id": "o-1"})
    send_event("Product Viewed", "black tea")
    assert list_rows(extract_data()) == [("view", "black tea", 1.0)]


def test_events_of_visitors_count_for_the_customer_they_were_resolved_to(send_event: Callable[..., None]) -> None:
    visitor = Customer.objects.create()
    make_identifier(visitor, "v1", kind="anonymous_id")
    send_event("Product Viewed", user_id="", anonymous_id="v1")
    send_event("Product Viewed", user_id="", anonymous_id="unresolved")
    data = extract_data()
    assert data.interactions.users.get_ids() == [str(visitor.pk)]
    assert data.identifiers.get_row("anonymous_id:v1") == 0
    assert count_kinds(data.interactions) == {"view": 1}


def test_events_of_products_missing_from_the_catalog_are_dropped(send_event: Callable[..., None]) -> None:
    make_customer("ann")
    send_event("Product Viewed", "unknown product")
    with pytest.raises(NoTrainingDataError, match="send events"):
        extract_data()


def test_a_shop_whose_customers_have_not_consented_reads_why_there_is_nothing_to_train(
    send_event: Callable[..., None],
) -> None:
    ann = make_customer("ann")
    send_event("Product Viewed")
    record_changed_consents(entries=[(ann.pk, "personalisation", "withdrawn")], recorded_at=AN_HOUR_AGO, source="test")
    with pytest.raises(NoTrainingDataError, match=r"All 1 customers .* have not consented") as raised:
        extract_data()
    assert str(pickle.loads(pickle.dumps(raised.value))) == str(raised.value)


def test_the_fingerprint_changes_with_the_data(send_event: Callable[..., None]) -> None:
    make_customer("ann")
    send_event("Product Viewed")
    first = extract_data().fingerprint
    assert extract_data().fingerprint == first
    send_event("Product Added", properties=json.loads("{}"))
    assert extract_data().fingerprint != first


def list_terms(data: TrainingData, product_id: str, field: str) -> list[str]:
    text = data.products.texts[field][data.interactions.items.get_row(product_id)]
    return list(split_values(field, text))


def test_identifiers_lead_to_the_user_rows_of_known_customers() -> None:
    texts = {"b-1": 7, "a-1": 7, "鸭": 9, "": 9, "unknown": 8}
    table = pa.table(
        {
            "kind": pa.chunked_array([["user_id"] * 2, ["anonymous_id"] * 3]),
            "value": pa.chunked_array([list(texts)]),
            "customer_id": pa.chunked_array([list(texts.values())]),
        }
    )
    customers = IdMap.of(np.array([7, 9]))
    names, user = index_identifiers(table, customers)
    expected = {"anonymous_id:": 1, "anonymous_id:鸭": 1, "user_id:a-1": 0, "user_id:b-1": 0}
    assert dict(zip(names.get_ids(), user.tolist(), strict=True)) == expected
    assert names.get_rows([*expected, "anonymous_id:unknown"]).tolist() == [0, 1, 2, 3, -1]
    nothing, no_user = index_identifiers(table, IdMap.of([]))
    assert (len(nothing), len(no_user)) == (0, 0)


def test_attributes_and_tags_become_terms_unless_only_one_product_has_them(send_event: Callable[..., None]) -> None:
    make_customer("ann")
    send_event("Product Viewed")
    attributes = {"Colour": "Blue, light", "sizes": ["S", "M"], "of": {"wool": 0.5, "silk": None}, "eco": True, "": "x"}
    make_product("shirt", attributes=attributes | {"gtin": "4001"}, tags=["Summer > 2026", "new"])
    make_product("skirt", attributes=attributes | {"gtin": "4002", "text": "y" * 101}, tags=["new"])
    data = extract_data()
    expected = ["colour=blue, light", "sizes=s", "sizes=m", "of.wool=0.5", "eco=true"]
    assert sorted(list_terms(data, "shirt", "attributes")) == sorted(f"attributes={value}" for value in expected)
    assert list_terms(data, "skirt", "attributes") == list_terms(data, "shirt", "attributes")
    assert list_terms(data, "shirt", "tags") == ["tags=summer > 2026", "tags=new"]
    assert list_terms(data, "tea", "attributes") == []


def test_prices_become_bands_per_currency(send_event: Callable[..., None]) -> None:
    make_customer("ann")
    send_event("Product Viewed")
    Product.objects.update(price=None, currency="")
    for number in range(1, 11):
        make_product(f"euro-{number:02d}", price=number)
        make_product(f"yen-{number:02d}", price=number * 1000, currency="JPY")
    bands = [text.rstrip("\x1f") for text in extract_data().products.texts["price band"]]
    ten = ["1", "1", "2", "2", "3", "3", "4", "4", "5", "5"]
    assert bands == ["", *ten, "", *ten], "cake, the euros, tea, the yen"


def test_price_bands_are_computed_per_category(send_event: Callable[..., None]) -> None:
    make_customer("ann")
    send_event("Product Viewed")
    Product.objects.update(price=None, currency="")
    for number in range(1, 6):
        make_product(f"pan-{number}", price=number, category="Kitchen > Pans")
        make_product(f"pot-{number}", price=number, category="Kitchen > Pots")
        make_product(f"tin-{number}", price=number, category="Kitchen > Pans")
    data = extract_data()
    assert (
        list_terms(data, "pan-1", "price band")
        == ["price band=kitchen > pans 1"]
        == list_terms(data, "tin-1", "price band")
    )
    assert list_terms(data, "pot-1", "price band") == [], "no other pot is as cheap"


def test_vectors_are_read_by_name_and_are_zero_if_missing(send_event: Callable[..., None]) -> None:
    make_customer("ann")
    send_event("Product Viewed")
    assert extract_data().products.vectors == {}
    upsert_vectors(name="image", items=[("tea", [0.1, -2.0, 3.0])], at=NOON)
    upsert_vectors(name="sound", items=[("cake", [1.0]), ("tea", [2.0])], at=NOON)
    vectors = extract_data().products.vectors
    np.testing.assert_array_equal(vectors["image"], np.array([[0, 0, 0], [0.1, -2, 3]], np.float32))
    np.testing.assert_array_equal(vectors["sound"], np.array([[1], [2]], np.float32))
