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

        from customers.identity.signals import customer_erased, customers_merged, merge_reverted
        from customers.lifecycle.backoffice.panels.registry import Section, add_section
        from customers.lifecycle.signals import responses_asked
        from recommendations.serving.backoffice.customer_panel import told
        from recommendations.serving.default_settings import ensure_places_after_migrate
        from recommendations.serving.impressions import merge_receivers
        from recommendations.serving.impressions.customer_responses import tell_served
        from recommendations.serving.impressions.metrics import ImpressionMetrics
        from recommendations.serving.models import ScenarioSettings
        from recommendations.serving.state.suppression import withhold_erased

        auditlog.register(ScenarioSettings)
        post_migrate.connect(ensure_places_after_migrate, sender=self, dispatch_uid="serving.places")
        customer_erased.connect(
            lambda sender, customer_id, at, **kwargs: withhold_erased(customer_id=customer_id, at=at),
            weak=False,
            dispatch_uid="serving.withheld",
        )
        customer_erased.connect(merge_receivers.forget_customer, dispatch_uid="serving.impressions.erase")
        customers_merged.connect(merge_receivers.follow_merge, dispatch_uid="serving.impressions.merge")
        merge_reverted.connect(merge_receivers.follow_revert, dispatch_uid="serving.impressions.revert")
        responses_asked.connect(tell_served, dispatch_uid="serving.responses")
        REGISTRY.register(ImpressionMetrics())
        title, template = _("Recommendations now"), "admin/serving/of_customer.html"
        add_section(Section("recommendations", 30, title, template, "serving.view_preview", told))
