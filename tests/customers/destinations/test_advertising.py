"""Meta and Google: hashed identifiers, refused records, audiences that follow segments and consents."""

import json
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.db import OperationalError, transaction

from customers.destinations.kinds import google, meta
from customers.destinations.kinds.base import AudienceChange, SharedPerson
from customers.destinations.kinds.hashing import compute_sha256, normalize_google_email, normalize_phone
from customers.destinations.models import (
    AdAudienceMember,
    Destination,
    DestinationBatch,
    OutgoingRecord,
    RemovalRequest,
)
from customers.destinations.outbox import audiences, collecting, removals, sending, sharing
from customers.destinations.recipients import list_destination_recipients
from customers.erasure.runner import erase_customers
from customers.identity.models import Customer, ProcessingRestriction
from customers.segments.models import Segment, SegmentMember
from tests.customers.connectors.platforms.platform_server import SERVER_ERROR, Answer
from tests.customers.destinations.makers import make_destination, make_sharing_customer, set_sharing
from tests.customers.destinations.receivers import Receiver, make_google_error
from tests.makers import NOON, make_order, make_product, make_segment
from tests.waiting import DEADLINE_SECONDS, run_elsewhere

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def ads(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setattr(meta, "GRAPH_URL", f"{receiver.url}/graph/v26.0")
    monkeypatch.setattr(google, "API_URL", f"{receiver.url}/v1")
    monkeypatch.setattr(google, "TOKEN_URL", f"{receiver.url}/token")
    return receiver


@pytest.fixture(scope="session")
def key_file() -> str:
    key = generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return json.dumps({"type": "service_account", "client_email": "ads@shop.example", "private_key": pem})


def make_google(key_file: str, segment: Segment | None = None) -> Destination:
    options: dict[str, Any] = {"account_id": "1234567890", "conversion_action_id": "55"}
    if segment is not None:
        options["audience_ids"] = {str(segment.pk): "77"}
    return make_destination("google_ads", options, {"key_file": key_file})


def run(at: Any) -> int:
    collecting.collect_records(at=at)
    return sending.send_due(at=at, seconds=DEADLINE_SECONDS)


def hash_text(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("phone", "country", "normal"),
    [
        ("+1 (650) 555-1212", "", "16505551212"),
        ("(650)555-1212", "US", "16505551212"),
        ("0049 170 1234567", "", "491701234567"),
        ("0170 1234567", "de", "491701234567"),
        ("13800138000", "CN", "8613800138000"),
        ("555 1212", "", ""),
        ("123", "US", ""),
    ],
)
def test_phone_numbers_are_sent_with_their_country_code_or_not_at_all(phone: str, country: str, normal: str) -> None:
    assert normalize_phone(phone, country) == normal


def test_hashes_are_those_of_the_published_examples() -> None:
    assert compute_sha256("john_smith@gmail.com") == "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"
    assert compute_sha256("16505551212") == "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"
    assert normalize_google_email(" Cloudy.SanFrancisco@Gmail.com ") == "cloudysanfrancisco@gmail.com"
    assert normalize_google_email("Dana.M@Example.com") == "dana.m@example.com"


def test_meta_gets_purchases_and_only_the_refused_one_is_not_delivered(ads: Receiver) -> None:
    destination = make_destination("meta", {"pixel_id": "42"}, {"access_token": "good"})
    ada = make_sharing_customer("ada", name="Ada Moss", phone="+16505551212")
    for number in range(5):
        make_order(ada, products=[make_product()], order_id=f"o-{number}", placed_at=NOON)
    make_order(ada, order_id="old", placed_at=NOON - timedelta(days=8))
    make_order(ada, order_id="failed", placed_at=NOON, status="cancelled")
    ads.bad_orders = {"o-3"}
    assert run(NOON) == 4
    assert sorted(event["event_id"] for event in ads.items) == ["o-0", "o-1", "o-2", "o-4"]
    event = ads.items[0]
    assert (event["event_name"], event["action_source"]) == ("Purchase", "system_generated")
    assert event["user_data"]["em"] == [hash_text("ada@example.com")]
    assert event["user_data"]["ph"] == [hash_text("16505551212")]
    assert event["user_data"]["fn"] == [hash_text("ada")]
    assert event["user_data"]["external_id"] == [hash_text("ada")]
    assert event["custom_data"]["value"] == 10
    dead = OutgoingRecord.objects.get(status="dead")
    assert "The currency is not valid." in dead.error
    reasons = OutgoingRecord.objects.filter(status="skipped").order_by("id").values_list("error", flat=True)
    assert list(reasons) == ["older than 7 days, which the destination refuses", "canceled"]
    ads.bad_orders = set()
    assert sending.retry_dead(destination, record_id=dead.pk) == 1
    assert run(NOON + MINUTE) == 1


def test_a_token_of_meta_that_is_no_longer_valid_is_a_problem(ads: Receiver) -> None:
    destination = make_destination("meta", {"pixel_id": "42"}, {"access_token": "old"})
    make_order(make_sharing_customer("ada"))
    run(NOON)
    destination.refresh_from_db()
    assert "Invalid OAuth access token. (190)" in destination.problem
    assert OutgoingRecord.objects.get().status == "waiting"


def test_a_chinese_customer_is_sent_abroad_only_with_the_separate_consent(ads: Receiver) -> None:
    make_destination("meta", {"pixel_id": "42"}, {"access_token": "good"})
    make_order(make_sharing_customer("li", country="CN"))
    run(NOON)
    assert OutgoingRecord.objects.get().status == "not_consented"


def test_google_gets_conversions_and_says_later_which_it_could_not_use(ads: Receiver, key_file: str) -> None:
    make_google(key_file)
    make_order(make_sharing_customer("ada", phone="+16505551212"), order_id="o-1", products=[make_product()])
    make_order(make_sharing_customer("bo", email=""), order_id="o-2")
    make_order(make_sharing_customer("cy"), order_id="bad")
    make_order(make_sharing_customer("di"), order_id="failed", status="cancelled")
    ads.bad_orders = {"bad"}
    assert run(NOON) == 1
    [event] = ads.items
    assert (event["transactionId"], event["eventSource"], event["conversionValue"]) == ("o-1", "WEB", 10)
    hashes = [{"emailAddress": hash_text("ada@example.com")}, {"phoneNumber": hash_text("+16505551212")}]
    assert event["userData"]["userIdentifiers"] == hashes
    assert "events.events[0].currency" in OutgoingRecord.objects.get(status="dead").error
    reasons = OutgoingRecord.objects.filter(status="skipped").order_by("id").values_list("error", flat=True)
    assert list(reasons) == ["no email address or phone number", "canceled"]
    ads.request_status = {"requestStatus": "PROCESSING"}
    assert sending.read_notices(at=NOON + 15 * MINUTE) == 0
    counts = [{"reason": "PROCESSING_ERROR_REASON_INVALID_CUSTOM_VARIABLE", "recordCount": "1"}]
    ads.request_status = {"requestStatus": "PARTIAL_SUCCESS", "errorInfo": {"errorCounts": counts}}
    assert sending.read_notices(at=NOON + 30 * MINUTE) == 1
    assert "INVALID_CUSTOM_VARIABLE: 1" in DestinationBatch.objects.get(status="sent").notice


def test_an_audience_follows_the_segment_the_consent_and_erasures(ads: Receiver, key_file: str) -> None:
    people = [make_sharing_customer(name) for name in ("ada", "bo", "cy", "di")]
    segment = make_segment("vip", kind="static")
    SegmentMember.objects.bulk_create(SegmentMember(segment=segment, customer=person) for person in people)
    make_google(key_file, segment)
    ads.faults = [SERVER_ERROR]
    assert audiences.synchronize_audiences(at=NOON) == 0
    assert audiences.synchronize_audiences(at=NOON) == 4
    assert len(ads.lists["77"]) == 4
    ada, bo, cy, _di = people
    set_sharing(ada, "withdrawn", at=NOON + MINUTE)
    SegmentMember.objects.filter(customer=bo).delete()
    assert audiences.synchronize_audiences(at=NOON + 2 * MINUTE) == 2
    assert ads.lists["77"] == {hash_text("cy@example.com"), hash_text("di@example.com")}
    erase_customers([cy.pk], requested_by="test", at=NOON)
    assert AdAudienceMember.objects.count() == 1
    assert removals.send_removals(at=NOON + 3 * MINUTE) == 1
    assert ads.lists["77"] == {hash_text("di@example.com")}
    calls = len(ads.calls)
    assert audiences.synchronize_audiences(at=NOON + 4 * MINUTE) == 0
    assert len(ads.calls) == calls


@pytest.mark.django_db(transaction=True)
def test_an_erasure_during_a_request_that_adds_the_person_removes_the_person_afterwards(
    ads: Receiver, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, segment = make_sharing_customer("ada"), make_segment("vip", kind="static")
    SegmentMember.objects.create(segment=segment, customer=ada)
    make_google(key_file, segment)
    add_to_audience = google.GoogleAds.add_to_audience

    def erase_first(kind: google.GoogleAds, change: AudienceChange) -> None:
        def erase() -> int:
            erase_customers([ada.pk], requested_by="test", at=NOON)
            return removals.send_removals(at=NOON + MINUTE)

        assert run_elsewhere(erase) == 0, "the request that adds the person would arrive later"
        add_to_audience(kind, change)

    monkeypatch.setattr(google.GoogleAds, "add_to_audience", erase_first)
    audiences.synchronize_audiences(at=NOON)
    assert ads.lists["77"] == {hash_text("ada@example.com")}
    assert removals.send_removals(at=NOON + 2 * MINUTE) == 1
    assert ads.lists["77"] == set()


@pytest.mark.django_db(transaction=True)
def test_nobody_is_erased_between_reading_and_storing_whom_a_request_adds(
    ads: Receiver, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, segment = make_sharing_customer("ada"), make_segment("vip", kind="static")
    SegmentMember.objects.create(segment=segment, customer=ada)
    make_google(key_file, segment)

    def lock_for_erasure() -> None:
        with transaction.atomic():  # as the erasure does, but without waiting
            Customer.objects.select_for_update(nowait=True).get(pk=ada.pk)

    def hash_later(person: SharedPerson) -> dict[str, list[str]]:
        with pytest.raises(OperationalError, match="could not obtain lock"):
            run_elsewhere(lock_for_erasure)
        return google.hash_person(person)

    monkeypatch.setattr(audiences, "hash_person", hash_later)
    assert audiences.synchronize_audiences(at=NOON) == 1


def test_nobody_is_decrypted_again_for_an_audience_that_has_not_changed(
    ads: Receiver, key_file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [make_sharing_customer("ada"), make_sharing_customer("guest", email="")]
    people.append(make_sharing_customer("caller", email="", phone="+16505551212"))
    segment = make_segment("vip", kind="static")
    SegmentMember.objects.bulk_create(SegmentMember(segment=segment, customer=person) for person in people)
    make_google(key_file, segment)
    read: list[int] = []

    def read_people(customer_ids: Any) -> dict[int, SharedPerson]:
        read.extend(customer_ids)
        return sharing.read_people(customer_ids)

    monkeypatch.setattr(audiences, "read_people", read_people)
    assert audiences.synchronize_audiences(at=NOON) == 2
    assert sorted(read) == [people[0].pk, people[2].pk], "the guest has neither an email address nor a phone number"
    assert audiences.synchronize_audiences(at=NOON + 30 * MINUTE) == 0
    assert len(read) == 2
    Customer.objects.filter(pk=people[1].pk).update(email="guest@example.com")
    assert audiences.synchronize_audiences(at=NOON + 60 * MINUTE) == 1


@pytest.mark.parametrize("scope", ["all", "marketing"])
def test_a_restriction_of_processing_and_a_missing_consent_abroad_keep_people_out_of_audiences(
    ads: Receiver, key_file: str, scope: str
) -> None:
    ada, li = make_sharing_customer("ada"), make_sharing_customer("li", country="CN")
    segment = make_segment("vip", kind="static")
    SegmentMember.objects.bulk_create(SegmentMember(segment=segment, customer=person) for person in (ada, li))
    make_google(key_file, segment)
    assert audiences.synchronize_audiences(at=NOON) == 1
    assert ads.lists["77"] == {hash_text("ada@example.com")}
    ProcessingRestriction.objects.create(customer=ada, scope=scope, since=NOON, source="test")
    assert audiences.synchronize_audiences(at=NOON) == 1
    assert ads.lists["77"] == set()


def set_lists(destination: Destination, lists: dict[Segment, str]) -> None:
    destination.options["audience_ids"] = {str(segment.pk): list_id for segment, list_id in lists.items()}
    destination.save()


def test_people_leave_the_list_that_they_were_sent_to_when_the_settings_change(ads: Receiver, key_file: str) -> None:
    people = [make_sharing_customer(name) for name in ("ada", "bo")]
    segment = make_segment("vip", kind="static")
    SegmentMember.objects.bulk_create(SegmentMember(segment=segment, customer=person) for person in people)
    destination = make_google(key_file, segment)
    assert audiences.synchronize_audiences(at=NOON) == 2
    everyone = ads.lists["77"].copy()
    set_lists(destination, {segment: "88"})
    assert audiences.synchronize_audiences(at=NOON) == 4
    assert (ads.lists["77"], ads.lists["88"]) == (set(), everyone)
    set_lists(destination, {})
    erase_customers([people[0].pk], requested_by="test", at=NOON)
    assert removals.send_removals(at=NOON + MINUTE) == 1
    assert ads.lists["88"] == {hash_text("bo@example.com")}
    assert audiences.synchronize_audiences(at=NOON) == 1
    assert (ads.lists["88"], AdAudienceMember.objects.exists()) == (set(), False)


def test_people_of_a_deleted_segment_leave_its_list_and_two_segments_can_share_one(
    ads: Receiver, key_file: str
) -> None:
    ada, bo = make_sharing_customer("ada"), make_sharing_customer("bo")
    vip, late = make_segment("vip", kind="static"), make_segment("late", kind="static")
    SegmentMember.objects.create(segment=vip, customer=ada)
    SegmentMember.objects.bulk_create(SegmentMember(segment=late, customer=person) for person in (ada, bo))
    destination = make_google(key_file)
    set_lists(destination, {vip: "77", late: "77"})
    assert audiences.synchronize_audiences(at=NOON) == 2
    SegmentMember.objects.filter(segment=vip).delete()
    vip.delete()
    assert audiences.synchronize_audiences(at=NOON) == 0
    assert len(ads.lists["77"]) == 2, "ada is in the other segment"
    late.delete()
    ads.faults = [Answer(200, {"access_token": "token-1"}), Answer(400, make_google_error("destinations"))]
    assert audiences.synchronize_audiences(at=NOON) == 0
    destination.refresh_from_db()
    assert destination.problem == "", "a list that is deleted there is no problem"
    assert audiences.synchronize_audiences(at=NOON) == 2
    assert ads.lists["77"] == set()


def test_a_person_in_a_list_that_is_not_known_is_not_reported_as_removed(ads: Receiver, key_file: str) -> None:
    ada, segment = make_sharing_customer("ada"), make_segment("vip", kind="static")
    SegmentMember.objects.create(segment=segment, customer=ada)
    make_google(key_file, segment)
    assert audiences.synchronize_audiences(at=NOON) == 1
    AdAudienceMember.objects.update(list_id="")  # as if the line had been deleted before the list was stored
    erase_customers([ada.pk], requested_by="test", at=NOON)
    assert removals.send_removals(at=NOON + MINUTE) == 1
    assert RemovalRequest.objects.get().status == "unsupported"


def test_active_destinations_are_recipients_of_the_records_of_processing() -> None:
    destination = make_destination("meta", {"pixel_id": "42"}, {"access_token": "good"})
    [fact] = list_destination_recipients()
    assert (fact.name, fact.country) == ("Partner (Meta Conversions API)", "US")
    Destination.objects.filter(pk=destination.pk).update(is_enabled=False)
    assert list(list_destination_recipients()) == []
