from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EventsConfig(AppConfig):
    name = "customers.events"
    label = "events"
    verbose_name = _("Events")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.events.models import Source
        from customers.events.recent.interactions import allow_interactions, clear_interactions
        from customers.identity.signals import consent_denied, consent_restored

        consent_denied.connect(
            lambda sender, identifiers, **kwargs: clear_interactions(identifiers=identifiers),
            weak=False,
            dispatch_uid="events.recent",
        )
        consent_restored.connect(
            lambda sender, identifiers, **kwargs: allow_interactions(identifiers=identifiers),
            weak=False,
            dispatch_uid="events.recent",
        )
        auditlog.register(
            Source,
            exclude_fields=["write_key_hash", "previous_key_hash"],
            mask_fields=["sealed_token_key"],
            mask_callable="customers.identity.personal_data.audit_masking.mask_value",
        )
