"""What events mean for a session, by the names under which sources send them."""

from collections.abc import Mapping

from customers.events.event_taxonomy import ORDER_MEANINGS, Meaning, lookup_meaning
from customers.intent.prediction.session_events import Device, EventKind

KIND_BY_MEANING: Mapping[Meaning, EventKind] = {
    Meaning.VIEW: EventKind.VIEW,
    Meaning.LIST_VIEW: EventKind.LIST_VIEW,
    Meaning.SEARCH: EventKind.SEARCH,
    Meaning.CART: EventKind.CART,
    Meaning.CART_REMOVAL: EventKind.CART_REMOVAL,
    Meaning.WISHLIST: EventKind.WISHLIST,
    Meaning.CART_VIEW: EventKind.CART_VIEW,
    Meaning.CHECKOUT: EventKind.CHECKOUT,
    Meaning.PURCHASE: EventKind.PURCHASE,
    Meaning.PROMOTION_CLICK: EventKind.CLICK,
    Meaning.RECOMMENDATION_CLICK: EventKind.CLICK,
}
# what the shop or a message service reports is no visit: changes of orders, and messages
NO_VISIT = (ORDER_MEANINGS - {Meaning.PURCHASE}) | {
    meaning for meaning in Meaning if meaning.value.startswith(("email_", "push_", "sms_"))
}
# what the page shows automatically tells nothing about the visitor
SHOWN = frozenset({Meaning.PROMOTION_VIEW, Meaning.RECOMMENDATION_VIEW})
DEVICES: Mapping[str, Device] = {
    "desktop": Device.DESKTOP,
    "mobile": Device.MOBILE,
    "tablet": Device.MOBILE,
    "ios": Device.MOBILE,
    "android": Device.MOBILE,
}


def find_kind(name: str) -> EventKind | None:
    """Return what an event means for a session; None if it is no action of the visitor in the shop."""
    meaning = lookup_meaning(name)
    if meaning is None:
        return EventKind.OTHER
    return None if meaning in NO_VISIT or meaning in SHOWN else KIND_BY_MEANING.get(meaning, EventKind.OTHER)


def find_device(text: str | None) -> Device:
    """Return the type of a device from the SDK's text."""
    return DEVICES.get((text or "").casefold(), Device.UNKNOWN)
