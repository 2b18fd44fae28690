"""The lines of one customer's portrait, computed by hand."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import translation

from catalog.models import Product
from customers.events.models import Source
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.models import Customer
from customers.identity.personal_data.personal_traits import seal_personal
from customers.identity.resolution.resolution import IdentityEvent, resolve_people
from customers.lifecycle.facts.histories import to_microseconds
from customers.lifecycle.portrait import CustomerPortrait, build_portrait
from customers.lifecycle.portrait.line import PortraitLine
from customers.orders.models import OrderLine
from tests.customers.events.makers import make_event
from tests.makers import (
    NOON,
    make_consent,
    make_customer,
    make_identifier,
    make_order,
    make_product,
    make_source,
)

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Safari/604.1"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/131.0.0.0 Safari/537.36"


def get_portrait(customer: Customer, *, as_of: datetime = NOON, with_personal: bool = True) -> CustomerPortrait:
    return build_portrait(customer_id=customer.pk, as_of=as_of, with_personal=with_personal)


def get_lines(customer: Customer, **options: Any) -> dict[str, PortraitLine]:
    return {line.key: line for line in get_portrait(customer, **options).lines}


def get_shares(line: PortraitLine) -> dict[str, float]:
    return {share["name"]: share["share"] for share in line.value}


def view(product: Product | str, *, days: float, user_id: str = "anna", **fields: Any) -> None:
    product_id = product if isinstance(product, str) else product.product_id
    make_event(at=NOON - DAY * days, user_id=user_id, product_ids=[product_id], **fields)


def identify(customer: Customer, traits: dict[str, Any], *, at: datetime, source: Source) -> None:
    """Store an identify event as the collector does and resolve it as the processor does."""
    personal = {name: traits[name] for name in ("name", "email", "birthday", "address") if name in traits}
    properties = {name: value for name, value in traits.items() if name not in personal}
    if personal:
        properties["$personal"] = seal_personal(personal)
    event = make_event(source, at=at, type="identify", name="", user_id="anna", properties=properties)
    trace = IdentityEvent(source.pk, event.message_id, "identify", at, user_id="anna", traits=traits)
    assert resolve_people(events=[trace], at=NOON).customer_ids == [customer.pk]


@pytest.fixture
def anna() -> Customer:
    return make_customer("anna")


@pytest.fixture
def tea() -> Product:
    return make_product("tea", category="Drinks > Tea", brand="Leaf")


def test_actions_have_weights_with_a_half_life_of_90_days(anna: Customer, tea: Product) -> None:
    cup = make_product("cup", category="Kitchen > Cups", brand="Clay")
    make_order(anna, placed_at=NOON - DAY * 92, products=[tea])
    view(cup, days=2)
    view(cup, days=2, name="Product Added")
    lines = get_lines(anna)
    assert get_shares(lines["categories"]) == pytest.approx({"Kitchen": 4 / 6.5, "Drinks": 2.5 / 6.5}, abs=1e-4)
    assert list(get_shares(lines["subcategories"])) == ["Kitchen > Cups", "Drinks > Tea"]
    assert list(get_shares(lines["brands"])) == ["Clay", "Leaf"]
    assert (lines["brands"].facts, lines["brands"].source) == (3, "orders_and_events")
    assert (lines["brands"].as_of, lines["brands"].age_days, lines["brands"].age) == (NOON - DAY * 2, 2, "2 days ago")
    assert lines["breadth"].value == {"effective": pytest.approx(1.95, abs=0.01), "categories": 2}


def test_repeated_views_of_a_product_count_once_per_day(anna: Customer, tea: Product) -> None:
    cup = make_product("cup", category="Kitchen")
    for minute in range(30):
        view(tea, days=2 + minute / 1440)
    view(tea, days=2, name="Product Clicked")
    view(cup, days=2)
    view(cup, days=3)
    lines = get_lines(anna)
    assert lines["categories"].facts == 3
    assert get_shares(lines["categories"])["Kitchen"] == pytest.approx(2 / 3, abs=0.01)


def test_once_per_day_means_a_day_of_the_shop(anna: Customer, tea: Product, settings: Any) -> None:
    """In Shanghai, 7:50 and 8:10 are of different days of UTC, and 23:50 and 0:10 of the same one."""
    settings.TIME_ZONE = "Asia/Shanghai"
    campaign = {"campaign": {"name": "autumn", "medium": "email"}, "device": {"type": "ios"}}
    monday = datetime(2025, 6, 9, tzinfo=ZoneInfo("Asia/Shanghai"))
    for hour, minute in ((7, 50), (8, 10)):
        at = monday + timedelta(hours=hour, minutes=minute)
        make_event(at=at, user_id="anna", product_ids=["tea"], context=campaign)
    lines = get_lines(anna)
    assert lines["categories"].facts == lines["devices"].facts == lines["weekdays"].facts == 1
    assert lines["responses.campaigns"].value["clicked"] == 1
    for minutes in (23 * 60 + 50, 24 * 60 + 10):
        at = monday + timedelta(minutes=minutes)
        make_event(at=at, user_id="anna", product_ids=["tea"], context=campaign)
    lines = get_lines(anna)
    assert lines["categories"].facts == lines["devices"].facts == lines["weekdays"].facts == 2
    assert lines["responses.campaigns"].value["clicked"] == 2


def test_an_order_event_is_not_counted_in_addition_to_the_order(anna: Customer, tea: Product) -> None:
    for days in (3, 2, 1):
        make_order(anna, placed_at=NOON - DAY * days, products=[tea])
        view(tea, days=days, name="Order Completed")
    assert get_lines(anna)["categories"].facts == 3


def test_too_few_facts_give_a_reason_instead_of_a_value(anna: Customer, tea: Product) -> None:
    make_order(anna, placed_at=NOON - DAY, products=[tea])
    lines = get_lines(anna)
    for key in ("categories", "discounts", "returns", "breadth", "hours"):
        assert (lines[key].value, lines[key].missing, lines[key].facts) == (None, "too_few_facts", 1), key
    assert lines["categories"].text == "only 1 data point, not enough for a result"
    with translation.override("zh-hans"):
        assert get_lines(anna)["categories"].text == "仅 1 条数据，不足以得出结果"


def test_a_customer_without_activity_has_lines_without_values(anna: Customer) -> None:
    portrait = get_portrait(anna)
    assert {line.missing for line in portrait.lines} == {"nothing_known"}
    assert {line.group for line in portrait.lines} == {"preferences", "buying", "engagement"}
    assert (portrait.orders, portrait.events, portrait.withheld) == (0, 0, "")


def test_prices_are_compared_within_the_category_and_the_currency(anna: Customer) -> None:
    teas = [make_product(f"tea-{n}", category="Drinks > Tea", price=Decimal(n)) for n in range(1, 26)]
    for n in range(1, 26):
        make_product(f"pot-{n}", category="Drinks > Tea", price=Decimal(1000 * n), currency="CNY")
    rare = make_product("rare", category="Drinks > Rare", price=Decimal(25))
    for product in (teas[0], teas[24], rare):
        view(product, days=1)
    line = get_lines(anna)["price_bands"]
    assert get_shares(line) == pytest.approx({"cheapest 20%": 1 / 3, "most expensive 20%": 2 / 3}, abs=1e-4)
    assert [share["code"] for share in line.value] == ["4", "0"]


def test_a_price_without_enough_comparable_prices_has_no_band(anna: Customer, tea: Product) -> None:
    view(tea, days=1)
    assert get_lines(anna)["price_bands"].missing == "nothing_known"


def test_a_visit_counts_once_per_hour_and_once_per_day_for_its_device(anna: Customer, tea: Product) -> None:
    for minute in range(20):
        view(tea, days=1 + minute / 1440, context={"userAgent": IPHONE, "locale": "de-AT"})
    for days in (2, 3):
        view(tea, days=days, context={"userAgent": WINDOWS, "locale": "zh-CN"})
    make_event(at=NOON - DAY, user_id="anna", name="Email Delivered")  # not a visit
    lines = get_lines(anna)
    assert get_shares(lines["devices"]) == pytest.approx({"desktop": 0.66, "phone": 0.34}, abs=0.01)
    assert [share["code"] for share in lines["devices"].value] == ["desktop", "phone"]
    assert get_shares(lines["languages"]) == pytest.approx({"Chinese": 0.66, "German": 0.34}, abs=0.01)
    assert lines["devices"].facts == 3
    assert lines["hours"].facts == 4  # 12 o'clock of three days, and 11 o'clock
    assert lines["hours"].value[0]["name"] == "12:00–13:00"


def test_an_order_without_a_time_of_day_has_no_hour(anna: Customer, tea: Product) -> None:
    for days in range(1, 5):
        make_order(anna, placed_at=NOON - DAY * days - timedelta(hours=12), products=[tea])
    lines = get_lines(anna)
    assert lines["hours"].missing == "nothing_known"
    assert lines["weekdays"].facts == 4


def add_line_discount(line: OrderLine) -> None:
    OrderLine.objects.filter(pk=line.pk).update(discount=Decimal("1.00"))


def test_discounts_are_compared_with_other_customers_by_interval(anna: Customer, tea: Product) -> None:
    """All of anna's ten orders have a discount, and none of thirty others.

    Wilson bounds at 95 % of .7225 and .1135.
    """
    for days in range(1, 11):
        order = make_order(anna, placed_at=NOON - DAY * days, products=[tea], discount=Decimal(days % 2))
        if not days % 2:
            add_line_discount(order.lines.get())
    for days in range(1, 31):
        make_order(None, placed_at=NOON - DAY * days, products=[tea])
    line = get_lines(anna)["discounts"]
    assert line.value == {"share": 1.0, "low": 0.7225, "high": 1.0, "others": 0.0, "compared": "more"}
    assert line.text.endswith("others 0%: uses discounts more than others")
    assert (line.facts, line.source) == (10, "orders")


def test_returns_are_refunds_and_documents_but_never_more_than_the_orders(anna: Customer, tea: Product) -> None:
    for days in range(1, 5):
        make_order(anna, placed_at=NOON - DAY * days, products=[tea], refunded=Decimal(1) if days == 1 else Decimal(0))
    make_order(anna, placed_at=NOON - DAY, kind="return", total=Decimal(-10))
    assert get_lines(anna)["returns"].value["share"] == 0.5
    for _number in range(9):
        make_order(anna, placed_at=NOON - DAY, kind="return", total=Decimal(-10))
    line = get_lines(anna)["returns"]
    assert (line.value["share"], line.value["high"]) == (1.0, 1.0)


def test_an_order_that_comes_back_in_three_parcels_is_one_returned_order(anna: Customer, tea: Product) -> None:
    """Others are counted the same way: bert returned one of 30 orders in three parcels, and a guest one of 30."""
    bert = make_customer("bert")
    for buyer, orders in ((anna, 4), (bert, 30), (None, 30)):
        for days in range(1, orders + 1):
            make_order(buyer, placed_at=NOON - DAY * (10 + days), products=[tea], total=Decimal(30))
        for days in range(1, 4 if buyer else 2):
            make_order(buyer, placed_at=NOON - DAY * days, kind="return", total=Decimal(-10))
    line = get_lines(anna)["returns"]
    assert line.value["share"] == 0.25
    assert line.value["others"] == round(2 / 60, 4)
    assert line.value["compared"] == "similar"


def test_the_only_customer_of_a_shop_has_no_comparison(anna: Customer, tea: Product) -> None:
    for days in range(1, 5):
        make_order(anna, placed_at=NOON - DAY * days, products=[tea])
    line = get_lines(anna)["discounts"]
    assert (line.value["others"], line.value["compared"]) == (None, "unknown")
    assert "others" not in line.text


def test_each_channel_counts_sent_opened_and_clicked_messages(anna: Customer) -> None:
    for days, name in (
        (9, "Email Delivered"),
        (8, "Email Delivered"),
        (8, "Email Opened"),
        (7, "Email Link Clicked"),
        (6, "Push Notification Received"),
        (5, "SMS Link Clicked"),
        (4, "Recommendation Viewed"),
        (3, "Recommendation Clicked"),
    ):
        make_event(at=NOON - DAY * days, user_id="anna", name=name)
    for minute in range(5):
        campaign = {"campaign": {"name": "autumn", "medium": "email"}}
        make_event(at=NOON - DAY - timedelta(minutes=minute), user_id="anna", type="page", context=campaign)
    lines = get_lines(anna)
    assert lines["responses.email"].value == {"sent": 2, "opened": 1, "clicked": 1}
    assert (
        lines["responses.email"].text
        == "2 sent (last Nov 16, 2026), 1 opened (last Nov 16, 2026), 1 clicked (last Nov 17, 2026)"
    )
    assert lines["responses.push"].value == {"sent": 1, "opened": None, "clicked": 0}
    assert lines["responses.sms"].value == {"sent": 0, "opened": None, "clicked": 1}
    assert lines["responses.recommendations"].value == {"sent": 0, "opened": 1, "clicked": 1}
    assert lines["responses.campaigns"].value == {"sent": None, "opened": None, "clicked": 1}
    assert lines["responses.promotions"].missing == "nothing_known"


def test_traits_show_when_and_by_which_source_they_were_sent(anna: Customer) -> None:
    web, crm = make_source("web", name="Web shop"), make_source("crm", name="CRM")
    identify(
        anna,
        {
            "name": "Anna K.",
            "birthday": "1990-05-17",
            "gender": "female",
            "language": "de-AT",
            "company": {"name": "Leaf", "employee_count": 12},
            "address": {"city": "Graz", "street": "Ring 1"},
            "createdAt": "2024-01-02T00:00:00Z",
        },
        at=NOON - DAY * 90,
        source=web,
    )
    identify(anna, {"gender": "other"}, at=NOON - DAY * 2, source=crm)
    upsert_customers(changes=[CustomerChange("anna", traits={"vip": True})], seen_at=NOON - DAY)
    lines = get_lines(anna)
    assert (lines["age"].value, lines["age"].text, lines["age"].age) == (36, "36 years", "3 months ago")
    assert (lines["age"].source, lines["age"].reported_by, lines["age"].source_name) == (
        "identify",
        "web",
        "identify event · Web shop",
    )
    gender = lines["traits.gender"]
    assert (gender.text, gender.reported_by, gender.as_of) == ("another gender", "crm", NOON - DAY * 2)
    assert (lines["language"].value, lines["language"].text) == ("de-AT", "German")
    assert (lines["traits.vip"].source, lines["traits.vip"].reported_by, lines["traits.vip"].age_days) == (
        "shop",
        "",
        1,
    )
    assert lines["traits.company.name"].text == "Leaf"
    assert lines["traits.address.city"].text == "Graz"
    assert lines["traits.createdAt"].value == "2024-01-02T00:00:00+00:00"
    assert lines["name"].text == "Anna K."


def test_without_the_permission_names_and_the_exact_age_are_hidden(anna: Customer) -> None:
    identify(
        anna,
        {"name": "Anna K.", "birthday": "1990-05-17", "address": {"city": "Graz"}, "plan": "gold"},
        at=NOON - DAY,
        source=make_source("web"),
    )
    change = CustomerChange("anna", {"email": "a@b.cd"}, {"partner_name": "Bo", "motto": "bo@b.cd", "age": 36})
    upsert_customers(changes=[change], seen_at=NOON - DAY)
    portrait = get_portrait(anna, with_personal=False)
    identity = {line.key: line.value for line in portrait.lines if line.group == "identity"}
    assert identity == {"age": {"from": 30, "to": 39}, "traits.plan": "gold"}
    assert portrait.hidden_lines == 4
    text = repr(portrait)
    for secret in ("Anna", "1990", "Graz", "Bo", "a@b.cd", "36"):
        assert secret not in text.replace(repr(portrait.as_of), ""), secret


def test_a_birthday_encrypted_with_a_missing_key_is_reported(anna: Customer, settings: Any) -> None:
    upsert_customers(changes=[CustomerChange("anna", {"birthday": "1990-05-17"})], seen_at=NOON - DAY)
    settings.FIELD_KEYS = [Fernet.generate_key().decode()]
    assert get_lines(anna)["age"].missing == "unreadable"
    assert get_lines(anna, with_personal=False)["age"].missing == "unreadable"


@pytest.mark.parametrize("purpose", ["analytics", "personalisation"])
def test_after_a_withdrawn_consent_only_declared_traits_remain(anna: Customer, tea: Product, purpose: str) -> None:
    upsert_customers(changes=[CustomerChange("anna", traits={"plan": "gold"})], seen_at=NOON - DAY)
    for days in range(1, 5):
        make_order(anna, placed_at=NOON - DAY * days, products=[tea])
    make_consent(anna, purpose, recorded_at=NOON - DAY * 9)
    assert get_portrait(anna).withheld == ""
    make_consent(anna, purpose, status="withdrawn", recorded_at=NOON - DAY)
    portrait = get_portrait(anna)
    assert [line.key for line in portrait.lines] == ["traits.plan"]
    assert portrait.withheld == f"{purpose}_withdrawn"
    make_consent(anna, purpose, recorded_at=NOON)
    assert get_portrait(anna).withheld == ""


def test_an_erased_customer_has_no_portrait(tea: Product) -> None:
    erased = make_customer("gone", erased_at=NOON, traits={"plan": "gold"})
    make_order(erased, placed_at=NOON - DAY, products=[tea])
    portrait = get_portrait(erased)
    assert (portrait.lines, portrait.withheld) == ([], "erased")
    assert build_portrait(customer_id=987654321, as_of=NOON, with_personal=True).lines == []


def test_facts_after_as_of_change_nothing(anna: Customer, tea: Product) -> None:
    upsert_customers(changes=[CustomerChange("anna", {"country": "AT"}, {"plan": "gold"})], seen_at=NOON - DAY * 5)
    for days in range(1, 6):
        make_order(anna, placed_at=NOON - DAY * days, products=[tea], discount=Decimal(days % 2))
        view(tea, days=days, context={"userAgent": IPHONE, "locale": "de"})
        make_order(None, placed_at=NOON - DAY * days, products=[tea])
    make_event(at=NOON - DAY, user_id="anna", name="Email Opened")
    before = get_portrait(anna)
    cup = make_product("cup", category="Kitchen", brand="Clay")
    for minutes in (0, 1, 5000):
        at = NOON + timedelta(minutes=minutes)
        make_order(anna, placed_at=at, products=[cup], discount=Decimal(3), refunded=Decimal(1))
        make_order(None, placed_at=at, products=[cup], discount=Decimal(3))
        make_event(at=at, user_id="anna", name="Product Viewed", product_ids=["cup"], context={"userAgent": WINDOWS})
        make_event(at=at, user_id="anna", name="Email Opened")
        make_event(at=at, user_id="anna", type="identify", name="", properties={"company": {"name": "Leaf"}})
    Customer.objects.filter(pk=anna.pk).update(
        traits={"plan": "gold", "mood": "good"},
        field_updated_at={
            "country": to_microseconds(NOON - DAY * 5),
            "traits.plan": to_microseconds(NOON - DAY * 5),
            "traits.mood": to_microseconds(NOON),
        },
    )
    assert get_portrait(anna) == before


def test_the_number_of_queries_is_constant(anna: Customer) -> None:
    def count_queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            get_portrait(anna)
        return len(captured)

    queries_without_activity = count_queries()
    products = [make_product(f"p{n}", category=f"Top {n % 5} > Leaf {n}", brand=f"b{n}") for n in range(30)]
    upsert_customers(changes=[CustomerChange("anna", {"email": "a@b.cd"}, {"plan": "gold"})], seen_at=NOON - DAY)
    for n in range(5):
        make_identifier(anna, f"browser-{n}", kind="anonymous_id")
        make_event(at=NOON - DAY, user_id="", anonymous_id=f"browser-{n}", product_ids=[f"p{n}"])
    for days in range(1, 20):
        make_order(anna, placed_at=NOON - DAY * days, products=products)
        view(products[days], days=days)
    assert count_queries() == queries_without_activity == 11


def test_events_before_identification_count_but_not_those_of_other_users_of_the_browser(
    anna: Customer, tea: Product
) -> None:
    make_identifier(anna, "browser", kind="anonymous_id")
    for days in (1, 2, 3):
        view(tea, days=days, user_id="", anonymous_id="browser")
        view("tea", days=days, user_id="bert", anonymous_id="browser")
    assert get_portrait(anna).events == 3


@pytest.mark.parametrize(
    "moments",
    [[datetime(1901, 1, 1, tzinfo=UTC)] * 3, [datetime(9999, 1, 1, tzinfo=UTC)] * 3, [NOON - DAY] * 3],
)
def test_unusual_orders_and_events_never_cause_an_error(anna: Customer, moments: Sequence[datetime]) -> None:
    """Edge cases: before 1970, negative totals, two currencies, guests, unknown products.

    Also contexts that are not objects.
    """
    free = make_product("free", price=None, currency="")
    for number, at in enumerate(moments):
        make_order(anna, placed_at=at, products=[free], currency=("EUR", "CNY")[number % 2])
        make_order(anna, placed_at=at, kind="return", products=[free], quantity=-1, total=Decimal(-99))
        make_order(anna, placed_at=at)
        make_order(None, placed_at=at, products=[free])
        for context in ([], "text", None, {"device": 1, "locale": {}, "campaign": []}, {"userAgent": "x" * 5000}):
            make_event(at=at, user_id="anna", product_ids=["nobody's", "free"], context=context or {})
        make_event(
            at=at, user_id="anna", type="identify", name="", properties={"$personal": "broken", "company": {"a": {}}}
        )
    Customer.objects.filter(pk=anna.pk).update(
        traits=["no", "object"], field_updated_at={"name": "soon", "traits.x": None}
    )
    for as_of in (NOON, datetime(1950, 1, 1, tzinfo=UTC)):
        portrait = get_portrait(anna, as_of=as_of)
        assert "nan" not in repr(portrait).casefold().replace("tenant", "")
        assert len(portrait.lines) >= 17


def test_orders_before_1970_have_the_right_age(anna: Customer, tea: Product) -> None:
    long_ago = datetime(1965, 1, 1, 10, tzinfo=UTC)
    for _number in range(3):
        make_order(anna, placed_at=long_ago, products=[tea])
    lines = get_lines(anna)
    assert (lines["discounts"].as_of, lines["weekdays"].as_of, lines["discounts"].age) == (
        long_ago,
        long_ago,
        "62 years ago",
    )


def test_the_age_of_a_fact_is_shown_in_both_languages(anna: Customer) -> None:
    upsert_customers(changes=[CustomerChange("anna", {"country": "AT"})], seen_at=NOON - DAY * 95)
    assert (get_lines(anna)["country"].text, get_lines(anna)["country"].age) == ("Austria", "3 months ago")
    with translation.override("zh-hans"):
        assert (get_lines(anna)["country"].text, get_lines(anna)["country"].age) == ("奥地利", "3个月前")


def test_traits_are_listed_up_to_a_maximum(anna: Customer) -> None:
    Customer.objects.filter(pk=anna.pk).update(traits={f"t{n:03}": n for n in range(150)})
    portrait = get_portrait(anna)
    assert (sum(line.group == "identity" for line in portrait.lines), portrait.more_traits) == (40, 110)
    assert {line.as_of for line in portrait.lines if line.group == "identity"} == {None}
