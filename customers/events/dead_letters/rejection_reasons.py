"""Translated texts for rejection codes; the reason stored with an event names the value, in English."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

REASONS: dict[str, Promise] = {
    "amount_too_large": gettext_lazy("An amount of this order is too large to store."),
    "cannot_store": gettext_lazy("The database cannot store a value of this event."),
    "event_too_large": gettext_lazy("The event is too large; send less in its properties."),
    "invalid_event": gettext_lazy(
        "The event has the wrong format; send an object as described in the tracking documentation."
    ),
    "invalid_text": gettext_lazy("The event contains text or numbers that JSON does not allow."),
    "invalid_timestamp": gettext_lazy("The timestamp is not valid; write it like 2026-11-24T10:42:00Z."),
    "missing_event": gettext_lazy("A track call needs “event”, the name of what happened."),
    "missing_group_id": gettext_lazy("A group call needs “groupId”."),
    "missing_identity": gettext_lazy("The event has neither “userId” nor “anonymousId”; send at least one."),
    "missing_previous_id": gettext_lazy("An alias call needs “previousId”, the id to link to “userId”."),
    "missing_order_id": gettext_lazy("The order has no “order_id”, the shop's own order number."),
    "missing_product": gettext_lazy("A line of the order has no “product_id”."),
    "negative_price": gettext_lazy("A price of this order is negative."),
    "negative_quantity": gettext_lazy("A quantity of this order is negative."),
    "nested_too_deeply": gettext_lazy("The event is nested too deeply."),
    "bad_number": gettext_lazy("An amount of this order is not a number; write it like 19.90."),
    "nul_character": gettext_lazy("The event contains a NUL character (\\u0000); remove it."),
    "placeholder_order_id": gettext_lazy(
        "The “order_id” is a placeholder such as “null”; send the shop's own order number."
    ),
    "processing_failed": gettext_lazy("The event was stored but could not be processed."),
    "too_long": gettext_lazy("An ID of this order is too long."),
    "unknown_currency": gettext_lazy("The currency is not an ISO 4217 code such as EUR."),
    "unknown_source": gettext_lazy("The source of this event is unknown."),
    "unknown_type": gettext_lazy("Unknown call type; valid: track, identify, page, screen, group, alias."),
}
INVALID_PREFIX = "invalid_"
REVIEW_PREFIX = "review_"


def describe_reason(code: str) -> str:
    """Return the text for a code; a code without a text is returned as is."""
    if code in REASONS:
        return str(REASONS[code])
    if code.startswith(INVALID_PREFIX):
        return _("The value of “%(field)s” is not valid.") % {"field": code.removeprefix(INVALID_PREFIX)}
    if code.startswith(REVIEW_PREFIX):
        return _("The review in this event is not valid.")
    return code
