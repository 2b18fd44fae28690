"""What a reconciliation found to differ, in the language of the reader."""

import re
from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, pgettext_lazy

from catalog.models import Availability
from config.foundation.number_formats import join_label
from customers.orders.models import Order

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
}
# the fields whose values are codes
VALUES: Mapping[str, Mapping[str, str | Promise]] = {
    "availability": dict(Availability.choices),
    "is_active": {"True": gettext_lazy("yes"), "False": gettext_lazy("no")},
    "status": dict(Order.Status.choices),
}
CHANGED_CODE = re.compile(f"(^|; )({'|'.join(VALUES)}): (\\w*) → (\\w*)(?=; |$)")
CHANGED_FIELD = re.compile(f"(^|; )({'|'.join(FIELDS)}): ")


def translate_detail(detail: str) -> str:
    """Return the changes that `describe_changes` wrote, with fields and codes in the language of the reader."""

    def translate_codes(found: re.Match[str]) -> str:
        values = VALUES[found[2]]
        return f"{found[1]}{found[2]}: {values.get(found[3], found[3])} → {values.get(found[4], found[4])}"

    detail = CHANGED_CODE.sub(translate_codes, detail)
    return CHANGED_FIELD.sub(lambda found: found[1] + join_label(FIELDS[found[2]], ""), detail)
