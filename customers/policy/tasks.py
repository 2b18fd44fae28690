"""The job that applies the settings of consent to all customers."""

from celery import shared_task

from customers.identity.consent.consent_denials import refresh_all_consent_denials


@shared_task(exclusive=True)
def apply_consent_settings() -> dict[str, int]:
    """Update what the collector and serving check to match the ledger and the settings, including updates that a crash has prevented."""
    return {"customers": refresh_all_consent_denials()}
