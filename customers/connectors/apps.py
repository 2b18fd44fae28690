from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ConnectorsConfig(AppConfig):
    name = "customers.connectors"
    label = "connectors"
    verbose_name = _("Connectors")

    def ready(self) -> None:
        from auditlog.registry import auditlog
        from django.utils.module_loading import autodiscover_modules

        from customers.connectors.models import ShopConnection

        autodiscover_modules("backoffice.shop_follow_up")
        auditlog.register(ShopConnection, include_fields=["name", "platform", "address", "is_enabled"])
