"""The states of a request: clock, pause, extension, rejection, and what remains of it."""

from datetime import timedelta

import pytest

from config.foundation.shop.models import ShopSettings
from config.foundation.shop.profile import forget_shop
from customers.identity.consent.ledger import read_latest_consents
from customers.identity.consent.restrictions import (
    find_restricted_customers,
    lift_restriction,
    read_active_restrictions,
    restrict_processing,
)
from customers.identity.models import Consent, Customer
from customers.privacy.models import IdentityProof, PrivacyRequest, RequestChannel, load_privacy_settings
from customers.privacy.requests.opening import NewRequest, open_request
from customers.privacy.requests.receipts import build_receipt
from customers.privacy.requests.workflow import (
    RequestStateError,
    cancel_request,
    extend_request,
    finish_request,
    pause_request,
    prove_identity,
    reject_request,
    reopen_request,
)
from tests.makers import NOON, make_consent, make_customer

pytestmark = pytest.mark.django_db


def open_erasure(customer: Customer | None, **options: str | None) -> PrivacyRequest:
    new = NewRequest(kind="erasure", channel=RequestChannel.OFFICER, customer=customer, **options)  # type: ignore[arg-type]
    return open_request(new, now=NOON)[0]


def choose_shop_country(country: str) -> None:
    ShopSettings.objects.update_or_create(pk=1, defaults={"country": country})
    forget_shop()


@pytest.mark.usefixtures("stored_shop")
def test_the_country_of_the_shop_decides_for_customers_without_a_country(mei: Customer) -> None:
    choose_shop_country("CN")
    lin = make_customer("lin")
    request = open_erasure(lin)
    assert (request.regulation, request.country) == ("pipl", "CN")
    assert open_erasure(None, email="unknown@shop.example").regulation == "pipl"
    german = open_erasure(mei)
    assert (german.regulation, german.country) == ("gdpr", "DE")
    settings = load_privacy_settings()
    assert settings.regulation == "pipl"
    settings.regulation = "ccpa"
    settings.save()
    saved = open_erasure(make_customer("wang"))
    assert (saved.regulation, saved.country) == ("ccpa", "CN")


def test_the_clock_stands_still_until_the_identity_is_proven(mei: Customer) -> None:
    request = open_erasure(mei, email="mei@shop.example")
    assert request.paused_at == NOON
    assert not PrivacyRequest.objects.overdue(NOON + timedelta(days=90)).exists()
    due_at = request.due_at
    request = prove_identity(request, proof=IdentityProof.DOCUMENT, at=NOON + timedelta(days=7))
    assert (request.paused_at, request.paused_seconds) == (None, 7 * 86400)
    assert request.due_at >= due_at + timedelta(days=6)
    assert PrivacyRequest.objects.overdue(NOON + timedelta(days=90)).exists()


def test_an_extension_is_possible_once_with_a_reason_and_in_time(mei: Customer) -> None:
    request = open_erasure(mei, proof=IdentityProof.DOCUMENT)
    with pytest.raises(RequestStateError):
        extend_request(request, reason=" ", at=NOON)
    with pytest.raises(RequestStateError):
        extend_request(request, reason="Many requests", at=request.due_at + timedelta(days=1))
    extended = extend_request(request, reason="Many requests", at=NOON)
    assert extended.due_at > request.due_at + timedelta(days=55)
    with pytest.raises(RequestStateError):
        extend_request(extended, reason="Still many", at=NOON)
    reject_request(extended, reason="identity", at=NOON)
    reopened = reopen_request(extended, at=NOON)
    assert (reopened.state, reopened.due_at) == ("extended", extended.due_at), "reopening keeps the extension"
    with pytest.raises(RequestStateError):
        extend_request(reopened, reason="Still many", at=NOON)
    proven = prove_identity(reopened, proof=IdentityProof.DOCUMENT, at=NOON)
    assert proven.due_at == extended.due_at


def test_a_second_request_of_the_same_kind_is_the_first(mei: Customer) -> None:
    first = open_erasure(mei)
    assert open_erasure(mei) == first
    reject_request(first, reason="identity", at=NOON)
    assert open_erasure(mei) != first
    with pytest.raises(RequestStateError):
        finish_request(PrivacyRequest.objects.get(pk=first.pk), at=NOON)
    assert reopen_request(first, at=NOON).is_open


def test_only_a_new_proof_proves_a_waiting_request(mei: Customer) -> None:
    first = open_erasure(mei, proof=IdentityProof.PLATFORM, external_id="webhook-1")
    pause_request(first, at=NOON)
    again = open_erasure(mei, proof=IdentityProof.PLATFORM, external_id="webhook-1")
    assert (again, again.paused_at) == (first, NOON), "an officer doubts what the webhook says"
    assert open_erasure(mei, waits_for_email=True).paused_at == NOON  # type: ignore[arg-type]
    proven = open_erasure(mei, proof=IdentityProof.DOCUMENT, email="mei@shop.example")
    assert (proven, proven.paused_at, proven.proof) == (first, None, "document")
    assert (proven.email, proven.external_id) == ("mei@shop.example", "webhook-1")


def test_an_erasure_that_has_begun_can_be_neither_rejected_nor_paused(mei: Customer) -> None:
    request = open_erasure(mei, proof=IdentityProof.DOCUMENT)
    PrivacyRequest.objects.update(erasure_run_id=1)
    for change in (
        lambda: reject_request(request, reason="identity", at=NOON),
        lambda: pause_request(request, at=NOON),
        lambda: cancel_request(request, at=NOON),
    ):
        with pytest.raises(RequestStateError):
            change()


def test_the_receipt_of_an_erasure_has_no_personal_data(mei: Customer) -> None:
    request = open_erasure(mei, email="mei@shop.example", note="Mei Lin called", proof=IdentityProof.DOCUMENT)
    done = finish_request(request, at=NOON, result={"rows": 3})
    assert (done.customer, done.email, done.note) == (None, "", "")
    receipt = build_receipt(done)
    assert (receipt["state"], receipt["result"]) == ("done", {"rows": 3})
    assert "mei" not in str(receipt).lower()
    assert [step["step"] for step in receipt["steps"]] == ["received", "done"]


def test_a_restriction_is_undone_as_it_was(mei: Customer) -> None:
    make_consent(mei, Consent.Purpose.EMAIL)
    restriction = restrict_processing(customer=mei, scope="all", at=NOON, source="request P-1")
    assert restrict_processing(customer=mei, scope="all", at=NOON, source="again") == restriction
    assert find_restricted_customers(customer_ids=[mei.pk]) == {mei.pk}
    restrict_processing(customer=mei, scope="marketing", at=NOON, source="request P-2")
    assert lift_restriction(restriction=restriction, at=NOON, source="officer") == [], (
        "the objection still covers email"
    )
    [objection] = read_active_restrictions(customer=mei)
    assert objection.scope == "marketing"
    assert lift_restriction(restriction=objection, at=NOON, source="officer") == ["email"], "it was granted before both"
    latest = {consent.purpose: consent.status for consent in read_latest_consents(customer=mei)}
    assert (latest["email"], latest["sms"]) == ("granted", "withdrawn")


def test_a_consent_that_was_withdrawn_during_two_restrictions_stays_withdrawn(mei: Customer) -> None:
    make_consent(mei, Consent.Purpose.EMAIL)
    everything = restrict_processing(customer=mei, scope="all", at=NOON, source="request P-1")
    objection = restrict_processing(customer=mei, scope="marketing", at=NOON, source="request P-2")
    make_consent(mei, Consent.Purpose.EMAIL, status="withdrawn")  # in the preference center
    for restriction in (objection, everything):
        assert lift_restriction(restriction=restriction, at=NOON, source="officer") == []
