"""Background tasks of customers."""

from celery import shared_task

from customers.identity.personal_data.phone_forms import apply_phone_country


@shared_task(exclusive=True)
def apply_country_of_phone_numbers() -> int:
    """Convert the hashes of stored phone numbers to the form of the shop's country; return how many customers have a phone number."""
    return apply_phone_country().customers
