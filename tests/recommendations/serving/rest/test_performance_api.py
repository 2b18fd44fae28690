"""GET /api/v1/recommendations/performance/ gives the figures of the page."""

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.config.access.callers import make_bearer_client, make_client, make_key
from tests.recommendations.serving.impressions.test_performance import learn, make_days

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/recommendations/performance/"
ALL = f"{ADDRESS}?since=2026-10-28&until=2026-11-24"


@pytest.fixture
def client() -> Client:
    return make_client("models:read")


def test_figures_with_intervals(client: Client) -> None:
    make_days()
    learn()
    answer = client.get(ALL)
    assert answer.status_code == 200
    found = answer.json()
    assert (found["since"], found["until"], found["attribution_days"]) == ("2026-10-28", "2026-11-24", 7)
    assert found["as_of"] == "2026-11-24T11:55:00Z"
    for_you = found["scenarios"][0]
    assert (for_you["scenario"], for_you["shown"], for_you["clicked"], for_you["bought"]) == ("for-you", 300, 35, 4)
    assert for_you["revenue"] == [
        {"currency": "EUR", "amount": "30.00"},
        {"currency": "USD", "amount": "5.00"},
    ]
    first = for_you["positions"][0]
    assert (first["position"], first["examination"], first["click_rate"]["value"]) == (1, 1.0, 0.15)
    assert 0.1 < first["click_rate"]["low"] < 0.15 < first["click_rate"]["high"] < 0.21
    models = {(row["scenario"], row["model_version"]): row for row in found["models"]}
    assert models["for-you", "blend-1"]["click_rate_without_position_bias"] == {"value": 0.2, "low": 0.1, "high": 0.3}
    assert models["similar", "blend-1"]["click_rate_without_position_bias"] is None


def test_one_place_alone(client: Client) -> None:
    make_days()
    assert [row["scenario"] for row in client.get(f"{ALL}&scenario=similar").json()["scenarios"]] == ["similar"]


def test_nothing_yet(client: Client) -> None:
    found = client.get(ADDRESS).json()
    assert (found["as_of"], found["learnt_at"], found["scenarios"], found["models"]) == (None, None, [], [])


@pytest.mark.parametrize(
    ("query", "field"),
    [("since=yesterday", "since"), ("until=2026-13-01", "until"), ("since=2026-11-02&until=2026-11-01", "since")],
)
def test_wrong_days_are_named(client: Client, query: str, field: str) -> None:
    answer = client.get(f"{ADDRESS}?{query}")
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_scope_is_needed_and_a_browsers_key_is_not_enough() -> None:
    assert make_client("recommendations:read").get(ADDRESS).status_code == 403
    assert make_bearer_client(make_key(kind="publishable")[1]).get(ADDRESS).status_code == 403


def test_queries_do_not_grow(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    client.get(ADDRESS)
    make_days()
    learn()
    with django_assert_num_queries(6):
        client.get(ALL)
