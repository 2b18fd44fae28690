"""Registers the models of events with the admin site."""

from customers.events.backoffice import event_admin, rejected_event_admin, source_admin

__all__ = ["event_admin", "rejected_event_admin", "source_admin"]
