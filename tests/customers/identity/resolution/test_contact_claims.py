"""Addresses that browsers claim are kept as hashes, link nobody, and are confirmed by events of the shop's server."""

from datetime import timedelta
from typing import Any

import pytest

from customers.identity.models import ContactClaim, Customer, Identifier
from customers.identity.personal_data.hashing import hash_email, hash_phone
from customers.identity.resolution.contact_claims import CLAIM_LIFETIME, MAX_CLAIMS
from customers.identity.resolution.resolution import IdentityEvent, resolve_people
from tests.makers import NOON, make_customer, make_identifier

pytestmark = pytest.mark.django_db
ADDRESS = "ana@shop.org"
IS_LINKED = {"kind": "email_hash", "value": hash_email(ADDRESS)}


def claim(address: str = ADDRESS, *, at: Any = NOON, **fields: Any) -> None:
    fields = {"anonymous_id": "home", "claimed_email": address, "is_trusted": False, "is_verified": False, **fields}
    send("identify", at=at, **fields)


def send(type: str, *, at: Any = NOON, **fields: Any) -> None:
    resolve_people(events=[IdentityEvent(1, "m", type, at, **fields)], at=at)


def test_a_claim_is_kept_as_a_hash_and_links_nobody() -> None:
    claim(claimed_phone="+49 30 1234567")
    assert set(ContactClaim.objects.values_list("identifier__value", "kind", "value")) == {
        ("home", "email_hash", hash_email(ADDRESS)),
        ("home", "phone_hash", hash_phone("+49 30 1234567")),
    }
    assert set(Identifier.objects.values_list("kind", flat=True)) == {"anonymous_id"}
    assert Customer.objects.get().email == ""


@pytest.mark.parametrize("type", ["track", "identify"])
@pytest.mark.parametrize("ids", [{"anonymous_id": "home"}, {"user_id": "u1"}])
def test_a_server_event_for_the_same_person_confirms_a_claim(type: str, ids: dict[str, str]) -> None:
    make_customer("u1")
    claim()
    send("track", user_id="u1", anonymous_id="home")
    email = {"email": ADDRESS} if type == "identify" else {}
    send(type, claimed_email=ADDRESS, **ids, **email)
    customer = Identifier.objects.get(**IS_LINKED).customer
    assert customer.email == ADDRESS
    assert customer.identifiers.filter(value="home").exists()
    assert not ContactClaim.objects.exists()


def test_only_the_same_person_and_the_same_address_confirm() -> None:
    claim()
    send("track", anonymous_id="other", claimed_email=ADDRESS)
    send("track", anonymous_id="home", claimed_email="other@shop.org")
    claim(anonymous_id="third")
    assert not Identifier.objects.filter(kind="email_hash").exists()
    assert ContactClaim.objects.count() == 2


def test_an_address_of_someone_else_is_not_linked_by_an_order_with_it() -> None:
    victim = make_customer("victim", email=ADDRESS)
    make_identifier(victim, hash_email(ADDRESS), kind="email_hash")
    claim()
    send("track", anonymous_id="home", claimed_email=ADDRESS)
    assert Identifier.objects.get(**IS_LINKED).customer_id == victim.pk
    assert Identifier.objects.get(value="home").customer_id != victim.pk


def test_claims_are_bounded_for_each_visitor_and_the_newest_are_kept() -> None:
    for number in range(MAX_CLAIMS + 3):
        claim(f"a{number}@shop.org", at=NOON + timedelta(minutes=number))
    assert set(ContactClaim.objects.values_list("value", flat=True)) == {
        hash_email(f"a{number}@shop.org") for number in range(3, MAX_CLAIMS + 3)
    }


def test_claims_expire_and_are_deleted() -> None:
    claim()
    late = NOON + CLAIM_LIFETIME + timedelta(seconds=1)
    send("track", anonymous_id="home", claimed_email=ADDRESS, at=late)
    assert not Identifier.objects.filter(**IS_LINKED).exists()
    claim(anonymous_id="third", at=late)
    assert ContactClaim.objects.get().identifier.value == "third"


def test_a_user_id_without_a_token_collects_no_claims() -> None:
    make_customer("u1")
    claim(user_id="u1", anonymous_id="")
    assert not ContactClaim.objects.exists()
    claim(user_id="u1", anonymous_id="", is_verified=True)
    assert ContactClaim.objects.get().identifier.value == "u1"
