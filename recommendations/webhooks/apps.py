from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WebhooksConfig(AppConfig):
    name = "recommendations.webhooks"
    label = "webhooks"
    verbose_name = _("Webhooks")

    def ready(self) -> None:
        from recommendations.sending.changes import register_listener
        from recommendations.webhooks.message_changes import MessageNotifier

        register_listener(MessageNotifier())
