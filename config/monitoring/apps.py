from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MonitoringConfig(AppConfig):
    name = "config.monitoring"
    label = "monitoring"
    verbose_name = _("Monitoring")

    def ready(self) -> None:
        from prometheus_client import REGISTRY

        from config.monitoring.metrics.collectors import OperationMetrics
        from config.monitoring.slow_statements import connect_slow_statement_log

        REGISTRY.register(OperationMetrics())
        connect_slow_statement_log()
