"""The back office of identifier transfers."""

import pytest
from django.test import Client
from django.urls import reverse

from customers.identity.models import Customer, Identifier, IdentifierTransfer
from tests.customers.events.makers import log_in_as
from tests.makers import NOON, make_customer, make_identifier

pytestmark = pytest.mark.django_db
LIST = "admin:identity_identifiertransfer_changelist"


@pytest.fixture
def transfer() -> IdentifierTransfer:
    ana, bo = make_customer("u1"), make_customer("u2")
    identifier = make_identifier(bo, "secret-device", kind="anonymous_id")
    return IdentifierTransfer.objects.create(
        identifier=identifier, from_id=ana.pk, to_id=bo.pk, reason="limit", at=NOON, cause="m1"
    )


def undo(client: Client, transfer: IdentifierTransfer) -> str:
    response = client.post(reverse(LIST), {"action": "undo", "_selected_action": [transfer.pk]}, follow=True)
    return response.content.decode()


def test_a_transfer_can_be_undone_once(transfer: IdentifierTransfer) -> None:
    client = log_in_as("Administrator")
    assert f"#{transfer.from_id} → #{transfer.to_id}" in client.get(reverse(LIST)).content.decode()
    assert "1 transfer was undone" in undo(client, transfer)
    assert Identifier.objects.get(value="secret-device").customer_id == transfer.from_id
    assert "already undone" in undo(client, transfer)
    assert Customer.objects.count() == 2


def test_nobody_undoes_a_transfer_without_the_permission(transfer: IdentifierTransfer) -> None:
    undo(log_in_as("Operator"), transfer)
    assert Identifier.objects.get(value="secret-device").customer_id == transfer.to_id


def test_the_identifier_is_not_shown(transfer: IdentifierTransfer) -> None:
    client = log_in_as("Administrator")
    for address in (
        reverse(LIST),
        reverse("admin:identity_identifiertransfer_change", args=[transfer.pk]),
    ):
        response = client.get(address)
        assert response.status_code == 200
        assert "secret-device" not in response.content.decode()
