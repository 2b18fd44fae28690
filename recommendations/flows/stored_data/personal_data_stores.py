"""Who is or was in which flow."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import CustomerRows

register_stores(
    CustomerRows(
        "flows.entries",
        _("automated flows"),
        "flows.FlowEntry",
        is_renumbered=True,
        blank={"event": {}, "occurrence": ""},
        hidden=("id", "customer_id", "version", "is_waiting"),
        kept=_(
            "The fact that someone passed the steps, under an anonymous number and without what triggered the flow."
        ),
    ),
    CustomerRows("flows.signals", _("triggers of flows"), "flows.FlowSignal", is_exported=False),
    CustomerRows("flows.matches", _("matches of flow conditions"), "flows.FlowMatch", is_exported=False),
)
register_impersonal(
    table("flows.Flow"),
    table("flows.FlowVersion"),
    table("flows.FlowStepRun"),
    table("flows.FlowStepCount"),
    table("flows.FlowListener"),
    table("flows.UpcomingProduct"),
    reason="Flows as staff defined them, counts of steps, and IDs of products.",
)
