"""Tasks of access: the seals of the audit log, and the e-mail that resets a password."""

from datetime import UTC, datetime

from celery import shared_task

from config.access.audit import seals
from config.access.passwords.mail import mail_reset_links
from customers.identity.personal_data.encrypted_field import decrypt


@shared_task(exclusive=True)
def seal_audit_log() -> None:
    seals.seal_entries(now=datetime.now(UTC))


@shared_task(autoretry_for=(OSError,), max_retries=3, retry_backoff=5)  # SMTPException is an OSError
def mail_password_reset(encrypted_email: str, origin: str, language: str) -> None:
    """Send links for a new password to the users with this address; it is encrypted, because the queue is not."""
    mail_reset_links(email=decrypt(encrypted_email), origin=origin, language=language)
