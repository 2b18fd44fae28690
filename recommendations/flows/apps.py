from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class FlowsConfig(AppConfig):
    name = "recommendations.flows"
    label = "flows"
    verbose_name = _("Flows")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from recommendations.flows.models import Flow, FlowVersion

        auditlog.register(Flow, exclude_fields=["matched_at"])
        auditlog.register(FlowVersion)
