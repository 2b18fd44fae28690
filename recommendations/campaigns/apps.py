from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "recommendations.campaigns"
    label = "campaigns"
    verbose_name = _("Campaigns")

    def ready(self) -> None:
        from customers.lifecycle.backoffice.panels.registry import Section, add_section
        from recommendations.campaigns.backoffice.customer_panel import told

        add_section(
            Section(
                "campaigns", 20, _("Campaigns"), "admin/campaigns/of_customer.html", "campaigns.view_campaign", told
            )
        )
