from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LifecycleConfig(AppConfig):
    name = "customers.lifecycle"
    label = "lifecycle"
    verbose_name = _("Lifecycle")

    def ready(self) -> None:
        from customers.events.signals import events_removed
        from customers.identity.signals import (
            customers_deleted,
            customers_merged,
            identifiers_transferred,
            merge_reverted,
            processing_restricted,
        )
        from customers.lifecycle.automated_decisions import register_prediction_decisions
        from customers.lifecycle.merge_receivers import (
            keep_deleted_customers_out,
            recount_after_change,
            recount_after_merge,
            recount_after_revert,
        )
        from customers.lifecycle.refresh.profile_updates import queue_after_order_change
        from customers.lifecycle.refresh.withholding import clear_scores
        from customers.orders.signals import orders_changed

        register_prediction_decisions()
        customers_merged.connect(recount_after_merge, dispatch_uid="lifecycle.merge")
        merge_reverted.connect(recount_after_revert, dispatch_uid="lifecycle.revert")
        identifiers_transferred.connect(recount_after_change, dispatch_uid="lifecycle.transfer")
        customers_deleted.connect(keep_deleted_customers_out, dispatch_uid="lifecycle.delete")
        processing_restricted.connect(clear_scores, dispatch_uid="lifecycle.restriction")
        orders_changed.connect(queue_after_order_change, dispatch_uid="lifecycle.orders_changed")
        events_removed.connect(recount_after_change, dispatch_uid="lifecycle.events_removed")
