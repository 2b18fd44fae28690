from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MerchandisingConfig(AppConfig):
    name = "recommendations.merchandising"
    label = "merchandising"
    verbose_name = _("Merchandising")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from recommendations.merchandising.models import Rule

        auditlog.register(Rule, exclude_fields=["updated_at"])
