"""Lists the enabled destinations as recipients of personal data, for the records of recipients and the privacy policy."""

from collections.abc import Iterator

from config.foundation.privacy_facts.registry import RecipientFact
from customers.destinations.kinds.registry import DESTINATION_KINDS
from customers.destinations.models import Destination
from customers.policy.models import DataRecipient


def list_destination_recipients() -> Iterator[RecipientFact]:
    """Yield the enabled destinations."""
    for row in Destination.objects.filter(is_enabled=True).order_by("pk"):
        kind = DESTINATION_KINDS.get(row.kind)
        if kind is not None:
            yield RecipientFact(
                name_recipient(row), f"{row.name} ({kind.label})", str(kind.task), str(kind.data), kind.country
            )


def name_recipient(destination: Destination) -> str:
    return f"destination.{destination.pk}"


def record_recipient(destination: Destination) -> None:
    """Add a destination to the recipients if it is missing; changes by the privacy officer stay, except for whether it is in use."""
    DataRecipient.objects.filter(key=name_recipient(destination)).update(is_active=destination.is_enabled)
    for fact in list_destination_recipients():
        if fact.key == name_recipient(destination):
            DataRecipient.objects.get_or_create(
                key=fact.key,
                defaults={
                    "name": fact.name[:200],
                    "role": DataRecipient.Role.THIRD_PARTY if fact.country else DataRecipient.Role.PROCESSOR,
                    "task": fact.task,
                    "data": fact.data,
                    "country": fact.country,
                    # the consents to sharing, and to a transfer abroad, are checked before anything is sent
                    "safeguard": DataRecipient.Safeguard.CONSENT if fact.country else DataRecipient.Safeguard.NONE,
                },
            )


def close_recipient(destination: Destination) -> None:
    """Mark a destination as no longer in use, before it is deleted."""
    DataRecipient.objects.filter(key=name_recipient(destination)).update(is_active=False)
