"""Cursor pages."""

from typing import Any

import pytest

from config.foundation.rest.pagination import CursorPagination
from tests.config.access.callers import make_client
from tests.makers import make_customer

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/customers/"


class FakeView:
    def __init__(self, ordering: Any) -> None:
        self.ordering = ordering


def list_all_pages(rows: Any, ordering: Any, limit: int, rf: Any) -> list[int]:
    from rest_framework.request import Request

    ids, cursor = [], None
    while True:
        paginator = CursorPagination()
        query = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
        page = paginator.paginate_queryset(rows, Request(rf.get("/", query)), FakeView(ordering))
        ids += [row.pk for row in page]
        cursor = paginator.next_cursor
        if cursor is None:
            return ids


@pytest.mark.parametrize(
    "ordering", ["id", "-id", ("country", "id"), ("-country", "language", "-id"), ("created_at", "id")]
)
@pytest.mark.parametrize("limit", [1, 3, 7, 1000])
def test_following_the_cursors_returns_every_row_once_in_order(ordering: Any, limit: int, rf: Any) -> None:
    from customers.identity.models import Customer

    for number in range(7):
        make_customer(country="ABA"[number % 3], language="de" if number % 2 else "en")
    columns = [ordering] if isinstance(ordering, str) else list(ordering)
    expected = list(Customer.objects.order_by(*columns).values_list("pk", flat=True))
    assert list_all_pages(Customer.objects.all(), ordering, limit, rf) == expected


def test_a_row_added_meanwhile_does_not_shift_the_pages() -> None:
    for number in range(4):
        make_customer(f"u{number}")
    client = make_client("customers:read")
    first = client.get(ADDRESS, {"limit": 2}).json()
    make_customer("late")
    second = client.get(first["next"]).json()
    assert [row["user_id"] for row in first["results"] + second["results"]] == ["u0", "u1", "u2", "u3"]


def test_link_to_the_next_page_keeps_the_filters() -> None:
    for _number in range(3):
        make_customer(country="DE")
    first = make_client("customers:read").get(ADDRESS, {"limit": 1, "country": "DE"}).json()
    assert "country=DE" in first["next"]
    assert "limit=1" in first["next"]


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "many", "1e3", "٣", "9" * 5000])
def test_an_invalid_limit_is_named(limit: str) -> None:
    response = make_client("customers:read").get(ADDRESS, {"limit": limit})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "limit"


@pytest.mark.parametrize(
    "cursor", ["x", "ü", "WyJhIl0", "WyIxIiwiMiJd", "bnVsbA", "WzFd", "WyJcdTAwMDAiXQ", "W" * 5000]
)
def test_an_invalid_cursor_is_named(cursor: str) -> None:
    response = make_client("customers:read").get(ADDRESS, {"cursor": cursor})
    assert response.status_code == 400
    assert response.json()["errors"][0]["field"] == "cursor"


def test_number_too_large_for_the_database_is_an_empty_page() -> None:
    make_customer()
    response = make_client("customers:read").get(ADDRESS, {"cursor": "WyI5OTk5OTk5OTk5OTk5OTk5OTk5OTk5Il0"})
    assert response.json()["results"] == []


def test_empty_parameters_are_ignored() -> None:
    first, second = make_customer(), make_customer()
    response = make_client("customers:read").get(ADDRESS, {"cursor": "", "limit": "", "country": "", "seen_since": ""})
    assert [row["id"] for row in response.json()["results"]] == [first.pk, second.pk]
