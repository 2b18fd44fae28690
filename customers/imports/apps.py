from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ImportsConfig(AppConfig):
    name = "customers.imports"
    label = "imports"
    verbose_name = _("Imports")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.identity.signals import customer_erased
        from customers.imports.models import ImportRun, ScheduledFeed
        from customers.imports.undo import forget_customer

        auditlog.register(ImportRun, include_fields=["file_name", "kind", "source", "state"])
        auditlog.register(ScheduledFeed, include_fields=["url", "source", "interval_hours", "is_enabled"])
        customer_erased.connect(forget_customer, dispatch_uid="imports.erase")
