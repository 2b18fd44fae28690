"""GET /api/v1/recommendations/performance/ returns the figures of the performance page."""

import pytest
from django.test import Client
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.config.access.callers import make_bearer_client, make_client, make_key
from tests.recommendations.serving.impressions.test_performance import make_days, make_position_bias

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/recommendations/performance/"
ALL = f"{ADDRESS}?since=2026-10-28&until=2026-11-24"


@pytest.fixture
def client() -> Client:
    return make_client("models:read")


def test_figures_have_intervals(client: Client) -> None:
    make_days()
    make_position_bias()
    response = client.get(ALL)
    assert response.status_code == 200
    report = response.json()
    assert (report["since"], report["until"], report["attribution_days"]) == ("2026-10-28", "2026-11-24", 7)
    assert report["as_of"] == "2026-11-24T11:55:00Z"
    for_you = report["scenarios"][0]
    assert (for_you["scenario"], for_you["shown"], for_you["clicked"], for_you["bought"]) == ("for-you", 300, 35, 4)
    assert for_you["revenue"] == [
        {"currency": "EUR", "amount": "30.00"},
        {"currency": "USD", "amount": "5.00"},
    ]
    first = for_you["positions"][0]
    assert (first["position"], first["examination"], first["click_rate"]["value"]) == (1, 1.0, 0.15)
    assert 0.1 < first["click_rate"]["low"] < 0.15 < first["click_rate"]["high"] < 0.21
    models = {(row["scenario"], row["model_version"]): row for row in report["models"]}
    assert models["for-you", "blend-1"]["click_rate_without_position_bias"] == {"value": 0.2, "low": 0.1, "high": 0.3}
    assert models["similar", "blend-1"]["click_rate_without_position_bias"] is None


def test_the_report_is_limited_to_one_placement(client: Client) -> None:
    make_days()
    assert [row["scenario"] for row in client.get(f"{ALL}&scenario=similar").json()["scenarios"]] == ["similar"]


def test_a_report_without_data_is_empty(client: Client) -> None:
    report = client.get(ADDRESS).json()
    assert (report["as_of"], report["learnt_at"], report["scenarios"], report["models"]) == (None, None, [], [])


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("since=yesterday", "since"),
        ("until=2026-13-01", "until"),
        ("since=2026-11-02&until=2026-11-01", "since"),
        ("scenario=foo", "scenario"),
    ],
)
def test_invalid_parameters_are_reported(client: Client, query: str, field: str) -> None:
    response = client.get(f"{ADDRESS}?{query}")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_the_report_requires_the_scope_and_a_secret_key() -> None:
    assert make_client("recommendations:read").get(ADDRESS).status_code == 403
    assert make_bearer_client(make_key(kind="publishable")[1]).get(ADDRESS).status_code == 403


def test_the_number_of_queries_does_not_depend_on_the_data(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client.get(ADDRESS)
    make_days()
    make_position_bias()
    with django_assert_num_queries(6):
        client.get(ALL)
