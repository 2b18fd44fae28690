from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ImportsConfig(AppConfig):
    name = "customers.imports"
    label = "imports"
    verbose_name = _("Imports")

    def ready(self) -> None:
        from customers.identity.signals import customer_erased
        from customers.imports.undo import forget_customer

        customer_erased.connect(forget_customer, dispatch_uid="imports.erase")
