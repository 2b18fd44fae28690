from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ErasureConfig(AppConfig):
    name = "customers.erasure"
    label = "erasure"
    verbose_name = _("Erasure")

    def ready(self) -> None:
        from customers.erasure.returning_people import exempt_released_identifiers
        from customers.identity.signals import identifiers_released

        identifiers_released.connect(exempt_released_identifiers, dispatch_uid="erasure.release")
