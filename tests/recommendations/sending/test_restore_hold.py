"""Sending after a restore of a backup: nothing is sent until a user has decided about what was due in between."""

import io
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from config.monitoring.alarms.registry import AlarmContext
from config.monitoring.alarms.rules.sending import describe_held_sending, find_held_sending, find_stopped_sending
from recommendations.messaging.coupons.claims import claim_codes
from recommendations.messaging.models import CouponCode, CouponPool
from recommendations.sending.models import Delivery, SendingHold
from recommendations.sending.queue import QueuedMessage, queue_messages
from recommendations.sending.restores.hold import hold_sending
from recommendations.sending.sender import send_due
from tests.makers import NOON
from tests.recommendations.sending.fakes import make_subscriber
from tests.recommendations.sending.test_backoffice import log_in
from tests.smtp_sink import SmtpSink

pytestmark = pytest.mark.django_db
LATER = NOON + timedelta(hours=2)


@pytest.fixture
def held() -> None:
    """Restore a backup of NOON an hour later: one message was due before that, one becomes due afterwards."""
    for name, origin_id, due_at in (("before", 1, NOON + timedelta(minutes=5)), ("after", 2, LATER)):
        customer = make_subscriber(f"{name}@shop.example")
        message = QueuedMessage(
            origin_kind="campaign",
            origin_id=origin_id,
            customer_id=customer.pk,
            template_version_id=1,
            channel="email",
            due_at=due_at,
        )
        queue_messages([message])
    hold_sending(backup_at=NOON, restored_at=NOON + timedelta(hours=1))


def test_after_a_restore_nothing_is_sent_until_sending_is_resumed(smtp_sink: SmtpSink, held: None) -> None:
    send_due(now=LATER)
    assert smtp_sink.mails == []
    assert Delivery.objects.filter(status="pending").count() == 2
    context = AlarmContext(now=LATER, threshold=15, checked_since=NOON)
    [finding] = find_held_sending(context)
    message = describe_held_sending("", finding.details)
    assert "1 message was due" in message.title
    assert message.url == "/admin/settings/sending/"
    assert list(find_stopped_sending(context)) == []

    out = io.StringIO()
    call_command("resume_sending", "--list", stdout=out)
    assert "campaign: 1 messages, due since" in out.getvalue()
    assert SendingHold.objects.exists()
    call_command("resume_sending", stdout=out)
    send_due(now=LATER)
    assert sorted(mail.recipient for mail in smtp_sink.mails) == ["after@shop.example", "before@shop.example"]
    assert list(find_held_sending(context)) == []
    with pytest.raises(CommandError, match="not held"):
        call_command("resume_sending")


def test_what_was_due_before_the_restore_can_be_canceled(client: Client, smtp_sink: SmtpSink, held: None) -> None:
    assert client.post("/admin/settings/sending/resume/").status_code == 302  # to the log-in
    log_in(client, "change_sendingsettings")
    page = client.get("/admin/settings/sending/").content.decode()
    assert "Sending is held after a restore" in page
    assert "Cancel these messages and resume" in page
    assert client.post("/admin/settings/sending/resume/", {"codes_per_pool": "x"}).status_code == 302
    assert SendingHold.objects.filter(cancels_due=False).exists()
    assert client.post("/admin/settings/sending/resume/", {"cancel_due": "1", "codes_per_pool": "0"}).status_code == 302
    send_due(now=LATER)
    assert [mail.recipient for mail in smtp_sink.mails] == ["after@shop.example"]
    assert dict(Delivery.objects.values_list("origin_id", "status")) == {1: "canceled", 2: "sent"}
    assert not SendingHold.objects.exists()
    assert "Sending is held" not in client.get("/admin/settings/sending/").content.decode()


def test_codes_that_customers_may_have_already_are_set_aside(held: None) -> None:
    pool = CouponPool.objects.create(key="spring", name="Spring", code_count=3)
    for code in ("ONE", "TWO", "THREE"):
        CouponCode.objects.create(pool=pool, code=code)
    call_command("resume_sending", "--set-codes-aside", "2", stdout=io.StringIO())
    pool.refresh_from_db()
    assert pool.claimed_count == 2
    assert claim_codes(pool_keys=["spring"], deliveries={7: 1, 8: 2}, now=LATER) == {7: {"spring": "THREE"}}
