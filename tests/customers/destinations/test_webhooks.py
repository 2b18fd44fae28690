"""Signed webhooks, and the outbox that all destinations share: consent, faults, killed processes, dead letters, erasure."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from customers.destinations.kinds.webhook import SignedWebhook, sign_content
from customers.destinations.models import Destination, DestinationBatch, OutgoingRecord, RemovalRequest
from customers.destinations.outbox import collecting, removals, sending
from customers.erasure.runner import erase_customers
from customers.events.models import Event, Outbox
from customers.identity.models import IdentityMerge
from customers.lifecycle.models import StageRules, StageTransition
from customers.segments.models import SegmentStay
from tests.customers.connectors.platforms.platform_server import SERVER_ERROR, Answer
from tests.customers.destinations.makers import make_destination, make_sharing_customer, set_sharing
from tests.customers.destinations.receivers import Receiver
from tests.makers import NOON, make_consent, make_customer, make_order, make_product, make_segment, make_source
from tests.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.django_db
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
MINUTE = timedelta(minutes=1)
ALL = ("orders", "order_changes", "events", "stage_changes", "segment_entries", "consents")


@pytest.fixture
def destination(receiver: Receiver) -> Destination:
    receiver.secret = SECRET
    return make_destination("webhook", {"url": f"{receiver.url}/hook"}, {"secret": SECRET})


def run(at: Any) -> int:
    collecting.collect_records(at=at)
    return sending.send_due(at=at, seconds=DEADLINE_SECONDS)


def count(status: str) -> int:
    return OutgoingRecord.objects.filter(status=status).count()


def test_the_signature_is_the_one_of_the_specification() -> None:
    body = b'{"test": 2432232314}'
    signature = sign_content(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_every_stream_is_sent_once_and_names_people_by_their_user_id(receiver: Receiver) -> None:
    receiver.secret = SECRET
    ada, segment, source = make_sharing_customer("ada", name="Ada Moss"), make_segment("vip"), make_source()
    options = {"url": f"{receiver.url}/hook", "with_hashes": True}
    destination = make_destination("webhook", options, {"secret": SECRET}, streams=ALL)
    destination.segments.add(segment)
    make_order(ada, products=[make_product("tea")], order_id="o-1")
    properties = {"email": "ada@example.com", "size": "L"}
    fields: dict[str, Any] = {"source": source, "type": "track", "occurred_at": NOON, "received_at": NOON}
    Event.objects.create(message_id="m1", name="Product Viewed", user_id="ada", properties=properties, **fields)
    late = Event.objects.create(message_id="m2", name="Product Added", user_id="ada", **fields)
    Outbox.objects.create(event_id=late.pk, received_at=NOON)
    gaps = {"second_gap_days": 40, "median_gap_days": 20, "active_gap_days": 30, "dormant_gap_days": 60}
    rules = StageRules.objects.create(version=999, measured_at=NOON, **gaps)
    StageTransition.objects.create(
        customer=ada, from_stage="new", to_stage="active", at=NOON, reason="ordered", rules=rules
    )
    SegmentStay.objects.create(segment=segment, customer_id=ada.pk, entered_at=NOON, is_entry_observed=True)
    SegmentStay.objects.create(
        segment=make_segment("other"), customer_id=ada.pk, entered_at=NOON, is_entry_observed=True
    )
    make_consent(ada, "email")
    assert run(NOON) == 5
    assert sorted(item["type"] for item in receiver.items) == [
        "consent.granted", "event.track", "order.created", "segment.entered", "stage.changed",
    ]  # fmt: skip
    by_type = {item["type"]: item for item in receiver.items}
    assert by_type["order.created"]["data"]["lines"][0]["product_id"] == "tea"
    assert by_type["event.track"]["data"]["properties"] == {"size": "L"}
    assert by_type["order.created"]["customer"]["user_id"] == "ada"
    assert len(by_type["order.created"]["customer"]["email_sha256"]) == 64
    assert not any(text in str(call.body) for call in receiver.calls for text in ("ada@example.com", "Moss"))
    Outbox.objects.all().delete()
    assert run(NOON + MINUTE) == 1
    assert run(NOON + MINUTE) == 0


def test_only_people_who_allow_sharing_when_it_is_sent_are_sent(receiver: Receiver, destination: Destination) -> None:
    """A withdrawal between queueing and sending counts, and so does silence where a consent is needed."""
    ada, bo = make_sharing_customer("ada"), make_sharing_customer("bo")
    for customer in (ada, bo, make_customer("silent"), None):
        make_order(customer)
    make_order(make_sharing_customer("13800138000", country="US"))  # a phone number as the user ID
    collecting.collect_records(at=NOON)
    set_sharing(bo, "withdrawn", at=NOON + MINUTE)
    assert sending.send_due(at=NOON + MINUTE, seconds=DEADLINE_SECONDS) == 2
    assert [item["customer"]["user_id"] for item in receiver.items] == ["ada", ""]
    assert (count("sent"), count("not_consented")) == (2, 3)
    batch = DestinationBatch.objects.get()
    assert (batch.sent, batch.not_consented, batch.status) == (2, 3, "sent")


def test_a_delivery_without_anybody_who_allows_sharing_makes_no_request(
    admin_client: Client, receiver: Receiver, destination: Destination
) -> None:
    make_order(make_customer("silent"))
    assert run(NOON) == 0
    assert receiver.calls == []
    batch = DestinationBatch.objects.get()
    assert (batch.attempts, batch.not_consented) == (0, 1)
    deliveries = admin_client.get(reverse("destinations:page", args=[destination.pk])).context["deliveries"]
    assert deliveries.rows[0][2].text == "nothing to send"


def test_a_killed_process_repeats_the_batch_under_its_id(
    receiver: Receiver, destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver has got the batch, the process dies before it stores that; new records do not join the repetition."""
    make_order(make_sharing_customer("ada"))

    def die(*_args: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as context:
        context.setattr(sending, "store_outcome", die)
        with pytest.raises(KeyboardInterrupt):
            run(NOON)
    make_order(make_sharing_customer("bo"))
    assert run(NOON + MINUTE) == 2
    ids = [call.headers["webhook-id"] for call in receiver.calls]
    assert (ids[0] == ids[1], len(set(ids))) == (True, 2)
    assert [item["id"] for item in receiver.items[:2]] == [receiver.items[0]["id"]] * 2
    assert len({item["id"] for item in receiver.items}) == 2


def test_a_receiver_that_asks_to_wait_is_left_alone_and_gets_everything_later(
    receiver: Receiver, destination: Destination
) -> None:
    make_order(make_sharing_customer("ada"))
    receiver.faults = [Answer(429, {}, {"Retry-After": "120"}), SERVER_ERROR]
    assert run(NOON) == 0
    assert run(NOON + MINUTE) == 0
    assert len(receiver.calls) == 1
    assert run(NOON + 2 * MINUTE) == 0
    destination.refresh_from_db()
    assert destination.retry_at == NOON + 2.5 * MINUTE
    assert run(NOON + 3 * MINUTE) == 1
    assert len({call.headers["webhook-id"] for call in receiver.calls}) == 1


def test_a_wrong_secret_is_a_problem_until_the_settings_change(receiver: Receiver, destination: Destination) -> None:
    make_order(make_sharing_customer("ada"))
    receiver.secret = "whsec_" + "A" * 32
    assert run(NOON) == 0
    destination.refresh_from_db()
    assert destination.problem == "HTTP 401"
    assert run(NOON + MINUTE) == 0
    assert len(receiver.calls) == 1
    receiver.secret = SECRET
    assert run(NOON + timedelta(hours=2)) == 1
    destination.refresh_from_db()
    assert destination.problem == ""


def test_a_redirect_is_a_problem_that_names_the_new_address(receiver: Receiver, destination: Destination) -> None:
    make_order(make_sharing_customer("ada"))
    receiver.faults = [Answer(301, {}, {"Location": "https://erp.example/hook/"})]
    assert run(NOON) == 0
    destination.refresh_from_db()
    assert destination.problem == (
        "HTTP 301: The address redirects to https://erp.example/hook/. Enter the final address in the settings."
    )
    assert run(NOON + MINUTE) == 0
    assert (len(receiver.calls), DestinationBatch.objects.get().attempts) == (1, 0)


def test_ten_failures_give_a_batch_up_and_it_can_be_sent_again(receiver: Receiver, destination: Destination) -> None:
    make_order(make_sharing_customer("ada"))
    collecting.collect_records(at=NOON)
    kind = SignedWebhook(destination.options, {"secret": SECRET})
    batch = sending.open_batch(destination, kind, at=NOON)
    assert batch is not None
    for _attempt in range(10):
        sending.postpone_batch(destination, batch, "HTTP 500", retry_after=0, at=NOON)
    assert (batch.status, batch.refused, count("dead")) == ("dead", 1, 1)
    assert sending.retry_dead(destination) == 1
    assert run(NOON + MINUTE) == 1


def test_an_address_inside_the_network_is_refused(destination: Destination, settings: Any) -> None:
    make_order(make_sharing_customer("ada"))
    settings.WEBHOOK_PRIVATE_HOSTS = []
    Destination.objects.update(options={"url": "https://127.0.0.1/hook"})
    assert run(NOON) == 0
    destination.refresh_from_db()
    assert destination.problem


def test_an_erasure_is_passed_on_to_destinations_that_know_the_customer(
    receiver: Receiver, destination: Destination
) -> None:
    ada, bo = make_sharing_customer("ada"), make_sharing_customer("bo")
    make_order(ada)
    assert run(NOON) == 1
    erase_customers([ada.pk, bo.pk], requested_by="test", at=NOON)
    assert not OutgoingRecord.objects.exists()
    receiver.faults = [SERVER_ERROR]
    assert removals.send_removals(at=NOON) == 0
    assert removals.send_removals(at=NOON + 2 * MINUTE) == 1
    removal = RemovalRequest.objects.get()
    assert (removal.status, removal.content) == ("done", "")
    assert receiver.items[-1]["type"] == "customer.erased"
    assert receiver.items[-1]["customer"] == {"id": ada.pk, "user_id": "ada"}


def test_an_erasure_names_all_merged_customers(receiver: Receiver, destination: Destination) -> None:
    ada = make_sharing_customer("ada")
    make_order(ada)
    assert run(NOON) == 1
    merge = IdentityMerge.objects.create(kept=ada, merged_id=ada.pk + 1000, at=NOON)
    IdentityMerge.objects.create(kept=ada, merged_id=ada.pk + 2000, at=NOON, reverted_at=NOON)
    erase_customers([ada.pk], requested_by="test", at=NOON)
    receiver.items.clear()
    assert removals.send_removals(at=NOON) == 1
    expected = [{"id": ada.pk, "user_id": "ada"}, {"id": merge.merged_id, "user_id": ""}]
    assert [item["customer"] for item in receiver.items] == expected
    assert len({item["id"] for item in receiver.items}) == 2


def test_an_erasure_is_passed_on_if_a_request_may_have_arrived(receiver: Receiver, destination: Destination) -> None:
    ada, bo, cy = (make_sharing_customer(name) for name in ("ada", "bo", "cy"))
    make_order(ada)
    receiver.faults = [SERVER_ERROR]
    assert run(NOON) == 0
    make_order(bo)
    collecting.collect_records(at=NOON)  # in no request yet
    make_order(cy)
    collecting.collect_records(at=NOON)
    dead = OutgoingRecord.objects.filter(customer_id=cy.pk)
    dead.update(status="dead", batch=DestinationBatch.objects.get())
    erase_customers([ada.pk, bo.pk, cy.pk], requested_by="test", at=NOON)
    assert removals.send_removals(at=NOON + MINUTE) == 2
    assert {item["customer"]["user_id"] for item in receiver.items} == {"ada", "cy"}


def test_a_withdrawal_of_sharing_is_passed_on_to_who_has_data_already(receiver: Receiver) -> None:
    receiver.secret = SECRET
    url = f"{receiver.url}/hook"
    make_destination("webhook", {"url": url}, {"secret": SECRET}, streams=("orders", "consents"))
    ada, bo = make_sharing_customer("ada"), make_sharing_customer("bo")
    make_order(ada)
    make_consent(bo, "email")
    run(NOON)
    receiver.items.clear()
    set_sharing(ada, "withdrawn", at=NOON + MINUTE)
    make_consent(ada, "sms", recorded_at=NOON + MINUTE)
    set_sharing(make_sharing_customer("new"), "withdrawn", at=NOON + MINUTE)
    assert run(NOON + 2 * MINUTE) == 1
    assert [(item["type"], item["customer"]["user_id"]) for item in receiver.items] == [("consent.withdrawn", "ada")]


def test_a_gap_of_ids_is_passed_in_one_run_and_a_run_has_an_end(
    destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "MAX_IDS", 10)
    ada = make_sharing_customer("ada")
    make_order(ada)
    destination.cursors = {}
    collecting.start_cursors(destination)  # after the last order, however many other tests have made
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(s, nextval(s) + 1000) FROM pg_get_serial_sequence('orders_order', 'id') AS s")
    for _number in range(25):  # more than two ranges
        make_order(ada)
    runs = [collecting.collect_records(at=NOON) for _run in range(3)]
    assert runs[0] in range(10, 20)
    assert sum(runs) == 25
    assert destination.records.count() == 25
