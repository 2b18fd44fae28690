"""Signals of event processing for the apps above it, which it does not import.

`events_processed`: events [OutboxEvent, …] in order of occurrence, customer_ids aligned with them (None without a customer), and
received, the times between which the events were received. Sent inside the transaction that takes the events off the outbox, so what a
receiver writes is committed exactly once with the results of the batch. A receiver must do nothing for events that it does not need.
"""

from django.dispatch import Signal

events_processed = Signal()
