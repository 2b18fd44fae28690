"""Quiet hours, caps, holdouts, limits of speed, and pausing, resuming and canceling."""

import threading
from collections import Counter
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from babel.core import get_global
from django.db import connection, transaction

from customers.identity.consent.restrictions import restrict_processing
from customers.identity.models import Consent, Customer
from recommendations.sending import sender
from recommendations.sending.checks.quiet_hours import COUNTRY_ZONES, choose_time_zone, find_quiet_end
from recommendations.sending.models import Delivery, OriginState, SendingSettings
from recommendations.sending.queue import cancel, count_deliveries, pause, queue_audience, resume
from recommendations.sending.recording import write_results
from recommendations.sending.sender import SendingWorker, send_due
from recommendations.sending.transport.journal import SendResult
from tests.makers import NOON, make_consent
from tests.recommendations.sending.fakes import make_subscriber
from tests.smtp_sink import SmtpSink
from tests.waiting import DEADLINE_SECONDS, is_lock_awaited, wait_until

BERLIN, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Shanghai")


def queue_all(origin_id: int = 1, **options: Any) -> None:
    values = {"origin_kind": "campaign", "template_version_id": 1, "channel": "email", "due_at": NOON, **options}
    queue_audience(origin_id=origin_id, customers=Customer.objects.all(), **values)


@pytest.mark.parametrize(
    ("at", "zone", "end"),
    [
        (datetime(2026, 11, 24, 20, 59, tzinfo=UTC), BERLIN, None),
        (datetime(2026, 11, 24, 21, 0, tzinfo=UTC), BERLIN, datetime(2026, 11, 25, 7, tzinfo=UTC)),
        (datetime(2026, 11, 25, 2, 0, tzinfo=UTC), BERLIN, datetime(2026, 11, 25, 7, tzinfo=UTC)),
        (datetime(2026, 11, 25, 7, 0, tzinfo=UTC), BERLIN, None),
        (datetime(2026, 11, 24, 16, 0, tzinfo=UTC), SHANGHAI, datetime(2026, 11, 25, 0, tzinfo=UTC)),
        # the night in which the clocks go forward is an hour shorter, the one in which they go back an hour longer
        (datetime(2026, 3, 28, 22, 0, tzinfo=UTC), BERLIN, datetime(2026, 3, 29, 6, tzinfo=UTC)),
        (datetime(2026, 10, 24, 21, 0, tzinfo=UTC), BERLIN, datetime(2026, 10, 25, 7, tzinfo=UTC)),
    ],
)
def test_quiet_hours_over_midnight_and_changes_of_the_clocks(
    at: datetime, zone: ZoneInfo, end: datetime | None
) -> None:
    assert find_quiet_end(at=at, start=time(22), end=time(8), zone=zone) == end


def test_quiet_hours_that_end_in_the_skipped_or_repeated_hour_still_end() -> None:
    skipped = find_quiet_end(at=datetime(2026, 3, 29, 0, tzinfo=UTC), start=time(0), end=time(2, 30), zone=BERLIN)
    assert skipped == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    repeated = find_quiet_end(at=datetime(2026, 10, 25, 0, tzinfo=UTC), start=time(0), end=time(2, 30), zone=BERLIN)
    assert repeated == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_zone_is_that_of_the_trait_then_the_country_then_the_shop() -> None:
    assert choose_time_zone(trait="Asia/Tokyo", country="DE", shop_zone=SHANGHAI).key == "Asia/Tokyo"
    assert choose_time_zone(trait="nowhere", country="de", shop_zone=SHANGHAI) == BERLIN
    assert choose_time_zone(trait="", country="XX", shop_zone=SHANGHAI) == SHANGHAI


def test_every_country_with_residents_has_a_time_zone() -> None:
    no_countries = {"001", "AQ", "UM", "ZZ"}  # the world, unknown, and territories without residents
    assert set(get_global("territory_zones")) - set(COUNTRY_ZONES) == no_countries
    wanted = {
        "AE": "Asia/Dubai",
        "PH": "Asia/Manila",
        "PK": "Asia/Karachi",
        "ID": "Asia/Jakarta",
        "CN": "Asia/Shanghai",
    }
    assert {country: COUNTRY_ZONES[country] for country in wanted} == wanted


@pytest.mark.django_db
def test_messages_wait_for_the_end_of_quiet_hours_and_expire_before_it(smtp_sink: SmtpSink) -> None:
    SendingSettings(quiet_from=time(22), quiet_until=time(8)).save()
    make_subscriber("cn@shop.example", country="CN")
    make_subscriber("de@shop.example", country="DE")
    at = datetime(2026, 11, 24, 15, tzinfo=UTC)  # 23:00 in Shanghai, 16:00 in Berlin
    queue_all(due_at=at)
    queue_all(2, due_at=at, is_transactional=True)
    queue_all(3, due_at=at, expires_at=at + timedelta(hours=2))
    send_due(now=at)
    assert Counter(mail.recipient for mail in smtp_sink.mails) == {"cn@shop.example": 1, "de@shop.example": 3}
    waiting = Delivery.objects.get(status="pending")
    assert (waiting.origin_id, waiting.due_at) == (1, datetime(2026, 11, 25, 0, tzinfo=UTC))
    assert Delivery.objects.get(status="skipped").skip_reason == "quiet_hours"


@pytest.mark.django_db
def test_caps_are_rolling_windows_and_exempt_transactional_messages(smtp_sink: SmtpSink) -> None:
    SendingSettings(caps=[{"channel": "email", "messages": 2, "days": 7}]).save()
    make_subscriber("a@shop.example")
    for origin_id, day in ((1, 0), (2, 1), (3, 6), (4, 7), (5, 7)):
        queue_all(origin_id, due_at=NOON + timedelta(days=day, minutes=day))
        send_due(now=NOON + timedelta(days=day, minutes=day))
    queue_all(6, is_transactional=True)
    send_due(now=NOON + timedelta(days=7, minutes=9))
    skipped = set(Delivery.objects.filter(skip_reason="frequency_cap").values_list("origin_id", flat=True))
    assert skipped == {3, 5}


@pytest.mark.django_db(transaction=True)
def test_two_workers_at_once_do_not_exceed_a_cap_together(smtp_sink: SmtpSink) -> None:
    SendingSettings(caps=[{"channel": "", "messages": 1, "days": 7}]).save()
    for number in range(20):
        make_subscriber(f"c{number}@shop.example")
    for origin_id in range(4):
        queue_all(origin_id)
    barrier = threading.Barrier(2)

    def work() -> None:
        try:
            worker = SendingWorker(now=NOON)
            barrier.wait(DEADLINE_SECONDS)
            while worker.send_chunk(7):
                pass
            worker.finish()
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _worker in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(mail.recipient for mail in smtp_sink.mails) == {f"c{number}@shop.example": 1 for number in range(20)}


@pytest.mark.django_db
def test_global_holdout_gets_no_marketing(smtp_sink: SmtpSink) -> None:
    SendingSettings(global_holdout_share=Decimal("0.5"), global_holdout_salt="salt").save()
    for number in range(12):
        make_subscriber(f"c{number}@shop.example", pk=10**12 + number)  # the holdout group depends on it
    queue_all()
    queue_all(2, is_transactional=True)
    send_due(now=NOON)
    held_out = count_deliveries("campaign", [1])[1].by_skip_reason["global_holdout"]
    assert 0 < held_out < 12
    assert len(smtp_sink.mails) == 24 - held_out


@pytest.mark.django_db
def test_domain_limit_spreads_emails_and_decides_each_twice_at_most(smtp_sink: SmtpSink) -> None:
    SendingSettings(domain_rates={"slow.example": 6}, caps=[]).save()
    for number in range(5):
        make_subscriber(f"c{number}@slow.example")
    make_subscriber("a@fast.example")
    queue_all()
    send_due(now=NOON)
    slots = Delivery.objects.filter(status="pending").order_by("due_at").values_list("due_at", flat=True)
    waits = [round((at - NOON).total_seconds()) for at in slots]
    assert waits == [10, 20, 30, 40]
    run = send_due(now=NOON + timedelta(seconds=60))
    assert (run.decided, run.postponed, len(smtp_sink.mails)) == (4, 0, 6)


@pytest.mark.django_db
def test_warm_up_gives_each_email_a_day(smtp_sink: SmtpSink) -> None:
    SendingSettings(
        caps=[], warm_up_from=NOON.date(), warm_up_first_day=2, warm_up_growth=Decimal("2"), warm_up_days=3
    ).save()
    for number in range(16):
        make_subscriber(f"c{number}@shop.example")
    queue_all()
    sent = []
    for day in range(4):
        before = len(smtp_sink.mails)
        send_due(now=NOON + timedelta(days=day))
        sent.append(len(smtp_sink.mails) - before)
    assert sent == [2, 4, 8, 2]


@pytest.mark.django_db
def test_pause_resume_and_cancel_hold_at_once(smtp_sink: SmtpSink) -> None:
    make_subscriber("a@shop.example")
    queue_all()
    pause("campaign", 1)
    send_due(now=NOON)
    assert not smtp_sink.mails
    resume("campaign", 1)
    send_due(now=NOON)
    assert len(smtp_sink.mails) == 1
    queue_all(2)
    cancel("campaign", 2)
    send_due(now=NOON)
    assert Delivery.objects.get(origin_id=2).status == "canceled"
    assert len(smtp_sink.mails) == 1


@pytest.mark.django_db
def test_what_was_being_sent_at_the_cancellation_and_returns_to_the_queue_is_canceled(smtp_sink: SmtpSink) -> None:
    make_subscriber("a@shop.example")
    make_subscriber("b@shop.example")
    queue_all()
    in_flight = Delivery.objects.earliest("pk")
    Delivery.objects.filter(pk=in_flight.pk).update(status="sending", attempts=1, claim="other", claimed_at=NOON)
    cancel("campaign", 1)
    send_due(now=NOON)
    assert sorted(Delivery.objects.values_list("status", flat=True)) == ["canceled", "sending"]
    assert not OriginState.objects.get().is_applied
    write_results([SendResult(in_flight.pk, 1, "temporary", text="busy")], now=NOON)
    send_due(now=NOON)
    assert set(Delivery.objects.values_list("status", "skip_reason")) == {("canceled", "canceled")}
    assert OriginState.objects.get().is_applied
    assert not smtp_sink.mails


@pytest.mark.django_db(transaction=True)
def test_a_message_that_a_worker_claims_during_the_cancellation_is_not_canceled(smtp_sink: SmtpSink) -> None:
    make_subscriber("a@shop.example")
    queue_all()

    def work() -> None:
        try:
            cancel("campaign", 1)
        finally:
            connection.close()

    canceling = threading.Thread(target=work)
    with transaction.atomic():
        Delivery.objects.update(status="sending", attempts=1, claim="other", claimed_at=NOON)
        canceling.start()
        wait_until(is_lock_awaited, what="the cancellation, which waits for the claim")
    canceling.join()
    assert Delivery.objects.get().status == "sending"
    assert not OriginState.objects.get().is_applied


@pytest.mark.django_db
def test_messages_of_a_canceled_origin_that_were_left_waiting_by_an_earlier_release_are_canceled(
    smtp_sink: SmtpSink,
) -> None:
    make_subscriber("a@shop.example")
    for origin_id in (1, 2):
        queue_all(origin_id)
        cancel("campaign", origin_id)
    Delivery.objects.filter(origin_id=1).update(status="pending", skip_reason="")
    send_due(now=NOON)
    assert Delivery.objects.get(origin_id=1).status == "pending"
    migration = import_module("recommendations.sending.migrations.0010_reopen_canceled_origins")
    for _repetition in range(2):
        with connection.cursor() as cursor:
            cursor.execute(migration.REOPEN)
        assert OriginState.objects.get(is_applied=False).origin_id == 1
    send_due(now=NOON)
    assert set(Delivery.objects.values_list("status", "skip_reason")) == {("canceled", "canceled")}
    assert not OriginState.objects.filter(is_applied=False).exists()
    assert not smtp_sink.mails


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        ("withdraw", "skipped", "no_consent"),
        ("erase", "skipped", "erased"),
        ("pause", "pending", ""),
        ("cancel", "canceled", "canceled"),
    ],
)
def test_changes_between_decision_and_sending_are_obeyed(
    change: str, status: str, reason: str, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = make_subscriber("a@shop.example")
    queue_all()
    usual = sender.compose

    def change_and_compose(*args: Any, **options: Any) -> Any:
        composition = usual(*args, **options)
        if change == "withdraw":
            make_consent(customer, status=Consent.Status.WITHDRAWN, recorded_at=NOON + timedelta(seconds=1))
        elif change == "erase":
            Customer.objects.update(erased_at=NOON)
        else:
            OriginState.objects.create(
                origin_kind="campaign", origin_id=1, state=f"{change}d".replace("canceld", "canceled"), changed_at=NOON
            )
        return composition

    monkeypatch.setattr(sender, "compose", change_and_compose)
    send_due(now=NOON)
    delivery = Delivery.objects.get()
    assert (delivery.status, delivery.skip_reason) == (status, reason)
    assert not smtp_sink.mails


@pytest.mark.django_db
def test_an_objection_skips_the_next_message_and_a_restriction_all_but_transactional_ones(smtp_sink: SmtpSink) -> None:
    objecting, restricted = make_subscriber("a@shop.example"), make_subscriber("b@shop.example")
    restrict_processing(customer=objecting, scope="marketing", at=NOON, source="test")
    restrict_processing(customer=restricted, scope="all", at=NOON, source="test")
    queue_all()
    queue_all(2, is_transactional=True)
    send_due(now=NOON)
    reasons = dict(Delivery.objects.exclude(skip_reason="").values_list("customer_id", "skip_reason"))
    assert reasons == {objecting.pk: "objected", restricted.pk: "restricted"}
    assert len(smtp_sink.mails) == 2, "messages about an order still arrive"
    make_consent(objecting, Consent.Purpose.EMAIL, recorded_at=NOON + timedelta(days=1))
    queue_all(3)
    send_due(now=NOON)
    assert [mail.recipient for mail in smtp_sink.mails[2:]] == ["a@shop.example"], "who agrees again gets messages"
