from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class PolicyConfig(AppConfig):
    name = "customers.policy"
    label = "policy"
    verbose_name = _("Privacy policy and records")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.policy.models import Breach, DataRecipient, PolicySettings, ProcessingActivity, Transfer

        autodiscover_modules("privacy_facts")
        for model in (Breach, PolicySettings, ProcessingActivity, DataRecipient, Transfer):
            auditlog.register(model)
