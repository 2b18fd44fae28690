from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LifecycleConfig(AppConfig):
    name = "customers.lifecycle"
    label = "lifecycle"
    verbose_name = _("Lifecycle")

    def ready(self) -> None:
        from customers.identity.signals import customers_merged, identifiers_transferred, merge_reverted
        from customers.lifecycle.merge_receivers import (
            recount_after_merge,
            recount_after_revert,
            recount_after_transfer,
        )

        customers_merged.connect(recount_after_merge, dispatch_uid="lifecycle.merge")
        merge_reverted.connect(recount_after_revert, dispatch_uid="lifecycle.revert")
        identifiers_transferred.connect(recount_after_transfer, dispatch_uid="lifecycle.transfer")
