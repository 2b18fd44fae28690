"""What connectors store about people: the customer IDs of a shop, and webhooks until they are processed."""

from collections.abc import Sequence

from django.utils.translation import gettext_lazy as _
from psycopg import sql

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.person import Person
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import Condition, IdentifierRows
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction

OF_CUSTOMERS = sql.SQL(
    "t.kind = 'customers' AND t.connection_id IN (SELECT id FROM connectors_shopconnection) AND ({})"
)


class CustomersOfShops(IdentifierRows):
    """Rows about customers of connected shops; orders and products may have the same IDs."""

    def match_rows(self, people: Sequence[Person]) -> Condition | None:
        condition = super().match_rows(people)
        return (OF_CUSTOMERS.format(condition[0]), condition[1]) if condition else None


register_stores(
    CustomersOfShops(
        "connectors.records",
        _("customer IDs of connected shops"),
        "connectors.SyncedRecord",
        kinds={"external_id": ("user_id",)},
        columns=("external_id",),
        hidden=("id", "connection", "seen_run", "local_ids"),
    ),
    IdentifierRows(
        "connectors.differences",
        _("differences of connected shops"),
        "connectors.SyncDifference",
        kinds={"external_id": ("user_id",)},
        columns=("external_id",),
        hidden=("id", "run"),
    ),
    CustomersOfShops(
        "connectors.webhooks",
        _("webhooks of connected shops"),
        "connectors.ReceivedWebhook",
        kinds={"external_id": ("user_id",)},
        columns=("external_id",),
        hidden=("id", "connection", "delivery_id", "content"),
    ),
    MatchingTexts(
        "connectors.contents",
        _("contents of webhooks of connected shops"),
        "connectors.ReceivedWebhook",
        "content",
        "error",
        action=TextAction.DELETE,
        is_encrypted=True,
    ),
)
register_impersonal(
    table("connectors.ShopConnection"),
    table("connectors.SyncRun"),
    table("connectors.SyncedRecord", "kind", "local_ids"),
    table("connectors.SyncDifference", "kind", "code", "detail"),
    table("connectors.ReceivedWebhook", "delivery_id", "topic", "kind"),
    reason="Addresses and keys of the shop's own systems, positions and counts of imports, and IDs of products and orders.",
)
