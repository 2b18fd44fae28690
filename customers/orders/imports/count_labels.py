"""The words for what an import counts."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

COUNTS: dict[str, Promise] = {
    "orders_created": _("new orders"),
    "orders_updated": _("orders changed"),
    "orders_unchanged": _("orders unchanged"),
    "lines_created": _("new lines"),
    "lines_updated": _("lines changed"),
    "lines_removed": _("lines removed"),
    "guest_lines": _("lines of guests"),
    "return_lines": _("lines returned"),
    "free_lines": _("lines without charge"),
    "customers_created": _("new customers"),
    "products_created": _("new products"),
}
