from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SegmentsConfig(AppConfig):
    name = "customers.segments"
    label = "segments"
    verbose_name = _("Segments")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.events.signals import events_removed
        from customers.feedback.signals import feedback_received
        from customers.identity.signals import (
            customer_erased,
            customers_deleted,
            customers_merged,
            identifiers_transferred,
            merge_reverted,
        )
        from customers.lifecycle.backoffice.panels.registry import CustomerPanel, register_panel
        from customers.segments import merge_receivers
        from customers.segments.backoffice.automated_decisions import register_segment_decisions
        from customers.segments.backoffice.customer_panel import build_segments_panel
        from customers.segments.changed_customers import note_feedback_authors
        from customers.segments.conditions.feedback_fields import register_fields
        from customers.segments.models import CustomerListView, Segment, SegmentAddition

        auditlog.register(
            Segment, exclude_fields=["size", "last_evaluated_at", "duration_ms", "error", "tracked_condition"]
        )
        auditlog.register(CustomerListView)
        register_fields()
        register_segment_decisions()
        feedback_received.connect(note_feedback_authors, dispatch_uid="segments.feedback")
        auditlog.register(SegmentAddition)
        customers_merged.connect(merge_receivers.move_memberships, dispatch_uid="segments.merge")
        customers_merged.connect(merge_receivers.recount_after_merge, dispatch_uid="segments.counts.merge")
        merge_reverted.connect(merge_receivers.restore_memberships, dispatch_uid="segments.revert")
        merge_reverted.connect(merge_receivers.recount_after_revert, dispatch_uid="segments.counts.revert")
        identifiers_transferred.connect(merge_receivers.recount_after_change, dispatch_uid="segments.counts.transfer")
        events_removed.connect(merge_receivers.recount_after_change, dispatch_uid="segments.counts.events_removed")
        customer_erased.connect(merge_receivers.forget_erased_customer, dispatch_uid="segments.erase")
        customers_deleted.connect(merge_receivers.forget_deleted_customers, dispatch_uid="segments.delete")
        register_panel(
            CustomerPanel(
                "segments",
                10,
                _("Segments"),
                "admin/segments/of_customer.html",
                "segments.view_segment",
                build_segments_panel,
            )
        )
