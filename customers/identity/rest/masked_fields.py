"""Serializer fields whose values are masked for callers who may not see personal data."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from customers.identity.models import Customer, Identifier
from customers.identity.personal_data.masking import mask_id, mask_text, may_see_personal

MASKED_ID_HELP = _("••• if it is an email address or phone number and the key lacks the scope customers:personal.")
MASKED_TEXT_HELP = _("Email addresses and phone numbers in it are ••• if the key lacks the scope customers:personal.")


def may_context_see_personal(context: Mapping[str, Any]) -> bool:
    """Return whether the caller may see personal data, from the context of a serializer; without a request, nobody may."""
    request = context.get("request")
    return request is not None and may_see_personal(request)


def find_user_id(customer: Customer | None, context: Mapping[str, Any]) -> str | None:
    """Return the first user ID of a customer whose identifiers were prefetched, masked as the caller requires; None without one."""
    if customer is None:
        return None
    # a filter would run one query per customer
    user_ids = [identifier for identifier in customer.identifiers.all() if identifier.kind == Identifier.Kind.USER_ID]
    if not user_ids:
        return None
    first = min(user_ids, key=lambda identifier: identifier.pk)
    return mask_id(first.value, with_personal=may_context_see_personal(context))


class MaskedIdField(serializers.CharField):
    """The ID of a person."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"help_text": MASKED_ID_HELP, "read_only": True, **options})

    def to_representation(self, value: Any) -> str:
        return mask_id(super().to_representation(value), with_personal=may_context_see_personal(self.context))


class MaskedTextField(serializers.CharField):
    """A text that people wrote."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"help_text": MASKED_TEXT_HELP, "read_only": True, **options})

    def to_representation(self, value: Any) -> str:
        return mask_text(super().to_representation(value), with_personal=may_context_see_personal(self.context))
