from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "customers.orders"
    label = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        from customers.identity.signals import customers_merged, merge_reverted
        from customers.orders.merge_receivers import move_orders, restore_orders

        customers_merged.connect(move_orders, dispatch_uid="orders.merge")
        merge_reverted.connect(restore_orders, dispatch_uid="orders.revert")
