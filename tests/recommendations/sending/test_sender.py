"""Sending due messages: real SMTP, one message each, and every check that can stop one."""

from datetime import timedelta
from decimal import Decimal
from email import message_from_bytes, policy
from types import SimpleNamespace
from typing import Any

import pytest

from customers.identity.models import Consent, Customer
from recommendations.messaging.mjml.problems import SourceError, SourceProblem
from recommendations.sending.models import Delivery, OutboxMessage
from recommendations.sending.queue import Holdout, QueuedMessage, count_deliveries, queue_audience, queue_messages
from recommendations.sending.sender import send_due
from tests.makers import NOON, make_consent, make_customer
from tests.recommendations.sending.fakes import FakeTemplate, make_subscriber
from tests.smtp_sink import SmtpSink

pytestmark = pytest.mark.django_db


def queue_all(**options: object) -> int:
    values = {"origin_kind": "campaign", "origin_id": 1, "template_version_id": 1, "channel": "email", "due_at": NOON}
    return queue_audience(customers=Customer.objects.all(), **{**values, **options})  # type: ignore[arg-type]


def test_message_reaches_the_mail_server_with_the_headers_of_bulk_mail(smtp_sink: SmtpSink) -> None:
    customer = make_subscriber("zoë@shop.example".replace("ë", "e"), name="Zoë 王")
    assert queue_all() == 1
    send_due(now=NOON)
    [mail] = smtp_sink.mails
    assert (mail.sender, mail.recipient) == ("shop@shop.example", "zoe@shop.example")
    email = message_from_bytes(mail.data, policy=policy.default)
    assert email["Subject"] == "Hello Zoë 王"
    assert email["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert email["List-Unsubscribe"].startswith("<https://mail.shop.example/m/u/")
    assert "<mailto:shop@shop.example?subject=unsubscribe" in email["List-Unsubscribe"]
    assert email["Message-ID"].endswith("@shop.example>")
    assert [part.get_content_type() for part in email.iter_parts()] == ["text/plain", "text/html"]
    assert "Hello Zoë 王" in email.get_body(("html",)).get_content()  # type: ignore[union-attr]
    assert str(customer.pk) not in email["Message-ID"]
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.sent_at is not None, delivery.attempts) == ("sent", True, 1)


def test_second_run_and_second_queueing_send_nothing_twice(smtp_sink: SmtpSink) -> None:
    make_subscriber("a@shop.example")
    assert [queue_all(), queue_all()] == [1, 0]
    send_due(now=NOON)
    send_due(now=NOON + timedelta(days=1))
    assert len(smtp_sink.mails) == 1


def test_customers_without_consent_address_or_existence_are_skipped_with_the_reason(smtp_sink: SmtpSink) -> None:
    make_customer(email="never@shop.example")
    withdrawn = make_subscriber("withdrawn@shop.example")
    make_consent(withdrawn, status=Consent.Status.WITHDRAWN, recorded_at=NOON + timedelta(seconds=1))
    make_subscriber("")
    make_subscriber("not an address")
    erased = make_subscriber("erased@shop.example", erased_at=NOON)
    queue_all()
    send_due(now=NOON)
    counts = count_deliveries("campaign", [1])[1]
    assert counts.by_skip_reason == {"no_consent": 2, "not_reachable": 2, "erased": 1}
    assert not smtp_sink.mails
    assert Delivery.objects.get(customer_id=erased.pk).skip_reason == "erased"


def test_a_message_that_cannot_be_rendered_fails_and_the_others_are_sent(
    fake_rendering: SimpleNamespace, smtp_sink: SmtpSink
) -> None:
    class PickyTemplate(FakeTemplate):
        def render(self, *, recipient: Any, **parts: Any) -> Any:
            Decimal(recipient.name)
            return super().render(recipient=recipient, **parts)

    def get_compiled(version_id: int) -> FakeTemplate:
        if version_id == 2:
            raise SourceError([SourceProblem(3, 1, "Unknown tag")])
        return PickyTemplate()

    fake_rendering.get_compiled = get_compiled
    broken, sound = make_subscriber("a@shop.example", name="many"), make_subscriber("b@shop.example", name="1")
    queue_all(origin_id=2, template_version_id=2)
    queue_all()
    run = send_due(now=NOON)
    assert [mail.recipient for mail in smtp_sink.mails] == ["b@shop.example"]
    statuses = Delivery.objects.values_list("origin_id", "customer_id", "status")
    assert set(statuses) == {
        (1, broken.pk, "failed"),
        (1, sound.pk, "sent"),
        (2, broken.pk, "failed"),
        (2, sound.pk, "failed"),
    }
    assert Delivery.objects.get(origin_id=1, status="failed").error.startswith("InvalidOperation: ")
    assert set(Delivery.objects.filter(origin_id=2).values_list("error", flat=True)) == {"SourceError: 3:1 Unknown tag"}
    assert (run.skipped, run.outcomes) == (0, {"failed": 3, "sent": 1})


def test_holdout_group_gets_skipped_deliveries(smtp_sink: SmtpSink) -> None:
    for number in range(20):
        make_subscriber(f"c{number}@shop.example", pk=10**12 + number)  # the holdout group depends on it
    assert queue_all(holdout=Holdout("salt", Decimal("0.5"))) == 20
    send_due(now=NOON)
    counts = count_deliveries("campaign", [1])[1]
    assert counts.by_skip_reason["holdout"] + counts.sent == 20
    assert len(smtp_sink.mails) == counts.sent > 0


def test_without_a_mail_server_messages_go_to_the_outbox() -> None:
    customer = make_subscriber("a@shop.example", name="Ann")
    queue_messages(
        [
            QueuedMessage(
                origin_kind="flow",
                origin_id=7,
                customer_id=customer.pk,
                template_version_id=1,
                channel="email",
                due_at=NOON,
                event={"name": "Product Viewed"},
            )
        ]
    )
    send_due(now=NOON)
    stored = OutboxMessage.objects.get()
    assert (stored.recipient, stored.subject, stored.customer_id) == ("a@shop.example", "Hello Ann", customer.pk)
    assert Delivery.objects.get().status == "sent"
