"""What segments store about people."""

from django.utils.translation import gettext_lazy as _

from config.foundation.personal_data.locations import table
from config.foundation.personal_data.registry import register_impersonal, register_stores
from config.foundation.personal_data.table_stores import CustomerRows
from config.foundation.personal_data.text_stores import MatchingTexts, TextAction

COUNTS_KEPT = _("The size of each segment on each day, and how many entered and left it.")

register_stores(
    CustomerRows(
        "segments.members", _("static segments"), "segments.SegmentMember", hidden=("id", "customer"), kept=COUNTS_KEPT
    ),
    CustomerRows(
        "segments.stays", _("times in segments"), "segments.SegmentStay", hidden=("id", "customer_id"), kept=COUNTS_KEPT
    ),
    CustomerRows("segments.event_counts", _("counts of events"), "segments.EventCount", is_exported=False),
    CustomerRows("segments.pending_orders", _("orders to be counted"), "segments.PendingOrderCount", is_exported=False),
    CustomerRows("segments.pending_events", _("events to be counted"), "segments.PendingEventCount", is_exported=False),
    CustomerRows("segments.changed", _("customers who changed"), "segments.ChangedCustomer", is_exported=False),
    MatchingTexts(
        "segments.definitions",
        _("conditions of segments and saved lists that name people"),
        "segments.Segment",
        "condition",
        "tracked_condition",
        "error",
        action=TextAction.MASK,
    ),
    MatchingTexts(
        "segments.lists", _("saved customer lists"), "segments.CustomerListView", "parameters", action=TextAction.MASK
    ),
)
register_impersonal(
    table("segments.Segment"),
    table("segments.CustomerListView"),
    table("segments.EventSeries"),
    reason="Definitions and names given by staff; what is counted.",
)
