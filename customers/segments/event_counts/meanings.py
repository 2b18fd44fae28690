"""The events that are counted by day: by product, category and brand, or only in total."""

from customers.events.event_taxonomy import EVENT_NAMES, Meaning

# The days since 1970 that a count can have, as smallint. An order with an earlier or later date, such as the 0001-01-01 or 1753-01-01
# that programs write for an unknown one, counts on the first or the last of these days.
FIRST_DAY, LAST_DAY = -32_767, 32_767
DAY = f"LEAST(GREATEST({{date}} - DATE '1970-01-01', {FIRST_DAY}), {LAST_DAY})::smallint"  # SQL of the day of a date

# Purchases are counted from orders, which include cancellations and have no duplicates.
BOUGHT = str(Meaning.PURCHASE)
PRODUCT_MEANINGS = (Meaning.VIEW, Meaning.CART, Meaning.CART_REMOVAL, Meaning.WISHLIST, Meaning.STOCK_REQUEST)
OTHER_MEANINGS = (
    Meaning.SEARCH,
    Meaning.LIST_VIEW,
    Meaning.CART_VIEW,
    Meaning.CHECKOUT,
    Meaning.REVIEW,
    Meaning.RECOMMENDATION_CLICK,
    Meaning.EMAIL_OPENED,
    Meaning.EMAIL_CLICKED,
    Meaning.PUSH_TAPPED,
    Meaning.SMS_CLICKED,
)
COUNTED_MEANINGS = frozenset((*PRODUCT_MEANINGS, *OTHER_MEANINGS))
COUNTED_NAMES = {name.casefold(): str(meaning) for meaning in COUNTED_MEANINGS for name in EVENT_NAMES[meaning]}
