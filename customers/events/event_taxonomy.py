"""Maps event names to their meanings: Segment's (e-commerce v2 and v1, e-mail, mobile) and GA4's names.

Neither specification defines SMS events, which use Customer.io's names, and requests to be notified when a product is back in stock, which
use the names of the on-site script and Klaviyo. Events with other names are stored without a meaning.
"""

from enum import StrEnum


class Meaning(StrEnum):
    SEARCH = "search"
    LIST_VIEW = "list_view"
    VIEW = "view"
    CART = "cart"
    CART_REMOVAL = "cart_removal"
    CART_VIEW = "cart_view"
    WISHLIST = "wishlist"
    WISHLIST_REMOVAL = "wishlist_removal"
    STOCK_REQUEST = "stock_request"
    CHECKOUT = "checkout"
    PURCHASE = "purchase"
    ORDER_UPDATE = "order_update"
    REFUND = "refund"
    CANCELLATION = "cancellation"
    REVIEW = "review"
    COUPON = "coupon"
    PROMOTION_VIEW = "promotion_view"
    PROMOTION_CLICK = "promotion_click"
    RECOMMENDATION_VIEW = "recommendation_view"
    RECOMMENDATION_CLICK = "recommendation_click"
    DISMISSAL = "dismissal"
    EMAIL_DELIVERED = "email_delivered"
    EMAIL_OPENED = "email_opened"
    EMAIL_CLICKED = "email_clicked"
    EMAIL_BOUNCED = "email_bounced"
    EMAIL_UNSUBSCRIBED = "email_unsubscribed"
    PUSH_RECEIVED = "push_received"
    PUSH_TAPPED = "push_tapped"
    SMS_DELIVERED = "sms_delivered"
    SMS_CLICKED = "sms_clicked"


# interactions that show interest in a product
INTERACTIONS = frozenset({Meaning.VIEW, Meaning.CART, Meaning.WISHLIST, Meaning.PURCHASE})
# make, change or cancel orders
ORDER_MEANINGS = frozenset({Meaning.PURCHASE, Meaning.ORDER_UPDATE, Meaning.REFUND, Meaning.CANCELLATION})
# kept in the recent interactions immediately: these, and products that a customer dismissed
RECENT_MEANINGS = INTERACTIONS | {Meaning.DISMISSAL}

EVENT_NAMES: dict[Meaning, tuple[str, ...]] = {
    Meaning.SEARCH: ("Products Searched", "search", "view_search_results"),
    Meaning.LIST_VIEW: (
        "Product List Viewed",
        "Product List Filtered",
        "Viewed Product Category",
        "view_item_list",
    ),
    Meaning.VIEW: (
        "Product Clicked",
        "Product Viewed",
        "Viewed Product",
        "Clicked Product",
        "select_item",
        "view_item",
    ),
    Meaning.CART: ("Product Added", "Added Product", "add_to_cart"),
    Meaning.CART_REMOVAL: ("Product Removed", "Removed Product", "remove_from_cart"),
    Meaning.CART_VIEW: ("Cart Viewed", "view_cart"),
    Meaning.WISHLIST: ("Product Added to Wishlist", "add_to_wishlist"),
    Meaning.WISHLIST_REMOVAL: ("Product Removed from Wishlist", "remove_from_wishlist"),
    Meaning.STOCK_REQUEST: ("Back In Stock Requested", "Subscribed to Back in Stock"),
    Meaning.CHECKOUT: (
        "Checkout Started",
        "Started Order",
        "Checkout Step Viewed",
        "Viewed Checkout Step",
        "Checkout Step Completed",
        "Completed Checkout Step",
        "Payment Info Entered",
        "begin_checkout",
        "add_shipping_info",
        "add_payment_info",
    ),
    Meaning.PURCHASE: ("Order Completed", "Completed Order", "purchase"),
    Meaning.ORDER_UPDATE: ("Order Updated", "Updated Order"),
    Meaning.REFUND: ("Order Refunded", "refund"),
    Meaning.CANCELLATION: ("Order Cancelled", "Order Canceled"),
    Meaning.REVIEW: ("Product Reviewed",),
    Meaning.COUPON: ("Coupon Entered", "Coupon Applied", "Coupon Denied", "Coupon Removed"),
    Meaning.PROMOTION_VIEW: ("Promotion Viewed", "Viewed Promotion", "view_promotion"),
    Meaning.PROMOTION_CLICK: ("Promotion Clicked", "Clicked Promotion", "select_promotion"),
    Meaning.RECOMMENDATION_VIEW: ("Recommendation Viewed",),
    Meaning.RECOMMENDATION_CLICK: ("Recommendation Clicked",),
    Meaning.DISMISSAL: ("Recommendation Dismissed", "Product Dismissed"),
    Meaning.EMAIL_DELIVERED: ("Email Delivered",),
    Meaning.EMAIL_OPENED: ("Email Opened",),
    Meaning.EMAIL_CLICKED: ("Email Link Clicked",),
    Meaning.EMAIL_BOUNCED: ("Email Bounced",),
    Meaning.EMAIL_UNSUBSCRIBED: ("Email Unsubscribed", "Unsubscribed"),
    Meaning.PUSH_RECEIVED: ("Push Notification Received", "Push Delivered"),
    Meaning.PUSH_TAPPED: ("Push Notification Tapped", "Push Opened"),
    Meaning.SMS_DELIVERED: ("SMS Delivered",),
    Meaning.SMS_CLICKED: ("SMS Link Clicked",),
}

MEANING_BY_NAME = {name.casefold(): meaning for meaning, names in EVENT_NAMES.items() for name in names}


def lookup_meaning(name: str) -> Meaning | None:
    """Return the meaning of an event name, ignoring case; None for a custom event."""
    return MEANING_BY_NAME.get(name.strip().casefold())
