from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class IntentConfig(AppConfig):
    name = "customers.intent"
    label = "intent"
    verbose_name = _("Behavior prediction")

    def ready(self) -> None:
        from customers.intent.condition_fields import register_fields

        register_fields()
