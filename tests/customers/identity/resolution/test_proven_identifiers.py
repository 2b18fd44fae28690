"""Proven identifiers win over those that only a browser has linked: limits, squatted addresses, and undoing both."""

from datetime import timedelta
from importlib import import_module
from typing import Any

import pytest
from django.db import connection

from customers.events.models import Source
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.merging.merge import MergeError, merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.merging.transfers import revert_transfer
from customers.identity.models import Consent, Customer, Identifier, IdentifierTransfer, IdentityConflict, IdentityMerge
from customers.identity.personal_data.hashing import hash_email
from customers.identity.resolution.resolution import IdentityEvent, ResolutionResult, resolve_people
from customers.identity.resolution.resolution_rules import LIMITS
from customers.lifecycle.models import CustomerProfile
from tests.customers.events.makers import make_event as make_stored_event
from tests.makers import NOON, make_customer, make_identifier, make_source

pytestmark = pytest.mark.django_db
LIMIT = LIMITS["anonymous_id"]
ADDRESS = "ana@shop.org"


def make_event(message_id: str = "m", *, type: str = "track", **fields: Any) -> IdentityEvent:
    return IdentityEvent(source_id=1, message_id=message_id, type=type, occurred_at=NOON, **fields)


def make_browser_event(**fields: Any) -> IdentityEvent:
    return make_event(**{"is_trusted": False, "is_verified": False, **fields})


def resolve(*events: IdentityEvent) -> ResolutionResult:
    return resolve_people(events=events, at=NOON)


def get_owner_id(kind: str, value: str) -> int:
    return Identifier.objects.get(kind=kind, value=value).customer_id


def fill_up(user_id: str = "u1") -> Customer:
    """Return a customer to whom a browser without user tokens has linked as many visitors as are allowed."""
    customer = make_customer(user_id)
    Identifier.objects.bulk_create(
        Identifier(kind="anonymous_id", value=f"fake-{n}", customer=customer, is_proven=False, linked_by=f"m{n}")
        for n in range(LIMIT)
    )
    return customer


@pytest.mark.parametrize("proof", [{"is_trusted": True}, {"is_trusted": False, "is_verified": True}])
@pytest.mark.parametrize("is_known", [False, True])
def test_the_real_device_of_a_customer_replaces_the_oldest_unproven_one(proof: dict[str, bool], is_known: bool) -> None:
    ana = fill_up()
    if is_known:
        resolve(make_browser_event(anonymous_id="home"))
    result = resolve(make_event(user_id="u1", anonymous_id="home", **proof))
    assert result.customer_ids == [ana.pk]
    assert get_owner_id("anonymous_id", "home") == ana.pk
    assert Identifier.objects.get(value="home").is_proven
    assert ana.identifiers.filter(kind="anonymous_id").count() == LIMIT
    # the events of the oldest one stay with a visitor
    visitor_id = get_owner_id("anonymous_id", "fake-0")
    assert visitor_id != ana.pk
    assert resolve(make_browser_event(anonymous_id="fake-0")).customer_ids == [visitor_id]
    transfer = IdentifierTransfer.objects.get()
    assert (transfer.from_id, transfer.to_id, transfer.reason, transfer.cause) == (ana.pk, visitor_id, "limit", "m")
    assert IdentityConflict.objects.get().reason == "limit"


def test_an_unproven_device_evicts_nobody() -> None:
    ana = fill_up()
    resolve(make_browser_event(user_id="u1", anonymous_id="more"))
    assert not Identifier.objects.filter(value="more").exists()
    assert ana.identifiers.filter(kind="anonymous_id").count() == LIMIT
    assert IdentityConflict.objects.get().reason == "limit"


def test_proven_devices_are_never_evicted() -> None:
    ana = fill_up()
    ana.identifiers.update(is_proven=True)
    resolve(make_event(user_id="u1", anonymous_id="home"))
    assert not Identifier.objects.filter(value="home").exists()
    assert not IdentifierTransfer.objects.exists()


def test_a_device_that_is_proven_later_is_kept() -> None:
    ana = fill_up()
    resolve(make_event(user_id="u1", anonymous_id="fake-0", is_trusted=False))
    resolve(*(make_event(user_id="u1", anonymous_id=f"home-{n}") for n in range(3)))
    assert set(ana.identifiers.filter(is_proven=True).values_list("value", flat=True)) == {
        "u1",
        "fake-0",
        *(f"home-{n}" for n in range(3)),
    }
    assert set(IdentifierTransfer.objects.values_list("identifier__value", flat=True)) == {"fake-1", "fake-2", "fake-3"}


def test_a_visitor_of_their_own_keeps_what_the_customer_has_denied() -> None:
    ana = fill_up()
    Consent.objects.create(customer=ana, purpose="analytics", status="withdrawn", recorded_at=NOON)
    resolve(make_event(user_id="u1", anonymous_id="home"))
    assert Consent.objects.get(customer_id=get_owner_id("anonymous_id", "fake-0")).status == "withdrawn"


def test_both_profiles_are_recounted_after_an_eviction() -> None:
    ana = fill_up()
    for number in range(3):
        make_stored_event(user_id="", anonymous_id="fake-0", at=NOON - timedelta(minutes=number))
    resolve(make_event(user_id="u1", anonymous_id="home"))
    counts = dict(CustomerProfile.objects.values_list("customer_id", "events"))
    assert counts == {ana.pk: 0, get_owner_id("anonymous_id", "fake-0"): 3}


def test_merges_can_be_undone_after_an_eviction() -> None:
    ana = fill_up()
    [visitor] = resolve(make_browser_event(anonymous_id="home")).customer_ids
    resolve(make_event(user_id="u1", anonymous_id="home"))
    revert_merge(merge_id=IdentityMerge.objects.get().pk, at=NOON, by="ana")
    assert get_owner_id("anonymous_id", "home") == visitor
    assert get_owner_id("anonymous_id", "fake-0") not in (ana.pk, visitor)
    assert ana.identifiers.filter(kind="anonymous_id").count() == LIMIT - 1


def test_an_eviction_can_be_undone_and_is_not_repeated() -> None:
    ana = fill_up()
    resolve(make_event(user_id="u1", anonymous_id="home"))
    transfer = IdentifierTransfer.objects.get()
    revert_transfer(transfer_id=transfer.pk, at=NOON, by="ana")
    assert get_owner_id("anonymous_id", "fake-0") == ana.pk
    transfer.refresh_from_db()
    assert (transfer.reverted_at, transfer.reverted_by) == (NOON, "ana")
    resolve(make_event(user_id="u1", anonymous_id="phone"))
    assert get_owner_id("anonymous_id", "fake-0") == ana.pk
    with pytest.raises(MergeError, match="already undone"):
        revert_transfer(transfer_id=transfer.pk, at=NOON, by="ana")


def squat(user_id: str = "", **fields: Any) -> Customer:
    """Return someone to whom a browser linked an address when every source could do that."""
    squatter = make_customer(user_id, email=ADDRESS, **fields) if user_id else Customer.objects.create(email=ADDRESS)
    make_identifier(squatter, "evil", kind="anonymous_id", is_proven=False)
    make_identifier(squatter, hash_email(ADDRESS), kind="email_hash", is_proven=False, linked_by="old")
    return squatter


@pytest.mark.parametrize("squatter_id", ["", "evil-user"])
@pytest.mark.parametrize(
    "ids", [{"user_id": "u1"}, {"user_id": "u1", "anonymous_id": "home"}, {"anonymous_id": "home"}]
)
@pytest.mark.parametrize("is_known", [False, True])
def test_a_trusted_claim_undoes_squatting(squatter_id: str, ids: dict[str, str], is_known: bool) -> None:
    squatter = squat(squatter_id)
    known = resolve(make_event(**ids)).customer_ids[0] if is_known else None
    [ana_id] = resolve(make_event("m-claim", type="identify", email=ADDRESS, **ids)).customer_ids
    assert ana_id != squatter.pk
    assert known in (None, ana_id)
    assert get_owner_id("email_hash", hash_email(ADDRESS)) == ana_id
    assert Customer.objects.get(pk=ana_id).email == ADDRESS
    squatter.refresh_from_db()
    assert squatter.email == ""
    # the squatter's activity stays with the squatter
    assert get_owner_id("anonymous_id", "evil") == squatter.pk
    assert not IdentityMerge.objects.exists()
    assert not IdentityConflict.objects.exists()
    transfer = IdentifierTransfer.objects.get()
    assert (transfer.from_id, transfer.to_id, transfer.reason, transfer.cause) == (
        squatter.pk,
        ana_id,
        "proven_claim",
        "m-claim",
    )


def test_a_trusted_claim_can_be_undone_and_is_not_repeated() -> None:
    squatter = squat("u2", field_updated_at={"email": 5})
    claim = make_event(type="identify", user_id="u1", email=ADDRESS)
    resolve(claim)
    revert_transfer(transfer_id=IdentifierTransfer.objects.get().pk, at=NOON, by="ana")
    squatter.refresh_from_db()
    assert (squatter.email, squatter.field_updated_at) == (ADDRESS, {"email": 5})
    assert get_owner_id("email_hash", hash_email(ADDRESS)) == squatter.pk
    resolve(claim)
    assert get_owner_id("email_hash", hash_email(ADDRESS)) == squatter.pk
    assert IdentityConflict.objects.get().reason == "two_user_ids"


def test_a_claim_can_be_undone_after_the_old_holder_was_merged() -> None:
    squatter, other = squat("u2"), make_customer()
    resolve(make_event(type="identify", user_id="u1", email=ADDRESS))
    merge_customers(pairs=[(other.pk, squatter.pk)], at=NOON, causes=["ana"])
    revert_transfer(transfer_id=IdentifierTransfer.objects.get().pk, at=NOON, by="ana")
    assert get_owner_id("email_hash", hash_email(ADDRESS)) == other.pk


def test_a_claim_of_a_browser_takes_nothing() -> None:
    squatter = squat()
    resolve(make_browser_event(type="identify", user_id="u1", claimed_email=ADDRESS))
    assert get_owner_id("email_hash", hash_email(ADDRESS)) == squatter.pk


def test_a_proven_address_is_a_conflict_as_before() -> None:
    ana = make_customer("u1")
    make_identifier(ana, hash_email(ADDRESS), kind="email_hash")
    resolve(make_event(type="identify", user_id="u2", email=ADDRESS))
    assert get_owner_id("email_hash", hash_email(ADDRESS)) == ana.pk
    assert IdentityConflict.objects.get().reason == "two_user_ids"


def test_the_rest_api_takes_a_squatted_address() -> None:
    squatter = squat("evil-user")
    result = upsert_customers(changes=[CustomerChange("u1", {"email": ADDRESS})], seen_at=NOON)
    assert (result.created, result.rejected) == (1, 0)
    ana_id = get_owner_id("email_hash", hash_email(ADDRESS))
    assert ana_id == get_owner_id("user_id", "u1") != squatter.pk
    squatter.refresh_from_db()
    assert squatter.email == ""
    assert IdentifierTransfer.objects.get().to_id == ana_id


def test_existing_links_are_unproven_if_only_a_browser_made_them() -> None:
    browser, server = make_source("web", kind=Source.Kind.BROWSER), make_source("server", kind=Source.Kind.SERVER)
    for source, message_id in (
        (browser, "by-browser"),
        (browser, "by-both"),
        (server, "by-both"),
        (server, "by-server"),
    ):
        make_stored_event(source, message_id=message_id)
    ana = make_customer("u1")
    ana.identifiers.update(linked_by="by-browser")
    for number, cause in enumerate(("by-browser", "by-both", "by-server", "unknown", "")):
        make_identifier(ana, f"a{number}", kind="anonymous_id", linked_by=cause)
    migration = import_module("customers.identity.migrations.0002_proven_identifiers")
    with connection.cursor() as cursor:
        cursor.execute(migration.MARK_UNPROVEN)
    assert list(ana.identifiers.filter(is_proven=False).values_list("value", flat=True)) == ["a0"]
