"""The job that applies the settings of consent to all customers."""

from celery import shared_task

from customers.identity.consent.consent_denials import refresh_all_consent_denials


@shared_task(exclusive=True)
def apply_consent_settings() -> dict[str, int]:
    """Bring what the collector and serving check in line with the ledger and the settings; also heals what a crash left out."""
    return {"customers": refresh_all_consent_denials()}
