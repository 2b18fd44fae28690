"""Conditions on events agree with a direct evaluation in Python: counted, pending, late, in any window, and in sequence."""

import random
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from catalog.models import Product
from customers.identity.models import Customer
from customers.orders.models import Order
from customers.segments.event_counts.counting import recount_pending_orders
from customers.segments.membership import count_matching, query_matching
from customers.segments.models import PendingOrderCount
from tests.customers.processing.event_makers import NOW, process, send, track
from tests.makers import make_customer, make_order, make_product

pytestmark = pytest.mark.django_db

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
CATEGORIES = {"tea": "Food > Drinks", "milk": "Food", "pan": "Home"}
BRANDS = {"tea": "Acme", "milk": "Acme", "pan": "Pans"}
EVENT_NAMES = {"viewed": "Product Viewed", "added": "Product Added"}
Occurrence = tuple[str, str, datetime]  # verb, product, time
History = dict[str, list[Occurrence]]


def compare(field: str, op: str, value: list[str] | None = None, **options: Any) -> dict[str, Any]:
    return {"field": field, "op": op, **({} if value is None else {"value": value}), **options}


def find_users(condition: Any) -> set[str]:
    return set(query_matching(condition=condition, as_of=NOW).values_list("identifiers__value", flat=True))


def view(user: str, product: str, at: datetime, name: str = "Product Viewed") -> dict[str, Any]:
    return track(name, {"product_id": product}, userId=user, timestamp=at.isoformat())


@pytest.fixture
def shop() -> None:
    for name, category in CATEGORIES.items():
        make_product(name, category=category, brand=BRANDS[name])


@pytest.fixture
def three_customers(shop: None) -> None:
    send(
        view("ada", "tea", NOW - 40 * DAY), view("ada", "tea", NOW - 2 * HOUR), view("ada", "milk", NOW - HOUR),
        view("ben", "pan", NOW - 3 * DAY), view("ben", "tea", NOW - 3 * DAY - HOUR),
    )  # fmt: skip
    process()
    make_customer("cleo")


NUMBERS: list[tuple[Any, set[str]]] = [
    (compare("viewed.any", "at_least"), {"ada", "ben"}),
    (compare("viewed.any", "at_least", times=3), {"ada"}),
    (compare("viewed.any", "at_most", times=2), {"ben", "cleo"}),
    (compare("viewed.any", "exactly", times=2), {"ben"}),
    (compare("viewed.any", "exactly", times=2, within_days=30), {"ada", "ben"}),
    (compare("viewed.any", "fewer_than", times=3), {"ben", "cleo"}),
    (compare("viewed.any", "never"), {"cleo"}),
    (compare("viewed.any", "never", within_days=2), {"ben", "cleo"}),
    (compare("viewed.product", "at_least", ["tea"], times=2), {"ada"}),
    (compare("viewed.product", "at_least", ["tea", "pan"], times=2), {"ada", "ben"}),
    (compare("viewed.category", "at_least", ["Food"], times=3), {"ada"}),
    (compare("viewed.category", "at_least", ["Food", "Food > Drinks"], times=3), {"ada"}),
    (compare("viewed.category", "exactly", ["Food", "Food > Drinks"], times=1), {"ben"}),
    (compare("viewed.brand", "at_least", ["Pans"]), {"ben"}),
    (compare("viewed.any", "at_least", between=["2026-10-01", "2026-10-31"]), {"ada"}),
    (compare("viewed.any", "at_least", between=["2026-11-21", "2026-11-21"]), {"ben"}),
    (compare("added.any", "at_least"), set()),
    (compare("added.any", "never"), {"ada", "ben", "cleo"}),
    ({"not": compare("viewed.any", "exactly", times=2)}, {"ada", "cleo"}),
    ({"not": compare("viewed.any", "never")}, {"ada", "ben"}),
]


def test_numbers_of_events(three_customers: None) -> None:
    found = {str(condition): find_users(condition) for condition, _users in NUMBERS}
    assert found == {str(condition): users for condition, users in NUMBERS}
    assert len(found) == len(NUMBERS)


def sequence(first: dict[str, Any], second: dict[str, Any], gap_days: int, **options: Any) -> dict[str, Any]:
    return {"sequence": [first, second], "gap_days": gap_days, **options}


VIEWED_TEA = {"field": "viewed.product", "value": ["tea"]}
VIEWED_MILK = {"field": "viewed.product", "value": ["milk"]}
VIEWED_PAN = {"field": "viewed.product", "value": ["pan"]}


SEQUENCES: list[tuple[Any, set[str]]] = [
    (sequence(VIEWED_TEA, VIEWED_MILK, 0), {"ada"}),
    (sequence(VIEWED_MILK, VIEWED_TEA, 100), set()),
    (sequence(VIEWED_TEA, VIEWED_PAN, 0), {"ben"}),
    (sequence(VIEWED_PAN, VIEWED_TEA, 9), set()),
    (sequence(VIEWED_TEA, VIEWED_TEA, 39), set()),
    (sequence(VIEWED_TEA, VIEWED_TEA, 40), {"ada"}),
    (sequence(VIEWED_TEA, VIEWED_TEA, 40, within_days=30), set()),
    ({"not": sequence(VIEWED_TEA, VIEWED_MILK, 0)}, {"ben", "cleo"}),
    (sequence(VIEWED_TEA, {"field": "bought.any"}, 40), set()),
]


def test_sequences(three_customers: None) -> None:
    found = {str(condition): find_users(condition) for condition, _users in SEQUENCES}
    assert found == {str(condition): users for condition, users in SEQUENCES}
    assert len(found) == len(SEQUENCES)


def test_a_changed_order_counts_before_and_after_it_is_recounted(shop: None) -> None:
    ada = make_customer("ada")
    pan = Product.objects.get(product_id="pan")
    order = make_order(ada, placed_at=NOW - HOUR, products=[pan])
    conditions = [
        compare("bought.category", "at_least", ["Home"]),
        compare("bought.any", "exactly", times=1, within_days=1),
        sequence({"field": "bought.any"}, {"field": "bought.any"}, 1),
    ]
    assert [find_users(condition) for condition in conditions] == [{"ada"}, {"ada"}, set()]
    recount_pending_orders()
    assert not PendingOrderCount.objects.exists()
    assert [find_users(condition) for condition in conditions] == [{"ada"}, {"ada"}, set()]
    make_order(ada, placed_at=NOW - 2 * HOUR, products=[pan])
    assert [find_users(condition) for condition in conditions] == [{"ada"}, set(), {"ada"}]
    Order.objects.filter(pk=order.pk).update(status="cancelled")
    assert [find_users(condition) for condition in conditions] == [{"ada"}, {"ada"}, set()]
    process()
    assert [find_users(condition) for condition in conditions] == [{"ada"}, {"ada"}, set()]


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
def test_periods_of_any_year(three_customers: None, settings: Any, zone: str) -> None:
    settings.TIME_ZONE = zone
    make_order(Customer.objects.get(identifiers__value="ada"), placed_at=NOW - HOUR)
    for between, is_met in (
        (["0002-01-01", "2026-12-31"], True),
        (["1800-01-01", "9999-12-30"], True),
        (["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"], True),
        (["0002-01-01", "1799-12-31"], False),
        (["2060-01-01", "2100-01-01"], False),
    ):
        for field in ("viewed.any", "bought.any"):
            step, case = {"field": field}, (field, between)
            for condition in (compare(field, "at_least", between=between), sequence(step, step, 0, between=between)):
                assert count_matching(condition=condition, as_of=NOW) == len(find_users(condition)), case
            assert ("ada" in find_users(compare(field, "at_least", between=between))) == is_met, case
            assert ("ada" in find_users(compare(field, "never", between=between))) != is_met, case


def test_an_order_of_the_year_1753_counts_before_and_after_it_is_recounted(shop: None) -> None:
    make_order(make_customer("ada"), placed_at=datetime(1753, 1, 1, 12, tzinfo=UTC))
    conditions = [
        compare("bought.any", "at_least"),
        compare("bought.any", "at_least", between=["0001-01-01", "2026-11-30"]),
        compare("bought.any", "never", within_days=36_500),
    ]
    assert [find_users(condition) for condition in conditions] == [{"ada"}] * 3
    recount_pending_orders()
    assert [find_users(condition) for condition in conditions] == [{"ada"}] * 3


def test_an_order_with_two_of_the_products_counts_once(shop: None) -> None:
    make_order(make_customer("ada"), placed_at=NOW - HOUR, products=list(Product.objects.filter(brand="Acme")))
    process()
    assert find_users(compare("bought.product", "at_least", ["tea", "milk"], times=2)) == set()
    assert find_users(compare("bought.product", "exactly", ["tea", "milk"])) == {"ada"}


# ---- random histories and conditions


def make_histories(draws: random.Random) -> History:
    return {
        f"user-{number}": [
            (
                draws.choice(["viewed", "viewed", "added", "bought"]),
                draws.choice(list(CATEGORIES)),
                NOW - draws.randrange(1, 12 * 24 * 60) * timedelta(minutes=1),
            )
            for _ in range(draws.randrange(7))
        ]
        for number in range(60)
    }


def store_histories(histories: History, draws: random.Random) -> None:
    products = {product.product_id: product for product in Product.objects.all()}
    customers = {user: make_customer(user) for user in histories}
    events = [
        view(user, product, at, EVENT_NAMES[verb])
        for user, history in histories.items()
        for verb, product, at in history
        if verb != "bought"
    ]
    draws.shuffle(events)
    for start in range(0, len(events), 25):
        send(*events[start : start + 25])
        process()
    for user, history in histories.items():
        for verb, product, at in history:
            if verb == "bought":
                make_order(customers[user], placed_at=at, products=[products[product]])


def draw_event(draws: random.Random) -> dict[str, Any]:
    verb, about = draws.choice(["viewed", "added", "bought"]), draws.choice(["any", "product", "category", "brand"])
    names = {
        "product": ["tea", "milk", "pan"],
        "category": ["Food", "Food > Drinks", "Home"],
        "brand": ["Acme", "Pans"],
    }
    event: dict[str, Any] = {"field": f"{verb}.{about}"}
    return event if about == "any" else {**event, "value": draws.sample(names[about], draws.choice([1, 1, 2]))}


def draw_condition(draws: random.Random) -> dict[str, Any]:
    window = draws.choice([{}, {"within_days": draws.randint(1, 9)}, {"between": ["2026-11-16", "2026-11-20"]}])
    if draws.random() < 0.4:
        return {"sequence": [draw_event(draws), draw_event(draws)], "gap_days": draws.randint(0, 5), **window}
    op = draws.choice(["at_least", "at_most", "exactly", "fewer_than", "never"])
    return {**draw_event(draws), "op": op, **({} if op == "never" else {"times": draws.randint(1, 3)}), **window}


def is_about(event: dict[str, Any], verb: str, product: str) -> bool:
    wanted, about = event["field"].split(".")
    values = event.get("value", [])
    if verb != wanted:
        return False
    match about:
        case "product":
            return product in values
        case "brand":
            return BRANDS[product] in values
        case "category":
            return any(f"{CATEGORIES[product]} > ".startswith(f"{value} > ") for value in values)
    return True


def matches(condition: dict[str, Any], history: list[Occurrence]) -> bool:
    today = NOW.date()
    low, high = date.min, today
    if "within_days" in condition:
        low = today - condition["within_days"] * DAY
    elif "between" in condition:
        low, high = (datetime.fromisoformat(text).date() for text in condition["between"])
    known = [each for each in history if low <= each[2].date() <= high]
    if "sequence" in condition:
        first, second = condition["sequence"]
        gap = condition["gap_days"] * DAY
        return any(
            is_about(first, verb, product)
            and is_about(second, later_verb, later_product)
            and at < later
            and later.date() - at.date() <= gap
            for verb, product, at in known
            for later_verb, later_product, later in known
        )
    number = sum(is_about(condition, verb, product) for verb, product, _at in known)
    times = condition.get("times", 0)
    tests = {
        "at_least": number >= times,
        "at_most": number <= times,
        "exactly": number == times,
        "fewer_than": number < times,
    }
    return tests.get(condition["op"], number == 0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_processed", [True, False])
def test_random_conditions_agree_with_plain_evaluation(shop: None, seed: int, is_processed: bool) -> None:
    draws = random.Random(seed)
    histories = make_histories(draws)
    store_histories(histories, draws)
    if is_processed:
        process()
        recount_pending_orders()
    assert PendingOrderCount.objects.exists() != is_processed
    for _ in range(60):
        condition = draw_condition(draws)
        found = find_users(condition)
        assert found == {user for user, history in histories.items() if matches(condition, history)}, condition
        assert count_matching(condition=condition, as_of=NOW) == len(found), condition
        negated = find_users({"not": condition})
        assert count_matching(condition={"all": [{"not": condition}]}, as_of=NOW) == len(negated), condition
        assert negated == histories.keys() - found, condition
    assert Customer.objects.count() == len(histories)
