"""Names of the known events in the reader's language, for pages of marketers; pages of the collector show what was sent."""

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from customers.events.event_taxonomy import Meaning, lookup_meaning

PAGE_TYPES = ("page", "screen")
LABELS_BY_MEANING: Mapping[Meaning, str | Promise] = {
    Meaning.SEARCH: pgettext_lazy("event", "Products searched"),
    Meaning.LIST_VIEW: pgettext_lazy("event", "Product list viewed"),
    Meaning.VIEW: pgettext_lazy("event", "Product viewed"),
    Meaning.CART: pgettext_lazy("event", "Product added to cart"),
    Meaning.CART_REMOVAL: pgettext_lazy("event", "Product removed from cart"),
    Meaning.CART_VIEW: pgettext_lazy("event", "Cart viewed"),
    Meaning.WISHLIST: pgettext_lazy("event", "Product added to wishlist"),
    Meaning.WISHLIST_REMOVAL: pgettext_lazy("event", "Product removed from wishlist"),
    Meaning.STOCK_REQUEST: pgettext_lazy("event", "Back-in-stock notice requested"),
    Meaning.CHECKOUT: pgettext_lazy("event", "Checkout started"),
    Meaning.PURCHASE: pgettext_lazy("event", "Order completed"),
    Meaning.ORDER_UPDATE: pgettext_lazy("event", "Order updated"),
    Meaning.REFUND: pgettext_lazy("event", "Order refunded"),
    Meaning.CANCELLATION: pgettext_lazy("event", "Order canceled"),
    Meaning.REVIEW: pgettext_lazy("event", "Product reviewed"),
    Meaning.COUPON: pgettext_lazy("event", "Coupon entered"),
    Meaning.PROMOTION_VIEW: pgettext_lazy("event", "Promotion viewed"),
    Meaning.PROMOTION_CLICK: pgettext_lazy("event", "Promotion clicked"),
    Meaning.RECOMMENDATION_VIEW: pgettext_lazy("event", "Recommendation viewed"),
    Meaning.RECOMMENDATION_CLICK: pgettext_lazy("event", "Recommendation clicked"),
    Meaning.DISMISSAL: pgettext_lazy("event", "Recommendation dismissed"),
    Meaning.EMAIL_DELIVERED: pgettext_lazy("event", "Email delivered"),
    Meaning.EMAIL_OPENED: pgettext_lazy("event", "Email opened"),
    Meaning.EMAIL_CLICKED: pgettext_lazy("event", "Email link clicked"),
    Meaning.EMAIL_BOUNCED: pgettext_lazy("event", "Email bounced"),
    Meaning.EMAIL_UNSUBSCRIBED: pgettext_lazy("event", "Unsubscribed from email"),
    Meaning.PUSH_RECEIVED: pgettext_lazy("event", "Push message received"),
    Meaning.PUSH_TAPPED: pgettext_lazy("event", "Push message tapped"),
    Meaning.SMS_DELIVERED: pgettext_lazy("event", "SMS delivered"),
    Meaning.SMS_CLICKED: pgettext_lazy("event", "SMS link clicked"),
}
# Names that share their meaning with others but are more specific.
LABELS_BY_NAME: Mapping[str, str | Promise] = {
    "product list filtered": pgettext_lazy("event", "Product list filtered"),
    "product clicked": pgettext_lazy("event", "Product clicked"),
    "select_item": pgettext_lazy("event", "Product clicked"),
    "checkout step viewed": pgettext_lazy("event", "Checkout step viewed"),
    "checkout step completed": pgettext_lazy("event", "Checkout step completed"),
    "payment info entered": pgettext_lazy("event", "Payment details entered"),
    "add_payment_info": pgettext_lazy("event", "Payment details entered"),
    "add_shipping_info": pgettext_lazy("event", "Shipping details entered"),
    "coupon applied": pgettext_lazy("event", "Coupon applied"),
    "coupon denied": pgettext_lazy("event", "Coupon denied"),
    "coupon removed": pgettext_lazy("event", "Coupon removed"),
}
LABELS_BY_TYPE: Mapping[str, str | Promise] = {
    "identify": pgettext_lazy("event", "Identified"),
    "page": pgettext_lazy("event", "Page viewed"),
    "screen": pgettext_lazy("event", "Screen viewed"),
    "alias": pgettext_lazy("event", "Identities linked"),
    "group": pgettext_lazy("event", "Added to a group"),
}


def get_event_label(name: str, type: str = "track") -> str:
    """Return the name of an event in the reader's language; custom events keep theirs, and pages follow their type."""
    if type in LABELS_BY_TYPE:
        label = str(LABELS_BY_TYPE[type])
        return _("%(event)s: %(name)s") % {"event": label, "name": name} if name and type in PAGE_TYPES else label
    if specific := LABELS_BY_NAME.get(name.strip().casefold()):
        return str(specific)
    meaning = lookup_meaning(name)
    return str(LABELS_BY_MEANING[meaning]) if meaning is not None else name
