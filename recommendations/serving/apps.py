from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ServingConfig(AppConfig):
    name = "recommendations.serving"
    label = "serving"
    verbose_name = _("Recommendations")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.identity.signals import customer_erased
        from recommendations.serving.models import ScenarioSettings
        from recommendations.serving.withheld import withhold_erased

        auditlog.register(ScenarioSettings)
        customer_erased.connect(
            lambda sender, customer_id, at, **kwargs: withhold_erased(customer_id=customer_id, at=at),
            weak=False,
            dispatch_uid="serving.withheld",
        )
