from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProcessingConfig(AppConfig):
    name = "customers.processing"
    label = "processing"
    verbose_name = _("Processing")

    def ready(self) -> None:
        from prometheus_client import REGISTRY

        from customers.processing.metrics import ProcessingMetrics

        REGISTRY.register(ProcessingMetrics())
