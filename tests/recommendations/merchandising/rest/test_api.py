"""Rules over REST."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from config.access.grants import Grant
from recommendations.merchandising import tasks
from recommendations.merchandising.models import Rule
from recommendations.merchandising.rest.api import RuleDetailView
from tests.config.access.callers import make_client
from tests.makers import make_segment

pytestmark = pytest.mark.django_db
RULES = "/api/v1/rules/"
GOOD = {"name": "Kettles", "action": "boost", "factor": "2.5", "category": "Kitchen > Kettles", "scenarios": ["cart"]}


def make_api_client(*scopes: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(token=Grant(caller="test", name="shop key", scopes=frozenset(scopes)))
    return client


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> APIClient:
    monkeypatch.setattr(tasks.write_segment_members, "delay", lambda: None)
    return make_api_client("recommendations:read", "recommendations:write")


def test_a_rule_is_created_read_changed_and_deleted(api: APIClient) -> None:
    make_segment("loyal")
    created = api.post(RULES, {**GOOD, "segment": "loyal", "weekdays": [1, 7]}, format="json")
    assert created.status_code == 201, created.content
    rule = Rule.objects.get()
    assert created.json()["id"] == rule.pk
    assert created.json()["segment"] == "loyal"
    assert "Multiplies the score of products in Kitchen > Kettles by 2.5" in created.json()["description"]
    address = f"{RULES}{rule.pk}/"
    changed = api.patch(address, {"enabled": False, "segment": None}, format="json")
    assert (changed.status_code, changed.json()["enabled"], changed.json()["segment"]) == (200, False, None)
    pinned = {"action": "pin", "factor": None, "position": 3, "product_ids": ["a", "b"]}
    assert api.patch(address, pinned, format="json").json()["product_ids"] == ["a", "b"]
    assert [rule["action"] for rule in api.get(RULES).json()["results"]] == ["pin"]
    assert api.get(address).json()["position"] == 3
    assert api.delete(address).status_code == 204
    assert api.get(address).status_code == 404


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": ""}, {"name"}),
        ({"action": "explode"}, {"action"}),
        ({"factor": "0.5"}, {"factor"}),
        ({"factor": "101"}, {"factor"}),
        ({"factor": "1e9"}, {"factor"}),
        ({"action": "pin"}, {"position", "product_ids", "factor"}),
        ({"position": 3}, {"position"}),
        ({"category": ""}, {"category"}),
        ({"scenarios": ["home"]}, {"scenarios[0]"}),
        ({"weekdays": [0]}, {"weekdays[0]"}),
        ({"price_from": "5", "price_to": "4"}, {"price_from"}),
        ({"starts_at": "2026-11-24T12:00Z", "ends_at": "2026-11-24T12:00Z"}, {"ends_at"}),
        ({"segment": "unknown"}, {"segment"}),
        ({"priority": 1001}, {"priority"}),
        ({"product_ids": ["x" * 201]}, {"product_ids[0]"}),
        ({"tag": "a\0b"}, {"tag"}),
        ({"margin_from": "1.5"}, {"margin_from"}),
        ({"stock_from": 2**40}, {"stock_from"}),
        (
            {"factor": 500, "price_from": 9, "price_to": 5, "scenarios": ["home"], "weekdays": [9], "segment": "no"},
            {"factor", "price_from", "scenarios[0]", "weekdays[0]", "segment"},
        ),
        ({"action": "explode", "position": 3, "stock_from": 9, "stock_to": 5}, {"action", "stock_from"}),
        ({"action": None, "tag": 5, "category": "", "weekdays": [9]}, {"action", "tag", "weekdays[0]"}),
        ({"surprise": 1, "category": ""}, {"surprise", "category"}),
    ],
)
def test_invalid_input_names_the_field(api: APIClient, change: dict[str, Any], fields: set[str]) -> None:
    response = api.post(RULES, {**GOOD, **change}, format="json")
    assert response.status_code == 400
    assert {error["field"] for error in response.json()["errors"]} == fields
    assert not Rule.objects.exists()


def test_a_change_is_validated_together_with_the_stored_fields(api: APIClient) -> None:
    rule = Rule.objects.create(**GOOD)
    response = api.patch(f"{RULES}{rule.pk}/", {"action": "hide"}, format="json")
    assert [error["field"] for error in response.json()["errors"]] == ["factor"]
    assert api.patch(f"{RULES}{rule.pk}/", {"category": ""}, format="json").status_code == 400


def test_a_read_scope_cannot_write_and_publishable_keys_can_do_neither() -> None:
    rule = Rule.objects.create(**GOOD)
    reader = make_api_client("recommendations:read")
    assert reader.get(RULES).status_code == 200
    assert reader.post(RULES, GOOD, format="json").status_code == 403
    assert reader.delete(f"{RULES}{rule.pk}/").status_code == 403
    browser = make_client(kind="publishable")
    assert browser.get(RULES).status_code == 403
    assert browser.get(f"{RULES}{rule.pk}/").status_code == 403


def test_the_list_takes_a_constant_number_of_queries(api: APIClient) -> None:
    segment = make_segment("loyal")
    Rule.objects.create(**GOOD, segment=segment)
    with CaptureQueriesContext(connection) as few:
        api.get(RULES)
    for _number in range(10):
        Rule.objects.create(**GOOD, segment=segment)
    with CaptureQueriesContext(connection) as many:
        assert len(api.get(RULES).json()["results"]) == 11
    assert len(many) == len(few)


def test_a_change_keeps_what_was_changed_at_the_same_time(api: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Rule.objects.create(**GOOD)
    find_rule = RuleDetailView.get_object

    def find_before_disabling(view: RuleDetailView) -> Rule:
        found = find_rule(view)
        Rule.objects.filter(pk=rule.pk).update(enabled=False)
        return found

    monkeypatch.setattr(RuleDetailView, "get_object", find_before_disabling)
    assert api.patch(f"{RULES}{rule.pk}/", {"name": "Renamed"}, format="json").status_code == 200
    rule.refresh_from_db()
    assert (rule.name, rule.enabled) == ("Renamed", False)
