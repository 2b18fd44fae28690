"""Sends emails through a Django email backend, such as those of django-anymail for the APIs of providers."""

import os
from collections.abc import Callable
from email import message_from_bytes, policy
from typing import Any

import django

from recommendations.sending.transport.http import classify_status
from recommendations.sending.transport.journal import SendResult
from recommendations.sending.transport.smtp import MailServerDownError

# Headers that the provider sets itself, or that the message object has fields for.
OWN_HEADERS = frozenset(
    {"from", "to", "reply-to", "subject", "mime-version", "content-type", "content-transfer-encoding"}
)
DUPLICATE = "duplicate_parameter"  # Brevo's error code for a key that it has already seen


class BackendSender:
    """Sends the jobs of kind "backend" with EMAIL_BACKEND."""

    def __init__(self) -> None:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        django.setup()
        from django.core.mail import get_connection

        self._connection = get_connection()

    def send(self, header: dict[str, Any], body: bytes, begin: Callable[[], None]) -> SendResult:
        from django.core.mail import EmailMultiAlternatives

        delivery_id, attempt = header["id"], header["attempt"]
        parsed = message_from_bytes(body, policy=policy.default)
        text, html = parsed.get_body(("plain",)), parsed.get_body(("html",))
        message = EmailMultiAlternatives(
            subject=str(parsed["Subject"]),
            body=text.get_content() if text is not None else "",
            from_email=str(parsed["From"]),
            to=[header["recipient"]],
            reply_to=[str(parsed["Reply-To"])] if parsed["Reply-To"] else None,
            headers={name: str(value) for name, value in parsed.items() if name.lower() not in OWN_HEADERS},
            connection=self._connection,
        )
        if html is not None:
            message.attach_alternative(html.get_content(), "text/html")
        message.metadata = {"delivery": header["token"]}  # type: ignore[attr-defined]  # of anymail: webhooks return it
        self._connection.open()  # it stays open for the next emails
        key = header.get("idempotency_key", "")
        if key:
            self._connection.session.headers["Idempotency-Key"] = key  # type: ignore[attr-defined]  # of anymail
        if brief_key := header.get("brief_key", ""):
            message.extra_headers["idempotencyKey"] = brief_key
        begin()
        result = self._send(message, delivery_id, attempt, is_idempotent=bool(key))
        if brief_key and result.outcome == "uncertain":
            repeated = self._send(message, delivery_id, attempt, is_idempotent=False)
            if DUPLICATE in repeated.text:  # the first request arrived
                return SendResult(delivery_id, attempt, "sent", 250)
            # only an email that was accepted is certain: a refusal of the repetition says nothing about the first request
            return repeated if repeated.outcome == "sent" else result
        return result

    def _send(self, message: Any, delivery_id: int, attempt: int, *, is_idempotent: bool) -> SendResult:
        from anymail.exceptions import AnymailAPIError, AnymailError, AnymailRecipientsRefused

        try:
            message.send()
        except AnymailRecipientsRefused as error:
            return SendResult(delivery_id, attempt, "permanent", text=str(error)[:500])
        except AnymailAPIError as error:
            status = getattr(error.response, "status_code", 0) or 0
            if not status:
                return SendResult(delivery_id, attempt, "uncertain", text=str(error)[:500])
            outcome = classify_status(status, is_idempotent=is_idempotent)
            return SendResult(delivery_id, attempt, outcome, status, str(error)[:500])
        except (
            AnymailError
        ) as error:  # raised before the request: the message uses something that the provider does not support
            return SendResult(delivery_id, attempt, "permanent", text=str(error)[:500])
        except ConnectionRefusedError as error:
            raise MailServerDownError(str(error)) from error
        status = getattr(message, "anymail_status", None)
        return SendResult(delivery_id, attempt, "sent", 250, provider_id=str(getattr(status, "message_id", "") or ""))

    def close(self) -> None:
        self._connection.close()
