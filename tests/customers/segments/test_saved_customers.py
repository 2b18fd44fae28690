"""The customers of a drilldown are saved as a dynamic segment if a condition describes them, else as a static one."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.identity.models import Customer
from customers.lifecycle.backoffice.drilldowns import parse_drilldown
from customers.lifecycle.models import CustomerProfile
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.segments.editing import NameTakenError
from customers.segments.membership import query_members
from customers.segments.models import Segment, SegmentMember
from customers.segments.saved_customers import save_customers
from tests.customers.lifecycle.sample_shop import share_rows
from tests.makers import NOON, make_customer, make_order, make_profile, make_segment

pytestmark = pytest.mark.django_db

SAVE_PAGE, CUSTOMERS_PAGE = "/admin/segments/segment/save-people/", "/admin/lifecycle/customerprofile/customers/"
GROUP = {"figure": "rfm-group", "basis": "window", "group": "loyal"}
MOVED = {"figure": "stage-flow", "from": "unknown", "to": "active"}


def login(*permissions: str) -> Client:
    user = User.objects.create(username=f"user-{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def marketer() -> Client:
    return login("view_segment", "add_segment", "view_customerprofile")


@pytest.fixture(scope="module")
def twelve_customers(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Twelve customers with profiles, and one who is erased, made once for all tests here."""
    with share_rows(django_db_blocker):
        for number in range(12):
            customer = make_customer(f"customer-{number}")
            for order in range(number % 4 + 1):
                placed_at = NOON - timedelta(days=40 * number + 5 * order + 1)
                make_order(customer, placed_at=placed_at, total=Decimal(10 + number))
        refresh_profiles(as_of=NOON, started_at=NOON)
        for number, profile in enumerate(CustomerProfile.objects.order_by("pk")):
            profile.value, profile.cluster = Decimal(number % 5) * Decimal("12.35"), number % 3
            profile.save()
        make_profile(make_customer("gone", erased_at=NOON), r=1, f=1, m=1, value=Decimal(20), cluster=1, stage="active")
        with django_db_blocker.block():
            yield


def list_member_ids(segment: Segment) -> set[int]:
    return set(query_members(segment=segment, as_of=NOON).values_list("pk", flat=True))


def save_drilldown(parameters: dict[str, str], name: str = "Saved") -> Segment:
    selection = parse_drilldown(parameters)
    return save_customers(
        name=name, description="", customers=selection.customers, condition=selection.condition, as_of=NOON
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {"figure": "rfm-cell", "basis": "all", "r": "1", "f": "1"},
        {"figure": "rfm-cell", "basis": "window", "r": "5", "f": "1"},
        {"figure": "rfm-group", "basis": "all", "group": "hibernating"},
        GROUP,
        {"figure": "stage", "stage": "active"},
        {"figure": "cluster", "cluster": "1"},
        {"figure": "value", "low": "12.35", "high": "24.70"},
        {"figure": "value", "low": "12.35", "below": "24.70"},
        {"figure": "value", "below": "12.35"},
    ],
)
def test_dynamic_segment_contains_exactly_the_counted_customers(
    twelve_customers: None, parameters: dict[str, str]
) -> None:
    selected = parse_drilldown(parameters).customers.filter(customer__erased_at__isnull=True)
    expected = set(selected.values_list("pk", flat=True))
    segment = save_drilldown(parameters)
    assert segment.kind == Segment.Kind.DYNAMIC
    assert list_member_ids(segment) == expected
    assert segment.size == len(expected)
    assert not SegmentMember.objects.exists()


def test_dynamic_segment_follows_changes(twelve_customers: None) -> None:
    segment = save_drilldown(GROUP)
    members_before = list_member_ids(segment)
    newcomer = CustomerProfile.objects.exclude(pk__in=members_before).order_by("pk")[0]
    CustomerProfile.objects.filter(pk=newcomer.pk).update(rfm_group_window="loyal")
    assert list_member_ids(segment) == members_before | {newcomer.pk}


def test_stage_changes_become_a_static_segment(twelve_customers: None) -> None:
    days = {"since": "2026-11-01", "until": "2026-11-24"}
    parameters = {"figure": "stage-flow", "from": "active", "to": "dormant", **days}
    expected = set(parse_drilldown(parameters).customers.values_list("pk", flat=True))
    assert expected
    segment = save_drilldown(parameters)
    assert (segment.kind, list_member_ids(segment), segment.size) == (Segment.Kind.STATIC, expected, len(expected))
    CustomerProfile.objects.update(stage="churned")
    assert list_member_ids(segment) == expected


def test_rfm_group_changes_become_a_static_segment(twelve_customers: None) -> None:
    parameters = {
        "figure": "rfm-flow", "basis": "all", "since": "2025-12", "until": "2026-10", "from": "none", "to": "hibernating",
    }  # fmt: skip
    expected = set(parse_drilldown(parameters).customers.values_list("pk", flat=True))
    assert expected
    segment = save_drilldown(parameters)
    assert (segment.kind, list_member_ids(segment)) == (Segment.Kind.STATIC, expected)


def test_static_segment_is_saved_by_one_statement() -> None:
    customers = Customer.objects.bulk_create(Customer() for _number in range(3000))
    CustomerProfile.objects.bulk_create(
        CustomerProfile(customer=customer, stage="active", units=3000) for customer in customers
    )
    with CaptureQueriesContext(connection) as queries:
        segment = save_customers(
            name="All", description="", customers=CustomerProfile.objects.filter(units=3000), condition=None, as_of=NOON
        )
    assert segment.size == SegmentMember.objects.count() == 3000
    inserts = [query["sql"] for query in queries if "INTO segments_segmentmember" in query["sql"]]
    assert len(inserts) == 1


def test_existing_name_saves_nothing(twelve_customers: None) -> None:
    make_segment("saved")
    with pytest.raises(NameTakenError):
        save_drilldown(
            {"figure": "stage-flow", "from": "active", "to": "at_risk", "since": "2026-11-01", "until": "2026-11-24"}
        )
    assert not SegmentMember.objects.exists()


def test_page_previews_the_segment_before_saving(marketer: Client, twelve_customers: None) -> None:
    selected = marketer.get(CUSTOMERS_PAGE, GROUP, follow=True)
    assert selected.redirect_chain[0][0].startswith("/admin/customers/?condition=")
    preview = marketer.get(SAVE_PAGE, GROUP)
    assert preview.context["is_dynamic"]
    assert preview.context["total"] == selected.context["page"].total
    assert preview.context["comparisons"] == ["RFM group in the window is one of loyal customers"]
    assert "enter and leave it automatically" in preview.content.decode()
    assert preview.context["form"]["name"].value() == "Loyal customers · the last 365 days"
    assert not Segment.objects.exists()
    response = marketer.post(f"{SAVE_PAGE}?figure=rfm-group&basis=window&group=loyal", {"name": "Loyal lately"})
    segment = Segment.objects.get()
    assert response.url == f"/admin/segments/segment/{segment.pk}/members/"
    assert segment.condition == {"all": [{"field": "rfm_group_window", "op": "in", "value": ["loyal"]}]}
    assert "Loyal customers, the last 365 days" in segment.description
    entry = LogEntry.objects.get_for_object(segment).get()
    assert (entry.action, entry.actor) == (LogEntry.Action.CREATE, User.objects.get())


def test_page_announces_a_static_segment(marketer: Client, twelve_customers: None) -> None:
    parameters = "figure=stage-flow&from=active&to=dormant&since=2026-11-01&until=2026-11-24"
    preview = marketer.get(f"{SAVE_PAGE}?{parameters}")
    assert not preview.context["is_dynamic"]
    assert "static segment of the current customers" in preview.content.decode()
    marketer.post(f"{SAVE_PAGE}?{parameters}", {"name": "Now dormant"})
    assert Segment.objects.get().members.count() == preview.context["total"]


def test_empty_static_segment_is_rejected_and_name_is_required(marketer: Client, twelve_customers: None) -> None:
    parameters = "figure=stage-flow&from=churned&to=prospect&since=2026-11-01&until=2026-11-24"
    page = marketer.post(f"{SAVE_PAGE}?{parameters}", {"name": "Nobody"})
    assert "The static segment would be empty" in page.content.decode()
    assert SAVE_PAGE not in marketer.get(f"{CUSTOMERS_PAGE}?{parameters}").content.decode()
    for name in ("", "x" * 201):
        assert marketer.post(f"{SAVE_PAGE}?figure=stage&stage=active", {"name": name}).context["form"].errors
    make_segment("taken")
    page = marketer.post(f"{SAVE_PAGE}?figure=stage&stage=active", {"name": "Taken"})
    assert "choose another name" in page.content.decode()
    assert Segment.objects.count() == 1


@pytest.mark.parametrize(
    "permissions", [["add_segment"], ["view_customerprofile"], ["view_customerprofile", "view_segment"]]
)
def test_saving_requires_both_permissions(twelve_customers: None, permissions: list[str]) -> None:
    client = login(*permissions)
    assert client.get(SAVE_PAGE, GROUP).status_code == 403
    assert client.post(f"{SAVE_PAGE}?figure=stage&stage=active", {"name": "Mine"}).status_code == 403
    assert not Segment.objects.exists()
    if "view_customerprofile" in permissions:
        assert SAVE_PAGE not in client.get(CUSTOMERS_PAGE, GROUP).content.decode()


def test_invalid_parameters_are_rejected(marketer: Client, twelve_customers: None) -> None:
    page: Any = marketer.get(SAVE_PAGE, {"figure": "value", "low": "999999999999"})
    assert page.context["problems"] == ["Amounts must be numbers, such as 12.50."]
