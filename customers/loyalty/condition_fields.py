"""The fields of segment conditions on the loyalty program, which the branches of flows and on-site offers can use as well."""

from django.utils.translation import gettext_lazy as _

from customers.segments.conditions.fields import ConditionField, FieldType, register_field
from customers.segments.conditions.value_parsing import MAX_NUMBER

LOYALTY = _("Loyalty")
FIELDS = (
    ConditionField(
        "loyalty_level",
        _("loyalty level"),
        LOYALTY,
        FieldType.TEXT,
        lookup="loyalty__level__key",
        help=_("The key of the level, such as gold; see Customers › Loyalty › Levels and rules."),
    ),
    ConditionField(
        "loyalty_points",
        _("points balance"),
        LOYALTY,
        FieldType.INTEGER,
        lookup="loyalty__balance",
        low=1 - MAX_NUMBER,
        high=MAX_NUMBER - 1,
    ),
    ConditionField(
        "loyalty_points_expire_at",
        _("points expire"),
        LOYALTY,
        FieldType.FUTURE_MOMENT,
        lookup="loyalty__next_expiry_at",
        help=_("When the next points of the customer expire."),
    ),
    ConditionField(
        "loyalty_signed_in_at", _("last daily sign-in"), LOYALTY, FieldType.MOMENT, lookup="loyalty__signed_in_at"
    ),
)


def register_fields() -> None:
    for entry in FIELDS:
        register_field(entry)
