from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AnomaliesConfig(AppConfig):
    name = "customers.anomalies"
    label = "anomalies"
    verbose_name = _("Anomalies")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.anomalies.facts.base import register_facts
        from customers.anomalies.facts.order_lines import LINES
        from customers.anomalies.facts.orders import ORDERS
        from customers.anomalies.facts.reviews import REVIEWS
        from customers.anomalies.facts.visits import VISITS
        from customers.anomalies.models import Anomaly

        for kind in (ORDERS, LINES, VISITS, REVIEWS):
            register_facts(kind)
        auditlog.register(Anomaly, include_fields=["annotation", "noted_by"])
