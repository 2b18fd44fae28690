"""Every operator selects the expected ones of four customers."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from customers.identity.models import Identifier
from customers.segments.membership import query_matching
from tests.makers import (
    NOON,
    make_consent,
    make_customer,
    make_identifier,
    make_order,
    make_product,
    make_profile,
    make_segment,
)

pytestmark = pytest.mark.django_db

LONG_AGO = NOON - timedelta(days=200)
LAST_WEEK = NOON - timedelta(days=7)
ANNA, BEN, CEM, DAO = "anna", "ben", "cem", "dao"
WINDOW: dict[str, Any] = {
    "r_window": 4, "f_window": 4, "m_window": 2, "rfm_group_window": "loyal", "orders_window": 2, "revenue_window": Decimal(20),
}  # fmt: skip


@pytest.fixture
def four_customers() -> None:
    """Create four customers: Anna is a champion, Ben is dormant, Cem is a visitor with an empty profile, Dao has none."""
    anna = make_customer(
        ANNA,
        language="en",
        country="DE",
        traits={"age": "45-54", "size": 2, "vip": True, "tags": ["tea", "wine"], "100%'": "x"},
    )
    make_profile(
        anna, **WINDOW, value=Decimal("12.50"), cluster=3,
        stage="loyal", rfm_group="champions", r=5, f=5, m=4, orders=9, returns=1, revenue=Decimal("900.50"),
        units=Decimal("20.500"), average_order_value=Decimal("100.06"), average_gap_days=12.5, first_order_at=LONG_AGO,
        last_order_at=LAST_WEEK, stage_since=LAST_WEEK, next_stage_change_at=NOON + timedelta(days=3),
        favorite_categories=[["Food > Tea", 0.7], ["Home", 0.3]], favorite_brands=[["Acme", 1.0]],
    )  # fmt: skip
    make_consent(anna, recorded_at=NOON - timedelta(days=3))
    ben = make_customer(
        BEN, language="zh-Hans", country="CN", traits={"age": "25-34", "size": "4", "vip": False, "note": ""}
    )
    make_profile(
        ben, stage="dormant", rfm_group="cant_lose", r=1, f=4, m=5, orders=5, revenue=Decimal("500.00"),
        average_order_value=Decimal("100.00"), average_gap_days=30.0, first_order_at=LONG_AGO,
        last_order_at=NOON - timedelta(days=100), stage_since=NOON - timedelta(days=30),
        next_stage_change_at=NOON + timedelta(days=40), favorite_categories=[["Home", 1.0]],
    )  # fmt: skip
    make_consent(ben, recorded_at=NOON - timedelta(days=9))
    make_consent(ben, status="withdrawn", recorded_at=NOON - timedelta(days=2))
    cem = make_customer(traits={"size": None, "many": {"a": 1}})
    make_identifier(cem, CEM, kind=Identifier.Kind.ANONYMOUS_ID)
    make_profile(cem)
    dao = make_customer(DAO, country="DE")
    tea = make_product("tea", category="Food > Tea", brand="Acme")
    soap = make_product("soap", category="Home", brand="Bubble")
    make_product("foodbox", category="Food & more", brand="Acme")
    make_order(anna, placed_at=LAST_WEEK, products=[tea, soap])
    make_order(anna, placed_at=LONG_AGO, products=[tea])
    make_order(ben, placed_at=NOON - timedelta(days=100), products=[soap])
    make_order(ben, placed_at=LAST_WEEK, products=[tea], status="cancelled")
    make_order(ben, placed_at=NOON - timedelta(days=99), products=[tea], kind="return", quantity=-1)
    make_order(dao, placed_at=NOON + timedelta(days=1), products=[soap])
    make_order(None, placed_at=LAST_WEEK, products=[tea, soap])
    erased = make_customer("gone", country="DE", erased_at=NOON)
    make_profile(erased, stage="loyal", orders=9)
    make_segment("germans", {"field": "country", "op": "eq", "value": "DE"})
    static_segment = make_segment("listed", {}, kind="static")
    static_segment.members.create(customer=cem)


def find_values(condition: Any, as_of: datetime = NOON) -> list[str]:
    customers = query_matching(condition=condition, as_of=as_of)
    return sorted(Identifier.objects.filter(customer__in=customers).values_list("value", flat=True))


def test_numbers_with_many_decimals_are_numbers() -> None:
    make_customer(ANNA, traits={"stars": 13 / 3})
    make_customer(BEN, traits={"stars": "3.14159265358979323846264338327950288"})
    make_customer(DAO, traits={"stars": 999_999_999_999_999.9})
    for name, size in ((CEM, "9" * 15 + "." + "9" * 40), ("long", "9" * 16)):
        make_customer(name, traits={"stars": size})
    assert find_values(compare("traits.stars", "gte", 4)) == sorted([ANNA, CEM, DAO])
    assert find_values(compare("traits.stars", "lt", 4)) == [BEN]
    assert find_values(compare("traits.stars", "eq", 13 / 3)) == [ANNA]
    assert find_values(compare("traits.stars", "in", [13 / 3, 7])) == [ANNA]


def compare(field: str, op: str, value: Any = None, **more: Any) -> dict[str, Any]:
    return {"field": field, "op": op, **({} if value is None else {"value": value}), **more}


CONDITIONS: list[tuple[Any, list[str]]] = [
    (compare("stage", "eq", "loyal"), [ANNA]),
    (compare("stage", "ne", "loyal"), [BEN, CEM, DAO]),
    (compare("stage", "in", ["loyal", "visitor"]), [ANNA, CEM]),
    (compare("stage", "not_in", ["loyal", "dormant"]), [CEM, DAO]),
    (compare("rfm_group", "is_set"), [ANNA, BEN]),
    (compare("rfm_group", "is_not_set"), [CEM, DAO]),
    (compare("r", "eq", 5), [ANNA]),
    (compare("r", "ne", 5), [BEN, CEM, DAO]),
    (compare("rfm_group_window", "in", ["loyal"]), [ANNA]),
    (compare("rfm_group_window", "is_set"), [ANNA]),
    (compare("r_window", "eq", 4), [ANNA]),
    (compare("m_window", "is_not_set"), [BEN, CEM, DAO]),
    (compare("orders_window", "gte", 2), [ANNA]),
    (compare("revenue_window", "gt", 19.99), [ANNA]),
    (compare("value", "between", [10, 12.5]), [ANNA]),
    (compare("cluster", "eq", 3), [ANNA]),
    (compare("f", "lt", 5), [BEN]),
    (compare("f", "lte", 5), [ANNA, BEN]),
    (compare("m", "gt", 4), [BEN]),
    (compare("m", "gte", 4), [ANNA, BEN]),
    (compare("orders", "between", [5, 9]), [ANNA, BEN]),
    (compare("orders", "between", [6, 8]), []),
    (compare("orders", "eq", 0), [CEM]),
    (compare("returns", "gte", 1), [ANNA]),
    (compare("revenue", "gte", 900.5), [ANNA]),
    (compare("revenue", "gt", 900.5), []),
    (compare("units", "eq", 20.5), [ANNA]),
    (compare("average_order_value", "is_not_set"), [CEM, DAO]),
    (compare("average_gap_days", "lt", 13), [ANNA]),
    (compare("last_order_at", "within_days", 7), [ANNA]),
    (compare("last_order_at", "within_days", 6), []),
    (compare("last_order_at", "within_days", 100), [ANNA, BEN]),
    (compare("last_order_at", "older_than_days", 7), [BEN]),
    (compare("last_order_at", "older_than_days", 100), []),
    (compare("first_order_at", "before", "2026-11-24"), [ANNA, BEN]),
    (compare("last_order_at", "after", "2026-11-17T11:59:59Z"), [ANNA]),
    (compare("last_order_at", "after", "2026-11-17T12:00:00Z"), []),
    (compare("last_order_at", "after", "2026-11-17"), []),
    (compare("last_order_at", "after", "2026-11-16"), [ANNA]),
    (compare("last_order_at", "between", ["2026-11-17", "2026-11-17"]), [ANNA]),
    (compare("stage_since", "is_set"), [ANNA, BEN]),
    (compare("next_stage_change_at", "within_next_days", 3), [ANNA]),
    (compare("next_stage_change_at", "within_next_days", 2), []),
    (compare("traits.age", "eq", "45-54"), [ANNA]),
    (compare("traits.age", "ne", "45-54"), [BEN, CEM, DAO]),
    (compare("traits.age", "in", ["45-54", "25-34"]), [ANNA, BEN]),
    (compare("traits.age", "not_in", ["45-54", "25-34"]), [CEM, DAO]),
    (compare("traits.age", "contains", "5-5"), [ANNA]),
    (compare("traits.size", "eq", 2), [ANNA]),
    (compare("traits.size", "eq", "2"), [ANNA]),
    (compare("traits.size", "eq", 4), [BEN]),
    (compare("traits.size", "in", ["2", 4]), [ANNA, BEN]),
    (compare("traits.vip", "in", [True, 7, "x"]), [ANNA]),
    (compare("traits.size", "gt", 2), [BEN]),
    (compare("traits.size", "gte", 2), [ANNA, BEN]),
    (compare("traits.size", "lt", 4), [ANNA]),
    (compare("traits.size", "lte", 4), [ANNA, BEN]),
    (compare("traits.age", "gt", 1), []),
    (compare("traits.size", "is_set"), [ANNA, BEN]),
    (compare("traits.note", "is_not_set"), [ANNA, BEN, CEM, DAO]),
    (compare("traits.vip", "eq", True), [ANNA]),
    (compare("traits.vip", "eq", False), [BEN]),
    (compare("traits.tags", "includes", "tea"), [ANNA]),
    (compare("traits.tags", "includes", "te"), []),
    (compare("traits.100%'", "eq", "x"), [ANNA]),
    (compare("traits.many", "eq", "a"), []),
    (compare("language", "starts_with", "zh"), [BEN]),
    (compare("language", "is_not_set"), [CEM, DAO]),
    (compare("country", "contains", "d"), [ANNA, DAO]),
    (compare("country", "in", ["DE", "CN"]), [ANNA, BEN, DAO]),
    (compare("favorite_category", "in", ["Food > Tea"]), [ANNA]),
    (compare("favorite_category", "in", ["Home", "Food > Tea"]), [ANNA, BEN]),
    (compare("favorite_category", "not_in", ["Food > Tea"]), [BEN, CEM, DAO]),
    (compare("favorite_brand", "is_set"), [ANNA]),
    (compare("favorite_brand", "is_not_set"), [BEN, CEM, DAO]),
    (compare("identified", "eq", True), [ANNA, BEN, DAO]),
    (compare("identified", "eq", False), [CEM]),
    (compare("consent.email", "eq", "granted"), [ANNA]),
    (compare("consent.email", "eq", "withdrawn"), [BEN]),
    (compare("consent.email", "eq", "none"), [CEM, DAO]),
    (compare("consent.email", "ne", "granted"), [BEN, CEM, DAO]),
    (compare("consent.email", "in", ["granted", "withdrawn"]), [ANNA, BEN]),
    (compare("consent.sms", "eq", "granted"), []),
    (compare("bought.any", "at_least"), [ANNA, BEN]),
    (compare("bought.any", "at_least", within_days=7), [ANNA]),
    (compare("bought.any", "at_least", times=2), [ANNA]),
    (compare("bought.any", "fewer_than"), [CEM, DAO]),
    (compare("bought.any", "fewer_than", times=2), [BEN, CEM, DAO]),
    (compare("bought.product", "at_least", ["tea"]), [ANNA]),
    (compare("bought.product", "at_least", ["tea"], times=2), [ANNA]),
    (compare("bought.product", "at_least", ["tea"], times=2, within_days=30), []),
    (compare("bought.product", "at_least", ["soap", "tea"], times=3), []),
    (compare("bought.category", "at_least", ["Food"]), [ANNA]),
    (compare("bought.category", "at_least", ["Food & more"]), []),
    (compare("bought.category", "at_least", ["Home"], within_days=99), [ANNA]),
    (compare("bought.brand", "at_least", ["Bubble"]), [ANNA, BEN]),
    (compare("bought.brand", "fewer_than", ["Bubble"]), [CEM, DAO]),
    (compare("segment", "in", ["germans"]), [ANNA, DAO]),
    (compare("segment", "not_in", ["germans"]), [BEN, CEM]),
    (compare("segment", "in", ["listed"]), [CEM]),
    (compare("segment", "in", ["germans", "listed"]), [ANNA, CEM, DAO]),
    ({"all": []}, [ANNA, BEN, CEM, DAO]),
    ({"not": {"all": []}}, []),
    ({"any": [{"all": []}, compare("stage", "eq", "loyal")]}, [ANNA, BEN, CEM, DAO]),
    ({"not": compare("f", "lt", 5)}, [ANNA, CEM, DAO]),
    ({"not": {"not": compare("f", "lt", 5)}}, [BEN]),
    ({"not": {"any": [compare("f", "lt", 5), {"not": compare("r", "eq", 5)}]}}, [ANNA]),
    ({"all": [compare("country", "eq", "DE"), {"not": compare("bought.any", "at_least")}]}, [DAO]),
]  # fmt: skip


def test_each_condition_matches_the_expected_customers(four_customers: None) -> None:
    found = {str(condition): find_values(condition) for condition, _expected in CONDITIONS}
    assert found == {str(condition): expected for condition, expected in CONDITIONS}
    assert len(found) == len(CONDITIONS)


def test_predictions_can_be_used_in_conditions() -> None:
    for name, churn, month, category in ((ANNA, 0.1, 0.9, "Drinks"), (BEN, 0.8, 0.05, "Home"), (CEM, None, None, "")):
        profile = {"churn": churn, "purchase_7": month, "purchase_30": month, "purchase_90": month}
        make_profile(make_customer(name), **profile, next_category=category)

    def find_values(field: str, op: str, value: Any) -> set[str | None]:
        comparison = {"field": field, "op": op} | ({} if value is None else {"value": value})
        customers = query_matching(condition=comparison, as_of=NOON)
        return set(customers.values_list("identifiers__value", flat=True))

    assert find_values("churn", "gte", 0.5) == {BEN}
    assert find_values("churn", "is_not_set", None) == {CEM}
    for field in ("purchase_7", "purchase_30", "purchase_90"):
        assert find_values(field, "between", [0.5, 1]) == {ANNA}
    assert find_values("next_category", "in", ["Home", "Garden"]) == {BEN}
    assert find_values("next_category", "is_set", None) == {ANNA, BEN}


def test_relative_times_follow_as_of(four_customers: None) -> None:
    condition = compare("last_order_at", "within_days", 7)
    assert find_values(condition, NOON + timedelta(days=1)) == []
    assert find_values(compare("bought.any", "at_least"), NOON + timedelta(days=2)) == [ANNA, BEN, DAO]
    assert find_values(compare("consent.email", "eq", "granted"), NOON - timedelta(days=5)) == [BEN]


def test_later_of_two_simultaneous_consents_counts() -> None:
    anna = make_customer(ANNA)
    make_consent(anna, recorded_at=NOON)
    make_consent(anna, status="withdrawn", recorded_at=NOON)
    assert find_values(compare("consent.email", "eq", "withdrawn")) == [ANNA]
    assert find_values(compare("consent.email", "eq", "granted")) == []


def test_date_is_a_day_in_the_shops_time_zone(settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Shanghai"
    make_profile(make_customer(ANNA), last_order_at=datetime(2026, 11, 16, 16, 30, tzinfo=UTC))
    assert find_values(compare("last_order_at", "between", ["2026-11-17", "2026-11-17"])) == [ANNA]
    assert find_values(compare("last_order_at", "before", "2026-11-17")) == []


@pytest.mark.parametrize(
    "evil",
    [
        "'; DROP TABLE segments_segment; --",
        "x' OR '1'='1",
        '") OR 1=1 --',
        "%s",
        "%(x)s",
        "a\\'b",
        "$.x ? (true)",
        "{}",
    ],
)
def test_values_and_trait_names_never_become_sql(four_customers: None, evil: str) -> None:
    for condition in (
        compare("country", "eq", evil),
        compare("country", "contains", evil),
        compare("traits.age", "eq", evil),
        compare("traits.age", "includes", evil),
        compare(f"traits.{evil}", "eq", "x"),
        compare(f"traits.{evil}", "gt", 1),
        compare(f"traits.{evil}", "is_set"),
        compare("favorite_brand", "in", [evil]),
        compare("bought.brand", "at_least", [evil]),
        compare("bought.category", "at_least", [evil], times=2),
    ):
        assert find_values(condition) == []
    anna = make_customer("evil", traits={evil: "x"})
    assert find_values(compare(f"traits.{evil}", "eq", "x")) == ["evil"]
    assert anna.pk


def test_wildcards_in_values_are_plain_characters() -> None:
    make_customer(ANNA, country="D_")
    make_customer(BEN, country="DE")
    assert find_values(compare("country", "starts_with", "D_")) == [ANNA]


def test_condition_is_one_query(four_customers: None) -> None:
    tree = {
        "any": [
            compare("stage", "eq", "loyal"),
            {
                "all": [
                    compare("bought.brand", "at_least", ["Bubble"], times=2),
                    compare("consent.email", "eq", "granted"),
                ]
            },
            compare("segment", "in", ["germans", "listed"]),
        ]
    }
    customers = query_matching(condition=tree, as_of=NOON)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        customers.count()
    assert len(queries) == 1


def test_new_order_profile_or_consent_changes_membership_immediately(four_customers: None) -> None:
    bought, loyal = compare("bought.any", "at_least"), compare("stage", "eq", "loyal")
    consented = compare("consent.email", "eq", "granted")
    dao = Identifier.objects.get(value=DAO).customer
    assert DAO not in find_values(bought) + find_values(loyal) + find_values(consented)
    make_order(dao, placed_at=NOON - timedelta(hours=1))
    make_profile(dao, stage="loyal")
    make_consent(dao)
    assert DAO in find_values(bought)
    assert DAO in find_values(loyal)
    assert DAO in find_values(consented)
    dao.profile.stage = "churned"
    dao.profile.save()
    assert DAO not in find_values(loyal)
