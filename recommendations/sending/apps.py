from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SendingConfig(AppConfig):
    name = "recommendations.sending"
    label = "sending"
    verbose_name = _("Sending")

    def ready(self) -> None:
        from recommendations.messaging.test_sends import register_test_sender
        from recommendations.sending.test_messages import send_test_message

        register_test_sender(send_test_message)
