"""The calls of docs/campaigns.md work in their order, and REST launches, pauses and measures as the pages do."""

import json
import re
import shlex
from datetime import time
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from config.access.grants import Grant
from recommendations.campaigns.launch import runs
from recommendations.campaigns.models import Campaign, CampaignSettings
from tests.makers import make_segment
from tests.recommendations.campaigns.makers import find_salt, make_campaign, make_reachable, make_template

ROOT = Path(__file__).parents[4]
HOST = "https://perennial.example"


def list_calls(page: str) -> list[str]:
    [block] = re.findall(r"^```bash\n(.*?)^```$", (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)
    return block.splitlines()


def run_call(client: APIClient, call: str) -> Any:
    """Send what curl would send."""
    parts = shlex.split(call)
    options = {parts[number]: parts[number + 1] for number in range(1, len(parts) - 1) if parts[number] in ("-X", "-d")}
    [url] = [part for part in parts if part.startswith(HOST)]
    body = json.loads(options["-d"]) if "-d" in options else None
    return client.generic(
        options.get("-X", "GET"),
        url.removeprefix(HOST),
        json.dumps(body) if body is not None else "",
        content_type="application/json" if body is not None else "application/octet-stream",
    )


def make_client(*scopes: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(token=Grant(caller="test", name="shop key", scopes=frozenset(scopes)))
    return client


@pytest.fixture
def client() -> APIClient:
    return make_client("campaigns:read", "campaigns:write")


@pytest.mark.django_db
def test_every_documented_call_works(client: APIClient) -> None:
    make_reachable(20)
    make_segment("loyal", {"field": "stage", "op": "eq", "value": "loyal"})
    make_segment("vip", {"field": "orders", "op": "gte", "value": 100})
    template = make_template()
    template.key = "spring-mail"
    template.save()
    answers = []
    for call in list_calls("docs/campaigns.md"):
        response = run_call(client, call)
        assert response.status_code in (200, 201), f"{call}: {response.content!r}"
        answers.append(response.json())
        if len(answers) == 1:
            Campaign.objects.update(salt=find_salt(share="0.1", held_out=2))
    created, changed, preview, launched, paused, resumed, runs, deliveries, results, canceled = answers
    assert (created["status"], changed["attribution_days"], changed["excluded_segments"]) == ("draft", 14, ["vip"])
    assert (preview["segment"], preview["audience"] + preview["held_out"]) == (20, 20)
    statuses = [answer["status"] for answer in (launched, paused, resumed, canceled)]
    assert statuses == ["running", "paused", "running", "canceled"]
    assert runs["results"][0]["counts"]["segment"] == len(deliveries["results"]) == 20
    assert {row["status"] for row in deliveries["results"]} == {"pending", "skipped"}
    assert results["recipients"]["customers"] + results["holdout"]["customers"] == 20
    assert (results["verdict"], results["is_final"]) == ("too_few", False)


def test_the_page_has_the_same_calls_in_both_languages() -> None:
    assert list_calls("docs/campaigns.md") == list_calls("docs/campaigns.zh-hans.md")


@pytest.mark.django_db
def test_a_launch_reports_what_is_missing_by_field_and_a_wrong_state_as_a_conflict(client: APIClient) -> None:
    make_campaign(key="empty", template=None)
    response = client.post("/api/v1/campaigns/empty/launch/")
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == ["template"]
    assert client.post("/api/v1/campaigns/empty/resume/").status_code == 409
    assert make_client("campaigns:read").post("/api/v1/campaigns/empty/launch/").status_code == 403


@pytest.mark.django_db
def test_a_launch_to_a_large_audience_answers_that_the_campaign_is_scheduled(
    client: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "MAX_CUSTOMERS_IN_REQUEST", 1)
    make_reachable(2)
    make_campaign(key="large")
    launched = client.post("/api/v1/campaigns/large/launch/")
    assert (launched.status_code, launched.json()["status"]) == (200, "scheduled")
    assert launched.json()["next_run_at"] is not None
    assert client.get("/api/v1/campaigns/large/runs/").json()["results"] == []
    assert runs.start_due_runs(now=timezone.now()) == 1
    assert client.get("/api/v1/campaigns/large/").json()["status"] == "running"


@pytest.mark.django_db
def test_a_key_submits_for_approval_if_the_shop_requires_it(client: APIClient) -> None:
    CampaignSettings.objects.create(requires_approval=True)
    make_campaign(key="waiting")
    assert client.post("/api/v1/campaigns/waiting/launch/").json()["status"] == "waiting_for_approval"
    locked = client.patch("/api/v1/campaigns/waiting/", {"attribution_days": 3}, format="json")
    assert locked.status_code == 400
    assert Campaign.objects.get().attribution_days == 7


@pytest.mark.django_db
def test_a_changed_schedule_applies_from_the_next_run(client: APIClient) -> None:
    make_reachable(1)
    make_campaign(key="weekly", kind="recurring", weekdays=[1, 2, 3, 4, 5, 6, 7], send_time=time(9))
    client.post("/api/v1/campaigns/weekly/launch/")
    changed = client.patch("/api/v1/campaigns/weekly/", {"send_time": "11:30:00"}, format="json").json()
    assert changed["next_run_at"].endswith("T11:30:00Z")
    stored = Campaign.objects.get()
    assert stored.next_run_at == stored.next_scheduled_for
    assert stored.next_run_at.time() == time(11, 30)
    assert client.patch("/api/v1/campaigns/missing/", {"send_time": "11:30:00"}, format="json").status_code == 404
