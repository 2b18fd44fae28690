from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LifecycleConfig(AppConfig):
    name = "customers.lifecycle"
    label = "lifecycle"
    verbose_name = _("Lifecycle")

    def ready(self) -> None:
        from customers.identity.signals import customers_merged, merge_reverted
        from customers.lifecycle.merge_receivers import follow_merge, follow_revert

        customers_merged.connect(follow_merge, dispatch_uid="lifecycle.merge")
        merge_reverted.connect(follow_revert, dispatch_uid="lifecycle.revert")
