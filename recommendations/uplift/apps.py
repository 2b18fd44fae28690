from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class UpliftConfig(AppConfig):
    name = "recommendations.uplift"
    label = "uplift"
    verbose_name = _("Uplift")

    def ready(self) -> None:
        from customers.identity.signals import (
            customer_erased,
            customers_deleted,
            customers_merged,
            merge_reverted,
            processing_restricted,
        )
        from customers.lifecycle.backoffice.panels.registry import CustomerPanel, register_panel
        from recommendations.uplift import merge_receivers
        from recommendations.uplift.backoffice.automated_decisions import register_action_decisions
        from recommendations.uplift.backoffice.customer_panel import build_action_panel
        from recommendations.uplift.condition_fields import register_fields

        register_fields()
        register_action_decisions()
        register_panel(
            CustomerPanel(
                "next_action",
                15,
                _("Next best action"),
                "admin/uplift/of_customer.html",
                "campaigns.view_campaign",
                build_action_panel,
            )
        )
        processing_restricted.connect(merge_receivers.forget_restricted, dispatch_uid="uplift.restriction")
        customers_merged.connect(merge_receivers.forget_merged, dispatch_uid="uplift.merge")
        merge_reverted.connect(merge_receivers.forget_split, dispatch_uid="uplift.revert")
        customer_erased.connect(merge_receivers.forget_erased, dispatch_uid="uplift.erase")
        customers_deleted.connect(merge_receivers.forget_deleted, dispatch_uid="uplift.delete")
