"""The suppression list: who is on it gets nothing; import, undo and export; bounces and complaints put addresses on it."""

from datetime import date, timedelta
from email import message_from_string
from types import SimpleNamespace
from typing import Any

import pytest

from customers.anomalies.facts.base import FactDays
from customers.identity.models import Consent, Customer
from recommendations.sending.bounces.mailbox import read_messages
from recommendations.sending.bounces.provider_webhooks import receive_tracking_event
from recommendations.sending.daily_facts import read_emails
from recommendations.sending.models import Delivery, SendingSettings, Suppression
from recommendations.sending.queue import queue_audience
from recommendations.sending.sender import send_due
from recommendations.sending.suppressions.suppression_list import (
    export_suppressions,
    import_suppressions,
    suppress_email,
    undo_import,
)
from recommendations.sending.tracking.tokens import MESSAGE, UNSUBSCRIBE, make_token
from tests.makers import NOON
from tests.recommendations.messaging.makers import get_version, make_template
from tests.recommendations.sending.fakes import make_subscriber
from tests.smtp_sink import SmtpSink

pytestmark = pytest.mark.django_db

BOUNCE = """From: MAILER-DAEMON@mx.example
Subject: Undelivered
Date: Tue, 24 Nov 2026 12:05:00 +0000
Content-Type: multipart/report; report-type={report_type}; boundary=b

--b
Content-Type: text/plain

Sorry.
--b
{status}

--b
Content-Type: text/rfc822-headers

From: shop@shop.example
Message-ID: <{token}@shop.example>

--b--
"""
STATUS = """Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; other@shop.example
Action: failed
Status: {code}
Diagnostic-Code: smtp; 550 {code} no"""
COMPLAINT = "Content-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: x/1\nVersion: 1"


def send_one(origin_id: int = 1) -> Delivery:
    queue_audience(
        origin_kind="campaign",
        origin_id=origin_id,
        customers=Customer.objects.all(),
        template_version_id=1,
        channel="email",
        due_at=NOON,
    )
    send_due(now=NOON)
    return Delivery.objects.get(origin_id=origin_id)


def report(delivery: Delivery, status: str, report_type: str = "delivery-status") -> dict[str, int]:
    token = make_token(MESSAGE, delivery.pk)
    return read_messages([message_from_string(BOUNCE.format(status=status, token=token, report_type=report_type))])


def test_suppressed_address_gets_nothing_however_it_is_written() -> None:
    make_subscriber("Ann@Shop.example")
    suppress_email("ann@shop.EXAMPLE ", reason="manual", source="test", at=NOON)
    assert send_one().skip_reason == "suppressed"


def test_import_counts_reports_and_is_undone() -> None:
    lines = ["email;name\n", "a@shop.example;Ann\n", "A@shop.example\n", "+8613800138000\n", "nonsense\n", "\n"]
    dry = import_suppressions(lines, source="old.csv", at=NOON, is_dry_run=True)
    assert (dry.new, dry.known, [line for line, _text in dry.problems]) == (2, 0, [5])
    assert not Suppression.objects.exists()
    import_suppressions(lines, source="old.csv", at=NOON, is_dry_run=False)
    assert sorted(Suppression.objects.values_list("kind", flat=True)) == ["email", "phone"]
    exported = "".join(export_suppressions())
    assert "shop.example" not in exported
    assert import_suppressions(exported.splitlines(), source="again.csv", at=NOON, is_dry_run=True).known == 2
    assert undo_import(source="old.csv") == 2


def test_hard_bounce_suppresses_the_address_of_the_customer_at_once() -> None:
    make_subscriber("a@shop.example")
    delivery = send_one()
    for _time in range(2):
        assert report(delivery, STATUS.format(code="5.1.1")) == {"hard_bounce": 1}
    delivery.refresh_from_db()
    assert delivery.status == "bounced"
    assert Suppression.objects.get().reason == "hard_bounce"
    assert send_one(2).skip_reason == "suppressed"


@pytest.mark.parametrize("is_pipelining", [True, False])
@pytest.mark.parametrize(
    ("command", "answer", "is_suppressed"),
    [
        ("RCPT", "550 5.1.1 No such user here", True),
        ("RCPT", "550 5.1.0 Sender address rejected: User unknown", False),
        ("RCPT", "550 5.7.1 Blocked", False),
        ("RCPT", "450 4.1.1 Try again later", False),
        ("MAIL", "550 5.1.1 No such user here", False),
        (".", "550 5.1.1 No such user here", True),
    ],
)
def test_a_recipient_that_the_mail_server_does_not_know_is_suppressed(
    smtp_sink: SmtpSink, command: str, answer: str, is_suppressed: bool, is_pipelining: bool
) -> None:
    make_subscriber("a@shop.example")

    def reply(line: str) -> str:
        greeting = "" if is_pipelining else "250 sink"
        return answer if line.startswith(command) else greeting if line.upper().startswith("EHLO") else ""

    smtp_sink.answer = reply
    delivery = send_one()
    reasons = list(Suppression.objects.values_list("reason", flat=True))
    assert reasons == (["hard_bounce"] if is_suppressed else [])
    assert (delivery.status == "bounced") == (delivery.bounced_at is not None) == is_suppressed
    assert delivery.error == answer
    smtp_sink.answer = lambda line: ""
    assert send_one(2).skip_reason == ("suppressed" if is_suppressed else "")


def test_refused_and_bounced_emails_count_in_the_bounce_rate(smtp_sink: SmtpSink) -> None:
    version_id = get_version(make_template()).pk
    for name in ("sent", "refused"):
        make_subscriber(f"{name}@shop.example")
    smtp_sink.answer = lambda line: "550 5.1.1 Unknown" if "refused@" in line else ""
    queue_audience(
        origin_kind="campaign",
        origin_id=1,
        customers=Customer.objects.all(),
        template_version_id=version_id,
        channel="email",
        due_at=NOON,
    )
    send_due(now=NOON)
    tables: Any = SimpleNamespace(zone="UTC", as_of=NOON + timedelta(hours=1))
    day = date(NOON.year, NOON.month, NOON.day)
    [row] = read_emails(tables, FactDays(day, day, day)).to_pylist()
    assert (row["sent"], row["bounced"]) == (2, 1)


def test_soft_bounces_suppress_after_the_number_of_the_settings() -> None:
    SendingSettings(soft_bounce_limit=2, caps=[]).save()
    make_subscriber("a@shop.example")
    report(send_one(1), STATUS.format(code="4.2.2"))
    assert not Suppression.objects.exists()
    report(send_one(2), STATUS.format(code="4.2.2"))
    assert Suppression.objects.get().reason == "soft_bounces"


def test_complaint_suppresses_and_withdraws_the_consent() -> None:
    make_subscriber("a@shop.example")
    delivery = send_one()
    assert report(delivery, COMPLAINT, "feedback-report") == {"complaint": 1}
    assert Suppression.objects.get().reason == "complaint"
    assert Consent.objects.latest("id").status == "withdrawn"
    delivery.refresh_from_db()
    assert delivery.complained_at is not None


def test_reports_without_a_token_of_ours_change_nothing() -> None:
    make_subscriber("a@shop.example")
    forged = BOUNCE.format(status=STATUS.format(code="5.1.1"), token="x" * 43, report_type="delivery-status")
    assert read_messages([message_from_string(forged), message_from_string("Subject: Hello\n\nHi")]) == {"other": 2}
    assert not Suppression.objects.exists()


def test_mail_to_the_unsubscribe_address_unsubscribes() -> None:
    make_subscriber("a@shop.example")
    token = make_token(UNSUBSCRIBE, send_one().pk)
    assert read_messages([message_from_string(f"Subject: unsubscribe {token}\n\n")]) == {"unsubscribe": 1}
    assert Consent.objects.latest("id").status == "withdrawn"


def test_reports_of_providers_update_the_delivery() -> None:
    make_subscriber("a@shop.example")
    delivery = send_one()
    event: Any = SimpleNamespace(
        event_type="delivered",
        metadata={"delivery": make_token(MESSAGE, delivery.pk)},
        recipient="a@shop.example",
        timestamp=NOON + timedelta(seconds=3),
        mta_response="",
        description="",
        reject_reason=None,
        event_id="1",
        esp_event={},
    )
    receive_tracking_event(event)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.delivered_at) == ("delivered", NOON + timedelta(seconds=3))
    event.event_type, event.event_id = "bounced", "2"
    receive_tracking_event(event)
    assert Suppression.objects.get().reason == "hard_bounce"
