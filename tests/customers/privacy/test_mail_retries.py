"""Mails about privacy requests and subscriptions that a mail server refuses are sent later, for a day."""

from collections.abc import Callable, Iterator
from smtplib import SMTPRecipientsRefused
from typing import Any, ClassVar

import pytest
from celery.app.task import Task
from celery.signals import task_retry
from django.core import mail
from django.core.mail.backends.locmem import EmailBackend

from config.foundation.shop.mail import MAIL_RETRIES, compute_mail_wait
from customers.erasure.models import ErasureRun
from customers.identity.models import Customer
from customers.identity.personal_data.encrypted_field import encrypt
from customers.privacy.models import PrivacyRequest, PrivacyRequestEntry
from customers.privacy.requests.opening import NewRequest, open_request
from customers.privacy.self_service import links
from customers.privacy.self_service.links import DATA, AccessLink
from customers.privacy.tasks import send_access_link, send_erased_notice, send_notice
from customers.subscriptions.requests import SubscriptionRequest, make_token
from customers.subscriptions.tasks import send_confirmation
from tests.customers.privacy.makers import EMAIL
from tests.makers import NOON

type Call = tuple[Task[..., Any], tuple[Any, ...]]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("eager_tasks", "export_folder")]


class GreylistingBackend(EmailBackend):
    """Refuses the next mails for now, as a server with greylisting does."""

    refusals: ClassVar[int] = 0

    def send_messages(self, messages: Any) -> int:
        if GreylistingBackend.refusals:
            GreylistingBackend.refusals -= 1
            raise SMTPRecipientsRefused({EMAIL: (451, b"Greylisted")})
        return super().send_messages(messages)


@pytest.fixture
def waits(settings: Any) -> Iterator[list[int]]:
    """Send mails with GreylistingBackend, and return the seconds after which tasks are tried again."""
    settings.EMAIL_BACKEND = f"{__name__}.GreylistingBackend"
    found: list[int] = []

    def note_wait(reason: Any, **_details: Any) -> None:
        found.append(reason.when)

    task_retry.connect(note_wait)
    yield found
    task_retry.disconnect(note_wait)
    GreylistingBackend.refusals = 0


def open_rectification(mei: Customer) -> PrivacyRequest:
    request, _is_new = open_request(NewRequest(kind="rectification", channel="officer", customer=mei), now=NOON)
    PrivacyRequest.objects.filter(pk=request.pk).update(email=EMAIL)
    return request


def call_link(_mei: Customer, _failures: int) -> Call:
    link = AccessLink(purpose=DATA, language="en", issued_at=NOON, email=EMAIL)
    return send_access_link, (links.make_token(link),)


def call_notice(mei: Customer, _failures: int) -> Call:
    return send_notice, (open_rectification(mei).pk, "extended")


def call_erased_notice(mei: Customer, failures: int) -> Call:
    request = open_rectification(mei)
    run = ErasureRun.objects.create(requested_by="test", finished_at=NOON)
    return send_erased_notice, (run.pk, encrypt(EMAIL), "en", request.number, str(request.reference), failures)


def call_confirmation(_mei: Customer, _failures: int) -> Call:
    request = SubscriptionRequest(
        email=EMAIL, form="newsletter", policy_version="2026-11", language="en", requested_at=NOON
    )
    return send_confirmation, (make_token(request), "https://shop.example")


MAILS = pytest.mark.parametrize("make_call", [call_link, call_notice, call_erased_notice, call_confirmation])


@MAILS
def test_a_refused_mail_is_sent_after_growing_waits(
    mei: Customer, waits: list[int], make_call: Callable[[Customer, int], Call]
) -> None:
    task, arguments = make_call(mei, 0)
    mail.outbox.clear()
    GreylistingBackend.refusals = 3
    task.apply(args=arguments)
    assert [message.to for message in mail.outbox] == [[EMAIL]]
    assert waits == [compute_mail_wait(number) for number in range(3)]


@MAILS
def test_a_mail_is_given_up_after_a_day_and_the_history_says_so(
    mei: Customer, waits: list[int], make_call: Callable[[Customer, int], Call]
) -> None:
    task, arguments = make_call(mei, MAIL_RETRIES)
    mail.outbox.clear()
    GreylistingBackend.refusals = 2
    result = task.apply(args=arguments, retries=MAIL_RETRIES)
    assert (result.state, mail.outbox, waits) == ("FAILURE", [], [])
    failed = PrivacyRequestEntry.objects.filter(step=PrivacyRequestEntry.Step.FAILED)
    expected = {call_notice: ["extended"], call_erased_notice: ["erased"]}.get(make_call, [])
    assert [entry.details["mail"] for entry in failed] == expected
