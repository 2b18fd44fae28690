"""A developer asks questions, reads results and people, cancels, and reads saved reports over REST."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from customers.analytics.models import AnalyticsResult, Dashboard, ResultStatus, SavedReport
from customers.analytics.rest import api
from customers.analytics.results import compute_result
from customers.warehouse.export import export_warehouse
from customers.warehouse.models import ExportRun
from tests.config.access.callers import make_client
from tests.customers.events.makers import make_event
from tests.makers import make_customer, make_source

QUERIES = "/api/v1/analytics/queries/"
VIEWS = {"question": "funnel", "parameters": {"range": "7d", "steps": [{"meaning": "view"}, {"meaning": "cart"}]}}
EMAIL = "cy@shop.example"


@pytest.fixture
def shop(settings: Any, tmp_path: Any, one_second: datetime, db: None) -> None:
    """Three people who view, of whom one adds to the cart; one is known by an email address, and searches for it."""
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    source, at = make_source(), one_second - timedelta(days=2)
    for number, name in enumerate(("ada", "bo", EMAIL)):
        make_customer(name)
        make_event(source, at=at, user_id=name, name="Product Viewed", properties={"query": name})
        if not number:
            make_event(source, at=at + timedelta(minutes=1), user_id=name, name="Product Added")
    export_warehouse(started_at=timezone.now())


def post(client: Any, body: Any) -> Any:
    return client.post(QUERIES, body, content_type="application/json")


def compute_all() -> None:
    for row in AnalyticsResult.objects.filter(status=ResultStatus.QUEUED):
        compute_result(result_id=row.pk, now=timezone.now())


@pytest.mark.usefixtures("shop")
def test_a_question_is_asked_read_and_its_people_are_listed_in_pages(settings: Any) -> None:
    client = make_client("analytics:read", "customers:read")
    asked = post(client, VIEWS)
    assert (asked.status_code, asked.json()["status"], asked.json()["result"]) == (202, "queued", None)
    url = asked.json()["url"]
    people = f"{url}people/"
    assert client.get(people).status_code == 409
    compute_all()
    read = client.get(url)
    assert (read.status_code, read.json()["status"], read.json()["is_current"]) == (200, "done", True)
    assert [step["people"] for step in read.json()["result"]["steps"]] == [3, 1]
    assert post(client, VIEWS).json() == read.json(), "asked again, nothing is computed"
    first = client.get(people, {"selection": '{"step": 1}', "limit": 2}).json()
    rest = client.get(first["next"]).json()
    assert (first["count"], rest["next"], first["as_of"]) == (3, None, read.json()["as_of"])
    assert [row["user_id"] for row in first["results"] + rest["results"]] == ["ada", "bo", "•••"]
    dropped = client.get(people, {"selection": '{"step": 2, "is_dropped": true}'}).json()
    assert dropped["count"] == 2
    assert make_client("analytics:read").get(people).status_code == 403
    personal = make_client("analytics:read", "customers:read", "customers:personal")
    assert EMAIL in personal.get(people, {"selection": '{"step": 1}'}).text
    settings.WAREHOUSE_ENGINE, settings.CLICKHOUSE_URL = "clickhouse", "http://user:secret@127.0.0.1:9/default"
    away = client.get(people, {"selection": '{"step": 1}'})
    problem = away.json()
    assert (away.status_code, problem["type"]) == (503, "urn:perennial:problem:warehouse-engine-unreachable")
    assert "WAREHOUSE_ENGINE=duckdb" in problem["detail"]
    assert "127.0.0.1" not in away.text
    assert away["Retry-After"]


@pytest.mark.usefixtures("shop")
def test_no_question_is_answered_with_zeros_before_the_first_export() -> None:
    client = make_client("analytics:read")
    ExportRun.objects.all().delete()
    refused = post(client, VIEWS)
    assert (refused.status_code, "has not run yet" in refused.json()["detail"]) == (409, True)
    assert not AnalyticsResult.objects.exists()
    export_warehouse(started_at=timezone.now())
    assert post(client, VIEWS).status_code == 202


@pytest.mark.usefixtures("shop")
def test_personal_values_in_results_are_masked_by_scope() -> None:
    series = [{"event": {"meaning": "view"}}]
    breakdown = {"kind": "event", "name": "query", "limit": 5}
    body = {"question": "trends", "parameters": {"range": "7d", "series": series, "breakdown": breakdown}}
    client = make_client("analytics:read")
    url = post(client, body).json()["url"]
    compute_all()
    assert EMAIL not in client.get(url).text
    assert EMAIL in make_client("analytics:read", "customers:personal").get(url).text


@pytest.mark.usefixtures("shop")
def test_a_computation_is_cancelled_and_repeated_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_client("analytics:read")
    url = post(client, VIEWS).json()["url"]
    assert client.delete(url).status_code == 204
    assert client.get(url).json()["status"] == "cancelled"
    assert post(client, VIEWS).status_code == 200, "a cancelled one is not repeated by itself"
    assert post(client, {**VIEWS, "refresh": True}).status_code == 202
    monkeypatch.setattr(api, "MAX_PENDING", 1)
    assert post(client, {"question": "sessions"}).status_code == 429


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"question": "weather"}, "question"),
        ({"question": "funnel"}, "parameters"),
        ({"question": "paths", "parameters": []}, "parameters"),
        ({"question": "paths", "parameters": {"levels": 99}}, "parameters.levels"),
        ({"question": "paths", "parameters": {"anchor": {"filter": []}}}, "parameters.anchor.filter"),
        ({"question": "paths", "parameters": {"range": "1d"}}, "parameters.range"),
        ({"question": "paths", "parameters": {"since": "1", "until": "2"}}, "parameters.since"),
        ({"question": "paths", "parameters": {"since": "2026-01-01"}}, "parameters.until"),
        ({"question": "paths", "parameters": {"until": "2026-01-31"}}, "parameters.since"),
        (
            {"question": "paths", "parameters": {"range": "7d", "since": "2026-01-01", "until": "2026-01-31"}},
            "parameters.range",
        ),
        ({"question": "sessions", "parameters": {"segment": "nope"}}, "parameters.segment"),
        ({"question": "sessions", "parameters": {"goal": {"name": "\0"}}}, "parameters"),
        ({"question": "sessions", "parameters": {"segment": "x" * 30_000}}, "parameters"),
        (
            {"question": "trends", "parameters": {"series": [{"event": {"filters": [{"property": "a", "op": "is"}]}}]}},
            "parameters.series[0].event.filters[0].op",
        ),
    ],
)
def test_what_is_wrong_is_named_by_its_field(body: Any, field: str) -> None:
    response = post(make_client("analytics:read"), body)
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


@pytest.mark.django_db
def test_what_is_wrong_is_named_in_the_language_of_the_request() -> None:
    body = {"question": "sessions", "parameters": {"range": "9d"}}
    client = make_client("analytics:read")
    response = client.post(QUERIES, body, content_type="application/json", headers={"accept-language": "zh-hans"})
    assert "可用值" in response.json()["errors"][0]["message"]


@pytest.mark.django_db
def test_saved_reports_and_dashboards_are_read() -> None:
    client = make_client("analytics:read")
    report = SavedReport.objects.create(
        name="Views", question="retention", parameters={"range": "28d", "measure": "on", "cohort": "first_order"}
    )
    Dashboard.objects.create(name="Shop").reports.add(report)
    [row] = client.get("/api/v1/analytics/reports/").json()["results"]
    assert row["parameters"] == {"range": "28d", "cohort": "first_order"}
    assert post(client, {"question": row["question"], "parameters": row["parameters"]}).status_code == 202
    [dashboard] = client.get("/api/v1/analytics/dashboards/").json()["results"]
    assert dashboard["reports"] == [row]
    assert client.get(f"/api/v1/analytics/reports/{report.pk}/").json() == row
    assert client.get("/api/v1/analytics/queries/funnel-0/").status_code == 404
    assert make_client("customers:read").get("/api/v1/analytics/reports/").status_code == 403
