"""The next best action of each customer."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import CustomerRows
from config.foundation.personal_data.trained_models import register_trained_models

register_stores(CustomerRows("uplift.actions", _("next best action"), "uplift.CustomerAction", hidden=("customer",)))
register_trained_models("uplift.UpliftModel", _("uplift"), trained_at="computed_at")
register_impersonal(table("uplift.UpliftModel"), reason="Figures over all customers; refitted by the next refresh.")
