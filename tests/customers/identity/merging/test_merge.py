"""Merging moves every row and loses none; reverting moves them back."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, connections, models

from customers.feedback.models import Review, SurveyAnswer
from customers.identity.consent.ledger import record_consent
from customers.identity.customer_upsert import CustomerChange, upsert_customers
from customers.identity.merging.merge import MergeError, merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import (
    Consent,
    ConsentDenial,
    Customer,
    Identifier,
    IdentityConflict,
    IdentityMerge,
    ProcessingRestriction,
)
from customers.identity.resolution.resolution import IdentityEvent, resolve_people
from customers.identity.signals import customers_merged
from customers.lifecycle.models import CustomerProfile, StageTransition
from customers.lifecycle.refresh.nightly import refresh_profiles
from customers.lifecycle.refresh.profile_updates import recount_customers
from customers.loyalty.models import LevelChange, LoyaltyMember, PointEntry, PointReservation
from customers.orders.models import Order
from customers.privacy.models import PrivacyRequest
from customers.segments.models import SegmentMember
from recommendations.offers.models import OfferExposure, QueuedOffer
from recommendations.serving.models import Impression
from recommendations.uplift.models import CustomerAction
from tests.makers import (
    NOON,
    make_consent,
    make_customer,
    make_identifier,
    make_order,
    make_product,
    make_segment,
)
from tests.recommendations.experiments import makers as experiment_makers
from tests.recommendations.offers.makers import make_offer
from tests.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.django_db
EARLIER = NOON - timedelta(days=30)
# computed again from facts, not moved
DERIVED = {"lifecycle.customerprofile", "lifecycle.stagetransition", "loyalty.loyaltymember", "uplift.customeraction"}


def merge_pair(kept: Customer, merged: Customer, cause: str = "test") -> int:
    return merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=[cause])[0]


def undo_merge(merge_id: int) -> None:
    revert_merge(merge_id=merge_id, at=NOON + timedelta(hours=1), by="anna")


def list_references() -> list[models.Field]:
    """Return every foreign key to a customer in the project."""
    return [
        field
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.ForeignKey) and field.related_model is Customer
    ]


def make_review(customer: Customer) -> Review:
    return Review.objects.create(
        review_id=f"r{customer.pk}", product=make_product(), customer=customer, rating=4, written_at=NOON
    )


def make_exposure(customer: Customer) -> OfferExposure:
    return OfferExposure.objects.create(
        exposure_id=uuid4(), offer=make_offer(), arm="shown", customer=customer, decided_at=NOON
    )


def make_queued_offer(customer: Customer) -> QueuedOffer:
    return QueuedOffer.objects.create(
        offer=make_offer(),
        customer=customer,
        origin_kind="flow",
        origin_id=customer.pk,
        queued_at=NOON,
        expires_at=NOON,
    )


MAKERS: dict[str, Callable[[Customer], Any]] = {
    "identity.identifier": lambda customer: make_identifier(customer, f"u{customer.pk}"),
    "identity.identitymerge": lambda customer: merge_pair(customer, make_customer(f"x{customer.pk}")),
    "identity.consent": make_consent,
    "identity.processingrestriction": lambda customer: ProcessingRestriction.objects.create(
        customer=customer, scope="profiling", since=NOON, source="test"
    ),
    "privacy.privacyrequest": lambda customer: PrivacyRequest.objects.create(
        customer=customer, kind="access", channel="officer", regulation="gdpr", received_at=NOON, due_at=NOON
    ),
    "orders.order": lambda customer: make_order(customer, placed_at=EARLIER),
    "feedback.review": make_review,
    "feedback.surveyanswer": lambda customer: SurveyAnswer.objects.create(
        customer=customer, kind="nps", score=9, answered_at=NOON
    ),
    "segments.segmentmember": lambda customer: SegmentMember.objects.create(
        segment=make_segment(f"s{customer.pk}", kind="fixed"), customer=customer
    ),
    # reverting moves back the impressions with one of the merged customer's ids; there may be thousands, so no list of them is stored
    "serving.impression": lambda customer: Impression.objects.create(
        recommendation_id=f"r{customer.pk}", user_id=f"u{customer.pk}", customer=customer, served_at=NOON
    ),
    "offers.offerexposure": make_exposure,
    "experiments.experimentexposure": experiment_makers.make_exposure,
    "offers.queuedoffer": make_queued_offer,
    "loyalty.loyaltymember": lambda customer: LoyaltyMember.objects.create(customer=customer),
    "loyalty.levelchange": lambda customer: LevelChange.objects.create(
        customer=customer, at=NOON, reason="joined", spend=0, order_count=0
    ),
    "loyalty.pointentry": lambda customer: PointEntry.objects.create(
        customer=customer, kind="manual", points=5, at=NOON, cause=f"manual:{customer.pk}"
    ),
    "loyalty.pointreservation": lambda customer: PointReservation.objects.create(
        customer=customer, points=5, created_at=NOON, expires_at=NOON
    ),
    "lifecycle.customerprofile": lambda customer: recount_customers(customer_ids=[customer.pk], as_of=NOON),
    "lifecycle.stagetransition": lambda customer: refresh_profiles(as_of=NOON, started_at=NOON),
    "uplift.customeraction": lambda customer: CustomerAction.objects.create(
        customer=customer, kind="none", message_effect="none", computed_at=NOON
    ),
}


def list_rows(customer: Customer) -> dict[str, set[Any]]:
    return {
        field.model._meta.label_lower: set(
            field.model._default_manager.filter(**{field.name: customer.pk}).values_list("pk", flat=True)
        )
        for field in list_references()
    }


def test_merging_and_reverting_lose_no_reference_to_a_customer() -> None:
    anna, bo = make_customer(created_at=EARLIER), make_customer()
    labels = {field.model._meta.label_lower for field in list_references()}
    assert labels == MAKERS.keys(), "a new reference to Customer needs a receiver of customers_merged, and a maker here"
    for make in MAKERS.values():
        make(anna)
        make(bo)
    annas_rows, bos_rows = list_rows(anna), list_rows(bo)
    assert all(annas_rows.values())
    assert all(bos_rows.values())
    merge = merge_pair(anna, bo)
    merged_rows = list_rows(anna)
    for label in labels - DERIVED - {"identity.identitymerge"}:
        assert merged_rows[label] == annas_rows[label] | bos_rows[label], label
    assert merged_rows["identity.identitymerge"] == annas_rows["identity.identitymerge"] | bos_rows[
        "identity.identitymerge"
    ] | {merge}
    assert CustomerProfile.objects.get(customer=anna).orders == 2
    assert {row.customer_id for row in StageTransition.objects.all()} == {anna.pk}
    assert not any(list_rows(bo).values())
    undo_merge(merge)
    for label in labels - DERIVED:
        merge_rows = {merge} if label == "identity.identitymerge" else set()
        assert list_rows(anna)[label] == annas_rows[label] | merge_rows, label
        assert list_rows(bo)[label] == bos_rows[label], label
    assert [CustomerProfile.objects.get(customer=customer).orders for customer in (anna, bo)] == [1, 1]
    assert {row.customer_id for row in StageTransition.objects.all()} == {anna.pk, bo.pk}


def test_unhandled_reference_stops_the_merge() -> None:
    anna, bo = make_customer("u1"), make_customer("u2")
    review = make_review(bo)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("customers.feedback.merge_receivers.MERGED_MODELS", (SurveyAnswer,))
        with pytest.raises(IntegrityError):
            merge_pair(anna, bo)
    review.refresh_from_db()
    assert (review.customer_id, Customer.objects.count()) == (bo.pk, 2)


def test_merge_fills_only_empty_fields_and_reverting_restores_encrypted_ones() -> None:
    anna = make_customer(
        "u1", name="Anna", country="DE", traits={"plan": "gold"}, first_seen_at=NOON, last_seen_at=NOON
    )
    times = {"first_seen_at": EARLIER, "last_seen_at": EARLIER}
    bo = make_customer("u2", name="Bo", email="bo@shop.org", traits={"plan": "free", "seats": 2}, **times)
    before = [Customer.objects.filter(pk=customer.pk).values().get() for customer in (anna, bo)]
    merge = merge_pair(anna, bo)
    kept_customer = Customer.objects.get()
    assert (kept_customer.name, kept_customer.email, kept_customer.country) == ("Anna", "bo@shop.org", "DE")
    assert (kept_customer.traits, kept_customer.first_seen_at, kept_customer.last_seen_at) == (
        {"plan": "gold", "seats": 2},
        EARLIER,
        NOON,
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT moved::text FROM identity_identitymerge")
        assert "bo@shop.org" not in cursor.fetchone()[0]
    undo_merge(merge)
    assert [Customer.objects.filter(pk=customer.pk).values().get() for customer in (anna, bo)] == before


def test_reverting_clears_filled_fields_that_were_encrypted_again_since() -> None:
    anna = make_customer("u1", name="Anna")
    bo = make_customer("u2", name="Bo", email="bo@shop.org", phone="+4930123456", birthday="1990-05-17", country="DE")
    merge = merge_pair(anna, bo)
    upsert_customers(changes=[CustomerChange("u1", {"language": "en", "phone": "+4930999999"})], seen_at=NOON)
    undo_merge(merge)
    anna.refresh_from_db()
    assert (anna.name, anna.email, anna.phone, anna.birthday, anna.country) == ("Anna", "", "+4930999999", "", "")
    assert set(anna.field_updated_at) == {"language", "phone"}
    bo.refresh_from_db()
    assert (bo.email, bo.phone, bo.birthday) == ("bo@shop.org", "+4930123456", "1990-05-17")


def test_rows_added_after_the_merge_stay_with_the_kept_customer() -> None:
    anna, bo = make_customer("u1"), make_customer("u2", email="bo@shop.org")
    old = make_order(bo, placed_at=EARLIER)
    merge = merge_pair(anna, bo)
    new = make_order(anna)
    Customer.objects.filter(pk=anna.pk).update(email="later@shop.org")
    make_identifier(anna, "a", kind="anonymous_id")
    undo_merge(merge)
    assert list(Order.objects.filter(customer=bo)) == [old]
    assert list(Order.objects.filter(customer=anna)) == [new]
    anna.refresh_from_db()
    assert anna.email
    assert Identifier.objects.get(value="a").customer_id == anna.pk
    assert Identifier.objects.get(value="u2").customer_id == bo.pk


def test_merge_inside_a_later_one_can_be_reverted_only_after_it() -> None:
    anna, bo, cy = make_customer("u1"), make_customer("u2"), make_customer("u3")
    inner = merge_pair(bo, cy)
    outer = merge_pair(anna, bo)
    assert Identifier.objects.filter(customer=anna).count() == 3
    with pytest.raises(MergeError, match=f"merge {outer} .*undo that one first") as error_info:
        undo_merge(inner)
    assert error_info.value.code == "inside_later_merge"
    undo_merge(outer)
    assert Identifier.objects.get(value="u3").customer_id == bo.pk
    undo_merge(inner)
    owners = dict(Identifier.objects.values_list("value", "customer_id"))
    assert owners == {"u1": anna.pk, "u2": bo.pk, "u3": cy.pk}
    with pytest.raises(MergeError, match="already undone"):
        undo_merge(inner)


def test_two_merges_into_one_customer_can_be_reverted_in_any_order() -> None:
    anna, bo, cy = make_customer("u1"), make_customer("u2"), make_customer("u3")
    first, second = merge_customers(pairs=[(anna.pk, bo.pk), (anna.pk, cy.pk)], at=NOON, causes=["a", "b"])
    undo_merge(first)
    undo_merge(second)
    assert set(Identifier.objects.values_list("value", "customer_id")) == {
        ("u1", anna.pk),
        ("u2", bo.pk),
        ("u3", cy.pk),
    }


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (1, 2, 0), (2, 1, 0)])
def test_undone_merges_leave_no_times_of_the_other_customers(order: tuple[int, ...]) -> None:
    days = {"u1": 0, "u2": 5, "u3": 3, "u4": 9}
    customers = [
        make_customer(name, first_seen_at=NOON - timedelta(days=number), last_seen_at=NOON + timedelta(days=number))
        for name, number in days.items()
    ]
    anna, *others = customers
    merges = [merge_pair(anna, other) for other in others]
    merged = dict(zip(merges, (5, 3, 9), strict=True))
    for position in order:
        undo_merge(merges[position])
        del merged[merges[position]]
        anna.refresh_from_db()
        reach = timedelta(days=max(merged.values(), default=0))
        assert (anna.first_seen_at, anna.last_seen_at) == (NOON - reach, NOON + reach)


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([(0, 1), (1, 2)], "kept_and_merged"),
        ([(0, 1), (2, 1)], "merged_twice"),
        ([(0, 0)], "kept_and_merged"),
        ([(0, 99)], "not_found"),
        ([(0, 3)], "erased"),
    ],
)
def test_invalid_pairs_are_rejected(pairs: list[tuple[int, int]], code: str) -> None:
    customers = [make_customer("u0"), make_customer("u1"), make_customer("u2"), make_customer("u3", erased_at=NOON)]
    ids = {number: customer.pk for number, customer in enumerate(customers)} | {99: 10**9}
    with pytest.raises(MergeError) as error_info:
        merge_customers(pairs=[(ids[kept], ids[merged]) for kept, merged in pairs], at=NOON, causes=["x"] * len(pairs))
    assert error_info.value.code == code
    assert (Customer.objects.count(), IdentityMerge.objects.count()) == (4, 0)


def test_consent_denial_covers_all_identifiers_of_the_merged_customer_until_reverted() -> None:
    anna, bo = make_customer("u1"), make_customer("u2")
    make_identifier(bo, "a", kind="anonymous_id")
    record_consent(customer=bo, purpose="analytics", status="withdrawn", recorded_at=NOON)
    record_consent(customer=bo, purpose="email", status="withdrawn", recorded_at=NOON)

    def list_denials() -> set[tuple[str, str, str]]:
        return set(ConsentDenial.objects.values_list("kind", "value", "purpose"))

    bos_denials = {("user_id", "u2", "analytics"), ("anonymous_id", "a", "analytics")}
    assert list_denials() == bos_denials
    merge = merge_pair(anna, bo)
    assert list_denials() == bos_denials | {("user_id", "u1", "analytics")}
    undo_merge(merge)
    assert list_denials() == bos_denials
    record_consent(customer=bo, purpose="analytics", status="granted", recorded_at=NOON + timedelta(days=1))
    assert list_denials() == set()


def test_consent_denial_covers_identifiers_added_later() -> None:
    bo = make_customer("u2")
    record_consent(customer=bo, purpose="personalisation", status="withdrawn", recorded_at=NOON)
    event = IdentityEvent(source_id=1, message_id="m", type="track", occurred_at=NOON, user_id="u2", anonymous_id="a")
    resolve_people(events=[event], at=NOON)
    assert set(ConsentDenial.objects.values_list("value", "purpose")) == {
        ("u2", "personalisation"),
        ("a", "personalisation"),
    }


def test_membership_of_a_static_segment_is_merged_and_restored() -> None:
    anna, bo, cy = make_customer("u1"), make_customer("u2"), make_customer("u3")
    shared, bos_segment = make_segment("shared", kind="fixed"), make_segment("his", kind="fixed")
    for segment, customer in ((shared, anna), (shared, bo), (bos_segment, bo), (bos_segment, cy)):
        SegmentMember.objects.create(segment=segment, customer=customer)

    def list_memberships() -> set[tuple[str, int]]:
        return set(SegmentMember.objects.values_list("segment__key", "customer_id"))

    before = list_memberships()
    merges = merge_customers(pairs=[(anna.pk, bo.pk), (anna.pk, cy.pk)], at=NOON, causes=["a", "b"])
    assert list_memberships() == {("shared", anna.pk), ("his", anna.pk)}
    for merge in merges:
        undo_merge(merge)
    assert list_memberships() == before


def test_conflict_is_resolved_by_the_merge_and_reopened_by_reverting() -> None:
    fields = {"source_id": 1, "type": "track", "occurred_at": NOON, "anonymous_id": "a"}
    events = [IdentityEvent(message_id=f"m{user}", user_id=user, **fields) for user in ("u1", "u2")]
    anna, bo = (
        Customer.objects.get(pk=customer_id) for customer_id in resolve_people(events=events, at=NOON).customer_ids
    )
    merge = merge_pair(anna, bo)
    conflict = IdentityConflict.objects.get()
    assert (conflict.status, conflict.resolution, conflict.customer_ids) == ("resolved", "merged", [anna.pk])
    undo_merge(merge)
    conflict.refresh_from_db()
    assert (conflict.status, conflict.resolution, conflict.customer_ids) == ("open", "", [anna.pk, bo.pk])


def test_number_of_queries_for_a_hundred_merges_is_limited(django_assert_max_num_queries: Any) -> None:
    customers = [make_customer(f"u{number}") for number in range(200)]
    pairs = [(kept.pk, merged.pk) for kept, merged in zip(customers[::2], customers[1::2], strict=True)]
    # the same for any number of merges; each room with data of customers adds a few
    with django_assert_max_num_queries(72):
        merge_customers(pairs=pairs, at=NOON, causes=["x"] * len(pairs))
    assert Customer.objects.count() == 100


@pytest.fixture
def closing() -> Iterator[None]:
    yield
    connections.close_all()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("closing")
def test_order_written_during_the_merge_is_moved_too() -> None:
    anna, bo = make_customer("u1"), make_customer("u2")
    make_product()
    rows_moved, order_written = threading.Event(), threading.Event()

    def write_order() -> None:
        rows_moved.wait(DEADLINE_SECONDS)
        try:
            make_order(bo)
        finally:
            order_written.set()
            connections.close_all()

    def wait_for_order(**_kwargs: Any) -> None:
        rows_moved.set()
        order_written.wait(DEADLINE_SECONDS)

    customers_merged.connect(wait_for_order)
    try:
        with ThreadPoolExecutor(1) as pool:
            writer = pool.submit(write_order)
            merge_pair(anna, bo)
            writer.result()
    finally:
        customers_merged.disconnect(wait_for_order)
    assert Order.objects.get().customer_id == anna.pk
    assert Consent.objects.count() == 0
