from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class LoyaltyConfig(AppConfig):
    name = "customers.loyalty"
    label = "loyalty"
    verbose_name = _("Loyalty")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.feedback.signals import feedback_received
        from customers.identity.signals import customers_merged, merge_reverted
        from customers.lifecycle.backoffice.panels.registry import CustomerPanel, register_panel
        from customers.loyalty import merge_receivers
        from customers.loyalty.backoffice.customer_panel import build_loyalty_panel, get_customer_id
        from customers.loyalty.condition_fields import register_fields
        from customers.loyalty.counting import note_customers
        from customers.loyalty.models import CategoryBonus, LoyaltyLevel, LoyaltyProgram

        for model in (LoyaltyProgram, LoyaltyLevel, CategoryBonus):
            auditlog.register(model)
        register_fields()
        feedback_received.connect(note_customers, dispatch_uid="loyalty.feedback")
        customers_merged.connect(merge_receivers.move_members, dispatch_uid="loyalty.merge")
        merge_reverted.connect(merge_receivers.restore_members, dispatch_uid="loyalty.revert")
        register_panel(
            CustomerPanel(
                "loyalty",
                10,
                _("Loyalty"),
                "admin/loyalty/of_customer.html",
                "loyalty.view_loyaltymember",
                build_loyalty_panel,
                tab="loyalty",
            )
        )
        register_panel(
            CustomerPanel(
                "loyalty-adjust",
                20,
                _("Adjustment"),
                "admin/loyalty/adjust_link.html",
                "loyalty.add_pointentry",
                get_customer_id,
                tab="loyalty",
            )
        )
