"""Segments over REST."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from config.access.grants import Grant
from customers.analytics.models import SavedReport
from customers.lifecycle.models import CustomerProfile
from customers.segments.membership import evaluate_segments
from customers.segments.models import Segment
from customers.segments.rest.api import SegmentDetail
from recommendations.campaigns.models import Campaign
from tests.makers import make_customer, make_order, make_profile, make_segment

pytestmark = pytest.mark.django_db
LOYAL = {"field": "stage", "op": "in", "value": ["loyal"]}


def client_with(*scopes: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(token=Grant(caller="test", name="test", scopes=frozenset(scopes)))
    return client


@pytest.fixture
def client() -> APIClient:
    return client_with("segments:read", "segments:write")


def test_segment_is_created_read_updated_and_deleted(client: APIClient) -> None:
    body = {"key": "loyal", "name": "Loyal", "condition": LOYAL}
    created = client.post("/api/v1/segments/", body, format="json")
    assert created.status_code == 201, created.content
    assert created.json()["list_result"] is None
    assert client.get("/api/v1/segments/loyal/").json()["condition"] == LOYAL
    assert [item["key"] for item in client.get("/api/v1/segments/").json()["results"]] == ["loyal"]
    assert client.patch("/api/v1/segments/loyal/", {"name": "Faithful"}, format="json").json()["name"] == "Faithful"
    replaced = client.put("/api/v1/segments/loyal/", {**body, "name": "Again", "condition": {"all": []}}, format="json")
    assert replaced.json()["condition"] == {"all": []}
    assert client.delete("/api/v1/segments/loyal/").status_code == 204
    assert client.get("/api/v1/segments/loyal/").status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"key": "x", "name": "X", "condition": {"all": [{"field": "stag", "op": "eq"}]}}, "condition.all[0].field"),
        (
            {"key": "x", "name": "X", "condition": {"field": "segment", "op": "in", "value": ["x"]}},
            "condition.value[0]",
        ),
        ({"key": "x", "name": "X"}, "condition"),
        ({"key": "fields", "name": "X", "condition": LOYAL}, "key"),
        ({"key": "a b", "name": "X", "condition": LOYAL}, "key"),
        ({"key": "taken", "name": "X", "condition": LOYAL}, "key"),
        ({"key": "x", "name": "X", "condition": LOYAL, "user_ids": ["a"]}, "user_ids"),
        ({"key": "x", "name": "X", "kind": "static", "condition": LOYAL}, "condition"),
        ({"key": "x", "name": "X", "kind": "other", "condition": LOYAL}, "kind"),
    ],
)
def test_invalid_input_is_rejected_by_field(client: APIClient, body: dict[str, Any], field: str) -> None:
    make_segment("taken")
    response = client.post("/api/v1/segments/", body, format="json")
    assert response.status_code == 400
    assert field in [error["field"] for error in response.json()["errors"]]
    assert Segment.objects.count() == 1


def test_key_and_type_cannot_be_changed(client: APIClient) -> None:
    make_segment("loyal", LOYAL)
    for change in ({"key": "other"}, {"kind": "static"}):
        assert client.patch("/api/v1/segments/loyal/", change, format="json").status_code == 400


def test_static_segment_is_created_and_replaced_by_user_ids(client: APIClient) -> None:
    make_customer("a")
    make_customer("b")
    body = {"key": "list", "name": "List", "kind": "static", "user_ids": ["a", "nobody"]}
    created = client.post("/api/v1/segments/", body, format="json").json()
    assert created["list_result"] == {"added": 1, "already_members": 0, "unknown": ["nobody"]}
    client.patch("/api/v1/segments/list/", {"user_ids": ["b"]}, format="json")
    members = client.get("/api/v1/segments/list/members/").json()["results"]
    assert [item["user_id"] for item in members] == ["b"]


def test_members_are_current_paged_and_without_personal_data(client: APIClient) -> None:
    make_segment("loyal", LOYAL)
    for number in range(3):
        make_profile(make_customer(f"u{number}", name="Secret Name"), stage="loyal", r=5, f=4, m=3, orders=number)
    first = client.get("/api/v1/segments/loyal/members/?limit=2").json()
    assert [item["user_id"] for item in first["results"]] == ["u0", "u1"]
    assert {"stage": "loyal", "r": 5, "orders": 1}.items() <= first["results"][1].items()
    assert "Secret" not in str(first)
    make_profile(make_customer("u3"), stage="loyal")
    second = client.get("/api/v1/segments/loyal/members/", {"cursor": first["next_cursor"]}).json()
    assert [item["user_id"] for item in second["results"]] == ["u2", "u3"]


def test_members_of_visitors_without_profile_are_listed(client: APIClient) -> None:
    make_segment("all-customers")
    make_customer()
    [visitor] = client.get("/api/v1/segments/all-customers/members/").json()["results"]
    assert (visitor["user_id"], visitor["stage"], visitor["orders"]) == (None, None, None)


def test_number_of_queries_does_not_depend_on_members(client: APIClient) -> None:
    make_segment("all-customers")
    for number in range(3):
        make_profile(make_customer(f"u{number}"))
    with CaptureQueriesContext(connection) as few:
        client.get("/api/v1/segments/all-customers/members/")
    for number in range(3, 30):
        make_profile(make_customer(f"u{number}"))
    with CaptureQueriesContext(connection) as many:
        assert len(client.get("/api/v1/segments/all-customers/members/").json()["results"]) == 30
    assert len(few) == len(many) == 2


def test_invalid_segment_returns_409_with_the_reason(client: APIClient) -> None:
    make_segment("broken", {"field": "stag", "op": "eq"})
    response = client.get("/api/v1/segments/broken/members/")
    assert response.status_code == 409
    assert "stage" in response.json()["detail"]


def test_preview_returns_count_and_sample(client: APIClient) -> None:
    for number in range(3):
        make_profile(make_customer(f"u{number}"), stage="loyal")
    response = client.post("/api/v1/segments/preview/", {"condition": LOYAL, "sample": 2}, format="json").json()
    assert response["count"] == 3
    assert [item["user_id"] for item in response["sample"]] == ["u0", "u1"]
    assert not Segment.objects.exists()
    invalid = client.post("/api/v1/segments/preview/", {"condition": {"any": []}}, format="json")
    assert invalid.status_code == 400
    assert invalid.json()["errors"][0]["field"] == "condition.any"


def test_segments_of_a_customer_change_with_an_order(client: APIClient) -> None:
    customer = make_customer("anna")
    make_segment("buyers", {"field": "bought.any", "op": "at_least"})
    assert client.get("/api/v1/customers/anna/segments/").json()["segments"] == []
    make_order(customer, placed_at=timezone.now() - timedelta(minutes=1))
    membership = client.get("/api/v1/customers/anna/segments/").json()
    assert membership["segments"] == [{"key": "buyers", "name": "buyers", "kind": "dynamic"}]
    assert client.get("/api/v1/customers/nobody/segments/").status_code == 404


def test_membership_is_explained(client: APIClient) -> None:
    customer = make_customer("anna")
    make_profile(customer, stage="loyal")
    make_segment("loyal", LOYAL)
    make_segment("new", {"field": "stage", "op": "in", "value": ["new"]})
    because = [{"path": "$", "condition": "Stage is loyal", "met": True, "value": "loyal"}]
    [segment] = client.get("/api/v1/customers/anna/segments/?explain=true").json()["segments"]
    assert (segment["key"], segment["because"]) == ("loyal", because)
    other = client.get("/api/v1/customers/anna/segments/new/").json()
    assert other["is_member"] is False
    assert other["because"] == [{**because[0], "condition": "Stage is new", "met": False}]
    assert client.get("/api/v1/customers/anna/segments/none/").status_code == 404
    assert client.get("/api/v1/customers/anna/segments/?explain=maybe").status_code == 400
    chinese = client.get("/api/v1/customers/anna/segments/loyal/", HTTP_ACCEPT_LANGUAGE="zh-hans").json()
    assert chinese["because"][0]["value"] != "loyal"


def test_fields_are_described_in_the_requested_language(client: APIClient) -> None:
    make_customer("a", traits={"household_size": 2})
    fields = {item["name"]: item for item in client.get("/api/v1/segments/fields/").json()}
    assert {"value": "loyal", "label": "loyal"} in fields["stage"]["choices"]
    assert [item["name"] for item in fields["identified"]["operators"]] == ["eq"]
    assert "traits.household_size" in fields
    assert client.get("/api/v1/segments/fields/", HTTP_ACCEPT_LANGUAGE="zh-hans").status_code == 200


def test_segment_in_use_is_not_deleted(client: APIClient) -> None:
    loyal = make_segment("loyal", LOYAL)
    make_segment("both", {"field": "segment", "op": "in", "value": ["loyal"]})
    response = client.delete("/api/v1/segments/loyal/")
    assert response.status_code == 409
    assert "both" in response.json()["detail"]
    client.delete("/api/v1/segments/both/")
    report = SavedReport.objects.create(name="Visits", question="trends", parameters={"segment": "loyal"})
    response = client.delete("/api/v1/segments/loyal/")
    assert (response.status_code, response.json()["detail"]) == (409, "The segment is used by the report “Visits”.")
    report.delete()
    Campaign.objects.create(key="c", name="Spring", segment=loyal)
    response = client.delete("/api/v1/segments/loyal/")
    assert response.status_code == 409
    assert "Spring" in response.json()["detail"]


def test_read_scope_cannot_write() -> None:
    make_segment("loyal", LOYAL)
    reader = client_with("segments:read")
    assert reader.get("/api/v1/segments/loyal/").status_code == 200
    body = {"key": "x", "name": "X", "condition": LOYAL}
    assert reader.post("/api/v1/segments/", body, format="json").status_code == 403
    assert reader.patch("/api/v1/segments/loyal/", {"name": "Y"}, format="json").status_code == 403
    assert reader.delete("/api/v1/segments/loyal/").status_code == 403
    assert client_with("campaigns:read").get("/api/v1/segments/loyal/members/").status_code == 403


def test_history_entries_exits_and_overlap(client: APIClient) -> None:
    customer = make_customer("ada")
    profile = make_profile(customer, stage="loyal")
    make_segment("loyal", LOYAL)
    make_segment("all", {"all": []})
    now = timezone.now()
    evaluate_segments(as_of=now - timedelta(days=2))
    CustomerProfile.objects.filter(pk=profile.pk).update(stage="new")
    evaluate_segments(as_of=now - timedelta(days=1))
    CustomerProfile.objects.filter(pk=profile.pk).update(stage="loyal")
    evaluate_segments(as_of=now)
    days = client.get("/api/v1/segments/loyal/history/").json()["days"]
    assert [(day["size"], day["entered"], day["left"]) for day in days] == [(1, 0, 0), (0, 0, 1), (1, 1, 0)]
    since = str(timezone.localdate(now))
    assert len(client.get(f"/api/v1/segments/loyal/history/?since={since}").json()["days"]) == 1
    [entry] = client.get("/api/v1/segments/loyal/entered/").json()["results"]
    [exit_] = client.get("/api/v1/segments/loyal/left/").json()["results"]
    assert (entry["user_id"], exit_["customer_id"], entry["left_at"]) == ("ada", customer.pk, None)
    overlap = client.get("/api/v1/segments/all/overlap/?other=loyal").json()
    assert (overlap["size"], overlap["other_size"], overlap["both"], overlap["share"]) == (1, 1, 1, 1.0)
    assert client.get("/api/v1/segments/all/overlap/?other=none").status_code == 404
    assert client.get("/api/v1/segments/loyal/history/?since=yesterday").status_code == 400


def test_a_change_keeps_what_a_count_writes_at_the_same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    segment = make_segment("loyal", LOYAL)
    find_segment = SegmentDetail.get_object

    def find_before_counting(view: SegmentDetail) -> Segment:
        found = find_segment(view)
        Segment.objects.filter(pk=segment.pk).update(size=7, tracked_condition=LOYAL)
        return found

    monkeypatch.setattr(SegmentDetail, "get_object", find_before_counting)
    client = client_with("segments:write")
    assert client.patch("/api/v1/segments/loyal/", {"description": "Regulars"}, format="json").status_code == 200
    segment.refresh_from_db()
    assert (segment.description, segment.size, segment.tracked_condition) == ("Regulars", 7, LOYAL)
