from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SegmentsConfig(AppConfig):
    name = "customers.segments"
    label = "segments"
    verbose_name = _("Segments")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.identity.signals import customers_merged, merge_reverted
        from customers.lifecycle.backoffice.panels.registry import CustomerPanel, register_panel
        from customers.segments.backoffice.customer_panel import list_customer_segments
        from customers.segments.merge_receivers import move_memberships, restore_memberships
        from customers.segments.models import Segment

        auditlog.register(Segment, exclude_fields=["size", "last_evaluated_at", "duration_ms", "error"])
        customers_merged.connect(move_memberships, dispatch_uid="segments.merge")
        merge_reverted.connect(restore_memberships, dispatch_uid="segments.revert")
        register_panel(
            CustomerPanel(
                "segments",
                10,
                _("Segments"),
                "admin/segments/of_customer.html",
                "segments.view_segment",
                list_customer_segments,
            )
        )
