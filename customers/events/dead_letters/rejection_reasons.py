"""Translated texts for rejection codes; the reason stored with an event names the value, in English."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

REASONS: dict[str, Promise] = {
    "amount_too_large": gettext_lazy("The order contains an amount that is too large to store."),
    "before_founding": gettext_lazy(
        "The time is before the shop was founded; correct it, or the setting SHOP_FOUNDED."
    ),
    "cannot_store": gettext_lazy("The event contains a value that the database cannot store."),
    "event_too_large": gettext_lazy("The event is too large; send fewer or smaller properties."),
    "invalid_event": gettext_lazy(
        "The event has the wrong format; send an object as described in the tracking documentation."
    ),
    "invalid_json": gettext_lazy("The event is not valid JSON."),
    "invalid_text": gettext_lazy("The event contains text or numbers that JSON does not allow."),
    "invalid_timestamp": gettext_lazy("The timestamp is not valid; use a format like 2026-11-24T10:42:00Z."),
    "missing_event": gettext_lazy("A track call requires “event”, the event name."),
    "missing_group_id": gettext_lazy("A group call requires “groupId”."),
    "missing_identity": gettext_lazy("The event has neither “userId” nor “anonymousId”; send at least one."),
    "missing_previous_id": gettext_lazy("An alias call requires “previousId”, the ID to link to “userId”."),
    "missing_order_id": gettext_lazy("The order has no “order_id”. Send the shop's order ID."),
    "missing_product": gettext_lazy("An order line has no “product_id”."),
    "negative_price": gettext_lazy("The order contains a negative price."),
    "negative_quantity": gettext_lazy("The order contains a negative quantity."),
    "nested_too_deeply": gettext_lazy("The event is nested too deeply."),
    "bad_number": gettext_lazy("The order contains an amount that is not a number; use a format like 19.90."),
    "nul_character": gettext_lazy("The event contains a NUL character (\\u0000); remove it."),
    "placeholder_order_id": gettext_lazy("The “order_id” is a placeholder such as “null”. Send the shop's order ID."),
    "processing_failed": gettext_lazy("The event was stored but could not be processed."),
    "too_long": gettext_lazy("The order contains an ID that is too long."),
    "unknown_currency": gettext_lazy("The currency is not valid; use an ISO 4217 code such as EUR."),
    "unknown_source": gettext_lazy("The source of this event is unknown."),
    "unmatched_return": gettext_lazy(
        "The refund lists a product that is not in the order, without a price or an amount; it counts as 0 until it is corrected."
    ),
    "unverified_user_id": gettext_lazy(
        "The event has a “userId” without a valid user token, and no “anonymousId”. Send a user token or "
        "an “anonymousId”."
    ),
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
