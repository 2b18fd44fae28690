"""Names, contact details, consents and reviews of the demo: invented, the same in every run, and written once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from catalog.models import Product
from config.demo.customers import load_customers
from config.demo.products import read_language
from config.demo.reviews import build_reviews, load_reviews
from config.foundation.shop.models import ShopSettings
from config.foundation.shop.profile import forget_shop, get_shop
from config.management.commands.demo import ensure_shop_settings, remove_option
from customers.events.models import Source
from customers.feedback.models import Review
from customers.identity.models import Consent, Customer, Identifier
from customers.orders.models import Order, OrderLine

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)


def make_household(number: int) -> Customer:
    customer = Customer.objects.create(first_seen_at=NOW - timedelta(days=300))
    Identifier.objects.create(kind=Identifier.Kind.USER_ID, value=f"household-{number}", customer=customer)
    return customer


@pytest.mark.django_db
def test_households_get_names_addresses_and_consents_once() -> None:
    for number in range(1, 201):
        make_household(number)
    for user_id in ("household-of-mine", "someone"):
        Identifier.objects.create(kind=Identifier.Kind.USER_ID, value=user_id, customer=Customer.objects.create())
    assert load_customers(loaded_at=NOW) == 200
    customers = list(Customer.objects.order_by("id")[:200])
    assert len({customer.email for customer in customers}) == 200
    assert all(customer.email.endswith("@example.com") and customer.name for customer in customers)
    assert all(customer.phone.startswith("+1 555 0") for customer in customers if customer.phone)
    consents = Consent.objects.filter(purpose=Consent.Purpose.EMAIL)
    assert 100 < consents.filter(status=Consent.Status.GRANTED).count() < 170
    assert set(consents.values_list("recorded_at", flat=True)) == {NOW - timedelta(days=300)}
    n_consents = Consent.objects.count()
    assert load_customers(loaded_at=NOW) == 0
    assert Consent.objects.count() == n_consents


@pytest.mark.django_db
def test_a_chinese_demo_has_chinese_names() -> None:
    make_household(7)
    load_customers(loaded_at=NOW, language="zh-hans")
    customer = Customer.objects.get()
    assert not customer.name.isascii()
    assert customer.language == "zh-CN"


@pytest.mark.django_db
def test_a_household_reviews_what_it_bought_several_times() -> None:
    source = Source.objects.create(key="orders", name="Orders", kind=Source.Kind.IMPORT)
    product = Product.objects.create(product_id="milk", title="White milk")
    once = Product.objects.create(product_id="cake", title="Cake")
    for number in range(1, 41):
        customer = make_household(number)
        for order_number in range(2):
            order = Order.objects.create(
                source=source,
                order_id=f"{number}-{order_number}",
                customer=customer,
                placed_at=NOW - timedelta(days=5 + order_number),
                total=Decimal(3),
                currency="USD",
            )
            for line_number, bought in enumerate([product] if order_number else [product, once], start=1):
                OrderLine.objects.create(
                    order=order, line_number=line_number, product=bought, quantity=1, unit_price=3, total=3
                )
    assert load_reviews(loaded_at=NOW) == 40
    reviews = list(Review.objects.select_related("product"))
    assert {review.product for review in reviews} == {product}
    assert {review.language for review in reviews} == {"en", "zh-hans"}
    assert all(NOW - timedelta(days=5) < review.written_at < NOW for review in reviews)
    assert load_reviews(loaded_at=NOW) == 0


def test_reviews_of_a_chinese_shop_are_chinese() -> None:
    purchases = [(f"household-{number}", "milk", NOW) for number in range(1, 60)]
    reviews = build_reviews(purchases, language="zh-hans", until=NOW)
    assert all(review["written_at"] < NOW.isoformat() for review in reviews)
    assert {review["language"] for review in reviews} == {"zh-hans"}


@pytest.mark.django_db
def test_the_shop_settings_of_the_chinese_demo_are_stored_once(stored_shop: None) -> None:
    ensure_shop_settings(language="zh-hans")
    shop = get_shop()
    assert (shop.name, shop.currency, shop.language) == ("四季鲜超市", "CNY", "zh-hans")
    ShopSettings.objects.update(name="我的商店")
    ensure_shop_settings(language="zh-hans")
    forget_shop()
    assert get_shop().name == "我的商店"
    forget_shop()


@pytest.mark.django_db
def test_the_language_of_the_loaded_products_is_recognized() -> None:
    assert read_language() is None
    Product.objects.create(product_id="1", title="酸奶", brand="自有品牌")
    assert read_language() == "zh-hans"


def test_the_language_is_not_passed_on_to_up() -> None:
    assert remove_option(["--port", "8001", "--language", "zh-hans"], "--language") == ["--port", "8001"]
    assert remove_option(["--language=zh-hans", "--no-beat"], "--language") == ["--no-beat"]
