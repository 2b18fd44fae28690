"""What a link in a message lets a customer change: the consents to email, SMS and push notifications."""

from collections.abc import Mapping
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from customers.identity.consent.ledger import read_latest_consents, record_changed_consents
from customers.identity.models import Consent, Customer
from recommendations.sending.channels.registry import CHANNELS
from recommendations.sending.models import Delivery
from recommendations.sending.tracking.storing import FeedbackEvent, store_events

Purpose = Consent.Purpose
PREFERENCES: dict[str, str | Promise] = {
    Purpose.EMAIL: _("Emails with offers and news"),
    Purpose.SMS: _("Text messages and WhatsApp"),
    Purpose.PUSH: _("Push notifications"),
}


def unsubscribe(delivery: Delivery, *, at: datetime, source: str) -> None:
    """Withdraw the consent by which the message was sent; a repeated call changes nothing."""
    channel = CHANNELS.get(delivery.channel)
    purpose = channel.purpose if channel and channel.purpose else Purpose.EMAIL.value
    if Customer.objects.filter(pk=delivery.customer_id, erased_at__isnull=True).exists():
        entry = (delivery.customer_id, purpose, Consent.Status.WITHDRAWN.value)
        record_changed_consents(entries=[entry], recorded_at=at, source=source)
    store_events([FeedbackEvent(f"unsubscribe:{delivery.pk}", delivery.pk, "unsubscribe", at)])


def read_preferences(customer: Customer) -> dict[str, bool]:
    """Return whether each consent is granted."""
    granted = {
        consent.purpose
        for consent in read_latest_consents(customer=customer)
        if consent.status == Consent.Status.GRANTED
    }
    return {purpose: purpose in granted for purpose in PREFERENCES}


def save_preferences(customer: Customer, wanted: Mapping[str, bool], *, at: datetime) -> int:
    """Record the changed consents; return how many."""
    entries = [
        (customer.pk, str(purpose), (Consent.Status.GRANTED if is_wanted else Consent.Status.WITHDRAWN).value)
        for purpose, is_wanted in wanted.items()
    ]
    return record_changed_consents(entries=entries, recorded_at=at, source="preference page")
