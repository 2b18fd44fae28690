from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CampaignsConfig(AppConfig):
    name = "recommendations.campaigns"
    label = "campaigns"
    verbose_name = _("Campaigns")

    def ready(self) -> None:
        from customers.lifecycle.backoffice.panels.registry import CustomerPanel, register_panel
        from customers.segments.usage import register_segment_users
        from recommendations.campaigns.backoffice.automated_decisions import register_message_decisions
        from recommendations.campaigns.backoffice.customer_panel import list_campaign_outcomes
        from recommendations.campaigns.backoffice.delivery_panel import list_deliveries
        from recommendations.campaigns.experiments import register_message_experiments
        from recommendations.campaigns.launch.runs import start_due_runs
        from recommendations.campaigns.launch.segment_uses import list_excluding_campaigns
        from recommendations.campaigns.launch.template_uses import list_campaign_uses
        from recommendations.campaigns.origin_keys import find_campaign_keys, find_campaign_numbers
        from recommendations.messaging.template_uses import register_use_finder
        from recommendations.sending.checks.holdout_groups import register_scope_finder
        from recommendations.sending.restores.hold import register_message_queuer
        from recommendations.sending.tracking.origin_keys import register_key_finder

        register_message_queuer(lambda at: start_due_runs(now=at))
        register_message_experiments()
        register_message_decisions()
        register_key_finder("campaign", find_campaign_keys)
        register_scope_finder("campaign", find_campaign_numbers)
        register_use_finder("campaign", list_campaign_uses)
        register_segment_users(list_excluding_campaigns)
        register_panel(
            CustomerPanel(
                "deliveries",
                10,
                _("Messages"),
                "admin/campaigns/deliveries.html",
                "campaigns.view_campaign",
                list_deliveries,
                tab="messages",
            )
        )
        register_panel(
            CustomerPanel(
                "campaigns",
                20,
                _("Campaigns"),
                "admin/campaigns/of_customer.html",
                "campaigns.view_campaign",
                list_campaign_outcomes,
                tab="messages",
            )
        )
