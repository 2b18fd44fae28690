"""The page of a merge: the moved rows, a preview and the undo."""

from types import SimpleNamespace

import pytest
from django.test import Client

from customers.identity.merging.merge import merge_customers
from customers.identity.models import Customer, IdentityMerge
from tests.customers.identity.backoffice.shared_computer import make_shared_computer
from tests.makers import NOON, make_customer

pytestmark = pytest.mark.django_db


@pytest.fixture
def shared_computer() -> SimpleNamespace:
    return make_shared_computer()


def test_merge_page_shows_a_preview_before_undoing(admin_client: Client, shared_computer: SimpleNamespace) -> None:
    [merge_id] = merge_customers(pairs=[(shared_computer.anna.pk, shared_computer.bo.pk)], at=NOON, causes=["admin"])
    address = f"/admin/identity/identitymerge/{merge_id}/change/"
    page = admin_client.get(address)
    assert page.context["counts"] == [("identifiers", 2), ("orders", 1)]
    preview = admin_client.post(address, {"do": "preview"})
    assert dict(preview.context["restored_counts"]) == {"identifiers": 2, "orders": 1, "customer profiles": 1}
    assert Customer.objects.count() == 1
    response = admin_client.post(address, {"do": "undo"}, follow=True)
    assert f"Customer #{shared_computer.bo.pk} is a separate customer again" in response.content.decode()
    merge = IdentityMerge.objects.get()
    assert (merge.reverted_by, Customer.objects.count()) == ("admin", 2)
    assert not response.context["may_undo"]
    second_response = admin_client.post(address, {"do": "undo"})
    assert second_response.context["problem"] == f"Merge {merge_id} was already undone."


def test_error_names_the_later_merge_that_must_be_undone_first(
    admin_client: Client, shared_computer: SimpleNamespace
) -> None:
    cy = make_customer("u3")
    [inner] = merge_customers(pairs=[(shared_computer.bo.pk, cy.pk)], at=NOON, causes=["x"])
    [outer] = merge_customers(pairs=[(shared_computer.anna.pk, shared_computer.bo.pk)], at=NOON, causes=["x"])
    page = admin_client.post(f"/admin/identity/identitymerge/{inner}/change/", {"do": "preview"})
    assert f"the later merge {outer}" in page.context["problem"]
