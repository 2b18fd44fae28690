"""Conflicts, merges and the identity graph in the back office."""

from types import SimpleNamespace
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from customers.identity.backoffice.identity_graph import build_identity_graph
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Customer, Identifier, IdentityConflict, IdentityMerge
from customers.identity.resolution.resolution import IdentityEvent, resolve_people
from tests.makers import NOON, make_customer, make_identifier, make_order

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared() -> SimpleNamespace:
    """Two customers who used one computer; the second has ordered."""
    changes = [CustomerChange("u1", {"name": "Anna Karenina"}), CustomerChange("bo@shop.org", {"email": "bo@shop.org"})]
    upsert_customers(changes=changes, seen_at=NOON)
    said = {"source_id": 1, "type": "track", "occurred_at": NOON, "anonymous_id": "laptop"}
    traces = [IdentityEvent(message_id=f"m-{user}", user_id=user, **said) for user in ("u1", "bo@shop.org")]
    anna, bo = (Customer.objects.get(pk=one) for one in resolve_people(events=traces, at=NOON).customer_ids)
    make_order(bo)
    conflict = IdentityConflict.objects.get()
    return SimpleNamespace(
        anna=anna, bo=bo, conflict=conflict, page=f"/admin/identity/identityconflict/{conflict.pk}/change/"
    )


def member_of(role: str, *permissions: str) -> Client:
    user = User.objects.create_user(role, password="x", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


def test_conflict_shows_both_side_by_side(admin_client: Client, shared: SimpleNamespace) -> None:
    page = admin_client.get(shared.page)
    rows = dict(page.context["rows"])
    assert rows["user ids"] == ["u1", "bo@shop.org"]
    assert rows["name"] == ["Anna Karenina", "–"]
    assert rows["orders"] == [0, 1]
    assert page.context["identifiers"] == [("anonymous id", "laptop"), ("user id", "bo@shop.org")]
    assert "m-bo@shop.org" in page.content.decode()


def test_preview_says_what_moves_and_the_merge_moves_it(admin_client: Client, shared: SimpleNamespace) -> None:
    pair = {"keep": shared.anna.pk, "merge": shared.bo.pk}
    page = admin_client.post(shared.page, {"do": "preview", **pair})
    assert page.context["preview"]["counts"] == [("identifiers", 2), ("orders", 1)]
    assert page.context["preview"]["filled"] == ["email"]
    assert Customer.objects.count() == 2
    answer = admin_client.post(shared.page, {"do": "merge", **pair})
    merge = IdentityMerge.objects.get()
    assert answer["Location"] == f"/admin/identity/identitymerge/{merge.pk}/change/"
    shared.conflict.refresh_from_db()
    assert (shared.conflict.status, shared.conflict.resolution, shared.conflict.resolved_by) == (
        "resolved",
        "merged",
        "admin",
    )
    assert (merge.cause, merge.kept_id, merge.merged_id) == ("admin", shared.anna.pk, shared.bo.pk)
    assert LogEntry.objects.get_for_object(merge).get().actor.username == "admin"


def test_same_customer_twice_is_refused(admin_client: Client, shared: SimpleNamespace) -> None:
    page = admin_client.post(shared.page, {"do": "merge", "keep": shared.anna.pk, "merge": shared.anna.pk})
    assert page.context["form"].errors.keys() == {"merge"}
    assert admin_client.post(shared.page, {"do": "merge", "keep": 1, "merge": 10**6}).context["form"].errors
    assert not IdentityMerge.objects.exists()


@pytest.mark.parametrize(("do", "resolution"), [("apart", "kept_apart"), ("settle", "settled")])
def test_decision_is_written_once_and_can_be_opened_again(
    admin_client: Client, shared: SimpleNamespace, do: str, resolution: str
) -> None:
    admin_client.post(shared.page, {"do": do})
    shared.conflict.refresh_from_db()
    assert (shared.conflict.status, shared.conflict.resolution) == ("resolved", resolution)
    again = admin_client.post(shared.page, {"do": "settle"}, follow=True)
    assert "admin has already resolved this conflict." in again.content.decode()
    assert "resolution" in LogEntry.objects.get_for_object(shared.conflict).first().changes_dict
    admin_client.post(shared.page, {"do": "reopen"})
    shared.conflict.refresh_from_db()
    assert (shared.conflict.status, shared.conflict.resolution) == ("open", "")


def test_merge_page_asks_before_it_is_undone(admin_client: Client, shared: SimpleNamespace) -> None:
    [merge_id] = merge_customers(pairs=[(shared.anna.pk, shared.bo.pk)], at=NOON, causes=["admin"])
    address = f"/admin/identity/identitymerge/{merge_id}/change/"
    page = admin_client.get(address)
    assert page.context["counts"] == [("identifiers", 2), ("orders", 1)]
    preview = admin_client.post(address, {"do": "preview"})
    assert dict(preview.context["restored_counts"]) == {"identifiers": 2, "orders": 1, "customer profiles": 1}
    assert Customer.objects.count() == 1
    done = admin_client.post(address, {"do": "undo"}, follow=True)
    assert f"Customer #{shared.bo.pk} is separate again." in done.content.decode()
    merge = IdentityMerge.objects.get()
    assert (merge.reverted_by, Customer.objects.count()) == ("admin", 2)
    assert not done.context["may_undo"]
    refused = admin_client.post(address, {"do": "undo"})
    assert refused.context["problem"] == f"Merge {merge_id} was already undone."


def test_merge_inside_a_later_one_says_which_to_undo_first(admin_client: Client, shared: SimpleNamespace) -> None:
    cy = make_customer("u3")
    [inner] = merge_customers(pairs=[(shared.bo.pk, cy.pk)], at=NOON, causes=["x"])
    [outer] = merge_customers(pairs=[(shared.anna.pk, shared.bo.pk)], at=NOON, causes=["x"])
    page = admin_client.post(f"/admin/identity/identitymerge/{inner}/change/", {"do": "preview"})
    assert f"the later merge {outer}" in page.context["problem"]


def test_who_may_not_see_personal_data_sees_no_personal_identifier(shared: SimpleNamespace) -> None:
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
        shared.page,
        "/admin/identity/identityconflict/",
        "/admin/identity/identifier/",
        f"/admin/identity/identifier/{Identifier.objects.get(kind='email_hash').pk}/change/",
        f"/admin/identity/customer/{shared.bo.pk}/change/",
        f"/admin/lifecycle/customerprofile/customer/{shared.bo.pk}/",
    ):
        page = reader.get(address)
        assert page.status_code == 200, address
        text = page.content.decode()
        assert "Karenina" not in text, address
        assert hash_value[:8] not in text, address
        assert ">bo@shop.org" not in text.replace("m-bo@shop.org", ""), address
    assert reader.post(shared.page, {"do": "apart"}).status_code == 403
    assert reader.post(shared.page, {"do": "merge", "keep": 1, "merge": 2}).status_code == 403


def test_pages_need_their_permission(shared: SimpleNamespace) -> None:
    [merge_id] = merge_customers(pairs=[(shared.anna.pk, shared.bo.pk)], at=NOON, causes=["x"])
    marketer = member_of("Marketer")
    for address in (shared.page, f"/admin/identity/identitymerge/{merge_id}/change/"):
        assert marketer.get(address).status_code == 403
        assert marketer.post(address, {"do": "undo"}).status_code == 403


def test_graph_hangs_identifiers_below_whom_they_came_with() -> None:
    anna, bo, cy = make_customer("u1"), make_customer("u2"), make_customer()
    make_identifier(cy, "phone", kind="device_id")
    merge_customers(pairs=[(bo.pk, cy.pk)], at=NOON, causes=["m1"])
    merge_customers(pairs=[(anna.pk, bo.pk)], at=NOON, causes=["m2"])
    undone = make_customer("u4")
    [merge_id] = merge_customers(pairs=[(anna.pk, undone.pk)], at=NOON, causes=["m3"])
    revert_merge(merge_id=merge_id, at=NOON, by="x")
    graph = build_identity_graph(customer_id=anna.pk, with_personal=True)
    assert [(node.title, node.depth) for node in graph.nodes] == [
        (f"#{anna.pk}", 0),
        ("u1", 1),
        (f"#{bo.pk}", 1),
        ("u2", 2),
        (f"#{cy.pk}", 2),
        ("phone", 3),
    ]
    assert len(graph.edges) == len(graph.nodes) - 1
    assert len({node.y for node in graph.nodes}) == len(graph.nodes)
    assert [merge.cause for merge in graph.merges] == ["m3", "m2", "m1"]
    assert {one.value: one.merge and one.merge.cause for one in graph.identifiers} == {
        "u1": None,
        "u2": "m2",
        "phone": "m1",
    }


def test_customer_page_draws_the_graph_and_costs_the_same_for_many(
    admin_client: Client, django_assert_num_queries: Any, shared: SimpleNamespace
) -> None:
    address = f"/admin/lifecycle/customerprofile/customer/{shared.anna.pk}/"
    admin_client.get(address)  # loads what recommends
    with CaptureQueriesContext(connection) as few:
        admin_client.get(address)
    assert len(few) < 40
    for number in range(60):
        make_identifier(shared.anna, f"a{number}", kind="anonymous_id")
    with django_assert_num_queries(len(few)):
        page = admin_client.get(address).content.decode()
    assert page.count("<circle") > 40
    assert "and 22 more" in page
    assert f"/admin/identity/identityconflict/{shared.conflict.pk}/change/" in page
