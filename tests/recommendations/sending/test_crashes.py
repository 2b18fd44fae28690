"""Whatever is killed and whatever the mail server answers: at most one message each, and everyone owed one gets it."""

import signal
import time
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any

import psutil
import pytest

from customers.identity.models import Customer
from recommendations.sending import sender
from recommendations.sending.models import Delivery
from recommendations.sending.queue import queue_audience
from recommendations.sending.sender import send_due
from recommendations.sending.transport.client import DeliveryClient
from tests.child_processes import kill_child, start_child
from tests.makers import NOON
from tests.recommendations.messaging.makers import get_version, make_template
from tests.recommendations.sending.fakes import make_subscriber
from tests.smtp_sink import SmtpSink
from tests.waiting import wait_until

SENDING = """
from django.core.management import call_command
call_command("send_messages")
"""


class KilledError(BaseException):
    """Stands for kill -9: nothing after it is executed."""


def queue_all(number: int) -> None:
    for index in range(number):
        make_subscriber(f"c{index}@shop.example")
    queue_audience(
        origin_kind="campaign",
        origin_id=1,
        customers=Customer.objects.all(),
        template_version_id=1,
        channel="email",
        due_at=NOON,
    )


def list_delivery_processes() -> list[psutil.Process]:
    """Return the delivery processes that this process has started and that have not ended."""
    processes = []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):  # it has just ended
            if "sending.transport" in str(child.cmdline()):
                processes.append(child)
    return processes


def count_mails(sink: SmtpSink) -> Counter[str]:
    return Counter(mail.recipient for mail in sink.mails)


@pytest.mark.django_db
@pytest.mark.parametrize("step", ["compose", "write_choices", "find_stopped", "write_results", "submit"])
def test_worker_that_dies_at_any_step_leaves_everything_to_the_next(
    step: str, smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_all(5)
    calls: list[int] = []

    def die(*args: Any, **kwargs: Any) -> None:
        calls.append(1)
        raise KilledError

    with monkeypatch.context() as patch:
        if step == "submit":
            usual = DeliveryClient.submit

            def submit_two(client: DeliveryClient, header: dict[str, Any], body: bytes) -> None:
                if client.open_count >= 2:
                    die()
                usual(client, header, body)

            patch.setattr(DeliveryClient, "submit", submit_two)
        else:
            patch.setattr(sender, step, die)
        with pytest.raises(KilledError):
            send_due(now=NOON)
    assert calls
    wait_until(
        lambda: not list_delivery_processes(), what="the messages in flight to be finished, and the journal to be free"
    )
    for minute in range(5):
        send_due(now=NOON + timedelta(minutes=minute))
    assert count_mails(smtp_sink) == {f"c{index}@shop.example": 1 for index in range(5)}


@pytest.mark.django_db
def test_worker_that_is_stopped_sends_what_is_in_flight_and_leaves_the_rest_to_the_next(
    smtp_sink: SmtpSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue_all(5)
    monkeypatch.setattr(sender, "HANDOVER_ROWS", 2)
    answers = [False, False]  # at the start, and before the first two messages
    monkeypatch.setattr(sender, "is_worker_stopping", lambda: answers.pop() if answers else True)
    send_due(now=NOON)
    statuses = Counter(Delivery.objects.values_list("status", "attempts"))
    assert statuses == {("sent", 1): 2, ("pending", 0): 3}
    monkeypatch.setattr(sender, "is_worker_stopping", lambda: False)
    send_due(now=NOON)
    assert count_mails(smtp_sink) == {f"c{index}@shop.example": 1 for index in range(5)}


@pytest.mark.django_db
def test_killed_delivery_process_leaves_only_the_message_in_flight_uncertain(
    smtp_sink: SmtpSink, settings: Any
) -> None:
    settings.SENDING_CONNECTIONS = 1
    queue_all(4)
    answers: list[str] = []

    def kill_at_the_third(command: str) -> str:
        if command == ".":
            answers.append(command)
            if len(answers) == 3:
                [process] = list_delivery_processes()
                process.send_signal(signal.SIGKILL)
        return ""

    smtp_sink.answer = kill_at_the_third
    send_due(now=NOON)
    send_due(now=NOON + timedelta(minutes=5))
    statuses = Counter(Delivery.objects.values_list("status", flat=True))
    assert statuses == {"sent": 3, "uncertain": 1}
    assert max(count_mails(smtp_sink).values()) == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("command", "reply", "status", "error"),
    [
        ("RCPT", "550 no such user", "failed", "550 no such user"),
        (".", "554 rejected", "failed", "554 rejected"),
        ("MAIL", "451 try later", "pending", "451 try later"),
        (".", "452 full", "pending", "452 full"),
        (".", "close", "uncertain", "The connection ended before the answer"),
        ("ehlo", "close", "pending", ""),
    ],
)
def test_answers_of_the_mail_server(command: str, reply: str, status: str, error: str, smtp_sink: SmtpSink) -> None:
    queue_all(1)
    smtp_sink.answer = lambda line: reply if line.startswith(command) else ""
    send_due(now=NOON)
    delivery = Delivery.objects.get()
    assert delivery.status == status
    assert error in delivery.error
    if status == "pending":
        smtp_sink.answer = lambda line: ""
        send_due(now=delivery.due_at + timedelta(seconds=1))
        delivery.refresh_from_db()
        assert (delivery.status, len(smtp_sink.mails)) == ("sent", 1)


@pytest.mark.django_db
def test_temporary_errors_are_retried_with_growing_waits_and_then_fail(smtp_sink: SmtpSink) -> None:
    queue_all(1)
    smtp_sink.answer = lambda line: "451 later" if line.startswith("RCPT") else ""
    waits, now = [], NOON
    for _attempt in range(6):
        send_due(now=now)
        delivery = Delivery.objects.get()
        waits.append(round((delivery.due_at - now).total_seconds() / 60))
        now = delivery.due_at + timedelta(seconds=1)
    assert waits[:5] == [1, 5, 15, 60, 240]
    assert (delivery.status, delivery.attempts) == ("failed", 6)


@pytest.mark.acceptance
@pytest.mark.django_db(transaction=True)
def test_worker_killed_three_times_sends_each_message_once(smtp_sink: SmtpSink, settings: Any) -> None:
    version_id = get_version(make_template(key="crash")).pk
    queue_all(300)
    Delivery.objects.update(template_version_id=version_id)
    environment = {
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(smtp_sink.port),
        "EMAIL_TLS": "off",
        "PERENNIAL_VAR": str(settings.VAR_DIR),
    }
    for kill in range(3):
        worker = start_child(SENDING, **environment)
        while len(smtp_sink.mails) < 50 * (kill + 1) and worker.poll() is None:
            time.sleep(0.005)
        kill_child(worker)

    def send_rest() -> bool:
        """Send until nothing is left: the process of the last killed worker may not have ended yet."""
        worker = start_child(SENDING, **environment)
        _output, problems = worker.communicate()
        assert worker.returncode == 0, problems
        return not Delivery.objects.exclude(status="sent").exists()

    wait_until(send_rest, what="all messages to be sent")
    assert count_mails(smtp_sink) == {f"c{index}@shop.example": 1 for index in range(300)}
    assert set(Delivery.objects.values_list("status", flat=True)) == {"sent"}
