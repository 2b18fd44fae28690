from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class EventsConfig(AppConfig):
    name = "customers.events"
    label = "events"
    verbose_name = _("Events")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from customers.events.models import Source
        from customers.events.recent.interactions import allow_interactions, forget_interactions
        from customers.identity.signals import consent_refused, consent_returned

        consent_refused.connect(
            lambda sender, identifiers, **kwargs: forget_interactions(identifiers=identifiers),
            weak=False,
            dispatch_uid="events.recent",
        )
        consent_returned.connect(
            lambda sender, identifiers, **kwargs: allow_interactions(identifiers=identifiers),
            weak=False,
            dispatch_uid="events.recent",
        )
        auditlog.register(Source, exclude_fields=["write_key_hash", "previous_key_hash"])
