"""The page of events per minute."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.customers.events.makers import make_event, make_rejected_event
from tests.makers import make_source

pytestmark = pytest.mark.django_db
LIVE, ROWS, MINUTES = (reverse(f"admin:events_{name}") for name in ("live", "live_rows", "minutes"))


def test_events_per_minute_are_shown_by_source_in_local_time(admin_client: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Asia/Kathmandu"  # five hours and three quarters ahead
    now = datetime.now(UTC)
    web = make_source("web", name="Web shop")
    for _number in range(3):
        make_event(web, at=now)
    make_rejected_event(source=web, at=now)
    page = admin_client.get(MINUTES)
    context = page.context
    assert context["rows"][0]["name"] == "Web shop"
    assert (context["rows"][0]["total"], context["rows"][1]["total"]) == ("3", "1")
    sent, rejected = context["chart"]["traces"]
    assert (sum(sent["y"]), sum(rejected["y"]), rejected["marker"]["color"]) == (3, 1, "theme:warning")
    local_time = f"{context['as_of'] + timedelta(hours=5, minutes=45):%H:%M}"
    assert sent["x"][-1] == local_time
    assert f"as of {local_time} (Asia/Kathmandu)" in page.text
    [link] = [link for link, events in zip(sent["customdata"], sent["y"], strict=True) if events]
    assert len(admin_client.get(link).context["cl"].result_list) == 3


def test_smallest_of_many_sources_are_combined_as_others(admin_client: Client) -> None:
    for number in range(10):
        make_event(make_source(f"source-{number}"), at=datetime.now(UTC))
    traces = admin_client.get(MINUTES).context["chart"]["traces"]
    assert (len(traces), traces[-1]["name"], sum(traces[-1]["y"])) == (8, "Other", 3)
