"""Every export is in the audit log, with what it contained, before its first row leaves."""

from pathlib import Path
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.test import Client
from django.urls import reverse

from catalog.models import Product
from config.foundation.audit_log import EXPORT
from customers.warehouse.export import export_warehouse
from recommendations.campaigns.models import AudienceExport, Campaign
from tests.config.access.callers import make_client
from tests.customers.events.makers import log_in_as
from tests.makers import NOON, make_customer, make_product, make_profile, make_segment

pytestmark = pytest.mark.django_db


def get_export() -> LogEntry:
    return LogEntry.objects.get(additional_data__event=EXPORT)


def get_details() -> dict[str, Any]:
    details: dict[str, Any] = get_export().additional_data.get("details", {})
    return details


@pytest.mark.parametrize("parameter", ["", "?personal"])
def test_the_members_of_a_segment(admin_client: Client, parameter: str) -> None:
    for user_id in ("u1", "u2"):
        make_profile(make_customer(user_id))
    segment = make_segment("loyal")
    response = admin_client.get(reverse("admin:segments_segment_members_csv", args=[segment.pk]) + parameter)
    assert get_details() == {"count": 2, "segment": "loyal", "personal": bool(parameter)}
    assert len(b"".join(response).splitlines()) == 3
    assert get_export().actor.username == "admin"


def test_the_audience_of_a_campaign_from_the_page_and_over_rest(admin_client: Client) -> None:
    campaign = Campaign.objects.create(key="spring", name="Spring", segment=make_segment("all"), holdout_share=0)
    for client, kind in (
        (admin_client, "user"),
        (make_client("campaigns:write"), "api_key"),
    ):
        address = (
            reverse("admin:campaigns_campaign_audience", args=[campaign.pk])
            if kind == "user"
            else "/api/v1/campaigns/spring/audience.csv"
        )
        assert client.get(address).status_code == 200
        entry = LogEntry.objects.filter(additional_data__event=EXPORT).latest("pk")
        assert entry.object_id == AudienceExport.objects.latest("pk").pk
        assert entry.additional_data["details"] == {"campaign": "spring"}
        assert entry.additional_data["actor"]["kind"] == kind


def test_a_file_of_django_import_export(admin_client: Client) -> None:
    make_product("tea-1")
    form = admin_client.get(reverse("admin:catalog_product_export")).context["form"]
    fields = {name: "on" for name in form.fields if name.startswith("productresource_")}
    response = admin_client.post(
        reverse("admin:catalog_product_export"),
        {"format": "0", "resource": form.fields["resource"].initial or "", **fields},
    )
    assert response.status_code == 200
    assert get_export().content_type.model_class() is Product


def test_the_warehouse(settings: Any, tmp_path: Path) -> None:
    settings.WAREHOUSE_URL = str(tmp_path / "warehouse")
    export_warehouse(started_at=NOON)
    assert "customers" in get_details()["tables"]
    assert get_export().additional_data["actor"]["kind"] == "command"


def test_a_refused_export_is_not_recorded() -> None:
    segment = make_segment("loyal")
    page = reverse("admin:segments_segment_members_csv", args=[segment.pk])
    assert log_in_as("Analyst").get(f"{page}?personal").status_code == 403
    assert not LogEntry.objects.filter(additional_data__event=EXPORT).exists()
