from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "customers.orders"
    label = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        from customers.identity.signals import customers_merged, merge_reverted
        from customers.orders.merge_receivers import follow_merge, follow_revert

        customers_merged.connect(follow_merge, dispatch_uid="orders.merge")
        merge_reverted.connect(follow_revert, dispatch_uid="orders.revert")
