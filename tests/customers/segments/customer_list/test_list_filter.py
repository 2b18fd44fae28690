"""The filter of the customers list."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import F

from customers.segments.customer_list.list_filter import ListFilter, ListFilterError, parse_list_filter, query_listed
from customers.segments.customer_list.pages import MAX_PAGED, cut_page, read_ids
from customers.segments.customer_list.quick_filters import QUICK_FILTERS
from tests.makers import make_customer, make_profile

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DAY = timedelta(days=1)
BUYERS = '{"all":[{"field":"orders","op":"gte","value":2}]}'


def list_user_ids(parameters: dict[str, str]) -> set[str]:
    found = query_listed(parse_list_filter(parameters), as_of=NOW)
    return {identifier.value for customer in found for identifier in customer.identifiers.filter(kind="user_id")}


@pytest.fixture
def customers(db: None) -> None:
    for user_id, fields in {
        "loyal": {"stage": "loyal", "churn": 0.1, "orders": 5, "last_order_at": NOW - 5 * DAY},
        "risky": {"stage": "at_risk", "churn": 0.7, "orders": 3, "last_order_at": NOW - 60 * DAY},
        "gone": {"stage": "churned", "churn": 0.9, "orders": 1, "last_order_at": NOW - 500 * DAY},
        "visitor": {"stage": "visitor"},
    }.items():
        make_profile(make_customer(user_id), **fields)
    make_customer("without-profile")


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({}, {"loyal", "risky", "gone", "visitor"}),
        ({"stage": "at_risk"}, {"risky"}),
        ({"churn": "high"}, {"risky", "gone"}),
        ({"churn": "unknown"}, {"visitor"}),
        ({"last_order": "90d"}, {"risky"}),
        ({"last_order": "older"}, {"gone"}),
        ({"last_order": "never"}, {"visitor"}),
        ({"churn": "high", "condition": BUYERS}, {"risky"}),
        ({"condition": '{"any":[{"field":"stage","op":"eq","value":"loyal"},{"field":"churn","op":"gt","value":0.8}]}'}, {"loyal", "gone"}),
        ({"q": "risky"}, {"risky"}),
        ({"q": " risky ", "stage": "loyal"}, set()),
    ],
)  # fmt: skip
def test_filters_narrow_the_list(customers: None, parameters: dict[str, str], expected: set[str]) -> None:
    assert list_user_ids(parameters) == expected


def test_search_finds_customer_numbers(customers: None) -> None:
    first = query_listed(ListFilter(), as_of=NOW).order_by("pk")[0]
    assert [found.pk for found in query_listed(ListFilter(search=f"#{first.pk}"), as_of=NOW)] == [first.pk]


def test_url_and_filter_are_the_same_thing() -> None:
    parameters = {"stage": "loyal", "churn": "low", "condition": BUYERS, "q": "anna"}
    assert parse_list_filter(parameters).to_parameters() == parameters
    assert parse_list_filter({"condition": '{"all": []}'}).is_empty


@pytest.mark.parametrize(
    ("parameters", "text"),
    [({"stage": "best"}, "“best” is not a valid choice"), ({"condition": "{"}, "not valid JSON")],
)
def test_invalid_parameters_are_named(parameters: dict[str, str], text: str) -> None:
    with pytest.raises(ListFilterError, match=text):
        parse_list_filter(parameters)


def test_all_choices_are_valid_conditions(db: None) -> None:
    for name, quick_filter in QUICK_FILTERS.items():
        for key in quick_filter.choices:
            assert list_user_ids({name: key}) == set()


@pytest.mark.parametrize("is_capped", [False, True])
@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("-churn", ["gone", "risky", "loyal", "visitor"]),
        ("churn", ["loyal", "risky", "gone", "visitor"]),
        ("-last_order", ["loyal", "risky", "gone", "visitor"]),
        ("customer", ["loyal", "risky", "gone", "visitor"]),
        ("-customer", ["visitor", "gone", "risky", "loyal"]),
    ],
)
def test_pages_are_sorted_with_unknown_values_last(
    customers: None, monkeypatch: pytest.MonkeyPatch, sort: str, expected: list[str], is_capped: bool
) -> None:
    if is_capped:  # the database sorts what is too much to read
        monkeypatch.setattr("customers.segments.customer_list.pages.MAX_PAGED", 3)
    pages = [
        cut_page(query_listed(ListFilter(), as_of=NOW), sort=sort, number=number, page_size=3) for number in (1, 2)
    ]
    names = dict(
        query_listed(ListFilter(), as_of=NOW)
        .filter(identifiers__kind="user_id")
        .values_list("pk", "identifiers__value")
    )
    assert [names[pk] for pk in pages[0].ids] == expected[:3]
    assert pages[0].is_capped is is_capped
    assert pages[1].number == (1 if is_capped else 2)
    if not is_capped:
        assert [names[pk] for pk in pages[1].ids] == expected[3:]
        assert (pages[1].total, pages[1].pages) == (4, 2)


@pytest.mark.parametrize(("start", "expected"), [(0, ["gone", "risky"]), (2, ["loyal", "visitor"]), (3, ["visitor"])])
def test_the_database_continues_with_customers_without_a_value(
    customers: None, start: int, expected: list[str]
) -> None:
    found = query_listed(ListFilter(), as_of=NOW)
    ids = read_ids(found, "profile__churn", is_descending=True, start=start, end=start + 2)
    names = dict(found.filter(identifiers__kind="user_id").values_list("pk", "identifiers__value"))
    assert [names[pk] for pk in ids] == expected


def test_a_page_beyond_the_last_is_the_last(customers: None) -> None:
    page: Any = cut_page(query_listed(ListFilter(), as_of=NOW), sort="customer", number=99, page_size=3)
    assert (page.number, len(page.ids)) == (2, 1)
    assert page.total < MAX_PAGED


@pytest.mark.parametrize("windows", [(), (1, 2), (1, 10)])
@pytest.mark.parametrize("sort", ["profile__churn", "profile__value", "pk"])
@pytest.mark.parametrize("is_descending", [True, False])
def test_windows_of_the_order_do_not_change_the_page(
    customers: None, monkeypatch: pytest.MonkeyPatch, windows: tuple[int, ...], sort: str, is_descending: bool
) -> None:
    monkeypatch.setattr("customers.segments.customer_list.pages.WINDOWS", windows)
    no_consent = {"not": {"field": "consent.email", "op": "eq", "value": "granted"}}  # reads another table
    for condition in (None, {"field": "stage", "op": "ne", "value": "loyal"}, no_consent):
        found = query_listed(ListFilter(condition=condition), as_of=NOW)
        value = F(sort).desc(nulls_last=True) if is_descending else F(sort).asc(nulls_last=True)
        expected = list(found.order_by(value, "pk").values_list("pk", flat=True))
        for start in range(len(expected)):
            ids = read_ids(found, sort, is_descending=is_descending, start=start, end=start + 2)
            assert ids == expected[start : start + 2]
