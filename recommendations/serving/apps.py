from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


class ServingConfig(AppConfig):
    name = "recommendations.serving"
    label = "serving"
    verbose_name = _("Recommendations")

    def ready(self) -> None:
        from auditlog.registry import auditlog
        from prometheus_client import REGISTRY

        from customers.identity.signals import (
            customer_erased,
            customers_merged,
            identifiers_released,
            merge_reverted,
        )
        from customers.lifecycle.backoffice.panels.registry import CustomerPanel, register_panel
        from customers.lifecycle.signals import channel_responses_requested
        from recommendations.serving.backoffice.automated_decisions import register_recommendation_decisions
        from recommendations.serving.backoffice.customer_panel import build_recommendations_panel
        from recommendations.serving.default_settings import create_default_settings
        from recommendations.serving.experiments.subjects import register_subjects
        from recommendations.serving.impressions import merge_receivers
        from recommendations.serving.impressions.customer_responses import count_recommendations_served
        from recommendations.serving.impressions.metrics import ImpressionMetrics
        from recommendations.serving.models import PlacementSettings
        from recommendations.serving.state.suppression import release_names, suppress_erased_customer

        auditlog.register(PlacementSettings)
        register_subjects()
        post_migrate.connect(create_default_settings, sender=self, dispatch_uid="serving.default_settings")
        customer_erased.connect(
            lambda sender, customer_id, at, **kwargs: suppress_erased_customer(customer_id=customer_id, at=at),
            weak=False,
            dispatch_uid="serving.suppression",
        )
        identifiers_released.connect(release_names, dispatch_uid="serving.release")
        customer_erased.connect(merge_receivers.anonymize_impressions, dispatch_uid="serving.impressions.erase")
        customers_merged.connect(merge_receivers.reassign_merged_impressions, dispatch_uid="serving.impressions.merge")
        merge_reverted.connect(merge_receivers.revert_merged_impressions, dispatch_uid="serving.impressions.revert")
        channel_responses_requested.connect(count_recommendations_served, dispatch_uid="serving.responses")
        REGISTRY.register(ImpressionMetrics())
        title, template = _("Recommendations now"), "admin/serving/of_customer.html"
        register_recommendation_decisions()
        register_panel(
            CustomerPanel(
                "recommendations",
                30,
                title,
                template,
                "serving.view_preview",
                build_recommendations_panel,
                tab="recommendations",
            )
        )
