from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OrdersConfig(AppConfig):
    name = "customers.orders"
    label = "orders"
    verbose_name = _("Orders")

    def ready(self) -> None:
        from customers.events.sources.sandbox_checks import register_order_check
        from customers.identity.signals import customers_merged, identifiers_transferred, merge_reverted
        from customers.orders.merge_receivers import move_orders, reassign_after_transfer, restore_orders
        from customers.orders.order_events.sandbox_check import check_order_event

        customers_merged.connect(move_orders, dispatch_uid="orders.merge")
        merge_reverted.connect(restore_orders, dispatch_uid="orders.revert")
        identifiers_transferred.connect(reassign_after_transfer, dispatch_uid="orders.transfer")
        register_order_check(check_order_event)
