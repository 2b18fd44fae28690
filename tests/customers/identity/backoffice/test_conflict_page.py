"""The page of an identity conflict: comparison, preview, decision and permissions."""

from types import SimpleNamespace

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client

from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer, Identifier, IdentityMerge
from tests.customers.identity.backoffice.shared_computer import make_shared_computer
from tests.makers import NOON

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared_computer() -> SimpleNamespace:
    return make_shared_computer()


def make_member_client(role: str, *permissions: str) -> Client:
    user = User.objects.create_user(role, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def test_conflict_page_compares_both_customers(admin_client: Client, shared_computer: SimpleNamespace) -> None:
    page = admin_client.get(shared_computer.page)
    rows = dict(page.context["rows"])
    assert rows["user IDs"] == ["u1", "bo@shop.org"]
    assert rows["name"] == ["Anna Karenina", "–"]
    assert rows["orders"] == [0, 1]
    assert page.context["identifiers"] == [("anonymous ID", "laptop"), ("user ID", "bo@shop.org")]
    assert "m-bo@shop.org" in page.content.decode()


def test_preview_shows_the_moves_and_the_merge_performs_them(
    admin_client: Client, shared_computer: SimpleNamespace
) -> None:
    pair = {"keep": shared_computer.anna.pk, "merge": shared_computer.bo.pk}
    page = admin_client.post(shared_computer.page, {"do": "preview", **pair})
    assert page.context["preview"]["counts"] == [("identifiers", 2), ("orders", 1)]
    assert page.context["preview"]["filled"] == ["email"]
    assert Customer.objects.count() == 2
    response = admin_client.post(shared_computer.page, {"do": "merge", **pair})
    merge = IdentityMerge.objects.get()
    assert response["Location"] == f"/admin/identity/identitymerge/{merge.pk}/change/"
    shared_computer.conflict.refresh_from_db()
    assert (
        shared_computer.conflict.status,
        shared_computer.conflict.resolution,
        shared_computer.conflict.resolved_by,
    ) == (
        "resolved",
        "merged",
        "admin",
    )
    assert (merge.cause, merge.kept_id, merge.merged_id) == ("admin", shared_computer.anna.pk, shared_computer.bo.pk)
    assert LogEntry.objects.get_for_object(merge).get().actor.username == "admin"


def test_merging_a_customer_with_itself_is_rejected(admin_client: Client, shared_computer: SimpleNamespace) -> None:
    page = admin_client.post(
        shared_computer.page, {"do": "merge", "keep": shared_computer.anna.pk, "merge": shared_computer.anna.pk}
    )
    assert page.context["form"].errors.keys() == {"merge"}
    assert admin_client.post(shared_computer.page, {"do": "merge", "keep": 1, "merge": 10**6}).context["form"].errors
    assert not IdentityMerge.objects.exists()


@pytest.mark.parametrize(("do", "resolution"), [("apart", "kept_apart"), ("settle", "settled")])
def test_decision_is_recorded_once_and_can_be_reopened(
    admin_client: Client, shared_computer: SimpleNamespace, do: str, resolution: str
) -> None:
    admin_client.post(shared_computer.page, {"do": do})
    shared_computer.conflict.refresh_from_db()
    assert (shared_computer.conflict.status, shared_computer.conflict.resolution) == ("resolved", resolution)
    second_response = admin_client.post(shared_computer.page, {"do": "settle"}, follow=True)
    assert "admin has already resolved this conflict." in second_response.content.decode()
    assert "resolution" in LogEntry.objects.get_for_object(shared_computer.conflict).first().changes_dict
    admin_client.post(shared_computer.page, {"do": "reopen"})
    shared_computer.conflict.refresh_from_db()
    assert (shared_computer.conflict.status, shared_computer.conflict.resolution) == ("open", "")


def test_user_without_personal_data_permission_sees_no_personal_identifier(shared_computer: SimpleNamespace) -> None:
    user = User.objects.create_user("reader", password="x", is_staff=True)
    user.groups.add(Group.objects.get(name="Analyst"))
    user.user_permissions.set(
        Group.objects.get(name="Administrator").permissions.filter(
            content_type__app_label="identity", codename__startswith="view_identity"
        )
    )
    reader = Client()
    reader.force_login(user)
    hash_value = Identifier.objects.get(kind="email_hash").value
    for address in (
        shared_computer.page,
        "/admin/identity/identityconflict/",
        "/admin/identity/identifier/",
        f"/admin/identity/identifier/{Identifier.objects.get(kind='email_hash').pk}/change/",
        f"/admin/identity/customer/{shared_computer.bo.pk}/change/",
        f"/admin/lifecycle/customerprofile/customer/{shared_computer.bo.pk}/",
        f"/admin/lifecycle/customerprofile/customer/{shared_computer.bo.pk}/?tab=profile",
    ):
        page = reader.get(address)
        assert page.status_code == 200, address
        text = page.content.decode()
        assert "Karenina" not in text, address
        assert hash_value[:8] not in text, address
        assert ">bo@shop.org" not in text.replace("m-bo@shop.org", ""), address
    assert reader.post(shared_computer.page, {"do": "apart"}).status_code == 403
    assert reader.post(shared_computer.page, {"do": "merge", "keep": 1, "merge": 2}).status_code == 403


def test_conflict_and_merge_pages_require_permission(shared_computer: SimpleNamespace) -> None:
    [merge_id] = merge_customers(pairs=[(shared_computer.anna.pk, shared_computer.bo.pk)], at=NOON, causes=["x"])
    marketer = make_member_client("Marketer")
    for address in (shared_computer.page, f"/admin/identity/identitymerge/{merge_id}/change/"):
        assert marketer.get(address).status_code == 403
        assert marketer.post(address, {"do": "undo"}).status_code == 403
