"""Who was assigned to which group of a campaign or flow."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.registry import register_stores
from config.foundation.personal_data.table_stores import CustomerRows

register_stores(
    CustomerRows(
        "measurement.assignments",
        _("groups of campaigns and flows"),
        "measurement.Assignment",
        is_renumbered=True,
        hidden=("id", "customer_id", "predicted_value"),
        kept=_(
            "The fact that someone was in a group, under an anonymous number, because results count everyone who was assigned."
        ),
    ),
)
