"""Email: by SMTP, by a provider's Django backend, or into the outbox."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid5

from django.conf import settings

from config.foundation.shop.profile import get_shop
from customers.identity.models import Consent
from recommendations.sending.channels.base import OutgoingMessage, SendJob
from recommendations.sending.email_format import build_email
from recommendations.sending.tracking.tokens import MESSAGE, make_token
from recommendations.sending.transport.journal import SendResult
from recommendations.sending.transport.smtp import SmtpOptions

SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
# Providers that send a message once, however often they get it with the same key in the header Idempotency-Key. Resend remembers a key
# for 24 hours, which is longer than all retries take.
IDEMPOTENT_BACKENDS = ("anymail.backends.resend.EmailBackend",)
# Brevo remembers a key, a UUID among the headers of the message, for 15 minutes: too short for a retry by another worker, long enough for
# an immediate one. https://developers.brevo.com/docs/heterogenous-versions-batch-emails
BRIEFLY_IDEMPOTENT_BACKENDS = ("anymail.backends.brevo.EmailBackend",)
KEY_NAMESPACE = UUID("6f1c2d5e-5a0b-4c5e-9d43-0f6a8f6a2b11")
LOCAL_BACKENDS = (
    "django.core.mail.backends.console.EmailBackend",
    "django.core.mail.backends.locmem.EmailBackend",
    "django.core.mail.backends.dummy.EmailBackend",
)


def has_delivery_reports() -> bool:
    """Return whether emails are reported as delivered: only providers do so, at the address with the secret of the webhooks."""
    return settings.EMAIL_BACKEND.startswith("anymail.") and bool(settings.ANYMAIL.get("WEBHOOK_SECRET"))


class EmailChannel:
    """Sends emails with the sender of the shop settings."""

    key = "email"
    purpose = Consent.Purpose.EMAIL.value
    address = "email"
    has_quiet_hours = True
    contact_limit = None

    @property
    def is_idempotent(self) -> bool:
        return settings.EMAIL_BACKEND in IDEMPOTENT_BACKENDS

    def uses_outbox(self) -> bool:
        return settings.DEMO or settings.EMAIL_BACKEND in LOCAL_BACKENDS

    def get_process_options(self) -> dict[str, Any]:
        if settings.EMAIL_BACKEND != SMTP_BACKEND:
            return {"connections": settings.SENDING_CONNECTIONS}
        tls = "starttls" if settings.EMAIL_USE_TLS else "tls" if settings.EMAIL_USE_SSL else "off"
        return {
            "smtp": {
                "host": settings.EMAIL_HOST,
                "port": settings.EMAIL_PORT,
                "tls": tls,
                "user": settings.EMAIL_HOST_USER,
                "password": settings.EMAIL_HOST_PASSWORD,
                "timeout": max(settings.EMAIL_TIMEOUT, SmtpOptions.timeout),
            },
            "connections": settings.SENDING_CONNECTIONS,
        }

    def group_messages(self, messages: Sequence[OutgoingMessage]) -> list[list[OutgoingMessage]]:
        return [[message] for message in messages]

    def build_job(self, message: OutgoingMessage) -> SendJob:
        email = build_email(message, shop=get_shop())
        if settings.EMAIL_BACKEND != SMTP_BACKEND:
            token = make_token(MESSAGE, message.delivery_id)
            header = {"kind": "backend", "recipient": email.recipient, "token": token}
            if self.is_idempotent:
                header["idempotency_key"] = f"message-{token}"
            if settings.EMAIL_BACKEND in BRIEFLY_IDEMPOTENT_BACKENDS:
                # each attempt has its own key: if the first was refused, the provider would reject the same key as a duplicate
                header["brief_key"] = str(uuid5(KEY_NAMESPACE, f"{token}:{message.attempt}"))
            return SendJob(header, email.data)
        return SendJob({"kind": "smtp", "sender": email.sender, "recipient": email.recipient}, email.data)

    def read_result(self, result: SendResult) -> SendResult:
        return result
