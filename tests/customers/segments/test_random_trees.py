"""Random conditions: PostgreSQL finds the same customers as a direct evaluation of the tree in Python."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile
from customers.segments.explanation.membership_explanation import explain_segments
from customers.segments.membership import query_matching
from customers.segments.models import Segment
from tests.makers import NOON, make_consent, make_customer, make_order, make_product, make_profile

STAGES = ["new", "loyal", "dormant"]
COUNTRIES = ["DE", "CN"]


def leaf(field: str, ops: list[str], **values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"field": st.just(field), "op": st.sampled_from(ops), **values})


comparisons = st.one_of(
    leaf("stage", ["eq", "ne"], value=st.sampled_from(STAGES)),
    leaf("stage", ["in", "not_in"], value=st.lists(st.sampled_from(STAGES), min_size=1)),
    leaf("r", ["eq", "ne", "lt", "gte"], value=st.integers(1, 5)),
    leaf("orders", ["lt", "gte"], value=st.integers(0, 4)),
    leaf("rfm_group", ["is_set", "is_not_set"]),
    leaf("last_order_at", ["within_days", "older_than_days"], value=st.integers(0, 40)),
    leaf("country", ["eq", "ne"], value=st.sampled_from(COUNTRIES)),
    leaf("traits.size", ["eq", "ne", "gt", "lte"], value=st.integers(1, 3)),
    leaf("consent.email", ["eq", "ne"], value=st.sampled_from(["granted", "withdrawn", "none"])),
    leaf("bought.any", ["at_least", "fewer_than"], times=st.integers(1, 3), within_days=st.integers(1, 40)),
    leaf("bought.brand", ["at_least", "fewer_than"], value=st.just(["Acme"]), times=st.integers(1, 3)),
)
trees = st.recursive(
    comparisons,
    lambda inner: st.one_of(
        st.builds(lambda children: {"all": children}, st.lists(inner, max_size=3)),
        st.builds(lambda children: {"any": children}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda child: {"not": child}, inner),
    ),
    max_leaves=10,
)


@pytest.fixture
def forty_customers(db: None) -> list[Customer]:
    """Create forty customers with different values of all fields of the conditions; every fifth has no profile."""
    acme, other = make_product(brand="Acme"), make_product(brand="Other")
    customers = []
    for number in range(40):
        traits = [{}, {"size": number % 4}, {"size": str(number % 4)}, {"size": "many"}][number % 4]
        customer = make_customer(country=["DE", "CN", ""][number % 3], traits=traits)
        if number % 5:
            r = None if number % 7 == 0 else number % 5 + 1
            make_profile(
                customer,
                stage=STAGES[number % 3],
                orders=number % 5,
                r=r,
                f=r,
                m=r,
                rfm_group="champions" if r == 5 else "",
                last_order_at=None if number % 4 == 0 else NOON - timedelta(days=number),
            )
        for times in range(number % 4):
            product = acme if (number + times) % 2 else other
            make_order(
                customer, placed_at=NOON - timedelta(days=number * (times + 1) % 45, hours=1), products=[product]
            )
        if number % 3:
            make_consent(
                customer, status="granted" if number % 2 else "withdrawn", recorded_at=NOON - timedelta(days=2)
            )
        if number % 6 == 1:
            make_consent(customer, status="withdrawn", recorded_at=NOON - timedelta(days=1))
        customers.append(customer)
    return list(
        Customer.objects.select_related("profile").prefetch_related("consents", "orders__lines__product").order_by("pk")
    )


def matches(tree: dict[str, Any], customer: Customer) -> bool:
    if "all" in tree:
        return all(matches(child, customer) for child in tree["all"])
    if "any" in tree:
        return any(matches(child, customer) for child in tree["any"])
    if "not" in tree:
        return not matches(tree["not"], customer)
    return compare(tree, customer)


def compare(tree: dict[str, Any], customer: Customer) -> bool:
    profile: CustomerProfile | None = getattr(customer, "profile", None)
    value = tree.get("value")
    match tree["field"]:
        case "consent.email":
            lines = sorted(customer.consents.all(), key=lambda line: (line.recorded_at, line.pk))
            status = lines[-1].status if lines else "none"
            return (status == value) == (tree["op"] == "eq")
        case "bought.any" | "bought.brand":
            return (bought(tree, customer) >= tree["times"]) == (tree["op"] == "at_least")
        case "country":
            return (customer.country == value) == (tree["op"] == "eq")
        case "traits.size":
            return operate(tree["op"], as_number(customer.traits.get("size")), value)
        case "rfm_group":
            return bool(profile and profile.rfm_group) == (tree["op"] == "is_set")
        case "last_order_at":
            last = profile and profile.last_order_at
            days = None if not last else (NOON - last) / timedelta(days=1)
            return days is not None and (days <= value if tree["op"] == "within_days" else days > value)
    return operate(tree["op"], getattr(profile, tree["field"], None), value)


def bought(tree: dict[str, Any], customer: Customer) -> int:
    # whole days, from the start of the first one
    since = NOON.replace(hour=0) - timedelta(days=tree.get("within_days", 1000))
    orders = [order for order in customer.orders.all() if since <= order.placed_at < NOON]
    if tree["field"] == "bought.any":
        return len(orders)
    return sum(1 for order in orders if any(line.product.brand == "Acme" for line in order.lines.all()))


def as_number(value: Any) -> int | None:
    return int(value) if str(value).isdigit() else None


def operate(op: str, actual: Any, value: Any) -> bool:
    operators: dict[str, Callable[[], bool]] = {
        "eq": lambda: actual == value,
        "ne": lambda: actual != value,
        "in": lambda: actual in value,
        "not_in": lambda: actual not in value,
        "lt": lambda: actual is not None and actual < value,
        "lte": lambda: actual is not None and actual <= value,
        "gt": lambda: actual is not None and actual > value,
        "gte": lambda: actual is not None and actual >= value,
    }
    return operators[op]()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(tree=trees)
def test_database_agrees_with_plain_evaluation(forty_customers: list[Customer], tree: dict[str, Any]) -> None:
    expected = {customer.pk for customer in forty_customers if matches(tree, customer)}
    assert set(query_matching(condition=tree, as_of=NOON).values_list("pk", flat=True)) == expected


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(tree=trees, position=st.integers(0, 39))
def test_explanation_agrees_with_plain_evaluation(
    forty_customers: list[Customer], tree: dict[str, Any], position: int
) -> None:
    customer = forty_customers[position]
    [explanation] = explain_segments(
        customer=customer, segments=[Segment(key="random", condition=tree)], as_of=NOON, with_personal=False
    )
    assert explanation.is_member == matches(tree, customer)
