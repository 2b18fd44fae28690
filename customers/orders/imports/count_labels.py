"""Labels of the counts of an import."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

COUNT_LABELS: dict[str, Promise] = {
    "orders_created": _("new orders"),
    "orders_updated": _("changed orders"),
    "orders_unchanged": _("unchanged orders"),
    "lines_created": _("new lines"),
    "lines_updated": _("changed lines"),
    "lines_removed": _("removed lines"),
    "guest_lines": _("lines of guests"),
    "return_lines": _("returned lines"),
    "free_lines": _("free lines"),
    "customers_created": _("new customers"),
    "products_created": _("new products"),
}
