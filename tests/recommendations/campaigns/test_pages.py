"""Campaigns over REST and in the back office."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from config.access.grants import Grant
from customers.segments.models import Segment
from recommendations.campaigns.models import AudienceExport, Campaign
from tests.makers import make_consent, make_customer, make_profile, make_segment
from tests.recommendations.campaigns.makers import find_salt, make_campaign

pytestmark = pytest.mark.django_db


def make_api_client(*scopes: str) -> APIClient:
    client = APIClient()
    client.force_authenticate(token=Grant(caller="test", name="shop key", scopes=frozenset(scopes)))
    return client


def login(*permissions: str) -> Client:
    user = User.objects.create(username=f"user-{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def read_body(response: Any) -> str:
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return content.decode()


@pytest.fixture
def api() -> APIClient:
    return make_api_client("campaigns:read", "campaigns:write")


@pytest.fixture
def all_customers() -> Segment:
    for number in range(4):
        make_profile(make_customer(f"u{number}"), stage="loyal")
    return make_segment("all-customers")


def test_an_audience_without_consents_says_how_to_get_them(api: APIClient) -> None:
    customer = make_customer("u1", email="u1@example.com")
    make_campaign(make_segment("all-customers"), key="spring")
    preview = api.post("/api/v1/campaigns/spring/preview/").json()
    assert (preview["reachable"], preview["consented"]) == (1, 0)
    [hint] = preview["hints"]
    assert hint["code"] == "no_consent"
    assert "Import the consents" in hint["text"]
    client = login("view_campaign", "view_segment", "add_customer", "change_customer", "view_personal")
    page = client.get(reverse("admin:campaigns_campaign_preview", args=[Campaign.objects.get().pk]))
    assert reverse("imports:new", args=["customers"]) in page.text
    make_consent(customer)
    assert api.post("/api/v1/campaigns/spring/preview/").json()["hints"] == []


def test_campaign_is_created_previewed_and_exported(api: APIClient, all_customers: Segment) -> None:
    fields = {"key": "spring", "name": "Spring", "segment": "all-customers", "holdout_share": "0"}
    created = api.post("/api/v1/campaigns/", fields, format="json")
    assert created.status_code == 201, created.content
    assert created.json()["status"] == "draft"
    assert [campaign["key"] for campaign in api.get("/api/v1/campaigns/").json()["results"]] == ["spring"]
    preview = api.post("/api/v1/campaigns/spring/preview/").json()
    assert (preview["segment"], preview["audience"], preview["mde_missing"]) == (4, 4, "no_holdout")
    text = read_body(api.get("/api/v1/campaigns/spring/audience.csv"))
    assert text.splitlines()[0] == "user_id,stage,rfm_group,r,f,m,orders,revenue,last_order_at"
    assert len(text.splitlines()) == 5
    assert (AudienceExport.objects.get().exported_by, AudienceExport.objects.get().rows) == ("shop key", 4)


def test_after_an_export_the_audience_and_the_measurement_are_locked(api: APIClient, all_customers: Segment) -> None:
    campaign = Campaign.objects.create(key="spring", name="Spring", segment=all_customers, holdout_share=Decimal(0))
    url = "/api/v1/campaigns/spring/"
    assert api.patch(url, {"holdout_share": "0.25"}, format="json").json()["holdout_share"] == "0.2500"
    marketer = login(*MARKETER)
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    assert "Exported" not in marketer.get(page).text
    read_body(api.get(f"{url}audience.csv"))
    for change in ({"holdout_share": "0.5"}, {"goal": "viewed"}, {"attribution_days": 30}, {"channel": "email"}):
        refused = api.patch(url, change, format="json")
        assert refused.status_code == 400, change
        assert [(error["field"], error["code"]) for error in refused.json()["errors"]] == [(*change, "immutable")]
        assert "after the audience was exported" in refused.json()["errors"][0]["message"]
    assert api.patch(url, {"name": "Summer"}, format="json").json()["name"] == "Summer"
    assert "Exported" in marketer.get(page).text
    assert (api.get(url).json()["status"], api.get("/api/v1/campaigns/").json()["results"][0]["status"]) == (
        ("exported", "exported")
    )
    listed = reverse("admin:campaigns_campaign_changelist")
    assert "1 exported." in marketer.get(listed).text
    for status, is_listed in (("exported", True), ("draft", False)):
        assert (page in marketer.get(listed, {"status": status}).text) is is_listed
    assert "When another system sends the messages" in marketer.get(page).text
    assert (
        "after the audience was exported"
        in marketer.get(reverse("admin:campaigns_campaign_edit", args=[campaign.pk])).text
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"segment": "unknown"}, "segment"),
        ({"holdout_share": "1"}, "holdout_share"),
        ({"holdout_share": "-0.1"}, "holdout_share"),
        ({"channel": "fax"}, "channel"),
        ({"required_consent": "fax"}, "required_consent"),
        ({"key": "a b"}, "key"),
    ],
)
def test_invalid_input_is_rejected_by_field(
    api: APIClient, all_customers: Segment, change: dict[str, str], field: str
) -> None:
    response = api.post(
        "/api/v1/campaigns/", {"key": "k", "name": "N", "segment": "all-customers", **change}, format="json"
    )
    assert response.status_code == 400
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_fields_are_locked_after_the_launch(api: APIClient, all_customers: Segment) -> None:
    Campaign.objects.create(key="spring", name="Spring", segment=all_customers, status="running", holdout_share="0.1")
    for change in ({"holdout_share": "0.2"}, {"channel": "email"}, {"required_consent": "email"}):
        assert api.patch("/api/v1/campaigns/spring/", change, format="json").status_code == 400
    assert (
        api.patch("/api/v1/campaigns/spring/", {"name": "Summer", "holdout_share": "0.1"}, format="json").status_code
        == 200
    )
    assert api.patch("/api/v1/campaigns/spring/", {"status": "draft"}, format="json").status_code == 400
    assert Campaign.objects.get(key="spring").status == "running"
    assert api.delete("/api/v1/campaigns/spring/").status_code == 405


def test_invalid_segment_returns_409(api: APIClient) -> None:
    broken = make_segment("broken", {"field": "x", "op": "eq"})
    Campaign.objects.create(key="c", name="C", segment=broken)
    assert api.post("/api/v1/campaigns/c/preview/").status_code == 409
    assert api.get("/api/v1/campaigns/c/audience.csv").status_code == 409
    assert not AudienceExport.objects.exists()


def test_read_scope_cannot_write_or_export(all_customers: Segment) -> None:
    Campaign.objects.create(key="c", name="C", segment=all_customers)
    reader = make_api_client("campaigns:read")
    assert reader.post("/api/v1/campaigns/c/preview/").status_code == 200
    assert reader.patch("/api/v1/campaigns/c/", {"name": "D"}, format="json").status_code == 403
    assert reader.get("/api/v1/campaigns/c/audience.csv").status_code == 403


MARKETER = (
    "view_campaign",
    "add_campaign",
    "change_campaign",
    "add_audienceexport",
    "view_audienceexport",
    "view_segment",
)


def test_marketer_downloads_the_audience_of_an_export(all_customers: Segment) -> None:
    marketer = login(*MARKETER)
    campaign = Campaign.objects.create(key="spring", name="Spring", segment=all_customers, holdout_share=Decimal(0))
    page = read_body(marketer.get(reverse("admin:campaigns_campaign_preview", args=[campaign.pk])))
    assert "plotly/plotly.min.js" in page
    assert '"x": [4, 4, 4, 4, 4, 4, 4, 4, 4]' in page
    assert "Set a holdout share" in page
    address = reverse("admin:campaigns_campaign_audience", args=[campaign.pk])
    assert address in page
    assert address in read_body(marketer.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])))
    assert len(read_body(marketer.get(address)).splitlines()) == 5
    assert marketer.get(reverse("admin:campaigns_audienceexport_changelist")).status_code == 200
    export = AudienceExport.objects.get()
    assert export.rows == 4
    assert marketer.get(reverse("admin:campaigns_audienceexport_change", args=[export.pk])).status_code == 200
    assert marketer.get(reverse("admin:campaigns_audienceexport_add")).status_code == 403
    Campaign.objects.update(holdout_share=Decimal("0.5"), salt=find_salt(share="0.5", held_out=2))
    exported = set(read_body(marketer.get(address)).splitlines())
    latest = AudienceExport.objects.latest("pk")
    held_out = reverse("admin:campaigns_audienceexport_holdout", args=[latest.pk])
    assert held_out in read_body(marketer.get(reverse("admin:campaigns_audienceexport_changelist")))
    others = set(read_body(marketer.get(held_out)).splitlines())
    assert (len(others) - 1, len(exported & others)) == (latest.held_out, 1), "the header, and nobody in both"
    assert len(exported | others) == 5


def test_analyst_sees_the_audience_but_cannot_download_it(all_customers: Segment) -> None:
    campaign = Campaign.objects.create(key="c", name="C", segment=all_customers)
    analyst = login("view_campaign", "view_segment")
    page = analyst.get(reverse("admin:campaigns_campaign_preview", args=[campaign.pk]))
    address = reverse("admin:campaigns_campaign_audience", args=[campaign.pk])
    assert page.status_code == 200
    assert address not in read_body(page)
    assert analyst.get(address).status_code == 403
    for name in ("edit", "do"):
        arguments = [campaign.pk, "cancel"] if name == "do" else [campaign.pk]
        assert (
            analyst.post(reverse(f"admin:campaigns_campaign_{name}", args=arguments), {"name": "D"}).status_code == 403
        )
    assert analyst.get(reverse("admin:campaigns_campaign_add")).status_code == 403
    stranger = login("view_segment")
    assert stranger.get(reverse("admin:campaigns_campaign_preview", args=[campaign.pk])).status_code == 403
    assert not AudienceExport.objects.exists()


def test_pages_of_a_launched_campaign_and_an_invalid_segment_open() -> None:
    marketer = login(*MARKETER)
    broken = make_segment("broken", {"field": "x", "op": "eq"})
    campaign = Campaign.objects.create(key="c", name="C", segment=broken, status="running")
    assert "$.field" in read_body(marketer.get(reverse("admin:campaigns_campaign_preview", args=[campaign.pk])))
    assert marketer.get(reverse("admin:campaigns_campaign_audience", args=[campaign.pk])).status_code == 409
    assert marketer.get(reverse("admin:campaigns_campaign_change", args=[campaign.pk])).status_code == 200
