"""The calls on the lifecycle page work once host and key are filled in."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.clients.test_snippets import HOST, list_fenced_blocks, run_command
from tests.makers import make_customer, make_order

pytestmark = pytest.mark.acceptance

PAGES = ["docs/lifecycle.md", "docs/lifecycle.zh-hans.md"]
KEY = "YOUR_SECRET_KEY"


def list_calls(page: str) -> list[str]:
    return [line for _language, code in list_fenced_blocks(page, KEY) for line in code.splitlines()]


@pytest.mark.django_db(transaction=True)
def test_every_documented_call_returns_the_documented_fields(server: str) -> None:
    from config.access.keys import create_api_key
    from config.access.models import ApiKey
    from customers.lifecycle.refresh.nightly import refresh_profiles

    now = datetime.now(UTC)
    make_order(make_customer("customer-42"), placed_at=now - timedelta(days=3), total=Decimal(40))
    refresh_profiles(as_of=now, started_at=now)
    _key, plain = create_api_key(name="reports", kind=ApiKey.Kind.SECRET, scopes=["customers:read"], now=now)
    responses = [
        json.loads(run_command(["bash", "-c", call.replace(HOST, server).replace(KEY, plain)]))
        for call in list_calls(PAGES[0])
    ]
    profile, stages, summary = responses
    assert profile["stage"]["key"] == stages["stages"][0]["to_stage"] == "new"
    assert profile["value"]["value"] is None
    assert profile["value"]["reason_name"]
    assert {stage["key"]: stage["after"] for stage in summary["stages"]}["new"] == 1


def test_the_page_has_the_same_calls_in_both_languages() -> None:
    assert len(list_calls(PAGES[0])) == 3
    assert list_calls(PAGES[0]) == list_calls(PAGES[1])
