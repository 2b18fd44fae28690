from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MessagingConfig(AppConfig):
    name = "recommendations.messaging"
    label = "messaging"
    verbose_name = _("Messages")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.identity.signals import customers_merged, merge_reverted
        from recommendations.messaging import merge_receivers
        from recommendations.messaging.models import CouponPool, MessageTemplate, TemplateContent, TemplateVersion

        auditlog.register(MessageTemplate)
        auditlog.register(TemplateVersion)
        auditlog.register(TemplateContent, include_fields=["version", "language", "subject"])
        auditlog.register(CouponPool)
        customers_merged.connect(merge_receivers.move_codes, dispatch_uid="messaging.merge")
        merge_reverted.connect(merge_receivers.restore_codes, dispatch_uid="messaging.revert")
