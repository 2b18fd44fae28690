"""Profiles, stage histories and the summary over REST."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from config.access.grants import Grant
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.models import Customer
from customers.lifecycle.models import CustomerProfile, LifecycleRun, ScoreModel
from customers.lifecycle.refresh.nightly import refresh_profiles
from tests.makers import NOON, make_consent, make_customer, make_order, make_product, make_profile

pytestmark = pytest.mark.django_db


def make_client(*scopes: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(token=Grant(caller="test", name="test", scopes=frozenset(scopes)))
    return client


@pytest.fixture
def client() -> APIClient:
    return make_client("customers:read")


@pytest.fixture
def anna() -> Customer:
    anna = make_customer("anna")
    tea = make_product("tea", category="Drinks > Tea", brand="Leaf", price=Decimal("4.50"))
    make_order(anna, placed_at=NOON - timedelta(days=9), products=[tea])
    make_order(anna, placed_at=NOON - timedelta(days=2), products=[tea], quantity=2)
    refresh_profiles(as_of=NOON, started_at=NOON)
    return anna


def test_the_profile_has_counters_interests_stage_and_scores(client: APIClient, anna: Customer) -> None:
    response = client.get("/api/v1/customers/anna/profile/")
    assert response.status_code == 200, response.content
    body = response.json()
    assert (body["user_id"], body["computed_at"]) == ("anna", "2026-11-24T12:00:00Z")
    explanation = body["stage"].pop("explanation")  # counts the days until now
    assert explanation.startswith("Usually orders every 14 days; ")
    assert body["stage_guard"] == ""
    assert body["stage"] == {
        "key": "active",
        "name": "active",
        "since": "2026-11-22T12:00:00Z",
        "reason": "ordered",
        "reason_name": "ordered again",
        "previous_stage": "new",
        "next_change_at": "2027-01-07T11:31:00Z",  # by one gap of 7 days and a default rhythm of 30
        "rules_version": 1,
    }
    assert body["rfm"] == {"r": 1, "f": 1, "m": 1, "group": "hibernating", "group_name": "hibernating"}
    assert (body["counters"]["orders"], body["counters"]["revenue"], body["counters"]["units"]) == (2, "13.50", "3.000")
    assert body["interests"]["categories"] == [{"name": "Drinks", "share": 1.0}, {"name": "Drinks > Tea", "share": 1.0}]
    assert body["interests"]["hours"] == [{"name": 12, "share": 1.0}]


def test_the_portrait_has_each_line_with_its_source_and_age(client: APIClient, anna: Customer) -> None:
    body = client.get("/api/v1/customers/anna/profile/").json()
    assert (body["portrait_withheld"], body["portrait_withheld_name"]) == ("", "")
    [line] = [portrait_line for portrait_line in body["portrait"] if portrait_line["key"] == "discounts"]
    del line["age_days"], line["age"]  # depend on the current time
    assert line == {
        "key": "discounts",
        "group": "buying",
        "group_name": "Buying habits",
        "name": "orders with a discount",
        "format": "rate",
        "value": None,
        "text": "only 2 data points, not enough for a result",
        "source": "orders",
        "source_name": "orders",
        "reported_by": "",
        "as_of": "2026-11-22T12:00:00Z",
        "facts": 2,
        "missing": "too_few_facts",
    }
    chinese = client.get("/api/v1/customers/anna/profile/", headers={"accept-language": "zh-hans"}).json()
    assert {portrait_line["key"]: portrait_line["group_name"] for portrait_line in chinese["portrait"]}[
        "discounts"
    ] == "购买习惯"


def test_personal_lines_need_the_scope(client: APIClient, anna: Customer) -> None:
    change = CustomerChange("anna", {"name": "Anna K.", "birthday": "1990-05-17"}, {"partner_name": "Bo"})
    upsert_customers(changes=[change], seen_at=NOON)
    without_scope = client.get("/api/v1/customers/anna/profile/")
    assert {line["key"] for line in without_scope.json()["portrait"] if line["group"] == "identity"} == {"age"}
    for secret in ("Anna K.", "1990", "Bo"):
        assert secret not in without_scope.content.decode()
    body = make_client("customers:read", "customers:personal").get("/api/v1/customers/anna/profile/").json()
    assert {line["key"]: line["text"] for line in body["portrait"] if line["group"] == "identity"}["name"] == "Anna K."


PREDICTED_FIELDS = {
    "next_category": ["name", "probability"],
    "next_order": ["earliest", "likeliest", "latest"],
    "value": ["p_alive", "expected_orders", "expected_orders_high", "value", "spend_high", "interval_probability"],
}


def test_a_withdrawn_consent_leaves_out_interests_discounts_and_predictions(client: APIClient, anna: Customer) -> None:
    profile = CustomerProfile.objects.filter(customer=anna)
    profile.update(p_alive=0.9, expected_orders=3.5, value=Decimal(120), cluster=2, next_order_likely=NOON.date())
    before = client.get("/api/v1/customers/anna/profile/").json()
    assert before["value"]["p_alive"] == 0.9
    assert before["next_order"]["likeliest"]
    make_consent(anna, "analytics", status="withdrawn")
    body = client.get("/api/v1/customers/anna/profile/").json()
    assert (body["portrait"], body["portrait_withheld"]) == ([], "analytics_withdrawn")
    assert body["interests"] == {"categories": [], "brands": [], "hours": []}
    assert body["discount_share"] is None
    assert body["propensities"] == []
    for part, keys in PREDICTED_FIELDS.items():
        assert body[part]["reason"] == "analytics_withdrawn", part
        assert not any(body[part][key] for key in keys), part
    assert body["cluster"] is None
    assert (body["stage"]["key"], body["counters"]["orders"]) == (before["stage"]["key"], before["counters"]["orders"])


def test_the_profile_says_why_rfm_scores_and_dates_are_missing(client: APIClient, anna: Customer) -> None:
    make_order(make_customer("old"), placed_at=NOON - timedelta(days=800), total=Decimal(7))
    Customer.objects.filter(pk=make_customer("prospect").pk).update(created_at=NOON - timedelta(days=1))
    refresh_profiles(as_of=NOON, started_at=NOON)
    make_profile(make_customer("live"), orders=1)
    reasons = {
        name: client.get(f"/api/v1/customers/{name}/profile/").json()["next_order"] for name in ("prospect", "live")
    }
    assert {name: (part["reason"], part["reason_name"]) for name, part in reasons.items()} == {
        "prospect": ("never_ordered", "no order yet"),
        "live": ("not_yet", "available after the next refresh"),
    }
    windows = {
        name: client.get(f"/api/v1/customers/{name}/profile/").json()["rfm_window"]
        for name in ("anna", "old", "prospect", "live")
    }
    assert windows["anna"] == {
        "days": 365,
        "r": 1,
        "f": 1,
        "m": 1,
        "group": "hibernating",
        "group_name": "hibernating",
        "orders": 2,
        "revenue": "13.50",
        "reason": "",
        "reason_name": "",
    }
    assert {
        name: (window["r"], window["group"], window["reason"]) for name, window in windows.items() if name != "anna"
    } == {
        "old": (None, "", "not_in_window"),
        "prospect": (None, "", "no_order"),
        "live": (None, "", "not_yet"),
    }
    assert windows["old"]["reason_name"] == "no order in the window"


def test_the_number_of_queries_of_the_profile_is_constant(client: APIClient, anna: Customer) -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        client.get("/api/v1/customers/anna/profile/")
    # customer, profile, stage change, score models, currency of amounts, gross order totals; six for the explanation of the stage (among them rules,
    # customer, names of categories, orders, the shop's latest order); nine for the portrait, one of them for Perennial's own messages
    assert len(queries) == 6 + 6 + 10


def test_a_customer_before_the_first_refresh_has_no_profile(client: APIClient) -> None:
    make_customer("bert")
    response = client.get("/api/v1/customers/bert/profile/")
    assert response.status_code == 404
    assert "next refresh" in response.json()["detail"]


@pytest.mark.parametrize("user_id", ["nobody", "a%00b"])
def test_an_unknown_user_id_has_no_profile(client: APIClient, user_id: str) -> None:
    assert client.get(f"/api/v1/customers/{user_id}/profile/").status_code == 404


def test_an_erased_customer_has_no_profile(client: APIClient, anna: Customer) -> None:
    Customer.objects.filter(pk=anna.pk).update(erased_at=NOON)
    assert client.get("/api/v1/customers/anna/profile/").status_code == 404


def test_a_key_without_the_scope_cannot_read_profiles(anna: Customer) -> None:
    assert make_client("catalog:read").get("/api/v1/customers/anna/profile/").status_code == 403


def test_stage_changes_are_listed_latest_first(client: APIClient, anna: Customer) -> None:
    body = client.get("/api/v1/customers/anna/stages/").json()
    assert [(change["from_stage"], change["to_stage"], change["reason"]) for change in body["stages"]] == [
        ("new", "active", "ordered"),
        ("", "new", "first_order"),
    ]
    assert len(client.get("/api/v1/customers/anna/stages/?limit=1").json()["stages"]) == 1
    assert client.get("/api/v1/customers/nobody/stages/").status_code == 404
    invalid = client.get("/api/v1/customers/anna/stages/?limit=0")
    assert (invalid.status_code, invalid.json()["errors"][0]["field"]) == (400, "limit")


def test_the_summary_counts_stages_and_stage_changes(client: APIClient, anna: Customer) -> None:
    query = {"since": (NOON - timedelta(days=3)).isoformat(), "until": NOON.isoformat()}
    body = client.get("/api/v1/lifecycle/", query).json()
    assert body["as_of"] == "2026-11-24T12:00:00Z"
    assert {row["key"]: (row["before"], row["after"]) for row in body["stages"] if row["before"] or row["after"]} == {
        "new": (1, 0),
        "active": (0, 1),
    }
    assert body["transitions"] == [{"from_stage": "new", "to_stage": "active", "customers": 1}]
    assert (body["value"]["customers"], body["value"]["reason"]) == (0, "few_repeat_buyers")
    assert [len(body["rfm"][basis]) for basis in ("all", "window")] == [10, 10]
    only_group = {"key": "hibernating", "name": "hibernating", "customers": 1, "revenue": "13.50"}
    for basis in ("all", "window"):
        assert [group for group in body["rfm"][basis] if group["customers"]] == [only_group]
    assert body["rfm"]["window_days"] == 365


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"since": "yesterday"}, "since"),
        ({"since": "2999-01-01T00:00:00Z"}, "since"),
        ({"since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "since"),
        ({"until": "0001-01-01T00:00:00Z"}, "until"),
        ({"since": "9999-12-31T23:59:59Z", "until": "9999-12-31T23:59:59Z"}, "since"),
    ],
)
def test_an_invalid_range_is_reported(client: APIClient, query: dict[str, str], field: str) -> None:
    response = client.get("/api/v1/lifecycle/", query)
    assert response.status_code == 400
    assert field in [error["field"] for error in response.json()["errors"]]


def test_the_summary_of_an_empty_shop_has_the_reason_for_the_missing_value(client: APIClient, db: None) -> None:
    body = client.get("/api/v1/lifecycle/").json()
    assert (body["as_of"], body["transitions"], body["value"]["customers"]) == (None, [], 0)
    assert body["rfm"] == {"all": [], "window": [], "window_days": None}
    assert make_client("catalog:read").get("/api/v1/lifecycle/").status_code == 403


def test_the_summary_says_why_there_is_no_value_without_a_model_of_the_spend(client: APIClient) -> None:
    run = LifecycleRun.objects.create(as_of=NOON, started_at=NOON, status=LifecycleRun.Status.DONE)
    ScoreModel.objects.create(run=run, kind="purchase_model", algorithm="bg_nbd")
    ScoreModel.objects.create(run=run, kind="spend", reason="no_paid_repeats")
    value = client.get("/api/v1/lifecycle/").json()["value"]
    assert (value["customers"], value["total"], value["algorithm"]) == (0, "0.00", "bg_nbd")
    assert (value["reason"], value["reason_name"]) == ("no_paid_repeats", "all repeat orders have a total of 0")
