"""Why an event was refused, in the reader's words; the reason stored beside it names the value, in English."""

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

REASONS: dict[str, Promise] = {
    "amount_too_large": gettext_lazy("An amount of this order is larger than can be stored."),
    "cannot_store": gettext_lazy("The database cannot store a value of this event."),
    "event_too_large": gettext_lazy("The event is too large; send less in its properties."),
    "invalid_event": gettext_lazy("This is no event as the tracking specification has it; give an object."),
    "invalid_text": gettext_lazy("The event holds text or numbers that JSON does not allow."),
    "invalid_timestamp": gettext_lazy("This is no time; write it like 2026-11-24T10:42:00Z."),
    "missing_event": gettext_lazy("A track call needs “event”, the name of what happened."),
    "missing_group_id": gettext_lazy("A group call needs “groupId”."),
    "missing_identity": gettext_lazy("Neither “userId” nor “anonymousId” says whose event this is; give one of them."),
    "missing_previous_id": gettext_lazy("An alias call needs “previousId”, the id that is joined with “userId”."),
    "missing_order_id": gettext_lazy("The order has no “order_id”, the shop's own number."),
    "missing_product_id": gettext_lazy("A line of the order has no “product_id”."),
    "negative_price": gettext_lazy("A price of this order is negative."),
    "negative_quantity": gettext_lazy("A quantity of this order is negative."),
    "nested_too_deeply": gettext_lazy("The event is nested too deeply."),
    "not_a_number": gettext_lazy("An amount of this order is no number; write it like 19.90."),
    "nul_character": gettext_lazy("The event holds a NUL character (\\u0000); remove it."),
    "placeholder_order_id": gettext_lazy(
        "The “order_id” is a placeholder, such as “null”; give the shop's own number."
    ),
    "processing_failed": gettext_lazy("The event was stored and could not be processed."),
    "unknown_currency": gettext_lazy("The currency is no ISO 4217 code such as EUR."),
    "unknown_source": gettext_lazy("The source of this event is not known."),
    "unknown_type": gettext_lazy(
        "This type of call is not known; there are track, identify, page, screen, group and alias."
    ),
}
INVALID = "invalid_"
REVIEW = "review_"


def reason_in_words(code: str) -> str:
    """A code that nobody described yet is shown as it is."""
    if code in REASONS:
        return str(REASONS[code])
    if code.startswith(INVALID):
        return _("The value of “%(field)s” cannot be taken.") % {"field": code.removeprefix(INVALID)}
    if code.startswith(REVIEW):
        return _("The review in this event cannot be taken.")
    return code
