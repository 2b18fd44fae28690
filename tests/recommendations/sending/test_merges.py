"""Merged customers get one message of an origin; erased ones leave nothing to read."""

import pytest

from customers.identity.merging.merge import merge_customers
from customers.identity.merging.revert import revert_merge
from customers.identity.models import Customer, IdentityMerge
from recommendations.sending.models import Delivery
from recommendations.sending.queue import QueuedMessage, queue_audience, queue_messages
from recommendations.sending.sender import send_due
from tests.makers import NOON
from tests.recommendations.sending.fakes import make_subscriber
from tests.smtp_sink import SmtpSink

pytestmark = pytest.mark.django_db


def queue_all(origin_id: int = 1) -> None:
    queue_audience(
        origin_kind="flow",
        origin_id=origin_id,
        customers=Customer.objects.all(),
        template_version_id=1,
        channel="email",
        due_at=NOON,
    )


def test_two_pending_messages_of_one_origin_become_one(smtp_sink: SmtpSink) -> None:
    kept, merged = make_subscriber("a@shop.example"), make_subscriber("b@shop.example")
    queue_all()
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    send_due(now=NOON)
    assert len(smtp_sink.mails) == 1
    assert sorted(Delivery.objects.values_list("status", "skip_reason")) == [("sent", ""), ("skipped", "merged")]


def test_sent_message_of_the_merged_customer_stops_the_pending_one_and_a_revert_restores_both(
    smtp_sink: SmtpSink,
) -> None:
    kept, merged = make_subscriber("a@shop.example"), make_subscriber("b@shop.example")
    queue_all()
    Delivery.objects.filter(customer_id=merged.pk).update(status="sent")
    [merge_id] = merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    send_due(now=NOON)
    assert not smtp_sink.mails
    assert Delivery.objects.get(customer_id=kept.pk).status == "sent"
    revert_merge(merge_id=IdentityMerge.objects.get(pk=merge_id).pk, at=NOON, by="test")
    assert Delivery.objects.get(customer_id=merged.pk).status == "sent"
    assert Delivery.objects.get(customer_id=kept.pk).skip_reason == "merged"


def test_message_queued_for_a_customer_who_was_merged_meanwhile_goes_to_the_other(smtp_sink: SmtpSink) -> None:
    kept, merged = make_subscriber("a@shop.example"), make_subscriber("b@shop.example")
    merged_id = merged.pk
    merge_customers(pairs=[(kept.pk, merged.pk)], at=NOON, causes=["test"])
    message = QueuedMessage(
        origin_kind="flow",
        origin_id=1,
        customer_id=merged_id,
        template_version_id=1,
        channel="email",
        due_at=NOON,
    )
    queue_messages([message])
    send_due(now=NOON)
    assert Delivery.objects.get().customer_id == kept.pk
    assert len(smtp_sink.mails) == 1
    queue_messages([message])
    send_due(now=NOON)
    assert len(smtp_sink.mails) == 1
    assert Delivery.objects.get(customer_id=merged_id).skip_reason == "merged"
