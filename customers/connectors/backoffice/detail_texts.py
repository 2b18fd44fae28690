"""What a reconciliation found to differ, and why records were rejected, in the language of the reader."""

import json
import re
from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from catalog.models import Availability
from config.foundation.number_formats import join_label
from customers.connectors.sync.comparison import NAMED
from customers.identity.models import PERSON_FIELDS
from customers.orders.models import Order
from customers.orders.order_rules import MAX_LINES, REASONS

FIELDS = {
    "title": gettext_lazy("title"),
    "price": gettext_lazy("price"),
    "stock": gettext_lazy("stock"),
    "availability": gettext_lazy("availability"),
    "category": gettext_lazy("category"),
    "is_active": pgettext_lazy("product", "active"),
    "status": gettext_lazy("status"),
    "total": gettext_lazy("total"),
    "refunded": gettext_lazy("refunded"),
    "sku": gettext_lazy("SKU"),
    "brand": gettext_lazy("brand"),
    "currency": gettext_lazy("currency"),
    "cost": gettext_lazy("cost"),
    "parent_id": gettext_lazy("product group"),
    "published_at": gettext_lazy("published at"),
    "is_draft": gettext_lazy("draft"),
    "discount": gettext_lazy("discount"),
    "shipping": gettext_lazy("shipping"),
    "tax": gettext_lazy("tax"),
    "placed_at": gettext_lazy("order date"),
    "coupon": gettext_lazy("coupon"),
    "channel": gettext_lazy("channel"),
    "lines": gettext_lazy("order lines"),
    "line_amounts": gettext_lazy("amounts of the order lines"),
    "description": gettext_lazy("description"),
    "image_url": gettext_lazy("image URL"),
    "url": gettext_lazy("URL"),
    "attributes": gettext_lazy("attributes"),
    "tags": gettext_lazy("tags"),
    "user_id": gettext_lazy("customer ID"),
    **PERSON_FIELDS,
    "traits": gettext_lazy("traits"),
}
YES_NO = {"True": gettext_lazy("yes"), "False": gettext_lazy("no")}
# the fields whose values are codes
VALUES: Mapping[str, Mapping[str, str | Promise]] = {
    "availability": dict(Availability.choices),
    "is_active": YES_NO,
    "is_draft": YES_NO,
    "status": dict(Order.Status.choices),
}
CHANGED_CODE = re.compile(f"(^|; )({'|'.join(VALUES)}): (\\w*) → (\\w*)(?=; |$)")
CHANGED_FIELD = re.compile(f"(^|; )({'|'.join(FIELDS)}): ")
# the fields whose values are not stored
NAMED_FIELD = re.compile(f"(^|; )({'|'.join(NAMED)})(?=; |$)")


# the fields of rejected records, besides those that are compared
REJECTED_FIELDS: Mapping[str, str | Promise] = {
    **FIELDS,
    "product_id": gettext_lazy("product ID"),
    "order_id": gettext_lazy("order ID"),
    "quantity": gettext_lazy("quantity"),
    "unit_price": gettext_lazy("unit price"),
}
PROBLEM_TEXTS: Mapping[str, str | Promise] = {
    **REASONS,
    "required": gettext_lazy("This field is required."),
    "duplicate": gettext_lazy("Duplicate ID; the first item with this ID is kept."),
    "taken": gettext_lazy("belongs to another customer"),
}
LINE_FIELD = re.compile(r"lines\[(\d+)\](?:\.(\w+))?")


def translate_detail(detail: str) -> str:
    """Return the changes or reasons that ``writing`` stored, with fields and codes in the language of the reader."""
    if not detail.startswith("["):
        return translate_changes(detail)
    return "; ".join(
        join_label(name_field(field), describe_problem(field, code, message))
        for field, code, message in json.loads(detail)
    )


def describe_problem(field: str, code: str, message: str) -> str:
    if field == "lines":
        return _("Must be a list of 1 to %(max)d lines.") % {"max": MAX_LINES}
    # the texts of REASONS about length and characters are those of an ID
    if code in ("too_long", "bad_characters") and not field.endswith("_id"):
        return message or code
    return str(PROBLEM_TEXTS.get(code, message or code))


def name_field(field: str) -> str:
    """Return the label of a field; that of a line has the number of the line."""
    found = LINE_FIELD.fullmatch(field)
    if found is None:
        return str(REJECTED_FIELDS.get(field, field))
    number, name = int(found[1]) + 1, found[2]
    if not name:
        return _("line %(number)d") % {"number": number}
    return _("line %(number)d, %(field)s") % {"number": number, "field": REJECTED_FIELDS.get(name, name)}


def translate_changes(detail: str) -> str:
    """Return the changes that ``describe_changes`` wrote, as ``translate_detail`` does."""

    def translate_codes(found: re.Match[str]) -> str:
        values = VALUES[found[2]]
        return f"{found[1]}{found[2]}: {values.get(found[3], found[3])} → {values.get(found[4], found[4])}"

    detail = CHANGED_CODE.sub(translate_codes, detail)
    detail = NAMED_FIELD.sub(lambda found: f"{found[1]}{FIELDS[found[2]]}", detail)
    return CHANGED_FIELD.sub(lambda found: found[1] + join_label(FIELDS[found[2]], ""), detail)
