"""The calls on the page about the lifecycle answer as they stand, but for host and key."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.clients.serving import web_server
from tests.clients.test_snippets import HOST, fenced, run
from tests.makers import make_customer, make_order

PAGES = ["docs/lifecycle.md", "docs/lifecycle.zh-hans.md"]
KEY = "YOUR_SECRET_KEY"


def calls(page: str) -> list[str]:
    return [line for _language, code in fenced(page, KEY) for line in code.splitlines()]


@pytest.mark.django_db(transaction=True)
def test_every_call_answers_with_what_the_page_says() -> None:
    from config.access.keys import create_key
    from config.access.models import ApiKey
    from customers.lifecycle.refresh.nightly import refresh_profiles

    now = datetime.now(UTC)
    make_order(make_customer("customer-42"), placed_at=now - timedelta(days=3), total=Decimal(40))
    refresh_profiles(as_of=now, started_at=now)
    _key, plain = create_key(name="reports", kind=ApiKey.Kind.SECRET, scopes=["customers:read"], now=now)
    with web_server() as url:
        said = [
            json.loads(run(["bash", "-c", call.replace(HOST, url).replace(KEY, plain)])) for call in calls(PAGES[0])
        ]
    profile, stages, summary = said
    assert profile["stage"]["key"] == stages["stages"][0]["to_stage"] == "new"
    assert profile["value"]["value"] is None
    assert profile["value"]["reason_name"]
    assert {one["key"]: one["after"] for one in summary["stages"]}["new"] == 1


def test_both_languages_have_the_same_calls() -> None:
    assert len(calls(PAGES[0])) == 3
    assert calls(PAGES[0]) == calls(PAGES[1])
