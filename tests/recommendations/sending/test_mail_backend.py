"""Emails through the backends of django-anymail: what reaches the provider, and what its answers lead to."""

import json
from typing import Any
from uuid import UUID

import pytest
import requests
from anymail.exceptions import AnymailAPIError
from django.core import mail

from recommendations.sending.channels.base import OutgoingMessage
from recommendations.sending.channels.email import EmailChannel
from recommendations.sending.channels.registry import understand
from recommendations.sending.tracking.tokens import MESSAGE, read_token
from recommendations.sending.transport.journal import SendResult
from recommendations.sending.transport.mail_backend import BackendSender

TEST_BACKEND = "anymail.backends.test.EmailBackend"
RESEND_BACKEND = "anymail.backends.resend.EmailBackend"
BREVO_BACKEND = "anymail.backends.brevo.EmailBackend"
pytestmark = pytest.mark.django_db


def send(attempt: int = 1) -> SendResult:
    """Send an email as the delivery process does."""
    message = OutgoingMessage(
        delivery_id=7, attempt=attempt, customer_id=1, origin_kind="campaign", origin_id=3, channel="email",
        recipient="ann@shop.example", language="en", subject="Hello Ann 王", html="<p>Hello 王</p>", text="Hello 王",
        is_transactional=False, links={"unsubscribe": "https://shop.example/m/u/abc"},
    )  # fmt: skip
    job, begun = EmailChannel().build_job(message), []
    sender = BackendSender()
    try:
        result = sender.send({**job.header, "id": 7, "attempt": attempt}, job.body, lambda: begun.append(1))
    finally:
        sender.close()
    assert begun, "the journal has a line before the request"
    return understand(result, EmailChannel())


def fail_with(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the provider answer with an error."""
    from anymail.backends.test import EmailBackend

    def refuse(self: Any, payload: Any, message: Any) -> None:
        response = requests.Response()
        response.status_code = status
        raise AnymailAPIError("refused", response=response if status else None)

    monkeypatch.setattr(EmailBackend, "post_to_esp", refuse)


def test_the_provider_gets_the_parts_the_headers_and_the_token_of_the_delivery(settings: Any) -> None:
    settings.EMAIL_BACKEND = TEST_BACKEND
    assert send().outcome == "sent"
    [sent] = mail.outbox
    params = sent.anymail_test_params  # type: ignore[attr-defined]
    assert (params["subject"], params["to"][0].addr_spec) == ("Hello Ann 王", "ann@shop.example")
    assert (params["text_body"].strip(), params["html_body"].strip()) == ("Hello 王", "<p>Hello 王</p>")
    headers = params["extra_headers"]
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["List-Unsubscribe"].startswith("<https://shop.example/m/u/abc>")
    assert read_token(MESSAGE, params["metadata"]["delivery"])[0] == 7


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (400, "permanent"),
        (422, "permanent"),
        (429, "temporary"),
        (503, "temporary"),
        (500, "uncertain"),
        (0, "uncertain"),
    ],
)
def test_an_error_after_which_the_email_may_have_been_sent_is_not_repeated(
    status: int, outcome: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND = TEST_BACKEND
    fail_with(status, monkeypatch)
    assert send().outcome == outcome


def test_a_provider_with_idempotency_gets_the_same_key_with_each_attempt(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND, settings.ANYMAIL = RESEND_BACKEND, {"RESEND_API_KEY": "k"}
    keys = []

    def answer(session: requests.Session, **request: Any) -> requests.Response:
        keys.append(session.headers["Idempotency-Key"])
        response = requests.Response()
        response.status_code, response._content = (500, b"{}") if len(keys) == 1 else (200, b'{"id": "re_1"}')
        return response

    monkeypatch.setattr(requests.Session, "request", answer)
    assert send().outcome == "temporary"
    repeated = send(attempt=2)
    assert (repeated.outcome, repeated.provider_id) == ("sent", "re_1")
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([(500, b"{}"), (400, b'{"code": "duplicate_parameter", "message": "known"}')], "sent"),
        ([(500, b"{}"), (201, b'{"messageId": "b1"}')], "sent"),
        ([(500, b"{}"), (500, b"{}")], "uncertain"),
        ([(500, b"{}"), (429, b"{}")], "uncertain"),
        ([(429, b"{}")], "temporary"),
    ],
)
def test_a_provider_that_knows_keys_for_minutes_gets_an_email_without_answer_again_at_once(
    answers: list[tuple[int, bytes]], outcome: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.EMAIL_BACKEND, settings.ANYMAIL = BREVO_BACKEND, {"BREVO_API_KEY": "k"}
    keys = []

    def answer(session: requests.Session, **request: Any) -> requests.Response:
        response = requests.Response()
        response.status_code, response._content = answers[len(keys)]
        keys.append(json.loads(request["data"])["headers"]["idempotencyKey"])
        return response

    monkeypatch.setattr(requests.Session, "request", answer)
    assert send().outcome == outcome
    assert len(keys) == len(answers)
    assert {str(UUID(key)) for key in keys} == {keys[0]}
