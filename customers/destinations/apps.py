from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DestinationsConfig(AppConfig):
    name = "customers.destinations"
    label = "destinations"
    verbose_name = _("Destinations")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from config.foundation.privacy_facts.registry import register_recipients
        from customers.destinations.models import Destination
        from customers.destinations.outbox.removals import queue_removals
        from customers.destinations.recipients import list_destination_recipients
        from customers.destinations.segment_uses import list_destinations_of_segment
        from customers.identity.signals import customer_erased
        from customers.segments.usage import register_segment_users

        auditlog.register(Destination, include_fields=["name", "kind", "options", "streams", "is_enabled"])
        customer_erased.connect(queue_removals, dispatch_uid="destinations.erase")
        register_recipients("destinations", list_destination_recipients)
        register_segment_users(list_destinations_of_segment)
